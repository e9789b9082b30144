use super::*;
use crate::catalogue::Catalogue;
use crate::catalogue::cluster::{Given, Joined};

/// A profile of these fields that extends `default`, joined to the built-in ones.
fn joined(name: &str, fields: &str) -> Joined {
    let spec = serde_saphyr::from_str(&format!("{{summary: x, {fields}}}")).unwrap();
    let given = Given { name: name.to_owned(), spec: Ok(Arc::new(spec)) };
    Catalogue::built_in().unwrap().join(&[given], &[])
}

fn of(fields: &str) -> (Vec<String>, Vec<String>) {
    let joined = joined("queue", &format!("extends: default, match: {{images: [queue]}}, {fields}"));
    (joined.verdicts["queue"].faults.clone(), joined.remarks.get("queue").cloned().unwrap_or_default())
}

fn main(fields: &str) -> String {
    pod(&format!("containers: [{{name: $(main), {fields}}}]"))
}

fn pod(fields: &str) -> String {
    format!("statefulSet: {{spec: {{template: {{spec: {{{fields}}}}}}}}}")
}

const MAIN_AT: &str = "spec.statefulSet.spec.template.spec.containers[name=\"$(main)\"]";

#[test]
fn the_built_in_ones_are_fit_for_sets() {
    let catalogue = Catalogue::built_in().unwrap();
    for profile in catalogue.profiles() {
        assert_eq!(tried(profile, &[]), Tried::default(), "{}", profile.name);
    }
}

#[test]
fn values_that_every_set_would_be_refused_for_are_told_at_their_fields() {
    for (fields, start) in [
        (main("ports: [{containerPort: 70000}]"), format!("{MAIN_AT}.ports[containerPort=70000,")),
        (
            main("ports: [{containerPort: 80, name: far-too-long-a-name}]"),
            format!("{MAIN_AT}.ports[containerPort=80,protocol=\"TCP\"].name: \"far-too-long-a-name\" has more than 15"),
        ),
        (
            main("ports: [{containerPort: 80, name: http}, {containerPort: 81, name: http}]"),
            format!("{MAIN_AT}.ports[containerPort=81,protocol=\"TCP\"].name: \"http\" is the name of another port"),
        ),
        (main("env: [{name: A=B, value: x}]"), format!("{MAIN_AT}.env[name=\"A=B\"]")),
        (
            main("securityContext: {runAsUser: -1}"),
            format!("{MAIN_AT}.securityContext.runAsUser: -1 is no id of a user"),
        ),
        (
            pod("nodeSelector: {a b: x}"),
            "spec.statefulSet.spec.template.spec.nodeSelector[\"a b\"]: \"a b\" is not the key of a label".to_owned(),
        ),
        (
            pod("serviceAccountName: $(nmae)"),
            "spec.statefulSet.spec.template.spec.serviceAccountName: \"$(nmae)\" is no name of an object".to_owned(),
        ),
        (
            "size: small, sizes: {small: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}".to_owned(),
            "spec.sizes.small.requests.memory: requests 2Gi, above the limit of 1Gi".to_owned(),
        ),
        (
            "data: {mountPath: '/data:x', size: 1Gi}".to_owned(),
            "spec.data: ".to_owned(),
        ),
        (
            "variants: [{name: base, unknown: x, cases: [{name: a, otherwise: true}, {name: b, tagContains: b, \
             statefulSet: {spec: {template: {spec: {tolerations: [{operator: Exists, effect: Never}]}}}}}]}]"
                .to_owned(),
            "spec.variants[0].cases[1].statefulSet.spec.template.spec.tolerations".to_owned(),
        ),
        (
            "spread: [kubernetes.io/hostname, 'bad key!']".to_owned(),
            "spec.spread[1]: \"bad key!\" is not the key of a label".to_owned(),
        ),
        (main("args: [\"$(memory.50.Mi)\"]"), format!("{MAIN_AT}.args[0]: $(memory.50.Mi) stands for nothing")),
        (
            format!("peers: {{all: {{each: $(name).x, separator: x}}}}, {}", main("args: [$(peers.all)]")),
            "spec.peers.all.each: $(name) stands for nothing there; write $(pod)".to_owned(),
        ),
    ] {
        let (faults, _) = of(&fields);
        assert_eq!(faults.len(), 1, "{fields}: {faults:#?}");
        assert!(faults[0].starts_with(&start), "{start}: {faults:#?}");
    }
}

