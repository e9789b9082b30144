//! What the controller keeps beside a set, and what it leaves alone.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Client, Manifest, Space, app, cluster, postgres, wait_for};

/// Services and budgets, by the API that serves them.
const SERVICES: (&str, &str) = ("/api/v1", "services");
const BUDGETS: (&str, &str) = ("/apis/policy/v1", "poddisruptionbudgets");
const PODS: (&str, &str) = ("/api/v1", "pods");
const SECRETS: (&str, &str) = ("/api/v1", "secrets");
const INGRESSES: (&str, &str) = ("/apis/networking.k8s.io/v1", "ingresses");

fn find(space: &Space, (api, resource): (&str, &str), name: &str) -> Option<Value> {
    space.list(api, resource).into_iter().find(|object| object["metadata"]["name"] == name)
}

fn wait_there(space: &Space, kind: (&str, &str), name: &str) -> Value {
    wait_for(&format!("{} {name}", kind.1), || find(space, kind, name).ok_or_else(|| "absent".to_owned()))
}

fn wait_gone(space: &Space, kind: (&str, &str), name: &str) {
    wait_for(&format!("{} {name} to go", kind.1), || match find(space, kind, name) {
        None => Ok(()),
        Some(object) => Err(object["metadata"].to_string()),
    });
}

/// Waits until an object is as told; gives it.
fn wait_until(space: &Space, kind: (&str, &str), name: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("{} {name} to change", kind.1), || match find(space, kind, name) {
        Some(object) if is(&object) => Ok(object),
        other => Err(format!("{other:?}")),
    })
}

/// Waits until everything of a set with three replicas is there.
fn wait_settled(space: &Space, set: &str) {
    wait_there(space, SERVICES, &format!("{set}-headless"));
    wait_there(space, SERVICES, set);
    wait_there(space, BUDGETS, set);
    cluster().controller.wait_looks(&space.name, set);
}

fn is_ours(object: &Value) -> bool {
    !object["metadata"]["labels"]["stateward.dev/companion"].is_null()
}

fn owner(object: &Value) -> &Value {
    &object["metadata"]["ownerReferences"][0]["uid"]
}

fn create(space: &Space, manifest: &Manifest) -> Value {
    space.create(Client::Apply, manifest).object
}

fn apply(space: &Space, object: &Value) {
    let _ = space.kubectl_with(&["apply", "-f", "-"], &object.to_string()).ok();
}

fn service(name: &str, selector: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": selector, "ports": [{"port": 80}]},
    })
}

fn budget(name: &str, set: &str) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"stateward.dev/statefulset": set}}},
    })
}

#[test]
fn ten_lines_get_all_that_belongs_beside_them() {
    let space = Space::new("companions");
    let set = create(&space, &postgres("db"));
    assert_eq!(set["spec"]["serviceName"], "db-headless");
    let headless = wait_there(&space, SERVICES, "db-headless");
    assert_eq!(headless["spec"]["clusterIP"], "None");
    assert_eq!(headless["spec"]["publishNotReadyAddresses"], true);
    let client = wait_there(&space, SERVICES, "db");
    assert_eq!(client["spec"]["ports"][0]["port"], 5432);
    let secret = wait_there(&space, SECRETS, "db-generated");
    let value = secret["data"]["POSTGRES_PASSWORD"].as_str().unwrap();
    assert_eq!(value.len(), 44, "32 characters in base64");
    for companion in [&headless, &client] {
        assert!(is_ours(companion));
        assert_eq!(*owner(companion), set["metadata"]["uid"]);
    }
    assert!(secret["metadata"]["ownerReferences"].is_null(), "it stays with the data");
}

