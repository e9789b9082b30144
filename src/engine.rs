//! One StatefulSet admitted: the function that the webhook and the commands share.

mod beside;
mod claims;
mod create;
mod data;
mod immutable;
mod namespace;
mod pin;
mod refusals;
mod resized;
mod scaled;
mod undo;
mod update;
mod warnings;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::catalogue::{Catalogue, LoadError};
use crate::configuration::Configuration;
use crate::edit;
use crate::expand::{self, Expansion, Injection, Source, Withheld};
use crate::fault::{Fault, Reason};
use crate::intent::{self, Intent};
use crate::names;
use crate::ownership::{self, Named};
use crate::patch;
use crate::path::{Path, Step};
use crate::record::{Read, Record};
use crate::settings::{Defaults, Settings};
pub use namespace::namespace_faults;
pub use resized::is_resized;
pub(crate) use warnings::line;

/// Expands StatefulSets with a catalogue of profiles.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The profiles.
    pub catalogue: Arc<Catalogue>,
    /// The expansion. Replaceable, so that tests can let two versions of it answer in turn.
    pub expand: fn(&Value, &Settings) -> Expansion,
}

/// What is asked of us: an object, and on UPDATE the one that it replaces.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The namespace, which the object itself may lack.
    pub namespace: &'a str,
    /// `oldObject`; `None` on CREATE.
    pub before: Option<&'a Value>,
    /// The object as it was sent, API defaults filled in.
    pub after: &'a Value,
}

/// The few facts about the cluster that admission needs; no call to it ever waits.
pub trait Facts: Send + Sync {
    /// Labels of the namespace; empty if it is not known.
    fn namespace_labels(&self, namespace: &str) -> BTreeMap<String, String>;
    /// Annotations of the namespace; empty if it is not known.
    fn namespace_annotations(&self, _namespace: &str) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
    /// The pin on the claims that a set of this name left behind (`profile@revision/variant`).
    fn claim_pin(&self, namespace: &str, statefulset: &str) -> Option<String>;
    /// The claims that a set of this name left behind and that hold data, by their names.
    fn claims(&self, _namespace: &str, _statefulset: &str) -> BTreeMap<String, Held> {
        BTreeMap::new()
    }
    /// The platform's configuration, where it is known.
    fn configuration(&self) -> Option<Arc<Configuration>> {
        None
    }
}

/// What is known of a claim that holds data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Its storage class, if it names one; `""` is one too.
    pub class: Option<String>,
    /// The size that it asks for.
    pub size: Option<String>,
}

/// Facts of no cluster: for commands on files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offline;

impl Facts for Offline {
    fn namespace_labels(&self, _: &str) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn claim_pin(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

/// What becomes of a change.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Not ours: unmanaged, or being deleted. Passes untouched.
    Ignored,
    /// Changes nothing of what people write: passes as it is, whatever is to be said of the set.
    Unchanged {
        /// The profile in use and its revision, as in [`Admitted::pin`].
        pin: String,
    },
    /// Admitted, with what we make of it.
    Admitted(Box<Admitted>),
    /// Refused, with every fault.
    Refused {
        /// At least one.
        faults: Vec<Fault>,
        /// Said beside the refusal.
        warnings: Vec<String>,
    },
}

/// An admitted change.
#[derive(Debug, Clone, Default)]
pub struct Admitted {
    /// The profile in use and its revision, `postgresql@5f3c9a`; with the variant behind a slash.
    pub pin: String,
    /// What of ours the object holds now.
    pub injections: Vec<Injection>,
    /// What was considered and not injected.
    pub withheld: Vec<Withheld>,
    /// The JSON patch (RFC 6902) from the object as sent to `result`; `None` if nothing changes.
    pub patch: Option<Vec<u8>>,
    /// The object as it will be stored.
    pub result: Value,
    /// One line each, at most 240 bytes, for the person who applies.
    pub warnings: Vec<String>,
}

/// A fault of our own: the patch did not give what was meant. Answered with HTTP 500, so that the
/// failure policy decides; never with a patch.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The finished patch does not apply to the object that was sent.
    #[error("our own patch does not apply at {0:?}")]
    Apply(String),
    /// It applies, and gives something else than was meant.
    #[error("our own patch gives another object than was meant")]
    Differs,
}

