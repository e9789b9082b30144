//! What is beside a set.

use serde_json::{Value, json};

use crate::harness::{Client, Manifest, Space, wait_for};
use crate::world::Pair;

/// A kind, by the API that serves it.
pub(crate) type Kind = (&'static str, &'static str);
pub(crate) const SERVICES: Kind = ("/api/v1", "services");
pub(crate) const BUDGETS: Kind = ("/apis/policy/v1", "poddisruptionbudgets");
pub(crate) const INGRESSES: Kind = ("/apis/networking.k8s.io/v1", "ingresses");
pub(crate) const SECRETS: Kind = ("/api/v1", "secrets");

pub(crate) fn find(space: &Space, (api, resource): Kind, name: &str) -> Option<Value> {
    space.list(api, resource).into_iter().find(|object| object["metadata"]["name"] == name)
}

/// Waits until an object is as told; gives it.
pub(crate) fn wait_until(space: &Space, kind: Kind, name: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("{} {name} to be as told", kind.1), || match find(space, kind, name) {
        Some(object) if is(&object) => Ok(object),
        other => Err(format!("{other:?}")),
    })
}

pub(crate) fn wait_there(space: &Space, kind: Kind, name: &str) -> Value {
    wait_until(space, kind, name, |_| true)
}

pub(crate) fn wait_gone(space: &Space, kind: Kind, name: &str) {
    wait_for(&format!("{} {name} to go", kind.1), || match find(space, kind, name) {
        None => Ok(()),
        Some(object) => Err(object["metadata"].to_string()),
    });
}

/// Makes a set of three and waits until all that belongs beside it is there. Gives the set.
pub(crate) fn settle(pair: &Pair, space: &Space, manifest: &Manifest) -> Value {
    let manifest = manifest.clone().replicas(3);
    let set = space.create(Client::Apply, &manifest).object;
    wait_beside(space, manifest.name());
    pair.wait_look(space, manifest.name());
    set
}

/// Waits until Services and budget of a set are there.
pub(crate) fn wait_beside(space: &Space, set: &str) {
    wait_there(space, SERVICES, &format!("{set}-headless"));
    wait_there(space, SERVICES, set);
    wait_there(space, BUDGETS, set);
}

/// Uid and version of all that is beside the sets: a write changes the version.
pub(crate) fn versions(space: &Space) -> Vec<(String, Value, Value)> {
    let mut all = Vec::new();
    for (api, resource) in [SERVICES, SECRETS, BUDGETS] {
        for object in space.list(api, resource) {
            // The disruption controller writes its status.
            let version = if resource == BUDGETS.1 { "generation" } else { "resourceVersion" };
            let metadata = &object["metadata"];
            let name = format!("{resource}/{}", metadata["name"].as_str().unwrap_or_default());
            all.push((name, metadata["uid"].clone(), metadata[version].clone()));
        }
    }
    all
}

/// The uid of the one owner.
pub(crate) fn owner(object: &Value) -> &Value {
    let owners = object["metadata"]["ownerReferences"].as_array();
    assert!(owners.is_none_or(|owners| owners.len() == 1), "{object:#}");
    &object["metadata"]["ownerReferences"][0]["uid"]
}

/// Somebody's own budget for the pods of a set.
pub(crate) fn budget(name: &str, set: &str) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"stateward.dev/statefulset": set}}},
    })
}

/// Somebody makes an object.
pub(crate) fn make(space: &Space, object: &Value) {
    let _ = space.kubectl_with(&["create", "-f", "-"], &object.to_string()).ok();
}

/// Somebody edits an object of ours, so that it has to be mended.
pub(crate) fn spoil(space: &Space, (_, resource): Kind, name: &str) {
    let patch = match resource {
        "services" => json!({"spec": {"selector": {"spoilt": "yes"}}}),
        _ => json!({"spec": {"maxUnavailable": 3}}),
    };
    let _ = space.kubectl(&["patch", resource, name, "--type=merge", "-p", &patch.to_string()]).ok();
}

/// Whether it is spoilt still.
pub(crate) fn is_spoilt(object: &Value) -> bool {
    object["spec"]["selector"]["spoilt"] == "yes" || object["spec"]["maxUnavailable"] == 3
}

pub(crate) fn wait_mended(space: &Space, kind: Kind, name: &str) -> Value {
    wait_until(space, kind, name, |object| !is_spoilt(object))
}

/// Deletes a set but none of what is its, and makes it again.
pub(crate) fn replace(space: &Space, manifest: &Manifest) -> Value {
    let set = manifest.name();
    let _ = space.kubectl(&["delete", "statefulset", set, "--cascade=orphan"]).ok();
    space.wait_gone(set);
    let _ = space.send(Client::Apply, manifest).ok();
    space.get(set)
}
