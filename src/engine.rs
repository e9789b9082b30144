//! One StatefulSet admitted: the function that the webhook and the commands share.

use std::collections::BTreeMap;

use json_patch::Patch;
use serde_json::Value;

use crate::expand::{Injection, Withheld};
use crate::fault::Fault;

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
    /// The pin on the claims that a set of this name left behind (`profile@revision/variant`).
    fn claim_pin(&self, namespace: &str, statefulset: &str) -> Option<String>;
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
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The profile in use and its revision, `postgresql@5f3c9a`; with the variant behind a slash.
    pub pin: String,
    /// What of ours the object holds now.
    pub injections: Vec<Injection>,
    /// What was considered and not injected.
    pub withheld: Vec<Withheld>,
    /// From the object as sent to `result`; empty if nothing changes.
    pub patch: Patch,
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
    #[error("failed to apply our own patch")]
    Apply(#[source] json_patch::PatchError),
    /// It applies, and gives something else than was meant.
    #[error("our own patch gives another object than was meant")]
    Differs,
}
