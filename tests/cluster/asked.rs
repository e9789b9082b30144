//! What stands beside a set because its profile asks for it, and of kinds that a cluster may lack.

use std::process::Command;

use serde_json::{Value, json};

use crate::definitions::Definitions;
use crate::harness::{Client, Manifest, Space, app, cluster, wait_for};

const SERVICES: (&str, &str) = ("/api/v1", "services");
const ACCOUNTS: (&str, &str) = ("/api/v1", "serviceaccounts");
const POLICIES: (&str, &str) = ("/apis/networking.k8s.io/v1", "networkpolicies");
const BUDGETS: (&str, &str) = ("/apis/policy/v1", "poddisruptionbudgets");
const MONITORS: (&str, &str) = ("/apis/monitoring.coreos.com/v1", "servicemonitors");
const HTTP_ROUTES: (&str, &str) = ("/apis/gateway.networking.k8s.io/v1", "httproutes");
const TCP_ROUTES: (&str, &str) = ("/apis/gateway.networking.k8s.io/v1", "tcproutes");
const TLS_ROUTES: (&str, &str) = ("/apis/gateway.networking.k8s.io/v1", "tlsroutes");

fn asking(name: &str) -> Manifest {
    app(name).main("image", json!("asking:1")).replicas(2)
}

/// As an administrator: what is served from now on is not for all to see at once.
fn find(space: &Space, (api, resource): (&str, &str), name: &str) -> Option<Value> {
    let path = format!("{api}/namespaces/{}/{resource}", space.name);
    let said = kubectl_as_admin(&["get", "--raw", &path]).ok()?;
    let list: Value = serde_json::from_str(&said).ok()?;
    list["items"].as_array()?.iter().find(|object| object["metadata"]["name"] == name).cloned()
}

fn wait_there(space: &Space, (api, resource): (&str, &str), name: &str) -> Value {
    wait_for(&format!("{resource} {name}"), || {
        let found = find(space, (api, resource), name);
        found.ok_or_else(|| "absent".to_owned())
    })
}

fn wait_gone(space: &Space, (api, resource): (&str, &str), name: &str) {
    wait_for(&format!("{resource} {name} to go"), || {
        let found = find(space, (api, resource), name);
        found.map_or(Ok(()), |object| Err(object.to_string()))
    });
}

/// Waits for an Event on a set.
fn wait_told(space: &Space, set: &str, words: &str) {
    wait_for(&format!("an Event on {set} with {words:?}"), || {
        let events = space.list("/apis/events.k8s.io/v1", "events");
        let of_set = events.iter().filter(|event| event["regarding"]["name"] == set);
        let notes: Vec<&str> = of_set.filter_map(|event| event["note"].as_str()).collect();
        if notes.iter().any(|note| note.contains(words)) { Ok(()) } else { Err(format!("{notes:?}")) }
    });
}

/// What needs an administrator.
fn kubectl_as_admin(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(cluster().bin.join("kubectl"));
    command.arg("--kubeconfig").arg(cluster().kubeconfig("admin")).args(arguments);
    let answer = command.output().expect("kubectl");
    if answer.status.success() {
        Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&answer.stderr).into_owned())
    }
}

