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

/// What a pod is told of itself (`fieldRef`), in variables or in files, besides single labels and annotations.
const FIELD_PATHS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
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

/// What is wrong with the values below `value`, which stands at `at`.
pub(super) fn walk(at: &str, name: &str, value: &Value, faults: &mut Vec<Fault>) {
    match value {
        Value::Object(map) if matches!(name, "matchLabels" | "nodeSelector") => labels(at, map, faults),
        Value::Object(map) => {
            if let ("seccompProfile", Some(kind)) = (name, map.get("type")) {
                word(&field(at, "type"), kind, &["Localhost", "RuntimeDefault", "Unconfined"], faults);
            }
            together(at, name, map, faults);
            for (name, value) in map.iter().filter(|(name, _)| !FREE.contains(&name.as_str())) {
                walk(&field(at, name), name, value, faults);
            }
        }
        Value::Array(items) => {
            if items.is_empty() && name == "nodeSelectorTerms" {
                invalid(
                    at,
                    "is empty, and no node would do",
                    "list at least one term, or take it out",
                    faults,
                );
            }
            for (position, item) in items.iter().enumerate() {
                let at = item_at(at, name, position, item);
                if matches!(name, "matchExpressions" | "matchFields") {
                    expression(&at, item, faults);
                } else {
                    if name == "sysctls" && item["name"].as_str().is_some_and(|name| !is_sysctl(name)) {
                        let problem = format!("{} is no name of a kernel parameter", item["name"]);
                        invalid(&field(&at, "name"), problem, "write one such as net.core.somaxconn", faults);
                    }
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
    match (name, value.as_str().unwrap_or_default()) {
        ("fieldPath", path) if !path.is_empty() && !is_field_path(path) => {
            let remedy = format!("write {} or metadata.labels['KEY']", FIELD_PATHS.join(", "));
            invalid(at, format!("{path:?} is no field that pods are told of"), remedy, faults);
        }
        ("prefix", prefix) if prefix.contains('=') => {
            let problem = format!("{prefix:?} has an equals sign, which no name of a variable has");
            invalid(at, problem, "write letters, digits and underscores", faults);
        }
        ("conditionType", kind) if !kind.is_empty() && !is_key(kind) => {
            let remedy = "write one such as example.com/in-sync";
            invalid(at, format!("{kind:?} is no type of a condition"), remedy, faults);
        }
        _ => {}
    }
    if name == "maxSkew" && value.as_i64().is_some_and(|skew| skew < 1) {
        invalid(at, format!("{value} is no difference that could be kept"), "write 1 or more", faults);
    }
    let is_id = matches!(name, "fsGroup" | "runAsGroup" | "runAsUser" | "supplementalGroups");
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

fn is_field_path(path: &str) -> bool {
    let of_map = ["metadata.annotations", "metadata.labels"];
    let is_map =
        |name: &&str| path.strip_prefix(*name).is_some_and(|key| key.is_empty() || key.starts_with('['));
    FIELD_PATHS.contains(&path) || of_map.iter().any(is_map)
}

/// What the API server refuses of values that stand beside each other in `map`.
fn together(at: &str, name: &str, map: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let is = |field: &str, value: bool| map.get(field).is_some_and(|given| *given == value);
    if is("privileged", true) && is("allowPrivilegeEscalation", false) {
        let remedy = "write allowPrivilegeEscalation: true, or take privileged out";
        invalid(&field(at, "privileged"), "stands beside allowPrivilegeEscalation: false", remedy, faults);
    }
    if is("hostPID", true) && is("shareProcessNamespace", true) {
        let remedy = "keep one of them";
        invalid(&field(at, "hostPID"), "stands beside shareProcessNamespace: true", remedy, faults);
    }
    if name == "seccompProfile"
        && map.get("type").is_some_and(|kind| kind == "Localhost")
        && map.get("localhostProfile").and_then(Value::as_str).is_none_or(str::is_empty)
    {
        let (at, remedy) = (field(at, "localhostProfile"), "write the profile's file on the nodes");
        faults.push(Fault::new(Reason::Missing, at, "no localhostProfile, which Localhost needs", remedy));
    }
    if name == "resourceFieldRef"
        && let Some(resource) = map.get("resource").and_then(Value::as_str)
        && !is_resource(resource)
    {
        let remedy = "write limits.cpu, limits.memory, requests.cpu or requests.memory";
        let problem = format!("{resource:?} is no amount that containers are told of");
        invalid(&field(at, "resource"), problem, remedy, faults);
    }
    if name == "resources" {
        unlimited(at, map, faults);
        pages_alone(at, map, faults);
    }
    if is("hostNetwork", true) {
        host_ports(at, map, faults);
    }
}

/// In the network of its node, a container has each of its ports there too. One that names none gets it.
fn host_ports(at: &str, pod: &Map<String, Value>, faults: &mut Vec<Fault>) {
    for (container, here) in keyed(at, "containers", pod.get("containers")) {
        for (port, here) in keyed(&here, "ports", container.get("ports")) {
            let (host, own) = (port["hostPort"].as_i64().unwrap_or(0), port["containerPort"].as_i64());
            if let Some(own) = own.filter(|own| host != 0 && host != *own) {
                let problem = format!(
                    "{host} stands beside hostNetwork, where a container has its own port {own} alone"
                );
                let remedy = format!("write {own}, or take hostPort out");
                invalid(&field(&here, "hostPort"), problem, remedy, faults);
            }
        }
    }
}

/// The items of a list and where each stands.
fn keyed<'v>(at: &str, name: &str, list: Option<&'v Value>) -> Vec<(&'v Value, String)> {
    let at = field(at, name);
    let items = list.and_then(Value::as_array).into_iter().flatten().enumerate();
    items.map(|(position, item)| (item, item_at(&at, name, position, item))).collect()
}

fn item_at(list: &str, name: &str, position: usize, item: &Value) -> String {
    let key = list_key(name).and_then(|keys| keys.of(item));
    key.map_or_else(|| format!("{list}[{position}]"), |key| format!("{list}{key}"))
}

/// Huge pages come with an amount of the processor's or of plain memory.
fn pages_alone(at: &str, map: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let amounts = ["requests", "limits"].into_iter().flat_map(|kind| {
        let amounts = map.get(kind).and_then(Value::as_object).into_iter().flatten();
        amounts.map(move |(resource, _)| (kind, resource.as_str()))
    });
    let amounts: Vec<(&str, &str)> = amounts.collect();
    if amounts.iter().any(|(_, resource)| matches!(*resource, "cpu" | "memory")) {
        return;
    }
    if let Some((kind, pages)) = amounts.into_iter().rfind(|(_, resource)| resource.starts_with("hugepages-"))
    {
        let remedy = "write an amount of cpu or memory beside them";
        invalid(&field(&field(at, kind), pages), "huge pages without cpu or memory", remedy, faults);
    }
}

fn is_sysctl(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.split(['.', '/']).all(|part| {
        part.starts_with(is_plain)
            && part.ends_with(is_plain)
            && part.chars().all(|c| is_plain(c) || matches!(c, '-' | '_'))
    })
}

fn is_resource(resource: &str) -> bool {
    let amount = resource.strip_prefix("limits.").or_else(|| resource.strip_prefix("requests."));
    amount.is_some_and(|kind| {
        matches!(kind, "cpu" | "memory" | "ephemeral-storage") || kind.starts_with("hugepages-")
    })
}

/// Devices and huge pages are requested as far as they are limited. A set may bring the limit.
fn unlimited(at: &str, map: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let amounts = |kind: &str| map.get(kind).and_then(Value::as_object);
    for (resource, amount) in amounts("requests").into_iter().flatten() {
        let is_device = resource.contains('/') && !resource.contains("kubernetes.io/");
        let is_limited = amounts("limits").is_some_and(|limits| limits.contains_key(resource));
        if (is_device || resource.starts_with("hugepages-")) && !is_limited {
            let at = field(&field(at, "requests"), resource);
            let remedy = format!("write the same amount of {resource} under limits");
            faults.push(Fault::new(
                Reason::Missing,
                at,
                format!("{amount} is requested without a limit"),
                remedy,
            ));
        }
    }
}

fn invalid(at: &str, problem: impl Into<String>, remedy: impl Into<String>, faults: &mut Vec<Fault>) {
    faults.push(Fault::new(Reason::Invalid, at, problem, remedy));
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
