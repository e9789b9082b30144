//! Differences of two objects: the patch of any two gives the second. Both as JSON, a line each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use stateward::hash::canonical;
use stateward::patch;

fuzz_target!(|text: &str| {
    let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let (Some(before), Some(after)) = (lines.next(), lines.next()) else { return };
    patch::between(&before, &after).expect("the patch gives the second");
    let text = canonical(&before);
    let again: Value = serde_json::from_str(&text).expect("canonical text is JSON");
    assert_eq!(canonical(&again), text);
});
