//! CREATE beside claims that a set of this name left behind: their pin, the storage class that claims to
//! come share with them, and their size, which is their own.

mod size;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Change, Engine, Facts, Held, line};
use crate::expand::{Expansion, Injection, Source, claim_path, class_path, size_path};
use crate::names;
use crate::path::Path;
use crate::settings::{Defaults, Pin, Settings, text};

/// What the claims of one name tell.
pub(super) struct Left {
    pin: Option<String>,
    /// By claim template.
    templates: BTreeMap<String, Volumes>,
    /// By claim template as well: names and sizes, the lowest ordinal first.
    sizes: BTreeMap<String, Vec<(String, String)>>,
}

/// The claims of one template that name a storage class.
struct Volumes {
    /// The one with the lowest ordinal, which is in the set however few replicas that has: its class counts.
    first: (String, String),
    /// The next one of another class.
    other: Option<(String, String)>,
}

impl Left {
    /// What is there for the set that is made.
    pub(super) fn of(change: Change, facts: &dyn Facts) -> Self {
        let name = text(&change.after["metadata"]["name"]);
        let known = facts.claims(change.namespace, name).into_iter().filter_map(|(claim, held)| {
            let (template, ordinal) = names::claim_parts(&claim, name)?;
            Some((template.to_owned(), ordinal, claim, held))
        });
        let mut known: Vec<_> = known.collect();
        known.sort_by_key(|(_, ordinal, ..)| *ordinal);
        let mut templates: BTreeMap<String, Volumes> = BTreeMap::new();
        let mut sizes: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (template, _, claim, Held { class, size }) in known {
            if let Some(size) = size {
                sizes.entry(template.clone()).or_default().push((claim.clone(), size));
            }
            let Some(claim) = class.map(|class| (claim, class)) else { continue };
            match templates.get_mut(&template) {
                Some(one) if one.other.is_none() && one.first.1 != claim.1 => one.other = Some(claim),
                Some(_) => {}
                None => _ = templates.insert(template, Volumes { first: claim, other: None }),
            }
        }
        Self { pin: facts.claim_pin(change.namespace, name), templates, sizes }
    }

    /// Whether any of them was made with stateward.
    pub(super) fn is_pinned(&self) -> bool {
        self.pin.is_some()
    }

    /// What they are pinned to.
    pub(super) fn pin(&self) -> Option<Pin> {
        self.pin.as_deref().and_then(Pin::parse)
    }

    /// Their storage classes, by claim template.
    pub(super) fn classes(&self) -> BTreeMap<String, String> {
        let classes =
            self.templates.iter().map(|(template, claims)| (template.clone(), claims.first.1.clone()));
        classes.collect()
    }

    /// The same, of templates that take theirs.
    pub(super) fn taken(&self, expansion: &Expansion) -> BTreeMap<String, String> {
        let taken = |template: &String| {
            class_in(expansion, template).is_some_and(|injection| injection.source == Source::Claims)
        };
        self.classes().into_iter().filter(|(template, _)| taken(template)).collect()
    }
}

impl Engine {
    /// One line for each template whose claims to come are of another size than one that is there. One for each
    /// whose claims to come share a class with one that is there, and not the one that they would have without
    /// it, or do not share it.
    pub(super) fn said_of_claims(
        &self,
        change: Change,
        settings: &Settings,
        expansion: &Expansion,
        left: &Left,
    ) -> Vec<String> {
        let mut lines: Vec<String> = size::said(change, settings, expansion, left).collect();
        lines.extend(class_of_namespace(change, expansion).filter(|_| left.is_pinned()));
        if left.templates.is_empty() {
            return lines;
        }
        let defaults = Defaults { claims: BTreeMap::new(), ..settings.defaults.clone() };
        let without = (self.expand)(change.after, &settings.clone().with_defaults(defaults));
        lines.extend(left.templates.iter().filter_map(|(template, claims)| {
            if settings.defaults.claims.contains_key(template) {
                let told = claims.shared(class_in(&without, template), change.namespace)?;
                let key = Said::class(template).key(template, change.after, settings);
                Some(line(&format!("{told}; for another one write {key}")))
            } else {
                let (class, by) = Said::class(template).asked(expansion, change.after)?;
                claims.left_alone(class, &by)
            }
        }));
        lines
    }
}

