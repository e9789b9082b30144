use serde_json::json;

use super::*;
use crate::catalogue::Catalogue;
use crate::companions::neighbours::{nothing, settle};
use crate::companions::{Labels, desired};
use crate::configuration::Configuration;
use crate::intent::Intent;
use crate::settings::Settings;

fn set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "shop", "uid": "u-1"},
        "spec": {
            "replicas": 3, "serviceName": "db-headless",
            "selector": {"matchLabels": {names::STATEFULSET: "db"}},
            "template": {
                "metadata": {"labels": {names::STATEFULSET: "db"}},
                "spec": {"containers": [
                    {"name": "postgres", "image": "postgres:18", "ports": [{"name": "postgresql", "containerPort": 5432}]},
                ]},
            },
        },
    })
}

fn wanted(set: &Value) -> Companions {
    let settings = Settings::choose(set, &Intent::default(), &Catalogue::built_in().unwrap()).unwrap();
    desired(set, &settings, &Configuration::default(), &Labels::new())
}

/// What the API server has after an apply of ours.
fn applied(manifest: &Value) -> Value {
    let mut live = manifest.clone();
    live["metadata"]["uid"] = json!(format!("uid-of-{}", text(&manifest["metadata"]["name"])));
    live["metadata"]["resourceVersion"] = json!("1");
    let labels = manifest["metadata"]["labels"].as_object().unwrap();
    let labels: serde_json::Map<_, _> = labels.keys().map(|key| (format!("f:{key}"), json!({}))).collect();
    let uid = text(&manifest["metadata"]["ownerReferences"][0]["uid"]);
    let spec = manifest["spec"].as_object().unwrap();
    let spec: serde_json::Map<_, _> = spec.keys().map(|key| (format!("f:{key}"), json!({}))).collect();
    live["metadata"]["managedFields"] = json!([{
        "manager": "stateward", "operation": "Apply", "fieldsV1": {
            "f:metadata": {"f:labels": labels, "f:ownerReferences": {format!("k:{{\"uid\":\"{uid}\"}}"): {}}},
            "f:spec": spec,
        },
    }]);
    live
}

fn all() -> Live {
    let wanted = wanted(&set()).wanted;
    let live = |kind: &str| {
        let of_kind = wanted.iter().filter(|one| one.manifest["kind"] == kind);
        of_kind.map(|one| applied(&one.manifest)).collect()
    };
    let beside = [Kind::Service, Kind::PodDisruptionBudget].map(|kind| (kind, live(kind.as_str())));
    Live { beside: beside.into(), ..Live::default() }
}

fn services(live: &mut Live) -> &mut Vec<Value> {
    live.beside.entry(Kind::Service).or_default()
}

fn budgets(live: &mut Live) -> &mut Vec<Value> {
    live.beside.entry(Kind::PodDisruptionBudget).or_default()
}

fn steps(set: &Value, live: &Live) -> Vec<String> {
    let desired = wanted(set);
    let mut around = nothing();
    around.extend(neighbours(set, live));
    let settled = settle(desired.clone(), set, &around);
    words(plan(set, &desired, &settled, live))
}

fn words(steps: Vec<Step>) -> Vec<String> {
    let word = |step: Step| match step.act {
        Act::Create(_) => format!("create {}", step.role),
        Act::Apply(_) => format!("apply {}", step.role),
        Act::Adopt(_) => format!("adopt {}", step.role),
        Act::Delete { name, sure, .. } => {
            format!("delete {} {name}{}", step.role, if sure { "" } else { "?" })
        }
        Act::HandBack { to, .. } => format!("hand back {} to {}", step.role, to.unwrap_or_default()),
        Act::Secret(_) => "secret".to_owned(),
    };
    steps.into_iter().map(word).collect()
}

fn change(live: &mut Value, change: impl FnOnce(&mut Value)) {
    change(live);
}

#[test]
fn what_is_absent_is_made_and_what_is_there_is_left() {
    assert_eq!(steps(&set(), &Live::default()), ["create headless", "create client", "create budget"]);
    assert_eq!(steps(&set(), &all()), [""; 0]);
}

