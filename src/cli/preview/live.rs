//! Sets of a cluster: what an upgrade would change, and what a new set like each would get.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::{Outlook, concerns, engines};
use crate::catalogue::cluster::{Given, Joined};
use crate::catalogue::{Catalogue, Profile};
use crate::cli::known::Known;
use crate::cli::moves::Move;
use crate::cli::status::is_managed;
use crate::cli::world::World;
use crate::engine::{Change, Decision, Engine, EngineError};
use crate::fault::Fault;
use crate::intent::Intent;
use crate::names;
use crate::ownership::{self, Named};
use crate::record::{Read, Record};
use crate::settings::{Settings, text};

/// What judges each set.
pub(super) struct Judge<'a> {
    world: &'a World,
    known: &'a Known,
    after: &'a Joined,
    new: &'a [Given],
    engines: (Engine, Engine),
    /// Profiles by which a new set is judged as before.
    untouched: BTreeSet<String>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(world: &'a World, known: &'a Known, after: &'a Joined, new: &'a [Given]) -> Self {
        let untouched = untouched(&known.joined.catalogue, &after.catalogue);
        Self { world, known, after, new, engines: engines(known, after), untouched }
    }

    /// Of each managed set among these.
    pub(super) fn outlooks<'s>(
        &self,
        sets: impl Iterator<Item = &'s Value>,
    ) -> Result<Vec<Outlook>, EngineError> {
        sets.filter(|set| is_managed(set, self.world)).map(|set| self.outlook(set)).collect()
    }

    fn outlook(&self, set: &Value) -> Result<Outlook, EngineError> {
        let (old_engine, new_engine) = &self.engines;
        let pin = Record::pin_of(set);
        let is_concerned =
            pin.as_ref().is_none_or(|pin| concerns(&pin.profile, self.known, self.after, self.new));
        let moved = if is_concerned {
            Move::of(set, self.world, new_engine, "latest")?
        } else {
            let stays = pin.map(|pin| pin.to_string()).unwrap_or_default();
            Move {
                namespace: text(&set["metadata"]["namespace"]).to_owned(),
                name: text(&set["metadata"]["name"]).to_owned(),
                from: stays.clone(),
                to: stays,
                ..Move::default()
            }
        };
        let like = written(set);
        let anew = if self.is_judged_as_before(&like) {
            Vec::new()
        } else {
            compared(anew(&like, self.world, old_engine)?, anew(&like, self.world, new_engine)?)
        };
        Ok(Outlook { moved, is_there: true, anew })
    }

    /// Whether a new set like it gets the same profile from both, and that one says the same. Most sets of
    /// a large cluster do, and to expand each twice takes longest of all.
    fn is_judged_as_before(&self, like: &Value) -> bool {
        let metadata = &like["metadata"];
        let (intent, _) = Intent::parse(Some(&metadata["labels"]), Some(&metadata["annotations"]));
        let (old, new) = &self.engines;
        let chosen = |engine: &Engine| Settings::choose(like, &intent, &engine.catalogue).ok();
        let (Some(old), Some(new)) = (chosen(old), chosen(new)) else {
            return false;
        };
        let same = old.profile.name == new.profile.name && old.main == new.main;
        same && self.untouched.contains(&new.profile.name)
    }
}

/// The profiles of which new sets get the same revision as before, with the same refusals. These are no
/// part of a revision, and a profile has those of its parents.
fn untouched(before: &Catalogue, after: &Catalogue) -> BTreeSet<String> {
    let told = |profile: &Profile| format!("{} {:?}", profile.id(), profile.refusals);
    let is_untouched =
        |profile: &&Arc<Profile>| before.latest(&profile.name).is_some_and(|old| told(old) == told(profile));
    after.profiles().filter(is_untouched).map(|profile| profile.name.clone()).collect()
}

/// The set as its owner wrote it.
fn written(set: &Value) -> Value {
    let mut user = match Record::of(set) {
        Read::Known(record) => {
            let mut user = ownership::before(set, &record, &Named::of(set)).user;
            for field in ["apiVersion", "kind"] {
                user[field] = set[field].clone();
            }
            drop_remains(&mut user);
            user
        }
        Read::Absent | Read::Newer => set.clone(),
    };
    if let Some(annotations) = user["metadata"]["annotations"].as_object_mut() {
        for key in [names::RECORD, names::UPGRADE_TO, names::PROFILE_REVISION] {
            annotations.remove(key);
        }
    }
    user
}

/// Takes out claim templates of ours: the API server wrote a status and more into them, which nobody else has
/// written. A user's own has a `spec`, without which it is no claim template.
fn drop_remains(user: &mut Value) {
    let Some(claims) = user["spec"]["volumeClaimTemplates"].as_array_mut() else { return };
    claims.retain(|claim| claim["spec"].as_object().is_some_and(|spec| !spec.is_empty()));
    if let (true, Some(spec)) = (claims.is_empty(), user["spec"].as_object_mut()) {
        spec.remove("volumeClaimTemplates");
    }
}

/// The profile and variant that a new set gets, or its faults.
fn anew(set: &Value, world: &World, engine: &Engine) -> Result<Result<String, Vec<Fault>>, EngineError> {
    let namespace = text(&set["metadata"]["namespace"]);
    Ok(match engine.admit(Change { namespace, before: None, after: set }, world)? {
        Decision::Admitted(admitted) => Ok(admitted.pin),
        Decision::Refused { faults, .. } => Err(faults),
        Decision::Ignored | Decision::Unchanged { .. } => Ok(String::new()),
    })
}

/// What is another. That a profile's new sets get its new revision is no news.
fn compared(old: Result<String, Vec<Fault>>, new: Result<String, Vec<Fault>>) -> Vec<String> {
    let profile = |pin: &str| pin.split_once('@').map_or_else(String::new, |(profile, _)| profile.to_owned());
    match (old, new) {
        (Ok(old), Ok(new)) if profile(&old) != profile(&new) => vec![format!("gets {new} in place of {old}")],
        (Ok(_), Ok(_)) => Vec::new(),
        (Err(_), Ok(new)) => vec![format!("is refused no more, and gets {new}")],
        (old, Err(faults)) => {
            let known = old.err().unwrap_or_default();
            let news = faults.iter().filter(|fault| !known.iter().any(|old| old.same_as(fault)));
            news.map(|fault| format!("is refused: {fault}")).collect()
        }
    }
}
