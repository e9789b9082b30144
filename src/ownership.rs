//! Whose is a leaf: the user's or ours.
//!
//! The user's, if the request changes it, if it was edited while we were away, or if an Apply
//! manager or last-applied names it; else ours, if the record has it; else the user's.

use foldhash::{HashSet, HashSetExt};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::edit;
use crate::expand::is_api_default;
use crate::hash;
use crate::names;
use crate::path::{Path, Step, lookup_all};
use crate::record::{Leaf, Record, read_key};

/// The record's annotation as managedFields writes it.
const RECORD_FIELD: &str = "f:stateward.dev/expansion";

/// What the entries of server-side apply in the managedFields of `object` name, each as a tree.
pub fn managers(object: &Value) -> impl Iterator<Item = &Value> {
    let applies = |entry: &&Value| entry["operation"] == "Apply" && entry.get("subresource").is_none();
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.filter(applies).map(|entry| &entry["fieldsV1"])
}

/// The fields that a user names in so many words, by server-side or client-side apply.
#[derive(Debug, Clone)]
pub struct Named {
    /// What Apply managers have, each map and item on the way as well.
    managed: Arc<HashSet<Path>>,
    /// The manifest that client-side apply sent last; null if there is none.
    pub last_applied: Arc<Value>,
}

impl Named {
    /// Reads the managers and the last applied manifest of `object`.
    ///
    /// A manifest that holds the record itself is no such word: it is an export of an expanded
    /// object, which `kubectl create` and `kubectl replace` note as last applied when they send it
    /// back, and nobody wrote the fields in it.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let last_applied = Arc::new(last_applied(object).unwrap_or_default());
        Self { managed: Arc::new(managed(object)), last_applied }
    }

    /// [`Self::of`] both versions of an object.
    #[must_use]
    pub fn of_both(old: &Value, new: &Value) -> (Self, Self) {
        let before = Self::of(old);
        let mut after = before.clone();
        let text = |object: &'_ Value| object["metadata"]["annotations"].get(names::LAST_APPLIED).cloned();
        if text(old) != text(new) {
            after.last_applied = Arc::new(last_applied(new).unwrap_or_default());
        }
        if !managers(old).eq(managers(new)) {
            after.managed = Arc::new(managed(new));
        }
        (before, after)
    }

    /// Of the recorded leaves, which the user names. In the last applied manifest the value shows,
    /// so one that counts as unset (an API default) does not; managedFields hold no values.
    fn names(&self, leaves: &[Leaf], paths: &[&Path]) -> Vec<bool> {
        let applied = lookup_all(&self.last_applied, paths);
        let says = |(leaf, applied): (&Leaf, Option<&Value>)| {
            applied.is_some_and(|value| !is_api_default(&leaf.path, value))
                || (!leaf.over_default && self.managed(&leaf.path))
        };
        leaves.iter().zip(applied).map(says).collect()
    }

    /// Whether the user names this map or item.
    #[must_use]
    pub fn names_struct(&self, path: &Path) -> bool {
        path.lookup(&self.last_applied).is_some() || self.managed(path)
    }

    /// Whether an Apply manager has this field. Of a list that is atomic to the API server, a
    /// manager has all or nothing, which says nothing of one item.
    #[must_use]
    pub fn managed(&self, path: &Path) -> bool {
        self.managed.contains(path)
    }
}

/// The fields of the managers who do not name the record itself.
fn managed(object: &Value) -> HashSet<Path> {
    let exported = |fields: &&Value| !fields["f:metadata"]["f:annotations"][RECORD_FIELD].is_null();
    let mut found = HashSet::new();
    for fields in managers(object).filter(|fields| !exported(fields)) {
        collect(fields, &mut Vec::new(), &mut found);
    }
    found
}

fn collect(fields: &Value, path: &mut Vec<Step>, found: &mut HashSet<Path>) {
    for (name, below) in fields.as_object().into_iter().flatten() {
        let step = match name.strip_prefix("f:") {
            Some(field) => Some(Step::named(field)),
            None => name.strip_prefix("k:").and_then(read_key).map(Step::Item),
        };
        if let Some(step) = step {
            path.push(step);
            found.insert(Path::of(path));
            collect(below, path, found);
            path.pop();
        }
    }
}

/// The manifest that client-side apply sent last, unless it is an export: an object with our record
/// in it, or with what only the API server writes.
fn last_applied(object: &Value) -> Option<Value> {
    let text = object["metadata"]["annotations"][names::LAST_APPLIED].as_str()?;
    let manifest: Value = serde_json::from_str(text).ok()?;
    let metadata = &manifest["metadata"];
    let written =
        ["uid", "resourceVersion", "creationTimestamp"].iter().all(|field| metadata[field].is_null());
    (written && metadata["annotations"][names::RECORD].is_null()).then_some(manifest)
}

/// An object taken apart: the user's fields, and which recorded leaves are ours.
#[derive(Debug)]
pub struct Parts {
    /// What of the object people write (names, labels, annotations, spec), without what is ours.
    pub user: Value,
    /// Of each recorded leaf, whether it is there and ours.
    pub ours: Vec<bool>,
}

/// Takes `oldObject` apart.
#[must_use]
pub fn before(object: &Value, record: &Record, named: &Named) -> Parts {
    split(object, None, record, named)
}

/// Takes the new object apart.
#[must_use]
pub fn after(object: &Value, old: &Value, record: &Record, named: &Named) -> Parts {
    split(object, Some(old), record, named)
}

fn split(object: &Value, old: Option<&Value>, record: &Record, named: &Named) -> Parts {
    let paths: Vec<&Path> = record.leaves.iter().map(|leaf| &leaf.path).collect();
    let values = lookup_all(object, &paths);
    let earlier = old.map(|old| lookup_all(old, &paths));
    let names = named.names(&record.leaves, &paths);
    let mine = |at: usize| {
        values[at].is_some_and(|value| {
            !names[at]
                && earlier.as_ref().is_none_or(|earlier| earlier[at] == Some(value))
                && hash::leaf(value) == record.leaves[at].hash
        })
    };
    let ours: Vec<bool> = (0..paths.len()).map(mine).collect();
    let taken: Vec<&Path> = paths.into_iter().zip(&ours).filter(|(_, ours)| **ours).map(|(p, _)| p).collect();
    let mut user = written(object);
    edit::remove_all(&mut user, &taken);
    let created = record.created.iter().filter(|path| !named.names_struct(path)).cloned().collect();
    edit::prune(&mut user, created);
    Parts { user, ours }
}

/// What of an object people write: the rest is the API server's, and our record.
fn written(object: &Value) -> Value {
    let fields = ["name", "namespace", "labels", "annotations"];
    let metadata = fields.into_iter().filter_map(|field| {
        let value = object["metadata"].get(field)?;
        Some((field.to_owned(), value.clone()))
    });
    let mut metadata: Map<String, Value> = metadata.collect();
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.remove(names::RECORD);
        annotations.remove(names::LAST_APPLIED);
    }
    let fields = [("metadata", Value::Object(metadata)), ("spec", object["spec"].clone())];
    fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect()
}
