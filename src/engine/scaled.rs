//! What `kubectl scale` and an autoscaler leave behind: their requests pass no webhook for StatefulSets,
//! so that a count may be wrong, or lists of members old.

use serde_json::Value;

use super::{Engine, intent_of, short};
use crate::hash;
use crate::ownership::{self, Named};
use crate::path::Path;
use crate::record::{Read, Record};
use crate::settings::{Settings, replicas, text};

impl Engine {
    /// What is wrong with the count of a live set's replicas, and what to do. Nothing is held against a
    /// set that was there before us.
    #[must_use]
    pub fn counted_wrong(&self, set: &Value) -> Vec<String> {
        let Read::Known(record) = Record::of(set) else { return Vec::new() };
        if record.adopted {
            return Vec::new();
        }
        let (intent, _) = intent_of(set);
        let judge = self.judge(&record.pin.profile, &record.pin.main, &intent);
        let mut wrong = judge.map_or_else(Vec::new, |judge| judge.standing(set, record.pin.formed));
        if let Some(settings) = Settings::pinned(set, &intent, &record.pin, &self.catalogue) {
            wrong.extend(self.old_lists(set, &record, &settings).iter().map(|path| {
                format!(
                    "{} was written for another count than {} replicas, which came by kubectl scale or an autoscaler; \
                     kubectl scale statefulset/{} back, then write spec.replicas in the manifest",
                    short(path),
                    settings.replicas,
                    text(&set["metadata"]["name"]),
                )
            }));
        }
        wrong
    }

    /// The fields of ours that follow the count of replicas, and did not.
    fn old_lists(&self, set: &Value, record: &Record, settings: &Settings) -> Vec<Path> {
        let parts = ownership::before(set, record, &Named::of(set));
        let now = (self.expand)(&parts.user, settings);
        let mut more = parts.user.clone();
        more["spec"]["replicas"] = Value::from(replicas(set) + 1);
        let more = (self.expand)(&more, &Settings { replicas: settings.replicas + 1, ..settings.clone() });
        let follows = |path: &Path, value: &Value| {
            more.injections.iter().any(|other| other.path == *path && other.value != *value)
        };
        let mine = |path: &Path| {
            let mut leaves = record.leaves.iter().zip(&parts.ours);
            leaves.any(|(leaf, ours)| *ours && leaf.path == *path)
        };
        let old = now.injections.into_iter().filter(|injection| {
            let stored = injection.path.lookup(set);
            follows(&injection.path, &injection.value)
                && mine(&injection.path)
                && stored.is_some_and(|stored| !hash::same(stored, &injection.value))
        });
        old.map(|injection| injection.path).collect()
    }
}
