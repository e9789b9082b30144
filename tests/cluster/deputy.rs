//! No confused deputy: who may write StatefulSets, and neither Services nor Ingresses nor Secrets, gains
//! by annotations what the configuration grants to the namespace, and nothing else.
//!
//! Tried by a real account with these rights alone. What it may do without us is no gain: its pods may
//! mount any Secret of their namespace and carry any label.

mod account;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::account::{Deputy, budget, ingress, policy, secret, service, text};
use crate::harness::{Space, app, postgres, run, wait_for};

/// Kinds of companions, by the API that serves them.
const SERVICES: (&str, &str) = ("/api/v1", "services");
const SECRETS: (&str, &str) = ("/api/v1", "secrets");
const BUDGETS: (&str, &str) = ("/apis/policy/v1", "poddisruptionbudgets");
const INGRESSES: (&str, &str) = ("/apis/networking.k8s.io/v1", "ingresses");
const KINDS: [(&str, &str); 4] = [SERVICES, SECRETS, BUDGETS, INGRESSES];

/// The premise of all that follows.
#[test]
fn the_account_may_write_sets_alone() {
    let deputy = Deputy::new("deputy");
    let balancer = json!({"type": "LoadBalancer", "ports": [{"port": 80}]});
    for object in [
        service("own", &balancer),
        ingress("own", "own.example.com"),
        secret("own"),
        budget("own", &json!({"app": "own"})),
        policy("own"),
    ] {
        let said = deputy.kubectl(&["create", "-f", "-"], &object.to_string());
        assert!(!said.success(), "{object}");
        let account =
            format!("User \"system:serviceaccount:{}:deputy\" cannot create resource", deputy.space.name);
        let _ = said.mentions(&["is forbidden", &account]);
    }
    let found = KINDS.iter().flat_map(|(api, resource)| deputy.space.list(api, resource));
    assert_eq!(found.count(), 0);
    let _ = deputy.apply(&app("web")).ok();
}

/// A set, what it asks for, and what its Events answer.
type Wish = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const NOT_GRANTED: &[Wish] = &[
    (
        "class",
        &[("service", "internal")],
        "stateward.dev/service: service class \"internal\" is not granted to this namespace; write one of ClusterIP",
    ),
    ("balancer", &[("service", "LoadBalancer")], "there is no service class \"LoadBalancer\""),
    ("node-port", &[("service", "NodePort")], "there is no service class \"NodePort\""),
    ("name", &[("service", "ExternalName")], "there is no service class \"ExternalName\""),
    (
        "host",
        &[("ingress-host", "host.example.org")],
        "stateward.dev/ingress-host: host.example.org is not granted to this namespace",
    ),
    (
        "other-team",
        &[("ingress-host", "web.shop.example.net")],
        "stateward.dev/ingress-host: web.shop.example.net is not granted to this namespace",
    ),
    ("star", &[("ingress-host", "*.example.com")], "*.example.com is not granted to this namespace"),
    ("deep", &[("ingress-host", "a.b.example.com")], "a.b.example.com is not granted to this namespace"),
    (
        "ingress-class",
        &[("ingress-host", "class.limited.example.net"), ("ingress-class", "internal")],
        "stateward.dev/ingress-class: internal is not granted for class.limited.example.net; write one of public",
    ),
    (
        "issuer",
        &[("ingress-host", "issuer.limited.example.net"), ("ingress-cluster-issuer", "theirs")],
        "stateward.dev/ingress-cluster-issuer: theirs is not granted for issuer.limited.example.net; write one of ours",
    ),
    (
        "no-issuer",
        &[("ingress-host", "no-issuer.example.com"), ("ingress-cluster-issuer", "ours")],
        "stateward.dev/ingress-cluster-issuer: ours is not granted for no-issuer.example.com",
    ),
    (
        "own-gateway",
        &[("ingress-host", "own-gateway.example.com"), ("gateway", "own")],
        "/own is not granted to this namespace",
    ),
    (
        "gateway",
        &[("ingress-host", "gateway.example.com"), ("gateway", "infra/internal")],
        "stateward.dev/gateway: infra/internal is not granted to this namespace",
    ),
];

