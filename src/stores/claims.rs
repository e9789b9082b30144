//! The pins of the claims that StatefulSets left behind or use.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::watch::Memory;
use crate::names::{PIN, STATEFULSET};

/// Pins by claim name, by namespace and set.
type Sets = HashMap<(String, String), BTreeMap<String, String>>;

/// Claims that carry our label and a pin.
#[derive(Debug, Default)]
pub(super) struct Claims {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    sets: Sets,
    /// The set of each claim, to find a claim again whose label was changed.
    owners: HashMap<(String, String), String>,
}

/// What is kept of one claim.
struct Claim {
    namespace: String,
    name: String,
    set: String,
    pin: String,
}

impl Claims {
    /// The pin of the set's claims. They all carry the same one, unless edited by hand; then the
    /// claim whose name sorts first decides, so that the answer is the same each time.
    pub(super) fn pin(&self, namespace: &str, set: &str) -> Option<String> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let claims = state.sets.get(&(namespace.to_owned(), set.to_owned()))?;
        claims.values().next().cloned()
    }
}

impl Memory for Claims {
    fn replace(&self, objects: Vec<ObjectMeta>) {
        let mut fresh = State::default();
        for claim in objects.into_iter().filter_map(read) {
            fresh.insert(claim);
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    fn apply(&self, object: ObjectMeta) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.remove(&object);
        if let Some(claim) = read(object) {
            state.insert(claim);
        }
    }

    fn delete(&self, object: &ObjectMeta) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).remove(object);
    }

    fn len(&self) -> usize {
        self.state.read().unwrap_or_else(PoisonError::into_inner).owners.len()
    }
}

impl State {
    fn insert(&mut self, claim: Claim) {
        let Claim { namespace, name, set, pin } = claim;
        self.owners.insert((namespace.clone(), name.clone()), set.clone());
        self.sets.entry((namespace, set)).or_default().insert(name, pin);
    }

    fn remove(&mut self, object: &ObjectMeta) {
        let (Some(namespace), Some(name)) = (&object.namespace, &object.name) else {
            return;
        };
        let Some(set) = self.owners.remove(&(namespace.clone(), name.clone())) else {
            return;
        };
        let key = (namespace.clone(), set);
        if let Some(claims) = self.sets.get_mut(&key) {
            claims.remove(name);
            if claims.is_empty() {
                self.sets.remove(&key);
            }
        }
    }
}

/// What we keep of a claim; nothing if it has no pin, or lacks what every object has.
fn read(object: ObjectMeta) -> Option<Claim> {
    let set = object.labels?.remove(STATEFULSET)?;
    let pin = object.annotations?.remove(PIN)?;
    Some(Claim { namespace: object.namespace?, name: object.name?, set, pin })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str, set: &str, pin: Option<&str>) -> ObjectMeta {
        ObjectMeta {
            namespace: Some("shop".to_owned()),
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([(STATEFULSET.to_owned(), set.to_owned())])),
            annotations: pin.map(|pin| BTreeMap::from([(PIN.to_owned(), pin.to_owned())])),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_set_finds_the_pin_of_its_claims_only() {
        let store = Claims::default();
        store.replace(vec![
            claim("data-orders-1", "orders", Some("postgresql@2")),
            claim("data-orders-0", "orders", Some("postgresql@1")),
            claim("data-plain-0", "plain", None),
            ObjectMeta::default(),
        ]);
        assert_eq!(store.len(), 2);
        assert_eq!(store.pin("shop", "orders").as_deref(), Some("postgresql@1"));
        assert_eq!(store.pin("shop", "plain"), None);
        assert_eq!(store.pin("lab", "orders"), None);
    }

    #[test]
    fn a_claim_that_changes_or_goes_is_forgotten_under_its_old_set() {
        let store = Claims::default();
        store.apply(claim("data-a-0", "a", Some("redis@1")));
        store.apply(claim("data-a-0", "b", Some("redis@1")));
        assert_eq!((store.pin("shop", "a"), store.pin("shop", "b").is_some()), (None, true));
        store.apply(claim("data-a-0", "b", None));
        assert_eq!(store.pin("shop", "b"), None);
        store.apply(claim("data-a-0", "b", Some("redis@1")));
        store.delete(&claim("data-a-0", "b", Some("redis@1")));
        assert_eq!((store.pin("shop", "b"), store.len()), (None, 0));
    }
}