#[test]
fn items_that_nobody_would_find_are_told() {
    let pod_at = "spec.statefulSet.spec.template.spec.containers[0]";
    let (faults, remarks) =
        of(&main("ports: [{name: http}], env: [{value: x}, {name: A, value: x}, {name: A, value: z}]"));
    assert_eq!(
        faults,
        [
            format!(
                "{pod_at}.env[0]: has not by what an item of env is known, and no set would get it; write name: …"
            ),
            format!(
                "{pod_at}.ports[0]: has not by what an item of ports is known, and no set would get it; write \
                 containerPort: …"
            ),
        ]
    );
    assert_eq!(
        remarks,
        [format!("{pod_at}.env[2]: [name=\"A\"] stands there twice; what is said last holds")]
    );
}

#[test]
fn a_case_that_no_image_is_of_is_told() {
    let (_, remarks) =
        of("variants: [{name: base, unknown: x, cases: [{name: a}, {name: b, otherwise: true}]}]");
    assert!(
        remarks[0].starts_with("spec.variants: case a of base is taken for no image; write"),
        "{remarks:?}"
    );
    assert_eq!(remarks.len(), 1);
}

#[test]
fn selectors_are_read_wherever_they_stand() {
    let terms = "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [
        {topologyKey: zone!, labelSelector: {matchExpressions: [{key: app, operator: Is, values: [x]}]}}]}}";
    let (faults, _) = of(&pod(terms));
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults[0].contains("operator: \"Is\" is not an operator, and each set of it would be refused"));
    assert!(faults[1].contains("topologyKey: \"zone!\" is not the key of a label"));
    let node =
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
        {matchExpressions: [{key: cores, operator: Gt, values: ['4']}]}]}}}";
    assert_eq!(of(&pod(node)), Default::default());
    assert_eq!(of(&pod("tolerations: [{operator: Exists, effect: ''}]")), Default::default());
}

#[test]
fn what_the_api_server_would_refuse_beside_the_sets_is_told() {
    for (companions, start) in [
        (
            "headlessService: {ports: [{name: Gossip, port: 1}]}",
            "headlessService.ports[0].name: \"Gossip\" is not a",
        ),
        (
            "headlessService: {ports: [{name: gossip, port: 0}]}",
            "headlessService.ports[0].port: 0 is not a port",
        ),
        (
            "headlessService: {ports: [{name: a, port: 1}, {name: a, port: 2}]}",
            "headlessService.ports: two ports of the Service headless would have the name \"a\"",
        ),
        (
            "networkPolicy: {ingress: [{ports: [{port: 70000}]}]}",
            "networkPolicy.ingress[0].ports[0].port: 70000 is",
        ),
        (
            "networkPolicy: {ingress: [{ports: [{port: web_ui}]}]}",
            "networkPolicy.ingress[0].ports[0].port: \"web_ui\" has",
        ),
        (
            "networkPolicy: {egress: [{ports: [{port: 9, endPort: 8}]}]}",
            "networkPolicy.egress[0].ports[0].endPort: 8 ends",
        ),
        ("networkPolicy: {ingress: [{from: [{}]}]}", "networkPolicy.ingress[0].from[0]: names nobody"),
        (
            "networkPolicy: {egress: [{to: [{ipBlock: {cidr: 10.0.0.0}}]}]}",
            "networkPolicy.egress[0].to[0].ipBlock: \"10",
        ),
        (
            "networkPolicy: {ingress: [{from: [{podSelector: {matchLabels: {app: a b}}}]}]}",
            "networkPolicy.ingress[0].from[0].podSelector.matchLabels.app: \"a b\" is not a label's value",
        ),
        ("serviceMonitor: {endpoints: {port: x}}", "serviceMonitor.endpoints: is no list"),
        (
            "serviceMonitor: {endpoints: [{interval: soon}]}",
            "serviceMonitor.endpoints[0].interval: \"soon\" is no",
        ),
        ("serviceAccount: {annotations: {a b: c}}", "serviceAccount.annotations: \"a b\" is not a key"),
    ] {
        let (faults, _) =
            of(&format!("companions: {{{companions}}}, {}", pod("serviceAccountName: $(name)")));
        assert_eq!(faults.len(), 1, "{companions}: {faults:#?}");
        assert!(faults[0].starts_with(&format!("spec.companions.{start}")), "{start}: {faults:#?}");
    }
    let good = "companions: {networkPolicy: {ingress: [{from: [{podSelector: $(pods)}, {ipBlock: {cidr: 10.0.0.0/8}}],
        ports: [{port: 1, endPort: 9, protocol: UDP}]}]}, serviceMonitor: {endpoints: [{targetPort: 9, interval: 1m30s}]}}";
    assert_eq!(of(good), Default::default());
}

