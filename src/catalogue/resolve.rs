//! From a profile and its ancestors to what it comes to.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::offers::{self, Offer};
use super::profile::{DataVolume, ProfileSpec};
use super::refuse::{self, Refusals};
use super::{Asked, LoadError, Profile, Varied, check, trial};
use crate::expand::{Source, placeholders};
use crate::intent::nearest;

impl Profile {
    /// The profile that these layers make, the weakest first.
    ///
    /// # Errors
    /// Parts of it have faults.
    pub(super) fn whole(name: &str, chain: &[(&str, &ProfileSpec)]) -> Result<Self, LoadError> {
        let (profile, faults) = Self::of_chain(name, chain);
        if faults.is_empty() { Ok(profile) } else { Err(LoadError::Faults { name: name.to_owned(), faults }) }
    }

    /// The same as far as it can be read, and what is wrong with the rest.
    pub(super) fn of_chain(name: &str, chain: &[(&str, &ProfileSpec)]) -> (Self, Vec<String>) {
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
        let (asked, mut faults) = Asked::parse(&companions);
        profile.companions = asked;
        let (refusals, wrong) = refuse::parse(&refuse);
        profile.refusals = refusals;
        faults.extend(wrong);
        faults.extend(profile.unknown_peers());
        profile.keeps_count = placeholders::keeps_count(&profile);
        (profile, faults)
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

    /// The lists of peers that are named and not there. What a later layer takes away names none.
    fn unknown_peers(&self) -> Vec<String> {
        let unknown =
            |value: &Value| placeholders::unknown_peers(value, |name| self.peers.contains_key(name));
        let mut faults = Vec::new();
        if !self.values().any(|value| !unknown(value).is_empty()) {
            return faults;
        }
        for cases in trial::combinations(&self.axes) {
            let cases: Vec<&str> = cases.iter().map(String::as_str).collect();
            for offer in &self.variant(&cases).offers {
                for name in unknown(&offer.value) {
                    let near = nearest(&name, self.peers.keys().map(String::as_str));
                    let near = near.map(|near| format!("$(peers.{near}), or ")).unwrap_or_default();
                    let fault = format!(
                        "{}: $(peers.{name}) is used, and peers has no {name}; write {near}{name}: {{each: …, separator: \
                         …}} under peers",
                        self.place_of(offer)
                    );
                    if !faults.contains(&fault) {
                        faults.push(fault);
                    }
                }
            }
        }
        faults
    }
}

/// A profile of a cluster, as far as it can be made of what there is.
pub(super) struct Resolved<'s> {
    /// It and its ancestors; `None` where these lead nowhere.
    pub(super) profile: Option<(Profile, Vec<(&'s str, &'s ProfileSpec)>)>,
    /// What is wrong with it besides what a trial finds.
    pub(super) faults: Vec<String>,
}

impl<'s> Resolved<'s> {
    pub(super) fn of(
        name: &'s str,
        sources: &'s BTreeMap<String, Arc<ProfileSpec>>,
        replaced: &'s BTreeMap<String, Arc<ProfileSpec>>,
    ) -> Self {
        let chain = match chain(name, sources, replaced) {
            Ok(chain) => chain,
            Err(error) => return Self { profile: None, faults: vec![placed(name, &error)] },
        };
        let (mut profile, mut faults) = Profile::of_chain(name, &chain);
        faults.extend(check::unsized_of(&mut profile));
        if let ([_, ..], [parents @ .., _]) = (faults.as_slice(), chain.as_slice())
            && let Some((parent, _)) = parents.last()
        {
            let (mut theirs, mut known) = Profile::of_chain(parent, parents);
            known.extend(check::unsized_of(&mut theirs));
            for fault in faults.iter_mut().filter(|fault| known.contains(fault)) {
                *fault = format!("spec.extends: profile {parent}: {fault}");
            }
        }
        Self { profile: Some((profile, chain)), faults }
    }
}

/// What is wrong with the parents of a profile, told at its own field.
fn placed(own: &str, error: &LoadError) -> String {
    match error {
        LoadError::Extends { name, parent, what } if name == own => {
            format!("spec.extends: extends {parent}, which {what}; name one that is there")
        }
        // It comes by way of a parent.
        error => format!("spec.extends: {error}; mend that one first"),
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
