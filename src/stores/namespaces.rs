//! The labels of every namespace.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::watch::Memory;

type Labels = BTreeMap<String, String>;

/// Namespaces by name.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    labels: RwLock<HashMap<String, Labels>>,
}

impl Namespaces {
    pub(super) fn labels(&self, namespace: &str) -> Labels {
        let labels = self.labels.read().unwrap_or_else(PoisonError::into_inner);
        labels.get(namespace).cloned().unwrap_or_default()
    }
}

impl Memory for Namespaces {
    fn replace(&self, objects: Vec<ObjectMeta>) {
        let fresh = objects.into_iter().filter_map(entry).collect();
        *self.labels.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    fn apply(&self, object: ObjectMeta) {
        if let Some((name, labels)) = entry(object) {
            self.labels.write().unwrap_or_else(PoisonError::into_inner).insert(name, labels);
        }
    }

    fn delete(&self, object: &ObjectMeta) {
        if let Some(name) = &object.name {
            self.labels.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
    }

    fn len(&self) -> usize {
        self.labels.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn entry(object: ObjectMeta) -> Option<(String, Labels)> {
    Some((object.name?, object.labels.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(name: &str, team: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([("team".to_owned(), team.to_owned())])),
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
        store.delete(&namespace("shop", "c"));
        assert!(store.labels("shop").is_empty());
        store.replace(vec![]);
        assert_eq!(store.len(), 0);
    }
}
