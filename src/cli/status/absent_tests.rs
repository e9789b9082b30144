//! Kinds that the cluster has not got, or of which it gives no answer.

use super::*;
use crate::companions::Kind;
use crate::defaults;
use crate::engine::{Change, Decision, Offline};

/// A set whose profile asks for a ServiceMonitor and its user for a route, as it should be but for those.
fn asking() -> (Engine, Granted, World) {
    beside(&json!({"stateward.dev/gateway": "infra/public"}))
}

/// The same where its user asks for what these annotations say.
fn beside(annotations: &Value) -> (Engine, Granted, World) {
    let profile = "{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {name: queue}, spec: \
        {summary: a queue, extends: default, match: {images: [queue]}, companions: {serviceMonitor: {endpoints: \
        [{port: http}]}}}}";
    let engine = Engine::new(Catalogue::built_in().unwrap().with([("queue.yaml", profile)]).unwrap());
    let grants = "{hosts: [{host: q.example.com}], gateways: [{gateway: infra/public}]}";
    let granted = Granted::from(Configuration::parse(grants).unwrap());
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "q", "namespace": "shop", "uid": "u-1", "labels": {"stateward.dev/managed": "true"},
            "annotations": annotations},
        "spec": {"template": {"spec": {"containers": [
            {"name": "queue", "image": "queue:1", "ports": [{"name": "main", "containerPort": 5000}]}]}}},
    });
    defaults::apply(&mut set);
    let change = Change { namespace: "shop", before: None, after: &set };
    let Decision::Admitted(admitted) = engine.admit(change, &Offline).unwrap() else { panic!("refused") };
    let mut set = admitted.result;
    set["status"] = json!({"readyReplicas": 1});
    let pod = json!({
        "metadata": {"name": "q-0", "namespace": "shop", "ownerReferences": [{"uid": "u-1"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    let mut world = World::default().with("StatefulSet", vec![set.clone()]).with("Pod", vec![pod]);
    let labels = world.labels("shop");
    let desired = companions::of_stored(&set, &engine.catalogue, &granted.configuration, &labels).unwrap();
    for companion in desired.wanted.into_iter().filter(|companion| !companion.kind.is_optional()) {
        world.known_mut(companion.kind.as_str()).push(companion.manifest);
    }
    (engine, granted, world)
}

#[test]
fn a_kind_that_the_cluster_has_not_got_is_no_obstacle() {
    let (engine, granted, world) = asking();
    let status = |world: &World| of(world.sets().next().unwrap(), world, &engine, &granted);
    let known = world.clone().with("ServiceMonitor", vec![]).with("TCPRoute", vec![]);
    let served = status(&known);
    assert_eq!(
        (state(&served, "monitor"), state(&served, "route")),
        ("missing".to_owned(), "missing".to_owned())
    );
    assert!(obstacle(&served).unwrap().contains("is missing; is the controller running?"), "{served:#}");

    let lacking = status(&world.lacking(Kind::ServiceMonitor).lacking(Kind::TcpRoute));
    let told = "none: this cluster has no ServiceMonitor; install what brings it, and it comes by itself";
    assert_eq!(state(&lacking, "monitor"), told);
    // Its user asked for the route, and waits for it.
    assert_eq!(state(&lacking, "route"), "not made");
    let problems = lacking["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(text(&problems[0]).starts_with("this cluster has no TCPRoute; "), "{problems:?}");
    assert_eq!(obstacle(&lacking), None);
}

/// The state of the companion of this role.
fn state(status: &Value, role: &str) -> String {
    let mut lines = status["companions"].as_array().unwrap().iter();
    lines.find(|line| line["role"] == role).map(|line| text(&line["state"]).to_owned()).unwrap_or_default()
}

#[test]
fn an_ingress_whose_host_may_be_anothers_is_held_back_and_not_missing() {
    let (engine, granted, world) = beside(&json!({"stateward.dev/ingress-host": "q.example.com"}));
    let world = world.lacking(Kind::ServiceMonitor).with("HTTPRoute", vec![]).with("TLSRoute", vec![]);
    let mut without = world.clone();
    without.known_mut("Ingress").clear();
    let told = |world: &World| {
        let status = of(world.sets().next().unwrap(), world, &engine, &granted);
        (state(&status, "ingress"), status["problems"].to_string())
    };
    let silent = |world: &World| world.clone().without_answer_of("TLSRoute", "failed to ask");
    assert_eq!(told(&silent(&world)), ("there".to_owned(), "[]".to_owned()), "it has its host");
    assert_eq!(told(&without).0, "missing");
    let (state, problems) = told(&silent(&without));
    assert_eq!(state, "not made");
    assert_eq!(
        problems,
        "[\"Ingress q is not made while gateway.networking.k8s.io has no answer: somebody may have had host q.example.com \
         for longer; the controller asks again by itself; kubectl get apiservices says what is wrong\"]"
    );
    let status = |world: &World| of(world.sets().next().unwrap(), world, &engine, &granted);
    assert!(may_settle(&status(&without)) && !may_settle(&status(&silent(&without))), "nothing brings it");
    let mut unready = silent(&without);
    unready.known_mut("Service").clear();
    assert!(may_settle(&status(&unready)), "the Service comes");
    let monitors = without.without_answer_of("ServiceMonitor", "failed to ask");
    assert_eq!(told(&monitors).0, "missing", "they claim no host");
}

#[test]
fn an_ingress_stays_while_the_route_in_its_place_cannot_be_made() {
    let host = json!({"stateward.dev/ingress-host": "q.example.com"});
    let (engine, granted, mut world) = beside(&host);
    let both =
        json!({"stateward.dev/ingress-host": "q.example.com", "stateward.dev/gateway": "infra/public"});
    for (key, value) in both.as_object().unwrap() {
        world.known_mut("StatefulSet")[0]["metadata"]["annotations"][key] = value.clone();
    }
    let world = world.lacking(Kind::ServiceMonitor).with("HTTPRoute", vec![]);
    let told = |world: &World| {
        let status = of(world.sets().next().unwrap(), world, &engine, &granted);
        (state(&status, "ingress"), state(&status, "route"), status["problems"].as_array().unwrap().len())
    };
    let states = |ingress: &str, route: &str, problems| (ingress.to_owned(), route.to_owned(), problems);
    assert_eq!(told(&world), states("left over", "missing", 2));
    let silent = world.without_answer_of("HTTPRoute", "failed to ask");
    assert_eq!(told(&silent), states("kept as it is", "not looked at", 0));
    let status = of(silent.sets().next().unwrap(), &silent, &engine, &granted);
    assert_eq!(status["unread"], json!(["HTTPRoute q was not looked at: failed to ask"]));
}
