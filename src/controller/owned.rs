//! Which fields of a live object are ours, by what the API server keeps in `managedFields`.
//!
//! Pure. Comparing these with what is wanted tells whether anything has to be written: a field that
//! somebody changed is no longer ours, one that we no longer want still is.

use serde_json::{Map, Value};

use crate::names;
use crate::settings::text;

/// What we applied of `live` and still have, as a manifest. `None` if we applied nothing.
pub(super) fn applied(live: &Value) -> Option<Value> {
    let entries = live["metadata"]["managedFields"].as_array()?;
    let ours = entries.iter().find(|entry| {
        entry["manager"] == names::MANAGER && entry["operation"] == "Apply" && entry["subresource"].is_null()
    })?;
    let mut manifest = extract(&ours["fieldsV1"], live);
    for field in ["apiVersion", "kind"] {
        manifest[field] = live[field].clone();
    }
    for field in ["name", "namespace"] {
        manifest["metadata"][field] = live["metadata"][field].clone();
    }
    Some(manifest)
}

/// Whether `live` is as `wanted`: all of it is there and ours, and nothing else is ours.
pub(super) fn is_settled(live: &Value, wanted: &Value) -> bool {
    applied(live).is_some_and(|applied| same(&applied, wanted))
}

/// Whether we made `live` as a companion: its label is ours by `managedFields`, not just by its text,
/// which a copy of the manifest has too.
pub(super) fn is_made_by_us(live: &Value) -> bool {
    applied(live).is_some_and(|applied| !applied["metadata"]["labels"][names::COMPANION].is_null())
}

/// What to apply so that `live` stays as it is and is no companion of ours any more: all that we
/// applied but labels and owner references. Applying less would empty its `spec`.
pub(super) fn handed_back(live: &Value) -> Option<Value> {
    let mut manifest = applied(live)?;
    let metadata = manifest["metadata"].as_object_mut()?;
    metadata.remove("ownerReferences");
    if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
        for label in [names::MANAGED_BY, names::COMPANION, names::STATEFULSET] {
            labels.remove(label);
        }
        // An empty map that we apply would be ours as a whole, with the labels that others put in.
        if labels.is_empty() {
            metadata.remove("labels");
        }
    }
    // What the API server gives an object is neither ours to send nor in our fields.
    for field in ["uid", "resourceVersion"] {
        metadata.insert(field.to_owned(), live["metadata"][field].clone());
    }
    Some(manifest)
}

/// The part of `live` that `fields`, in the format `FieldsV1`, names. A leaf is taken whole.
fn extract(fields: &Value, live: &Value) -> Value {
    let Some(fields) = fields.as_object().filter(|map| map.keys().any(|key| key != ".")) else {
        return live.clone();
    };
    match live {
        Value::Object(map) => {
            let named = fields.iter().filter_map(|(key, below)| {
                let name = key.strip_prefix("f:")?;
                Some((name.to_owned(), extract(below, map.get(name)?)))
            });
            Value::Object(named.collect::<Map<_, _>>())
        }
        Value::Array(list) => {
            let ours = list.iter().filter_map(|item| {
                let (_, below) = fields.iter().find(|(key, _)| names_item(key, item))?;
                Some(extract(below, item))
            });
            Value::Array(ours.collect())
        }
        scalar => scalar.clone(),
    }
}

/// Whether a key of `FieldsV1` (`k:{"port":80}`, `v:"text"`) names this item of a list.
fn names_item(key: &str, item: &Value) -> bool {
    if let Some(keys) = key.strip_prefix("k:") {
        let keys: Value = serde_json::from_str(keys).unwrap_or_default();
        return keys.as_object().is_some_and(|keys| keys.iter().all(|(name, value)| item[name] == *value));
    }
    let value = key.strip_prefix("v:").and_then(|value| serde_json::from_str::<Value>(value).ok());
    value.is_some_and(|value| value == *item)
}

/// Equal but for the order of list items, which the API server chooses where several managers have
/// some. Ports have keys, and no list in a companion means anything by its order.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().all(|item| b.iter().any(|other| same(item, other)))
        }
        _ => one == other,
    }
}

/// Whose an object is, as seen by a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// This set.
    This,
    /// Nobody, or a set of this name that is gone: there is one now, and it is another.
    Nobody,
    /// Something else.
    Other,
}

