//! The grammars of all keys: a line `key value` each. What parses is expanded, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use stateward::intent::{Intent, KEYS, On};
use stateward::names::PREFIX;

fuzz_target!(|input: &str| {
    let (mut labels, mut annotations) = (Map::new(), Map::new());
    for line in input.lines() {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        let on = KEYS.iter().find(|key| key.name == name).map_or(On::Annotation, |key| key.on);
        let map = if on == On::Label { &mut labels } else { &mut annotations };
        map.insert(format!("{PREFIX}{name}"), Value::from(value));
    }
    labels.insert(format!("{PREFIX}managed"), json!("true"));
    let (labels, annotations) = (Value::from(labels), Value::from(annotations));
    let parsed = Intent::parse(Some(&labels), Some(&annotations));
    assert_eq!(Intent::parse(Some(&labels), Some(&annotations)), parsed);
    for fault in &parsed.1 {
        assert!(!fault.field.is_empty() && !fault.problem.is_empty() && !fault.remedy.is_empty());
    }
    let containers = json!([{"name": "app", "image": "postgres:18"}]);
    let object = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "orders-db", "labels": labels, "annotations": annotations},
        "spec": {"template": {"spec": {"containers": containers}}},
    });
    stateward_fuzz::admit(None, &object);
});
