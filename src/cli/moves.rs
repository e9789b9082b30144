//! What the move of a set to another revision of its profile would change: asked of the engine as the
//! webhook would be asked.

mod beside;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::behind::Sizes;
use super::world::World;
use crate::catalogue::Catalogue;
use crate::engine::{Change, Decision, Engine, EngineError, Facts};
use crate::names;
use crate::path::Path;
use crate::record::{Read, Record};
use crate::settings::{self, Defaults, Pin, text};

/// Characters of a value that are shown to people.
const SHOWN: usize = 60;

/// One set and what would become of it.
#[derive(Debug, Clone, Default)]
pub struct Move {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it is pinned to; empty where it was never expanded.
    pub from: String,
    /// What it would be pinned to; empty where it is refused.
    pub to: String,
    /// The fields that change.
    pub fields: Vec<Field>,
    /// What changes beside it.
    pub beside: Vec<String>,
    /// How many pods restart by themselves.
    pub restarts: u64,
    /// How many pods there are to be.
    pub replicas: u64,
    /// The size that the defaults of its namespace come to, where that is another now.
    pub sizes: Option<Sizes>,
    /// What is said of pods that do not restart by themselves.
    pub later: Option<String>,
    /// Each fault for which it would be refused.
    pub refused: Vec<String>,
    /// What the webhook would say.
    pub warnings: Vec<String>,
}

/// One field that changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Where.
    pub path: Path,
    /// What is there now, if it is ours.
    pub old: Option<Value>,
    /// What would be there.
    pub new: Option<Value>,
    /// What says so.
    pub source: String,
}

