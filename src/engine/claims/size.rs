//! The size of claims that are there beside the one that the set asks for: no claim changes its size because
//! a template says another.

use super::{Left, Said};
use crate::engine::{Change, line};
use crate::expand::Expansion;
use crate::quantity::Quantity;
use crate::settings::Settings;

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
        let (asked, by) = said.asked(expansion, change.after)?;
        let wanted = Quantity::parse(asked).ok()?;
        let other = |size: &str| Quantity::parse(size).ok().filter(|size| *size != wanted);
        let (claim, size, has) = claims.iter().find_map(|(name, size)| Some((name, size, other(size)?)))?;
        let key = said.key(template, change.after, settings);
        let remedy = if has > wanted {
            format!("write {size} as {key}")
        } else {
            format!("grow the claim itself, or write {size} as {key}")
        };
        Some(line(&format!(
            "claim {claim} keeps its {size}; further ones get {asked}, as {by} says: {remedy}"
        )))
    })
}
