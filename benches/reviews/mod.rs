//! The reviews that are measured: what an API server of 1.36 sends for the ten lines of PostgreSQL.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use stateward::admission::{Admission, Endpoint};
use stateward::engine::{Change, Decision, Engine, Offline};
use stateward::path::list_key;
use stateward::record::write_key;

/// A review to be answered.
pub(crate) struct Review {
    /// Says what was done to have it sent: applied again on the server's side, replaced by the ten
    /// lines alone, given another image.
    pub(crate) name: &'static str,
    pub(crate) endpoint: Endpoint,
    pub(crate) body: Vec<u8>,
}

/// What answers them: the built-in profiles and no cluster.
pub(crate) fn admission() -> Admission {
    Admission::by(&Engine::built_in().expect("the built-in profiles"), Arc::new(Offline))
}

/// All of them.
pub(crate) fn all() -> Vec<Review> {
    let applied = manifest(include_str!("../../examples/postgresql.yaml"));
    let sent = received(&applied, "Apply");
    let stored = stored(&applied, &sent);
    let mut newer = stored.clone();
    newer["spec"]["template"]["spec"]["containers"][0]["image"] = json!("postgres:18.2");
    newer["metadata"]["generation"] = json!(2);
    let mut unmanaged = sent.clone();
    unmanaged["metadata"]["labels"] = json!({});
    let refused = received(&manifest(include_str!("../../examples/refused.yaml")), "Apply");
    let mutate = |name, old: Option<&Value>, new: &Value| Review {
        name,
        endpoint: Endpoint::Mutate,
        body: body(old, new),
    };
    vec![
        mutate("create", None, &sent),
        mutate("update-repeated", Some(&stored), &stored),
        mutate("update-replaced", Some(&stored), &replaced(&stored, &applied)),
        mutate("update-image", Some(&stored), &newer),
        mutate("refused", None, &refused),
        mutate("unmanaged", None, &unmanaged),
        Review { name: "validate", endpoint: Endpoint::Validate, body: body(None, &stored) },
    ]
}

fn manifest(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).expect("a manifest")
}

/// A manifest as it reaches the webhook: defaults filled in, system fields set.
fn received(manifest: &Value, operation: &str) -> Value {
    let mut object = manifest.clone();
    stateward::defaults::apply(&mut object);
    let spec = object["spec"].as_object_mut().expect("a spec");
    spec.entry("selector").or_insert(Value::Null);
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    metadata.extend([
        ("namespace".to_owned(), json!("shop")),
        ("uid".to_owned(), json!("3f1c2d7e-0c42-4d1b-9a53-6c1d7c0f8a11")),
        ("creationTimestamp".to_owned(), json!("2026-03-01T09:30:00Z")),
        ("generation".to_owned(), json!(1)),
        ("managedFields".to_owned(), json!([entry("kubectl", operation, &owned(manifest))])),
    ]);
    object["status"] = json!({"availableReplicas": 0, "replicas": 0});
    object
}

/// The object in the store after its creation: expanded, and what we set owned by an Update of the
/// same manager.
fn stored(applied: &Value, sent: &Value) -> Value {
    let change = Change { namespace: "shop", before: None, after: sent };
    let decision =
        Engine::built_in().expect("the built-in profiles").admit(change, &Offline).expect("a decision");
    let Decision::Admitted(admitted) = decision else { panic!("the ten lines are refused") };
    let mut object = admitted.result;
    stateward::defaults::apply(&mut object);
    let set_by_us = without(owned(&object), &owned(sent));
    object["metadata"]["resourceVersion"] = json!("48213");
    object["metadata"]["managedFields"] = json!([
        entry("kubectl", "Apply", &owned(applied)),
        entry("kubectl", "Update", &set_by_us),
        entry("kube-controller-manager", "Update", &json!({"f:status": {"f:replicas": {}}})),
    ]);
    object["status"] = json!({
        "availableReplicas": 1, "collisionCount": 0, "currentReplicas": 1, "observedGeneration": 1,
        "currentRevision": "orders-db-7d5b9c6f4d", "updateRevision": "orders-db-7d5b9c6f4d",
        "readyReplicas": 1, "replicas": 1, "updatedReplicas": 1,
    });
    object
}

/// The manifest alone, as `kubectl replace` sends it.
fn replaced(stored: &Value, manifest: &Value) -> Value {
    let mut object = received(manifest, "Update");
    object["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    object["status"] = stored["status"].clone();
    object
}

fn body(old: Option<&Value>, new: &Value) -> Vec<u8> {
    let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
    let kind = json!({"group": "apps", "version": "v1", "kind": "StatefulSet"});
    let resource = json!({"group": "apps", "version": "v1", "resource": "statefulsets"});
    let review = json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "b2a1e0f4-7f6e-4a43-8f0d-2f8a6f7f9b3c",
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": new["metadata"]["name"], "namespace": "shop", "operation": operation,
            "userInfo": {"username": "alice@example.com", "groups": ["developers", "system:authenticated"]},
            "object": new, "oldObject": old, "dryRun": false,
            "options": {"kind": "PatchOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl"},
        },
    });
    serde_json::to_vec(&Sent(&review)).expect("JSON")
}

/// A value with what managers own behind what says who they are, as API servers write it
/// (`ManagedFieldsEntry` of apimachinery).
struct Sent<'v>(&'v Value);

impl Serialize for Sent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => {
                let (last, first): (Vec<_>, Vec<_>) = map.iter().partition(|(name, _)| *name == "fieldsV1");
                serializer.collect_map(first.into_iter().chain(last).map(|(name, value)| (name, Sent(value))))
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sent)),
            scalar => scalar.serialize(serializer),
        }
    }
}

fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": "apps/v1", "time": "2026-03-01T09:30:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    })
}

/// All fields of an object as managedFields writes them, but for those that it never has.
fn owned(object: &Value) -> Value {
    let mut object = object.clone();
    let map = object.as_object_mut().expect("an object");
    map.retain(|field, _| field == "metadata" || field == "spec");
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|field, _| field == "labels" || field == "annotations");
    }
    fields("", &object)
}

fn fields(name: &str, value: &Value) -> Value {
    let mut tree = Map::new();
    match (value, list_key(name)) {
        (Value::Object(map), _) => {
            tree.extend(map.iter().map(|(name, value)| (format!("f:{name}"), fields(name, value))));
        }
        (Value::Array(items), Some(list)) => {
            for item in items {
                let key = list.of(item).expect("items with keys");
                let mut fields = fields("", item);
                fields["."] = json!({});
                let mut name = "k:".to_owned();
                write_key(&key, &mut name);
                tree.insert(name, fields);
            }
        }
        _ => {}
    }
    Value::Object(tree)
}

/// The leaves of `tree` that `other` does not have.
fn without(tree: Value, other: &Value) -> Value {
    let Value::Object(map) = tree else { return tree };
    let left = map.into_iter().filter_map(|(name, below)| match other.get(&name) {
        None => Some((name, below)),
        Some(other) => {
            let below = without(below, other);
            below.as_object().is_some_and(|map| !map.is_empty()).then_some((name, below))
        }
    });
    Value::Object(left.collect())
}
