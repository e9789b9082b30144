//! Whom a change wakes: the queue of sets to look at.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc::UnboundedSender;
use kube::runtime::reflector::{ObjectRef, Store as Reader};
use kube::runtime::watcher::Event;
use serde_json::Value;

use super::set::{Set, SetRef, set_ref};
use crate::companions::Kind;
use crate::companions::hosts::CLAIMING;
use crate::names;
use crate::settings::text;
use crate::telemetry::Metrics;

/// Wakes sets.
pub(super) struct Wake {
    sets: Reader<Set>,
    /// The names of the sets, by namespace.
    by_namespace: Mutex<HashMap<String, BTreeSet<String>>>,
    queue: UnboundedSender<SetRef>,
    /// The sets that were woken and not looked at yet.
    waiting: Arc<Waiting>,
}

/// The sets that wait to be looked at, counted.
#[derive(Debug)]
pub(super) struct Waiting {
    sets: Mutex<HashSet<SetRef>>,
    metrics: Arc<Metrics>,
}

impl Waiting {
    /// None.
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { sets: Mutex::default(), metrics }
    }

    /// One is looked at now: what is known of it is to be read after this.
    pub(super) fn done(&self, set: &SetRef) {
        self.change(|sets| {
            let waited = sets.remove(set);
            if sets.is_empty() {
                // The room that all sets took at the start.
                sets.shrink_to_fit();
            }
            waited
        });
    }

    /// Notes a set; gives whether it was not waiting already.
    fn add(&self, set: &SetRef) -> bool {
        self.change(|sets| sets.insert(set.clone()))
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<SetRef>) -> bool) -> bool {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut sets);
        self.metrics.controller.queue_depth.set(i64::try_from(sets.len()).unwrap_or(i64::MAX));
        changed
    }
}

impl Wake {
    /// Wakes by `queue` sets that `sets` knows.
    pub(super) fn new(sets: Reader<Set>, queue: UnboundedSender<SetRef>, waiting: Arc<Waiting>) -> Self {
        Self { sets, by_namespace: Mutex::default(), queue, waiting }
    }

    /// The sets that are known.
    pub(super) fn sets(&self) -> &Reader<Set> {
        &self.sets
    }

    /// Notes which sets there are in each namespace. Gives those that a new list leaves out: they are
    /// gone.
    pub(super) fn keep_index(&self, event: &Event<Set>) -> Vec<SetRef> {
        let mut index = self.index();
        let mut gone = Vec::new();
        match event {
            Event::Apply(set) => note(&mut index, set),
            Event::Delete(set) => {
                if let Some(names) = index.get_mut(set.namespace()) {
                    names.remove(set.name());
                    if names.is_empty() {
                        index.remove(set.namespace());
                    }
                }
            }
            Event::InitDone => {
                let before = std::mem::take(&mut *index);
                self.sets.state().iter().for_each(|set| note(&mut index, set));
                for (namespace, names) in before {
                    let now = index.get(&namespace);
                    let lost = names.iter().filter(|name| now.is_none_or(|now| !now.contains(*name)));
                    gone.extend(lost.map(|name| set_ref(&namespace, name)));
                }
            }
            Event::Init | Event::InitApply(_) => {}
        }
        gone
    }

    /// An object beside the sets came, changed or went. One of ours concerns its set, and one that
    /// could select pods every set of its namespace; any other those that want its name or its host.
    pub(super) fn neighbour(&self, kind: Kind, object: &Value) {
        let metadata = &object["metadata"];
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        let labels = &metadata["labels"];
        match &labels[names::STATEFULSET] {
            Value::String(set) if labels[names::MANAGED_BY] == names::MANAGER => {
                self.set(set_ref(namespace, set));
            }
            _ if matches!(kind, Kind::Service | Kind::PodDisruptionBudget) => self.namespace(namespace),
            _ => self.set(set_ref(namespace, name)),
        }
        if CLAIMING.contains(&kind) {
            self.hosts();
        }
    }

    /// Wakes the sets that want a host, in whatever namespace: one may have become free, or taken.
    fn hosts(&self) {
        for set in self.sets.state_filter(Set::wants_host) {
            self.set(ObjectRef::from_obj(&*set));
        }
    }

    /// Wakes the sets of a namespace.
    pub(super) fn namespace(&self, namespace: &str) {
        let names = self.index().get(namespace).cloned().unwrap_or_default();
        for name in names {
            self.set(set_ref(namespace, &name));
        }
    }

    /// Wakes all sets.
    pub(super) fn all(&self) {
        for set in self.sets.state() {
            self.set(ObjectRef::from_obj(&*set));
        }
    }

    /// Wakes a set, if it does not wait already: a first list tells of each as often as it has
    /// companions.
    pub(super) fn set(&self, set: SetRef) {
        if self.waiting.add(&set) {
            // Nobody listens any more when the work has stopped.
            let _ = self.queue.unbounded_send(set);
        }
    }

    fn index(&self) -> MutexGuard<'_, HashMap<String, BTreeSet<String>>> {
        self.by_namespace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(index: &mut HashMap<String, BTreeSet<String>>, set: &Set) {
    index.entry(set.namespace().to_owned()).or_default().insert(set.name().to_owned());
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::unbounded;
    use kube::runtime::reflector::store::Writer;

    use super::*;

    #[test]
    fn a_set_that_waits_is_not_woken_again_until_it_is_looked_at() {
        let (queue, mut woken) = unbounded();
        let waiting = Arc::new(Waiting::new(Arc::new(Metrics::new())));
        let wake = Wake::new(Writer::new(()).as_reader(), queue, Arc::clone(&waiting));
        let [a, b] = ["a", "b"].map(|name| set_ref("shop", name));
        for set in [&a, &b, &a, &a] {
            wake.set(set.clone());
        }
        let mut next = || woken.try_recv().ok();
        assert_eq!([next(), next(), next()], [Some(a.clone()), Some(b), None]);
        waiting.done(&a);
        wake.set(a.clone());
        assert_eq!([next(), next()], [Some(a), None]);
    }
}
