//! The labels of every namespace, and its annotations of ours.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::watch::Memory;
use crate::names;

type Labels = BTreeMap<String, String>;

/// Namespaces by name.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    known: RwLock<HashMap<String, Namespace>>,
}

#[derive(Debug, Default)]
struct Namespace {
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
    fn replace(&self, objects: Vec<ObjectMeta>) {
        let fresh = objects.into_iter().filter_map(entry).collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    fn apply(&self, object: ObjectMeta) {
        if let Some((name, namespace)) = entry(object) {
            self.known.write().unwrap_or_else(PoisonError::into_inner).insert(name, namespace);
        }
    }

    fn delete(&self, object: &ObjectMeta) {
        if let Some(name) = &object.name {
            self.known.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
    }

    fn len(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn entry(object: ObjectMeta) -> Option<(String, Namespace)> {
    let mut annotations = object.annotations.unwrap_or_default();
    annotations.retain(|key, _| key.starts_with(names::PREFIX));
    Some((object.name?, Namespace { labels: object.labels.unwrap_or_default(), annotations }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(name: &str, team: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([("team".to_owned(), team.to_owned())])),
            annotations: Some(BTreeMap::from([
                ("stateward.dev/size".to_owned(), "large".to_owned()),
                ("other".to_owned(), "x".to_owned()),
            ])),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn labels_follow_the_events() {
        let store = Namespaces::default();
        store.replace(vec![namespace("shop", "a"), namespace("lab", "b"), ObjectMeta::default()]);
        assert_eq!(store.len(), 2, "an object without a name is skipped");
        store.apply(namespace("shop", "c"));
        assert_eq!(store.labels("shop")["team"], "c");
        assert_eq!(store.annotations("shop").into_keys().collect::<Vec<_>>(), ["stateward.dev/size"]);
        store.delete(&namespace("shop", "c"));
        assert!(store.labels("shop").is_empty());
        store.replace(vec![]);
        assert_eq!(store.len(), 0);
    }
}
