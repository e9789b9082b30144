//! What a move would change beside a set, by what its revisions ask for.

use serde_json::Value;

use crate::catalogue::Catalogue;
use crate::companions::{self, Companion, Labels};
use crate::configuration::Configuration;
use crate::settings::text;

/// A line for each companion that would be made, be another or go. What the platform grants is the same
/// before and after, so it is not asked for here.
pub(super) fn changes(before: &Value, after: &Value, catalogue: &Catalogue, labels: &Labels) -> Vec<String> {
    let of = |set: &Value| {
        let companions = companions::of_stored(set, catalogue, &Configuration::default(), labels);
        companions.map(|companions| companions.wanted)
    };
    let (Some(old), Some(new)) = (of(before), of(after)) else { return Vec::new() };
    let find = |all: &'_ [Companion], one: &Companion| -> Option<Companion> {
        all.iter().find(|other| other.role == one.role && other.name() == one.name()).cloned()
    };
    let said = |one: &Companion, what: &str| format!("{} {} {what}", text(&one.manifest["kind"]), one.name());
    let gone = old.iter().filter(|one| find(&new, one).is_none()).map(|one| said(one, "goes"));
    let others = new.iter().filter_map(|one| match find(&old, one) {
        None => Some(said(one, "is made")),
        Some(old) => (old.manifest != one.manifest).then(|| said(one, "changes")),
    });
    others.chain(gone).collect()
}
