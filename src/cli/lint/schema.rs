//! What the API server says of a profile by the schema of its CustomResourceDefinition, before it is asked.
//!
//! By hand: crates that know all of JSON Schema bring two dozen others for the few keywords that ours has. A
//! test holds the two against each other, and one that the schema has no keyword that is not looked at here.

use regex::Regex;
use serde_json::{Map, Value};

use crate::catalogue::HANDED_DOWN;
use crate::catalogue::definition::{StatefulSetProfile, definition};
use crate::fault::{Fault, Reason};
use crate::settings::text;
use kube::Resource;

/// The longest value of a label, which the name of a profile becomes.
const NAME: usize = 63;

/// The schema.
pub(super) struct Schema(Value);

impl Schema {
    pub(super) fn new() -> Self {
        Self(definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take())
    }

    /// All that it has against a profile.
    pub(super) fn faults(&self, profile: &Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        let version = StatefulSetProfile::api_version(&());
        if profile["apiVersion"] != *version {
            let given = text(&profile["apiVersion"]);
            fault(
                &mut faults,
                "apiVersion",
                format!("{given:?} is none that is served"),
                format!("write {version}"),
            );
        }
        // The rules (CEL) on the other parts are told where profiles are checked and joined.
        let name = text(&profile["metadata"]["name"]);
        if name.is_empty() {
            fault(&mut faults, "metadata.name", "is missing", "write a name");
        } else if name.chars().count() > NAME {
            let problem =
                format!("has {} characters, and becomes the value of a label", name.chars().count());
            fault(&mut faults, "metadata.name", problem, format!("write at most {NAME}"));
        } else if !is_subdomain(name) {
            let problem = format!("{name:?} is no name of an object");
            let remedy =
                "write lower-case letters, digits, - and . alone, the first and the last a letter or digit";
            fault(&mut faults, "metadata.name", problem, remedy);
        }
        let mut own = profile.clone();
        if let Value::Object(own) = &mut own {
            for field in ["apiVersion", "kind", "metadata"] {
                own.remove(field);
            }
        }
        walk(&self.0, &own, "", &mut faults);
        faults
    }
}

fn fault(faults: &mut Vec<Fault>, at: &str, problem: impl Into<String>, remedy: impl Into<String>) {
    faults.push(Fault::new(Reason::Invalid, at, problem, remedy));
}

/// RFC 1123, as the API server asks it of names.
fn is_subdomain(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.split('.').all(|part| {
        part.starts_with(is_plain)
            && part.ends_with(is_plain)
            && part.chars().all(|c| is_plain(c) || c == '-')
    })
}

fn walk(schema: &Value, value: &Value, at: &str, faults: &mut Vec<Fault>) {
    // What is null and has a default gets that.
    if value.is_null() && (schema["nullable"] == true || schema.get("default").is_some()) {
        return;
    }
    if !is_of_type(schema, value) {
        let wanted = schema["type"].as_str().map_or("a number or a text", named);
        if let (true, Some(number)) = (schema["x-kubernetes-int-or-string"] == true, value.as_f64()) {
            let thousandths = number * 1000.0;
            // As the people of Kubernetes write it; of other resources a fraction is likely something else.
            let written = at.rsplit('.').next() == Some("cpu") && number > 0.0 && thousandths.fract() == 0.0;
            let instead = if written { format!("write {thousandths}m, or ") } else { String::new() };
            return fault(
                faults,
                at,
                format!("is {value}, no whole number"),
                format!("{instead}put it in quotes"),
            );
        }
        let is_inherited = |field: &&str| value.is_null() && at.strip_prefix("spec.") == Some(*field);
        let instead = HANDED_DOWN.into_iter().find(is_inherited);
        let instead = instead.map(|field| format!(", or {field} under spec.without")).unwrap_or_default();
        return fault(faults, at, format!("is {}", type_of(value)), format!("write {wanted}{instead}"));
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.contains(value)) {
        let values: Vec<&str> = values.iter().map(text).collect();
        none_of(&value.to_string(), &values, at, faults);
    }
    match value {
        Value::String(text) => of_text(schema, text, at, faults),
        Value::Number(number) => of_number(schema, number.as_f64().unwrap_or_default(), at, faults),
        Value::Array(items) => {
            counted(schema, "maxItems", items.len(), "items", at, faults);
            for (index, item) in items.iter().enumerate() {
                walk(&schema["items"], item, &format!("{at}[{index}]"), faults);
            }
        }
        Value::Object(fields) => of_object(schema, fields, at, faults),
        Value::Null | Value::Bool(_) => {}
    }
}