/// What `explain` tells of a live object.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// What the object holds of ours, and what was withheld.
    pub now: Admitted,
    /// What a move to the latest revision of the profile would set.
    pub upgrade: Vec<Injection>,
    /// The revision that it would move to.
    pub latest: String,
}

impl Engine {
    /// An engine of the built-in profiles.
    ///
    /// # Errors
    /// None, unless the binary was built from broken files.
    pub fn built_in() -> Result<Self, LoadError> {
        Ok(Self::new(Catalogue::built_in()?))
    }

    /// An engine of these profiles.
    #[must_use]
    pub fn new(catalogue: impl Into<Arc<Catalogue>>) -> Self {
        Self { catalogue: catalogue.into(), expand: expand::expand }
    }

    /// Decides on a change. Pure but for `facts`, which come from memory.
    ///
    /// # Errors
    /// Our own patch gives something else than was meant: a fault of this code.
    pub fn admit(&self, change: Change, facts: &dyn Facts) -> Result<Decision, EngineError> {
        let mut decision = self.decide(change, facts)?;
        if let Decision::Admitted(admitted) = &mut decision {
            let said = self.said_of_companions(change, &admitted.result, facts);
            admitted.warnings.extend(said);
        }
        Ok(decision)
    }

    fn decide(&self, change: Change, facts: &dyn Facts) -> Result<Decision, EngineError> {
        let deleting = |object: &Value| !object["metadata"]["deletionTimestamp"].is_null();
        if deleting(change.after) || change.before.is_some_and(deleting) {
            return Ok(Decision::Ignored);
        }
        let after = managed(change.after, change.namespace, facts);
        let Some(before) = change.before else {
            return match after {
                Ok(true) => self.create(change, facts),
                Ok(false) => Ok(Decision::Ignored),
                Err(fault) => Ok(Decision::Refused { faults: vec![fault], warnings: Vec::new() }),
            };
        };
        match (managed(before, change.namespace, facts), after) {
            (Ok(was), Ok(true)) => self.update(change, before, was, facts),
            (Err(was), Err(is)) if was.same_as(&is) => Ok(Decision::Ignored),
            (Err(_), Ok(true)) => self.update(change, before, false, facts),
            (_, Err(fault)) => Ok(Decision::Refused { faults: vec![fault], warnings: Vec::new() }),
            (_, Ok(false)) => Ok(Decision::Ignored),
        }
    }

    /// The faults of a final object that was admitted, and that another webhook may have changed
    /// since; on UPDATE those that it did not have before.
    #[must_use]
    pub fn validate(&self, change: Change, facts: &dyn Facts) -> Vec<Fault> {
        let deleting = !change.after["metadata"]["deletionTimestamp"].is_null();
        if deleting || !matches!(managed(change.after, change.namespace, facts), Ok(true)) {
            return Vec::new();
        }
        let faults = crate::validate::object(change.after);
        match change.before {
            Some(before) => new_faults(faults, || crate::validate::object(before)),
            None => faults,
        }
    }

    /// Explains a live object from its record; `None` if it has none. Its namespace gives the defaults that
    /// it is pinned to.
    #[must_use]
    pub fn explain(&self, object: &Value) -> Option<Explanation> {
        self.explain_by(object, None)
    }

    /// The same, of an object whose namespace gives these defaults today.
    #[must_use]
    pub fn explain_by(&self, object: &Value, today: Option<Defaults>) -> Option<Explanation> {
        let Read::Known(record) = Record::of(object) else {
            return None;
        };
        let (injections, withheld) = self.held(object, &record);
        let now = Admitted {
            pin: record.pin.to_string(),
            injections,
            withheld,
            patch: None,
            result: object.clone(),
            warnings: Vec::new(),
        };
        let today = today.unwrap_or_else(|| record.pin.defaults.clone());
        let (upgrade, latest) = self.upgrade_of(object, &record, today);
        Some(Explanation { now, upgrade, latest })
    }

