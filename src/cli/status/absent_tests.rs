//! Kinds that the cluster has not got.

use super::*;
use crate::companions::Kind;
use crate::defaults;
use crate::engine::{Change, Decision, Offline};

/// A set whose profile asks for a ServiceMonitor and its user for a route, as it should be but for those.
fn asking() -> (Engine, Granted, World) {
    let profile = "{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {name: queue}, spec: \
        {summary: a queue, extends: default, match: {images: [queue]}, companions: {serviceMonitor: {endpoints: \
        [{port: http}]}}}}";
    let engine = Engine::new(Catalogue::built_in().unwrap().with([("queue.yaml", profile)]).unwrap());
    let granted = Granted::from(Configuration::parse("gateways: [{gateway: infra/public}]").unwrap());
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "q", "namespace": "shop", "uid": "u-1", "labels": {"stateward.dev/managed": "true"},
            "annotations": {"stateward.dev/gateway": "infra/public"}},
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
    let state = |status: &Value, role: &str| {
        let mut lines = status["companions"].as_array().unwrap().iter();
        lines.find(|line| line["role"] == role).map(|line| text(&line["state"]).to_owned()).unwrap()
    };
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
