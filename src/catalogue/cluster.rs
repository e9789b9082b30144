//! Profiles of a cluster joined to the built-in ones.
//!
//! A revision that no built-in profile has is used for new sets only once it is kept in the cluster
//! ([`Kept`]): from then on it outlives the profile that it came from, this process and its version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::profile::ProfileSpec;
use super::resolve::Resolved;
use super::{Catalogue, LoadError, Profile, check};

/// A profile object of the cluster.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Its defaults, or why they cannot be read.
    pub spec: Result<Arc<ProfileSpec>, String>,
}

/// A revision with all that it was resolved from, the weakest layer first: nothing outside of it is
/// needed to expand by it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Content {
    /// The layers.
    pub layers: Vec<Layer>,
}

/// One profile of a chain.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// What it says.
    pub spec: ProfileSpec,
}

/// A revision that is kept in the cluster.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The profile's name.
    pub profile: String,
    /// The revision's short hash.
    pub revision: String,
    /// Later ones of a profile have higher numbers; [`Kept::BESIDE`] is that of no profile of the cluster.
    pub number: i64,
    /// What it comes to, resolved once; `None` where a part of it has a fault in the eyes of this version.
    resolved: Option<Arc<Profile>>,
}

/// A revision that is to be kept before it is used.
#[derive(Debug, Clone)]
pub struct Unkept {
    /// The profile's name.
    pub profile: String,
    /// The revision's short hash.
    pub revision: String,
    /// What is to be kept.
    pub content: Content,
}

impl Kept {
    /// The number of what was kept since a set is pinned to it, and never stands in for what a profile of
    /// the cluster says: a built-in revision, for other versions of stateward.
    pub const BESIDE: i64 = 0;

    /// A revision that is kept under this number.
    #[must_use]
    pub fn new(profile: String, revision: String, number: i64, content: &Content) -> Self {
        let resolved = content.resolve_as(&revision);
        Self { profile, revision, number, resolved }
    }
}

impl Unkept {
    /// The same once it is kept under this number.
    #[must_use]
    pub fn kept(self, number: i64) -> Kept {
        let Self { profile, revision, content } = self;
        Kept::new(profile, revision, number, &content)
    }
}

/// What came of one profile of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is not used, or what of it is not. One that was kept before is used all the same where each
    /// of its sets would be refused: they are told, and get no other profile's defaults.
    pub faults: Vec<String>,
    /// The revision that new sets get; none where there is no profile of this name to use.
    pub revision: Option<String>,
    /// Whether that is what the profile says now.
    pub current: bool,
}

/// A catalogue with a cluster's profiles in it, and what is to be told and done about them.
#[derive(Debug, Clone, Default)]
pub struct Joined {
    /// The profiles that admission uses.
    pub catalogue: Arc<Catalogue>,
    /// By the names of the cluster's profiles.
    pub verdicts: BTreeMap<String, Verdict>,
    /// What may not be meant of them, or makes sets refused that lack something: for whoever applies one.
    pub remarks: BTreeMap<String, Vec<String>>,
    /// Revisions that wait for being kept.
    pub unkept: Vec<Unkept>,
}

impl Content {
    pub(super) fn of(chain: &[(&str, &ProfileSpec)]) -> Self {
        let layer =
            |&(name, spec): &(&str, &ProfileSpec)| Layer { name: name.to_owned(), spec: spec.clone() };
        Self { layers: chain.iter().map(layer).collect() }
    }

    /// The revision that this is the content of.
    ///
    /// # Errors
    /// A part of it has a fault.
    pub(super) fn resolve(&self) -> Result<Profile, LoadError> {
        let chain: Vec<_> = self.layers.iter().map(|layer| (layer.name.as_str(), &layer.spec)).collect();
        let name = chain.last().map_or("", |(name, _)| *name);
        Profile::whole(name, &chain)
    }

    /// The same by the name that it is kept under, which is what sets are pinned to, however this
    /// version would name it; `None` where a part of it has a fault in the eyes of this version.
    pub(super) fn resolve_as(&self, revision: &str) -> Option<Arc<Profile>> {
        let resolved = self.resolve().ok()?;
        Some(Arc::new(Profile { revision: revision.to_owned(), ..resolved }))
    }
}

