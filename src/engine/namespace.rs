//! What is wrong with the defaults that a Namespace gives to its sets. Nothing of it refuses a set: whoever
//! applies one may have no say in the Namespace.

use std::collections::BTreeMap;

use serde_json::json;

use super::warnings::line;
use super::{Change, Engine, Facts};
use crate::catalogue::Catalogue;
use crate::fault::{Fault, Reason};
use crate::intent::{Intent, nearest};
use crate::names;
use crate::settings::Defaults;

impl Engine {
    /// One line for each annotation of ours on the Namespace that its sets do not get.
    pub(super) fn said_of_namespace(&self, change: Change, facts: &dyn Facts) -> Vec<String> {
        let annotations = facts.namespace_annotations(change.namespace);
        let faults = namespace_faults(&annotations, &self.catalogue);
        faults.iter().map(|fault| line(&format!("Namespace {}: {fault}", change.namespace))).collect()
    }
}

/// The annotations of a Namespace that are passed over, each with what to write instead. A size that some
/// profiles have and others lack is none: a namespace has sets of many.
#[must_use]
pub fn namespace_faults(annotations: &BTreeMap<String, String>, catalogue: &Catalogue) -> Vec<Fault> {
    let ours =
        annotations.iter().filter_map(|(key, value)| Some((key, key.strip_prefix(names::PREFIX)?, value)));
    ours.filter_map(|(key, name, value)| {
        if !Defaults::KEYS.contains(&name) {
            return Some(stray(key, name));
        }
        let (intent, mut faults) = Intent::parse(None, Some(&json!({key: value})));
        if let Some(mut fault) = faults.pop() {
            fault.problem = format!("{}: no set gets it", fault.problem);
            return Some(fault);
        }
        intent.size.and_then(|size| nobodys(key, &size, catalogue))
    })
    .collect()
}

fn stray(key: &str, name: &str) -> Fault {
    let known = Defaults::KEYS.map(|name| format!("{}{name}", names::PREFIX));
    let remedy = match nearest(name, Defaults::KEYS) {
        Some(near) => format!("did you mean {}{near}?", names::PREFIX),
        None => format!("write it on each set; on a Namespace {} are read", known.join(" and ")),
    };
    Fault::new(Reason::Unknown, key, "nothing is read from it on a Namespace", remedy)
}

/// The fault of a size that no profile has.
fn nobodys(key: &str, size: &str, catalogue: &Catalogue) -> Option<Fault> {
    let mut known: Vec<&str> = Vec::new();
    for name in catalogue.profiles().flat_map(|profile| profile.sizes.keys()) {
        if name == size {
            return None;
        }
        if !known.contains(&name.as_str()) {
            known.push(name);
        }
    }
    let remedy = format!("write one of {}", known.join(", "));
    Some(Fault::new(Reason::NotFound, key, format!("no profile has a size {size:?}"), remedy))
}
