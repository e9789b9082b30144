//! What the tests of the grammars share.

use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::intent::{Intent, Key, On};
use crate::names::PREFIX;

/// What these annotations say (keys without the prefix), and their faults.
pub(crate) fn intent(annotations: &[(&str, &str)]) -> (Intent, Vec<Fault>) {
    let map: Map<_, _> =
        annotations.iter().map(|(key, value)| (format!("{PREFIX}{key}"), json!(value))).collect();
    Intent::parse(None, Some(&Value::Object(map)))
}

/// Each value of `name` is accepted by its grammar, and by the pattern that editors see.
pub(crate) fn good(name: &str, values: &[&str]) {
    let (key, rest) = Key::find(name).unwrap();
    let pattern = jsonschema::validator_for(&json!({"pattern": key.pattern})).unwrap();
    for text in values {
        assert_eq!(complaints(key, rest, text), [""; 0], "{text}");
        assert!(pattern.is_valid(&json!(text)), "the pattern refuses {text}");
    }
}

/// Each value of `name` is refused, with `problem; remedy`.
pub(crate) fn bad(name: &str, values: &[(&str, &str)]) {
    let (key, rest) = Key::find(name).unwrap();
    for (text, message) in values {
        assert_eq!(complaints(key, rest, text), [*message], "{text}");
    }
}

/// What is said about one value, without what only other keys would mend.
fn complaints(key: &Key, rest: &str, text: &str) -> Vec<String> {
    let full = key.full().replace("<name>", rest);
    let map = json!({ &full: text });
    let (_, faults) = match key.on {
        On::Label => Intent::parse(Some(&map), None),
        On::Annotation => Intent::parse(None, Some(&map)),
    };
    faults
        .iter()
        .filter(|fault| fault.reason != crate::fault::Reason::Contradiction)
        .map(|fault| format!("{}; {}", fault.problem, fault.remedy))
        .collect()
}
