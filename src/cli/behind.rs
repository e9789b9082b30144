//! Whether a set is behind: pinned to another revision than its profile's current one, or to other defaults
//! than its namespace gives today.

use serde_json::{Value, json};

use super::world::World;
use crate::catalogue::Catalogue;
use crate::engine::is_resized;
use crate::settings::{Defaults, Pin, text};

/// Sizes that the defaults of a namespace come to, then and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// When the set was pinned.
    pub then: Option<String>,
    /// Today.
    pub now: Option<String>,
}

impl Sizes {
    /// Of a set of this pin; `None` where the one of today would change nothing in it. A class of storage is for
    /// claims that are to come.
    #[must_use]
    pub fn of(set: &Value, pin: &Pin, today: &Defaults, catalogue: &Catalogue) -> Option<Self> {
        let profile = catalogue.revision(&pin.profile, &pin.revision)?;
        let size = |defaults: &Defaults| defaults.size_in(profile).map(str::to_owned);
        is_resized(set, pin, today, catalogue).then(|| Self { then: size(&pin.defaults), now: size(today) })
    }

    /// Of a set in a cluster, by the revision that it has. `None`, too, where its namespace may not be read.
    #[must_use]
    pub fn behind(pin: &Pin, set: &Value, world: &World, catalogue: &Catalogue) -> Option<Self> {
        let today = world.defaults(text(&set["metadata"]["namespace"]))?;
        Self::of(set, pin, &today, catalogue)
    }

    /// What the namespace's defaults say now.
    #[must_use]
    pub fn words(&self) -> String {
        let size = |size: &Option<String>| {
            size.as_ref().map_or_else(|| "no size".to_owned(), |size| format!("size {size}"))
        };
        format!("{} in place of {}, as its namespace has it now", size(&self.now), size(&self.then))
    }

    /// For programs.
    #[must_use]
    pub fn json(sizes: Option<&Self>) -> Value {
        sizes.map_or(Value::Null, |Self { then, now }| json!({"size": {"then": then, "now": now}}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::defaults;
    use crate::engine::{Change, Decision, Engine, Facts};
    use crate::record::Record;

    fn given(size: Option<&str>) -> Defaults {
        let size = size.map(str::to_owned);
        Defaults { size, storage_class: Some("fast".to_owned()), ..Defaults::default() }
    }

    /// A set of Redis with these resources of its own, pinned where its namespace gave this size.
    fn redis(then: Option<&str>, annotations: &Value, resources: &Value) -> Value {
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "r", "namespace": "shop", "labels": {"stateward.dev/managed": "true"},
                "annotations": annotations},
            "spec": {"template": {"spec": {"containers": [
                {"name": "redis", "image": "redis:8", "resources": resources}]}}},
        });
        defaults::apply(&mut set);
        let annotations = json!(given(then).annotations());
        let world = World::default();
        let world =
            world.with("Namespace", vec![json!({"metadata": {"name": "shop", "annotations": annotations}})]);
        assert_eq!(world.namespace_annotations("shop"), given(then).annotations());
        let change = Change { namespace: "shop", before: None, after: &set };
        let admitted = Engine::built_in().unwrap().admit(change, &world).unwrap();
        let Decision::Admitted(admitted) = admitted else { panic!("refused: {admitted:?}") };
        admitted.result
    }

    fn behind(set: &Value, now: Option<&str>) -> Option<String> {
        let now = Defaults { storage_class: None, ..given(now) };
        let pin = Record::pin_of(set).unwrap();
        Sizes::of(set, &pin, &now, &Catalogue::built_in().unwrap()).map(|sizes| sizes.words())
    }

    fn sizes(then: Option<&str>, now: Option<&str>) -> Option<String> {
        behind(&redis(then, &json!({}), &json!({})), now)
    }

    #[test]
    fn only_what_comes_to_another_size_is_another() {
        let own = Catalogue::built_in().unwrap().latest("redis").unwrap().size.clone();
        for (then, now) in [
            (None, None),
            (Some("large"), Some("large")),
            // The one that the profile gives anyway, and one that it has not.
            (None, own.as_deref()),
            (None, Some("gigantic")),
        ] {
            assert_eq!(sizes(then, now), None, "{then:?} {now:?}");
        }
        let larger = "size large in place of size medium, as its namespace has it now";
        assert_eq!(sizes(Some("medium"), Some("large")).unwrap(), larger);
        let own_size = redis(Some("medium"), &json!({"stateward.dev/size": "small"}), &json!({}));
        assert_eq!(behind(&own_size, Some("large")), None, "its user says one");
        assert!(sizes(Some("large"), None).unwrap().starts_with(&format!("size {} in", own.unwrap())));
    }

    #[test]
    fn a_size_of_which_its_user_wrote_all_is_none_to_be_behind() {
        let of = |resources: Value| behind(&redis(Some("medium"), &json!({}), &resources), Some("large"));
        let both = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(of(json!({"requests": both, "limits": both})), None);
        // What Kubernetes requests is the limit then.
        assert_eq!(of(json!({"limits": both})), None);
        assert!(of(json!({"requests": both})).is_some(), "the limit of memory is another");
        assert!(of(json!({"limits": {"memory": "1Gi"}})).is_some(), "the request of cpu is another");
    }
}
