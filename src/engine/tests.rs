//! What admission does to whole objects.

use serde_json::{Value, json};

use super::*;

fn engine() -> Engine {
    Engine::built_in().unwrap()
}

fn set(annotations: &Value, image: &str) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "orders-db", "labels": {"stateward.dev/managed": "true"}, "annotations": annotations,
        },
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "postgres", "image": image}]}}},
    });
    crate::defaults::apply(&mut object);
    object
}

fn admit(before: Option<&Value>, after: &Value) -> Decision {
    engine().admit(Change { namespace: "team", before, after }, &Offline).unwrap()
}

fn admitted(before: Option<&Value>, after: &Value) -> Admitted {
    match admit(before, after) {
        Decision::Admitted(admitted) => *admitted,
        other => panic!("{other:?}"),
    }
}

fn stored(before: Option<&Value>, after: &Value) -> Value {
    let mut object = admitted(before, after).result;
    crate::defaults::apply(&mut object);
    object
}

#[test]
fn show() {
    let a = admitted(
        None,
        &set(
            &json!({"stateward.dev/storage": "20Gi", "stateward.dev/generate-secret": "POSTGRES_PASSWORD"}),
            "postgres:18",
        ),
    );
    println!("{}", serde_json::to_string_pretty(&a.result).unwrap());
}

#[test]
fn a_second_admission_changes_nothing() {
    let object = stored(None, &set(&json!({"stateward.dev/storage": "20Gi"}), "postgres:18"));
    let again = admitted(Some(&object), &object);
    assert_eq!(again.patch.0.len(), 0, "{:?}", again.patch);
}

#[test]
fn a_replace_with_the_ten_lines_changes_nothing() {
    let ten = set(&json!({"stateward.dev/storage": "20Gi"}), "postgres:18");
    let object = stored(None, &ten);
    let again = stored(Some(&object), &ten);
    assert_eq!(crate::hash::canonical(&again), crate::hash::canonical(&object));
    assert_eq!(again["spec"]["template"], object["spec"]["template"]);
}