impl Move {
    /// What becomes of `set` if it carries `upgrade-to` with this wish.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn of(set: &Value, world: &World, engine: &Engine, wish: &str) -> Result<Self, EngineError> {
        let namespace = text(&set["metadata"]["namespace"]);
        // One that was stored while no webhook answered is no wish any more.
        let mut before = set.clone();
        if let Some(annotations) = before["metadata"]["annotations"].as_object_mut() {
            annotations.remove(names::UPGRADE_TO);
        }
        let mut after = before.clone();
        if after["metadata"]["annotations"].is_null() {
            after["metadata"]["annotations"] = json!({});
        }
        after["metadata"]["annotations"][names::UPGRADE_TO] = Value::from(wish);
        let pin = Record::pin_of(set);
        let facts = Known { world, pinned: pin.as_ref().map(|pin| &pin.defaults) };
        let mut moved = Self {
            namespace: namespace.to_owned(),
            name: text(&set["metadata"]["name"]).to_owned(),
            from: pin.as_ref().map(Pin::to_string).unwrap_or_default(),
            replicas: settings::replicas(set),
            ..Self::default()
        };
        match engine.admit(Change { namespace, before: Some(&before), after: &after }, &facts)? {
            Decision::Refused { faults, warnings } => {
                moved.refused = faults.iter().map(ToString::to_string).collect();
                moved.warnings = warnings;
            }
            Decision::Admitted(admitted) => {
                let source = |path: &Path| {
                    let found = admitted.injections.iter().find(|injection| injection.path == *path);
                    found.map(|injection| injection.source.to_string()).unwrap_or_default()
                };
                moved.fields = fields(&before, &admitted.result, source);
                moved.count(&before, &admitted.result);
                moved.beside =
                    beside::changes(&before, &admitted.result, &engine.catalogue, &world.labels(namespace));
                moved.sizes = sizes(pin, &admitted.result, &engine.catalogue);
                moved.to = admitted.pin;
                moved.warnings = admitted.warnings;
            }
            Decision::Ignored | Decision::Unchanged { .. } => {
                let deleted = !set["metadata"]["deletionTimestamp"].is_null();
                let why = if deleted { "it is being deleted" } else { "it is not managed" };
                moved.refused.push(why.to_owned());
            }
        }
        Ok(moved)
    }

    fn count(&mut self, before: &Value, after: &Value) {
        if before["spec"]["template"] == after["spec"]["template"] {
            return;
        }
        let strategy = &after["spec"]["updateStrategy"];
        let kept = strategy["rollingUpdate"]["partition"].as_u64().unwrap_or(0).min(self.replicas);
        if strategy["type"] == "OnDelete" {
            let change = if self.replicas == 1 { "changes when it is" } else { "change when they are" };
            let pods = pods(self.replicas);
            self.later = Some(format!("{pods} {change} deleted, since the strategy is OnDelete"));
        } else {
            self.restarts = self.replicas - kept;
            let first = if kept == 1 { "pod changes".to_owned() } else { format!("{kept} pods change") };
            self.later =
                (kept > 0).then(|| format!("the first {first} when the partition of {kept} is lowered"));
        }
    }

    /// Whether anything would be another.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.changes_objects() || self.is_behind()
    }

    /// Whether any field of it would be another, or what stands beside it.
    #[must_use]
    pub fn changes_objects(&self) -> bool {
        !self.fields.is_empty() || !self.beside.is_empty() || self.later.is_some() || self.restarts > 0
    }

    /// Whether it is pinned to another revision than it would be, or to other defaults of its namespace.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.to != self.from || self.sizes.is_some()
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let none = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
        json!({
            "namespace": self.namespace, "name": self.name, "from": none(&self.from), "to": none(&self.to),
            "fields": self.fields.iter().map(Field::json).collect::<Vec<_>>(), "beside": self.beside,
            "replicas": self.replicas, "restarts": self.restarts, "later": self.later,
            "refused": self.refused, "warnings": self.warnings,
            "namespaceDefaults": Sizes::json(self.sizes.as_ref()),
        })
    }

    /// For people: one line, and what changes below it.
    #[must_use]
    pub fn told(&self) -> String {
        let mut out = format!("StatefulSet {}/{}: {}\n", self.namespace, self.name, self.way());
        for field in &self.fields {
            _ = writeln!(out, "  {}", field.told());
        }
        for line in &self.beside {
            _ = writeln!(out, "  {line}");
        }
        if self.refused.is_empty() {
            let nothing =
                if self.is_behind() && !self.changes_objects() { "nothing in it changes; " } else { "" };
            _ = writeln!(out, "  {nothing}{}", self.pods());
        }
        for fault in &self.refused {
            _ = writeln!(out, "  refused: {fault}");
        }
        out
    }

    /// From where to where.
    #[must_use]
    pub fn way(&self) -> String {
        let from = if self.from.is_empty() { "no revision" } else { &self.from };
        let sizes = self.sizes.as_ref().map(|sizes| format!(", {}", sizes.words())).unwrap_or_default();
        match self.to.as_str() {
            "" => format!("stays at {from}"),
            to if to == from => format!("is at {to}{sizes}"),
            to => format!("{from} to {to}{sizes}"),
        }
    }

    /// What the pods do.
    #[must_use]
    pub fn pods(&self) -> String {
        let restart = (self.restarts > 0)
            .then(|| format!("{} restart{}", pods(self.restarts), if self.restarts == 1 { "s" } else { "" }));
        let said: Vec<String> = restart.into_iter().chain(self.later.clone()).collect();
        if said.is_empty() { "no pod restarts".to_owned() } else { said.join("; ") }
    }
}

impl Field {
    pub(super) fn json(&self) -> Value {
        json!({"path": self.path.to_string(), "old": self.old, "new": self.new, "source": self.source})
    }

    pub(super) fn told(&self) -> String {
        let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), shown);
        let source = if self.source.is_empty() { String::new() } else { format!("  ({})", self.source) };
        format!("{}: {} to {}{source}", self.path, shown(&self.old), shown(&self.new))
    }
}

/// What the sizes by namespace are before and after a move, which gives the set those of the revision that
/// it then has.
fn sizes(pin: Option<Pin>, result: &Value, catalogue: &Catalogue) -> Option<Sizes> {
    let (old, new) = (pin?, Record::pin_of(result)?);
    let today = new.defaults.clone();
    Sizes::of(result, &Pin { defaults: old.defaults, ..new }, &today, catalogue)
}

