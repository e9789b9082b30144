//! What `kubectl apply` tells at once of companions that cannot be had and of addresses that go.

use serde_json::{Value, json};

use crate::harness::{Client, Manifest, Space, app, cluster, wait_for};

fn client(space: &Space) -> Option<Value> {
    space.list("/api/v1", "services").into_iter().find(|service| service["metadata"]["name"] == "web")
}

fn wait_client(space: &Space, is: impl Fn(&Value) -> bool) -> Value {
    wait_for("the client Service", || match client(space) {
        Some(service) if is(&service) => Ok(service),
        other => Err(format!("{other:?}")),
    })
}

/// A set with a load balancer that has an address, as a cloud would give it.
fn balanced(space: &Space) -> Manifest {
    let set = app("web").annotate("service", "balanced");
    let _ = space.send(Client::Apply, &set).ok().silent_about(&["Warning: stateward.dev"]);
    wait_client(space, |service| service["spec"]["type"] == "LoadBalancer");
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}).to_string();
    let _ = space
        .as_admin_says(&["patch", "service", "web", "--subresource=status", "--type=merge", "-p", &status])
        .ok();
    set
}

/// The server's dry run of a creation, until the webhook knows the namespace.
fn until_warned(space: &Space, set: &Manifest, words: &str) {
    wait_for("the webhook to know the namespace", || {
        let said = space.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &set.text()).ok();
        if said.stderr.contains(words) { Ok(()) } else { Err(said.stderr) }
    });
}

#[test]
fn an_address_that_goes_is_told_when_the_class_is_taken_away() {
    let space = Space::new("address-goes");
    let set = balanced(&space);
    let said = space.send(Client::Apply, &set.unannotate("service")).ok();
    let _ = said.mentions(&[
        "Warning: stateward.dev/service: Service web becomes ClusterIP, its load balancer's address is released",
        "write balanced to keep it",
    ]);
    let service = wait_client(&space, |service| service["spec"]["type"] == "ClusterIP");
    assert_eq!(service["status"]["loadBalancer"], json!({}), "the address is gone indeed");
    // Said once: the same again changes nothing.
    let _ = space.send(Client::Apply, &app("web")).ok().silent_about(&["Warning"]);
}

#[test]
fn an_address_that_goes_is_told_when_there_is_to_be_no_service() {
    let space = Space::new("address-none");
    balanced(&space);
    let none = "stateward.dev/service=none";
    let said = space.kubectl(&["annotate", "statefulset/web", "--overwrite", none]).ok();
    let _ = said.mentions(&["Warning: stateward.dev/service: Service web goes, its load balancer's address"]);
    wait_for("the Service to go", || client(&space).map_or(Ok(()), |service| Err(service.to_string())));
}

#[test]
fn the_class_of_a_load_balancer_changes_only_with_its_service() {
    let space = Space::new("address-class");
    balanced(&space);
    let other = "stateward.dev/service=other";
    let said = space.kubectl(&["annotate", "statefulset/web", "--overwrite", other]).ok();
    let _ = said.mentions(&[
        "Service web cannot move to another loadBalancerClass and stays as it is until you delete",
    ]);
    cluster().controller.wait_looks(&space.name, "web");
    let kept = client(&space).unwrap();
    assert!(kept["spec"]["loadBalancerClass"].is_null(), "{kept}");
    assert_eq!(kept["status"]["loadBalancer"]["ingress"][0]["ip"], "192.0.2.7");
    let _ = space.kubectl(&["delete", "service", "web"]).ok();
    wait_client(&space, |service| service["spec"]["loadBalancerClass"] == "example.com/other");
}

#[test]
fn an_unknown_class_is_told_and_the_address_stays() {
    let space = Space::new("address-stays");
    balanced(&space);
    let misspelt = "stateward.dev/service=blanced";
    let said = space.kubectl(&["annotate", "statefulset/web", "--overwrite", misspelt]).ok();
    let _ = said.mentions(&["there is no service class \"blanced\""]).silent_about(&["address"]);
    cluster().controller.wait_looks(&space.name, "web");
    assert_eq!(client(&space).unwrap()["status"]["loadBalancer"]["ingress"][0]["ip"], "192.0.2.7");
}

#[test]
fn what_is_not_granted_is_told_at_apply() {
    let edge = app("web").annotate("service", "edge");
    let words = "Warning: stateward.dev/service: service class \"edge\" is not granted to this namespace";
    let space = Space::new("not-granted");
    until_warned(&space, &edge, words);
    let _ = space.send(Client::Apply, &edge).ok().mentions(&[words]);
    let _ = space.send(Client::Apply, &edge).ok().silent_about(&["Warning"]);
    let host = "stateward.dev/ingress-host=web.example.org";
    let said = space.kubectl(&["annotate", "statefulset/web", host]).ok();
    let _ = said.mentions(&["web.example.org is not granted to this namespace; ask whoever runs stateward"]);
    let granted = Space::labelled("granted", &[("example.com/team", "edge")]);
    until_warned(&granted, &app("probe").annotate("service", "unknown"), "no service class \"unknown\"");
    let _ = granted.send(Client::Apply, &edge).ok().silent_about(&["Warning"]);
}
