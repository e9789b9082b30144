use super::*;
use crate::companions::{Kind, Role};
use crate::defaults;
use crate::engine::{Change, Decision, Offline};
use crate::names;

pub(super) fn world() -> World {
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "shop", "uid": "u-1", "labels": {"stateward.dev/managed": "true"},
            "annotations": {
                "stateward.dev/storage": "20Gi", "stateward.dev/acknowledge": "no-password,separate-replicas",
            }},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "db", "image": "postgres:18"}]}}},
    });
    defaults::apply(&mut set);
    let engine = Engine::built_in().unwrap();
    let change = Change { namespace: "shop", before: None, after: &set };
    let Decision::Admitted(admitted) = engine.admit(change, &Offline).unwrap() else { panic!("refused") };
    let mut set = admitted.result;
    set["status"] = json!({"readyReplicas": 1});
    let pod = |name: &str, ready: &str| {
        json!({
            "metadata": {"name": name, "namespace": "shop", "ownerReferences": [{"uid": "u-1"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        })
    };
    let claim = |name: &str, phase: &str| {
        json!({"metadata": {"name": name, "namespace": "shop"}, "status": {"phase": phase},
               "spec": {"resources": {"requests": {"storage": "20Gi"}}}})
    };
    let claims = vec![claim("data-db-0", "Bound"), claim("data-db-1", "Pending"), claim("data-db-x", "Lost")];
    World::default()
        .with("StatefulSet", vec![set])
        .with("Pod", vec![pod("db-0", "True"), pod("db-1", "False")])
        .with("PersistentVolumeClaim", claims)
        .with("Service", vec![])
        .with("PodDisruptionBudget", vec![])
        .with("Ingress", vec![])
}

pub(super) fn status(world: &World) -> Value {
    status_by("", world)
}

fn status_by(configuration: &str, world: &World) -> Value {
    let configuration = Configuration::parse(configuration).unwrap();
    of(set(world), world, &Engine::built_in().unwrap(), &configuration.into())
}

fn set(world: &World) -> &Value {
    world.sets().next().unwrap()
}

/// The world with everything as it should be, with what this does to the set before.
pub(super) fn settled(change: impl Fn(&mut Value)) -> World {
    let mut world = world();
    let set = &mut world.known_mut("StatefulSet")[0];
    set["status"]["readyReplicas"] = json!(2);
    change(set);
    let set = set.clone();
    world.known_mut("Pod")[1]["status"]["conditions"][0]["status"] = json!("True");
    world.known_mut("PersistentVolumeClaim")[1]["status"]["phase"] = json!("Bound");
    let catalogue = Engine::built_in().unwrap().catalogue;
    let desired =
        companions::of_stored(&set, &catalogue, &Configuration::default(), &world.labels("shop")).unwrap();
    for companion in desired.wanted {
        let mut object = companion.manifest;
        let kind = companion.role.kind();
        if kind == Kind::PodDisruptionBudget {
            object["status"] = json!({"disruptionsAllowed": 1, "currentHealthy": 2});
        }
        world.known_mut(kind.as_str()).push(object);
    }
    world
}

pub(super) fn problems(world: &World) -> Vec<String> {
    let status = status(world);
    status["problems"].as_array().unwrap().iter().map(|line| text(line).to_owned()).collect()
}

fn annotated(key: &'static str, value: &'static str) -> impl Fn(&mut Value) {
    move |set| set["metadata"]["annotations"][key] = json!(value)
}

fn lines(status: &Value) -> String {
    Engine::built_in().unwrap().catalogue.without_revision("postgresql", &told(status))
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    insta::assert_snapshot!(lines(&status(&world())), @r"
    StatefulSet shop/db
      profile     postgresql@0badcafe/18,debian
      pods        1 of 2 ready
                  ready   db-0.db-headless.shop.svc
                  Running db-1.db-headless.shop.svc
      claim       data-db-0 20Gi Bound
      claim       data-db-1 20Gi Pending
      headless    Service db-headless: missing
      client      Service db: missing
      budget      PodDisruptionBudget db: missing
      reach it    kubectl port-forward -n shop service/db 5432
      wrong       Service db-headless is missing; is the controller running?
      wrong       Service db is missing; is the controller running?
      wrong       PodDisruptionBudget db is missing; it comes back 600 s after another one has gone, else: is the controller running?
      wrong       1 of 2 pods are ready; kubectl describe pod -n shop db-1 says why
      wrong       claim data-db-1 is Pending; kubectl describe pvc -n shop data-db-1 says why
    ");
}

#[test]
fn all_well_is_short() {
    let slice = json!({
        "metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}},
        "endpoints": [
            {"conditions": {"ready": true}, "targetRef": {"name": "db-0"}},
            {"conditions": {"ready": true}, "targetRef": {"name": "db-1"}},
            {"conditions": {"ready": false}, "targetRef": {"name": "db-2"}},
        ],
    });
    // Another family of addresses leads to the same pods.
    let mut world = settled(|_| {}).with("EndpointSlice", vec![slice.clone(), slice]);
    insta::assert_snapshot!(lines(&status(&world)), @r"
    StatefulSet shop/db
      profile     postgresql@0badcafe/18,debian
      pods        2 of 2 ready
                  ready   db-0.db-headless.shop.svc
                  ready   db-1.db-headless.shop.svc
      claim       data-db-0 20Gi Bound
      claim       data-db-1 20Gi Bound
      headless    Service db-headless: there
      client      Service db: there
      budget      PodDisruptionBudget db: there
      drains      1 pod may be evicted now
      endpoint    db.shop.svc:5432 (postgresql, 2 ready)
      reach it    kubectl port-forward -n shop service/db 5432
    ");
    assert!(is_settled(&status(&world)));
    for slice in world.known_mut("EndpointSlice") {
        slice["endpoints"][1]["conditions"]["ready"] = json!(false);
    }
    assert!(problems(&world)[0].starts_with("Service db leads to 1 of 2 ready pods; if that lasts, "));
}

#[test]
fn a_change_on_its_way_is_not_settled() {
    let unseen = settled(|set| set["metadata"]["generation"] = json!(2));
    assert!(problems(&unseen)[0].starts_with("Kubernetes has not acted on its last change yet"));
    let halfway = |strategy: Value| {
        problems(&settled(|set| {
            set["spec"]["updateStrategy"] = strategy.clone();
            set["status"]["currentRevision"] = json!("db-1");
            set["status"]["updateRevision"] = json!("db-2");
            set["status"]["updatedReplicas"] = json!(1);
        }))
    };
    assert_eq!(
        halfway(json!({"type": "RollingUpdate"})),
        ["1 of 2 pods run the current revision; the others follow as soon as those before them are ready"]
    );
    assert_eq!(
        halfway(json!({"type": "OnDelete"})),
        [
            "1 of 2 pods run the current revision; delete the others one by one, since the update strategy is OnDelete"
        ]
    );
    // A canary that somebody wants is no fault.
    assert_eq!(halfway(json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}})), [""; 0]);
}

#[test]
fn companions_that_are_not_as_they_should_be_are_told() {
    let mut world = settled(|_| {});
    world.known_mut("Service").retain(|service| service["metadata"]["name"] == "db");
    world.known_mut("Service")[0]["spec"]["ports"][0]["port"] = json!(1);
    assert_eq!(
        problems(&world),
        [
            "Service db-headless is missing; is the controller running?",
            "Service db is not as it should be yet; is the controller running?",
        ]
    );
    let mut world = settled(|_| {});
    world.known_mut("StatefulSet")[0]["metadata"]["annotations"]["stateward.dev/disruption-budget"] =
        json!("none");
    assert_eq!(
        problems(&world),
        ["PodDisruptionBudget db is to go and is still there; is the controller running?"]
    );
    // A Service stays where its class is misspelt: clients rely on it.
    let mut world = settled(|_| {});
    world.known_mut("StatefulSet")[0]["metadata"]["annotations"]["stateward.dev/service"] = json!("outer");
    assert_eq!(
        problems(&world),
        ["stateward.dev/service: there is no service class \"outer\"; write one of ClusterIP"]
    );
}

#[test]
fn an_account_that_nobody_asks_for_any_more_stays_with_its_set() {
    let mut world = settled(|_| {});
    let mut account =
        world.known_mut("Service").iter().find(|one| one["metadata"]["name"] == "db").unwrap().clone();
    account["kind"] = json!("ServiceAccount");
    account["metadata"]["labels"][names::COMPANION] = json!(Role::ServiceAccount.as_str());
    let world = world.with("ServiceAccount", vec![account]);
    assert_eq!(problems(&world), [""; 0]);
}

#[test]
fn a_secret_is_looked_for_and_never_read() {
    let world = settled(annotated("stateward.dev/generate-secret", "POSTGRES_PASSWORD"));
    assert_eq!(problems(&world), [""; 0]);
    let secret = |world: &World| {
        let status = status(world);
        let companions = status["companions"].as_array().unwrap().clone();
        companions.into_iter().find(|line| line["role"] == "secret").unwrap()["state"].clone()
    };
    assert_eq!(secret(&world), "there");
    let gone = world.clone().with("Secret", vec![]);
    assert_eq!(secret(&gone), "not found");
    assert!(
        problems(&gone)[0].starts_with("Secret db-generated is not found; the Events of the set say why")
    );
    // Whoever may read no Secrets is told so.
    let mut blind = World::default();
    for kind in ["StatefulSet", "Service", "Pod", "PodDisruptionBudget", "PersistentVolumeClaim"] {
        blind = blind.with(kind, world.known(kind).unwrap().to_vec());
    }
    assert_eq!(secret(&blind), "not looked at");
    assert_eq!(problems(&blind), [""; 0]);
}

#[test]
fn why_a_pod_does_not_run_is_told() {
    let mut world = settled(|set| set["status"]["readyReplicas"] = json!(1));
    let pod = &mut world.known_mut("Pod")[1];
    pod["status"] = json!({"phase": "Pending", "containerStatuses": [{"name": "db", "state": {"waiting":
        {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}}]});
    assert_eq!(
        problems(&world),
        [
            "1 of 2 pods are ready; kubectl describe pod -n shop db-1 says why",
            "pod db-1: db ImagePullBackOff: Back-off pulling image; mend the image's name, or give the pod its pull \
             secret; kubectl describe pod -n shop db-1 says more",
        ]
    );
    world.known_mut("Pod")[1]["status"] = json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]});
    assert!(
        problems(&world)[1].starts_with("pod db-1: Unschedulable: 0/3 nodes are available; kubectl describe")
    );
    world.known_mut("Pod").pop();
    assert_eq!(
        problems(&world),
        ["1 of 2 pods are made; where no more come, kubectl describe statefulset -n shop db says why"]
    );
}

