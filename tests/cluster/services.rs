//! A Service of the user's, of the name that ours would have: however it comes, it is theirs.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Client, Manifest, Space, cluster, postgres, wait_for};

fn theirs(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {
            "selector": {"stateward.dev/statefulset": name},
            "ports": [{"name": "sql", "port": 6432, "targetPort": 5432}],
        },
    })
}

fn find(space: &Space, name: &str) -> Option<Value> {
    space.list("/api/v1", "services").into_iter().find(|service| service["metadata"]["name"] == name)
}

/// When an object was made, in whole seconds.
fn born(object: &Value) -> Timestamp {
    let time = object["metadata"]["creationTimestamp"].as_str().expect("a time");
    time.parse().expect("a time")
}

fn has_port(service: &Value, port: u64) -> bool {
    service["spec"]["ports"].as_array().is_some_and(|ports| ports.iter().any(|one| one["port"] == port))
}

/// Waits until the Service is the user's, and nothing of it is ours.
fn wait_theirs(space: &Space, name: &str) -> Value {
    let service = wait_for("the Service to be the user's", || {
        let service = find(space, name).ok_or_else(|| "absent".to_owned())?;
        let metadata = &service["metadata"];
        let ours = !metadata["ownerReferences"].is_null()
            || !metadata["labels"]["stateward.dev/companion"].is_null();
        if ours || !has_port(&service, 6432) { Err(service.to_string()) } else { Ok(service) }
    });
    wait_for("the headless Service", || {
        find(space, &format!("{name}-headless")).map(drop).ok_or_else(|| "absent".to_owned())
    });
    cluster().controller.wait_looks(&space.name, name);
    assert_eq!(find(space, name).as_ref(), Some(&service), "looked at, and left alone");
    service
}

/// Deletes the set; its companions go, and the user's Service does not.
fn assert_it_outlives_the_set(space: &Space, name: &str, service: &Value) {
    let _ = space.kubectl(&["delete", "statefulset", name]).ok();
    wait_for("the headless Service to go", || match find(space, &format!("{name}-headless")) {
        None => Ok(()),
        Some(service) => Err(service["metadata"].to_string()),
    });
    assert_eq!(find(space, name).as_ref(), Some(service));
}

fn apply(space: &Space, manifests: &[&str]) {
    let _ = space.kubectl_with(&["apply", "-f", "-"], &manifests.join("\n---\n")).ok();
}

#[test]
fn in_the_file_of_the_set_before_it_or_behind_it() {
    let (set, service): (Manifest, Value) = (postgres("db"), theirs("db"));
    let (set, service) = (set.text(), service.to_string());
    for (name, order) in [("service-first", [&service, &set]), ("service-last", [&set, &service])] {
        let space = Space::new(name);
        apply(&space, &order.map(String::as_str));
        let kept = wait_theirs(&space, "db");
        apply(&space, &order.map(String::as_str));
        assert_eq!(find(&space, "db").unwrap()["spec"], kept["spec"], "applied again");
        let kept = wait_theirs(&space, "db");
        assert_it_outlives_the_set(&space, "db", &kept);
    }
}

#[test]
fn the_first_two_seconds_of_a_set_belong_to_whoever_makes_it() {
    let space = Space::new("newborn");
    let set = space.create(Client::Apply, &postgres("db").replicas(2)).object;
    let age = |object: &Value| born(object).duration_since(born(&set)).as_secs();
    for name in ["db", "db-headless"] {
        let service = wait_for("our Service", || find(&space, name).ok_or_else(|| "absent".to_owned()));
        assert!(age(&service) >= 2, "{name} came after {} s", age(&service));
    }
}

#[test]
fn from_a_chart_at_once_or_by_an_upgrade() {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/chart");
    let space = Space::new("helm-service");
    let _ = space.helm(&["install", "orders", chart, "--set", "service=true"]).ok();
    let _ = wait_theirs(&space, "orders");
    let _ = space.helm(&["upgrade", "orders", chart, "--set", "service=true", "--set", "replicas=2"]).ok();
    let kept = wait_theirs(&space, "orders");
    assert_it_outlives_the_set(&space, "orders", &kept);

    // Helm takes over what is there already only when it is told to, and writes its label over ours.
    let later = Space::new("helm-service-later");
    let _ = later.helm(&["install", "orders", chart]).ok();
    wait_for("our Service", || find(&later, "orders").map(drop).ok_or_else(|| "absent".to_owned()));
    let with_service = ["upgrade", "orders", chart, "--set", "service=true"];
    let said = later.helm(&with_service);
    assert!(!said.success(), "{}", said.stdout);
    let _ = said.mentions(&["exists and cannot be imported into the current release"]);
    let _ = later.helm(&[&with_service[..], &["--take-ownership", "--force-conflicts"]].concat()).ok();
    let kept = wait_theirs(&later, "orders");
    assert_it_outlives_the_set(&later, "orders", &kept);
}