#[test]
fn what_a_set_may_bring_refuses_nothing() {
    for (fields, remark) in [
        (main("readinessProbe: {tcpSocket: {port: http}}"), "readinessProbe.tcpSocket.port: "),
        (main("volumeMounts: [{name: theirs, mountPath: /x}]"), "volumeMounts[mountPath=\"/x\"].name: "),
        (pod("containers: [{name: sidecar, args: [x]}]"), "containers[name=\"sidecar\"].image: "),
        (
            "companions: {serviceMonitor: {endpoints: [{port: metrics}]}}".to_owned(),
            "spec.companions.serviceMonitor.endpoints[0].port: no port is named \"metrics\" unless the set declares it",
        ),
        (
            "companions: {serviceAccount: {}}".to_owned(),
            "spec.companions.serviceAccount: is made for sets alone",
        ),
        (
            "companions: {serviceMonitor: {jobLabel: x}}".to_owned(),
            "spec.companions.serviceMonitor.endpoints: are none, and none is made without; write - port: NAME",
        ),
        (
            "companions: {serviceMonitor: {jobLabel: $(name), endpoints: []}}".to_owned(),
            "spec.companions.serviceMonitor.jobLabel: \"$(name)\" stays as it is",
        ),
        (
            main("resources: {requests: {cpu: '1'}}"),
            "resources.requests.cpu: no set gets it; requests and limits of the main container stand under sizes",
        ),
        (
            pod("resources: {requests: {cpu: '1'}}"),
            "spec.template.spec.resources.requests.cpu: no set gets it; take it out",
        ),
        (main("args: [--id=$(nmae)]"), "args[0]: $(nmae) stands for nothing; did you mean $(name)?"),
        (pod("hostname: $(POD_NAME)"), "hostname: $(POD_NAME) is filled in by nobody there"),
    ] {
        let (faults, remarks) = of(&fields);
        assert_eq!(faults, [""; 0], "{fields}");
        assert_eq!(remarks.len(), 1, "{fields}: {remarks:#?}");
        assert!(remarks[0].contains(remark), "{remark}: {remarks:#?}");
    }
}

#[test]
fn what_a_profile_says_by_halves_is_its_fault() {
    let claim = "volumeClaimTemplates: [{metadata: {name: more}, spec: {accessModes: [ReadWriteOnce]}}]";
    let mounted = main("volumeMounts: [{name: more, mountPath: /more}]")
        .replace("spec: {template", "spec: {CLAIM, template");
    for (fields, start) in [
        (
            main("env: [{name: A, valueFrom: {secretKeyRef: {name: s}}}]"),
            format!("{MAIN_AT}.env[name=\"A\"].valueFrom.secretKeyRef.key: no key, and each set of it would be refused"),
        ),
        (main("livenessProbe: {httpGet: {path: /}}"), format!("{MAIN_AT}.livenessProbe.httpGet.port: no port, and")),
        (
            main("lifecycle: {preStop: {exec: {command: []}}}"),
            format!("{MAIN_AT}.lifecycle.preStop.exec.command: no command, and"),
        ),
        (
            mounted.replace("CLAIM", claim),
            "spec.statefulSet.spec.volumeClaimTemplates[name=\"more\"].spec.resources.requests.storage: no size, and"
                .to_owned(),
        ),
    ] {
        let (faults, remarks) = of(&fields);
        assert_eq!((faults.len(), remarks.len()), (1, 0), "{fields}: {faults:#?} {remarks:#?}");
        assert!(faults[0].starts_with(&start), "{start}: {faults:#?}");
    }
    // A parent may leave the rest to its children.
    let half = main("livenessProbe: {httpGet: {path: /}}");
    let parent = joined("queue", &format!("extends: default, {half}"));
    assert_eq!(parent.verdicts["queue"].faults, [""; 0]);
    assert_eq!(parent.remarks["queue"].len(), 1);
    // A set may ask for such a volume, and the profile says of which class it is then.
    let class = "statefulSet: {spec: {volumeClaimTemplates: [{metadata: {name: NAME}, spec: {storageClassName: fast}}]}}";
    for name in ["data", "wal"] {
        let (faults, remarks) = of(&class.replace("NAME", name));
        assert_eq!(faults, [""; 0], "{name}");
        assert!(
            remarks.iter().any(|one| one.ends_with("is refused; write the size, for example storage: 20Gi")),
            "{remarks:?}"
        );
    }
}

