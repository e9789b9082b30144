//! What the API server fills in before the webhook is called, for objects that did not pass one.
//!
//! From `SetObjectDefaults_StatefulSet` of Kubernetes 1.36 (`pkg/apis/apps/v1` and
//! `pkg/apis/core/v1`), and from how that server writes what it has read (a claim template's
//! `kind`, a container's `resources: {}`, `serviceName: ""`, the old name `serviceAccount`). Not the same as a pod's
//! defaults: a template gets no `enableServiceLinks`, no requests from limits and no `hostPort`.
//!
//! Whatever is there stays as it is, and unread if unknown; what `null` stands for, and
//! for plain texts and numbers also `""` and `0`, is filled in. Nothing is made canonical.

mod containers;
mod pull;
mod volumes;

use serde_json::{Map, Value, json};

/// Fills in what the API server would. Applied again, it changes nothing.
pub fn apply(object: &mut Value) {
    let Some(spec) = child(object, "spec") else {
        return;
    };
    fill(spec, "serviceName", json!(""));
    fill(spec, "replicas", json!(1));
    fill_plain(spec, "podManagementPolicy", json!("OrderedReady"));
    update_strategy(spec);
    if let Some(policy) = child_of(spec, "persistentVolumeClaimRetentionPolicy") {
        fill_plain(policy, "whenDeleted", json!("Retain"));
        fill_plain(policy, "whenScaled", json!("Retain"));
    }
    fill(spec, "revisionHistoryLimit", json!(10));
    if let Some(template) = child_of(spec, "template") {
        fill(template, "metadata", json!({}));
        if let Some(pod) = child_of(template, "spec") {
            apply_to_pod(pod);
        }
    }
    for claim in items(spec, "volumeClaimTemplates") {
        volumes::apply_to_claim(claim);
    }
}

/// A partition belongs to rolling updates that have a block for it; the block is made only where
/// the type was not written either.
fn update_strategy(spec: &mut Map<String, Value>) {
    let Some(strategy) = child_of(spec, "updateStrategy") else {
        return;
    };
    if is_empty(strategy.get("type")) {
        fill_plain(strategy, "type", json!("RollingUpdate"));
        fill(strategy, "rollingUpdate", json!({}));
    }
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate")
        && let Some(rolling) = existing(strategy, "rollingUpdate")
    {
        fill(rolling, "partition", json!(0));
    }
}

fn apply_to_pod(pod: &mut Map<String, Value>) {
    fill_plain(pod, "dnsPolicy", json!("ClusterFirst"));
    fill_plain(pod, "restartPolicy", json!("Always"));
    fill(pod, "securityContext", json!({}));
    fill(pod, "terminationGracePeriodSeconds", json!(30));
    fill_plain(pod, "schedulerName", json!("default-scheduler"));
    service_account(pod);
    for volume in items(pod, "volumes") {
        volumes::apply(volume);
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in items(pod, list) {
            containers::apply(container);
        }
    }
}

/// The account is written under both its names; the newer one wins.
fn service_account(pod: &mut Map<String, Value>) {
    const NAMES: [&str; 2] = ["serviceAccountName", "serviceAccount"];
    let account = NAMES.iter().find_map(|name| pod.get(*name).filter(|v| !is_empty(Some(v))));
    if let Some(account @ Value::String(_)) = account.cloned() {
        for name in NAMES {
            if pod.get(name) != Some(&account) {
                pod.insert(name.to_owned(), account.clone());
            }
        }
    }
}

/// Fills in a field that can tell unset from empty: only absence and `null` count.
fn fill(map: &mut Map<String, Value>, field: &str, value: Value) {
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field.to_owned(), value);
    }
}

/// Fills in a field for which empty means unset.
fn fill_plain(map: &mut Map<String, Value>, field: &str, value: Value) {
    if is_empty(map.get(field)) {
        map.insert(field.to_owned(), value);
    }
}

/// Whether a plain text or number is unset.
fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(_) => false,
    }
}

/// The map in `field`, made if absent; `None` if something else stands there.
fn child<'a>(value: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    child_of(value.as_object_mut()?, field)
}

fn child_of<'a>(map: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    fill(map, field, json!({}));
    existing(map, field)
}

/// The map in `field`, if there is one.
fn existing<'a>(map: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    map.get_mut(field)?.as_object_mut()
}

