//! How the two kinds of apply merge a manifest into what is stored.
//!
//! Client-side: a three-way strategic merge, lists by the `patchMergeKey` of `core/v1/types.go`,
//! ordered as `$setElementOrder` orders them. Server-side: a structured merge, lists by their
//! `listMapKey`s, and the set of fields that the manifest names.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// A set of fields, each as the steps of managedFields (`f:spec`, `k:{"name":"app"}`).
pub(crate) type Fields = BTreeSet<Vec<String>>;

fn merge_key(list: &str) -> Option<&'static str> {
    Some(match list {
        "containers" | "env" | "imagePullSecrets" | "initContainers" | "volumes" => "name",
        "hostAliases" => "ip",
        "ports" => "containerPort",
        "topologySpreadConstraints" => "topologyKey",
        "volumeDevices" => "devicePath",
        "volumeMounts" => "mountPath",
        _ => return None,
    })
}

/// Merges `new` into `live`, and takes out what `last` has and `new` has not.
pub(crate) fn three_way(last: &Value, new: &Value, live: &mut Value) {
    let none = Map::new();
    let last = last.as_object().unwrap_or(&none);
    let (Some(new), Some(live)) = (new.as_object(), live.as_object_mut()) else {
        return;
    };
    for field in last.keys().filter(|field| !new.contains_key(*field)) {
        live.remove(field);
    }
    for (field, value) in new {
        let before = last.get(field).unwrap_or(&Value::Null);
        match (value, live.get_mut(field), merge_key(field)) {
            (Value::Null, ..) => _ = live.remove(field),
            (Value::Object(_), Some(live @ Value::Object(_)), _) => three_way(before, value, live),
            (Value::Array(new), Some(Value::Array(live)), Some(key)) => {
                merge_items(before, new, live, key, field == "volumes");
            }
            _ => _ = live.insert(field.clone(), value.clone()),
        }
    }
}

/// Merges a fragment into an object, as a strategic merge patch does.
pub(crate) fn strategic(object: &mut Value, fragment: &Value) {
    three_way(&Value::Null, fragment, object);
}

fn merge_items(last: &Value, new: &[Value], live: &mut Vec<Value>, key: &str, retain: bool) {
    let at = |items: &[Value], id: &Value| items.iter().position(|item| item[key] == *id);
    let gone = |item: &Value| {
        let last = last.as_array().map_or(&[][..], Vec::as_slice);
        at(last, &item[key]).is_some() && at(new, &item[key]).is_none()
    };
    live.retain(|item| !gone(item));
    let order: Vec<Value> = live.iter().map(|item| item[key].clone()).collect();
    let mut named = Vec::new();
    for item in new {
        let before = last.as_array().and_then(|items| at(items, &item[key]).map(|index| &items[index]));
        let merged = match at(live, &item[key]) {
            Some(index) => {
                let mut merged = live.remove(index);
                three_way(before.unwrap_or(&Value::Null), item, &mut merged);
                if let (true, Some(map)) = (retain, merged.as_object_mut()) {
                    map.retain(|field, _| item.get(field).is_some());
                }
                merged
            }
            None => item.clone(),
        };
        named.push(merged);
    }
    // mergeSortedSlice of apimachinery's strategicpatch.
    let place = |item: &Value| order.iter().position(|id| *id == item[key]);
    let mut named = named.into_iter().peekable();
    let mut others = std::mem::take(live).into_iter().peekable();
    while let (Some(one), Some(other)) = (named.peek(), others.peek()) {
        let less = matches!((place(one), place(other)), (Some(one), Some(other)) if one < other);
        live.extend(if less { named.next() } else { others.next() });
    }
    live.extend(named);
    live.extend(others);
}

