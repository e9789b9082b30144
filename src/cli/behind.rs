//! Whether a set is behind: pinned to another revision than its profile's current one, or to other defaults
//! than its namespace gives today.

use serde_json::{Value, json};

use super::world::World;
use crate::catalogue::{Catalogue, Profile};
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
    /// Of a set of a profile; `None` where its user says a size, or both are the same. A class of storage is for
    /// claims that are to come.
    #[must_use]
    pub fn of(set: &Value, pinned: &Defaults, today: &Defaults, profile: &Profile) -> Option<Self> {
        let size = |defaults: &Defaults| defaults.size_in(profile).map(str::to_owned);
        today.resize(pinned, set, profile).then(|| Self { then: size(pinned), now: size(today) })
    }

    /// Of a set in a cluster, by the revision that it has. `None`, too, where its namespace may not be read.
    #[must_use]
    pub fn behind(pin: &Pin, set: &Value, world: &World, catalogue: &Catalogue) -> Option<Self> {
        let profile = catalogue.revision(&pin.profile, &pin.revision)?;
        let today = world.defaults(text(&set["metadata"]["namespace"]))?;
        Self::of(set, &pin.defaults, &today, profile)
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

    fn defaults(size: Option<&str>) -> Defaults {
        Defaults { size: size.map(str::to_owned), storage_class: Some("fast".to_owned()) }
    }

    fn sizes(then: Option<&str>, now: Option<&str>) -> Option<String> {
        let catalogue = Catalogue::built_in().unwrap();
        let redis = catalogue.latest("redis").unwrap();
        let now = Defaults { storage_class: None, ..defaults(now) };
        Sizes::of(&json!({}), &defaults(then), &now, redis).map(|sizes| sizes.words())
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
        assert_eq!(
            sizes(Some("medium"), Some("large")).unwrap(),
            "size large in place of size medium, as its namespace has it now"
        );
        let redis = Catalogue::built_in().unwrap().latest("redis").unwrap().clone();
        let own_size = json!({"metadata": {"annotations": {"stateward.dev/size": "small"}}});
        let (then, now) = (defaults(Some("medium")), defaults(Some("large")));
        assert_eq!(Sizes::of(&own_size, &then, &now, &redis), None, "its user says one");
        assert!(sizes(Some("large"), None).unwrap().starts_with(&format!("size {} in", own.unwrap())));
    }
}
