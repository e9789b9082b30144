//! What the controller keeps beside a set, and what it leaves alone.

use serde_json::{Value, json};

use crate::harness::{Client, Manifest, Space, app, cluster, postgres, wait_for};

/// Services and budgets, by the API that serves them.
const SERVICES: (&str, &str) = ("/api/v1", "services");
const BUDGETS: (&str, &str) = ("/apis/policy/v1", "poddisruptionbudgets");
const SECRETS: (&str, &str) = ("/api/v1", "secrets");

fn find(space: &Space, (api, resource): (&str, &str), name: &str) -> Option<Value> {
    space.list(api, resource).into_iter().find(|object| object["metadata"]["name"] == name)
}

fn wait_there(space: &Space, kind: (&str, &str), name: &str) -> Value {
    wait_for(&format!("{} {name}", kind.1), || find(space, kind, name).ok_or_else(|| "absent".to_owned()))
}

fn wait_gone(space: &Space, kind: (&str, &str), name: &str) {
    wait_for(&format!("{} {name} to go", kind.1), || match find(space, kind, name) {
        None => Ok(()),
        Some(object) => Err(object["metadata"].to_string()),
    });
}

/// Waits until an object is as told; gives it.
fn wait_until(space: &Space, kind: (&str, &str), name: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("{} {name} to change", kind.1), || match find(space, kind, name) {
        Some(object) if is(&object) => Ok(object),
        other => Err(format!("{other:?}")),
    })
}

/// Waits until everything of a set with three replicas is there.
fn wait_settled(space: &Space, set: &str) {
    wait_there(space, SERVICES, &format!("{set}-headless"));
    wait_there(space, SERVICES, set);
    wait_there(space, BUDGETS, set);
    cluster().controller.wait_looks(&space.name, set);
}

fn is_ours(object: &Value) -> bool {
    !object["metadata"]["labels"]["stateward.dev/companion"].is_null()
}

fn owner(object: &Value) -> &Value {
    &object["metadata"]["ownerReferences"][0]["uid"]
}

fn create(space: &Space, manifest: &Manifest) -> Value {
    space.create(Client::Apply, manifest).object
}

fn apply(space: &Space, object: &Value) {
    let _ = space.kubectl_with(&["apply", "-f", "-"], &object.to_string()).ok();
}

fn service(name: &str, selector: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": selector, "ports": [{"port": 80}]},
    })
}

fn budget(name: &str, set: &str) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"stateward.dev/statefulset": set}}},
    })
}

#[test]
fn ten_lines_get_all_that_belongs_beside_them() {
    let space = Space::new("companions");
    let set = create(&space, &postgres("db"));
    assert_eq!(set["spec"]["serviceName"], "db-headless");
    let headless = wait_there(&space, SERVICES, "db-headless");
    assert_eq!(headless["spec"]["clusterIP"], "None");
    assert_eq!(headless["spec"]["publishNotReadyAddresses"], true);
    let client = wait_there(&space, SERVICES, "db");
    assert_eq!(client["spec"]["ports"][0]["port"], 5432);
    let secret = wait_there(&space, SECRETS, "db-generated");
    let value = secret["data"]["POSTGRES_PASSWORD"].as_str().unwrap();
    assert_eq!(value.len(), 44, "32 characters in base64");
    for companion in [&headless, &client] {
        assert!(is_ours(companion));
        assert_eq!(*owner(companion), set["metadata"]["uid"]);
    }
    assert!(secret["metadata"]["ownerReferences"].is_null(), "it stays with the data");
}