#[test]
fn what_the_api_server_fills_in_first_is_told() {
    for (fields, field) in [
        (pod("schedulerName: mine"), "schedulerName"),
        (pod("dnsPolicy: None"), "dnsPolicy"),
        (main("imagePullPolicy: Always"), "imagePullPolicy"),
        (main("terminationMessagePolicy: FallbackToLogsOnError"), "terminationMessagePolicy"),
    ] {
        let (faults, remarks) = of(&fields);
        assert_eq!((faults.len(), remarks.len()), (0, 1), "{fields}: {faults:#?} {remarks:#?}");
        let line = format!("{field}: no set gets it: the API server has filled in its own by then");
        assert!(remarks[0].contains(&line), "{remarks:#?}");
    }
    // Those of other containers, what it fills in itself, and what does not count as anybody's.
    for fields in [
        pod("restartPolicy: Always, terminationGracePeriodSeconds: 60, \
             containers: [{name: other, image: x, imagePullPolicy: Always}]"),
        main("imagePullPolicy: IfNotPresent, terminationMessagePath: /dev/termination-log"),
    ] {
        assert_eq!(of(&fields), Default::default());
    }
}

#[test]
fn what_kubernetes_alone_knows_of_is_told() {
    let env = |from: &str| main(&format!("env: [{{name: A, valueFrom: {{{from}}}}}]"));
    for (fields, part) in [
        (env("fieldRef: {fieldPath: status.nope}"), "fieldRef.fieldPath: \"status.nope\" is no field"),
        (
            env("resourceFieldRef: {resource: limits.nope}"),
            "resourceFieldRef.resource: \"limits.nope\" is no amount",
        ),
        (main("envFrom: [{prefix: a=b, secretRef: {name: s}}]"), "prefix: \"a=b\" has an equals sign"),
        (
            main("securityContext: {privileged: true, allowPrivilegeEscalation: false}"),
            "privileged: stands beside allowPrivilegeEscalation: false",
        ),
        (
            pod(
                "topologySpreadConstraints: [{topologyKey: zone, whenUnsatisfiable: DoNotSchedule, maxSkew: 0}]",
            ),
            "maxSkew: 0 is no difference",
        ),
        (
            pod(
                "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}",
            ),
            "nodeSelectorTerms: is empty",
        ),
        (pod("readinessGates: [{conditionType: bad type}]"), "conditionType: \"bad type\" is no type"),
        (pod("securityContext: {supplementalGroups: [1, -3]}"), "supplementalGroups[1]: -3 is no id"),
        (
            pod("securityContext: {sysctls: [{name: Bad Name, value: '1'}]}"),
            "name: \"Bad Name\" is no name of a kernel parameter",
        ),
        (pod("hostPID: true, shareProcessNamespace: true"), "hostPID: stands beside shareProcessNamespace"),
    ] {
        let (faults, _) = of(&fields);
        assert_eq!(faults.len(), 1, "{fields}: {faults:#?}");
        assert!(faults[0].contains(part), "{part}: {faults:#?}");
    }
}

#[test]
fn ports_of_nodes_and_pages_alone_are_told() {
    let ports = |network: &str, host: &str| {
        pod(&format!(
            "{network}, containers: [{{name: $(main), ports: [{{containerPort: 80{host}}}]}},
             {{name: other, image: x, ports: [{{containerPort: 90}}]}}]"
        ))
    };
    let sizes = |amounts: &str| format!("size: small, sizes: {{small: {{{amounts}}}}}");
    for (fields, told) in [
        (
            ports("hostNetwork: true", ", hostPort: 81"),
            format!(
                "{MAIN_AT}.ports[containerPort=80,protocol=\"TCP\"].hostPort: 81 stands beside hostNetwork, where a \
                 container has its own port 80 alone, and each set of it would be refused; write 80, or take hostPort out"
            ),
        ),
        (
            sizes("requests: {hugepages-2Mi: 4Mi}, limits: {hugepages-2Mi: 4Mi}"),
            "spec.sizes.small.limits.hugepages-2Mi: huge pages without cpu or memory, and each set of it would be \
             refused; write an amount of cpu or memory beside them"
                .to_owned(),
        ),
    ] {
        let (faults, _) = of(&fields);
        assert_eq!(faults, [told], "{fields}");
    }
    for fields in [
        ports("hostNetwork: true", ""),
        ports("hostNetwork: true", ", hostPort: 80"),
        ports("hostNetwork: false", ", hostPort: 81"),
        sizes("requests: {memory: 1Gi}, limits: {hugepages-2Mi: 4Mi}"),
    ] {
        assert_eq!(of(&fields).0, [""; 0], "{fields}");
    }
}

