//! The profiles of a cluster, followed: what admission and the controller expand by.
//!
//! Profiles are `StatefulSetProfile` objects; their revisions are kept as `ControllerRevision`s in
//! stateward's own namespace, which the API server never lets anybody change. A revision is used once
//! it is kept, so that none that a set is pinned to can be lost: not by an edit of the profile, a crash
//! or another version of stateward.

mod follow;
mod object;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

pub(crate) use self::follow::{announce, follow, profiles, rest, revisions};
pub(crate) use self::object::revision_object;
use crate::catalogue::Catalogue;
use crate::catalogue::cluster::{Given, Joined, Kept};

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
    revisions: BTreeMap<String, Kept>,
}

/// The catalogue of a cluster, as of now.
#[derive(Debug, Default)]
pub struct Profiles {
    base: Catalogue,
    known: Mutex<Known>,
    joined: ArcSwap<Joined>,
    catalogue: ArcSwap<Catalogue>,
    changes: watch::Sender<u64>,
    revisions: watch::Sender<u64>,
}

impl Profiles {
    /// The profiles in `base`, until something is heard of a cluster.
    #[must_use]
    pub fn new(base: Catalogue) -> Self {
        let joined = Joined { catalogue: base.clone(), ..Joined::default() };
        Self {
            known: Mutex::default(),
            joined: ArcSwap::from_pointee(joined),
            catalogue: ArcSwap::from_pointee(base.clone()),
            changes: watch::Sender::new(0),
            revisions: watch::Sender::new(0),
            base,
        }
    }

    /// The profiles to expand by.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
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
        self.known().revisions.values().map(|kept| kept.number).max().unwrap_or(0)
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
        let kept: Vec<Kept> = known.revisions.values().cloned().collect();
        self.base.join(&profiles, &kept)
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
        let kept: Vec<Kept> = known.revisions.values().cloned().collect();
        let joined = self.base.join(&given, &kept);
        drop(known);
        let before = self.catalogue.swap(Arc::new(joined.catalogue.clone()));
        let others = !joined.catalogue.knows_the_same(&before);
        self.joined.store(Arc::new(joined));
        self.changes.send_modify(|count| *count += 1);
        if others {
            self.revisions.send_modify(|count| *count += 1);
        }
    }
}