/// The newest kept revision of each profile, with its number.
type Newest<'k> = BTreeMap<&'k str, (i64, Arc<Profile>)>;

impl Catalogue {
    /// This catalogue with the profiles and kept revisions of a cluster.
    ///
    /// A profile with a fault is passed over, and nobody else's sets suffer from it. Where it has a fault
    /// now, or a revision that is not kept yet, the newest one that is stands in for it: its images are to
    /// get no other profile's defaults, and no set without its data.
    #[must_use]
    pub fn join(&self, given: &[Given], kept: &[Kept]) -> Joined {
        let mut joined = Joined { catalogue: Arc::new(self.clone()), ..Joined::default() };
        let catalogue = Arc::make_mut(&mut joined.catalogue);
        let mut newest = Newest::new();
        for kept in kept {
            let key = (kept.profile.clone(), kept.revision.clone());
            if kept.number == Kept::BESIDE && catalogue.revisions.contains_key(&key) {
                continue;
            }
            let Some(profile) = &kept.resolved else { continue };
            catalogue.revisions.entry(key).or_insert_with(|| Arc::clone(profile));
            let newer = newest.get(kept.profile.as_str()).is_none_or(|(number, _)| *number < kept.number);
            if newer && kept.number != Kept::BESIDE {
                newest.insert(&kept.profile, (kept.number, Arc::clone(profile)));
            }
        }
        for one in given {
            let mut verdict = Verdict::default();
            match &one.spec {
                Ok(spec) => verdict.faults = check::faults(spec),
                Err(why) => verdict.faults.push(why.clone()),
            }
            if let (Ok(spec), []) = (&one.spec, verdict.faults.as_slice()) {
                catalogue.sources.insert(one.name.clone(), Arc::clone(spec));
            }
            joined.verdicts.insert(one.name.clone(), verdict);
        }
        let usable = joined.resolve_all(self, &newest);
        joined.tell_rest(self, given);
        joined.tell_ties(&usable);
        let Joined { catalogue, verdicts, .. } = &mut joined;
        let catalogue = Arc::make_mut(catalogue);
        let fault = |verdict: &Verdict| verdict.faults.first().cloned();
        let passed_over = verdicts.iter().filter(|(name, _)| catalogue.latest(name).is_none());
        catalogue.faulty =
            passed_over.filter_map(|(name, verdict)| Some((name.clone(), fault(verdict)?))).collect();
        joined
    }

    /// The fault for which a profile of the cluster is passed over, with nothing in its place.
    #[must_use]
    pub fn fault_of(&self, name: &str) -> Option<&str> {
        self.faulty.get(name).map(String::as_str)
    }
}

impl Verdict {
    fn add(&mut self, faults: &[String]) {
        for fault in faults {
            if !self.faults.contains(fault) {
                self.faults.push(fault.clone());
            }
        }
    }
}

impl Joined {
    /// Puts what is kept in the place of those with a fault, and gives their names.
    fn stand_in(&mut self, newest: &Newest<'_>) -> BTreeSet<String> {
        let latest = &mut Arc::make_mut(&mut self.catalogue).latest;
        let faulty = self.verdicts.iter_mut().filter(|(_, verdict)| !verdict.faults.is_empty());
        let kept = faulty.filter_map(|(name, verdict)| {
            let (_, profile) = newest.get(name.as_str())?;
            verdict.revision = Some(profile.revision.clone());
            latest.insert(name.clone(), Arc::clone(profile));
            Some(name.clone())
        });
        kept.collect()
    }

