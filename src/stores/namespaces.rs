//! The labels of every namespace, and its annotations of ours.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use super::seen::Seen;
use super::watch::Memory;
use crate::names;

type Labels = BTreeMap<String, String>;

/// Namespaces by name.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    known: RwLock<HashMap<String, Namespace>>,
}

#[derive(Debug, Default)]
pub(super) struct Namespace {
    labels: Labels,
    annotations: Labels,
}

impl Namespaces {
    pub(super) fn labels(&self, namespace: &str) -> Labels {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(namespace).map(|namespace| namespace.labels.clone()).unwrap_or_default()
    }

    pub(super) fn annotations(&self, namespace: &str) -> Labels {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(namespace).map(|namespace| namespace.annotations.clone()).unwrap_or_default()
    }
}

impl Memory for Namespaces {
    type Kept = (String, Namespace);

    fn read(object: Seen) -> Option<Self::Kept> {
        let metadata = object.metadata;
        let mut annotations = metadata.annotations.unwrap_or_default();
        annotations.retain(|key, _| key.starts_with(names::PREFIX));
        Some((metadata.name?, Namespace { labels: metadata.labels.unwrap_or_default(), annotations }))
    }

    fn replace(&self, objects: Vec<Self::Kept>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = objects.into_iter().collect();
    }

    fn apply(&self, object: Seen) {
        if let Some((name, namespace)) = Self::read(object) {
            self.known.write().unwrap_or_else(PoisonError::into_inner).insert(name, namespace);
        }
    }

    fn delete(&self, object: &Seen) {
        if let Some(name) = &object.metadata.name {
            self.known.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
    }

    fn len(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn namespace(name: &str, team: &str) -> Seen {
        let annotations = json!({"stateward.dev/size": "large", "other": "x"});
        let metadata = json!({"name": name, "labels": {"team": team}, "annotations": annotations});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"finalizers": ["kubernetes"]}})).unwrap()
    }

    fn list(store: &Namespaces, objects: Vec<Seen>) {
        store.replace(objects.into_iter().filter_map(Namespaces::read).collect());
    }

    #[test]
    fn labels_follow_the_events() {
        let store = Namespaces::default();
        list(&store, vec![namespace("shop", "a"), namespace("lab", "b"), Seen::default()]);
        assert_eq!(store.len(), 2, "an object without a name is skipped");
        store.apply(namespace("shop", "c"));
        assert_eq!(store.labels("shop")["team"], "c");
        assert_eq!(store.annotations("shop").into_keys().collect::<Vec<_>>(), ["stateward.dev/size"]);
        store.delete(&namespace("shop", "c"));
        assert!(store.labels("shop").is_empty());
        list(&store, vec![]);
        assert_eq!(store.len(), 0);
    }
}