fn list_map_keys(list: &str) -> Option<&'static [&'static str]> {
    Some(match list {
        "containers" | "env" | "imagePullSecrets" | "initContainers" | "volumes" => &["name"],
        "hostAliases" => &["ip"],
        "ports" => &["containerPort", "protocol"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        "volumeDevices" => &["devicePath"],
        "volumeMounts" => &["mountPath"],
        _ => return None,
    })
}

/// Maps that server-side apply takes or leaves whole.
fn is_atomic(field: &str) -> bool {
    matches!(
        field,
        "configMapKeyRef"
            | "fieldRef"
            | "labelSelector"
            | "nodeSelector"
            | "resourceFieldRef"
            | "secretKeyRef"
            | "selector"
    )
}

fn item_step(item: &Value, keys: &[&str]) -> String {
    let mut id = Map::new();
    for key in keys {
        let default = if *key == "protocol" { json!("TCP") } else { Value::Null };
        id.insert((*key).to_owned(), item.get(key).cloned().unwrap_or(default));
    }
    format!("k:{}", Value::Object(id))
}

/// Merges an applied configuration into `live`.
pub(crate) fn structured(live: &mut Value, config: &Value) {
    let (Some(live), Some(config)) = (live.as_object_mut(), config.as_object()) else {
        return;
    };
    for (field, value) in config {
        match (value, live.get_mut(field), list_map_keys(field)) {
            (Value::Object(_), Some(live @ Value::Object(_)), _) if !is_atomic(field) => {
                structured(live, value);
            }
            (Value::Array(new), Some(Value::Array(live)), Some(keys)) => structured_items(live, new, keys),
            _ => _ = live.insert(field.clone(), value.clone()),
        }
    }
}

fn structured_items(live: &mut Vec<Value>, config: &[Value], keys: &[&str]) {
    let old = std::mem::take(live);
    let has = |items: &[Value], item: &Value| {
        items.iter().any(|other| item_step(other, keys) == item_step(item, keys))
    };
    let merged = |item: &Value| {
        let mut base = old
            .iter()
            .find(|other| item_step(other, keys) == item_step(item, keys))
            .cloned()
            .unwrap_or_else(|| json!({}));
        structured(&mut base, item);
        base
    };
    let mut left = old.iter().peekable();
    let mut right = config.iter().peekable();
    while left.peek().is_some() || right.peek().is_some() {
        match (left.peek(), right.peek()) {
            (Some(item), _) if !has(config, item) => live.extend(left.next().cloned()),
            (_, Some(item)) => {
                if has(&old, item) {
                    left.next();
                }
                live.extend(right.next().map(merged));
            }
            _ => _ = left.next(),
        }
    }
}

/// The fields that a configuration names.
pub(crate) fn fields(config: &Value) -> Fields {
    let mut fields = Fields::new();
    let mut config = config.clone();
    if let Some(map) = config.as_object_mut() {
        map.retain(|field, _| field != "apiVersion" && field != "kind");
    }
    if let Some(metadata) = config["metadata"].as_object_mut() {
        metadata.retain(|field, _| field != "name" && field != "managedFields");
    }
    collect(&config, &mut Vec::new(), &mut fields);
    fields
}

fn collect(value: &Value, path: &mut Vec<String>, fields: &mut Fields) {
    let Some(map) = value.as_object() else { return };
    for (field, value) in map {
        path.push(format!("f:{field}"));
        match (value, list_map_keys(field)) {
            (Value::Object(map), _) if !map.is_empty() && !is_atomic(field) => collect(value, path, fields),
            (Value::Array(items), Some(keys)) => {
                for item in items {
                    path.push(item_step(item, keys));
                    fields.insert(path.clone());
                    collect(item, path, fields);
                    path.pop();
                }
            }
            _ => _ = fields.insert(path.clone()),
        }
        path.pop();
    }
}

/// A set of fields as managedFields writes it.
pub(crate) fn fields_v1(fields: &Fields) -> Value {
    let mut tree = json!({});
    for path in fields {
        let mut here = &mut tree;
        for step in path {
            let map = here.as_object_mut().expect("made as a map");
            here = map.entry(step.clone()).or_insert_with(|| json!({}));
        }
        if path.last().is_some_and(|step| step.starts_with("k:")) {
            here["."] = json!({});
        }
    }
    tree
}

/// The value of one field.
pub(crate) fn lookup<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    let mut here = value;
    let mut list = "";
    for step in path {
        here = if let Some(field) = step.strip_prefix("f:") {
            list = field;
            here.get(field)?
        } else {
            let keys = list_map_keys(list)?;
            here.as_array()?.iter().find(|item| item_step(item, keys) == *step)?
        };
    }
    Some(here)
}

/// Takes one field out, and the maps and lists above it that are left empty.
pub(crate) fn take_out(value: &mut Value, path: &[String]) {
    take_from(value, path, "");
}

fn take_from(value: &mut Value, path: &[String], list: &str) {
    let Some((step, rest)) = path.split_first() else { return };
    match (value, step.strip_prefix("f:")) {
        (Value::Object(map), Some(field)) => {
            let Some(child) = map.get_mut(field) else { return };
            if !rest.is_empty() {
                take_from(child, rest, field);
            }
            if rest.is_empty() || is_hollow(child) {
                map.remove(field);
            }
        }
        (Value::Array(items), None) => {
            let Some(keys) = list_map_keys(list) else { return };
            let Some(at) = items.iter().position(|item| item_step(item, keys) == *step) else {
                return;
            };
            if rest.is_empty() {
                items.remove(at);
            } else {
                take_from(&mut items[at], rest, "");
            }
        }
        _ => {}
    }
}

fn is_hollow(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}
