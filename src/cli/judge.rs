//! Asks the engine what becomes of a manifest: as the API server would ask, defaults first.

use serde_json::Value;

use super::input;
use crate::engine::{Admitted, Change, Decision, EngineError};

/// The engine, as the commands see it.
pub struct Judge<'e> {
    /// Fills in what the API server fills in before admission.
    pub defaults: &'e dyn Fn(&mut Value),
    /// Decides on an object with its defaults.
    pub admit: &'e dyn Fn(Change<'_>) -> Result<Decision, EngineError>,
    /// What of ours a live object holds; `None` if it is not managed.
    pub explain: &'e dyn Fn(&Value) -> Result<Option<Admitted>, EngineError>,
}

/// One StatefulSet, judged.
#[derive(Debug)]
pub struct Judged {
    /// The object with the API server's defaults, which is what admission sees.
    pub filled: Value,
    /// What becomes of it.
    pub decision: Decision,
}

impl Judge<'_> {
    /// What becomes of `object` if it is created in the namespace that it names, else in
    /// `namespace`.
    pub fn create(&self, object: &Value, namespace: &str) -> Result<Judged, EngineError> {
        let mut filled = object.clone();
        (self.defaults)(&mut filled);
        let namespace = input::namespace(object, namespace);
        let decision = (self.admit)(Change {
            namespace,
            before: None,
            after: &filled,
        })?;
        Ok(Judged { filled, decision })
    }
}
