//! Whom a change wakes: the queue of sets to look at.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc::UnboundedSender;
use kube::core::DynamicObject;
use kube::runtime::reflector::{ObjectRef, Store as Reader};
use kube::runtime::watcher::Event;
use serde_json::Value;

use super::stores::{SetRef, sets};
use crate::companions::Kind;
use crate::companions::hosts::CLAIMING;
use crate::names;
use crate::settings::text;
use crate::telemetry::Metrics;

/// Wakes sets.
pub(super) struct Wake {
    sets: Reader<DynamicObject>,
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

    /// One is looked at now.
    pub(super) fn done(&self, set: &SetRef) {
        self.change(|sets| _ = sets.remove(set));
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<SetRef>)) {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut sets);
        self.metrics.controller.queue_depth.set(i64::try_from(sets.len()).unwrap_or(i64::MAX));
    }
}

impl Wake {
    /// Wakes by `queue` sets that `sets` knows.
    pub(super) fn new(
        sets: Reader<DynamicObject>,
        queue: UnboundedSender<SetRef>,
        waiting: Arc<Waiting>,
    ) -> Self {
        Self { sets, by_namespace: Mutex::default(), queue, waiting }
    }

    /// The sets that are known.
    pub(super) fn sets(&self) -> &Reader<DynamicObject> {
        &self.sets
    }

    /// Notes which sets there are in each namespace. Gives those that a new list leaves out: they are
    /// gone.
    pub(super) fn keep_index(&self, event: &Event<DynamicObject>) -> Vec<SetRef> {
        let mut index = self.index();
        let mut gone = Vec::new();
        match event {
            Event::Apply(object) => note(&mut index, object),
            Event::Delete(object) => {
                if let Some(names) = index.get_mut(namespace_of(object)) {
                    names.remove(object.metadata.name.as_deref().unwrap_or_default());
                    if names.is_empty() {
                        index.remove(namespace_of(object));
                    }
                }
            }
            Event::InitDone => {
                let before = std::mem::take(&mut *index);
                self.sets.state().iter().for_each(|object| note(&mut index, object));
                for (namespace, names) in before {
                    let now = index.get(&namespace);
                    let lost = names.iter().filter(|name| now.is_none_or(|now| !now.contains(*name)));
                    gone.extend(lost.map(|name| ObjectRef::new_with(name, sets()).within(&namespace)));
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
                self.set(ObjectRef::new_with(set, sets()).within(namespace));
            }
            _ if matches!(kind, Kind::Service | Kind::PodDisruptionBudget) => self.namespace(namespace),
            _ => self.set(ObjectRef::new_with(name, sets()).within(namespace)),
        }
        if CLAIMING.contains(&kind) {
            self.hosts();
        }
    }

    /// Wakes the sets that want a host, in whatever namespace: one may have become free, or taken.
    fn hosts(&self) {
        let wants = |set: &DynamicObject| {
            set.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(names::INGRESS_HOST))
        };
        for set in self.sets.state_filter(wants) {
            self.set(ObjectRef::from_obj_with(&*set, sets()));
        }
    }

    /// Wakes the sets of a namespace.
    pub(super) fn namespace(&self, namespace: &str) {
        let names = self.index().get(namespace).cloned().unwrap_or_default();
        for name in names {
            self.set(ObjectRef::new_with(&name, sets()).within(namespace));
        }
    }

    /// Wakes all sets.
    pub(super) fn all(&self) {
        for set in self.sets.state() {
            self.set(ObjectRef::from_obj_with(&*set, sets()));
        }
    }

    /// Wakes a set.
    pub(super) fn set(&self, set: SetRef) {
        self.waiting.change(|sets| _ = sets.insert(set.clone()));
        // Nobody listens any more when the work has stopped.
        let _ = self.queue.unbounded_send(set);
    }

    fn index(&self) -> MutexGuard<'_, HashMap<String, BTreeSet<String>>> {
        self.by_namespace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(index: &mut HashMap<String, BTreeSet<String>>, object: &DynamicObject) {
    let name = object.metadata.name.clone().unwrap_or_default();
    index.entry(namespace_of(object).to_owned()).or_default().insert(name);
}

fn namespace_of(object: &DynamicObject) -> &str {
    object.metadata.namespace.as_deref().unwrap_or_default()
}
