//! The objects of one kind beside the sets, by namespace and name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use kube::runtime::watcher::Event;
use serde_json::Value;

use super::trim;
use crate::settings::text;

/// Namespace and name; the namespace is empty for what has none.
type Key = (String, String);
type Objects = HashMap<String, BTreeMap<String, Arc<Value>>>;

/// A store that tells what has changed.
#[derive(Debug, Default)]
pub(super) struct Memory {
    objects: RwLock<Objects>,
    /// What a list that goes on has brought until now.
    listed: RwLock<Objects>,
}

impl Memory {
    /// All objects of a namespace.
    pub(super) fn of(&self, namespace: &str) -> Vec<Arc<Value>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(namespace).map(|named| named.values().cloned().collect()).unwrap_or_default()
    }

    /// All objects of the other namespaces.
    pub(super) fn outside(&self, namespace: &str) -> Vec<Arc<Value>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let others = objects.iter().filter(|(other, _)| *other != namespace);
        others.flat_map(|(_, named)| named.values().cloned()).collect()
    }

    /// One object.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(namespace)?.get(name).cloned()
    }

    /// Takes what a watch brings, and hands every state that came or went to `changed`: both of an
    /// object that changed in what matters, none of one that did not.
    pub(super) fn take(&self, event: Event<Value>, mut changed: impl FnMut(&Value)) {
        match event {
            Event::Init => self.listed.write().unwrap_or_else(PoisonError::into_inner).clear(),
            Event::InitApply(object) => {
                insert(&mut self.listed.write().unwrap_or_else(PoisonError::into_inner), object);
            }
            Event::InitDone => {
                let listed =
                    std::mem::take(&mut *self.listed.write().unwrap_or_else(PoisonError::into_inner));
                let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
                let before = std::mem::replace(&mut *objects, listed);
                tell_differences(&before, &objects, &mut changed);
            }
            Event::Apply(object) => {
                let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
                let (before, after) = insert(&mut objects, object);
                tell(before.as_deref(), Some(&after), &mut changed);
            }
            Event::Delete(object) => {
                let (namespace, name) = key(&object);
                let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
                let before = objects.get_mut(&namespace).and_then(|named| named.remove(&name));
                objects.retain(|_, named| !named.is_empty());
                tell(before.as_deref(), None, &mut changed);
            }
        }
    }
}

fn insert(objects: &mut Objects, object: Value) -> (Option<Arc<Value>>, Arc<Value>) {
    let ((namespace, name), object) = (key(&object), Arc::new(object));
    (objects.entry(namespace).or_default().insert(name, Arc::clone(&object)), object)
}

fn tell_differences(before: &Objects, after: &Objects, changed: &mut impl FnMut(&Value)) {
    let find = |objects: &Objects, namespace: &str, name: &str| -> Option<Arc<Value>> {
        objects.get(namespace)?.get(name).cloned()
    };
    for (namespace, named) in after {
        for (name, object) in named {
            tell(find(before, namespace, name).as_deref(), Some(object), changed);
        }
    }
    for (namespace, named) in before {
        for (name, object) in named {
            if find(after, namespace, name).is_none() {
                tell(Some(object), None, changed);
            }
        }
    }
}

fn tell(before: Option<&Value>, after: Option<&Value>, changed: &mut impl FnMut(&Value)) {
    if let (Some(before), Some(after)) = (before, after)
        && trim::is_same(before, after)
    {
        return;
    }
    before.into_iter().chain(after).for_each(changed);
}

fn key(object: &Value) -> Key {
    let metadata = &object["metadata"];
    (text(&metadata["namespace"]).to_owned(), text(&metadata["name"]).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, version: u64, port: u64) -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": name, "resourceVersion": version.to_string()},
            "spec": {"port": port},
        })
    }

    fn told(memory: &Memory, event: Event<Value>) -> Vec<(String, u64)> {
        let mut told = Vec::new();
        memory.take(event, |object| {
            told.push((
                text(&object["metadata"]["name"]).to_owned(),
                object["spec"]["port"].as_u64().unwrap(),
            ));
        });
        told.sort();
        told
    }

    #[test]
    fn both_states_of_what_changed_are_told_and_nothing_else() {
        let memory = Memory::default();
        assert_eq!(told(&memory, Event::Apply(object("a", 1, 80))), [("a".into(), 80)]);
        assert_eq!(told(&memory, Event::Apply(object("a", 2, 80))), []);
        assert_eq!(told(&memory, Event::Apply(object("a", 3, 81))), [("a".into(), 80), ("a".into(), 81)]);
        assert_eq!(memory.of("shop").len(), 1);
        assert_eq!(told(&memory, Event::Delete(object("a", 4, 81))), [("a".into(), 81)]);
        assert_eq!((memory.of("shop").len(), memory.get("shop", "a")), (0, None));
    }

    #[test]
    fn a_new_list_tells_what_was_missed() {
        let memory = Memory::default();
        for name in ["same", "gone", "changed"] {
            told(&memory, Event::Apply(object(name, 1, 80)));
        }
        assert_eq!(told(&memory, Event::Init), []);
        for listed in [object("same", 1, 80), object("changed", 9, 81), object("new", 9, 82)] {
            assert_eq!(told(&memory, Event::InitApply(listed)), []);
        }
        assert!(memory.get("shop", "gone").is_some(), "what is known stays until the list is complete");
        let told = told(&memory, Event::InitDone);
        let expected = [("changed", 80), ("changed", 81), ("gone", 80), ("new", 82)];
        assert_eq!(told, expected.map(|(name, port)| (name.to_owned(), port)));
    }
}
