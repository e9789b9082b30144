//! An UPDATE of a set that we expanded: two lists of changes, before and after. Each is one line
//! `/pointer value`, with the value as JSON; the rest of the input is ignored.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use stateward::engine::Decision;
use stateward::record::Record;
use stateward_fuzz::admit;

static SET: LazyLock<Value> = LazyLock::new(|| {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "orders-db", "labels": {"stateward.dev/managed": "true"},
            "annotations": {"stateward.dev/storage": "20Gi", "stateward.dev/env-from": "secret/db"},
        },
        "spec": {"replicas": 1, "template": {"spec": {"containers": [
            {"name": "postgres", "image": "postgres:18", "env": [{"name": "A", "value": "b"}]},
        ]}}},
    });
    stateward::defaults::apply(&mut object);
    match admit(None, &object) {
        Decision::Admitted(admitted) => admitted.result,
        other => panic!("{other:?}"),
    }
});

fn changed(object: &Value, changes: &str) -> Value {
    let mut object = object.clone();
    for line in changes.lines() {
        let Some((pointer, value)) = line.split_once(' ') else { continue };
        let Ok(value) = serde_json::from_str::<Value>(value) else { continue };
        let (parent, field) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        match object.pointer_mut(parent) {
            Some(Value::Object(map)) if value.is_null() => _ = map.remove(field),
            Some(Value::Object(map)) => _ = map.insert(field.replace("~1", "/"), value),
            Some(Value::Array(items)) => match field.parse::<usize>() {
                Ok(index) if index < items.len() && value.is_null() => _ = items.remove(index),
                Ok(index) if index < items.len() => items[index] = value,
                _ => items.push(value),
            },
            _ => {}
        }
    }
    object
}

fuzz_target!(|input: &str| {
    let (first, second) = input.split_once("\n\n").unwrap_or((input, ""));
    let before = changed(&SET, first);
    let mut after = changed(&before, second);
    admit(Some(&before), &before);
    if let Decision::Admitted(admitted) = admit(Some(&before), &after) {
        _ = Record::of(&admitted.result);
        after = admitted.result;
        // Something of the user's, so that there is something to look at.
        let mut noted = after.clone();
        match noted.pointer_mut("/metadata/annotations") {
            Some(Value::Object(annotations)) => _ = annotations.insert("example.com/seen-again".to_owned(), json!("x")),
            _ => return,
        }
        if let Decision::Admitted(again) = admit(Some(&after), &noted) {
            assert_eq!(again.patch, None, "a second admission changes something: {}", again.result);
        }
    }
    _ = stateward_fuzz::ENGINE.explain(&after);
});
