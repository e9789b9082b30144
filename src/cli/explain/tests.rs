use serde_json::json;

use super::*;

fn container() -> Path {
    Path::fields(&["spec", "template", "spec", "containers"]).named("postgres")
}

fn profile() -> From {
    From::Profile { name: "postgresql".into() }
}

fn injection(path: Path, value: Value, source: From) -> Injection {
    Injection { path, value, source, data: false, over_default: false }
}

fn injections() -> Vec<Injection> {
    let probe = container().field("readinessProbe");
    let variable = container().field("env").named("POD_NAME");
    let key = From::Intent { key: "stateward.dev/readiness-probe".into() };
    let mut claim = injection(
        Path::fields(&["spec", "volumeClaimTemplates"]).named("data"),
        json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}),
        From::Intent { key: "stateward.dev/storage".into() },
    );
    claim.data = true;
    vec![
        injection(Path::fields(&["spec", "serviceName"]), json!("db-headless"), From::Builtin),
        claim,
        injection(probe.field("tcpSocket").field("port"), json!(5432), key.clone()),
        injection(probe.field("periodSeconds"), json!(5), profile()),
        injection(probe.field("timeoutSeconds"), json!(3), key),
        injection(
            variable.field("valueFrom").field("fieldRef").field("fieldPath"),
            json!("metadata.name"),
            profile(),
        ),
    ]
}

fn managed() -> Managed {
    Managed::of(Admitted {
        pin: "postgresql@5f3c9a/17-debian".to_owned(),
        injections: injections(),
        withheld: vec![
            Withheld {
                path: container().field("livenessProbe").field("exec"),
                why: "you wrote it".to_owned(),
            },
            Withheld {
                path: container().field("livenessProbe").field("periodSeconds"),
                why: "you wrote it".to_owned(),
            },
        ],
        patch: None,
        result: Value::Null,
        warnings: vec!["one replica".to_owned()],
    })
}

fn explained(format: ExplainFormat) -> String {
    let unmanaged = Explanation { object: "StatefulSet default/web".to_owned(), state: State::Unmanaged };
    let db = Explanation {
        object: "StatefulSet default/db".to_owned(),
        state: State::Managed(Box::new(managed())),
    };
    print(&[db, unmanaged], format).unwrap()
}

#[test]
fn people_get_a_table() {
    let text = explained(ExplainFormat::Text);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn programs_get_whole_paths() {
    let list: Value = serde_json::from_str(&explained(ExplainFormat::Json)).unwrap();
    let probe = &list[0]["injected"][2];
    assert_eq!(probe["path"], "spec.template.spec.containers[name=\"postgres\"].readinessProbe");
    assert_eq!(probe["value"], json!({"tcpSocket": {"port": 5432}, "timeoutSeconds": 3}));
    assert_eq!(probe["source"], "stateward.dev/readiness-probe");
    assert_eq!(list[1], json!({"object": "StatefulSet default/web", "managed": false}));
    assert!(explained(ExplainFormat::Yaml).contains("profile: postgresql@5f3c9a/17-debian\n"));
}

#[test]
fn fields_of_one_probe_and_one_source_are_one_row() {
    let paths: Vec<_> = managed().injected.iter().map(|row| row.path.to_string()).collect();
    assert_eq!(paths.len(), 5, "{paths:?}");
    assert_eq!(managed().withheld.len(), 1);
    assert_eq!(managed().main_container, "postgres");
}