#[test]
fn what_kubernetes_takes_or_a_set_may_bring_refuses_nothing() {
    let env = |from: &str| main(&format!("env: [{{name: A, valueFrom: {{{from}}}}}]"));
    for (fields, part) in [
        (
            pod("securityContext: {seccompProfile: {type: Localhost}}"),
            "localhostProfile: no localhostProfile",
        ),
        (
            "size: small, sizes: {small: {requests: {nvidia.com/gpu: 1}}}".to_owned(),
            "spec.sizes.small.requests.nvidia.com/gpu: 1 is requested without a limit, and a set that",
        ),
    ] {
        let (faults, remarks) = of(&fields);
        assert_eq!((faults.len(), remarks.len()), (0, 1), "{fields}: {faults:#?} {remarks:#?}");
        assert!(remarks[0].contains(part), "{part}: {remarks:#?}");
    }
    for fields in [
        // Of no type, which a set may bring.
        pod("securityContext: {seccompProfile: {localhostProfile: x}}"),
        env("fieldRef: {fieldPath: \"metadata.labels['a/b']\"}"),
        pod("securityContext: {sysctls: [{name: net.ipv4.conf.eth0/1.rp_filter, value: '1'}]}"),
        env("resourceFieldRef: {resource: requests.hugepages-2Mi}"),
        pod(
            "securityContext: {supplementalGroups: [0], seccompProfile: {type: Localhost, localhostProfile: x}}",
        ),
        "size: small, sizes: {small: {requests: {x.com/gpu: 1}, limits: {x.com/gpu: 1}}}".to_owned(),
    ] {
        assert_eq!(of(&fields), Default::default(), "{fields}");
    }
}

#[test]
fn what_a_child_adds_is_told_as_its_own() {
    for (fields, start) in [
        (
            "readinessProbe: {httpGet: {path: /, port: 1}, tcpSocket: {port: 1}}",
            "readinessProbe: has 2 handlers",
        ),
        ("readinessProbe: {httpGet: {path: /}}", "readinessProbe.httpGet.port: no port"),
    ] {
        let (faults, _) = of(&main(fields));
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(faults[0].starts_with(&format!("{MAIN_AT}.{start}")), "{faults:#?}");
    }
}

#[test]
fn variables_and_commands_are_nothing_to_speak_of() {
    let said = "env: [{name: low.er, value: x}, {name: B, value: $(low.er)}], args: [$(POD_IP), $$(memory.x), '$(a b)'],
        lifecycle: {preStop: {exec: {command: [sh, -c, \"kill $(cat /x) $(uname) $(hostname)\"]}}}";
    assert_eq!(of(&main(said)), Default::default());
}

#[test]
fn a_parents_value_is_told_as_the_parents() {
    let parent = serde_saphyr::from_str(&format!(
        "{{summary: x, extends: default, {}}}",
        main("securityContext: {runAsUser: -1}")
    ));
    let child = serde_saphyr::from_str("{summary: x, extends: a-parent}");
    let given = |name: &str, spec| Given { name: name.to_owned(), spec: Ok(Arc::new(spec)) };
    let given = [given("a-parent", parent.unwrap()), given("child", child.unwrap())];
    let joined = Catalogue::built_in().unwrap().join(&given, &[]);
    let start = "spec.extends: profile a-parent: statefulSet.spec.template.spec.containers";
    assert!(joined.verdicts["child"].faults[0].starts_with(start), "{:?}", joined.verdicts);
}

#[test]
fn each_case_is_tried_however_many_there_are() {
    let axis = |name: &str, cases: usize| Axis {
        name: name.to_owned(),
        unknown: String::new(),
        cases: (0..cases)
            .map(|at| serde_json::from_value(json!({"name": format!("{name}{at}")})).unwrap())
            .collect(),
    };
    assert_eq!(combinations(&[]), [[""; 0]]);
    let few = combinations(&[axis("a", 2), axis("b", 3)]);
    assert_eq!((few.len(), few[5].clone()), (6, vec!["a1".to_owned(), "b2".to_owned()]));
    let many = combinations(&[axis("a", 5), axis("b", 7)]);
    assert_eq!((many.len(), many[6].clone()), (7, vec!["a1".to_owned(), "b6".to_owned()]));
}

#[test]
fn a_fault_of_ours_is_a_remark() {
    let tried = guarded(|| panic!("a fault of ours"));
    assert!(tried.faults.is_empty() && tried.remarks[0].contains("please report it"), "{tried:?}");
}