/// What a reader knows of a set's namespace: where it may not be read, it counts as the one that the set was
/// pinned in.
struct Known<'a> {
    world: &'a World,
    pinned: Option<&'a Defaults>,
}

impl Facts for Known<'_> {
    fn namespace_labels(&self, namespace: &str) -> BTreeMap<String, String> {
        self.world.labels(namespace)
    }

    fn namespace_annotations(&self, namespace: &str) -> BTreeMap<String, String> {
        match (self.world.defaults(namespace), self.pinned) {
            (None, Some(pinned)) => pinned.annotations(),
            _ => self.world.namespace_annotations(namespace),
        }
    }

    fn claim_pin(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

/// The fields of ours in which two objects differ. Values that somebody else wrote are not shown.
pub(super) fn fields(before: &Value, after: &Value, source: impl Fn(&Path) -> String) -> Vec<Field> {
    let (old, new) = (ours(before), ours(after));
    let gone = old.iter().filter(|path| !new.contains(path));
    let paths = new.iter().chain(gone);
    paths
        .filter_map(|path| {
            let value = |object: &Value| path.lookup(object).cloned();
            let is_ours = old.contains(path);
            let (was, is) = (value(before), value(after));
            (was != is).then(|| Field {
                path: path.clone(),
                old: was.filter(|_| is_ours),
                new: is,
                source: source(path),
            })
        })
        .collect()
}

fn ours(object: &Value) -> Vec<Path> {
    match Record::of(object) {
        Read::Known(record) => record.leaves.into_iter().map(|leaf| leaf.path).collect(),
        Read::Absent | Read::Newer => Vec::new(),
    }
}

/// A value in one line.
fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned).replace('\n', " ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None if text.is_empty() => "\"\"".to_owned(),
        None => text,
    }
}

