//! `StatefulSetProfile` as the API server knows it: its schema comes from the types, the rules are
//! what one object shows by itself.
//!
//! What takes several objects, or is hidden in parts whose fields the schema does not list, is judged
//! where profiles are joined ([`super::cluster`]).

use kube::CustomResourceExt;
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use super::profile::StatefulSetProfile;

/// What the controller says of a profile.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileStatus {
    /// The generation that this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The revision that new sets get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// How many sets are pinned to one of its revisions.
    #[serde(default)]
    pub in_use: u64,
    /// How many of them are not at the revision that new sets get.
    #[serde(default)]
    pub behind: u64,
    /// `Ready`: whether new sets get what the profile says, and if not, why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>,
}

/// The CustomResourceDefinition.
#[must_use]
pub fn definition() -> Value {
    let mut definition = json!(StatefulSetProfile::crd());
    close(&mut definition);
    definition
}

/// `additionalProperties: false`, which is how the types say that they know no others, is what the API
/// server does anyway, and may not be said. What may be null is no enumeration.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("additionalProperties") == Some(&Value::Bool(false)) {
                map.remove("additionalProperties");
            }
            // The API server finds null in no enumeration, nullable or not, even where it stands there
            // (measured on 1.36.2); a pattern is for texts alone.
            if map.get("nullable") == Some(&Value::Bool(true))
                && let Some(Value::Array(values)) = map.remove("enum")
            {
                let words: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
                map.insert("pattern".to_owned(), Value::from(format!("^({})$", words.join("|"))));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Plain Kubernetes YAML, whatever version of Kubernetes it is for.
pub(super) fn any_object(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// The schema of `T` for a JSON Merge Patch to one: everything may be missing, and null takes away.
pub(super) fn patch_to<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<T>();
    // Definitions are written out where they are used: the API server follows no references.
    let mut value = inlined(schema.as_value(), generator.definitions());
    loosen(&mut value);
    if let Value::Object(map) = value {
        schema = map.into();
    }
    schema
}

/// A map of such patches.
pub(super) fn patches_to<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut one = patch_to::<T>(generator);
    one.insert("nullable".to_owned(), Value::Bool(true));
    schemars::json_schema!({"type": "object", "additionalProperties": one})
}

fn inlined(schema: &Value, definitions: &serde_json::Map<String, Value>) -> Value {
    match schema {
        Value::Object(map) => {
            let name = map.get("$ref").and_then(Value::as_str).and_then(|name| name.rsplit('/').next());
            if let Some(found) = name.and_then(|name| definitions.get(name)) {
                return inlined(found, definitions);
            }
            map.iter().map(|(key, value)| (key.clone(), inlined(value, definitions))).collect()
        }
        Value::Array(items) => items.iter().map(|item| inlined(item, definitions)).collect(),
        other => other.clone(),
    }
}

fn loosen(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    map.remove("required");
    map.remove("default");
    let below = map.iter_mut().flat_map(|(word, value)| match (word.as_str(), value) {
        ("properties", Value::Object(all)) => all.values_mut().collect(),
        ("additionalProperties", one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    });
    for schema in below {
        schema["nullable"] = Value::Bool(true);
        loosen(schema);
    }
}

fn conditions(_: &mut SchemaGenerator) -> Schema {
    let text = json!({"type": "string"});
    schemars::json_schema!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object", "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "message": text, "reason": text, "type": text,
                "observedGeneration": {"type": "integer", "format": "int64"},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "charts/stateward/files/statefulsetprofiles.yaml";

    /// The committed definition is what the code says. `STATEWARD_BLESS=1` writes it.
    #[test]
    fn the_definition_is_as_printed() {
        let text = serde_saphyr::to_string(&definition()).unwrap();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        if std::env::var_os("STATEWARD_BLESS").is_some_and(|value| value == "1") {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "STATEWARD_BLESS=1 writes it; review it");
        // Client-side apply keeps all of it in one annotation.
        assert!(text.len() < 256 * 1024, "{} bytes", text.len());
    }

    #[test]
    fn nothing_stands_in_it_that_no_structural_schema_may_have() {
        let text = definition().to_string();
        for word in ["$ref", "\"additionalProperties\":false", "oneOf", "\"type\":[\""] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}
