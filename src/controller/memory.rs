//! The objects of one kind beside the sets, by namespace and name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use kube::runtime::watcher::Event;
use serde_json::Value;

use super::trim;
use crate::names;
use crate::settings::text;

type Objects = HashMap<String, Namespace>;

/// The objects of one namespace.
#[derive(Debug, Default)]
struct Namespace {
    named: BTreeMap<String, Arc<Value>>,
    /// By set, the names of those that concern it alone; under an empty name, those that may concern
    /// every set. Most objects of a namespace with many sets are of the first kind, so that a look
    /// at one set costs the same however many there are.
    concern: HashMap<String, BTreeSet<String>>,
}

/// A store that tells what has changed.
#[derive(Debug, Default)]
pub(super) struct Memory {
    objects: RwLock<Objects>,
    /// What a list that goes on has brought until now.
    listed: RwLock<Objects>,
}

impl Memory {
    /// The objects of a namespace that may concern a set: its own, those that are nobody's or whose
    /// selector may reach further, and those of these names.
    pub(super) fn around(&self, namespace: &str, set: &str, also: &[&str]) -> Vec<Arc<Value>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let Some(namespace) = objects.get(namespace) else { return Vec::new() };
        let mut names: BTreeSet<&str> = also.iter().copied().collect();
        for owner in [set, ""] {
            names.extend(namespace.concern.get(owner).into_iter().flatten().map(String::as_str));
        }
        names.into_iter().filter_map(|name| namespace.named.get(name).cloned()).collect()
    }

    /// The objects of all namespaces but one.
    pub(super) fn outside(&self, namespace: &str) -> Vec<Arc<Value>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let others = objects.iter().filter(|(other, _)| *other != namespace);
        others.flat_map(|(_, namespace)| namespace.named.values().cloned()).collect()
    }

    /// One object; the namespace is empty for what has none.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(namespace)?.named.get(name).cloned()
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
                let before = objects.get_mut(namespace).and_then(|found| found.remove(name));
                if objects.get(namespace).is_some_and(|found| found.named.is_empty()) {
                    objects.remove(namespace);
                }
                tell(before.as_deref(), None, &mut changed);
            }
        }
    }

    /// Forgets all: the cluster does not serve the kind any more.
    pub(super) fn clear(&self, changed: impl FnMut(&Value)) {
        self.take(Event::Init, |_| ());
        self.take(Event::InitDone, changed);
    }
}

impl Namespace {
    fn insert(&mut self, name: &str, object: Arc<Value>) -> Option<Arc<Value>> {
        let before = self.remove(name);
        self.concern.entry(concerned(&object).to_owned()).or_default().insert(name.to_owned());
        self.named.insert(name.to_owned(), object);
        before
    }

    fn remove(&mut self, name: &str) -> Option<Arc<Value>> {
        let before = self.named.remove(name)?;
        let set = concerned(&before);
        if let Some(names) = self.concern.get_mut(set) {
            names.remove(name);
            if names.is_empty() {
                self.concern.remove(set);
            }
        }
        Some(before)
    }
}

/// The one set that an object concerns: it bears that set's label, and selects by it if it selects
/// at all. Empty where there may be others.
fn concerned(object: &Value) -> &str {
    let selector = &object["spec"]["selector"];
    let set = &object["metadata"]["labels"][names::STATEFULSET];
    let selected = [&selector[names::STATEFULSET], &selector["matchLabels"][names::STATEFULSET]];
    if selector.is_null() || selected.contains(&set) { text(set) } else { "" }
}

fn insert(objects: &mut Objects, object: Value) -> (Option<Arc<Value>>, Arc<Value>) {
    let object = Arc::new(object);
    let (namespace, name) = key(&object);
    let before = objects.entry(namespace.to_owned()).or_default().insert(name, Arc::clone(&object));
    (before, object)
}

fn tell_differences(before: &Objects, after: &Objects, changed: &mut impl FnMut(&Value)) {
    let find = |objects: &Objects, namespace: &str, name: &str| -> Option<Arc<Value>> {
        objects.get(namespace)?.named.get(name).cloned()
    };
    for (namespace, found) in after {
        for (name, object) in &found.named {
            tell(find(before, namespace, name).as_deref(), Some(object), changed);
        }
    }
    for (namespace, found) in before {
        for (name, object) in &found.named {
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

fn key(object: &Value) -> (&str, &str) {
    let metadata = &object["metadata"];
    (text(&metadata["namespace"]), text(&metadata["name"]))
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
        assert_eq!(memory.around("shop", "", &[]).len(), 1);
        assert_eq!(told(&memory, Event::Delete(object("a", 4, 81))), [("a".into(), 81)]);
        assert_eq!((memory.around("shop", "", &[]).len(), memory.get("shop", "a")), (0, None));
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

    #[test]
    fn what_concerns_other_sets_alone_is_left_out() {
        let memory = Memory::default();
        let ours = |name: &str, set: &str, selected: &str| {
            let mut object = object(name, 1, 80);
            object["metadata"]["labels"] = json!({names::STATEFULSET: set});
            object["spec"]["selector"] = json!({names::STATEFULSET: selected});
            object
        };
        for object in [ours("a", "a", "a"), ours("b", "b", "b"), ours("wide", "b", "a"), object("own", 1, 80)]
        {
            told(&memory, Event::Apply(object));
        }
        let around = |set: &str, also: &[&str]| -> Vec<String> {
            let found = memory.around("shop", set, also);
            found.iter().map(|object| text(&object["metadata"]["name"]).to_owned()).collect()
        };
        assert_eq!(around("a", &[]), ["a", "own", "wide"]);
        assert_eq!(around("a", &["b"]), ["a", "b", "own", "wide"], "a name that is taken");
        told(&memory, Event::Apply(ours("b", "b", "a")));
        assert_eq!(around("a", &[]), ["a", "b", "own", "wide"]);
        told(&memory, Event::Delete(ours("b", "b", "a")));
        assert_eq!(around("b", &[]), ["own", "wide"]);
    }
}
