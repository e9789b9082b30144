//! The profiles of a cluster, followed: what admission and the controller expand by.
//!
//! Profiles are `StatefulSetProfile` objects; their revisions are kept as `ControllerRevision`s in
//! stateward's own namespace, which the API server never lets anybody change. A revision is used once
//! it is kept, so that none that a set is pinned to can be lost: not by an edit of the profile, a crash
//! or another version of stateward. Built-in revisions are in the binary, and in that of every later
//! version; those that sets have are kept too, for earlier ones.

mod follow;
mod object;
pub(crate) mod shelf;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

pub(crate) use self::follow::{announce, follow, profiles, rest, revisions};
#[cfg(test)]
pub(crate) use self::object::shelved;
pub(crate) use self::object::{as_go_writes, kept, profile, revision_object};
use self::shelf::Shelved;
use crate::catalogue::Catalogue;
use crate::catalogue::cluster::{Given, Joined, Kept, Unkept};

/// A profile object, as far as it matters here.
#[derive(Debug, Clone)]
pub(crate) struct Profiled {
    /// What it says.
    pub(crate) given: Given,
    /// Its generation.
    pub(crate) generation: Option<i64>,
    /// Its status as it stands.
    pub(crate) status: serde_json::Value,
}

/// What is known of a cluster's profiles.
#[derive(Debug, Default)]
struct Known {
    profiles: BTreeMap<String, Profiled>,
    /// By the objects' names.
    revisions: BTreeMap<String, Arc<Shelved>>,
    /// The names of objects that cannot be read.
    unread: BTreeSet<String>,
}

impl Known {
    /// The kept revisions, but for those that are withdrawn.
    fn kept(&self) -> Vec<Kept> {
        let found = self.revisions.values().filter(|shelved| !shelved.state.withdrawn.is_so());
        found.map(|shelved| shelved.kept.clone()).collect()
    }
}

/// The catalogue of a cluster, as of now.
#[derive(Debug, Default)]
pub struct Profiles {
    base: Catalogue,
    known: Mutex<Known>,
    joined: ArcSwap<Joined>,
    changes: watch::Sender<u64>,
    revisions: watch::Sender<u64>,
}

impl Profiles {
    /// The profiles in `base`, until something is heard of a cluster.
    #[must_use]
    pub fn new(base: Catalogue) -> Self {
        let joined = Joined { catalogue: Arc::new(base.clone()), ..Joined::default() };
        Self {
            known: Mutex::default(),
            joined: ArcSwap::from_pointee(joined),
            changes: watch::Sender::new(0),
            revisions: watch::Sender::new(0),
            base,
        }
    }

