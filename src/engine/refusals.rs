//! What a profile refuses of a set, unless the set says that it is meant.

use serde_json::Value;

use super::Engine;
use super::warnings::line;
use crate::catalogue::Profile;
use crate::catalogue::refuse::{Counts, Refusal};
use crate::fault::{Fault, Reason};
use crate::intent::Intent;
use crate::names;
use crate::settings::{containers, containers_path, replicas, text};

/// The refusals of one set's profile, and what the set says of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge<'a> {
    profile: &'a Profile,
    main: &'a str,
    intent: &'a Intent,
}

impl Engine {
    /// Judges sets by the newest revision of a profile; `None` where it is not known.
    pub(super) fn judge<'a>(&'a self, profile: &str, main: &'a str, intent: &'a Intent) -> Option<Judge<'a>> {
        self.catalogue.latest(profile).map(|profile| Judge { profile, main, intent })
    }
}

impl Judge<'_> {
    /// What is refused of `after`, expanded. Of one that replaces `before`, what this brings about:
    /// fewer replicas than before are never held against it. `there` says that the set's claims are.
    #[must_use]
    pub(super) fn faults(&self, after: &Value, before: Option<(&Value, &Intent)>, there: bool) -> Vec<Fault> {
        let counted = before.map(|(before, _)| replicas(before));
        let held = |refusal: &Refusal, (before, intent): (&Value, &Intent)| {
            refusal.holds(replicas(before), None, self.container(before), &intent.generate_secret)
        };
        let refused = self.open().filter(|(_, refusal)| {
            let more = refusal.replicas.is_some() && counted.is_some_and(|count| count < replicas(after));
            let changed = refusal.replicas.as_ref().is_some_and(Counts::compare);
            refusal.holds(replicas(after), counted, self.container(after), &self.intent.generate_secret)
                && !(refusal.first_start && (there || before.is_some()))
                && (more || changed || before.is_none_or(|before| !held(refusal, before)))
        });
        refused.map(|(name, refusal)| self.fault(name, refusal, after)).collect()
    }

    /// What is wrong with a set as it stands, however that came: `kubectl scale` passes no webhook.
    /// `formed` is the count that its members know, where that is fixed.
    #[must_use]
    pub(super) fn standing(&self, set: &Value, formed: Option<u64>) -> Vec<String> {
        let counted =
            self.open().filter_map(|(name, refusal)| Some((name, refusal, refusal.replicas.as_ref()?)));
        // Of one that may grow and not shrink, nobody knows how many there were.
        let told = counted.filter(|(_, refusal, counts)| {
            (!counts.compare() || counts.changed)
                && refusal.holds(replicas(set), formed, self.container(set), &self.intent.generate_secret)
        });
        told.map(|(name, refusal, counts)| {
            let fault = self.fault(name, refusal, set);
            let back = match formed.filter(|_| counts.changed) {
                Some(formed) => {
                    let name = text(&set["metadata"]["name"]);
                    format!(
                        " (it was formed with {formed}: kubectl scale statefulset/{name} --replicas={formed})"
                    )
                }
                None => String::new(),
            };
            format!("{}{back}; {}", fault.problem, fault.remedy)
        })
        .collect()
    }

    /// Names in `acknowledge` that the profile does not refuse by.
    pub(super) fn unknown(&self) -> Option<String> {
        let unknown: Vec<&str> = self
            .intent
            .acknowledge
            .iter()
            .map(String::as_str)
            .filter(|name| !self.profile.refusals.contains_key(*name))
            .collect();
        let known: Vec<&str> = self.profile.refusals.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        (!unknown.is_empty()).then(|| {
            line(&format!(
                "{}acknowledge: {} is nothing that profile {} refuses; it refuses {known}",
                names::PREFIX,
                unknown.join(", "),
                self.profile.name
            ))
        })
    }

    /// Those that the set does not acknowledge.
    fn open(&self) -> impl Iterator<Item = (&String, &Refusal)> {
        self.profile.refusals.iter().filter(|(name, _)| !self.intent.acknowledge.contains(name))
    }

    fn container<'o>(&self, object: &'o Value) -> &'o Value {
        const NONE: &Value = &Value::Null;
        containers(object).iter().find(|container| container["name"] == self.main).unwrap_or(NONE)
    }

    fn fault(&self, name: &str, refusal: &Refusal, set: &Value) -> Fault {
        let (field, problem) = if refusal.replicas.is_some() {
            let counted = match replicas(set) {
                1 => "1 replica".to_owned(),
                count => format!("{count} replicas"),
            };
            ("spec.replicas".to_owned(), format!("{counted} of {}: {}", self.profile.name, refusal.problem))
        } else {
            let main = containers_path().named(self.main.to_owned());
            (main.to_string(), format!("{}: {}", self.profile.name, refusal.problem))
        };
        let remedy = format!(
            "{}; if you mean it, add the annotation {}acknowledge: {name}",
            refusal.remedy,
            names::PREFIX
        );
        let reason = if refusal.replicas.is_some() { Reason::Contradiction } else { Reason::Missing };
        Fault::new(reason, field, problem, remedy)
    }
}

#[cfg(test)]
mod tests;
