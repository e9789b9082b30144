//! Every value is documented where it stands, the README prints the same, and the schema knows the same keys.

use std::fmt::Write;
use std::fs;

use serde_json::Value;

use crate::helm::{chart, documents};

const BEGIN: &str = "<!-- values:begin -->\n";
const END: &str = "<!-- values:end -->\n";

/// A key of `values.yaml` and the comment above it.
struct Key {
    path: Vec<String>,
    comment: String,
}

fn file(name: &str) -> String {
    fs::read_to_string(chart().join(name)).unwrap()
}

fn values() -> Value {
    documents("values.yaml", &file("values.yaml")).remove(0)
}

/// The keys, in the order in which they stand there. A comment belongs to the key in the next line.
fn keys(text: &str) -> Vec<Key> {
    let (mut keys, mut comment, mut path) = (Vec::new(), Vec::new(), Vec::<String>::new());
    for line in text.lines() {
        let trimmed = line.trim_start();
        if let Some(words) = trimmed.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        if let Some((key, _)) = trimmed.split_once(':') {
            path.truncate((line.len() - trimmed.len()) / 2);
            path.push(key.to_owned());
            keys.push(Key { path: path.clone(), comment: comment.join(" ") });
        }
        comment.clear();
    }
    keys
}

fn lookup<'a>(values: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(values, |value, key| &value[key])
}

fn table() -> String {
    let values = values();
    let mut table = "| value | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for Key { path, comment } in keys(&file("values.yaml")).iter().filter(|key| !key.comment.is_empty()) {
        let default = lookup(&values, path);
        _ = writeln!(table, "| `{}` | `{default}` | {comment} |", path.join("."));
    }
    table
}

#[test]
fn the_table_in_the_readme_is_what_the_comments_say() {
    let readme = file("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("where the table begins");
    let (_, after) = rest.split_once(END).expect("where the table ends");
    let printed = format!("{before}{BEGIN}\n{}\n{END}{after}", table());
    if std::env::var_os("STATEWARD_BLESS").is_some_and(|value| value == "1") {
        fs::write(chart().join("README.md"), &printed).unwrap();
    } else {
        assert!(
            readme == printed,
            "charts/stateward/README.md is stale: run the tests with STATEWARD_BLESS=1"
        );
    }
}

#[test]
fn every_value_is_documented() {
    let (values, keys) = (values(), keys(&file("values.yaml")));
    let is_documented = |path: &[String]| keys.iter().any(|key| key.path == path && !key.comment.is_empty());
    for Key { path, .. } in &keys {
        let is_section = lookup(&values, path).as_object().is_some_and(|map| !map.is_empty());
        let documented = (1..=path.len()).any(|length| is_documented(&path[..length]));
        assert!(is_section || documented, "{} has no comment", path.join("."));
    }
}

#[test]
fn the_schema_knows_the_keys_that_there_are() {
    let schema: Value = serde_json::from_str(&file("values.schema.json")).unwrap();
    compare(&schema, &schema, &values(), "");
}

fn compare(root: &Value, schema: &Value, values: &Value, place: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).expect("a definition"),
        None => schema,
    };
    let (Some(properties), Some(values)) = (schema["properties"].as_object(), values.as_object()) else {
        return;
    };
    assert_eq!(schema["additionalProperties"], false, "{place}: unknown keys have to be refused");
    for (key, value) in values {
        let known = properties.get(key).unwrap_or_else(|| panic!("{place}/{key} is not in the schema"));
        compare(root, known, value, &format!("{place}/{key}"));
    }
    // An empty map stands for something that can be set, such as a selector. `claims` of resources, and what a parent
    // chart hands down, have no default.
    for key in properties.keys().filter(|_| !values.is_empty()) {
        let is_optional = ["global", "claims"].contains(&key.as_str());
        assert!(is_optional || values.contains_key(key), "{place}/{key} is not in values.yaml");
    }
}