impl Volumes {
    /// What is to be said of a class that further claims share with the first, where that is not what they
    /// would get without it, or not the one of all that are there.
    fn shared(&self, without: Option<&Injection>, namespace: &str) -> Option<String> {
        let (first, class) = &self.first;
        let without = without.filter(|injection| injection.value != class.as_str());
        if self.other.is_none() && without.is_none() && !class.is_empty() {
            return None;
        }
        let class = names::class_shown(class);
        let mut told = format!("claim {first} is of storage class {class}");
        if let Some((claim, class)) = &self.other {
            told = format!("{told} and {claim} of {}", names::class_shown(class));
        }
        told = format!("{told}: further ones get {class}");
        if self.first.1.is_empty() {
            told.push_str(" and wait for volumes made by hand");
        }
        if let Some(injection) = without {
            let by = match &injection.source {
                Source::Namespace { .. } => format!("Namespace {namespace}"),
                source => source.to_string(),
            };
            told = format!("{told}, not {} as {by} says", text(&injection.value));
        }
        Some(told)
    }

    /// The warning of another class that the set's own manifest names.
    fn left_alone(&self, class: &str, by: &str) -> Option<String> {
        let (first, theirs) = &self.first;
        let (class, shown) = (names::class_shown(class), names::class_shown(theirs));
        (class != shown).then(|| {
            line(&format!(
                "claim {first} keeps its storage class {shown}; further ones get {class}, as {by} says: for {shown} \
                 leave that out"
            ))
        })
    }
}

/// What the user may write of a claim template.
struct Said {
    /// Where it stands in the template.
    path: Path,
    /// The annotation that says it of the data volume, without the prefix.
    of_data: &'static str,
    /// What says it in the annotation of another volume.
    of_volume: &'static str,
}

impl Said {
    fn class(template: &str) -> Self {
        Self { path: class_path(template), of_data: "storage-class", of_volume: "class=" }
    }

    fn size(template: &str) -> Self {
        Self { path: size_path(template), of_data: "storage", of_volume: "the size" }
    }

    /// What is asked for, and by whom.
    fn asked<'v>(&self, expansion: &'v Expansion, sent: &'v Value) -> Option<(&'v str, String)> {
        let given = expansion.injections.iter().find(|injection| injection.path == self.path);
        let value = given.map(|injection| &injection.value).or(self.path.lookup(sent))?.as_str()?;
        let by = given.map_or_else(|| self.path.to_string(), |injection| injection.source.to_string());
        Some((value, by))
    }

    /// Where the user writes it, for people.
    fn key(&self, template: &str, sent: &Value, settings: &Settings) -> String {
        let written = claim_path(template).lookup(sent).is_some();
        let data = settings.variant.data.claim.as_deref().unwrap_or("data");
        match template {
            _ if written => self.path.to_string(),
            name if settings.intent.volumes.contains_key(name) => {
                format!("{} in {}volume.{name} on the set", self.of_volume, names::PREFIX)
            }
            name if name == data => format!("{}{} on the set", names::PREFIX, self.of_data),
            _ => self.path.to_string(),
        }
    }
}

/// The storage class that an expansion gives to a claim template.
fn class_in<'e>(expansion: &'e Expansion, template: &str) -> Option<&'e Injection> {
    let path = class_path(template);
    expansion.injections.iter().find(|injection| injection.path == path)
}

/// The warning of a class that the namespace gives beside claims that are there and name none, so that nobody
/// here knows which one they have.
fn class_of_namespace(change: Change, expansion: &Expansion) -> Option<String> {
    let given = expansion.injections.iter().find(|injection| {
        matches!(injection.source, Source::Namespace { .. })
            && injection.path.last_field() == Some("storageClassName")
    })?;
    let (name, class) = (text(&change.after["metadata"]["name"]), text(&given.value));
    Some(line(&format!(
        "claims of {name} are there and keep their storage class; those to come get {class}, as Namespace {} says: for \
         another one give the set {}storage-class",
        change.namespace,
        names::PREFIX
    )))
}

#[cfg(test)]
mod tests;
