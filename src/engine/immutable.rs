//! Fields that may not change once a StatefulSet exists: put back where a request lacks them,
//! refused by name where it changes them.
//!
//! The API server's own refusal names no field, and comes before validating webhooks.

use serde_json::{Value, json};

use crate::catalogue::offers::leaves;
use crate::edit;
use crate::expand::is_api_default;
use crate::fault::{Fault, Reason};
use crate::hash::canonical;
use crate::path::{Path, Step};
use crate::record::Record;
use crate::settings::text;

/// Puts back into `after` what it lacks of `before`, byte for byte: a PUT of the ten lines brings
/// none of it, and a client that replaces the list of claim templates brings only its own.
pub(super) fn restore(before: &Value, after: &mut Value, record: &Record, keep: &[String]) {
    for field in ["selector", "serviceName", "podManagementPolicy"] {
        let path = Path::fields(&["spec"]).field(field);
        let kept = keep.iter().any(|kept| kept == field);
        let lacks = match path.lookup(after) {
            None => true,
            Some(value) => !kept && is_api_default(&path, value),
        };
        if let (true, Some(value)) = (lacks, path.lookup(before)) {
            edit::set(after, &path, value.clone());
        }
    }
    let old = claims(before);
    if old.is_empty() || old == claims(after) {
        return;
    }
    let new = restored_claims(&old, &claims(after), record);
    let same = new.len() == old.len() && old.iter().zip(&new).all(|(old, new)| same_claim(old, new));
    let list = Value::Array(if same { old } else { new });
    edit::set(after, &Path::fields(&["spec", "volumeClaimTemplates"]), list);
}

fn claims(object: &Value) -> Vec<Value> {
    object["spec"]["volumeClaimTemplates"].as_array().cloned().unwrap_or_default()
}

/// The request's claim templates with ours put back, in the old order, new ones last.
fn restored_claims(old: &[Value], new: &[Value], record: &Record) -> Vec<Value> {
    if new.is_empty() {
        return old.to_vec();
    }
    let list = Path::fields(&["spec", "volumeClaimTemplates"]);
    let name = |claim: &Value| text(&claim["metadata"]["name"]).to_owned();
    let mut claims = Vec::new();
    for claim in old {
        let item = list.named(name(claim));
        match new.iter().find(|other| name(other) == name(claim)) {
            Some(sent) => claims.push(completed(claim, sent, &item, record)),
            None if record.created.contains(&item) => claims.push(claim.clone()),
            None => {}
        }
    }
    let added = new.iter().filter(|claim| !old.iter().any(|other| name(other) == name(claim)));
    claims.extend(added.cloned());
    claims
}

/// A claim template as it was sent, with the leaves of ours that it lacks.
fn completed(old: &Value, sent: &Value, item: &Path, record: &Record) -> Value {
    let mut claim = sent.clone();
    for leaf in record.leaves.iter().filter(|leaf| leaf.path.starts_with(item)) {
        let within = Path::of(&leaf.path.0[item.0.len()..]);
        if let (None, Some(value)) = (within.lookup(&claim), within.lookup(old)) {
            edit::set(&mut claim, &within, value.clone());
        }
    }
    claim
}

/// Whether two claim templates are one, what the API server fills in left aside.
fn same_claim(a: &Value, b: &Value) -> bool {
    let plain = |claim: &Value| {
        let mut claim = claim.clone();
        if let Some(map) = claim.as_object_mut() {
            for field in ["apiVersion", "kind", "status"] {
                map.remove(field);
            }
        }
        edit::remove(&mut claim, &Path::fields(&["metadata", "creationTimestamp"]));
        if claim["spec"]["volumeMode"].is_null() {
            edit::set(&mut claim, &Path::fields(&["spec", "volumeMode"]), json!("Filesystem"));
        }
        canonical(&claim)
    };
    a == b || plain(a) == plain(b)
}

/// The edits of immutable fields that are left once [`restore`] has run.
#[must_use]
pub(super) fn edits(before: &Value, after: &Value) -> Vec<Fault> {
    let name = text(&after["metadata"]["name"]);
    let mut faults = Vec::new();
    for field in ["selector", "serviceName", "podManagementPolicy"] {
        let path = Path::fields(&["spec"]).field(field);
        let (old, new) = (path.lookup(before), path.lookup(after));
        if old.map(canonical) != new.map(canonical) {
            faults.push(edit_of(&path.to_string(), old, new, &recreate(name)));
        }
    }
    faults.extend(claim_edits(before, after, name));
    faults
}

fn claim_edits(before: &Value, after: &Value, name: &str) -> Vec<Fault> {
    let (old, new) = (claims(before), claims(after));
    if old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| same_claim(old, new)) {
        return Vec::new();
    }
    let list = Path::fields(&["spec", "volumeClaimTemplates"]);
    let old_leaves = leaves(&list, &Value::Array(old));
    let new_leaves = leaves(&list, &Value::Array(new));
    let find = |leaves: &[(Path, Value)], path: &Path| {
        leaves.iter().find(|(other, _)| other == path).map(|(_, value)| value.clone())
    };
    let mut faults = Vec::new();
    let added = new_leaves.iter().filter(|(path, _)| find(&old_leaves, path).is_none());
    for (path, _) in old_leaves.iter().chain(added) {
        let (old, new) = (find(&old_leaves, path), find(&new_leaves, path));
        let filled_in = matches!(path.last_field(), Some("apiVersion" | "kind" | "phase" | "volumeMode"));
        if old != new && !(filled_in && (old.is_none() || new.is_none())) {
            let steps = match (path.last_field(), &old, &new) {
                (Some("storage"), Some(_), Some(Value::String(size))) => grow(name, claim_name(path), size),
                _ => recreate(name),
            };
            faults.push(edit_of(&path.to_string(), old.as_ref(), new.as_ref(), &steps));
        }
    }
    if faults.is_empty() {
        faults.push(Fault::new(
            Reason::Immutable,
            "spec.volumeClaimTemplates",
            "the order of claim templates cannot change",
            "put the old order back",
        ));
    }
    faults
}

fn edit_of(field: &str, old: Option<&Value>, new: Option<&Value>, steps: &str) -> Fault {
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), canonical);
    let problem = format!("cannot change from {} to {} once the set exists", shown(old), shown(new));
    Fault::new(Reason::Immutable, field, problem, steps)
}

fn claim_name(path: &Path) -> &str {
    match path.0.get(2) {
        Some(Step::Item(key)) => key.first().unwrap_or("data"),
        _ => "data",
    }
}

/// The steps that change an immutable field and keep pods and claims.
fn recreate(name: &str) -> String {
    format!(
        "put the old value back, or: 1. kubectl delete statefulset {name} --cascade=orphan (pods and \
         claims stay) 2. apply the new manifest"
    )
}

/// The steps that grow the claims of a set.
#[must_use]
pub(super) fn grow(name: &str, claim: &str, size: &str) -> String {
    format!(
        "put the old size back, or, to grow: 1. kubectl patch pvc {claim}-{name}-0 --type=merge -p \
         '{{\"spec\":{{\"resources\":{{\"requests\":{{\"storage\":\"{size}\"}}}}}}}}' and so for each claim 2. kubectl \
         delete statefulset {name} --cascade=orphan (pods and claims stay) 3. apply the manifest with \
         the new size"
    )
}
