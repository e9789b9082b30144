//! What cannot be read, in the words of who writes YAML and not in those of the reader's types.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::intent::nearest;
use crate::path::{ListKey, list_key};

/// As many values of a wrong type are told: each costs to read all of it once more.
pub(super) const MOST: usize = 20;

/// Reads as much of a value that stands at `at` as can be read, and tells of all that cannot: where it stands, what
/// is wrong with it and what to write instead. Of a value of which nothing is told all was read.
pub(in crate::catalogue) fn read_all<T: DeserializeOwned>(
    at: &str,
    mut value: Value,
) -> (Option<T>, Vec<String>) {
    let (mut wrong, mut taken) = (Vec::new(), Vec::<Vec<String>>::new());
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(read) => return (Some(read), wrong),
            Err(error) => error,
        };
        let (keys, told) = (keys(error.path()), error.inner().to_string());
        let meant: Vec<String> = keys.iter().cloned().chain(missing(&told).map(str::to_owned)).collect();
        // What was taken out is missed now, and told already.
        if !taken.iter().any(|taken| meant.starts_with(taken)) {
            wrong.push(behind_place(at, &said(error.path(), &told)));
        }
        match take_out(&mut value, &keys) {
            Some(all) if wrong.len() < MOST => taken.push(all.to_vec()),
            _ => return (None, wrong),
        }
    }
}

/// The way to what a reader stopped at.
fn keys(path: &Path) -> Vec<String> {
    let keys = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        _ => None,
    });
    keys.collect()
}

/// Takes out what cannot be read, a field with its name, or where it is gone already what is around it. Gives the
/// way to what was taken; `None` where nothing is left to take.
fn take_out<'k>(value: &mut Value, keys: &'k [String]) -> Option<&'k [String]> {
    let (last, around) = keys.split_last()?;
    let escaped = |key: &String| ["/", &key.replace('~', "~0").replace('/', "~1")].concat();
    let pointer = around.iter().map(escaped).collect::<Vec<_>>().concat();
    let is_taken = match value.pointer_mut(&pointer) {
        Some(Value::Object(map)) => map.remove(last).is_some(),
        // The others are to keep their places.
        Some(Value::Array(items)) => {
            let item = last.parse().ok().and_then(|at: usize| items.get_mut(at));
            item.is_some_and(|item| !item.take().is_null())
        }
        _ => false,
    };
    if is_taken { Some(keys) } else { take_out(value, around) }
}

/// What is said of a part of what stands at `at`.
fn behind_place(at: &str, said: &str) -> String {
    let between = if at.is_empty() || said.starts_with([':', '[']) { "" } else { "." };
    format!("{at}{between}{said}")
}

/// What a reader says of what stands at `path`, with the path in front.
pub(super) fn said(path: &Path, error: &str) -> String {
    let mut at = String::new();
    let mut last = "";
    for segment in path {
        match segment {
            Segment::Map { key } => {
                if !at.is_empty() {
                    at.push('.');
                }
                at.push_str(key);
                last = key;
            }
            Segment::Seq { index } => at.push_str(&format!("[{index}]")),
            _ => {}
        }
    }
    let list = if at.ends_with(']') { "" } else { last };
    let told = in_words(error, list);
    // What is missing is no part of the way there. An unknown field is, and the reader names it already.
    if let Some(field) = missing(error) {
        let between = if at.is_empty() { "" } else { "." };
        at = format!("{at}{between}{field}");
    }
    format!("{at}: {told}")
}

/// A message of `serde` for the field `name`: what is wrong, and what to write instead.
fn in_words(error: &str, name: &str) -> String {
    if let Some((given, expected)) =
        behind(error, "invalid type: ").or_else(|| behind(error, "invalid value: "))
    {
        return format!("is {}; write {}", given_as(given), wanted(expected, name));
    }
    if let Some(field) = missing(error) {
        return format!("is missing; write {field}: and its value");
    }
    if let Some((variant, expected)) = behind(error, "unknown variant ") {
        return format!(
            "{:?} is none of its values; write {}",
            unquoted(variant),
            words(expected).join(" or ")
        );
    }
    if let Some((field, expected)) = behind(error, "unknown field ") {
        let (field, known) = (unquoted(field), words(expected));
        return match nearest(field, known.iter().copied()) {
            Some(near) => format!("there is no field {field:?}; did you mean {near}?"),
            None => format!("there is no field {field:?}; write one of {}", known.join(", ")),
        };
    }
    error.to_owned()
}

/// The field that a message of `serde` misses.
fn missing(error: &str) -> Option<&str> {
    error.strip_prefix("missing field ").map(unquoted)
}

/// The two halves of `PREFIX a, expected b`.
fn behind<'e>(error: &'e str, prefix: &str) -> Option<(&'e str, &'e str)> {
    let rest = error.strip_prefix(prefix)?;
    rest.split_once(", expected ").or_else(|| rest.split_once(", there are no fields").map(|(a, _)| (a, "")))
}

fn unquoted(text: &str) -> &str {
    text.split('`').nth(1).unwrap_or(text)
}

