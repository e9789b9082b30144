//! Values of a pod template that the API server refuses and that people hardly ever write themselves:
//! selectors, enumerations, ids.

use serde_json::{Map, Value};

use crate::fault::{Fault, Reason};
use crate::path::{list_key, write_field};
use crate::validate::labels::{is_key, is_label_value};
use crate::validate::names;

/// The fields that take certain words alone (`core/v1/types.go`), wherever they stand.
const WORDS: &[(&str, &[&str])] = &[
    ("dnsPolicy", &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
    ("effect", &["NoExecute", "NoSchedule", "PreferNoSchedule"]),
    ("fsGroupChangePolicy", &["Always", "OnRootMismatch"]),
    ("imagePullPolicy", &["Always", "IfNotPresent", "Never"]),
    ("mountPropagation", &["Bidirectional", "HostToContainer", "None"]),
    ("nodeAffinityPolicy", &["Honor", "Ignore"]),
    ("nodeTaintsPolicy", &["Honor", "Ignore"]),
    ("scheme", &["HTTP", "HTTPS"]),
    ("terminationMessagePolicy", &["FallbackToLogsOnError", "File"]),
    ("whenDeleted", &["Delete", "Retain"]),
    ("whenScaled", &["Delete", "Retain"]),
    ("whenUnsatisfiable", &["DoNotSchedule", "ScheduleAnyway"]),
];

/// Maps whose keys are people's own words.
const FREE: &[&str] = &["annotations", "labels", "limits", "requests"];

/// Names of other objects that the API server looks at, there or not.
const NAMES: &[&str] = &["priorityClassName", "runtimeClassName", "serviceAccountName", "storageClassName"];

/// What is wrong with the template and the claims of an expanded set.
pub(super) fn faults(set: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    for field in ["persistentVolumeClaimRetentionPolicy", "template", "volumeClaimTemplates"] {
        walk(&format!("spec.{field}"), field, &set["spec"][field], &mut faults);
    }
    faults
}

/// What is wrong with the selectors in `value`, which stands at `at`.
pub(super) fn walk(at: &str, name: &str, value: &Value, faults: &mut Vec<Fault>) {
    match value {
        Value::Object(map) if matches!(name, "matchLabels" | "nodeSelector") => labels(at, map, faults),
        Value::Object(map) => {
            if name == "seccompProfile" {
                word(
                    &field(at, "type"),
                    &map["type"],
                    &["Localhost", "RuntimeDefault", "Unconfined"],
                    faults,
                );
            }
            for (name, value) in map.iter().filter(|(name, _)| !FREE.contains(&name.as_str())) {
                walk(&field(at, name), name, value, faults);
            }
        }
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                let key = list_key(name).and_then(|list| list.of(item));
                let at = key.map_or_else(|| format!("{at}[{position}]"), |key| format!("{at}{key}"));
                if matches!(name, "matchExpressions" | "matchFields") {
                    expression(&at, item, faults);
                } else {
                    walk(&at, name, item, faults);
                }
            }
        }
        scalar => leaf(at, name, scalar, faults),
    }
}

fn leaf(at: &str, name: &str, value: &Value, faults: &mut Vec<Fault>) {
    if let Some((_, words)) = WORDS.iter().find(|(field, _)| *field == name) {
        return word(at, value, words, faults);
    }
    if name == "topologyKey" && !value.as_str().is_some_and(is_key) {
        let remedy = "write the key of a label of nodes, such as kubernetes.io/hostname";
        faults.push(Fault::new(Reason::Invalid, at, format!("{value} is not the key of a label"), remedy));
    }
    let is_id = matches!(name, "fsGroup" | "runAsGroup" | "runAsUser");
    if is_id && value.as_i64().is_some_and(|id| !(0..=i64::from(i32::MAX)).contains(&id)) {
        let problem = format!("{value} is no id of a user or group");
        faults.push(Fault::new(Reason::Invalid, at, problem, "write a number from 0 to 2147483647"));
    }
    let is_name =
        |name: &str| name.is_empty() || (name.len() <= 253 && name.split('.').all(names::dns_label));
    if NAMES.contains(&name) && !value.as_str().is_none_or(is_name) {
        let problem = format!("{value} is no name of an object");
        let remedy = "write lower-case letters, digits, dots and hyphens, a letter or digit first and last";
        faults.push(Fault::new(Reason::Invalid, at, problem, remedy));
    }
}

fn word(at: &str, value: &Value, words: &[&str], faults: &mut Vec<Fault>) {
    // An empty one is as good as none.
    if value.as_str().is_some_and(|text| !text.is_empty() && !words.contains(&text)) {
        let problem = format!("{value} is none of its values");
        faults.push(Fault::new(Reason::Invalid, at, problem, format!("write {}", words.join(" or "))));
    }
}

fn labels(at: &str, map: &Map<String, Value>, faults: &mut Vec<Fault>) {
    for (key, value) in map {
        let at = field(at, key);
        if !is_key(key) {
            let remedy = "write a name such as app, or with a prefix example.com/app";
            faults.push(Fault::new(
                Reason::Invalid,
                at,
                format!("{key:?} is not the key of a label"),
                remedy,
            ));
        } else if !value.as_str().is_some_and(is_label_value) {
            let remedy = "write at most 63 letters, digits, dots, hyphens and underscores, in quotes";
            faults.push(Fault::new(Reason::Invalid, at, format!("{value} is not a label's value"), remedy));
        }
    }
}

fn expression(at: &str, expression: &Value, faults: &mut Vec<Fault>) {
    let invalid = |name: &str, problem: String, remedy: &str| {
        Fault::new(Reason::Invalid, field(at, name), problem, remedy)
    };
    let key = &expression["key"];
    if !key.as_str().is_some_and(is_key) {
        let problem = format!("{key} is not the key of a label");
        faults.push(invalid("key", problem, "write a name such as app, or with a prefix example.com/app"));
    }
    let nodes = at.contains("nodeSelectorTerms[") || at.contains(".preference.");
    let has_values = expression["values"].as_array().is_some_and(|values| !values.is_empty());
    match (expression["operator"].as_str().unwrap_or_default(), has_values) {
        ("In" | "NotIn", true) | ("Exists" | "DoesNotExist", false) => {}
        ("Gt" | "Lt", true) if nodes => {}
        (operator @ ("In" | "NotIn"), false) => {
            faults.push(invalid("values", format!("{operator} without values"), "list at least one value"));
        }
        (operator @ ("Exists" | "DoesNotExist"), true) => faults.push(invalid(
            "values",
            format!("{operator} takes no values"),
            "remove values, or write operator: In",
        )),
        (operator, _) => faults.push(invalid(
            "operator",
            format!("{operator:?} is not an operator"),
            "write In, NotIn, Exists or DoesNotExist",
        )),
    }
}

fn field(at: &str, name: &str) -> String {
    let mut text = at.to_owned();
    // Writing to a String cannot fail.
    _ = write_field(&mut text, name, at.is_empty());
    text
}
