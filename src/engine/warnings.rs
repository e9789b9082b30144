//! What a change does that the person who applies it may not expect: one line each.

use std::collections::HashSet;

use serde_json::Value;

use crate::expand::Family;
use crate::hash::same;
use crate::names;
use crate::path::Path;
use crate::settings::{replicas, text};

/// The API server cuts a warning at 256 bytes and drops one that holds a newline (measured on
/// 1.36.2).
const LIMIT: usize = 240;

/// `text` as one warning: one line, cut to fit.
#[must_use]
pub(crate) fn line(text: &str) -> String {
    let mut line = text.replace(['\n', '\r'], " ");
    if line.len() > LIMIT {
        let end = (0..=LIMIT - 3).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}

/// The labels and annotations of ours that the request adds, changes or takes away.
#[must_use]
pub(super) fn changed_keys(before: &Value, after: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    for part in ["labels", "annotations"] {
        let (old, new) = (&before["metadata"][part], &after["metadata"][part]);
        let both = [old, new].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys());
        for key in both {
            let ours = key.starts_with(names::PREFIX) && key != names::RECORD;
            if ours && old[key] != new[key] && !keys.contains(key) {
                keys.push(key.clone());
            }
        }
    }
    keys
}

/// The warning of a change that restarts pods: how many, and what of the template changes.
#[must_use]
pub(super) fn restart(before: &Value, result: &Value) -> Option<String> {
    let replicas = replicas(result);
    let changed = changed(&before["spec"]["template"], &result["spec"]["template"]);
    let pods = if replicas == 1 { "1 pod".to_owned() } else { format!("{replicas} pods") };
    match text(&result["spec"]["updateStrategy"]["type"]) {
        _ if replicas == 0 => None,
        "OnDelete" => Some(line(&format!("{pods} will change when you delete them ({changed})"))),
        _ => Some(line(&format!("this change restarts {pods} ({changed})"))),
    }
}

/// The fields of the template that differ, in few words: `image`, `proxy.image` where there are
/// several containers, `container proxy` where one comes or goes.
fn changed(before: &Value, after: &Value) -> String {
    let mut words = Vec::new();
    for part in ["metadata", "spec"] {
        for field in differing(&before[part], &after[part]) {
            if part == "spec" && field.ends_with("ontainers") {
                changed_containers(&before[part][field], &after[part][field], &mut words);
            } else {
                words.push(field.to_owned());
            }
        }
    }
    let mut seen = HashSet::new();
    words.retain(|word| seen.insert(word.clone()));
    if words.is_empty() { "the order of containers".to_owned() } else { words.join(", ") }
}

fn changed_containers(before: &Value, after: &Value, words: &mut Vec<String>) {
    let find = |list: &'_ [Value], name: &Value| list.iter().position(|container| container["name"] == *name);
    let (old, new) = (items(before), items(after));
    for container in new {
        let name = text(&container["name"]);
        match find(old, &container["name"]) {
            None => words.push(format!("container {name}")),
            Some(at) => words.extend(
                differing(&old[at], container)
                    .into_iter()
                    .map(|field| if new.len() > 1 { format!("{name}.{field}") } else { field.to_owned() }),
            ),
        }
    }
    let gone = old.iter().filter(|container| find(new, &container["name"]).is_none());
    words.extend(gone.map(|container| format!("container {}", text(&container["name"]))));
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// The fields of two maps whose values differ, those of the new one first.
fn differing<'v>(before: &'v Value, after: &'v Value) -> Vec<&'v str> {
    let fields = |map: &'v Value| map.as_object().into_iter().flat_map(|map| map.keys());
    let gone = fields(before).filter(|field| after.get(field).is_none());
    let all = fields(after).chain(gone);
    all.filter(|field| !same(&before[field], &after[field])).map(String::as_str).collect()
}

/// The warning that a request lacks fields of ours, which stay.
#[must_use]
pub(super) fn kept(restored: &[Path]) -> Option<String> {
    if restored.is_empty() {
        return None;
    }
    let mut families: Vec<Family> = restored.iter().map(Family::of).collect();
    families.sort_unstable();
    families.dedup();
    let words: Vec<&str> = families.iter().map(|family| family.as_str()).collect();
    let count = restored.len();
    Some(line(&format!(
        "kept {count} injected fields that this manifest lacks ({}); annotations change them \
         (readiness-probe: none, …), see stateward explain",
        words.join(", ")
    )))
}