#[test]
fn a_profile_gets_what_it_asks_for() {
    let space = Space::new("asked");
    let made = space.create(Client::Apply, &asking("web"));
    assert_eq!(made.object["spec"]["template"]["spec"]["serviceAccountName"], "web");
    let account = wait_there(&space, ACCOUNTS, "web");
    assert_eq!(account["automountServiceAccountToken"], false);
    assert_eq!(account["metadata"]["annotations"]["example.com/role"], "none");
    let policy = wait_there(&space, POLICIES, "web");
    assert_eq!(policy["spec"]["podSelector"]["matchLabels"]["stateward.dev/statefulset"], "web");
    assert_eq!(policy["spec"]["ingress"][0]["from"][0]["podSelector"], policy["spec"]["podSelector"]);
    let budget = wait_there(&space, BUDGETS, "web");
    assert_eq!(budget["spec"]["unhealthyPodEvictionPolicy"], "IfHealthyBudget");
    let headless = wait_there(&space, SERVICES, "web-headless");
    let gossip = headless["spec"]["ports"].as_array().unwrap().iter().find(|port| port["name"] == "gossip");
    let gossip = gossip.unwrap();
    assert_eq!((&gossip["protocol"], &gossip["targetPort"]), (&json!("UDP"), &json!(8301)));
    wait_there(&space, SERVICES, "web");
    // What the API server fills in is no reason to write again.
    let controller = &cluster().controller;
    let writes = controller.writes(&space.name);
    controller.wait_looks(&space.name, "web");
    assert_eq!(controller.writes(&space.name), writes);
    // An edit of ours is undone, and the pods live on when the set asks for less.
    let opened = r#"[{"op": "replace", "path": "/spec/ingress", "value": [{}]}]"#;
    let _ = space.kubectl(&["patch", "networkpolicy/web", "--type=json", "-p", opened]).ok();
    wait_for("the edit to be undone", || {
        let policy = wait_there(&space, POLICIES, "web");
        if policy["spec"]["ingress"][0]["from"].is_array() { Ok(()) } else { Err(policy.to_string()) }
    });
    let before = space.snapshot("web");
    let _ = space.send(Client::Apply, &asking("web")).ok();
    before.assert_not_restarted(&space.snapshot("web"), "an apply that changes nothing");
    let _ = space.kubectl(&["label", "statefulset/web", "stateward.dev/managed=false", "--overwrite"]).ok();
    for kind in [ACCOUNTS, POLICIES, SERVICES] {
        wait_for("it to be given back", || {
            let object = wait_there(&space, kind, "web");
            let owner = &object["metadata"]["ownerReferences"];
            if owner.is_null() { Ok(()) } else { Err(owner.to_string()) }
        });
    }
}

/// One test, since kinds are the whole cluster's: they are absent, come, and go again.
#[test]
fn kinds_that_the_cluster_lacks_are_told_and_kept_when_they_come() {
    let definitions = Definitions::turn();
    let space = Space::new("routes");
    let other = Space::new("routes-other");
    let routed = |name: &str, port: &str, host: Option<&str>| {
        let ports = json!([{"name": port, "containerPort": 8443}]);
        let set = app(name).main("ports", ports).annotate("gateway", "infra/public");
        host.map_or(set.clone(), |host| set.annotate("ingress-host", host))
    };
    for (name, port, host) in [
        ("web", "http", Some("routed.example.com")),
        ("secure", "https", Some("secure.example.com")),
        ("wire", "wire", None),
    ] {
        space.create(Client::Apply, &routed(name, port, host));
    }
    space.create(Client::Apply, &asking("asking"));
    wait_told(&space, "web", "this cluster has no HTTPRoute");
    // It was a profile that asked, and nothing is wrong.
    cluster().controller.wait_looks(&space.name, "asking");
    let said = space.kubectl(&["events", "--for=statefulset/asking"]).ok();
    assert!(!said.stdout.contains("ServiceMonitor"), "{}", said.stdout);
    definitions.install();
    let route = wait_there(&space, HTTP_ROUTES, "web");
    assert_eq!(route["spec"]["hostnames"], json!(["routed.example.com"]));
    assert_eq!(route["spec"]["rules"][0]["backendRefs"][0]["name"], "web");
    assert_eq!(wait_there(&space, TLS_ROUTES, "secure")["spec"]["hostnames"], json!(["secure.example.com"]));
    wait_there(&space, TCP_ROUTES, "wire");
    let monitor = wait_there(&space, MONITORS, "asking");
    assert_eq!(monitor["spec"]["selector"]["matchLabels"]["stateward.dev/companion"], "headless");

    let controller = &cluster().controller;
    let writes = controller.writes(&space.name);
    for set in ["web", "secure", "wire", "asking"] {
        controller.wait_looks(&space.name, set);
    }
    assert_eq!(controller.writes(&space.name), writes, "settled");

    // A host belongs to one namespace, and both sets are told.
    other.create(
        Client::Apply,
        &app("late")
            .main("ports", json!([{"name": "http", "containerPort": 80}]))
            .annotate("ingress-host", "routed.example.com"),
    );
    wait_told(&other, "late", &format!("belongs to HTTPRoute web in namespace {}", space.name));
    wait_told(&space, "web", &format!("StatefulSet {}/late wants it too", other.name));

    // Another kind of route takes the place of the first; without the annotation there is none.
    let _ = space
        .kubectl(&["annotate", "statefulset/web", "stateward.dev/ingress-host-", "stateward.dev/gateway-"])
        .ok();
    wait_gone(&space, HTTP_ROUTES, "web");
    definitions.remove();
    wait_told(&space, "secure", "this cluster has no TLSRoute");
    wait_there(&space, SERVICES, "secure");
}