#[test]
fn what_is_not_granted_is_not_made_and_the_user_is_told() {
    let deputy = Deputy::new("not-granted");
    for (name, annotations, _) in NOT_GRANTED {
        let set = annotations.iter().fold(app(name), |set, (key, value)| set.annotate(key, value));
        deputy.make(&set);
    }
    // Told at the end of a look, when what is to be made has been made.
    for (name, _, told) in NOT_GRANTED {
        deputy.told(name, told);
    }
    deputy.wait_looks("gateway");
    assert_eq!(deputy.space.list(INGRESSES.0, INGRESSES.1), Vec::<Value>::new());
    for service in deputy.space.list(SERVICES.0, SERVICES.1) {
        assert_eq!(service["spec"]["type"], "ClusterIP", "{service:#}");
    }
    for name in ["class", "balancer", "node-port", "name"] {
        assert_eq!(deputy.find(SERVICES, name), None, "no other kind of Service in its place");
    }
}

/// The grants of the configuration are by labels of the namespace, which this one has: the cases above
/// do not fail for a reason of their own.
#[test]
fn what_is_granted_is_made() {
    let space = Space::labelled("granted", &[("example.com/team", "shop")]);
    let set = app("web").annotate("service", "internal").annotate("ingress-host", "web.shop.example.net");
    let _ = space.kubectl_with(&["apply", "-f", "-"], &set.text()).ok();
    let find = |(api, resource): (&str, &str)| {
        wait_for(resource, || {
            let found = space.list(api, resource).into_iter().find(|one| one["metadata"]["name"] == "web");
            found.ok_or_else(|| "absent".to_owned())
        })
    };
    assert_eq!(find(SERVICES)["spec"]["type"], "LoadBalancer");
    assert_eq!(find(INGRESSES)["spec"]["rules"][0]["host"], "web.shop.example.net");
}

#[test]
fn a_host_of_another_namespace_stays_there() {
    let (theirs, deputy) = (Space::new("host-theirs"), Deputy::new("host-wanted"));
    theirs.as_admin("create", &ingress("shop", "taken.example.com"));
    deputy.make(&app("web").annotate("ingress-host", "taken.example.com"));
    let held = format!("host taken.example.com belongs to Ingress shop in namespace {}", theirs.name);
    deputy.told("web", &held);
    deputy.wait_looks("web");
    assert_eq!(deputy.find(INGRESSES, "web"), None);
}

/// Values that would mean more than they say to whoever reads them later: the configuration of a
/// proxy, YAML, a reference to another namespace.
const INJECTIONS: &[(&str, &[&str])] = &[
    (
        "ingress-path",
        &[
            "/a\n} location /b { return 200; }",
            "/a; return 200 stolen",
            "/a;",
            "/a{",
            "/a}",
            "/a\"",
            "/a'",
            "/a$request_uri",
            "/a`id`",
            "/a\\",
            "/a#",
            "/a/../b",
            "/a\u{0}",
        ],
    ),
    (
        "ingress-host",
        &["a.example.com\nb: c", "a.example.com;", "a.example.com{", "A.example.com", "a b.example.com"],
    ),
    ("ingress-class", &["public\nx: y", "other/public"]),
    ("ingress-tls-secret", &["other/tls", "tls\nx: y", "../tls"]),
    ("ingress-cluster-issuer", &["ours\nx: y", "other/ours"]),
    ("ingress-port", &["80;", "80\nx: y"]),
    ("gateway", &["a/b/c", "infra/public\nx: y", "../public"]),
    ("service", &["internal\nx: y", "a/b"]),
    ("service-ports", &["80:http\nx: y", "80:http;"]),
    ("generate-secret", &["A\nb: c", "../A", "tls.crt"]),
    ("env-from", &["secret/other/name", "secret/a\nx: y"]),
];

