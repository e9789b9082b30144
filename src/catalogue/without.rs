//! What a profile takes away from its parents, by the names of the fields that hold it: `data.subPath`,
//! `sizes.small`, `statefulSet.spec.template.spec.containers[$(main)].livenessProbe`.
//!
//! A list of texts comes through every client and the schema as it was written. A null does not:
//! client-side apply leaves it out, and the API server takes it where a field is nullable alone.

use std::fmt::Write;

use serde_json::Value;

use super::Profile;
use super::offers::{Offer, leaves};
use super::profile::{DataVolume, ProfileSpec};
use crate::path::{Path, Scalar, Step, write_field};

/// The fields of which something can be taken away.
pub(crate) const FIELDS: [&str; 11] = [
    "companions",
    "data",
    "peers",
    "refuse",
    "scratch",
    "size",
    "sizes",
    "spread",
    "statefulSet",
    "variants",
    "yields",
];
/// Those of the data volume.
pub(super) const OF_DATA: [&str; 4] = ["claim", "mountPath", "size", "subPath"];

/// The field that an entry begins with, and what follows.
fn parts(entry: &str) -> (&str, Option<&str>) {
    entry.split_once('.').map_or((entry, None), |(field, rest)| (field, Some(rest)))
}

/// What is wrong with what a profile takes away, whatever its parents have.
pub(super) fn faults(spec: &ProfileSpec) -> Vec<String> {
    let mut faults = Vec::new();
    for (position, entry) in spec.without.iter().enumerate() {
        let wrong = match parts(entry) {
            (field, _) if !FIELDS.contains(&field) => {
                Some(("begins with no field that parents hand down", FIELDS.join(", ")))
            }
            ("size", Some(_)) => Some(("goes on behind a single value", "size".to_owned())),
            ("data", Some(rest)) if !OF_DATA.contains(&rest) => {
                Some(("names no field of data", OF_DATA.map(|field| format!("data.{field}")).join(", ")))
            }
            (_, Some("")) => Some(("ends with a dot", "the name behind it, or none of the two".to_owned())),
            _ => None,
        };
        if let Some((why, write)) = wrong {
            faults.push(format!("spec.without[{position}]: {entry:?} {why}; write one of {write}"));
        }
    }
    faults
}

impl Profile {
    /// Takes away of the layers so far what `spec` names; gives the entries that take nothing.
    pub(super) fn take_away(
        &mut self,
        spec: &ProfileSpec,
        offers: &mut Vec<Offer>,
        (companions, refuse): (&mut Value, &mut Value),
    ) -> Vec<String> {
        let mut idle = Vec::new();
        for (position, entry) in spec.without.iter().enumerate() {
            let (field, rest) = parts(entry);
            let taken = match field {
                "companions" => take_value(companions, rest),
                "refuse" => take_value(refuse, rest),
                "data" => self.take_data(rest),
                "statefulSet" => self.take_offers(rest.unwrap_or_default(), offers),
                "variants" => self.take_axes(rest),
                "size" => self.size.take().is_some(),
                "sizes" => take_key(&mut self.sizes, rest),
                "peers" => take_key(&mut self.peers, rest),
                "yields" => take_key(&mut self.yields, rest),
                "spread" => take_item(&mut self.spread, rest),
                "scratch" => match (&mut self.scratch, rest) {
                    (scratch, None) => scratch.take().is_some(),
                    (Some(scratch), rest) => take_item(scratch, rest),
                    (None, _) => false,
                },
                _ => true,
            };
            if !taken {
                idle.push(format!(
                    "spec.without[{position}]: {entry} takes nothing away: no parent has it, or it is written otherwise"
                ));
            }
        }
        idle
    }

    /// Where there are variants already, once they are chosen.
    fn take_data(&mut self, field: Option<&str>) -> bool {
        let cases = self.axes.iter().flat_map(|axis| &axis.cases).map(|case| &case.data);
        let layers = self.varied.iter().map(|layer| &layer.data);
        let any = cases.chain(layers).chain([&self.data]).any(|data| has(data, field));
        if self.varied.is_empty() {
            without(&mut self.data, field);
        }
        any
    }

