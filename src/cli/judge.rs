//! Asks the engine what becomes of a manifest: as the API server would ask, defaults first.

use serde_json::Value;

use super::input;
use crate::defaults;
use crate::engine::{Change, Decision, Engine, EngineError, Offline};

/// One StatefulSet, judged.
#[derive(Debug)]
pub struct Judged {
    /// The object with the API server's defaults, which is what admission sees.
    pub filled: Value,
    /// What becomes of it.
    pub decision: Decision,
}

/// What becomes of `object` if it is created in the namespace that it names, else in `namespace`.
pub fn create(engine: &Engine, object: &Value, namespace: &str) -> Result<Judged, EngineError> {
    let mut filled = object.clone();
    defaults::apply(&mut filled);
    let namespace = input::namespace(object, namespace);
    let change = Change { namespace, before: None, after: &filled };
    let decision = engine.admit(change, &Offline)?;
    Ok(Judged { filled, decision })
}