#[test]
fn the_budget_follows_the_number_of_replicas() {
    let space = Space::new("budget-scale");
    create(&space, &postgres("db").replicas(3));
    let made = wait_there(&space, BUDGETS, "db");
    assert_eq!(made["spec"]["maxUnavailable"], 1);
    assert_eq!(made["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    let _ = space.kubectl(&["scale", "statefulset/db", "--replicas=1"]).ok();
    wait_gone(&space, BUDGETS, "db");
    let _ = space.kubectl(&["scale", "statefulset/db", "--replicas=3"]).ok();
    wait_there(&space, BUDGETS, "db");
    let none = "stateward.dev/disruption-budget=none";
    let _ = space.kubectl(&["annotate", "statefulset/db", none]).ok();
    wait_gone(&space, BUDGETS, "db");
}

#[test]
fn a_settled_set_is_looked_at_and_nothing_is_written() {
    let space = Space::new("settled");
    create(&space, &postgres("db").replicas(3));
    wait_settled(&space, "db");
    let controller = &cluster().controller;
    let before = controller.writes(&space.name);
    let mut sorted = before.clone();
    sorted.sort();
    assert_eq!(sorted, ["create budget", "create client", "create headless", "create secret"]);
    let _ = space.kubectl(&["annotate", "statefulset/db", "note=hello"]).ok();
    let _ = space.kubectl(&["delete", "pod", "db-1"]).ok();
    space.snapshot("db");
    controller.wait_looks(&space.name, "db");
    assert_eq!(controller.writes(&space.name), before);
}

#[test]
fn a_second_budget_makes_ours_go_and_come_back_after_the_quiet_time() {
    let space = Space::new("second-budget");
    create(&space, &postgres("db").replicas(3));
    let ours = wait_there(&space, BUDGETS, "db");
    apply(&space, &budget("mine", "db"));
    wait_gone(&space, BUDGETS, "db");
    cluster().controller.wait_looks(&space.name, "db");
    assert!(find(&space, BUDGETS, "db").is_none(), "it stays away");
    let _ = space.kubectl(&["delete", "poddisruptionbudget", "mine"]).ok();
    let began = std::time::Instant::now();
    let again = wait_there(&space, BUDGETS, "db");
    assert!(began.elapsed().as_secs() >= 3, "it came back before the quiet time of 4 s was over");
    assert_ne!(again["metadata"]["uid"], ours["metadata"]["uid"]);
    let said = space.kubectl(&["events", "--for=statefulset/db"]).ok();
    assert!(said.stdout.contains("PodDisruptionBudget mine selects these pods already"), "{}", said.stdout);
}

#[test]
fn a_service_of_the_users_is_not_touched_and_when_it_goes_ours_comes() {
    let space = Space::new("users-service");
    let theirs = service("db", &json!({"app": "elsewhere"}));
    let _ = space.kubectl_with(&["create", "-f", "-"], &theirs.to_string()).ok();
    let before = find(&space, SERVICES, "db").unwrap();
    create(&space, &postgres("db"));
    wait_there(&space, SERVICES, "db-headless");
    cluster().controller.wait_looks(&space.name, "db");
    assert_eq!(find(&space, SERVICES, "db").unwrap(), before);
    let said = space.kubectl(&["events", "--for=statefulset/db"]).ok();
    assert!(said.stdout.contains("there is another Service db, which is not ours"), "{}", said.stdout);
    assert_eq!(said.stdout.matches("there is another").count(), 1, "told once:\n{}", said.stdout);
    let metrics = cluster().controller.metrics();
    let gauge = format!(
        "stateward_companion_problem{{namespace=\"{}\",statefulset=\"db\",role=\"client\"}} 1",
        space.name
    );
    assert!(metrics.contains(&gauge), "{gauge} is not in\n{metrics}");
    let _ = space.kubectl(&["delete", "service", "db"]).ok();
    wait_until(&space, SERVICES, "db", is_ours);
    wait_for("the gauge to go", || {
        let gone = !cluster().controller.metrics().contains(&gauge);
        gone.then_some(()).ok_or_else(|| "still there".to_owned())
    });
}

#[test]
fn a_service_that_the_user_applies_in_our_place_is_theirs() {
    let space = Space::new("service-later");
    create(&space, &postgres("db"));
    wait_there(&space, SERVICES, "db");
    let _ = space.kubectl(&["delete", "statefulset", "db", "--cascade=orphan"]).ok();
    let _ = space.kubectl(&["delete", "service", "db"]).ok();
    let theirs = service("db", &json!({"stateward.dev/statefulset": "db"}));
    let _ = space.kubectl_with(&["create", "-f", "-"], &theirs.to_string()).ok();
    let before = find(&space, SERVICES, "db").unwrap();
    create(&space, &postgres("db"));
    cluster().controller.wait_looks(&space.name, "db");
    assert_eq!(find(&space, SERVICES, "db").unwrap(), before);
    let _ = space.kubectl(&["delete", "statefulset", "db"]).ok();
    wait_gone(&space, SERVICES, "db-headless");
    assert_eq!(find(&space, SERVICES, "db").unwrap(), before, "it does not go with the set");
}

#[test]
fn hand_edits_of_our_fields_are_reverted_and_those_of_others_stay() {
    let space = Space::new("hand-edits");
    create(&space, &postgres("db").replicas(3));
    wait_settled(&space, "db");
    let edit = r#"{"spec":{"maxUnavailable":3}}"#;
    let _ = space.kubectl(&["patch", "poddisruptionbudget", "db", "--type=merge", "-p", edit]).ok();
    wait_until(&space, BUDGETS, "db", |budget| budget["spec"]["maxUnavailable"] == 1);
    let edit = r#"{"metadata":{"annotations":{"example.com/balancer":"42"}},"spec":{"sessionAffinity":"ClientIP","selector":{"a":"b"}}}"#;
    let _ = space.kubectl(&["patch", "service", "db", "--type=merge", "-p", edit]).ok();
    let mended = wait_until(&space, SERVICES, "db", |service| service["spec"]["selector"]["a"].is_null());
    assert_eq!(mended["metadata"]["annotations"]["example.com/balancer"], "42");
    assert_eq!(mended["spec"]["sessionAffinity"], "ClientIP");
    let _ = space.kubectl(&["delete", "service", "db-headless"]).ok();
    wait_there(&space, SERVICES, "db-headless");
}

#[test]
fn without_the_label_everything_is_given_back_and_stays() {
    let space = Space::new("release");
    create(&space, &postgres("db").replicas(3));
    wait_settled(&space, "db");
    let spec = |kind, name| find(&space, kind, name).unwrap()["spec"].clone();
    let all = [(SERVICES, "db-headless"), (SERVICES, "db"), (BUDGETS, "db")];
    let before = all.map(|(kind, name)| spec(kind, name));
    let _ = space.kubectl(&["label", "statefulset/db", "stateward.dev/managed-"]).ok();
    for (kind, name) in all {
        let object = wait_until(&space, kind, name, |object| {
            !is_ours(object) && object["metadata"]["labels"].is_null()
        });
        assert!(object["metadata"]["ownerReferences"].is_null());
    }
    assert_eq!(all.map(|(kind, name)| spec(kind, name)), before);
    // What it wrote last is in its log by now.
    cluster().controller.wait_looks(&space.name, "db");
    let written = cluster().controller.writes(&space.name);
    let edit = r#"{"spec":{"maxUnavailable":3}}"#;
    let _ = space.kubectl(&["patch", "poddisruptionbudget", "db", "--type=merge", "-p", edit]).ok();
    cluster().controller.wait_looks(&space.name, "db");
    assert_eq!(spec(BUDGETS, "db")["maxUnavailable"], 3, "it is theirs");
    assert_eq!(cluster().controller.writes(&space.name), written);
    let _ = space.kubectl(&["delete", "statefulset", "db"]).ok();
    space.wait_gone("db");
    for (kind, name) in all {
        assert!(find(&space, kind, name).is_some(), "{name} went with the set");
    }
}

#[test]
fn companions_go_with_the_set_and_the_secret_stays() {
    let space = Space::new("deleted-set");
    create(&space, &postgres("db").replicas(3));
    wait_settled(&space, "db");
    let secret = wait_there(&space, SECRETS, "db-generated");
    let _ = space.kubectl(&["delete", "statefulset", "db"]).ok();
    for (kind, name) in [(SERVICES, "db-headless"), (SERVICES, "db"), (BUDGETS, "db")] {
        wait_gone(&space, kind, name);
    }
    assert_eq!(find(&space, SECRETS, "db-generated"), Some(secret.clone()));
    // The data is still there and knows this password.
    create(&space, &postgres("db").replicas(3));
    wait_settled(&space, "db");
    assert_eq!(find(&space, SECRETS, "db-generated"), Some(secret));
}

#[test]
fn a_password_that_the_data_does_not_know_is_not_made() {
    let space = Space::new("lost-secret");
    create(&space, &postgres("db"));
    wait_there(&space, SECRETS, "db-generated");
    let _ = space.kubectl(&["delete", "statefulset", "db"]).ok();
    space.wait_gone("db");
    let _ = space.kubectl(&["delete", "secret", "db-generated"]).ok();
    // Times have seconds: the next set must be younger than the claims.
    let claims = space.list("/api/v1", "persistentvolumeclaims");
    let made: Timestamp = claims[0]["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap();
    wait_for("the second to be over", || match Timestamp::now().as_second() - made.as_second() {
        0 | 1 => Err("not yet".to_owned()),
        _ => Ok(()),
    });
    create(&space, &postgres("db"));
    wait_there(&space, SERVICES, "db");
    cluster().controller.wait_looks(&space.name, "db");
    assert!(find(&space, SECRETS, "db-generated").is_none());
    let said = space.kubectl(&["events", "--for=statefulset/db"]).ok();
    assert!(said.stdout.contains("its data may know another password"), "{}", said.stdout);
}

#[test]
fn what_an_orphan_deletion_leaves_is_taken_on_by_the_next_set() {
    let space = Space::new("orphans");
    create(&space, &postgres("db").replicas(3));
    wait_settled(&space, "db");
    let all = [(SERVICES, "db-headless"), (SERVICES, "db"), (BUDGETS, "db")];
    let uids = all.map(|(kind, name)| find(&space, kind, name).unwrap()["metadata"]["uid"].clone());
    let _ = space.kubectl(&["delete", "statefulset", "db", "--cascade=orphan"]).ok();
    space.wait_gone("db");
    let set = create(&space, &postgres("db").replicas(3));
    for ((kind, name), uid) in all.into_iter().zip(uids) {
        let object = wait_until(&space, kind, name, |object| *owner(object) == set["metadata"]["uid"]);
        assert_eq!(object["metadata"]["uid"], uid, "{name} was made anew");
        assert_eq!(object["metadata"]["ownerReferences"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_companion_that_somebody_applies_is_handed_over() {
    let space = Space::new("handed-over");
    create(&space, &postgres("db").replicas(3));
    wait_settled(&space, "db");
    let mut theirs = budget("db", "db");
    theirs["spec"]["maxUnavailable"] = json!(2);
    let said = space.kubectl_with(&["apply", "-f", "-"], &theirs.to_string());
    let _ = said.ok();
    let given = wait_until(&space, BUDGETS, "db", |object| !is_ours(object));
    assert!(given["metadata"]["ownerReferences"].is_null());
    assert_eq!(given["spec"]["maxUnavailable"], 2);
    assert_eq!(given["spec"]["selector"], theirs["spec"]["selector"]);
    // That it gave it up is in its log by now.
    cluster().controller.wait_looks(&space.name, "db");
    let written = cluster().controller.writes(&space.name);
    let _ = space.kubectl(&["annotate", "statefulset/db", "note=hello"]).ok();
    cluster().controller.wait_looks(&space.name, "db");
    assert_eq!(cluster().controller.writes(&space.name), written);
    // The disruption controller writes the status of a budget, so its resourceVersion moves.
    let after = find(&space, BUDGETS, "db").unwrap();
    for field in ["uid", "generation", "labels", "annotations", "ownerReferences"] {
        assert_eq!(after["metadata"][field], given["metadata"][field], "{field}");
    }
    let said = space.kubectl(&["events", "--for=statefulset/db"]).ok();
    assert!(said.stdout.contains("PodDisruptionBudget db is kubectl apply's from now on"), "{}", said.stdout);
}

#[test]
fn a_namespace_can_opt_its_sets_in_and_out() {
    let space = Space::labelled("opted-in", &[("stateward.dev/managed", "true")]);
    let unlabelled = app("web").without("/metadata/labels");
    create(&space, &unlabelled);
    wait_until(&space, SERVICES, "web", is_ours);
    let label = |value: &str| {
        let _ = space.kubectl(&["label", "statefulset/web", "--overwrite", value]).ok();
    };
    label("stateward.dev/managed=false");
    wait_until(&space, SERVICES, "web", |service| !is_ours(service));
    assert!(find(&space, SERVICES, "web").is_some());
}

#[test]
fn a_host_belongs_to_the_namespace_that_had_it_first_and_goes_on_when_it_is_free() {
    let (first, second) = (Space::new("host-first"), Space::new("host-second"));
    let set = app("web").annotate("ingress-host", "web.example.com");
    create(&first, &set);
    let ingress = wait_there(&first, INGRESSES, "web");
    let path = &ingress["spec"]["rules"][0]["http"]["paths"][0];
    assert_eq!(path["backend"]["service"]["name"], "web", "{ingress:#}");
    create(&second, &set);
    wait_there(&second, SERVICES, "web");
    cluster().controller.wait_looks(&second.name, "web");
    assert_eq!(find(&second, INGRESSES, "web"), None, "one host, two namespaces");
    let _ = first.kubectl(&["delete", "statefulset", "web"]).ok();
    wait_gone(&first, INGRESSES, "web");
    wait_there(&second, INGRESSES, "web");
}

#[test]
fn a_host_that_is_not_granted_gets_no_ingress() {
    let space = Space::new("host-not-granted");
    create(&space, &app("web").annotate("ingress-host", "web.example.org"));
    wait_there(&space, SERVICES, "web");
    cluster().controller.wait_looks(&space.name, "web");
    assert_eq!(find(&space, INGRESSES, "web"), None);
}

#[test]
fn a_drain_evicts_within_the_budget() {
    let space = Space::new("drain");
    let labels = json!({"example.com/space": space.name});
    create(&space, &postgres("db").replicas(3).set("/spec/template/metadata/labels", labels));
    let pod = |name: &str| wait_there(&space, PODS, name);
    let budget = |allowed: u64| {
        wait_until(&space, BUDGETS, "db", |budget| {
            budget["status"]["disruptionsAllowed"] == allowed && budget["status"]["expectedPods"] == 3
        });
    };
    budget(1);
    let _ = space.kubectl(&["annotate", "pod", "db-1", "stateward.dev/test-unready=true"]).ok();
    budget(0);
    let before = pod("db-0")["metadata"]["uid"].clone();
    let said = space.drain("db-0", 3);
    assert!(!said.success(), "one is away already");
    let _ = said.mentions(&["would violate the pod's disruption budget"]);
    assert_eq!(pod("db-0")["metadata"]["uid"], before);
    // One that is broken anyway stops no drain.
    let _ = space.drain("db-1", 60).ok();
    budget(1);
    let _ = space.drain("db-0", 60).ok();
    budget(1);
    assert_ne!(pod("db-0")["metadata"]["uid"], before);
}

#[test]
fn one_replica_and_a_second_budget_stop_no_drain() {
    let space = Space::new("drain-alone");
    let labels = json!({"example.com/space": space.name});
    let manifest = postgres("one").set("/spec/template/metadata/labels", labels.clone());
    create(&space, &manifest);
    let _ = space.drain("one-0", 60).ok();
    let three = postgres("three").replicas(3).set("/spec/template/metadata/labels", labels);
    create(&space, &three);
    wait_there(&space, BUDGETS, "three");
    apply(&space, &budget("mine", "three"));
    wait_gone(&space, BUDGETS, "three");
    wait_until(&space, BUDGETS, "mine", |budget| budget["status"]["disruptionsAllowed"] == 1);
    let _ = space.drain("three-0", 60).ok();
}

/// With a quota of no more Services, the budget and the Secret are there all the same, and the user is
/// told; with more of it the Services come.
#[test]
fn one_that_fails_keeps_no_other() {
    let space = Space::new("quota");
    let quota = |services: u32| {
        json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota"},
            "spec": {"hard": {"count/services": services.to_string()}},
        })
    };
    space.as_admin("apply", &quota(0));
    let status = ("/api/v1", "resourcequotas");
    wait_until(&space, status, "quota", |quota| !quota["status"]["hard"].is_null());
    create(&space, &postgres("db").replicas(3));
    wait_there(&space, BUDGETS, "db");
    wait_there(&space, SECRETS, "db-generated");
    wait_for("an Event", || {
        let said = space.kubectl(&["events", "--for=statefulset/db"]).ok();
        said.stdout.contains("exceeded quota").then_some(()).ok_or(said.stdout)
    });
    assert!(space.list(SERVICES.0, SERVICES.1).is_empty());
    space.as_admin("apply", &quota(9));
    wait_there(&space, SERVICES, "db");
    wait_there(&space, SERVICES, "db-headless");
}

/// Deleted and made again at once, while the garbage collector is at work on what the first one had.
#[test]
fn a_set_that_is_replaced_again_and_again_ends_with_all_of_it() {
    let space = Space::new("replaced");
    let manifest = postgres("db").replicas(3);
    for _ in 0..4 {
        let _ = space.send(Client::Apply, &manifest).ok();
        wait_there(&space, SERVICES, "db");
        let _ = space.kubectl(&["delete", "statefulset", "db", "--cascade=background"]).ok();
    }
    let set = create(&space, &manifest);
    for (kind, name) in [(SERVICES, "db-headless"), (SERVICES, "db"), (BUDGETS, "db")] {
        wait_until(&space, kind, name, |object| *owner(object) == set["metadata"]["uid"]);
    }
    cluster().controller.wait_looks(&space.name, "db");
    for (kind, name) in [(SERVICES, "db-headless"), (SERVICES, "db"), (BUDGETS, "db")] {
        assert!(find(&space, kind, name).is_some(), "{name} is gone again");
    }
}

/// Whoever copies the manifest of one of ours has an object of their own, though it has our labels.
#[test]
fn a_copy_of_ours_is_theirs() {
    let space = Space::new("copy");
    create(&space, &postgres("db").replicas(3));
    wait_settled(&space, "db");
    let mut copy = find(&space, SERVICES, "db").unwrap();
    // Items of a list carry no kind.
    (copy["apiVersion"], copy["kind"]) = (json!("v1"), json!("Service"));
    copy["metadata"] = json!({"name": "copy", "labels": copy["metadata"]["labels"]});
    for allotted in ["clusterIP", "clusterIPs"] {
        copy["spec"].as_object_mut().unwrap().remove(allotted);
    }
    let _ = space.kubectl_with(&["create", "-f", "-"], &copy.to_string()).ok();
    let before = find(&space, SERVICES, "copy").unwrap();
    cluster().controller.wait_looks(&space.name, "db");
    assert_eq!(find(&space, SERVICES, "copy"), Some(before));
    assert!(find(&space, SERVICES, "db").is_some(), "clients rely on it");
}

/// What "never steal" rests on: with this resourceVersion, server-side apply makes an object and
/// never changes one that is there.
#[test]
fn the_api_server_makes_what_is_absent_and_refuses_what_is_present() {
    let space = Space::new("create-only");
    let mut first = service("db", &json!({"app": "db"}));
    first["metadata"]["resourceVersion"] = json!("1");
    let apply = |object: &Value| {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        space.kubectl_with(&arguments, &object.to_string())
    };
    let _ = apply(&first).ok();
    let made = find(&space, SERVICES, "db").unwrap();
    first["spec"]["selector"] = json!({"app": "other"});
    let said = apply(&first);
    assert!(!said.success());
    let _ = said.mentions(&["the object has been modified"]);
    assert_eq!(find(&space, SERVICES, "db"), Some(made.clone()));
    first["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    first["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000");
    assert!(!apply(&first).success(), "another uid");
    assert_eq!(find(&space, SERVICES, "db"), Some(made));
}
