//! A model of the API server: one StatefulSet, its admission, its revisions.

use json_patch::Patch;
use serde_json::{Map, Value, json};
use stateward::defaults;
use stateward::engine::{Admitted, Change, Decision, Engine, Offline};
use stateward::fault::Fault;
use stateward::hash::canonical;

/// One stored set and the webhook in front of it.
pub(crate) struct Server {
    /// What admits. Tests put another in its place.
    pub(crate) engine: Engine,
    /// Whether the webhook is asked.
    pub(crate) webhook: bool,
    /// The stored object; `null` before it is created.
    pub(crate) stored: Value,
    /// The pod templates that there were, each once.
    pub(crate) revisions: Vec<Value>,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Stored; with what the webhook made of it, if it was asked and looked at it.
    Stored(Option<Box<Admitted>>),
    /// Refused by the webhook, or without faults by the API server.
    Refused(Vec<Fault>),
}

impl Server {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, webhook: true, stored: Value::Null, revisions: Vec::new() }
    }

    pub(crate) fn template(&self) -> &Value {
        &self.stored["spec"]["template"]
    }

    /// Stores a new object or a new version of it.
    ///
    /// # Errors
    /// Admission broke a law that holds for every request.
    pub(crate) fn write(&mut self, object: Value) -> Result<Answer, String> {
        let after = received(object);
        let before = (!self.stored.is_null()).then_some(&self.stored);
        let mut admitted = None;
        let mut object = after.clone();
        if self.webhook {
            match admit(&self.engine, before, &after)? {
                Decision::Ignored | Decision::Unchanged { .. } => {}
                Decision::Admitted(made) => {
                    object = made.result.clone();
                    admitted = Some(made);
                }
                Decision::Refused { faults, .. } => return Ok(Answer::Refused(faults)),
            }
        }
        let object = received(object);
        match before.map_or(Ok(()), |before| unchangeable(before, &object)) {
            Err(why) if admitted.is_some() => return Err(why),
            Err(_) => return Ok(Answer::Refused(Vec::new())),
            Ok(()) => {}
        }
        // What was stored before may come back, as it was.
        if admitted.is_some() && !self.revisions.contains(&object["spec"]["template"]) {
            acceptable(&object).or_else(|why| match before.map(acceptable) {
                Some(Err(_)) => Ok(()),
                _ => Err(why),
            })?;
        }
        if !self.revisions.contains(&object["spec"]["template"]) {
            self.revisions.push(object["spec"]["template"].clone());
        }
        self.stored = object;
        Ok(Answer::Stored(admitted))
    }
}

/// The patch as others read it.
pub(crate) fn operations(admitted: &Admitted) -> Patch {
    let read = |patch: &Vec<u8>| serde_json::from_slice(patch).expect("a JSON patch");
    admitted.patch.as_ref().map(read).unwrap_or_default()
}

/// Admits, and checks what holds for every admission: the patch gives the result.
///
/// # Errors
/// It does not.
pub(crate) fn admit(engine: &Engine, before: Option<&Value>, after: &Value) -> Result<Decision, String> {
    let change = Change { namespace: "team", before, after };
    let decision = engine.admit(change, &Offline).map_err(|error| error.to_string())?;
    if let Decision::Admitted(admitted) = &decision {
        let mut patched = after.clone();
        json_patch::patch(&mut patched, &operations(admitted)).map_err(|error| error.to_string())?;
        if patched != admitted.result {
            return Err("the patch does not give the result".to_owned());
        }
        let long = admitted.warnings.iter().find(|line| line.len() > 250 || line.contains('\n'));
        if let Some(line) = long {
            return Err(format!("a warning that kubectl would cut: {line}"));
        }
    }
    if let (Decision::Refused { faults, .. }, Some(true)) = (&decision, before.map(|before| before == after))
    {
        return Err(format!("an unchanged object is refused: {faults:?}"));
    }
    Ok(decision)
}

/// An object as the API server hands it on after decoding: what is empty by its type is gone, what
/// has no `omitempty` is there, defaults are filled in.
pub(crate) fn received(mut object: Value) -> Value {
    tidy(&mut object);
    defaults::apply(&mut object);
    if object["spec"].get("selector").is_none() {
        object["spec"]["selector"] = Value::Null;
    }
    object["status"] = json!({"replicas": 0, "availableReplicas": 0});
    object
}

fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|field, value| {
                tidy(value);
                !is_empty(field, value)
            });
            // Without `omitempty`.
            for handler in ["grpc", "httpGet", "tcpSocket"] {
                if let Some(Value::Object(handler)) = map.get_mut(handler) {
                    handler.entry("port").or_insert(json!(0));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn is_empty(field: &str, value: &Value) -> bool {
    let map =
        matches!(field, "annotations" | "labels" | "limits" | "matchLabels" | "nodeSelector" | "requests");
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => map && fields.is_empty(),
        _ => false,
    }
}

/// What cannot change once the set exists.
fn unchangeable(before: &Value, object: &Value) -> Result<(), String> {
    let rest = |object: &Value| {
        let mut spec: Map<String, Value> = object["spec"].as_object().cloned().unwrap_or_default();
        spec.retain(|field, _| {
            matches!(
                field.as_str(),
                "podManagementPolicy" | "selector" | "serviceName" | "volumeClaimTemplates"
            )
        });
        canonical(&Value::Object(spec))
    };
    let (old, new) = (rest(before), rest(object));
    if old == new { Ok(()) } else { Err(format!("immutable fields change: {old} to {new}")) }
}

/// What the API server itself would refuse of an admitted object, as far as our work can cause it.
fn acceptable(object: &Value) -> Result<(), String> {
    let containers = object["spec"]["template"]["spec"]["containers"].as_array();
    for container in containers.into_iter().flatten() {
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let Some(probe) = container[probe].as_object() else { continue };
            let handlers = ["exec", "grpc", "httpGet", "tcpSocket"];
            let count = handlers.iter().filter(|handler| probe.contains_key(**handler)).count();
            if count != 1 {
                return Err(format!("a probe with {count} handlers: {probe:?}"));
            }
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let from = variable["valueFrom"].as_object().map_or(0, Map::len);
            if from > 1 || (from == 1 && !matches!(&variable["value"], Value::Null | Value::String(_))) {
                return Err(format!("a variable with several sources: {variable}"));
            }
            if from == 1 && variable["value"].as_str().is_some_and(|value| !value.is_empty()) {
                return Err(format!("a variable with a value and a source: {variable}"));
            }
        }
    }
    Ok(())
}
