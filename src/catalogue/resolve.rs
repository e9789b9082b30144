//! From a profile and its ancestors to what it comes to.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::offers::{self, Offer};
use super::profile::{DataVolume, ProfileSpec};
use super::refuse::{self, Refusals};
use super::{Asked, LoadError, Profile, Varied, trial};
use crate::expand::{Source, placeholders};

impl Profile {
    /// The profile that these layers make, the weakest first.
    pub(super) fn of_chain(name: &str, chain: &[(&str, &ProfileSpec)]) -> Result<Self, LoadError> {
        let mut profile = Self {
            name: name.to_owned(),
            revision: revision(chain),
            summary: String::new(),
            images: Vec::new(),
            size: None,
            sizes: BTreeMap::new(),
            spread: Vec::new(),
            by: BTreeMap::new(),
            scratch: None,
            refusals: Refusals::new(),
            peers: BTreeMap::new(),
            yields: BTreeMap::new(),
            keeps_count: false,
            companions: Asked::default(),
            axes: Vec::new(),
            idle: Vec::new(),
            offers: Arc::default(),
            data: DataVolume::default(),
            data_by: BTreeMap::new(),
            varied: Vec::new(),
        };
        let (mut companions, mut refuse, mut offers) = (Value::Null, Value::Null, Vec::new());
        for (index, (name, spec)) in chain.iter().enumerate() {
            profile.idle = profile.take_away(spec, &mut offers, (&mut companions, &mut refuse));
            for (all, own) in [(&mut companions, &spec.companions), (&mut refuse, &spec.refuse)] {
                if !own.is_null() {
                    json_patch::merge(all, own);
                }
            }
            profile.layer(name, spec, &mut offers);
            profile.summary.clone_from(&spec.summary);
            // One that builds on the one whose place it takes is for the same images.
            let again = index > 0 && chain[index - 1].0 == *name;
            if !again || !spec.matching.images.is_empty() {
                profile.images.clone_from(&spec.matching.images);
            }
            profile.size = spec.size.clone().or(profile.size);
            profile.sizes.extend(spec.sizes.clone());
            profile.by.extend(spec.sizes.keys().map(|size| (format!("sizes.{size}"), (*name).into())));
            if let Some(spread) = &spec.spread {
                profile.spread.clone_from(spread);
                profile.by.insert("spread".to_owned(), (*name).into());
            }
            if let Some(scratch) = &spec.scratch {
                profile.scratch = Some(scratch.clone());
                profile.by.insert("scratch".to_owned(), (*name).into());
            }
            profile.peers.extend(spec.peers.clone());
            profile.yields.extend(spec.yields.clone());
        }
        offers::complete(&mut offers);
        profile.offers = Arc::new(offers);
        let fault = |part| move |what| LoadError::Part { name: name.to_owned(), part, what };
        profile.companions = Asked::parse(&companions).map_err(fault("companions"))?;
        profile.refusals = refuse::parse(&refuse).map_err(fault("refuse"))?;
        profile.check_peers().map_err(fault("statefulSet"))?;
        profile.keeps_count = placeholders::keeps_count(&profile);
        Ok(profile)
    }

    /// Takes a further layer: into the offers as long as there are no variants, which come between.
    fn layer(&mut self, name: &str, spec: &ProfileSpec, offers: &mut Vec<Offer>) {
        let first = self.axes.len();
        self.axes.extend(spec.variants.iter().cloned());
        let axes = first..self.axes.len();
        let name: Arc<str> = name.into();
        if !self.varied.is_empty() {
            let (stateful_set, data) = (spec.stateful_set.clone(), spec.data.clone());
            self.varied.push(Varied { name, stateful_set, data, axes, without: spec.without.clone() });
            return;
        }
        let source = Source::Profile { name: Arc::clone(&name) };
        offers::merge(offers, &spec.stateful_set, &source, false);
        self.data = self.data.merged(&spec.data);
        self.data_by.extend(spec.data.given().map(|field| (field, source.clone())));
        if !axes.is_empty() {
            let (stateful_set, data) = (Value::Null, DataVolume::default());
            self.varied.push(Varied { name, stateful_set, data, axes, without: Vec::new() });
        }
    }

    fn check_peers(&self) -> Result<(), String> {
        let known = |name: &str| self.peers.contains_key(name);
        let unknown = |value: &Value| placeholders::unknown_peers(value, known).pop();
        let mut found = self.values().find_map(unknown);
        // It may be in what a later layer takes away.
        if found.is_some() && self.varied.iter().any(|layer| !layer.without.is_empty()) {
            let variants = trial::combinations(&self.axes);
            found = variants.iter().find_map(|cases| {
                let cases: Vec<&str> = cases.iter().map(String::as_str).collect();
                self.variant(&cases).offers.iter().find_map(|offer| unknown(&offer.value))
            });
        }
        match found {
            Some(name) => Err(format!("$(peers.{name}) is used, and peers has no {name}")),
            None => Ok(()),
        }
    }
}

/// What is said of a parent that is not there.
pub const NO_PARENT: &str = "does not exist";

/// The profile and its ancestors, the weakest first. One that extends its own name builds on the one
/// whose place it takes.
pub(super) fn chain<'a>(
    name: &'a str,
    sources: &'a BTreeMap<String, Arc<ProfileSpec>>,
    replaced: &'a BTreeMap<String, Arc<ProfileSpec>>,
) -> Result<Vec<(&'a str, &'a ProfileSpec)>, LoadError> {
    let mut chain: Vec<(&str, &ProfileSpec)> = Vec::new();
    let mut next = Some(name);
    while let Some(current) = next {
        let child = chain.last().map_or(name, |(child, _)| child);
        let fail = |what| LoadError::Extends { name: child.to_owned(), parent: current.to_owned(), what };
        let mut layers = chain.iter().rev();
        let of_its_name = layers.next().is_some_and(|(child, _)| *child == current);
        if layers.any(|(seen, _)| *seen == current) {
            return Err(fail("leads back to itself"));
        }
        let known = if of_its_name { replaced } else { sources };
        let (key, spec) = known.get_key_value(current).ok_or_else(|| fail(NO_PARENT))?;
        chain.push((key, spec));
        next = spec.extends.as_deref();
    }
    chain.reverse();
    Ok(chain)
}

/// A short hash of the resolved content: the first eight hex digits of SHA-256 over canonical JSON.
/// What does not change a set (the summary, the images that match, what is refused) does not count.
fn revision(chain: &[(&str, &ProfileSpec)]) -> String {
    let content: Vec<Value> = chain
        .iter()
        .map(|(name, spec)| {
            let mut content = json!({
                "name": name, "statefulSet": spec.stateful_set, "data": spec.data, "size": spec.size,
                "sizes": spec.sizes, "spread": spec.spread, "variants": spec.variants,
            });
            // Only where there is one: revisions that are older than these fields keep their names.
            if !spec.companions.is_null() {
                content["companions"] = spec.companions.clone();
            }
            if !spec.without.is_empty() {
                content["without"] = json!(spec.without);
            }
            if let Some(scratch) = &spec.scratch {
                content["scratch"] = json!(scratch);
            }
            if !spec.peers.is_empty() {
                content["peers"] = json!(spec.peers);
            }
            if !spec.yields.is_empty() {
                content["yields"] = json!(spec.yields);
            }
            content
        })
        .collect();
    let digest = Sha256::digest(crate::hash::canonical(&Value::Array(content)).as_bytes());
    digest.iter().take(4).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
