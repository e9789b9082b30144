//! What the claims that StatefulSets left behind or use tell: the pin of the set, their storage class and size.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use super::seen::Seen;
use super::shared::Shared;
use super::watch::Memory;
use crate::engine::Held;
use crate::names::{PIN, STATEFULSET};

/// Claims that carry our label, and a pin or data.
#[derive(Debug, Default)]
pub(super) struct Claims {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    namespaces: HashMap<String, Namespace>,
    /// Pins, classes and sizes: there are few of them, whatever the number of claims.
    texts: Shared,
    /// How many claims there are.
    len: usize,
}

#[derive(Debug, Default)]
struct Namespace {
    /// By their names.
    claims: HashMap<Arc<str>, Claim>,
    /// The names of the claims of each set.
    sets: HashMap<Arc<str>, Vec<Arc<str>>>,
}

#[derive(Debug)]
struct Claim {
    set: Arc<str>,
    pin: Option<Arc<str>>,
    class: Option<Arc<str>>,
    size: Option<Arc<str>>,
}

/// What is kept of one claim.
pub(super) struct Kept {
    namespace: String,
    name: String,
    set: String,
    pin: Option<String>,
    held: Held,
}

impl Claims {
    /// The pin of the set's claims. They all carry the same one, unless edited by hand; then the
    /// claim whose name sorts first decides, so that the answer is the same each time.
    pub(super) fn pin(&self, namespace: &str, set: &str) -> Option<String> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let pinned = state.of(namespace, set).filter_map(|(name, claim)| Some((name, claim.pin.as_ref()?)));
        pinned.min_by_key(|(name, _)| *name).map(|(_, pin)| pin.to_string())
    }

    /// The set's claims that hold data, by their names. One that is bound to no volume or is being deleted
    /// is not among them.
    pub(super) fn held(&self, namespace: &str, set: &str) -> BTreeMap<String, Held> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let text = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
        let held = |(name, claim): (&str, &Claim)| {
            let held = Held { class: text(&claim.class), size: text(&claim.size) };
            (held != Held::default()).then(|| (name.to_owned(), held))
        };
        state.of(namespace, set).filter_map(held).collect()
    }
}

impl Memory for Claims {
    type Kept = Kept;

    /// Nothing, if it is nobody's, or has neither a pin nor data.
    fn read(object: Seen) -> Option<Kept> {
        let Seen { metadata, spec } = object;
        let set = metadata.labels?.remove(STATEFULSET)?;
        let pin = metadata.annotations.and_then(|mut annotations| annotations.remove(PIN));
        // One that is bound to no volume has no data to be kept together, and one that is being deleted is
        // somebody's who wants neither.
        let holds_data = spec.volume_name.is_some() && metadata.deletion_timestamp.is_none();
        let held = Held { class: spec.storage_class_name, size: spec.resources.requests.storage };
        let held = if holds_data { held } else { Held::default() };
        let (namespace, name) = (metadata.namespace?, metadata.name?);
        (pin.is_some() || held != Held::default()).then_some(Kept { namespace, name, set, pin, held })
    }

    fn replace(&self, objects: Vec<Kept>) {
        let mut fresh = State::default();
        for claim in objects {
            fresh.insert(claim);
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    fn apply(&self, object: Seen) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.remove(&object);
        if let Some(claim) = Self::read(object) {
            state.insert(claim);
        }
    }

    fn delete(&self, object: &Seen) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).remove(object);
    }

    fn len(&self) -> usize {
        self.state.read().unwrap_or_else(PoisonError::into_inner).len
    }
}

