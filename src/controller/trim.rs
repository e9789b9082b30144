//! What the controller remembers of an object: as little as its work needs. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::core::DynamicObject;
use serde_json::{Map, Value, json};

use crate::names;
use crate::ownership::{self, Named};
use crate::record::{Read, Record};
use crate::settings::{containers, text};

/// Fields of a StatefulSet's spec that companions depend on; of the template, see [`set`].
const SPEC: [&str; 3] = ["replicas", "serviceName", "selector"];
/// Fields of a container that companions depend on.
const CONTAINER: [&str; 4] = ["name", "image", "ports", "restartPolicy"];

/// Leaves of a StatefulSet what [`crate::companions::desired`], the choice of settings and
/// [`crate::engine::is_resized`] read, as a manifest. Two that are the same give the same companions.
pub(super) fn set(object: DynamicObject) -> Value {
    let resources = resources(&object);
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
        "spec": set_spec(object.data.get("spec").unwrap_or(&Value::Null), &resources),
    })
}

/// The resources of its containers that their user wrote, by the container's name: whether another size would change
/// the set goes by them.
fn resources(object: &DynamicObject) -> Map<String, Value> {
    let is_apply = |entry: &&ManagedFieldsEntry| entry.operation.as_deref() == Some("Apply");
    let managers: Vec<&ManagedFieldsEntry> =
        object.metadata.managed_fields.iter().flatten().filter(is_apply).collect();
    let all = object.data.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let all = all.into_iter().flatten().filter(|one| !one["resources"].is_null());
    let all: Vec<Value> = all.map(|one| pick(one, &["name", "resources"])).collect();
    if all.is_empty() {
        return Map::new();
    }
    let lean = json!({
        "metadata": {
            "name": object.metadata.name, "annotations": object.metadata.annotations, "managedFields": managers,
        },
        "spec": {"template": {"spec": {"containers": all}}},
    });
    let users = match Record::of(&lean) {
        Read::Known(record) => ownership::before(&lean, &record, &Named::of(&lean)).user,
        Read::Absent | Read::Newer => lean,
    };
    let is_any = |one: &&Value| one["resources"].as_object().is_some_and(|all| !all.is_empty());
    let users = containers(&users).iter().filter(is_any);
    users.map(|one| (text(&one["name"]).to_owned(), one["resources"].clone())).collect()
}

fn set_spec(spec: &Value, resources: &Map<String, Value>) -> Value {
    let template = &spec["template"];
    let mut lean = pick(spec, &SPEC);
    let mut pod = Map::new();
    for list in ["containers", "initContainers"] {
        if let Some(containers) = template["spec"][list].as_array() {
            pod.insert(list.to_owned(), containers.iter().map(|one| pick(one, &CONTAINER)).collect());
        }
    }
    for container in pod.get_mut("containers").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(resources) = resources.get(text(&container["name"])) {
            container["resources"] = resources.clone();
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
    use crate::defaults;
    use crate::engine::{Change, Decision, Engine, Offline, is_resized};
    use crate::intent::Intent;
    use crate::settings::{Defaults, Settings};

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

    /// A set of Redis with these resources, as admitted.
    fn redis(resources: &Value) -> Value {
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "r", "namespace": "shop", "labels": {"stateward.dev/managed": "true"}},
            "spec": {"template": {"spec": {"containers": [
                {"name": "redis", "image": "redis:8", "resources": resources}]}}},
        });
        defaults::apply(&mut set);
        let change = Change { namespace: "shop", before: None, after: &set };
        let admitted = Engine::built_in().unwrap().admit(change, &Offline).unwrap();
        let Decision::Admitted(admitted) = admitted else { panic!("refused: {admitted:?}") };
        admitted.result
    }

    /// What is left tells, as the whole does, whether another size would change a set.
    #[test]
    fn of_resources_those_of_the_user_are_kept() {
        let both = json!({"cpu": "1", "memory": "1Gi"});
        let cases = [
            (json!({}), true),
            (json!({"limits": {"memory": "1Gi"}}), true),
            (json!({"limits": both}), false),
            (json!({"requests": both, "limits": both}), false),
        ];
        for (resources, resized) in cases {
            let whole = redis(&resources);
            let lean = set(serde_json::from_value(whole.clone()).unwrap());
            let kept = &lean["spec"]["template"]["spec"]["containers"][0]["resources"];
            assert_eq!(*kept, if resources == json!({}) { Value::Null } else { resources.clone() });
            let (pin, catalogue) = (Record::pin_of(&whole).unwrap(), Catalogue::built_in().unwrap());
            let large = Defaults { size: Some("large".to_owned()), ..Defaults::default() };
            let told = [&whole, &lean].map(|set| is_resized(set, &pin, &large, &catalogue));
            assert_eq!(told, [resized; 2], "{resources}");
        }
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