/// The maps in the list in `field`.
fn items<'a>(
    map: &'a mut Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> + use<'a> {
    let list = map.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn applied(mut object: Value) -> Value {
        apply(&mut object);
        object
    }

    #[test]
    fn the_least_set_is_filled_in() {
        let set = json!({"spec": {"template": {"spec": {"containers": []}}}});
        assert_eq!(
            applied(set),
            json!({"spec": {
                "serviceName": "",
                "replicas": 1,
                "podManagementPolicy": "OrderedReady",
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                "revisionHistoryLimit": 10,
                "template": {"metadata": {}, "spec": {
                    "containers": [], "dnsPolicy": "ClusterFirst", "restartPolicy": "Always",
                    "securityContext": {}, "terminationGracePeriodSeconds": 30,
                    "schedulerName": "default-scheduler",
                }},
            }})
        );
    }

    #[test]
    fn update_strategies_are_filled_in_as_far_as_written() {
        for (given, wanted) in [
            (json!(null), json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})),
            (json!({"type": "RollingUpdate"}), json!({"type": "RollingUpdate"})),
            (json!({"type": "OnDelete"}), json!({"type": "OnDelete"})),
            (
                json!({"rollingUpdate": {"maxUnavailable": 2}}),
                json!({"rollingUpdate": {"maxUnavailable": 2, "partition": 0}, "type": "RollingUpdate"}),
            ),
        ] {
            let set = applied(json!({"spec": {"updateStrategy": given}}));
            assert_eq!(set["spec"]["updateStrategy"], wanted);
        }
    }

    #[test]
    fn what_is_there_stays_as_it_is() {
        let set = json!({"future": [1], "spec": {
            "revisionHistoryLimit": 0, "replicas": 0, "zzz": {"a": null},
            "template": {"spec": {"terminationGracePeriodSeconds": 0, "hostNetwork": true}},
        }});
        let filled = applied(set.clone());
        assert_eq!(filled["future"], set["future"]);
        for field in ["revisionHistoryLimit", "replicas", "zzz"] {
            assert_eq!(filled["spec"][field], set["spec"][field]);
        }
        let pod = &filled["spec"]["template"]["spec"];
        assert_eq!((&pod["terminationGracePeriodSeconds"], &pod["hostNetwork"]), (&json!(0), &json!(true)));
    }

    #[test]
    fn what_a_pod_gets_and_a_template_does_not() {
        let pod = json!({"hostNetwork": true, "topologySpreadConstraints": [{"maxSkew": 1}], "containers": [
            {"ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": 1}}},
        ]});
        let pod = &applied(json!({"spec": {"template": {"spec": pod}}}))["spec"]["template"]["spec"];
        assert_eq!(pod.get("enableServiceLinks"), None);
        assert_eq!(pod["topologySpreadConstraints"], json!([{"maxSkew": 1}]));
        assert_eq!(pod["containers"][0]["ports"][0], json!({"containerPort": 80, "protocol": "TCP"}));
        assert_eq!(pod["containers"][0]["resources"], json!({"limits": {"cpu": 1}}));
    }

    #[test]
    fn the_service_account_has_two_names() {
        let account = |pod: Value| {
            let set = applied(json!({"spec": {"template": {"spec": pod}}}));
            let pod = &set["spec"]["template"]["spec"];
            (pod["serviceAccountName"].clone(), pod["serviceAccount"].clone())
        };
        assert_eq!(account(json!({})), (json!(null), json!(null)));
        assert_eq!(account(json!({"serviceAccount": "old"})), (json!("old"), json!("old")));
        let both = json!({"serviceAccount": "old", "serviceAccountName": "new"});
        assert_eq!(account(both), (json!("new"), json!("new")));
    }

    fn odd() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            Just(json!("")),
            Just(json!("RollingUpdate")),
            Just(json!("x")),
            Just(json!(0)),
            Just(json!(3)),
            Just(json!(true)),
        ];
        let fields = [
            "type",
            "rollingUpdate",
            "metadata",
            "spec",
            "status",
            "containers",
            "volumes",
            "name",
            "image",
            "env",
            "valueFrom",
            "fieldRef",
            "ports",
            "livenessProbe",
            "httpGet",
            "configMap",
            "projected",
            "sources",
            "serviceAccountName",
            "updateStrategy",
            "volumeClaimTemplates",
            "template",
        ];
        leaf.prop_recursive(8, 96, 5, move |inner| {
            let field = prop::sample::select(fields.to_vec());
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((field, inner), 0..5)
                    .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn twice_is_once(object in odd(), pod in odd(), claim in odd()) {
            let template = json!({"spec": {"template": {"spec": pod}, "volumeClaimTemplates": [claim]}});
            for object in [object, template] {
                let once = applied(object);
                prop_assert_eq!(applied(once.clone()).to_string(), once.to_string());
            }
        }
    }
}