    /// What `object` holds of ours, with the sources that today's code gives, and what it withholds.
    fn held(&self, object: &Value, record: &Record) -> (Vec<Injection>, Vec<Withheld>) {
        let parts = ownership::before(object, record, &Named::of(object));
        let intent = intent_of(object).0;
        let expansion = Settings::pinned(object, &intent, &record.pin, &self.catalogue)
            .map(|settings| (self.expand)(&parts.user, &settings))
            .unwrap_or_default();
        let mut withheld = expansion.withheld;
        let mut injections = Vec::new();
        for (leaf, _) in record.leaves.iter().zip(&parts.ours).filter(|(_, ours)| **ours) {
            let found = expansion.injections.iter().find(|injection| injection.path == leaf.path);
            let source = found
                .map_or(Source::Profile { name: record.pin.profile.as_str().into() }, |i| i.source.clone());
            if let Some(value) = leaf.path.lookup(object) {
                let (path, value) = (leaf.path.clone(), value.clone());
                let data = found.is_some_and(|i| i.data);
                let over_default = leaf.over_default;
                injections.push(Injection { path, value, source, data, over_default });
            }
        }
        for injection in expansion.injections {
            if !injections.iter().any(|ours| ours.path == injection.path) {
                let why = "this set was there without it: an update adds nothing that nobody asked for";
                withheld.push(Withheld { path: injection.path, why: why.to_owned() });
            }
        }
        (injections, withheld)
    }
}

/// Whether an object is managed, by itself or by its namespace.
fn managed(object: &Value, namespace: &str, facts: &dyn Facts) -> Result<bool, Fault> {
    intent::is_managed(object, || facts.namespace_labels(namespace))
}

fn intent_of(object: &Value) -> (Intent, Vec<Fault>) {
    Intent::parse(object["metadata"].get("labels"), object["metadata"].get("annotations"))
}

/// What is wrong with what an annotation asks of a companion, as far as the set itself tells.
fn companion_faults(object: &Value, intent: &Intent) -> Option<Fault> {
    let (problem, remedy) = crate::companions::budget::blocks(object, intent)?;
    Some(Fault::new(Reason::Contradiction, format!("{}disruption-budget", names::PREFIX), problem, remedy))
}

/// The faults that `before` does not have.
fn new_faults(faults: Vec<Fault>, before: impl FnOnce() -> Vec<Fault>) -> Vec<Fault> {
    if faults.is_empty() {
        return faults;
    }
    let before = before();
    faults.into_iter().filter(|fault| !before.iter().any(|old| old.same_as(fault))).collect()
}

/// Adds what validation found, but for fields of which expansion has said already what is wrong.
fn add_invalid(faults: &mut Vec<Fault>, invalid: Vec<Fault>) {
    let new: Vec<Fault> =
        invalid.into_iter().filter(|fault| !faults.iter().any(|said| said.field == fault.field)).collect();
    faults.extend(new);
}

/// Completes an admitted change with its patch, checked.
fn finish(sent: &Value, mut admitted: Admitted) -> Result<Decision, EngineError> {
    admitted.patch = patch::between(sent, &admitted.result)?;
    Ok(Decision::Admitted(Box::new(admitted)))
}

fn write_record(object: &mut Value, text: &str) {
    let path = Path::fields(&["metadata", "annotations", names::RECORD]);
    edit::set(object, &path, Value::from(text));
}

/// The standing wish as it is written.
fn wish_text(object: &Value) -> Option<String> {
    object["metadata"]["annotations"][names::PROFILE_REVISION].as_str().map(str::to_owned)
}

/// A path in few words, for a list of several: what comes after the pod's or the container's part,
/// list items by the value of their first key. `env[PGDATA].value`, `securityContext.runAsUser`.
fn short(path: &Path) -> String {
    let pod = Path::fields(&["spec", "template", "spec"]);
    let from = if path.starts_with(&crate::settings::containers_path()) && path.0.len() > 5 {
        5
    } else if path.starts_with(&pod) && path.0.len() > 3 {
        3
    } else {
        usize::from(path.0.len() > 1)
    };
    let mut words = String::new();
    for step in &path.0[from..] {
        match step {
            Step::Field(name) if words.is_empty() => words.push_str(name),
            Step::Field(name) => words.push_str(&format!(".{name}")),
            Step::Item(key) => words.push_str(&format!("[{}]", key.first().unwrap_or_default())),
        }
    }
    words
}

#[cfg(test)]
mod namespace_tests;
#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod strategy_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wishes_tests;