    fn take_offers(&mut self, path: &str, offers: &mut Vec<Offer>) -> bool {
        let said = |value: &Value| leaves(&Path::default(), value).iter().any(|(leaf, _)| is_at(leaf, path));
        let any = offers.iter().any(|offer| is_at(&offer.path, path))
            || self.varied.iter().any(|layer| said(&layer.stateful_set))
            || self.axes.iter().flat_map(|axis| &axis.cases).any(|case| said(&case.stateful_set));
        if self.varied.is_empty() {
            offers.retain(|offer| !is_at(&offer.path, path));
        }
        any
    }

    fn take_axes(&mut self, name: Option<&str>) -> bool {
        let stays = |axis: &super::Axis| name.is_some_and(|name| axis.name != name);
        let (before, mut start) = (self.axes.len(), 0);
        for layer in &mut self.varied {
            let count = self.axes[layer.axes.clone()].iter().filter(|axis| stays(axis)).count();
            layer.axes = start..start + count;
            start += count;
        }
        self.axes.retain(stays);
        self.axes.len() < before
    }
}

/// Takes away of a variant what a layer behind it names.
pub(super) fn apply(entries: &[String], offers: &mut Vec<Offer>, data: &mut DataVolume) {
    for entry in entries {
        match parts(entry) {
            ("data", field) => without(data, field),
            ("statefulSet", path) => offers.retain(|offer| !is_at(&offer.path, path.unwrap_or_default())),
            _ => {}
        }
    }
}

fn field_of<'d>(data: &'d mut DataVolume, field: &str) -> Option<&'d mut Option<String>> {
    Some(match field {
        "claim" => &mut data.claim,
        "mountPath" => &mut data.mount_path,
        "size" => &mut data.size,
        "subPath" => &mut data.sub_path,
        _ => return None,
    })
}

fn has(data: &DataVolume, field: Option<&str>) -> bool {
    let mut data = data.clone();
    match field {
        None => data != DataVolume::default(),
        Some(field) => field_of(&mut data, field).is_some_and(|value| value.is_some()),
    }
}

fn without(data: &mut DataVolume, field: Option<&str>) {
    match field {
        None => *data = DataVolume::default(),
        Some(field) => field_of(data, field).into_iter().for_each(|value| *value = None),
    }
}

fn take_key<V>(map: &mut std::collections::BTreeMap<String, V>, key: Option<&str>) -> bool {
    match key {
        Some(key) => map.remove(key).is_some(),
        None => !std::mem::take(map).is_empty(),
    }
}

fn take_item(list: &mut Vec<String>, item: Option<&str>) -> bool {
    let before = list.len();
    list.retain(|other| item.is_some_and(|item| other != item));
    list.len() < before
}

/// Takes a field away, by the names of the maps around it.
fn take_value(value: &mut Value, path: Option<&str>) -> bool {
    let Some(path) = path else { return !value.take().is_null() };
    let Some(map) = value.as_object_mut() else { return false };
    if map.remove(path).is_some() {
        return true;
    }
    let Some((first, rest)) = path.split_once('.') else { return false };
    map.get_mut(first).is_some_and(|below| take_value(below, Some(rest)))
}

/// Whether a leaf is at or below a path as people write it: items of lists by all their keys, as
/// `explain` shows them, or by the value of the first.
fn is_at(leaf: &Path, path: &str) -> bool {
    let below = |text: &str| {
        path.is_empty()
            || text.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    below(&leaf.to_string()) || below(&short(leaf))
}

/// A path with the items of lists by the value of their first key: `containers[$(main)].env[PGDATA]`.
pub(super) fn short(path: &Path) -> String {
    let mut text = String::new();
    for step in path.0.iter() {
        // Writing to a String cannot fail.
        match step {
            Step::Field(name) => {
                let first = text.is_empty();
                _ = write_field(&mut text, name, first);
            }
            Step::Item(key) => match key.0.first() {
                Some((_, Scalar::Number(number))) => _ = write!(text, "[{number}]"),
                Some((_, Scalar::Text(value))) => _ = write!(text, "[{value}]"),
                None => {}
            },
        }
    }
    text
}

#[cfg(test)]
mod tests;