    /// Gives those of the cluster that are used as they are now.
    fn resolve_all(&mut self, base: &Catalogue, newest: &Newest<'_>) -> BTreeSet<String> {
        let kept = self.stand_in(newest);
        let catalogue = Arc::make_mut(&mut self.catalogue);
        let (mut usable, mut orphans) = (BTreeSet::new(), BTreeSet::new());
        for name in catalogue.sources.keys().filter(|name| !kept.contains(*name)) {
            let Resolved { profile, faults } = Resolved::of(name, &catalogue.sources, &base.sources);
            let is_whole = faults.is_empty();
            let verdict = self.verdicts.get_mut(name).filter(|verdict| verdict.faults.is_empty());
            let is_clusters = verdict.is_some();
            if let Some(verdict) = verdict {
                verdict.faults = faults;
                if let Some((profile, chain)) = &profile {
                    let tried = catalogue.trials.of(profile, chain);
                    verdict.add(&tried.faults);
                    self.remarks.insert(name.clone(), tried.remarks.clone());
                }
                if is_whole {
                    usable.insert(name.clone());
                } else {
                    orphans.extend(newest.contains_key(name.as_str()).then(|| name.clone()));
                }
            }
            let stand_in = || {
                let kept = newest.get(name.as_str()).map(|(_, profile)| Arc::clone(profile));
                kept.or_else(|| base.latest.get(name).cloned())
            };
            let (used, current) = match profile.filter(|_| is_whole) {
                None if is_clusters => (stand_in(), false),
                None => (base.latest.get(name).cloned(), false),
                Some((profile, chain)) => {
                    let faulty = self.verdicts.get(name).is_some_and(|verdict| !verdict.faults.is_empty());
                    let key = (name.clone(), profile.revision.clone());
                    if let Some(known) = catalogue.revisions.get(&key) {
                        // What it refuses and which images match is as of now, and no part of a revision.
                        let offers = Arc::clone(&known.offers);
                        (Some(Arc::new(Profile { offers, ..profile })), true)
                    } else if faulty {
                        // No set has it yet, and none could.
                        (stand_in(), false)
                    } else {
                        let (revision, content) = (profile.revision, Content::of(&chain));
                        self.unkept.push(Unkept { profile: name.clone(), revision, content });
                        (stand_in(), false)
                    }
                }
            };
            if let Some(verdict) = self.verdicts.get_mut(name) {
                verdict.revision = used.as_ref().map(|profile| profile.revision.clone());
                verdict.current = current && verdict.faults.is_empty();
            }
            match used {
                Some(profile) => {
                    catalogue
                        .revisions
                        .insert((name.clone(), profile.revision.clone()), Arc::clone(&profile));
                    catalogue.latest.insert(name.clone(), profile);
                }
                None => _ = catalogue.latest.remove(name),
            }
        }
        catalogue.clusters = [&usable, &kept, &orphans].into_iter().flatten().cloned().collect();
        usable
    }

    /// Of those that have a fault by themselves, what is wrong with them beside their parents.
    fn tell_rest(&mut self, base: &Catalogue, given: &[Given]) {
        for one in given {
            let (Ok(spec), Some(verdict)) = (&one.spec, self.verdicts.get_mut(&one.name)) else { continue };
            let is_used = |known: &Arc<ProfileSpec>| Arc::ptr_eq(known, spec);
            if self.catalogue.sources.get(&one.name).is_some_and(is_used) {
                continue;
            }
            let mut sources = self.catalogue.sources.clone();
            sources.insert(one.name.clone(), Arc::clone(spec));
            verdict.add(&Resolved::of(&one.name, &sources, &base.sources).faults);
        }
    }

    /// An image that several of the cluster's profiles match goes to the first by name, and all are told.
    fn tell_ties(&mut self, usable: &BTreeSet<String>) {
        let mut by_image: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        // What a profile says now: one that is new has no revision that is kept yet.
        let profiles = usable.iter().filter_map(|name| self.catalogue.sources.get_key_value(name));
        for (name, spec) in profiles {
            for image in &spec.matching.images {
                by_image.entry(image).or_default().insert(name);
            }
        }
        for (image, names) in by_image.into_iter().filter(|(_, names)| names.len() > 1) {
            let first = names.first().copied().unwrap_or_default();
            for name in &names {
                let others: Vec<&str> = names.iter().copied().filter(|other| other != name).collect();
                if let Some(verdict) = self.verdicts.get_mut(*name) {
                    verdict.faults.push(format!(
                        "spec.match.images: {image} is matched by {} too, and goes to {first}; take it out of all but one",
                        others.join(", ")
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
