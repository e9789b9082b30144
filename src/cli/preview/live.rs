//! Sets of a cluster: what an upgrade would change, and what a new set like each would get.

use serde_json::Value;

use super::{Outlook, concerns, engines};
use crate::catalogue::cluster::{Given, Joined};
use crate::cli::known::Known;
use crate::cli::moves::Move;
use crate::cli::status::is_managed;
use crate::cli::world::World;
use crate::engine::{Change, Decision, Engine, EngineError};
use crate::fault::Fault;
use crate::names;
use crate::ownership::{self, Named};
use crate::record::{Read, Record};
use crate::settings::text;

/// Of each managed set.
pub(super) fn outlooks(
    world: &World,
    known: &Known,
    after: &Joined,
    new: &[Given],
) -> Result<Vec<Outlook>, EngineError> {
    let (old_engine, new_engine) = engines(known, after);
    let mut outlooks = Vec::new();
    for set in world.sets().filter(|set| is_managed(set, world)) {
        let pin = Record::pin_of(set);
        let moves = pin.as_ref().is_none_or(|pin| concerns(&pin.profile, known, after, new));
        let moved = if moves {
            Move::of(set, world, &new_engine, "latest")?
        } else {
            Move {
                namespace: text(&set["metadata"]["namespace"]).to_owned(),
                name: text(&set["metadata"]["name"]).to_owned(),
                from: pin.as_ref().map(ToString::to_string).unwrap_or_default(),
                to: pin.as_ref().map(ToString::to_string).unwrap_or_default(),
                ..Move::default()
            }
        };
        let like = written(set);
        let anew = compared(anew(&like, world, &old_engine)?, anew(&like, world, &new_engine)?);
        outlooks.push(Outlook { moved, is_there: true, anew });
    }
    Ok(outlooks)
}

/// The set as its owner wrote it.
fn written(set: &Value) -> Value {
    let mut user = match Record::of(set) {
        Read::Known(record) => {
            let mut user = ownership::before(set, &record, &Named::of(set)).user;
            for field in ["apiVersion", "kind"] {
                user[field] = set[field].clone();
            }
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