#[test]
fn a_claim_that_is_to_grow_is_not_settled() {
    let mut world = settled(|_| {});
    let claim = &mut world.known_mut("PersistentVolumeClaim")[0];
    claim["status"]["capacity"] = json!({"storage": "20Gi"});
    claim["spec"]["resources"]["requests"]["storage"] = json!("20480Mi");
    assert_eq!(problems(&world), [""; 0]);
    world.known_mut("PersistentVolumeClaim")[0]["spec"]["resources"]["requests"]["storage"] = json!("40Gi");
    assert_eq!(
        problems(&world),
        ["claim data-db-0 has 20Gi of 40Gi; kubectl describe pvc -n shop data-db-0 says why"]
    );
}

#[test]
fn two_budgets_stop_every_eviction() {
    let mut world = settled(|_| {});
    let theirs = json!({"metadata": {"name": "mine", "namespace": "shop"}, "status": {"disruptionsAllowed": 2, "currentHealthy": 2},
        "spec": {"selector": {"matchLabels": {"stateward.dev/statefulset": "db"}}}});
    world.known_mut("PodDisruptionBudget").push(theirs);
    assert!(problems(&world).iter().any(|line| line.starts_with("PodDisruptionBudgets db and mine select")));
    assert_eq!(status(&world)["disruptionsAllowed"], 0);
    world.known_mut("PodDisruptionBudget").remove(0);
    assert_eq!((problems(&world), status(&world)["disruptionsAllowed"].clone()), (vec![], json!(2)));
}