impl State {
    fn of<'s>(&'s self, namespace: &str, set: &str) -> impl Iterator<Item = (&'s str, &'s Claim)> {
        let namespace = self.namespaces.get(namespace);
        let names = namespace.and_then(|namespace| namespace.sets.get(set)).into_iter().flatten();
        names.filter_map(move |name| Some((&**name, namespace?.claims.get(name)?)))
    }

    fn insert(&mut self, claim: Kept) {
        let Kept { namespace, name, set, pin, held } = claim;
        let namespace = self.namespaces.entry(namespace).or_default();
        let set = namespace.sets.get_key_value(&*set).map_or_else(|| set.into(), |(set, _)| Arc::clone(set));
        let mut shared = |text: Option<String>| text.map(|text| self.texts.take(&text));
        let (pin, class, size) = (shared(pin), shared(held.class), shared(held.size));
        let name: Arc<str> = name.into();
        // Most sets have one claim each for one or three pods: room for four would be half empty.
        let names = namespace.sets.entry(Arc::clone(&set)).or_default();
        names.reserve_exact(1);
        names.push(Arc::clone(&name));
        namespace.claims.insert(name, Claim { set, pin, class, size });
        self.len += 1;
    }

    fn remove(&mut self, object: &Seen) {
        let (Some(namespace), Some(name)) = (&object.metadata.namespace, &object.metadata.name) else {
            return;
        };
        let Some(known) = self.namespaces.get_mut(namespace) else {
            return;
        };
        let Some(claim) = known.claims.remove(&**name) else {
            return;
        };
        self.len -= 1;
        if let Some(names) = known.sets.get_mut(&claim.set) {
            names.retain(|other| **other != **name);
            if names.is_empty() {
                known.sets.remove(&claim.set);
            }
        }
        if known.claims.is_empty() {
            self.namespaces.remove(namespace);
        }
        for text in [claim.pin, claim.class, claim.size].into_iter().flatten() {
            self.texts.give_back(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A claim as the API server tells it, bound, with more than is read.
    fn claim(name: &str, set: &str, pin: Option<&str>) -> Value {
        json!({
            "metadata": {
                "namespace": "shop", "name": name, "uid": "u", "managedFields": [{"manager": "x"}],
                "labels": {STATEFULSET: set, "app": "x"}, "annotations": pin.map(|pin| json!({PIN: pin})),
            },
            "spec": {"volumeName": "pv", "accessModes": ["ReadWriteOnce"]},
            "status": {"phase": "Bound"},
        })
    }

    fn of_class(name: &str, set: &str, class: &Value) -> Value {
        let mut claim = claim(name, set, Some("redis@1"));
        claim["spec"]["storageClassName"] = class.clone();
        claim
    }

    fn seen(object: &Value) -> Seen {
        serde_json::from_str(&object.to_string()).unwrap()
    }

    fn listed(objects: &[Value]) -> Claims {
        let store = Claims::default();
        store.replace(objects.iter().map(seen).filter_map(Claims::read).collect());
        store
    }

    #[test]
    fn a_set_finds_the_pin_of_its_claims_only() {
        let store = listed(&[
            claim("data-orders-1", "orders", Some("postgresql@2")),
            claim("data-orders-0", "orders", Some("postgresql@1")),
            of_class("a-orders-0", "orders", &json!("fast")),
            claim("data-plain-0", "plain", None),
            json!({}),
        ]);
        assert_eq!(store.len(), 3);
        assert_eq!(store.pin("shop", "orders").as_deref(), Some("redis@1"));
        store.delete(&seen(&claim("a-orders-0", "orders", None)));
        assert_eq!(store.pin("shop", "orders").as_deref(), Some("postgresql@1"));
        assert_eq!(store.pin("shop", "plain"), None);
        assert_eq!(store.pin("lab", "orders"), None);
    }

    #[test]
    fn a_claim_that_changes_or_goes_is_forgotten_under_its_old_set() {
        let store = Claims::default();
        let apply = |set, pin| store.apply(seen(&claim("data-a-0", set, pin)));
        apply("a", Some("redis@1"));
        apply("b", Some("redis@2"));
        assert_eq!((store.pin("shop", "a"), store.pin("shop", "b").is_some()), (None, true));
        apply("b", None);
        assert_eq!(store.pin("shop", "b"), None);
        apply("b", Some("redis@1"));
        store.delete(&seen(&claim("data-a-0", "b", Some("redis@1"))));
        assert_eq!((store.pin("shop", "b"), store.len()), (None, 0));
        let state = store.state.read().unwrap();
        assert_eq!((state.namespaces.len(), state.texts.len()), (0, 0));
    }

    #[test]
    fn a_class_is_known_where_the_claim_names_it_and_holds_data() {
        let mut unbound = of_class("data-a-2", "a", &json!("fast"));
        unbound["spec"].as_object_mut().unwrap().remove("volumeName");
        let mut going = of_class("data-a-3", "a", &json!("fast"));
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let mut unpinned = of_class("wal-a-0", "a", &json!("slow"));
        unpinned["metadata"]["annotations"] = Value::Null;
        let store = listed(&[
            of_class("data-a-0", "a", &json!("fast")),
            of_class("data-a-1", "a", &json!("")),
            unbound,
            going,
            of_class("data-a-4", "a", &Value::Null),
            unpinned,
            of_class("data-b-0", "b", &json!("fast")),
        ]);
        let classes: Vec<_> = store.held("shop", "a").into_iter().collect();
        let named =
            |name: &str, class: &str| (name.to_owned(), Held { class: Some(class.to_owned()), size: None });
        assert_eq!(classes, [named("data-a-0", "fast"), named("data-a-1", ""), named("wal-a-0", "slow")]);
        assert_eq!(store.state.read().unwrap().texts.len(), 4, "the pin and three classes");
        // It is bound by and by.
        store.apply(seen(&of_class("data-a-2", "a", &json!("fast"))));
        assert_eq!(store.held("shop", "a").len(), 4);
        assert!(store.held("lab", "a").is_empty());
    }

    #[test]
    fn a_size_is_known_and_follows_the_claim() {
        let sized = |size: &str| {
            let mut claim = claim("data-a-0", "a", None);
            claim["spec"]["resources"] = json!({"requests": {"storage": size}});
            claim
        };
        let store = listed(&[sized("10Gi")]);
        let size = || store.held("shop", "a").remove("data-a-0").and_then(|held| held.size);
        assert_eq!(size().as_deref(), Some("10Gi"), "without a pin, too");
        store.apply(seen(&sized("20Gi")));
        assert_eq!(size().as_deref(), Some("20Gi"));
        store.delete(&seen(&sized("20Gi")));
        assert_eq!((size(), store.state.read().unwrap().texts.len()), (None, 0));
    }
}
