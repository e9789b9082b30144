//! One answer lists every fault, with its field and its remedy, and a refusal needs its cause in the
//! request.

use serde_json::{Value, json};

use crate::harness::{Client, MAIN, Manifest, Space, app, postgres};

/// What is wrong with a manifest, and words of the refusal: the field first.
type Case = (&'static str, fn(Manifest) -> Manifest, &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "label-value",
        |m| m.set("/metadata/labels/stateward.dev~1managed", json!("yes")),
        &["stateward.dev/managed", "yes", "true"],
    ),
    ("unknown-key", |m| m.annotate("storrage", "1Gi"), &["stateward.dev/storrage", "stateward.dev/storage"]),
    ("bad-size", |m| m.annotate("storage", "much"), &["stateward.dev/storage", "much", "20Gi"]),
    ("bad-probe", |m| m.annotate("readiness-probe", "smtp:25"), &["stateward.dev/readiness-probe", "smtp"]),
    ("storage-nowhere", |m| m.annotate("storage", "1Gi"), &["stateward.dev/storage", "mount-path"]),
    ("no-name", |m| m.without(&format!("{MAIN}/name")), &["containers[0].name"]),
    (
        "two-names",
        |m| m.set("/spec/template/spec/containers", json!([container(), container()])),
        &["containers", "app"],
    ),
    ("empty-image", |m| m.main("image", json!("")), &["image"]),
    ("a-name-that-is-longer-than-the-fifty-two-characters-of-pods", |m| m, &["metadata.name", "52"]),
    ("1-digit", |m| m, &["metadata.name"]),
    ("port-zero", |m| m.main("ports", json!([{"containerPort": 70000}])), &["containerPort", "70000"]),
    ("port-name", |m| m.main("ports", json!([{"name": "12345", "containerPort": 1}])), &["ports", "12345"]),
    ("port-twice", |m| m.main("ports", json!([{"containerPort": 1}, {"containerPort": 1}])), &["ports", "1"]),
    ("no-handler", |m| m.main("livenessProbe", json!({"periodSeconds": 3})), &["livenessProbe"]),
    (
        "two-handlers",
        |m| m.main("livenessProbe", json!({"tcpSocket": {"port": 1}, "exec": {"command": ["true"]}})),
        &["livenessProbe"],
    ),
    (
        "port-of-probe",
        |m| m.main("readinessProbe", json!({"tcpSocket": {"port": "nowhere"}})),
        &["readinessProbe", "nowhere"],
    ),
    (
        "success-threshold",
        |m| m.main("livenessProbe", json!({"tcpSocket": {"port": 8080}, "successThreshold": 2})),
        &["livenessProbe.successThreshold", "1"],
    ),
    (
        "env-twice",
        |m| m.main("env", json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])),
        &["env", "A"],
    ),
    (
        "mount-of-nothing",
        |m| m.main("volumeMounts", json!([{"name": "nothing", "mountPath": "/x"}])),
        &["volumeMounts", "nothing"],
    ),
    (
        "claim-unmounted",
        |m| m.set("/spec/volumeClaimTemplates", json!([claim("1Gi", true)])),
        &["volumeClaimTemplates", "data"],
    ),
    ("claim-of-nothing", |m| mounted(m, &claim("0", true)), &["volumeClaimTemplates", "storage"]),
    ("claim-without-mode", |m| mounted(m, &claim("1Gi", false)), &["volumeClaimTemplates", "accessModes"]),
    (
        "restart-policy",
        |m| m.set("/spec/template/spec/restartPolicy", json!("Never")),
        &["restartPolicy", "Always"],
    ),
    (
        "no-grace",
        |m| m.set("/spec/template/spec/terminationGracePeriodSeconds", json!(0)),
        &["terminationGracePeriodSeconds"],
    ),
    (
        "long-sleep",
        |m| {
            m.main("lifecycle", json!({"preStop": {"sleep": {"seconds": 20}}}))
                .set("/spec/template/spec/terminationGracePeriodSeconds", json!(20))
        },
        &["preStop", "terminationGracePeriodSeconds"],
    ),
    (
        "requests-above-limits",
        |m| m.main("resources", json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})),
        &["resources.requests", "cpu"],
    ),
    (
        "foreign-selector",
        |m| m.set("/spec/selector", json!({"matchLabels": {"app": "x"}})),
        &["selector", "labels"],
    ),
];