/// Who controls `live`.
pub(super) fn owner(live: &Value, set: &Value) -> Owner {
    let references = live["metadata"]["ownerReferences"].as_array();
    let mut controllers = references.into_iter().flatten().filter(|one| one["controller"] == true);
    let set = &set["metadata"];
    match controllers.next() {
        None => Owner::Nobody,
        Some(one) if one["uid"] == set["uid"] => Owner::This,
        Some(one) if one["kind"] == "StatefulSet" && text(&one["apiVersion"]) == "apps/v1" => {
            if one["name"] == set["name"] { Owner::Nobody } else { Owner::Other }
        }
        Some(_) => Owner::Other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "db", "namespace": "shop",
                "labels": {
                    names::MANAGED_BY: "stateward", names::COMPANION: "client", names::STATEFULSET: "db",
                },
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u-1", "controller": true,
                }],
            },
            "spec": {
                "selector": {"app": "db"},
                "ports": [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}],
            },
        })
    }

    /// As the API server has it, with the address that it allots.
    fn live() -> Value {
        let mut live = wanted();
        live["metadata"]["uid"] = json!("s-1");
        live["metadata"]["resourceVersion"] = json!("7");
        live["spec"]["clusterIP"] = json!("10.0.0.1");
        let port = json!({".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}});
        live["metadata"]["managedFields"] = json!([
            {"manager": "stateward", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
            {"manager": "stateward", "operation": "Apply", "fieldsV1": {
                "f:metadata": {
                    "f:labels": {
                        format!("f:{}", names::MANAGED_BY): {}, format!("f:{}", names::COMPANION): {},
                        format!("f:{}", names::STATEFULSET): {},
                    },
                    "f:ownerReferences": {"k:{\"uid\":\"u-1\"}": {}},
                },
                "f:spec": {
                    "f:selector": {},
                    "f:ports": {"k:{\"port\":53,\"protocol\":\"UDP\"}": port, "k:{\"port\":80,\"protocol\":\"TCP\"}": port},
                },
            }},
        ]);
        live
    }

    #[test]
    fn what_is_as_we_applied_it_is_settled() {
        assert!(is_settled(&live(), &wanted()));
        assert!(is_made_by_us(&live()));
    }

    #[test]
    fn what_others_added_is_no_matter() {
        let mut live = live();
        live["spec"]["ports"].as_array_mut().unwrap().insert(0, json!({"port": 9, "protocol": "TCP"}));
        live["metadata"]["labels"]["team"] = json!("search");
        assert!(is_settled(&live, &wanted()));
    }

    #[test]
    fn a_changed_a_lost_and_a_needless_field_are_not_settled() {
        let mut changed = live();
        changed["spec"]["selector"] = json!({"app": "other"});
        assert!(!is_settled(&changed, &wanted()));
        let mut lost = live();
        lost["metadata"]["managedFields"][1]["fieldsV1"]["f:spec"]["f:selector"].take();
        lost["metadata"]["managedFields"][1]["fieldsV1"]["f:spec"]
            .as_object_mut()
            .unwrap()
            .remove("f:selector");
        assert!(!is_settled(&lost, &wanted()));
        let mut less = wanted();
        less["spec"]["ports"].as_array_mut().unwrap().pop();
        assert!(!is_settled(&live(), &less));
    }

    #[test]
    fn a_copy_of_the_manifest_is_not_made_by_us() {
        let mut copy = live();
        copy["metadata"]["managedFields"][1]["manager"] = json!("kubectl-create");
        assert!(!is_made_by_us(&copy));
        assert_eq!(handed_back(&copy), None);
    }

    #[test]
    fn handing_back_keeps_the_whole_spec() {
        let back = handed_back(&live()).unwrap();
        assert_eq!(
            back,
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "db", "namespace": "shop", "uid": "s-1", "resourceVersion": "7"},
                "spec": wanted()["spec"],
            })
        );
    }

    #[test]
    fn the_owner_is_told_by_uid_and_name() {
        let set = |name: &str, uid: &str| json!({"metadata": {"name": name, "uid": uid}});
        assert_eq!(owner(&live(), &set("db", "u-1")), Owner::This);
        assert_eq!(owner(&live(), &set("db", "u-2")), Owner::Nobody);
        assert_eq!(owner(&live(), &set("other", "u-2")), Owner::Other);
        assert_eq!(owner(&json!({}), &set("db", "u-1")), Owner::Nobody);
        let foreign = json!({"metadata": {"ownerReferences": [{"kind": "Deployment", "name": "db", "controller": true}]}});
        assert_eq!(owner(&foreign, &set("db", "u-1")), Owner::Other);
    }
}
