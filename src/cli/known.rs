//! The profiles of a cluster as a command knows them: its own objects and kept revisions, joined to the
//! built-in ones as the webhook joins them.

use std::sync::Arc;

use kube::api::DynamicObject;

use super::Failure;
use super::cluster::{Cluster, Unlisted};
use crate::catalogue::Catalogue;
use crate::catalogue::cluster::{Given, Joined, Kept};
use crate::engine::Engine;
use crate::names;
use crate::profiles;

/// Higher than any revision that is kept: what is previewed is the newest.
const NEWEST: i64 = i64::MAX;

/// What is known.
#[derive(Debug)]
pub struct Known {
    base: Catalogue,
    given: Vec<Given>,
    kept: Vec<Kept>,
    /// The profiles that the webhook uses, and what came of those of the cluster.
    pub joined: Joined,
    /// A line for standard error where something could not be read; else empty.
    pub note: String,
}

impl Known {
    /// These profiles alone.
    #[must_use]
    pub fn offline(base: Catalogue) -> Self {
        Self::of(base, Vec::new(), Vec::new())
    }

    /// These profiles with those of a cluster. What may not be read is told, and goes without.
    pub fn read(base: Catalogue, cluster: &Cluster) -> Result<Self, Failure> {
        let own = Some(cluster.own_namespace.as_str());
        let mut missing = Vec::new();
        let mut seen = |objects: Result<Vec<DynamicObject>, Unlisted>| match objects {
            Err(Unlisted::Hidden(why)) => {
                missing.push(why.lines().next().unwrap_or_default().to_owned());
                Ok(Vec::new())
            }
            objects => objects,
        };
        let given = seen(cluster.objects(&profiles::profiles(), None, None))?;
        let kept = seen(cluster.objects(&profiles::revisions(), own, Some(names::PROFILE)))?;
        let note = if missing.is_empty() {
            String::new()
        } else {
            format!("note: profiles of the cluster may be missing here: {}\n", missing.join("; "))
        };
        let given = given.iter().filter_map(|object| profiles::profile(object).map(|read| read.given));
        let kept = kept.iter().filter_map(profiles::kept);
        Ok(Self { note, ..Self::of(base, given.collect(), kept.collect()) })
    }

    fn of(base: Catalogue, given: Vec<Given>, kept: Vec<Kept>) -> Self {
        let joined = base.join(&given, &kept);
        Self { base, given, kept, joined, note: String::new() }
    }

    /// An engine of these profiles.
    #[must_use]
    pub fn engine(&self) -> Engine {
        Engine::new(Arc::clone(&self.joined.catalogue))
    }

    /// What the webhook would use once these profiles were applied and their revisions kept.
    #[must_use]
    pub fn with(&self, new: &[Given]) -> Joined {
        let others = self.given.iter().filter(|old| new.iter().all(|new| new.name != old.name));
        let given: Vec<Given> = others.chain(new).cloned().collect();
        let unkept = self.base.join(&given, &self.kept).unkept.into_iter().map(|unkept| unkept.kept(NEWEST));
        let kept: Vec<Kept> = self.kept.iter().cloned().chain(unkept).collect();
        self.base.join(&given, &kept)
    }

    /// What is known once these profiles were applied and their revisions kept.
    #[must_use]
    pub fn applied(self, new: &[Given]) -> Self {
        let joined = self.with(new);
        let kept = self.base.join(new, &self.kept).unkept.into_iter();
        let kept = kept.zip(1..).map(|(unkept, number)| unkept.kept(number));
        Self { given: new.to_vec(), kept: kept.collect(), joined, ..self }
    }

    /// Where a profile comes from.
    #[must_use]
    pub fn origin(&self, name: &str) -> &'static str {
        let used = |name: &str| self.joined.verdicts.get(name).is_some_and(|verdict| verdict.current);
        let built_in = Catalogue::built_in().unwrap_or_default();
        let id = |catalogue: &Catalogue| catalogue.latest(name).map(|latest| latest.id());
        if used(name) || (self.joined.verdicts.contains_key(name) && self.base.latest(name).is_none()) {
            "cluster"
        } else if id(&self.base) == id(&built_in) {
            "built-in"
        } else {
            "file"
        }
    }

    /// Whether a revision is kept in the cluster.
    #[must_use]
    pub fn is_kept(&self, profile: &str, revision: &str) -> bool {
        self.kept.iter().any(|kept| kept.profile == profile && kept.revision == revision)
    }
}
