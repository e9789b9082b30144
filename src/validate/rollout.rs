//! The set's own settings: count, order, updates and what becomes of claims.

use serde_json::Value;

use super::names::{dns_label, not_a_label};
use super::place::Place;
use super::pod::Parts;
use crate::fault::{Fault, Reason};

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    let Some(spec) = parts.root.field("spec") else {
        return;
    };
    for field in ["replicas", "minReadySeconds"] {
        spec.at_least(field, 0, faults);
    }
    if let Some(ordinals) = spec.field("ordinals") {
        ordinals.at_least("start", 0, faults);
    }
    if let Some(name) = spec.text("serviceName").filter(|name| !dns_label(name)) {
        let (problem, remedy) = not_a_label(name);
        faults.push(spec.fault_at("serviceName", Reason::Invalid, problem, remedy));
    }
    spec.one_of("podManagementPolicy", &["OrderedReady", "Parallel"], faults);
    if let Some(policy) = spec.field("persistentVolumeClaimRetentionPolicy") {
        policy.one_of("whenDeleted", &["Retain", "Delete"], faults);
        policy.one_of("whenScaled", &["Retain", "Delete"], faults);
    }
    check_strategy(&spec, faults);
}

/// Types that we do not know are a newer Kubernetes' (Recreate came with 1.37).
fn check_strategy(spec: &Place, faults: &mut Vec<Fault>) {
    let Some(strategy) = spec.field("updateStrategy") else {
        return;
    };
    if strategy.text("type") == Some("OnDelete") && strategy.has("rollingUpdate") {
        faults.push(strategy.fault_at(
            "rollingUpdate",
            Reason::Contradiction,
            "stands beside type \"OnDelete\"",
            "remove it, or write type: RollingUpdate",
        ));
    } else if let Some(rolling) = strategy.field("rollingUpdate") {
        rolling.at_least("partition", 0, faults);
    }
}

/// What is allowed and may not be meant.
pub(super) fn warnings(object: &Value) -> Vec<String> {
    let Some(spec) = Place::root(object).field("spec") else {
        return Vec::new();
    };
    [partition(&spec), on_scale(&spec), on_delete(&spec)].into_iter().flatten().collect()
}

fn partition(spec: &Place) -> Option<String> {
    let rolling = spec.descend(&["updateStrategy", "rollingUpdate"])?;
    let partition = rolling.number("partition").filter(|partition| *partition > 0)?;
    let replicas = spec.number("replicas").unwrap_or(1);
    let start = spec.field("ordinals").and_then(|ordinals| ordinals.number("start"));
    // Pods whose ordinal is at or above the partition are updated.
    (partition >= start.unwrap_or(0).saturating_add(replicas)).then(|| {
        format!(
            "{}.partition is {partition} and there are {replicas} replicas: no pod will be updated; set \
             partition: 0 to update all",
            rolling.path()
        )
    })
}

fn on_scale(spec: &Place) -> Option<String> {
    deletes(spec, "whenScaled").map(|field| {
        format!("{field} is Delete: scaling down deletes the claims of the pods that go, and their data")
    })
}

fn on_delete(spec: &Place) -> Option<String> {
    deletes(spec, "whenDeleted").map(|field| {
        format!("{field} is Delete: deleting this StatefulSet deletes its claims and their data")
    })
}

/// The path of this setting if it is `Delete` and there are claims to delete.
fn deletes(spec: &Place, field: &str) -> Option<String> {
    let policy = spec.field("persistentVolumeClaimRetentionPolicy")?;
    let claims = spec.raw("volumeClaimTemplates").and_then(Value::as_array);
    let deletes = policy.text(field) == Some("Delete") && claims.is_some_and(|claims| !claims.is_empty());
    deletes.then(|| policy.at(field))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(spec: &Value) -> Vec<String> {
        let object = json!({"spec": spec});
        let mut faults = Vec::new();
        check(&Parts::of(&object), &mut faults);
        faults.iter().map(Fault::to_string).collect()
    }

    fn warned(spec: &Value) -> Vec<String> {
        warnings(&json!({"spec": spec}))
    }

    #[test]
    fn ordinary_settings_pass() {
        let spec = json!({
            "replicas": 0, "minReadySeconds": 0, "serviceName": "", "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "Recreate"},
            "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Retain"},
        });
        assert_eq!(faults(&spec), [""; 0]);
    }

    #[test]
    fn counts_are_not_negative() {
        let spec = json!({
            "replicas": -1, "minReadySeconds": -2, "ordinals": {"start": -3},
            "updateStrategy": {"rollingUpdate": {"partition": -4}},
        });
        assert_eq!(
            faults(&spec),
            [
                "spec.replicas: -1 is below 0; write 0 or more",
                "spec.minReadySeconds: -2 is below 0; write 0 or more",
                "spec.ordinals.start: -3 is below 0; write 0 or more",
                "spec.updateStrategy.rollingUpdate.partition: -4 is below 0; write 0 or more",
            ]
        );
    }

    #[test]
    fn names_and_choices_are_checked() {
        let spec = json!({
            "serviceName": "orders.db", "podManagementPolicy": "parallel",
            "updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": -1}},
            "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Keep"},
        });
        assert_eq!(
            faults(&spec),
            [
                "spec.serviceName: \"orders.db\" is not a DNS label; use at most 63 lower-case letters, \
                 digits and inner hyphens, for example \"orders-db\"",
                "spec.podManagementPolicy: \"parallel\" is not known here; write OrderedReady or Parallel",
                "spec.persistentVolumeClaimRetentionPolicy.whenScaled: \"Keep\" is not known here; \
                 write Retain or Delete",
                "spec.updateStrategy.rollingUpdate: stands beside type \"OnDelete\"; remove it, or write \
                 type: RollingUpdate",
            ]
        );
    }

    #[test]
    fn a_partition_that_stops_updates_is_told() {
        let spec = |partition: i64, replicas: i64| json!({"replicas": replicas, "updateStrategy": {"rollingUpdate": {"partition": partition}}});
        assert_eq!(
            warned(&spec(3, 3)),
            ["spec.updateStrategy.rollingUpdate.partition is 3 and there are 3 replicas: no pod will be \
              updated; set partition: 0 to update all"]
        );
        assert_eq!(warned(&spec(2, 3)), [""; 0]);
        assert_eq!(warned(&spec(0, 0)), [""; 0]);
        let mut shifted = spec(5, 3);
        shifted["ordinals"] = json!({"start": 4});
        assert_eq!(warned(&shifted), [""; 0]);
    }

    #[test]
    fn deleting_data_is_told() {
        let spec = json!({
            "volumeClaimTemplates": [{}],
            "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Delete"},
        });
        assert_eq!(
            warned(&spec),
            [
                "spec.persistentVolumeClaimRetentionPolicy.whenScaled is Delete: scaling down deletes the \
                 claims of the pods that go, and their data",
                "spec.persistentVolumeClaimRetentionPolicy.whenDeleted is Delete: deleting this StatefulSet \
                 deletes its claims and their data",
            ]
        );
    }
}
