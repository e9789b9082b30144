//! What the controller remembers of an object: as little as its work needs. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::{Map, Value, json};

use crate::names;
use crate::record::Record;

/// Fields of a StatefulSet's spec that companions depend on; of the template, see [`set`].
const SPEC: [&str; 3] = ["replicas", "serviceName", "selector"];
/// Fields of a container that companions depend on.
const CONTAINER: [&str; 4] = ["name", "image", "ports", "restartPolicy"];

/// Leaves of a StatefulSet what [`crate::companions::desired`] and the choice of settings read, as a
/// manifest. Two that are the same give the same companions.
pub(super) fn set(object: DynamicObject) -> Value {
    let ObjectMeta {
        name,
        namespace,
        uid,
        labels,
        mut annotations,
        creation_timestamp,
        deletion_timestamp,
        ..
    } = object.metadata;
    if let Some(annotations) = &mut annotations {
        annotations.retain(|key, _| key.starts_with(names::PREFIX));
        if let Some(record) = annotations.get_mut(names::RECORD)
            && let Some(head) = Record::head_of(record)
        {
            *record = head;
        }
    }
    let metadata = ObjectMeta {
        name,
        namespace,
        uid,
        labels,
        annotations,
        creation_timestamp,
        deletion_timestamp,
        ..ObjectMeta::default()
    };
    // Items of lists carry no kind, so it is put in.
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata,
        "spec": set_spec(object.data.get("spec").unwrap_or(&Value::Null)),
    })
}

fn set_spec(spec: &Value) -> Value {
    let template = &spec["template"];
    let mut lean = pick(spec, &SPEC);
    let mut pod = Map::new();
    for list in ["containers", "initContainers"] {
        if let Some(containers) = template["spec"][list].as_array() {
            pod.insert(list.to_owned(), containers.iter().map(|one| pick(one, &CONTAINER)).collect());
        }
    }
    lean["template"] = json!({
        "metadata": {
            "labels": template["metadata"]["labels"],
            "annotations": pick(&template["metadata"]["annotations"], &[names::DEFAULT_CONTAINER]),
        },
        "spec": pod,
    });
    // Their names tell which claims are the set's.
    if let Some(templates) = spec["volumeClaimTemplates"].as_array() {
        let named =
            templates.iter().map(|template| json!({"metadata": pick(&template["metadata"], &["name"])}));
        lean["volumeClaimTemplates"] = named.collect();
    }
    if let Some(account) = template["spec"].get("serviceAccountName") {
        lean["template"]["spec"]["serviceAccountName"] = account.clone();
    }
    lean
}

/// Leaves of a neighbour what companions depend on: a change of the rest, such as a budget's status
/// with every pod that comes or goes, wakes nobody. Of what is not ours and neither selects pods nor
/// claims hosts, that is its name.
pub(super) fn neighbour(object: DynamicObject, api_version: &str, kind: &str) -> Value {
    let mut metadata = object.metadata;
    let labels = metadata.labels.as_ref();
    let ours = labels.is_some_and(|labels| labels.contains_key(names::COMPANION));
    // Who applies what is asked of what bears our label, and of nothing else.
    metadata.managed_fields = metadata.managed_fields.filter(|_| ours);
    if let Some(entries) = &mut metadata.managed_fields {
        entries.retain(|entry| entry.subresource.is_none() && entry.operation.as_deref() == Some("Apply"));
    }
    metadata.generation = None;
    let counts = ours || !matches!(kind, "NetworkPolicy" | "ServiceAccount" | "ServiceMonitor" | "TCPRoute");
    let mut lean = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
    if counts {
        // The one kind without a spec is a ServiceAccount.
        for field in ["spec", "automountServiceAccountToken"] {
            if let Some(value) = object.data.get(field) {
                lean[field] = value.clone();
            }
        }
    }
    lean
}

/// Whether two states of a neighbour differ in nothing but their version.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    let but_version = |object: &Value| {
        let mut object = object.clone();
        object["metadata"]["resourceVersion"].take();
        object
    };
    but_version(one) == but_version(other)
}

