//! What Kubernetes would refuse, or would accept and never start.
//!
//! The API server validates after the mutating webhook and says no remedy; before 1.34 it does not
//! look into a StatefulSet's pod template at all, so that the fault shows as pods that are never
//! made. Each check reads the raw JSON: fields that it does not know do not matter, and a value of
//! an unexpected type reads as absent. All faults are found at once, and where two would be said of
//! one cause, one is.

mod claims;
mod containers;
mod environment;
mod handlers;
pub(crate) mod labels;
mod lifecycle;
mod mounts;
pub(crate) mod names;
mod place;
mod pod;
pub(crate) mod ports;
mod probes;
mod resources;
mod rollout;
mod selector;
mod volumes;

use serde_json::Value;

use crate::fault::{Fault, Reason};
use pod::Parts;

/// What must hold before expansion can name anything: kind, name, and containers that have names
/// and images. Looks at the object as it was sent.
#[must_use]
pub fn structure(object: &Value) -> Vec<Fault> {
    collect(object, &[names::check, containers::check])
}

/// Everything else; looks at the object after expansion. Shares no fault with [`structure`].
#[must_use]
pub fn object(object: &Value) -> Vec<Fault> {
    collect(
        object,
        &[
            labels::check,
            rollout::check,
            selector::check,
            lifecycle::check,
            ports::check,
            probes::check,
            environment::check,
            resources::check,
            volumes::check,
            claims::check,
            mounts::check,
        ],
    )
}

/// Those faults of [`object`] that no expansion can cure, for an object that could not be expanded:
/// not what is absent, nor what refers to something absent.
#[must_use]
pub fn incurable(object: &Value) -> Vec<Fault> {
    let mut faults = self::object(object);
    faults.retain(|fault| !matches!(fault.reason, Reason::Missing | Reason::NotFound));
    faults
}

/// What is allowed and may not be meant, one line each; looks at the object after expansion.
#[must_use]
pub fn warnings(object: &Value) -> Vec<String> {
    rollout::warnings(object)
}

type Check = fn(&Parts, &mut Vec<Fault>);

fn collect(object: &Value, checks: &[Check]) -> Vec<Fault> {
    let parts = Parts::of(object);
    let mut faults = Vec::new();
    for check in checks {
        check(&parts, &mut faults);
    }
    faults
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A complete StatefulSet that uses most of what is checked.
    fn complete() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "orders-db", "labels": {"app": "orders"}},
            "spec": {
                "replicas": 3, "serviceName": "orders-db", "podManagementPolicy": "OrderedReady",
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                "selector": {
                    "matchLabels": {"app": "orders"},
                    "matchExpressions": [{"key": "tier", "operator": "In", "values": ["db"]}],
                },
                "template": {"metadata": {"labels": {"app": "orders", "tier": "db"}}, "spec": {
                    "restartPolicy": "Always", "terminationGracePeriodSeconds": 60,
                    "futureField": {"x": [1, 2, 3]},
                    "initContainers": [{"name": "init", "image": "init:1"}],
                    "containers": [{
                        "name": "postgres", "image": "postgres:18",
                        "ports": [{"name": "postgres", "containerPort": 5432, "protocol": "TCP"}],
                        "env": [
                            {"name": "PGDATA", "value": "/data/pg"},
                            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                        ],
                        "envFrom": [{"secretRef": {"name": "db"}}],
                        "readinessProbe": {"exec": {"command": ["pg_isready"]}, "periodSeconds": 10},
                        "livenessProbe": {"tcpSocket": {"port": "postgres"}, "successThreshold": 1},
                        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
                        "volumeMounts": [
                            {"name": "data", "mountPath": "/data", "subPath": "pg"},
                            {"name": "tmp", "mountPath": "/tmp"},
                        ],
                    }],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                }},
                "volumeClaimTemplates": [{
                    "metadata": {"name": "data"},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}},
                }],
            },
        })
    }

    #[test]
    fn a_complete_set_has_no_faults() {
        assert_eq!(structure(&complete()), []);
        assert_eq!(object(&complete()), []);
        assert!(warnings(&complete()).is_empty());
    }

    #[test]
    fn all_faults_are_found_at_once() {
        let mut set = complete();
        set["spec"]["replicas"] = json!(-1);
        set["spec"]["selector"] = json!(null);
        set["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
        set["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(0);
        set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] = json!("date");
        let fields: Vec<String> = object(&set).into_iter().map(|fault| fault.field).collect();
        assert_eq!(
            fields,
            [
                "spec.replicas",
                "spec.selector",
                "spec.template.spec.restartPolicy",
                "spec.template.spec.containers[name=\"postgres\"].ports[containerPort=0,protocol=\"TCP\"].\
                 containerPort",
                "spec.volumeClaimTemplates[name=\"date\"]",
                "spec.template.spec.containers[name=\"postgres\"].volumeMounts[mountPath=\"/data\"].name",
            ]
        );
    }

    #[test]
    fn what_expansion_may_cure_is_left_out() {
        let mut set = complete();
        set["spec"]["selector"] = json!(null);
        set["spec"]["volumeClaimTemplates"] = json!(null);
        set["spec"]["replicas"] = json!(-1);
        let fields: Vec<String> = incurable(&set).into_iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["spec.replicas"]);
    }

    /// Puts `put` at the `at`th place of the object, counted depth first.
    fn replace(value: &mut Value, at: &mut usize, put: &Value) {
        if *at == 0 {
            *value = put.clone();
        }
        *at = at.wrapping_sub(1);
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| replace(item, at, put)),
            Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, at, put)),
            _ => {}
        }
    }

    fn odd() -> impl Strategy<Value = Value> {
        let texts = ["", "Block", "-", "é..:/", "99999999999999999999999999999e-5Gi"];
        prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            prop::sample::select(texts.to_vec()).prop_map(Value::from),
            ".*".prop_map(Value::from),
            Just(json!([])),
            Just(json!({})),
            Just(json!([null, 1, "x", {}, [], {"name": 1}])),
            Just(json!({"name": {}, "": [], "x": null})),
        ]
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(changes in prop::collection::vec((0_usize..160, odd()), 1..4)) {
            let mut set = complete();
            for (at, put) in changes {
                replace(&mut set, &mut at.clone(), &put);
            }
            for fault in structure(&set).into_iter().chain(object(&set)) {
                prop_assert!(!fault.field.is_empty() && !fault.problem.is_empty() && !fault.remedy.is_empty());
            }
            prop_assert!(warnings(&set).iter().all(|warning| !warning.contains('\n')));
        }
    }
}