/// The words between backquotes.
fn words(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn given_as(given: &str) -> String {
    let (kind, shown) = given.split_once(' ').unwrap_or((given, ""));
    match kind {
        "map" => "a map".to_owned(),
        "sequence" => "a list".to_owned(),
        "string" => format!("the text {shown}"),
        "integer" | "boolean" => unquoted(given).to_owned(),
        "floating" => format!("the number {}", unquoted(given)),
        "null" | "unit" => "null".to_owned(),
        _ => given.to_owned(),
    }
}

fn wanted(expected: &str, name: &str) -> String {
    let whole = |most: &str| format!("a whole number{most}");
    match expected {
        "a boolean" => "true or false".to_owned(),
        // That is how an enumeration is read.
        "a string" | "string or map" => "a text, in quotes where it looks like a number".to_owned(),
        "a sequence" => a_list(name),
        "a map" | "map" => "a map: name: value".to_owned(),
        "u16" => whole(" from 0 to 65535"),
        "u32" | "u64" => whole(", at least 0"),
        "i32" | "i64" => whole(""),
        "f64" => "a number".to_owned(),
        // The name of a type that has fields.
        other if other.starts_with("struct ") || other.starts_with(char::is_uppercase) => {
            "the fields of one, each as name: value".to_owned()
        }
        other => other.to_owned(),
    }
}

/// How the list in a field of this name begins.
fn a_list(name: &str) -> String {
    format!("a list: - {}", first_of(name))
}

/// How an item of such a list begins.
pub(super) fn first_of(list: &str) -> String {
    match list_key(list) {
        Some(ListKey::Fields([(field, _), ..])) => format!("{field}: …"),
        Some(ListKey::MetadataName) => "metadata: {name: …}".to_owned(),
        Some(ListKey::EnvFrom) => "secretRef: {name: …}".to_owned(),
        _ => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::StatefulSet;
    use serde_json::json;

    use super::*;
    use crate::catalogue::asked::Asked;
    use crate::catalogue::profile::ProfileSpec;

    fn told<T: DeserializeOwned>(value: &Value) -> String {
        read_all::<T>("spec", value.clone()).1.join("\n")
    }

    #[test]
    fn no_word_of_the_readers_types_is_said() {
        let pod = |spec: Value| json!({"spec": {"template": {"spec": spec}}});
        let main = |field: &str, value: Value| pod(json!({"containers": [{"name": "x", field: value}]}));
        let at = "spec.spec.template.spec";
        for (value, said) in [
            (pod(json!({"hostNetwork": 1})), format!("{at}.hostNetwork: is 1; write true or false")),
            (
                pod(json!({"terminationGracePeriodSeconds": "soon"})),
                format!("{at}.terminationGracePeriodSeconds: is the text \"soon\"; write a whole number"),
            ),
            (
                main("env", json!({"A": "b"})),
                format!("{at}.containers[0].env: is a map; write a list: - name: …"),
            ),
            (
                main("ports", json!("80")),
                format!("{at}.containers[0].ports: is the text \"80\"; write a list: - containerPort: …"),
            ),
            (
                main("env", json!([{"name": 3}])),
                format!(
                    "{at}.containers[0].env[0].name: is 3; write a text, in quotes where it looks like a number"
                ),
            ),
            (
                main("livenessProbe", json!([])),
                format!(
                    "{at}.containers[0].livenessProbe: is a list; write the fields of one, each as name: value"
                ),
            ),
        ] {
            assert_eq!(told::<StatefulSet>(&value), said);
        }
        for (value, said) in [
            (
                json!({"disruptionBudget": {"unhealthyPodEvictionPolicy": "Never"}}),
                "spec.disruptionBudget.unhealthyPodEvictionPolicy: \"Never\" is none of its values; write AlwaysAllow \
                 or IfHealthyBudget",
            ),
            (
                json!({"headlessService": {"ports": [{"port": 1}]}}),
                "spec.headlessService.ports[0].name: is missing; write name: and its value",
            ),
            (
                json!({"headlessService": {"ports": [{"name": "a", "port": 70000}]}}),
                "spec.headlessService.ports[0].port: is 70000; write a whole number from 0 to 65535",
            ),
        ] {
            assert_eq!(told::<Asked>(&value), said);
        }
        assert_eq!(
            told::<ProfileSpec>(&json!({"summary": "x", "siezs": {}})),
            "spec.siezs: there is no field \"siezs\"; did you mean sizes?"
        );
        assert_eq!(told::<ProfileSpec>(&json!({})), "spec.summary: is missing; write summary: and its value");
        assert_eq!(
            told::<ProfileSpec>(&json!({"summary": "x", "variants": {}})),
            "spec.variants: is a map; write a list: - …"
        );
    }

    #[test]
    fn all_that_cannot_be_read_is_told_and_each_once() {
        let value = json!({"siezs": {}, "scratch": 3, "size": 4, "variants": [
            {"name": 5, "unknown": "x", "cases": [{"name": "a", "majorFrom": "x"}]},
        ]});
        assert_eq!(
            told::<ProfileSpec>(&value).lines().collect::<Vec<_>>(),
            [
                "spec.scratch: is 3; write a list: - …",
                "spec.siezs: there is no field \"siezs\"; did you mean sizes?",
                "spec.size: is 4; write a text, in quotes where it looks like a number",
                "spec.variants[0].cases[0].majorFrom: is the text \"x\"; write a whole number, at least 0",
                "spec.variants[0].name: is 5; write a text, in quotes where it looks like a number",
                "spec.summary: is missing; write summary: and its value",
            ]
        );
    }
}
