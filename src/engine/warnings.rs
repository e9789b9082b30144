//! What a change does that the person who applies it may not expect: one line each.

use serde_json::Value;

use super::short;
use crate::catalogue::offers::leaves;
use crate::expand::Family;
use crate::hash::canonical;
use crate::names;
use crate::path::{Path, Step};
use crate::settings::{Settings, text};

/// The annotation whose Secret the companion controller will make.
const GENERATE_SECRET: &str = "stateward.dev/generate-secret";
/// The API server cuts a warning at 256 bytes and drops one that holds a newline (measured on
/// 1.36.2).
const LIMIT: usize = 240;

/// `text` as one warning: one line, cut to fit.
#[must_use]
pub(super) fn line(text: &str) -> String {
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
    let replicas = result["spec"]["replicas"].as_u64().unwrap_or(1);
    let template = Path::fields(&["spec", "template"]);
    let changed = changed(&template, &before["spec"]["template"], &result["spec"]["template"]);
    let pods = if replicas == 1 { "1 pod".to_owned() } else { format!("{replicas} pods") };
    match text(&result["spec"]["updateStrategy"]["type"]) {
        _ if replicas == 0 => None,
        "OnDelete" => Some(line(&format!("{pods} will change when you delete them ({changed})"))),
        _ => Some(line(&format!("this change restarts {pods} ({changed})"))),
    }
}

/// The fields of the template that differ, in few words.
fn changed(at: &Path, before: &Value, after: &Value) -> String {
    let (old, new) = (leaves(at, before), leaves(at, after));
    let find = |leaves: &[(Path, Value)], path: &Path| {
        leaves.iter().find(|(other, _)| other == path).map(|(_, value)| canonical(value))
    };
    let mut words: Vec<String> = Vec::new();
    for (path, _) in new.iter().chain(&old) {
        if find(&old, path) != find(&new, path) {
            let word = part(path, before, after);
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
    if words.is_empty() { "the order of list items".to_owned() } else { words.join(", ") }
}

/// The field of the pod or of a container that `path` lies in: `image`, `proxy.image` where there
/// are several containers, `container proxy` where it comes or goes.
fn part(path: &Path, before: &Value, after: &Value) -> String {
    let field = |depth: usize| match path.0.get(depth).or(path.0.last()) {
        Some(Step::Field(field)) => field.to_string(),
        _ => short(path),
    };
    let (Some(Step::Field(list)), Some(Step::Item(key))) = (path.0.get(3), path.0.get(4)) else {
        return field(3);
    };
    if !list.ends_with("ontainers") {
        return field(3);
    }
    let names = |template: &Value| {
        let items = template["spec"][list.as_ref()].as_array();
        items.into_iter().flatten().map(|c| text(&c["name"]).to_owned()).collect::<Vec<_>>()
    };
    let (old, new) = (names(before), names(after));
    let name = key.first().unwrap_or_default();
    let has = |names: &[String]| names.iter().any(|other| other == name);
    match () {
        () if !has(&old) || !has(&new) => format!("container {name}"),
        () if new.len() > 1 => format!("{name}.{}", field(5)),
        () => field(5),
    }
}

/// What a set asks for that it will not get by this alone: a cluster of several replicas, a Secret.
/// Said when it is new.
#[must_use]
pub(super) fn unfulfilled(before: Option<&Value>, after: &Value, settings: &Settings) -> Vec<String> {
    let replicas = |object: &Value| object["spec"]["replicas"].as_u64().unwrap_or(1);
    let mut lines = Vec::new();
    if let Some(single) = &settings.profile.single
        && replicas(after) > before.map_or(1, replicas).max(1)
    {
        lines.push(line(&format!("{} replicas of {} are {single}", replicas(after), settings.profile.name)));
    }
    let secret = |object: &Value| !object["metadata"]["annotations"][GENERATE_SECRET].is_null();
    if secret(after) && !before.is_some_and(secret) {
        let keys = settings.intent.generate_secret.join(", ");
        lines.push(line(&format!(
            "nothing makes Secret {}-generated yet: create it with {keys}, or the pods will wait for it",
            settings.name
        )));
    }
    lines
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
