//! Nothing that arrives makes admission panic, and no refusal is without a cause.

use proptest::prelude::*;
use serde_json::{Value, json};
use stateward::engine::Decision;

use crate::cases;
use crate::engines::{ENGINES, engine};
use crate::manifests::{anything, invalid, manifest};
use crate::merging::strategic;
use crate::server::{admit, received};

/// An object that is nearly in order: a manifest in which some subtrees are replaced by anything.
fn damaged() -> impl Strategy<Value = Value> {
    let wounds = prop::collection::vec((any::<prop::sample::Index>(), anything()), 0..4);
    (manifest(), prop::option::of(invalid()), wounds, any::<bool>()).prop_map(
        |(mut object, part, wounds, stored)| {
            if stored
                && let Ok(Decision::Admitted(admitted)) = admit(&engine(0), None, &received(object.clone()))
            {
                object = received(admitted.result);
            }
            if let Some(part) = part {
                strategic(&mut object, &part);
            }
            for (place, value) in wounds {
                let mut places = Vec::new();
                pointers(&object, String::new(), &mut places);
                if let Some(slot) = object.pointer_mut(place.get::<String>(&places)) {
                    *slot = value;
                }
            }
            object
        },
    )
}

/// The places in a value, as JSON pointers.
fn pointers(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (field, value) in map {
                let token = field.replace('~', "~0").replace('/', "~1");
                pointers(value, format!("{at}/{token}"), places);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                pointers(value, format!("{at}/{index}"), places);
            }
        }
        _ => {}
    }
    places.push(at);
}

proptest! {
    #![proptest_config(cases(150))]

    /// Neither arbitrary JSON nor a damaged object panics or gives a patch that is not meant.
    #[test]
    fn anything_can_arrive(before in prop_oneof![damaged(), anything()], after in prop_oneof![damaged(), anything()]) {
        for (before, after) in [(None, &before), (Some(&before), &after), (Some(&after), &before)] {
            admit(&engine(0), before, after).map_err(TestCaseError::fail)?;
        }
        _ = engine(0).explain(&before);
    }

    /// Nobody is refused for what was there before, whichever version answers.
    #[test]
    fn a_refusal_has_a_cause(object in damaged(), version in 0..ENGINES) {
        let engine = engine(version);
        admit(&engine, Some(&object), &object).map_err(TestCaseError::fail)?;
        let mut noted = object.clone();
        let Some(metadata) = noted.get_mut("metadata").and_then(Value::as_object_mut) else { return Ok(()) };
        match metadata.get_mut("annotations") {
            Some(Value::Object(annotations)) => _ = annotations.insert("example.com/seen-again".to_owned(), json!("x")),
            _ => _ = metadata.insert("finalizers".to_owned(), json!(["example.com/other"])),
        }
        if let Decision::Refused { faults, .. } = admit(&engine, Some(&object), &noted).map_err(TestCaseError::fail)? {
            prop_assert!(false, "a note is refused: {:?}", faults);
        }
    }
}