fn pick(object: &Value, fields: &[&str]) -> Value {
    let picked = fields.iter().filter_map(|field| {
        let value = object.get(field)?;
        Some(((*field).to_owned(), value.clone()))
    });
    Value::Object(picked.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::companions::{Labels, desired};
    use crate::configuration::Configuration;
    use crate::intent::Intent;
    use crate::settings::Settings;

    /// What is left gives the same companions as the whole.
    #[test]
    fn companions_do_not_miss_what_is_trimmed() {
        let whole = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {
                "name": "db", "namespace": "shop", "uid": "u-1", "labels": {"stateward.dev/managed": "true"},
                "annotations": {"stateward.dev/generate-secret": "PASSWORD", "note": "long"},
            },
            "spec": {
                "replicas": 3, "serviceName": "db-headless", "updateStrategy": {"type": "RollingUpdate"},
                "selector": {"matchLabels": {"stateward.dev/statefulset": "db"}},
                "template": {
                    "metadata": {"labels": {"stateward.dev/statefulset": "db"}},
                    "spec": {
                        "containers": [{"name": "postgres", "image": "postgres:18", "env": [{"name": "A", "value": "b"}],
                            "ports": [{"name": "postgresql", "containerPort": 5432}]}],
                        "initContainers": [{"name": "mesh", "image": "mesh:1", "restartPolicy": "Always",
                            "ports": [{"name": "http-admin", "containerPort": 15000}]}],
                    },
                },
            },
        });
        let lean = set(serde_json::from_value(whole.clone()).unwrap());
        assert!(lean.to_string().len() < whole.to_string().len());
        let companions = |set: &Value| {
            let (intent, _) = Intent::parse(None, Some(&set["metadata"]["annotations"]));
            // The note is not ours; the rest of the annotations is the same.
            let settings = Settings::choose(set, &intent, &Catalogue::built_in().unwrap()).unwrap();
            desired(set, &settings, &Configuration::default(), &Labels::new())
        };
        assert_eq!(companions(&lean), companions(&whole));
        assert_eq!(companions(&lean).wanted.len(), 4);
    }

    #[test]
    fn of_strangers_without_a_say_the_name_is_kept() {
        let trimmed = |labels: Value, kind: &str| {
            let object = json!({
                "metadata": {"name": "db", "labels": labels, "managedFields": [{"manager": "x"}]},
                "spec": {"a": 1}, "automountServiceAccountToken": false,
            });
            neighbour(serde_json::from_value(object).unwrap(), "v1", kind)
        };
        let ours = json!({names::COMPANION: "network-policy"});
        for kind in ["NetworkPolicy", "ServiceAccount"] {
            let stranger = trimmed(json!({}), kind);
            assert_eq!((&stranger["spec"], &stranger["metadata"]["name"]), (&Value::Null, &json!("db")));
            assert_eq!(stranger["metadata"]["managedFields"], Value::Null);
            let ours = trimmed(ours.clone(), kind);
            assert_eq!(
                (&ours["spec"]["a"], &ours["automountServiceAccountToken"]),
                (&json!(1), &json!(false))
            );
        }
        assert_eq!(trimmed(json!({}), "Ingress")["spec"]["a"], 1);
    }

    #[test]
    fn a_new_status_is_no_change() {
        let budget = |version: &str, healthy: u64| {
            let object = json!({
                "metadata": {"name": "db", "resourceVersion": version, "labels": {names::COMPANION: "budget"},
                    "managedFields": [
                    {"manager": "stateward", "operation": "Apply"},
                    {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-01T00:00:00Z"},
                    {"manager": "controller", "operation": "Update", "subresource": "status", "time": "2026-01-01T00:00:00Z"},
                ]},
                "spec": {"maxUnavailable": 1}, "status": {"currentHealthy": healthy},
            });
            neighbour(serde_json::from_value(object).unwrap(), "policy/v1", "PodDisruptionBudget")
        };
        assert!(is_same(&budget("1", 2), &budget("2", 3)));
        assert_eq!(budget("1", 2)["metadata"]["managedFields"].as_array().unwrap().len(), 1);
    }
}
