use super::*;

fn spec(text: &str) -> ProfileSpec {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn all_faults_are_told() {
    let spec = spec(
        "{summary: x, sizes: {Big One: {}, small: {limits: {memory: 1GB}, requests: {cpu: 2}}}, data: {size: big, mountPath: data},
          statefulSet: {kind: Deployment, metadata: {name: x}, spec: {replicas: 3, template: {spec: {containers: [{image: x}]}}}}}",
    );
    let found = faults(&spec);
    let starts = [
        "spec.statefulSet.spec.replicas: ",
        "spec.statefulSet.metadata: ",
        "spec.statefulSet.spec.template.spec.containers[0].name: ",
        "spec.statefulSet.kind: is \"Deployment\", where a StatefulSet stands; take kind out",
        "spec.sizes: \"Big One\" is not a DNS label",
        "spec.sizes.small.limits.memory: \"1GB\": ",
        "spec.data.size: ",
        "spec.data.mountPath: \"data\" is not absolute",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (fault, start) in found.iter().zip(starts) {
        assert!(fault.starts_with(start), "{fault}");
    }
}

#[test]
fn values_of_other_types_are_told_with_their_places() {
    let spec = spec(
        "{summary: x, data: {claim: Data_}, match: {images: [reg.io/team/z, team/z, library/foo, UPPER/x, t/*, a b, a_b/c.d--e]},
          statefulSet: {spec: {template: {spec: {terminationGracePeriodSeconds: soon, hostNetwork: 1,
            containers: [{name: $(main), env: {A: b}, ports: [{containerPort: 80}]}]}}}}}",
    );
    let found = faults(&spec);
    let pod = "spec.statefulSet.spec.template.spec";
    for start in [
        format!("{pod}.containers[0].env: is a map; write a list: - name: …"),
        format!("{pod}.hostNetwork: is 1; write true or false"),
        format!("{pod}.terminationGracePeriodSeconds: is the text \"soon\"; write a whole number"),
        "spec.data.claim: \"Data_\" is not a DNS label".to_owned(),
        "spec.match.images: reg.io/team/z is never met, being read as team/z; write team/z".to_owned(),
        "spec.match.images: library/foo is never met, being read as foo; write foo".to_owned(),
        "spec.match.images: \"UPPER/x\" is no repository".to_owned(),
        "spec.match.images: t/*: there are no patterns".to_owned(),
        "spec.match.images: \"a b\" is no repository".to_owned(),
    ] {
        assert!(found.iter().any(|fault| fault.starts_with(&start)), "{start}: {found:#?}");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
    assert!(unknown_fields(&spec).is_empty());
}

#[test]
fn cases_that_are_never_taken_or_not_told_apart_are_told() {
    let spec = spec(
        "{summary: x, variants: [{name: v, unknown: x, cases: [{name: a, majorFrom: 5, majorTo: 3},
          {name: a, otherwise: true}, {name: b, majorFrom: 3, majorTo: 3}]},
          {name: w, unknown: x, cases: [{name: a, majorFrom: 5, majorTo: 3, tagContains: x}]}]}",
    );
    assert_eq!(
        faults(&spec),
        [
            "spec.variants[0].cases[0]: majorFrom 5 is above majorTo 3, and no image is of it; write 3 and 5",
            "spec.variants[0].cases[1].name: \"a\" is the name of another case too; give each a name of its own",
        ]
    );
}

#[test]
fn a_profile_of_wrong_values_alone_is_not_read_for_ever() {
    let ports: Vec<Value> = (0..500).map(|_| serde_json::json!({"containerPort": "x"})).collect();
    let mut spec =
        spec("{summary: x, statefulSet: {spec: {template: {spec: {containers: [{name: $(main)}]}}}}}");
    spec.stateful_set["spec"]["template"]["spec"]["containers"][0]["ports"] = Value::from(ports);
    assert_eq!(faults(&spec).len(), words::MOST);
}

#[test]
fn unknown_fields_are_told_where_they_stand() {
    let spec = spec(
        "{summary: x, statefulSet: {spec: {template: {spec: {hostNetwrk: true, containers: [
            {name: $(main), readinessProbe: {tcpSocket: {port: $(port)}}, securityContext: {runAsUsr: 1}}]}}}}}",
    );
    assert_eq!(
        unknown_fields(&spec),
        [
            "spec.statefulSet.spec.template.spec.containers[0].securityContext.runAsUsr is no field that this \
             version of stateward knows",
            "spec.statefulSet.spec.template.spec.hostNetwrk is no field that this version of stateward knows",
        ]
    );
}

#[test]
fn an_empty_map_is_kept_where_its_field_is_known() {
    let spec = spec(
        "{summary: x, statefulSet: {status: {}, spec: {updateStrategy: {rollingUpdate: {}},
          ordinals: {}, persistentVolumeClaimRetentionPolicy: {}, volumeClaimTemplates: [{metadata: {name: x}, spec: {}}],
          template: {metadata: {labels: {}, annotations: {}}, spec: {affinity: {podAntiAffinity: {}}, securitycontext: {},
            nodeSelector: {}, securityContext: {seLinuxOptions: {}}, dnsConfig: {}, resources: {},
            topologySpreadConstraints: [{labelSelector: {matchLabels: {}}}],
            volumes: [{name: x, emptydir: {}}, {name: w, emptyDir: {}}, {name: z, secret: {}}],
            containers: [{name: $(main), resources: {requests: {}}, lifecycle: {}, readinessProbe: {httpGet: null},
              securityContext: {capabilities: {}}, env: [{name: A, valueFrom: {}}], envFrom: [{secretRef: {}}]}]}}}}}",
    );
    let pod = "spec.statefulSet.spec.template.spec";
    assert_eq!(faults(&spec), [""; 0]);
    assert_eq!(
        unknown_fields(&spec),
        ["securitycontext", "volumes[0].emptydir"]
            .map(|field| format!("{pod}.{field} is no field that this version of stateward knows"))
    );
}

#[test]
fn nulls_that_say_nothing_are_told_in_cases_too() {
    let spec = serde_json::json!({
        "summary": "x", "size": null, "data": {"claim": null, "size": "1Gi"}, "variants": [
            {"name": "base", "unknown": "x", "cases": [{"name": "a", "data": {"subPath": "a"}}]},
            {"name": "version", "unknown": "x", "cases": [
                {"name": "a", "data": null}, {"name": "b", "data": {"subPath": null, "size": null}},
            ]},
        ],
    });
    let case = "spec.variants[1].cases[1]";
    let takes = |at: &str| format!("{at} is null, which takes nothing away; ");
    let in_case = |field: &str| {
        format!(
            "{}leave it out, and write data.{field} in the cases alone that are to have it",
            takes(&format!("{case}.data.{field}"))
        )
    };
    assert_eq!(
        idle_nulls(&spec),
        [
            format!("{}write data.claim under spec.without", takes("spec.data.claim")),
            format!("{}write size under spec.without", takes("spec.size")),
            in_case("size"),
            in_case("subPath"),
        ]
    );
    assert_eq!(idle_nulls(&Value::Null), [""; 0]);
}

#[test]
fn the_built_in_ones_are_without() {
    for (name, spec) in &super::super::Catalogue::built_in().unwrap().sources {
        assert_eq!((faults(spec), unknown_fields(spec)), (vec![], vec![]), "{name}");
    }
}
