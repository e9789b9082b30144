//! The objects of one kind beside the sets, by namespace and name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use kube::runtime::watcher::Event;
use serde_json::Value;

use super::packed::{Packed, Packer};
use super::trim;
use crate::companions::hosts::hosts;
use crate::names;
use crate::settings::text;

type Objects = HashMap<String, Namespace>;

/// An object as packed text: as a tree it takes a hundred times as much memory, and it is read seldom.
#[derive(Debug)]
struct Stored(Packed);

impl Stored {
    fn new(object: &Value, packer: &Packer) -> Self {
        let ours = !object["metadata"]["labels"][names::COMPANION].is_null();
        Self(packer.pack(&object.to_string(), ours))
    }

    fn read(&self) -> Value {
        // It was written by us, so it can be read.
        serde_json::from_str(&self.0.text()).unwrap_or_default()
    }
}

/// The objects of one namespace.
#[derive(Debug, Default)]
struct Namespace {
    named: BTreeMap<Arc<str>, Stored>,
    /// Sets with the names of those that concern them alone; with an empty name, those that may
    /// concern every set. Most objects of a namespace with many sets are of the first kind, so that a
    /// look at one set costs the same however many there are.
    concern: BTreeSet<(Arc<str>, Arc<str>)>,
    /// By host, the names of those that claim it.
    claims: HashMap<String, BTreeSet<Arc<str>>>,
}

/// A store that tells what has changed.
#[derive(Debug, Default)]
pub(super) struct Memory {
    packer: Packer,
    objects: RwLock<Objects>,
    /// What a list that goes on has brought until now.
    listed: RwLock<Objects>,
}

impl Memory {
    /// The objects of a namespace that may concern a set: its own, those that are nobody's or whose
    /// selector may reach further, and those of these names.
    pub(super) fn around(&self, namespace: &str, set: &str, also: &[&str]) -> Vec<Value> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let Some(namespace) = objects.get(namespace) else { return Vec::new() };
        let mut names: BTreeSet<&str> = also.iter().copied().collect();
        for owner in [set, ""] {
            names.extend(namespace.concerning(owner));
        }
        names.into_iter().filter_map(|name| namespace.named.get(name).map(Stored::read)).collect()
    }

    /// The objects of all namespaces but one that claim a host.
    pub(super) fn claims(&self, host: &str, but: &str) -> Vec<Value> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let others = objects.iter().filter(|(other, _)| *other != but);
        let claims = others.flat_map(|(_, namespace)| {
            let names = namespace.claims.get(host).into_iter().flatten();
            names.filter_map(|name| namespace.named.get(name).map(Stored::read))
        });
        claims.collect()
    }

    /// One object; the namespace is empty for what has none.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Value> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        find(&objects, namespace, name).map(Stored::read)
    }

    /// Takes what a watch brings, and hands every state that came or went to `changed`: both of an
    /// object that changed in what matters, none of one that did not.
    pub(super) fn take(&self, event: Event<Value>, mut changed: impl FnMut(&Value)) {
        match event {
            Event::Init => self.listed.write().unwrap_or_else(PoisonError::into_inner).clear(),
            Event::InitApply(object) => {
                let mut listed = self.listed.write().unwrap_or_else(PoisonError::into_inner);
                insert(&mut listed, &object, &self.packer);
            }
            Event::InitDone => {
                let listed =
                    std::mem::take(&mut *self.listed.write().unwrap_or_else(PoisonError::into_inner));
                let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
                let before = std::mem::replace(&mut *objects, listed);
                tell_differences(&before, &objects, &mut changed);
            }
            Event::Apply(object) => {
                let before = {
                    let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
                    insert(&mut objects, &object, &self.packer)
                };
                tell(before.map(|before| before.read()).as_ref(), Some(&object), &mut changed);
            }
            Event::Delete(object) => {
                let (namespace, name) = key(&object);
                let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
                let before = objects.get_mut(namespace).and_then(|found| found.remove(name));
                if objects.get(namespace).is_some_and(|found| found.named.is_empty()) {
                    objects.remove(namespace);
                }
                drop(objects);
                tell(before.map(|before| before.read()).as_ref(), None, &mut changed);
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
    fn insert(&mut self, name: &str, object: &Value, packer: &Packer) -> Option<Stored> {
        let before = self.remove(name);
        let name: Arc<str> = name.into();
        self.concern.insert((concerned(object).into(), Arc::clone(&name)));
        for host in hosts(object) {
            self.claims.entry(host.to_owned()).or_default().insert(Arc::clone(&name));
        }
        self.named.insert(name, Stored::new(object, packer));
        before
    }

    fn remove(&mut self, name: &str) -> Option<Stored> {
        let (name, before) = self.named.remove_entry(name)?;
        let object = before.read();
        for host in hosts(&object) {
            if let Some(names) = self.claims.get_mut(host) {
                names.remove(&name);
                if names.is_empty() {
                    self.claims.remove(host);
                }
            }
        }
        self.concern.remove(&(concerned(&object).into(), name));
        Some(before)
    }

    /// The names of the objects that concern this set alone.
    fn concerning(&self, set: &str) -> impl Iterator<Item = &str> {
        let set: Arc<str> = set.into();
        let from = self.concern.range((Arc::clone(&set), Arc::default())..);
        from.take_while(move |(other, _)| *other == set).map(|(_, name)| &**name)
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

fn insert(objects: &mut Objects, object: &Value, packer: &Packer) -> Option<Stored> {
    let (namespace, name) = key(object);
    objects.entry(namespace.to_owned()).or_default().insert(name, object, packer)
}

fn tell_differences(before: &Objects, after: &Objects, changed: &mut impl FnMut(&Value)) {
    for (namespace, found) in after {
        for (name, object) in &found.named {
            let before = find(before, namespace, name);
            if before.is_none_or(|before| before.0 != object.0) {
                tell(before.map(Stored::read).as_ref(), Some(&object.read()), changed);
            }
        }
    }
    for (namespace, found) in before {
        for (name, object) in &found.named {
            if find(after, namespace, name).is_none() {
                tell(Some(&object.read()), None, changed);
            }
        }
    }
}

fn find<'a>(objects: &'a Objects, namespace: &str, name: &str) -> Option<&'a Stored> {
    objects.get(namespace)?.named.get(name)
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
        told(&memory, Event::Apply(ours("a", "c", "c")));
        assert_eq!(
            (around("a", &[]), around("c", &[])),
            (around("b", &[]), around("b", &["a"])),
            "another's now"
        );
    }
}
