//! What is to be written so that what is beside a set becomes what should be there. Pure.
//!
//! Everything here rests on what a watch told, which may be old: each step carries the uid and the
//! version that it is meant for, and the API server refuses it for any other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::owned::{self, Owner};
use crate::companions::neighbours::{Neighbours, taken_over};
use crate::companions::{Companions, Kind, Role};
use crate::names;
use crate::settings::text;

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// For what.
    pub(super) role: Role,
    /// To an object of what kind.
    pub(super) kind: Kind,
    /// What.
    pub(super) act: Act,
}

/// What to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    /// Make it, if nothing of the name is there.
    Create(Value),
    /// Apply to the one of ours that is there; the manifest carries its uid and version.
    Apply(Value),
    /// The same, but its owner is gone: the set is to be looked up first.
    Adopt(Value),
    /// Delete the one of ours that is there, in the state that we know: somebody may be about to take
    /// it over. Where `sure` is not set, its owner is gone, as above.
    Delete { name: String, uid: String, version: String, sure: bool },
    /// Give it up: apply what it is, without labels and owner.
    HandBack { manifest: Value, to: Option<String> },
    /// Make the Secret, with new values.
    Secret(Value),
}

impl Act {
    /// One word for the log.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Create(_) | Self::Secret(_) => "create",
            Self::Apply(_) => "apply",
            Self::Adopt(_) => "adopt",
            Self::Delete { .. } => "delete",
            Self::HandBack { .. } => "release",
        }
    }
}

/// The objects that may concern a set, as the watches know them. Of a kind that the cluster does not
/// serve, or of which nothing is known, there is no entry.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    /// The kinds of which nothing is known: the API server did not answer for them yet.
    pub(super) unknown: BTreeSet<Kind>,
    /// Those of the set's namespace.
    pub(super) beside: BTreeMap<Kind, Vec<Value>>,
    /// Those of other namespaces that claim the host which the set wants.
    pub(super) elsewhere: BTreeMap<Kind, Vec<Value>>,
}

impl Live {
    /// Those that we made beside `set` and that nothing else controls, with what they are for.
    pub(super) fn ours<'a>(&'a self, set: &'a Value) -> impl Iterator<Item = (Role, &'a Value)> {
        let all = self.beside.values().flatten();
        all.filter_map(|object| Some((Role::of(object)?, object))).filter(|(_, object)| is_of(object, set))
    }

    /// Whether a companion of this role is there.
    pub(super) fn has(&self, role: Role, set: &Value) -> bool {
        self.ours(set).any(|(found, _)| found == role)
    }
}

/// Whether we made `object` beside `set`, and nothing else controls it.
fn is_of(object: &Value, set: &Value) -> bool {
    is_labelled_for(object, text(&set["metadata"]["name"]))
        && owned::is_made_by_us(object)
        && owned::owner(object, set) != Owner::Other
}

/// By the labels that nobody else writes; who else manages it is for [`taken_over`] to say.
fn is_labelled_for(object: &Value, set: &str) -> bool {
    let labels = &object["metadata"]["labels"];
    !labels[names::COMPANION].is_null() && labels[names::STATEFULSET] == set
}

/// The objects among which a set's companions are to settle. A copy of one of ours that somebody
/// made by hand loses our label here, as it is none of ours.
pub(super) fn neighbours(set: &Value, live: &Live) -> Neighbours {
    let name = text(&set["metadata"]["name"]);
    let as_neighbour = |object: &Value| {
        let mut object = object.clone();
        if is_labelled_for(&object, name) && !is_of(&object, set) {
            object["metadata"]["labels"][names::MANAGED_BY].take();
        }
        object
    };
    let beside = live.beside.iter();
    let mut neighbours: Neighbours =
        beside.map(|(kind, objects)| (*kind, objects.iter().map(as_neighbour).collect())).collect();
    for (kind, objects) in &live.elsewhere {
        neighbours.entry(*kind).or_default().extend(objects.iter().cloned());
    }
    neighbours
}

/// The steps for a managed set. `desired` is what it should have if it were alone, `settled` what of
/// that may be beside its neighbours.
pub(super) fn plan(set: &Value, desired: &Companions, settled: &Companions, live: &Live) -> Vec<Step> {
    let mut steps: Vec<Step> = live.ours(set).filter_map(|(_, object)| hand_over(object)).collect();
    let kept = live.ours(set).filter(|(_, object)| taken_over(object).is_none());
    for (role, object) in kept {
        if !object["metadata"]["deletionTimestamp"].is_null() {
            continue;
        }
        let wanted = |companions: &Companions| {
            let found = companions.wanted.iter().find(|one| {
                one.manifest["kind"] == object["kind"] && object["metadata"]["name"] == one.name()
            });
            found.map(|companion| companion.manifest.clone())
        };
        let act = match wanted(settled).or_else(|| wanted(desired).filter(|_| role.is_relied_on())) {
            Some(manifest) => update(object, manifest, set),
            None if role.is_relied_on() && settled.problems.iter().any(|problem| problem.role == role) => {
                None
            }
            // Pods run as it for as long as they live.
            None if role == Role::ServiceAccount => None,
            None => Some(Act::Delete {
                name: text(&object["metadata"]["name"]).to_owned(),
                uid: text(&object["metadata"]["uid"]).to_owned(),
                version: text(&object["metadata"]["resourceVersion"]).to_owned(),
                sure: owned::owner(object, set) == Owner::This,
            }),
        };
        steps.extend(act.and_then(|act| step(object, act)));
    }
    // What goes goes first: a second budget stops every drain while it is there.
    steps.sort_by_key(|step| !matches!(step.act, Act::Delete { .. }));
    steps.extend(settled.wanted.iter().filter_map(|companion| {
        let of_kind = live.beside.get(&companion.kind).into_iter().flatten();
        let taken = of_kind.into_iter().any(|one| one["metadata"]["name"] == companion.name());
        let manifest = companion.manifest.clone();
        let act = match companion.role {
            Role::Secret => Act::Secret(manifest),
            _ if taken => return None,
            _ => Act::Create(manifest),
        };
        Some(Step { role: companion.role, kind: companion.kind, act })
    }));
    steps
}

/// The steps for a set that is not managed (any more): everything of ours is given back.
pub(super) fn release(set: &Value, live: &Live) -> Vec<Step> {
    let given = live.ours(set).filter_map(|(_, object)| {
        let manifest = owned::handed_back(object)?;
        step(object, Act::HandBack { manifest, to: None })
    });
    given.collect()
}

/// What was taken over is given up.
fn hand_over(object: &Value) -> Option<Step> {
    let to = taken_over(object)?;
    let manifest = owned::handed_back(object)?;
    step(object, Act::HandBack { manifest, to: Some(to) })
}

/// A step for an object of ours.
fn step(object: &Value, act: Act) -> Option<Step> {
    Some(Step { role: Role::of(object)?, kind: Kind::of(object)?, act })
}

/// The write that makes `object` as wanted; none where it is.
fn update(object: &Value, mut manifest: Value, set: &Value) -> Option<Act> {
    if owned::is_settled(object, &manifest) {
        return None;
    }
    // For this object in this state alone: somebody may be about to take it over.
    for field in ["uid", "resourceVersion"] {
        manifest["metadata"][field] = object["metadata"][field].clone();
    }
    Some(match owned::owner(object, set) {
        Owner::This => Act::Apply(manifest),
        Owner::Nobody | Owner::Other => Act::Adopt(manifest),
    })
}

#[cfg(test)]
mod tests;
