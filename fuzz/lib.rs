//! What the targets share: an engine, and what holds for each admission.

use std::sync::LazyLock;

use serde_json::Value;
use stateward::engine::{Admitted, Change, Decision, Engine, Offline};

/// The engine of the built-in profiles.
pub static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::built_in().expect("the catalogue loads"));

/// Admits, and checks that the patch gives the result.
pub fn admit(before: Option<&Value>, after: &Value) -> Decision {
    let change = Change { namespace: "team", before, after };
    let decision = ENGINE.admit(change, &Offline).expect("our patch gives what was meant");
    if let Decision::Admitted(admitted) = &decision {
        patched(after, admitted);
    }
    if before == Some(after) {
        assert!(!matches!(decision, Decision::Refused { .. }), "unchanged and refused: {decision:?}");
    }
    decision
}

fn patched(after: &Value, admitted: &Admitted) {
    let mut object = after.clone();
    if let Some(patch) = &admitted.patch {
        let patch: json_patch::Patch = serde_json::from_slice(patch).expect("our patch is one");
        json_patch::patch(&mut object, &patch).expect("our patch applies");
    }
    assert_eq!(object, admitted.result);
}
