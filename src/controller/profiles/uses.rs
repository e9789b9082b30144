//! Which revisions of profiles the sets of a cluster need. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::intent::{self, RevisionWish};
use crate::names;
use crate::record::{Read, Record};
use crate::settings::{Pin, text};

/// How many sets there are of each pin's profile and revision.
pub(in crate::controller) type Pins = BTreeMap<(String, String), u64>;

/// What is needed, by whoever it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::controller) struct Uses {
    /// What sets are pinned to.
    pub(super) pins: Pins,
    /// How many of these would get another size by an upgrade, since their namespaces say another today.
    pub(super) resized: Pins,
    /// What their annotations wish for, and what claims remember.
    also: BTreeSet<(String, String)>,
    /// Whether a set has a record that a later version wrote: nobody knows what it needs.
    pub(super) unread: bool,
}

impl Uses {
    /// Of these sets, of which some are of another size by what their namespaces say today.
    pub(in crate::controller) fn of(
        sets: impl Iterator<Item = Value>,
        is_resized: impl Fn(&Pin, &Value) -> bool,
    ) -> Self {
        sets.fold(Self::default(), |mut uses, set| {
            if let Some(pin) = uses.take_set(&set)
                && is_resized(&pin, &set)
            {
                *uses.resized.entry((pin.profile, pin.revision)).or_default() += 1;
            }
            uses
        })
    }

    /// Notes a set, managed or not: one whose label is off keeps its pin, and needs it when the label
    /// comes back. Gives the pin.
    pub(super) fn take_set(&mut self, set: &Value) -> Option<Pin> {
        let pin = Record::pin_of(set);
        if let Some(pin) = &pin {
            *self.pins.entry((pin.profile.clone(), pin.revision.clone())).or_default() += 1;
        } else if matches!(Record::of(set), Read::Newer) {
            self.unread = true;
        }
        for key in [names::PROFILE_REVISION, names::UPGRADE_TO] {
            let wish = intent::wish(text(&set["metadata"]["annotations"][key]));
            if let Ok(RevisionWish::Exact { profile, revision }) = wish {
                self.also.insert((profile, revision));
            }
        }
        pin
    }

    /// Notes the pin on a claim: a set that is made again for its data takes that up.
    pub(super) fn take_claim(&mut self, claim: &Value) {
        let pin = Pin::parse(text(&claim["metadata"]["annotations"][names::PIN]));
        self.also.extend(pin.map(|pin| (pin.profile, pin.revision)));
    }

    /// These and others.
    pub(super) fn and(mut self, other: Self) -> Self {
        // Counted twice where both have a set: what is asked of both together is whether there is one.
        for (pin, count) in other.pins {
            *self.pins.entry(pin).or_default() += count;
        }
        for (pin, count) in other.resized {
            *self.resized.entry(pin).or_default() += count;
        }
        self.also.extend(other.also);
        Self { unread: self.unread || other.unread, ..self }
    }

    /// All that is needed.
    pub(super) fn all(&self) -> impl Iterator<Item = &(String, String)> {
        self.pins.keys().chain(&self.also)
    }

    /// Whether a revision is.
    pub(super) fn has(&self, profile: &str, revision: &str) -> bool {
        let key = (profile.to_owned(), revision.to_owned());
        self.pins.contains_key(&key) || self.also.contains(&key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(annotations: &Value) -> Value {
        json!({"metadata": {"name": "db", "annotations": annotations}})
    }

    fn record(pin: &str) -> String {
        Record::new("db", Pin::parse(pin).unwrap()).to_text()
    }

    #[test]
    fn pins_wishes_and_claims_count() {
        let sets = [
            set(&json!({names::RECORD: record("queue@1")})),
            set(&json!({names::RECORD: record("queue@1/18,debian")})),
            set(&json!({names::RECORD: record("queue@2"), names::PROFILE_REVISION: "queue@3"})),
            set(&json!({names::UPGRADE_TO: "queue@4"})),
            set(&json!({names::PROFILE_REVISION: "latest", names::UPGRADE_TO: "no revision"})),
            set(&Value::Null),
        ];
        let mut uses = Uses::of(sets.into_iter(), |_, _| false);
        uses.take_claim(&set(&json!({names::PIN: "queue@5/18"})));
        uses.take_claim(&set(&json!({names::PIN: "nonsense"})));
        let pin = |revision: &str| ("queue".to_owned(), revision.to_owned());
        assert_eq!(uses.pins, Pins::from([(pin("1"), 2), (pin("2"), 1)]));
        let all: Vec<&str> = uses.all().map(|(_, revision)| revision.as_str()).collect();
        assert_eq!(all, ["1", "2", "3", "4", "5"]);
        assert!(uses.has("queue", "5") && !uses.has("queue", "6") && !uses.has("other", "5"));
        assert!(!uses.unread);
    }

    #[test]
    fn sets_of_another_size_are_counted_by_themselves() {
        let sets = ["queue@1", "queue@1", "queue@2"].map(|pin| set(&json!({names::RECORD: record(pin)})));
        let uses = Uses::of(sets.into_iter(), |pin, _| pin.revision == "1");
        assert_eq!(uses.pins.values().sum::<u64>(), 3);
        assert_eq!(uses.resized, Pins::from([(("queue".to_owned(), "1".to_owned()), 2)]));
    }

    #[test]
    fn a_record_of_a_later_version_is_noted() {
        let uses = |text: &str| Uses::of([set(&json!({names::RECORD: text}))].into_iter(), |_, _| false);
        let later = record("queue@1").replacen("\"format\":1", "\"format\":2", 1);
        assert!(uses(&later).unread, "{later}");
        assert!(!uses("scribbled").unread);
        assert!(Uses::default().and(uses(&later)).and(Uses::default()).unread);
    }
}