/// So many pods, in words.
pub(super) fn pods(count: u64) -> String {
    if count == 1 { "1 pod".to_owned() } else { format!("{count} pods") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults;
    use crate::engine::Offline;

    /// A profile of one class of this memory.
    pub(crate) fn catalogue(memory: &str) -> Catalogue {
        let profile = format!(
            "{{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {{name: queue}}, spec: {{summary: a \
             queue, extends: default, match: {{images: [queue]}}, size: small, sizes: {{small: {{limits: {{memory: \
             {memory}}}}}}}}}}}"
        );
        Catalogue::built_in().unwrap().with([("queue.yaml", profile.as_str())]).unwrap()
    }

    fn set(engine: &Engine) -> Value {
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "q", "namespace": "shop", "labels": {"stateward.dev/managed": "true"},
                "annotations": {"stateward.dev/acknowledge": "separate-replicas"}},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [
                {"name": "queue", "image": "queue:1", "ports": [{"containerPort": 80}]}]}}},
        });
        defaults::apply(&mut set);
        let change = Change { namespace: "shop", before: None, after: &set };
        match engine.admit(change, &Offline).unwrap() {
            Decision::Admitted(admitted) => admitted.result,
            other => panic!("{other:?}"),
        }
    }

    fn both() -> (Engine, Value) {
        let set = set(&Engine::new(catalogue("64Mi")));
        let old = catalogue("64Mi");
        let profile = "{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {name: queue}, spec: \
            {summary: a queue, extends: default, match: {images: [queue]}, size: small, sizes: {small: {limits: \
            {memory: 128Mi}}}}}";
        (Engine::new(old.with([("queue.yaml", profile)]).unwrap()), set)
    }

    #[test]
    fn fields_and_restarts_are_told() {
        let (engine, set) = both();
        let moved = Move::of(&set, &World::default(), &engine, "latest").unwrap();
        insta::assert_snapshot!(moved.told());
        assert!(moved.changes());
    }

    #[test]
    fn pods_that_do_not_restart_by_themselves_are_told() {
        let (engine, mut set) = both();
        set["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = json!(2);
        let moved = Move::of(&set, &World::default(), &engine, "latest").unwrap();
        assert_eq!(
            moved.pods(),
            "1 pod restarts; the first 2 pods change when the partition of 2 is lowered"
        );
        set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        let moved = Move::of(&set, &World::default(), &engine, "latest").unwrap();
        assert_eq!(moved.pods(), "3 pods change when they are deleted, since the strategy is OnDelete");
        assert_eq!(moved.restarts, 0);
        // One pod is spoken of as one.
        set["spec"]["replicas"] = json!(1);
        let moved = Move::of(&set, &World::default(), &engine, "latest").unwrap();
        assert_eq!(moved.pods(), "1 pod changes when it is deleted, since the strategy is OnDelete");
        set["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
        let moved = Move::of(&set, &World::default(), &engine, "latest").unwrap();
        assert_eq!(moved.pods(), "the first pod changes when the partition of 1 is lowered");
    }

    #[test]
    fn a_revision_that_nobody_knows_is_refused() {
        let (engine, set) = both();
        let moved = Move::of(&set, &World::default(), &engine, "queue@0").unwrap();
        assert!(moved.refused[0].contains("nobody knows the revision queue@0"), "{:?}", moved.refused);
        assert_eq!(moved.to, "");
    }

    #[test]
    fn one_that_is_there_does_not_change() {
        let set = set(&Engine::new(catalogue("64Mi")));
        let moved = Move::of(&set, &World::default(), &Engine::new(catalogue("64Mi")), "latest").unwrap();
        assert!(!moved.changes(), "{}", moved.told());
    }

    /// Namespace shop, which gives sets this size.
    fn giving(size: &str) -> World {
        let annotations = json!({"stateward.dev/size": size, "stateward.dev/storage-class": size});
        let namespace = json!({"metadata": {"name": "shop", "annotations": annotations}});
        World::default().with("Namespace", vec![namespace])
    }

    fn redis(annotations: &Value, world: &World) -> (Engine, Value) {
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "r", "namespace": "shop", "labels": {"stateward.dev/managed": "true"},
                "annotations": annotations},
            "spec": {"template": {"spec": {"containers": [{"name": "redis", "image": "redis:8"}]}}},
        });
        defaults::apply(&mut set);
        let engine = Engine::built_in().unwrap();
        let change = Change { namespace: "shop", before: None, after: &set };
        let Decision::Admitted(admitted) = engine.admit(change, world).unwrap() else { panic!("refused") };
        (engine, admitted.result)
    }

    #[test]
    fn other_defaults_of_the_namespace_are_told_and_brought() {
        let (engine, set) = redis(&json!({}), &giving("large"));
        let moved = |world: &World| Move::of(&set, world, &engine, "latest").unwrap();
        let other = moved(&giving("medium"));
        assert!(other.changes_objects() && other.restarts == 1, "{}", other.told());
        let told = "is at redis@";
        assert!(other.way().starts_with(told), "{}", other.way());
        let sizes = "size medium in place of size large, as its namespace has it now";
        assert!(other.way().ends_with(sizes), "{}", other.way());
        assert_eq!(other.json()["namespaceDefaults"], json!({"size": {"then": "large", "now": "medium"}}));
        // The same, one that the profile has not, and where the namespace may not be read.
        assert!(!moved(&giving("large")).changes());
        assert!(moved(&giving("gigantic")).is_behind(), "the profile's own is another");
        assert!(!moved(&World::default()).changes());
    }

    #[test]
    fn a_set_of_a_size_of_its_own_is_not_behind_its_namespace() {
        let (engine, set) = redis(&json!({"stateward.dev/size": "large"}), &giving("small"));
        let moved = Move::of(&set, &giving("medium"), &engine, "latest").unwrap();
        assert!(!moved.is_behind() && !moved.changes(), "{}", moved.told());
    }
}