#[test]
fn values_say_nothing_but_what_they_are_for() {
    let deputy = Deputy::new("injections");
    let mut accepted = Vec::new();
    for (key, values) in INJECTIONS {
        for value in *values {
            let mut set = app("web").annotate("ingress-host", "injections.example.com");
            if *key == "gateway" {
                set = set.unannotate("ingress-host");
            }
            let said = deputy.kubectl(&["create", "-f", "-"], &set.annotate(key, value).text());
            if said.success() {
                accepted.push(format!("{key}: {value:?}"));
                let _ = deputy.kubectl(&["delete", "statefulset", "web"], "").ok();
            } else {
                let _ = said.refused(&[&format!("stateward.dev/{key}")]);
            }
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
}

/// What a set carries stays on the set: to ingress controllers, load balancers and pruning tools
/// annotations and labels are commands.
#[test]
fn nothing_that_a_set_carries_is_copied_to_what_stands_beside_it() {
    let deputy = Deputy::new("copied");
    let foreign = json!({
        "app.kubernetes.io/instance": "theirs", "team": "shop", "helm.toolkit.fluxcd.io/name": "theirs",
    });
    let mut set = postgres("web").replicas(2);
    for (key, value) in foreign.as_object().unwrap() {
        set = set.set(&format!("/metadata/labels/{}", key.replace('/', "~1")), value.clone());
    }
    for (key, value) in [
        ("nginx.ingress.kubernetes.io~1configuration-snippet", "return 200;"),
        ("service.beta.kubernetes.io~1aws-load-balancer-scheme", "internet-facing"),
        ("cert-manager.io~1cluster-issuer", "theirs"),
        ("external-dns.alpha.kubernetes.io~1hostname", "bank.example.org"),
    ] {
        set = set.set(&format!("/metadata/annotations/{key}"), json!(value));
    }
    deputy.make(&set.annotate("ingress-host", "copied.example.com"));
    for (kind, name) in [
        (SERVICES, "web"),
        (SERVICES, "web-headless"),
        (BUDGETS, "web"),
        (INGRESSES, "web"),
        (SECRETS, "web-generated"),
    ] {
        let metadata = deputy.wait(kind, name)["metadata"].clone();
        assert!(metadata["annotations"].is_null(), "{name}: {metadata:#}");
        let labels: BTreeSet<&str> =
            metadata["labels"].as_object().unwrap().keys().map(String::as_str).collect();
        let ours = ["app.kubernetes.io/managed-by", "stateward.dev/companion", "stateward.dev/statefulset"];
        assert_eq!(labels, BTreeSet::from(ours), "{} {name}", kind.1);
    }
}

/// A set may have any name, so the names of its companions may be taken.
#[test]
fn objects_of_others_under_our_names_stay_as_they_are() {
    let deputy = Deputy::new("collisions");
    let elsewhere = json!({"selector": {"app": "theirs"}, "ports": [{"name": "http", "port": 8080}]});
    let objects = [
        service("web", &elsewhere),
        service("web-headless", &elsewhere),
        ingress("web", "theirs.example.com"),
        budget("web", &json!({"app": "theirs"})),
        secret("web-generated"),
        service("governing", &elsewhere),
    ];
    let before = deputy.theirs(&objects);
    let set = app("web").replicas(2).annotate("generate-secret", "POSTGRES_PASSWORD");
    deputy.make(&set.annotate("ingress-host", "web.example.com"));
    // One whose governing Service is somebody else's.
    deputy.make(&app("other").set("/spec/serviceName", json!("governing")));
    deputy.told("web", "there is another Service web, which is not ours");
    deputy.told("web", "there is another PodDisruptionBudget web, which is not ours");
    deputy.told("web", "there is another Ingress web, which is not ours");
    deputy.told("other", "Service governing, the serviceName of the set, has an address of its own");
    deputy.wait_looks("web");
    deputy.wait_looks("other");
    assert_eq!(deputy.reread(&objects), before);
}

/// An Ingress of ours leads to a Service of ours: whoever may not write Ingresses shows nobody else's
/// Service to the world.
#[test]
fn an_ingress_never_leads_to_a_service_of_another() {
    let deputy = Deputy::new("backend");
    let theirs = [service("ledger", &json!({"selector": {"app": "ledger"}, "ports": [{"port": 8080}]}))];
    let before = deputy.theirs(&theirs);
    deputy.make(&app("ledger").annotate("ingress-host", "ledger.example.com"));
    deputy.told("ledger", "there is another Service ledger, which is not ours");
    deputy.wait_looks("ledger");
    assert_eq!(deputy.find(INGRESSES, "ledger"), None);
    assert_eq!(deputy.reread(&theirs), before);
}

/// A budget of ours beside another's on the same pods would make every eviction of them fail.
#[test]
fn a_selector_that_holds_pods_of_another_does_not_stop_their_drain() {
    let deputy = Deputy::new("held-pods");
    let labels = json!({"app": "ledger", "example.com/space": deputy.space.name, "tier": "theirs"});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ledger", "labels": labels},
        "spec": {"containers": [{"name": "app", "image": "example.com/app:1"}]},
    });
    let mut theirs = budget("ledger", &json!({"tier": "theirs"}));
    // Of a pod that nobody controls, no other number can be judged.
    theirs["spec"] = json!({"minAvailable": 0, "selector": theirs["spec"]["selector"]});
    let _ = deputy.theirs(&[pod, theirs]);
    let own = json!({"app": "ledger"});
    let set = app("web").replicas(2).set("/spec/selector", json!({"matchLabels": own}));
    deputy.make(&set.set("/spec/template/metadata/labels", own));
    let ours = deputy.wait(BUDGETS, "web");
    assert_eq!(ours["spec"]["selector"]["matchLabels"]["stateward.dev/statefulset"], "web");
    for budget in ["ledger", "web"] {
        wait_for("the budget to know its pods", || match deputy.find(BUDGETS, budget) {
            Some(found) if found["status"]["disruptionsAllowed"].as_u64() > Some(0) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": "ledger", "namespace": deputy.space.name},
    });
    let path = format!("/api/v1/namespaces/{}/pods/ledger/eviction", deputy.space.name);
    let _ = run("kubectl", "admin", &["create", "--raw", &path, "-f", "-"], &eviction.to_string(), &[]).ok();
}

/// The record is ours to write: one that a user writes decides nothing.
#[test]
fn a_record_that_a_user_writes_decides_nothing() {
    let deputy = Deputy::new("record");
    let forged = r#"{"format":1,"set":"web","pin":"lost@00000000","main":"app","fields":{}}"#;
    let stored =
        |set: &str| deputy.space.get(set)["metadata"]["annotations"]["stateward.dev/expansion"].clone();
    let pin = |record: &Value| serde_json::from_str::<Value>(text(record)).unwrap()["pin"].clone();
    deputy.make(&app("web"));
    let record = stored("web");
    assert!(text(&pin(&record)).starts_with("default@"), "{record}");
    deputy.make(&app("made").annotate("expansion", forged));
    assert_eq!(pin(&stored("made")), pin(&record));
    for change in [format!("stateward.dev/expansion={forged}"), "stateward.dev/expansion-".to_owned()] {
        let _ = deputy.kubectl(&["annotate", "--overwrite", "statefulset/web", &change], "").ok();
        assert_eq!(stored("web"), record, "{change}");
    }
}

/// What our labels and our field manager say of a Service, whoever may write Services can write; what
/// it says is that the Service is the controller's to delete, and no other is touched for it.
#[test]
fn a_forged_companion_is_the_loss_of_who_forged_it() {
    let deputy = Deputy::new("forged");
    deputy.make(&app("web"));
    let kept = |name: &str| deputy.wait(SERVICES, name)["metadata"]["uid"].clone();
    let before = ["web", "web-headless"].map(kept);
    let mut forged = service("forged", &json!({"selector": {"app": "elsewhere"}, "ports": [{"port": 80}]}));
    forged["metadata"]["labels"] = json!({
        "app.kubernetes.io/managed-by": "stateward", "stateward.dev/companion": "client",
        "stateward.dev/statefulset": "web",
    });
    let arguments = ["apply", "--server-side", "--field-manager=stateward", "-f", "-"];
    let said = deputy.kubectl(&arguments, &forged.to_string());
    assert!(!said.success(), "the account may not");
    let _ = said.mentions(&["is forbidden"]);
    let _ = deputy.space.kubectl_with(&arguments, &forged.to_string()).ok();
    wait_for("the forged Service to go", || match deputy.find(SERVICES, "forged") {
        None => Ok(()),
        Some(object) => Err(object["metadata"].to_string()),
    });
    assert_eq!(["web", "web-headless"].map(kept), before);
}

/// Of the certificate's Secret nothing is asked and nothing written: only the Ingress names it. An
/// Ingress controller shows a certificate of this namespace then, for a host that is granted to it.
#[test]
fn a_secret_that_an_ingress_names_is_neither_read_nor_written() {
    let deputy = Deputy::new("certificate");
    let objects = [secret("theirs")];
    let before = deputy.theirs(&objects);
    let set = app("web").annotate("ingress-host", "certificate.example.com");
    deputy.make(&set.annotate("ingress-tls-secret", "theirs"));
    let ingress = deputy.wait(INGRESSES, "web");
    assert_eq!(
        ingress["spec"]["tls"],
        json!([{"hosts": ["certificate.example.com"], "secretName": "theirs"}])
    );
    assert!(ingress["metadata"]["annotations"].is_null(), "no issuer writes into it");
    assert_eq!(deputy.reread(&objects), before);
}