#[test]
fn a_budget_that_has_not_counted_the_pods_is_waited_for() {
    let mut world = settled(|_| {});
    let budget =
        |world: &mut World, status: Value| world.known_mut("PodDisruptionBudget")[0]["status"] = status;
    budget(&mut world, json!({"disruptionsAllowed": 0, "currentHealthy": 1}));
    let uncounted = "PodDisruptionBudget db counts 1 of 2 ready pods, so that an eviction may fail; kubectl describe \
                     pdb -n shop db says why if it stays so";
    assert_eq!(problems(&world), [uncounted]);
    world.known_mut("PodDisruptionBudget")[0]["metadata"]["generation"] = json!(2);
    budget(&mut world, json!({"disruptionsAllowed": 1, "currentHealthy": 2, "observedGeneration": 1}));
    assert_eq!(problems(&world).len(), 1);
    budget(&mut world, json!({"disruptionsAllowed": 1, "currentHealthy": 2, "observedGeneration": 2}));
    assert_eq!(problems(&world), [""; 0]);
}

#[test]
fn addresses_are_those_that_there_are() {
    const CONFIGURATION: &str = "serviceClasses: {out: {type: LoadBalancer}}";
    let mut world = settled(annotated("stateward.dev/service", "ClusterIP"));
    world.known_mut("StatefulSet")[0]["metadata"]["annotations"]["stateward.dev/service"] = json!("out");
    let service = world.known_mut("Service").iter_mut().find(|one| one["metadata"]["name"] == "db").unwrap();
    service["spec"]["type"] = json!("LoadBalancer");
    let told = status_by(CONFIGURATION, &world);
    assert_eq!(
        told["problems"],
        json!([
            "Service db has no address of a load balancer yet; kubectl describe service -n shop db says why"
        ])
    );
    let service = world.known_mut("Service").iter_mut().find(|one| one["metadata"]["name"] == "db").unwrap();
    service["status"]["loadBalancer"]["ingress"] = json!([{"hostname": "lb.example.com"}]);
    let told = status_by(CONFIGURATION, &world);
    assert_eq!(told["problems"], json!([]));
    assert_eq!(
        told["endpoints"],
        json!([
            {"address": "db.shop.svc:5432", "port": "postgresql", "ready": null, "by": "Service"},
            {"address": "lb.example.com:5432", "port": "postgresql", "by": "load balancer"},
        ])
    );
}

