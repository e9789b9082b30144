//! Undo: a request that brings back a pod template which the set had before.

use serde_json::Value;

use super::{Admitted, Decision, Engine, EngineError, finish};
use crate::hash;
use crate::record::{Leaf, Record};

impl Engine {
    /// The template is taken as it is.
    pub(super) fn undone(&self, sent: &Value, record: &Record) -> Result<Decision, EngineError> {
        let mut result = sent.clone();
        super::write_record(&mut result, &record.to_text());
        let (injections, withheld) = self.held(&result, record);
        let warning = "taken as a rollback: the earlier pod template is used as it was".to_owned();
        let admitted = Admitted {
            pin: record.pin.to_string(),
            injections,
            withheld,
            result,
            warnings: vec![warning],
            ..Admitted::default()
        };
        finish(sent, admitted)
    }
}

/// The record after an undo, if this request is one: nothing but the template differs, and it is
/// one that the set had. Leaves of ours that it lacks are ours no longer; those that it has with
/// an earlier value are ours with that value, so that annotations go on meaning what they say.
///
/// A replace with a bare manifest may bring a template that was there before us, but it also
/// brings other metadata: it is no undo.
pub(super) fn record_of(before: &Value, sent: &Value, record: &Record) -> Option<Record> {
    let template = &sent["spec"]["template"];
    if *template == before["spec"]["template"] || !record.templates.contains(&hash::template(template)) {
        return None;
    }
    if !same_rest(before, sent) {
        return None;
    }
    let mut record = record.clone();
    record.leaves = std::mem::take(&mut record.leaves)
        .into_iter()
        .filter_map(|leaf| {
            let hash = hash::leaf(leaf.path.lookup(sent)?);
            Some(Leaf { hash, ..leaf })
        })
        .collect();
    record.created.retain(|path| path.lookup(sent).is_some());
    record.remember(&before["spec"]["template"], &sent["spec"]["revisionHistoryLimit"]);
    Some(record)
}

/// Whether two objects are the same, but for the template and what the API server writes by itself.
fn same_rest(before: &Value, sent: &Value) -> bool {
    let same = |at: Option<&str>, but: &[&str]| {
        let (old, new) = at.map_or((Some(before), Some(sent)), |at| (before.get(at), sent.get(at)));
        match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => hash::same_fields(old, new, but),
            (old, new) => old == new,
        }
    };
    same(None, &["metadata", "spec", "status"])
        && same(Some("metadata"), &["generation", "managedFields", "resourceVersion"])
        && same(Some("spec"), &["template"])
}