#[test]
fn each_fault_is_refused_with_its_field_and_remedy() {
    let space = Space::new("faults");
    let mut failures = Vec::new();
    for (name, spoil, words) in CASES {
        let said = space.kubectl_with(&["create", "-f", "-"], &spoil(app(name)).text());
        if said.success() {
            failures.push(format!("{name}: not refused"));
        } else if !said.by_us() {
            failures.push(format!("{name}: refused by somebody else: {}", said.stderr));
        } else if let Some(word) = words.iter().find(|word| !said.stderr.contains(**word)) {
            failures.push(format!("{name}: lacks {word:?}: {}", said.stderr));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn one_answer_lists_every_fault() {
    let space = Space::new("every-fault");
    let faulty = app("bad")
        .annotate("storrage", "1Gi")
        .annotate("readiness-probe", "smtp:25")
        .main("ports", json!([{"containerPort": 70000}]))
        .set("/spec/template/spec/restartPolicy", json!("Never"))
        .set("/spec/template/spec/terminationGracePeriodSeconds", json!(0));
    for client in Client::APPLY {
        let _ = space.send(client, &faulty).refused(&[
            "stateward.dev/storrage",
            "stateward.dev/readiness-probe",
            "containerPort",
            "restartPolicy",
            "terminationGracePeriodSeconds",
        ]);
    }
}

#[test]
fn a_generated_name_is_refused() {
    let space = Space::new("generated-name");
    let nameless = app("x").without("/metadata/name").set("/metadata/generateName", json!("x-"));
    let _ = space
        .kubectl_with(&["create", "-f", "-"], &nameless.text())
        .refused(&["generateName", "metadata.name"]);
}

#[test]
fn a_namespace_can_opt_in_and_a_set_out() {
    let space = Space::labelled("opted-in", &[("stateward.dev/managed", "true")]);
    let unlabelled = app("in").without("/metadata/labels");
    let _ = space.send(Client::Apply, &unlabelled).ok();
    assert!(space.snapshot("in").record().is_some(), "the namespace's label was not seen");
    let out = postgres("out").set("/metadata/labels/stateward.dev~1managed", json!("false"));
    // Unmanaged, the ten lines are refused by the API server itself.
    let said = space.send(Client::Apply, &out);
    assert!(!said.success() && said.stderr.contains("spec.selector: Required value"), "{}", said.stderr);
}

/// A fault that the stored object has already refuses nothing; one that the request brings does.
#[test]
fn an_update_is_refused_for_what_it_brings_alone() {
    let space = Space::new("needs-a-cause");
    // Said to be unmanaged: an annotation where nobody said anything is refused by the policy.
    let unmanaged = complete("old").set("/metadata/labels", json!({"stateward.dev/managed": "false"}));
    space.create(Client::Apply, &unmanaged.annotate("nonsense", "1"));
    let managed = "stateward.dev/managed=true";
    let said = space.kubectl(&["label", "--overwrite", "statefulset", "old", managed]).ok();
    let _ = said.mentions(&["Warning: ", "stateward.dev/nonsense"]);
    let _ = space.kubectl(&["label", "statefulset", "old", "team=search"]).ok();
    let other = space.kubectl(&["annotate", "statefulset", "old", "stateward.dev/other=1"]);
    let _ = other.refused(&["stateward.dev/other"]);
    let away = space.kubectl(&["annotate", "statefulset", "old", "stateward.dev/nonsense-"]);
    let _ = away.ok();
}

/// Who is on call passes what is refused, for once; what is there stays, and later requests go on.
#[test]
fn the_glass_is_broken_by_whom_the_platform_names() {
    let space = Space::new("break-glass");
    let before = space.create(Client::Apply, &postgres("db").annotate("storage", "20Gi"));
    let grow = ["annotate", "--overwrite", "statefulset", "db", "stateward.dev/storage=40Gi"];
    let because = [&grow[..], &["stateward.dev/break-glass=INC-1"]].concat();
    let _ = space.kubectl(&because).refused(&["stateward.dev/storage", "names neither", "under breakGlass"]);
    let on_call = ["--as", "jo", "--as-group", "on-call", "--as-group", "system:masters"];
    let _ = space.as_admin_says(&[&grow[..], &on_call].concat()).refused(&["stateward.dev/storage"]);
    let said = space.as_admin_says(&[&because[..], &on_call].concat()).ok();
    let _ = said.mentions(&["Warning: passed by stateward.dev/break-glass: stateward.dev/storage: "]);
    let after = space.snapshot("db");
    before.assert_unchanged(&after, "a change that passed");
    let _ = space.kubectl(&["label", "statefulset", "db", "team=shop"]).ok();
    let shrink = ["annotate", "--overwrite", "statefulset", "db", "stateward.dev/storage=10Gi"];
    let again = space.as_admin_says(&[&shrink[..], &on_call].concat());
    let _ = again.refused(&["stateward.dev/storage"]);
}

#[test]
fn a_partition_at_the_replicas_only_warns() {
    let space = Space::new("partition");
    let parted = app("a")
        .replicas(2)
        .set("/spec/updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}));
    let _ = space.send(Client::Apply, &parted).ok().mentions(&["Warning: ", "partition"]);
}

fn complete(name: &str) -> Manifest {
    app(name)
        .set("/spec/selector", json!({"matchLabels": {"app": name}}))
        .set("/spec/template/metadata/labels", json!({"app": name}))
}

fn container() -> Value {
    json!({"name": "app", "image": "example.com/app:1"})
}

fn claim(size: &str, mode: bool) -> Value {
    let modes: &[&str] = if mode { &["ReadWriteOnce"] } else { &[] };
    json!({
        "metadata": {"name": "data"},
        "spec": {"accessModes": modes, "resources": {"requests": {"storage": size}}},
    })
}

fn mounted(manifest: Manifest, claim: &Value) -> Manifest {
    manifest
        .set("/spec/volumeClaimTemplates", json!([claim]))
        .main("volumeMounts", json!([{"name": "data", "mountPath": "/data"}]))
}
