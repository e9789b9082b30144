//! The size of claims that are there beside the one that the set asks for: no claim changes its size because
//! a template says another.

use super::{Left, Said};
use crate::engine::{Change, line};
use crate::expand::Expansion;
use crate::quantity::Quantity;
use crate::settings::{Settings, text};

/// One line for each template that asks for another size than a claim of it has: further claims get the
/// template's, which cannot be changed later.
pub(super) fn said(
    change: Change,
    settings: &Settings,
    expansion: &Expansion,
    left: &Left,
) -> impl Iterator<Item = String> {
    left.sizes.iter().filter_map(move |(template, claims)| {
        let said = Said::size(template);
        let given = expansion.injections.iter().find(|injection| injection.path == said.path);
        let asked = given.map(|injection| &injection.value).or(said.path.lookup(change.after))?;
        let wanted = Quantity::parse(text(asked)).ok()?;
        let other = |size: &str| Quantity::parse(size).ok().filter(|size| *size != wanted);
        let (claim, size, has) = claims.iter().find_map(|(name, size)| Some((name, size, other(size)?)))?;
        let by = given.map_or_else(|| said.path.to_string(), |injection| injection.source.to_string());
        let key = said.key(template, change.after, settings);
        let remedy = if has > wanted {
            format!("write {size} as {key}")
        } else {
            format!("grow the claim itself, or write {size} as {key}")
        };
        let wanted = text(asked);
        Some(line(&format!(
            "claim {claim} keeps its {size}; further ones get {wanted}, as {by} says: {remedy}"
        )))
    })
}