fn is_of_type(schema: &Value, value: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_i64() || value.is_u64() || value.is_string();
    }
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => value.is_number(),
        _ => true,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => named("boolean"),
        Value::Number(_) => named("number"),
        Value::String(_) => named("string"),
        Value::Array(_) => named("array"),
        Value::Object(_) => named("object"),
    }
}

fn named(kind: &str) -> &'static str {
    match kind {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        _ => "a map",
    }
}

fn of_text(schema: &Value, text: &str, at: &str, faults: &mut Vec<Fault>) {
    let length = text.chars().count();
    if schema["minLength"].as_u64().is_some_and(|least| (length as u64) < least) {
        fault(faults, at, "is empty", "write one, or take it out");
    }
    counted(schema, "maxLength", length, "characters", at, faults);
    if let Some(pattern) = schema["pattern"].as_str()
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        match words(pattern) {
            Some(words) => none_of(&format!("{text:?}"), &words, at, faults),
            None => fault(faults, at, format!("{text:?} does not match {pattern}"), "write one that does"),
        }
    }
}

/// The values of a pattern that stands for an enumeration, as it does where null may be.
fn words(pattern: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = pattern.strip_prefix("^(")?.strip_suffix(")$")?.split('|').collect();
    words.iter().all(|word| word.chars().all(char::is_alphanumeric)).then_some(words)
}

fn none_of(value: &str, known: &[&str], at: &str, faults: &mut Vec<Fault>) {
    fault(faults, at, format!("{value} is none of its values"), format!("write {}", known.join(" or ")));
}

fn of_number(schema: &Value, number: f64, at: &str, faults: &mut Vec<Fault>) {
    if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
        fault(faults, at, format!("{number} is too small"), format!("write {least} or more"));
    }
    if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
        fault(faults, at, format!("{number} is too large"), format!("write {most} or less"));
    }
}

fn of_object(schema: &Value, fields: &Map<String, Value>, at: &str, faults: &mut Vec<Fault>) {
    counted(schema, "maxProperties", fields.len(), "entries", at, faults);
    for field in schema["required"].as_array().into_iter().flatten().map(text) {
        if !fields.contains_key(field) {
            fault(faults, &below(at, field), "is missing", "write it");
        }
    }
    for (field, value) in fields {
        let at = below(at, field);
        if let Some(known) = schema["properties"].get(field).or(schema.get("additionalProperties")) {
            walk(known, value, &at, faults);
        } else if schema["x-kubernetes-preserve-unknown-fields"] != true {
            let known: Vec<&String> =
                schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
            let near = known.iter().find(|known| strsim::damerau_levenshtein(known, field) <= 2);
            let remedy = match near {
                Some(near) => format!("did you mean {near}?"),
                None => "take it out".to_owned(),
            };
            fault(faults, &at, "there is no such field", remedy);
        }
    }
}

fn counted(schema: &Value, most: &str, count: usize, what: &str, at: &str, faults: &mut Vec<Fault>) {
    if let Some(most) = schema[most].as_u64().filter(|most| count as u64 > *most) {
        fault(faults, at, format!("has {count} {what}"), format!("write at most {most}"));
    }
}

