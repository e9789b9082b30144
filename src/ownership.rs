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
use crate::path::{Path, Step};
use crate::record::{Leaf, Record, key_json};

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
pub struct Named<'a> {
    managers: Vec<&'a Value>,
    /// The manifest that client-side apply sent last; null if there is none.
    pub last_applied: Arc<Value>,
}

impl<'a> Named<'a> {
    /// Reads the managers and the last applied manifest of `object`.
    ///
    /// A manifest that holds the record itself is no such word: it is an export of an expanded
    /// object, which `kubectl create` and `kubectl replace` note as last applied when they send it
    /// back, and nobody wrote the fields in it.
    #[must_use]
    pub fn of(object: &'a Value) -> Self {
        let last_applied = Arc::new(last_applied(object).unwrap_or_default());
        Self { managers: not_exported(object), last_applied }
    }

    /// [`Self::of`] both versions of an object.
    #[must_use]
    pub fn of_both(old: &'a Value, new: &'a Value) -> (Self, Self) {
        let before = Self::of(old);
        let text = |object: &'a Value| &object["metadata"]["annotations"][names::LAST_APPLIED];
        if text(old) == text(new) {
            let after = Self { managers: not_exported(new), last_applied: Arc::clone(&before.last_applied) };
            return (before, after);
        }
        (before, Self::of(new))
    }

    /// Whether the user names this field. In the last applied manifest the value shows, so one that
    /// counts as unset (an API default) does not; managedFields hold no values.
    #[must_use]
    pub fn names(&self, leaf: &Leaf) -> bool {
        let applied = leaf.path.lookup(&self.last_applied);
        applied.is_some_and(|value| !is_api_default(&leaf.path, value))
            || (!leaf.over_default && self.managed(&leaf.path))
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
        let mut key = String::new();
        self.managers.iter().any(|fields| {
            let mut here = *fields;
            path.0.iter().all(|step| {
                key.clear();
                match step {
                    Step::Field(name) => key.extend(["f:", name]),
                    Step::Item(item) => key.extend(["k:", &key_json(item)]),
                }
                here.get(&key).map(|next| here = next).is_some()
            })
        })
    }
}

/// What managers name who do not name the record itself.
fn not_exported(object: &Value) -> Vec<&Value> {
    let exported = |fields: &&Value| !fields["f:metadata"]["f:annotations"][RECORD_FIELD].is_null();
    managers(object).filter(|fields| !exported(fields)).collect()
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
    /// The recorded leaves that are ours and present, by path.
    pub ours: HashSet<Path>,
}

/// Takes `oldObject` apart.
#[must_use]
pub fn before(object: &Value, record: &Record, named: &Named) -> Parts {
    let mine = |leaf: &Leaf| {
        leaf.path.lookup(object).is_some_and(|value| hash::leaf(value) == leaf.hash) && !named.names(leaf)
    };
    split(object, record, named, mine)
}

/// Takes the new object apart.
#[must_use]
pub fn after(object: &Value, old: &Value, record: &Record, named: &Named) -> Parts {
    let mine = |leaf: &Leaf| {
        let value = leaf.path.lookup(object);
        value.is_some()
            && value == leaf.path.lookup(old)
            && value.is_some_and(|value| hash::leaf(value) == leaf.hash)
            && !named.names(leaf)
    };
    split(object, record, named, mine)
}

fn split(object: &Value, record: &Record, named: &Named, mine: impl Fn(&Leaf) -> bool) -> Parts {
    let mut user = written(object);
    let mut ours = HashSet::with_capacity(record.leaves.len());
    for leaf in &record.leaves {
        if mine(leaf) {
            edit::remove(&mut user, &leaf.path);
            ours.insert(leaf.path.clone());
        }
    }
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