#[test]
fn a_set_without_a_client_service_is_reached_by_its_pod() {
    let mut world = settled(annotated("stateward.dev/service", "none"));
    assert_eq!(status(&world)["portForward"], "kubectl port-forward -n shop pod/db-0 5432");
    let mapped = annotated("stateward.dev/service-ports", "80:5432");
    mapped(&mut world.known_mut("StatefulSet")[0]);
    annotated("stateward.dev/service", "ClusterIP")(&mut world.known_mut("StatefulSet")[0]);
    assert_eq!(status(&world)["portForward"], "kubectl port-forward -n shop service/db 8080:80");
}

#[test]
fn what_the_controller_made_is_granted_where_the_configuration_is_not_known() {
    let host = "stateward.dev/ingress-host";
    let mut world = settled(|_| {});
    annotated(host, "db.example.com")(&mut world.known_mut("StatefulSet")[0]);
    annotated("stateward.dev/service", "internal")(&mut world.known_mut("StatefulSet")[0]);
    let engine = Engine::built_in().unwrap();
    let status =
        |world: &World, granted: &Granted| of(set(world), world, &engine, granted)["problems"].clone();
    let guessed = Granted::default();
    let told = status(&world, &guessed);
    assert_eq!(
        told,
        json!([
            "stateward.dev/ingress-host: db.example.com is not granted to this namespace; ask whoever runs stateward \
                to add it to hosts of its configuration (or name the platform's file with --configuration: it could not \
                be read here)"
        ])
    );
    let grants =
        Configuration::parse("hosts: [{host: '*.example.com'}]\nserviceClasses: {internal: {}}").unwrap();
    let labels = world.labels("shop");
    let made = companions::of_stored(set(&world), &engine.catalogue, &grants, &labels).unwrap().wanted;
    let ingress = made.into_iter().find(|one| one.manifest["kind"] == "Ingress").unwrap().manifest;
    world.known_mut("Ingress").push(ingress);
    assert_eq!(status(&world, &guessed), json!([]));
    assert_eq!(status(&world, &grants.into()), json!([]));
    // Whoever knows that it is not granted any more says so.
    let known = Granted::from(Configuration::default());
    let whole = of(set(&world), &world, &engine, &known);
    let line = |role: &str| -> Vec<&str> {
        let lines = whole["companions"].as_array().unwrap().iter().filter(|line| line["role"] == role);
        lines.map(|line| text(&line["state"])).collect()
    };
    assert_eq!((line("client"), line("ingress")), (vec!["kept as it is"], vec!["left over"]));
    let told = status(&world, &known);
    let lines: Vec<&str> = told.as_array().unwrap().iter().map(text).collect();
    assert!(lines.iter().any(|line| line.contains("no service class \"internal\"")), "{lines:?}");
    assert!(
        lines.contains(&"Ingress db is to go and is still there; is the controller running?"),
        "{lines:?}"
    );
}