/// The path of a field, as places are found by.
fn below(at: &str, field: &str) -> String {
    match at {
        _ if field.contains(['.', '/', '[']) => format!("{at}[{field:?}]"),
        "" => field.to_owned(),
        _ => format!("{at}.{field}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn whole() -> Value {
        json!({
            "apiVersion": "stateward.dev/v1alpha1", "kind": "StatefulSetProfile", "metadata": {"name": "queue"},
            "spec": {
                "summary": "a queue", "extends": "default", "match": {"images": ["team/queue"]}, "size": "small",
                "sizes": {"small": {"limits": {"memory": "64Mi", "cpu": 1}}}, "scratch": ["/tmp", "/var/run"],
                "statefulSet": {"spec": {"minReadySeconds": null, "whatever": [1]}},
                "companions": {"headlessService": {"ports": [{"name": "gossip", "port": 8301, "protocol": "UDP"}]},
                    "disruptionBudget": null, "serviceMonitor": {"endpoints": []}},
                "refuse": {"even": {"replicas": {"even": true}, "problem": "no majority", "remedy": "write 3"}},
                "peers": {"all": {"each": "$(pod)", "separator": ","}},
                "variants": [{"name": "version", "unknown": "write one", "cases": [{"name": "1", "majorFrom": 1}]}],
            },
        })
    }

    /// The whole profile with one value in place of another, and what is said then.
    fn with(pointer: &str, value: Value) -> (Value, Vec<String>) {
        let mut profile = whole();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = profile.pointer_mut(parent).unwrap();
        match field.parse::<usize>() {
            Ok(index) => parent[index] = value,
            Err(_) => parent[field] = value,
        }
        let said = Schema::new().faults(&profile).iter().map(ToString::to_string).collect();
        (profile, said)
    }

    fn wrong() -> Vec<(&'static str, Value, &'static str)> {
        let many: Vec<String> = (0..65).map(|number| format!("image-{number}")).collect();
        vec![
            ("/spec/summary", json!(""), "spec.summary: is empty; write one, or take it out"),
            ("/spec/summary", json!("x".repeat(201)), "spec.summary: has 201 characters; write at most 200"),
            ("/spec/summary", json!(7), "spec.summary: is a number; write a text"),
            ("/spec/summary", Value::Null, "spec.summary: is null; write a text"),
            ("/spec/peers", Value::Null, "spec.peers: is null; write a map, or peers under spec.without"),
            ("/spec/siez", json!("small"), "spec.siez: there is no such field; did you mean size?"),
            ("/spec/match/images", json!(many), "spec.match.images: has 65 items; write at most 64"),
            ("/spec/match/images/0", json!(""), "spec.match.images[0]: is empty; write one, or take it out"),
            (
                "/spec/scratch/1",
                json!("run"),
                "spec.scratch[1]: \"run\" does not match ^/.*[^/]$; write one that does",
            ),
            (
                "/spec/sizes/small/limits/memory",
                json!(true),
                "spec.sizes.small.limits.memory: is true or false; write a number or a text",
            ),
            (
                "/spec/sizes/small/limits/cpu",
                json!(0.5),
                "spec.sizes.small.limits.cpu: is 0.5, no whole number; write 500m, or put it in quotes",
            ),
            (
                "/spec/sizes/small/limits/memory",
                json!(1.5),
                "spec.sizes.small.limits.memory: is 1.5, no whole number; put it in quotes",
            ),
            (
                "/spec/companions/disruptionBudget",
                json!({"unhealthyPodEvictionPolicy": "Never"}),
                "spec.companions.disruptionBudget.unhealthyPodEvictionPolicy: \"Never\" is none of its values; write \
                 AlwaysAllow or IfHealthyBudget",
            ),
            (
                "/spec/companions/headlessService/ports/0",
                json!({"port": 65_536}),
                "spec.companions.headlessService.ports[0].port: 65536 is too large; write 65535 or less",
            ),
            (
                "/spec/companions/headlessService/ports/0",
                json!({"port": 1}),
                "spec.companions.headlessService.ports[0].name: is missing; write it",
            ),
            (
                "/spec/variants/0/cases/0/majorFrom",
                json!(-1),
                "spec.variants[0].cases[0].majorFrom: -1 is too small; write 0 or more",
            ),
        ]
    }

    #[test]
    fn each_fault_is_told_with_its_field_and_what_to_write() {
        assert_eq!(with("/spec/summary", json!("fine")).1, Vec::<String>::new());
        for (pointer, value, told) in wrong() {
            let (_, said) = with(pointer, value);
            assert!(said.iter().any(|said| said == told), "{told}: {said:?}");
        }
        let many = with("/spec/summary", json!("")).0;
        let mut many = many;
        many["apiVersion"] = json!("stateward.dev/v1");
        many["metadata"]["name"] = json!("a".repeat(64));
        let said: Vec<String> = Schema::new().faults(&many).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "apiVersion: \"stateward.dev/v1\" is none that is served; write stateward.dev/v1alpha1",
                "metadata.name: has 64 characters, and becomes the value of a label; write at most 63",
                "spec.summary: is empty; write one, or take it out",
            ]
        );
        let (_, said) = with("/metadata/name", json!("My_Queue"));
        assert!(said[0].starts_with("metadata.name: \"My_Queue\" is no name of an object"), "{said:?}");
    }

    /// The crate that knows all of JSON Schema says the same of each. Of what Kubernetes adds to it, it is told.
    #[test]
    fn a_library_says_the_same() {
        fn plain(schema: &mut Value) {
            match schema {
                Value::Object(map) => {
                    if map.remove("x-kubernetes-int-or-string").is_some() {
                        map.insert("type".to_owned(), json!(["integer", "string"]));
                    }
                    let open = map.contains_key("x-kubernetes-preserve-unknown-fields");
                    if map.contains_key("properties") && !map.contains_key("additionalProperties") && !open {
                        map.insert("additionalProperties".to_owned(), json!(false));
                    }
                    if map.remove("nullable") == Some(json!(true))
                        && let Some(kind) = map.get("type").cloned()
                    {
                        map.insert("type".to_owned(), json!([kind, "null"]));
                    }
                    map.iter_mut().filter(|(key, _)| *key != "default").for_each(|(_, value)| plain(value));
                }
                Value::Array(items) => items.iter_mut().for_each(plain),
                _ => {}
            }
        }
        let mut schema = Schema::new().0;
        plain(&mut schema["properties"]["spec"]);
        let validator = jsonschema::validator_for(&schema["properties"]["spec"]).unwrap();
        let profile = whole();
        assert_eq!(
            validator.iter_errors(&profile["spec"]).map(|why| why.to_string()).collect::<Vec<_>>(),
            Vec::<String>::new()
        );
        for (pointer, value, told) in wrong() {
            let (profile, said) = with(pointer, value);
            let theirs = validator.iter_errors(&profile["spec"]).count();
            assert_eq!(theirs, said.len(), "{told}: {said:?}");
        }
    }

    #[test]
    fn no_keyword_of_the_schema_is_passed_over() {
        fn collect(schema: &Value, found: &mut BTreeSet<String>) {
            for (key, value) in schema.as_object().into_iter().flatten() {
                found.insert(key.clone());
                match key.as_str() {
                    "properties" => value.as_object().unwrap().values().for_each(|one| collect(one, found)),
                    "items" | "additionalProperties" => collect(value, found),
                    _ => {}
                }
            }
        }
        let mut found = BTreeSet::new();
        collect(&Schema::new().0, &mut found);
        let looked_at = [
            "additionalProperties",
            "default",
            "enum",
            "items",
            "maxItems",
            "maxLength",
            "maxProperties",
            "maximum",
            "minLength",
            "minimum",
            "nullable",
            "pattern",
            "properties",
            "required",
            "type",
            "x-kubernetes-int-or-string",
            "x-kubernetes-preserve-unknown-fields",
        ];
        // For people; of status alone; and rules, which are mirrored one by one.
        let others = [
            "description",
            "format",
            "title",
            "x-kubernetes-list-map-keys",
            "x-kubernetes-list-type",
            "x-kubernetes-validations",
        ];
        for word in &found {
            assert!(looked_at.iter().chain(&others).any(|known| known == word), "{word} is new");
        }
        let rules = definition().to_string().matches("\"rule\":").count();
        assert_eq!(rules, 3, "a rule is new: see that lint tells of it, too");
    }
}