#[test]
fn what_differs_is_applied_with_the_uid_that_it_has() {
    let mut live = all();
    change(&mut budgets(&mut live)[0], |budget| budget["spec"]["maxUnavailable"] = json!(2));
    assert_eq!(steps(&set(), &live), ["apply budget"]);
    let wanted = wanted(&set());
    let steps = plan(&set(), &wanted, &wanted, &live);
    let Act::Apply(manifest) = &steps[0].act else { panic!("{steps:?}") };
    assert_eq!(manifest["metadata"]["uid"], "uid-of-db");
    assert_eq!(manifest["metadata"]["resourceVersion"], "1");
}

#[test]
fn a_foreign_object_of_the_name_is_not_touched() {
    let foreign =
        json!({"kind": "Service", "metadata": {"name": "db"}, "spec": {"selector": {"app": "web"}}});
    let live = Live { beside: [(Kind::Service, vec![foreign])].into(), ..Live::default() };
    assert_eq!(steps(&set(), &live), ["create headless", "create budget"]);
}

#[test]
fn a_copy_of_ours_is_foreign() {
    let mut live = all();
    let mut copy = budgets(&mut live)[0].clone();
    change(&mut copy, |budget| {
        budget["metadata"]["name"] = json!("copy");
        budget["metadata"]["managedFields"][0]["manager"] = json!("kubectl-create");
    });
    budgets(&mut live).push(copy);
    assert_eq!(steps(&set(), &live), ["delete budget db"], "two budgets would stop every drain");
}

#[test]
fn ours_yields_to_another_budget_before_anything_else() {
    let mut live = all();
    services(&mut live).clear();
    budgets(&mut live).push(json!({"metadata": {"name": "mine"}, "spec": {"selector": {}}}));
    assert_eq!(steps(&set(), &live), ["delete budget db", "create headless", "create client"]);
}

#[test]
fn a_service_that_clients_use_stays_when_another_comes() {
    let mut live = all();
    let other = json!({"metadata": {"name": "read"}, "spec": {"selector": {names::STATEFULSET: "db"}}});
    services(&mut live).push(other);
    assert_eq!(steps(&set(), &live), [""; 0]);
    services(&mut live).retain(|service| service["metadata"]["name"] != "db");
    assert_eq!(steps(&set(), &live), [""; 0], "but it is not made then");
}

#[test]
fn what_is_no_longer_wanted_goes() {
    let mut one = set();
    one["spec"]["replicas"] = json!(1);
    assert_eq!(steps(&one, &all()), ["delete budget db"]);
}

#[test]
fn what_was_taken_over_is_handed_over_once() {
    let mut live = all();
    change(&mut services(&mut live)[1], |service| {
        service["metadata"]["annotations"] = json!({names::LAST_APPLIED: "{}"});
    });
    assert_eq!(steps(&set(), &live), ["hand back client to kubectl apply"]);
    change(&mut services(&mut live)[1], |service| {
        let ours = &mut service["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"];
        ours.as_object_mut().unwrap().remove("f:labels");
    });
    assert_eq!(steps(&set(), &live), [""; 0], "though the labels are still there, in their name");
}

#[test]
fn what_helm_has_labelled_as_its_own_is_handed_over() {
    let mut live = all();
    change(&mut services(&mut live)[1], |service| {
        service["metadata"]["labels"][names::MANAGED_BY] = json!("Helm");
    });
    assert_eq!(steps(&set(), &live), ["hand back client to Helm"]);
}

#[test]
fn another_set_of_the_name_takes_on_what_was_left() {
    let mut again = set();
    again["metadata"]["uid"] = json!("u-2");
    assert_eq!(steps(&again, &all()), ["adopt headless", "adopt client", "adopt budget"]);
    again["spec"]["replicas"] = json!(1);
    assert_eq!(steps(&again, &all()), ["delete budget db?", "adopt headless", "adopt client"]);
}

#[test]
fn what_is_going_is_waited_for() {
    let mut live = all();
    change(&mut services(&mut live)[0], |service| {
        service["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    });
    assert_eq!(steps(&set(), &live), [""; 0]);
}

#[test]
fn a_release_gives_everything_back() {
    let given = words(release(&set(), &all()));
    assert_eq!(given, ["hand back headless to ", "hand back client to ", "hand back budget to "]);
    let mut other = set();
    other["metadata"]["name"] = json!("other");
    assert_eq!(words(release(&other, &all())), [""; 0]);
}