#[test]
fn a_revision_that_is_gone_is_told_and_hinders_no_move() {
    let mut world = settled(|_| {});
    let set = &mut world.known_mut("StatefulSet")[0];
    let pin = Record::pin_of(set).unwrap();
    let record = text(&set["metadata"]["annotations"][names::RECORD]);
    let lost = record.replace(&format!("@{}", pin.revision), "@00000000");
    set["metadata"]["annotations"][names::RECORD] = json!(lost);
    let status = status(&world);
    let states: Vec<&str> =
        status["companions"].as_array().unwrap().iter().map(|one| text(&one["state"])).collect();
    assert_eq!(states, ["kept as it is"; 3]);
    let problems = problems(&world);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("the revision postgresql@00000000 that it is pinned to is not known"));
    assert!(!is_settled(&status));
    assert_eq!(obstacle(&status), None);
    world.known_mut("PersistentVolumeClaim")[1]["status"]["phase"] = json!("Pending");
    assert!(obstacle(&status_by("", &world)).is_some());
}

#[test]
fn what_an_upgrade_would_bring_is_told() {
    let behind = |world: &World| status(world)["behind"].clone();
    let mut world = settled(|_| {});
    assert_eq!(behind(&world), json!([]));
    let annotations = json!({"stateward.dev/size": "large"});
    world.put("Namespace", json!({"metadata": {"name": "shop", "annotations": annotations}}));
    let sizes = "size large in place of size medium, as its namespace has it now";
    assert_eq!(behind(&world), json!([sizes]));
    assert!(is_settled(&status(&world)), "nothing is wrong with it");
    let record = world.known_mut("StatefulSet")[0]["metadata"]["annotations"][names::RECORD].clone();
    let latest = Catalogue::built_in().unwrap().latest("postgresql").unwrap().id();
    let record = text(&record).replace(&latest, "postgresql@0badcafe");
    world.known_mut("StatefulSet")[0]["metadata"]["annotations"][names::RECORD] = json!(record);
    let told = told(&status(&world));
    assert!(told.contains(&format!("  behind      {latest} is the current revision\n")), "{told}");
}

#[test]
fn a_profile_that_is_gone_is_told() {
    let mut world = settled(|_| {});
    let record = world.known_mut("StatefulSet")[0]["metadata"]["annotations"][names::RECORD].clone();
    let record = text(&record).replace("postgresql@", "queue@");
    world.known_mut("StatefulSet")[0]["metadata"]["annotations"][names::RECORD] = json!(record);
    let status = status(&world);
    let told = told(&status);
    assert!(told.contains(": there is no profile queue any more\n"), "{told}");
    assert!(told.contains("; apply the profile again, without a fault\n"), "{told}");
    assert_eq!(status["behind"], json!([]));
}

#[test]
fn what_a_namespace_says_in_vain_is_told() {
    let mut world = settled(|_| {});
    assert_eq!(status(&world)["namespaceFaults"], json!([]));
    let annotations = json!({"stateward.dev/size": "gigantic"});
    world.put("Namespace", json!({"metadata": {"name": "shop", "annotations": annotations}}));
    let status = status(&world);
    let told = told(&status);
    let line = "  namespace   stateward.dev/size: no profile has a size \"gigantic\"; write one of ";
    assert!(told.contains(line), "{told}");
    assert!(is_settled(&status), "nothing is wrong with the set");
}

#[test]
fn what_is_to_be_reached_is_the_main_container() {
    let mut set: Value = serde_saphyr::from_str(include_str!("../../../examples/sidecar.yaml")).unwrap();
    set["metadata"]["namespace"] = json!("shop");
    defaults::apply(&mut set);
    let change = Change { namespace: "shop", before: None, after: &set };
    let admitted = Engine::built_in().unwrap().admit(change, &Offline).unwrap();
    let Decision::Admitted(admitted) = admitted else { panic!("refused") };
    let world = World::default().with("StatefulSet", vec![admitted.result.clone()]);
    let forward = |world: &World| status(world)["portForward"].clone();
    assert_eq!(forward(&world), "kubectl port-forward -n shop service/catalogue-db 5432");
    // Where there is no client Service, too.
    let mut alone = admitted.result;
    alone["metadata"]["annotations"]["stateward.dev/service"] = json!("none");
    let world = World::default().with("StatefulSet", vec![alone]);
    assert_eq!(forward(&world), "kubectl port-forward -n shop pod/catalogue-db-0 5432");
}