    /// The profiles to expand by.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.joined.load().catalogue)
    }

    /// The same with what is to be told and done about them.
    pub(crate) fn joined(&self) -> Arc<Joined> {
        self.joined.load_full()
    }

    /// The profile objects.
    pub(crate) fn objects(&self) -> BTreeMap<String, Profiled> {
        self.known().profiles.clone()
    }

    /// The highest number of the kept revisions.
    pub(crate) fn last_number(&self) -> i64 {
        self.known().revisions.values().map(|shelved| shelved.kept.number).max().unwrap_or(0)
    }

    /// Counts up with each change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Counts up when other revisions are known than before.
    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.revisions.subscribe()
    }

    /// What would come of these objects in place of, or beside, those that there are.
    pub(crate) fn with(&self, given: Given) -> Joined {
        let known = self.known();
        let others = known.profiles.values().map(|profile| &profile.given);
        let mut profiles: Vec<Given> = others.filter(|other| other.name != given.name).cloned().collect();
        profiles.push(given);
        self.base.join(&profiles, &known.kept())
    }

    /// Whether there is a profile of this name without those of the cluster.
    pub(crate) fn is_behind(&self, name: &str) -> bool {
        self.base.latest(name).is_some()
    }

    /// Takes in one profile object.
    #[cfg(test)]
    pub(crate) fn hear(&self, object: &kube::core::DynamicObject) {
        self.update(|known| {
            known.profiles.extend(profile(object).map(|profile| (profile.given.name.clone(), profile)));
            true
        });
    }

    /// The kept revisions with their states, by the objects' names.
    pub(crate) fn shelf(&self) -> BTreeMap<String, Arc<Shelved>> {
        self.known().revisions.clone()
    }

    /// What is to be kept of a revision that a set is pinned to: `None` where it is kept already, or is
    /// not one of this process's own.
    pub(crate) fn own(&self, profile: &str, revision: &str) -> Option<Unkept> {
        let name = object::kept_name(profile, revision);
        let known = self.known();
        if known.revisions.contains_key(&name) || known.unread.contains(&name) {
            return None;
        }
        drop(known);
        let content = self.base.content(profile, revision)?;
        Some(Unkept { profile: profile.to_owned(), revision: revision.to_owned(), content })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // Nothing that holds the lock can leave it half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was heard, and makes the catalogue anew if `change` says that it changed something.
    fn update(&self, change: impl FnOnce(&mut Known) -> bool) {
        let mut known = self.known();
        if !change(&mut known) {
            return;
        }
        let given: Vec<Given> = known.profiles.values().map(|profile| profile.given.clone()).collect();
        let joined = Arc::new(self.base.join(&given, &known.kept()));
        // Before the lock goes: what two tasks hear at once is to take effect in the order in which it was taken in.
        let before = self.joined.swap(Arc::clone(&joined));
        drop(known);
        let others = !joined.catalogue.knows_the_same(&before.catalogue);
        self.changes.send_modify(|count| *count += 1);
        if others {
            self.revisions.send_modify(|count| *count += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::DynamicObject;
    use serde_json::json;

    use super::*;

    const QUEUE: &str = "{summary: a queue, extends: default, sizes: {small: {limits: {memory: 1Gi}}}}";

    fn know(profiles: &Profiles, object: &serde_json::Value) {
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        profiles.update(|known| {
            known.put_revision(&object);
            true
        });
    }

    #[test]
    fn what_is_withdrawn_is_not_found_until_it_is_back() {
        let profiles = Profiles::new(Catalogue::built_in().unwrap());
        let given =
            Given { name: "queue".to_owned(), spec: Ok(Arc::new(serde_saphyr::from_str(QUEUE).unwrap())) };
        let unkept = profiles.with(given).unkept.remove(0);
        let revision = unkept.revision.clone();
        let mut object = revision_object(&unkept, 1);
        know(&profiles, &object);
        assert!(profiles.catalogue().revision("queue", &revision).is_some());
        let back = object["metadata"]["labels"].clone();
        object["metadata"]["labels"] =
            json!({"stateward.dev/withdrawn-profile": "queue", "stateward.dev/revision": revision});
        know(&profiles, &object);
        assert!(profiles.catalogue().revision("queue", &revision).is_none());
        assert_eq!((profiles.shelf().len(), profiles.last_number()), (1, 1));
        object["metadata"]["labels"] = back;
        know(&profiles, &object);
        assert!(profiles.catalogue().revision("queue", &revision).is_some());
    }

    #[test]
    fn of_its_own_it_gives_what_is_not_kept_yet() {
        let file = "{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {name: queue},
            spec: {summary: a queue, extends: default}}";
        let profiles = Profiles::new(Catalogue::built_in().unwrap().with([("x", file)]).unwrap());
        let revision = profiles.catalogue().latest("queue").unwrap().revision.clone();
        let own = profiles.own("queue", &revision).unwrap();
        assert!(profiles.own("queue", "0badc0de").is_none());
        let mut object = revision_object(&own, Kept::BESIDE);
        know(&profiles, &object);
        assert!(profiles.own("queue", &revision).is_none());
        // Nor what a later version has written there: the name is taken.
        let profiles = Profiles::new(Catalogue::built_in().unwrap().with([("x", file)]).unwrap());
        object["data"] = json!({"strata": []});
        know(&profiles, &object);
        assert!(profiles.own("queue", &revision).is_none());
    }
}
