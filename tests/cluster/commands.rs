//! The commands that read a cluster, as a developer runs them.

use serde_json::{Value, json};

use crate::harness::{Client, Space, app, postgres};

fn read(space: &Space, arguments: &[&str]) -> Value {
    let said = space.stateward(&[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&said.stdout).unwrap_or_else(|why| panic!("{why}: {}{}", said.stdout, said.stderr))
}

#[test]
fn adopt_says_what_the_label_then_does() {
    let space = Space::new("adopt-dry-run");
    let set = app("old")
        .without("/metadata/labels")
        .set("/spec/replicas", json!(2))
        .set("/spec/selector", json!({"matchLabels": {"app": "old"}}))
        .set("/spec/template/metadata/labels", json!({"app": "old"}));
    let before = space.create(Client::Apply, &set);
    let adoption = read(&space, &["adopt", "old", "--dry-run"])[0].clone();
    assert_eq!(adoption["restarts"], false, "{adoption:#}");
    assert_eq!(adoption["appear"], json!(["Service old", "PodDisruptionBudget old"]), "{adoption:#}");
    assert!(space.snapshot("old").record().is_none(), "a dry run adopted it");
    let command = adoption["command"].as_str().unwrap().strip_prefix("kubectl ").unwrap();
    let _ = space.kubectl(&command.split(' ').collect::<Vec<_>>()).ok();
    before.assert_unchanged(&space.snapshot("old"), "adopted");
    let adopted = space.snapshot("old");
    let record: Value = serde_json::from_str(&adopted.record().unwrap()).unwrap();
    assert_eq!(record["pin"], adoption["pin"]);
    let again = space.stateward(&["adopt", "old", "--dry-run"]);
    assert!(!again.success());
    let _ = again.mentions(&["no StatefulSet old that is not managed already"]);
    let said = space.stateward(&["adopt", "old"]);
    assert!(!said.success());
    let _ = said.mentions(&["--dry-run"]);
}

#[test]
fn status_tells_claims_and_pods() {
    let space = Space::new("status");
    let _ = space.stateward(&["status"]).ok();
    space.create(Client::Apply, &postgres("db"));
    let _ = space.kubectl(&["rollout", "status", "statefulset/db", "--timeout=60s"]).ok();
    let status = read(&space, &["status", "db"])[0].clone();
    assert!(status["pin"].as_str().unwrap().starts_with("postgresql@"), "{status:#}");
    assert_eq!(status["pods"][0]["dns"], format!("db-0.db-headless.{}.svc", space.name));
    assert_eq!(
        (&status["claims"][0]["name"], &status["claims"][0]["phase"]),
        (&json!("data-db-0"), &json!("Bound"))
    );
    let _ = space.stateward(&["status", "other"]).mentions(&["no managed StatefulSet other"]);
}

#[test]
fn what_is_ejected_and_applied_is_handed_back_and_restarts_nothing() {
    let space = Space::new("eject");
    let before = space.create(Client::Apply, &postgres("db"));
    let manifests = space.stateward(&["eject", "db"]).ok().mentions(&["apply them"]).stdout;
    assert!(
        manifests.contains("kind: Service") && !manifests.contains("stateward.dev/expansion"),
        "{manifests}"
    );
    let _ = space.kubectl_with(&["apply", "-f", "-"], &manifests).ok();
    let after = space.snapshot("db");
    before.assert_not_restarted(&after, "ejected");
    // Nobody looks after it any more: a field of ours that goes is gone.
    let gone = r#"[{"op": "remove", "path": "/spec/template/spec/terminationGracePeriodSeconds"}]"#;
    let _ = space.kubectl(&["patch", "statefulset", "db", "--type=json", "-p", gone]).ok();
    assert_eq!(space.get("db")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 30);
    let _ = space.stateward(&["eject", "db"]).mentions(&["no managed StatefulSet db"]);
}
