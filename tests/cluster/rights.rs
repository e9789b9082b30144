//! The chart's rights are the least that work: each that it grants is used, and none is missing.
//!
//! The API server's audit log tells what stateward's identities asked for and what it answered. Only
//! what a test brings about is in there: who grants a further right makes it used here.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use crate::definitions::Definitions;
use crate::harness::{Audit, Client, Request, Space, app, postgres, run, wait_for};

/// Where the chart is installed.
const NAMESPACE: &str = "stateward-system";
/// Each component's service account, and the template that holds its rights.
const ACCOUNTS: [(&str, &str); 2] = [
    ("stateward-webhook", "charts/stateward/templates/webhook-rbac.yaml"),
    ("stateward-controller", "charts/stateward/templates/controller-rbac.yaml"),
];

/// One verb on one resource, as a rule of the chart grants it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    file: &'static str,
    account: &'static str,
    /// Where it holds; everywhere if empty.
    namespace: String,
    group: String,
    resource: String,
    verb: String,
    /// For the object of this name; for all if empty.
    name: String,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, account, namespace: _, group, resource, verb, name } = self;
        write!(f, "{file}: {account} may {verb} {resource}.{group}")?;
        if name.is_empty() { Ok(()) } else { write!(f, " {name}") }
    }
}

impl Right {
    /// Whether `request` needed it.
    fn is_used_by(&self, request: &Request) -> bool {
        let same = self.group == request.group && self.resource == request.resource;
        // Who makes an object by server-side apply needs both.
        let made = request.verb == "patch" && request.code == 201;
        let verb = self.verb == request.verb || (self.verb == "create" && made);
        // Asked for by the API server itself when an object is made whose owner is to wait for it.
        let owned = self.verb == "update" && self.resource == "statefulsets/finalizers" && made;
        // Asked for when the owner of one that is there changes. Otherwise no account is deleted.
        let disowned = self.verb == "delete"
            && self.resource == "serviceaccounts"
            && same
            && request.verb == "patch"
            && request.code == 200;
        let place = [(&self.namespace, &request.namespace), (&self.name, &request.name)];
        request.account == self.account
            && (matches!(request.code, 200..=299) || request.code == 409)
            && ((same && verb) || owned || disowned)
            && place.into_iter().all(|(granted, asked)| granted.is_empty() || granted == asked)
    }
}

/// Waits until the controller has done this in the space, and fails early where it may not.
fn wait(audit: &mut Audit, space: &Space, verb: &str, resource: &str) {
    wait_for(&format!("{verb} {resource}"), || {
        let did = |one: &&Request| {
            one.namespace == space.name && one.verb == verb && one.resource == resource && one.code < 300
        };
        audit.look().iter().find(did).map(drop).ok_or_else(|| "not in the audit log".to_owned())
    });
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What `kubectl get` gives to who may everything.
fn get(arguments: &[&str]) -> Value {
    let said = run("kubectl", "admin", &[&["get", "-o", "json"], arguments].concat(), "", &[]).ok();
    serde_json::from_str(&said.stdout).expect("an object")
}

/// What is granted to the accounts, by the roles that are bound to them.
fn granted() -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let bindings = get(&["clusterrolebindings,rolebindings", "--all-namespaces"]);
    for binding in items(&bindings["items"]) {
        for (account, file) in ACCOUNTS {
            let is_meant = |subject: &&Value| {
                subject["kind"] == "ServiceAccount"
                    && subject["name"] == account
                    && subject["namespace"] == NAMESPACE
            };
            if items(&binding["subjects"]).any(|subject| is_meant(&subject)) {
                let namespace = text(&binding["metadata"]["namespace"]);
                let role = &binding["roleRef"];
                let place = ["--namespace", namespace];
                let role = get(&[&[text(&role["kind"]), text(&role["name"])], &place[..]].concat());
                for rule in items(&role["rules"]) {
                    take_apart(rule, (file, account, namespace), &mut rights);
                }
            }
        }
    }
    rights
}

/// The rights of a rule, one by one.
fn take_apart(
    rule: &Value,
    (file, account, namespace): (&'static str, &'static str, &str),
    rights: &mut BTreeSet<Right>,
) {
    let list = |field: &str| items(&rule[field]).map(|item| text(item).to_owned()).collect::<Vec<_>>();
    let names = match list("resourceNames") {
        names if names.is_empty() => vec![String::new()],
        names => names,
    };
    for group in list("apiGroups") {
        for resource in list("resources") {
            for verb in list("verbs") {
                rights.extend(names.iter().map(|name| Right {
                    file,
                    account,
                    namespace: namespace.to_owned(),
                    group: group.clone(),
                    resource: resource.clone(),
                    verb: verb.clone(),
                    name: name.clone(),
                }));
            }
        }
    }
}

/// Brings about everything that the controller does, in the order in which it meets it.
fn exercise_the_controller(space: &Space, audit: &mut Audit) {
    let annotate = |set: &str, value: &str| {
        let _ = space.kubectl(&["annotate", "--overwrite", &format!("statefulset/{set}"), value]).ok();
    };
    // Something of another's in the way of one companion: an Event.
    let theirs = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "elsewhere"}, "ports": [{"port": 80}]},
    });
    let _ = space.kubectl_with(&["create", "-f", "-"], &theirs.to_string()).ok();
    let _ = space.send(Client::Apply, &app("web")).ok();
    // Everything is made ...
    let all = postgres("db").replicas(2);
    let all = all.annotate("ingress-host", &format!("{}.example.com", space.name));
    let _ = space.send(Client::Apply, &all).ok();
    for resource in ["services", "poddisruptionbudgets", "ingresses"] {
        wait(audit, space, "patch", resource);
    }
    wait(audit, space, "create", "secrets");
    // ... and taken away again.
    annotate("db", "stateward.dev/ingress-host-");
    wait(audit, space, "delete", "ingresses");
    let _ = space.kubectl(&["scale", "statefulset/db", "--replicas=1"]).ok();
    wait(audit, space, "delete", "poddisruptionbudgets");
    annotate("db", "stateward.dev/service=none");
    wait(audit, space, "delete", "services");
    // What a profile asks for goes when a set of the name comes whose profile does not.
    let asking =
        app("asking").main("image", json!("asking:1")).set("/spec/serviceName", json!("asking-headless"));
    let _ = space.send(Client::Apply, &asking).ok();
    for resource in ["networkpolicies", "serviceaccounts", "servicemonitors"] {
        wait(audit, space, "patch", resource);
    }
    let orphan = || {
        let _ = space.kubectl(&["delete", "statefulset", "asking", "--cascade=orphan"]).ok();
        space.wait_gone("asking");
    };
    // One that comes again takes its account back.
    let patches = |audit: &mut Audit| {
        let of_accounts = |one: &&Request| {
            one.namespace == space.name
                && one.verb == "patch"
                && one.resource == "serviceaccounts"
                && one.code == 200
        };
        audit.look().iter().filter(of_accounts).count()
    };
    orphan();
    let _ = space.send(Client::Apply, &asking).ok();
    wait_for("the account to have another owner", || {
        if patches(audit) > 0 { Ok(()) } else { Err("not in the audit log".to_owned()) }
    });
    orphan();
    let _ = space.send(Client::Apply, &app("asking")).ok();
    for resource in ["networkpolicies", "servicemonitors"] {
        wait(audit, space, "delete", resource);
    }
    // What is given back is looked at once more before.
    let _ = space.kubectl(&["label", "statefulset/db", "stateward.dev/managed-"]).ok();
    wait(audit, space, "get", "statefulsets");
}

/// A route of each kind comes and goes.
fn exercise_routes(space: &Space, audit: &mut Audit) {
    // The name of the port says which; a host is claimed by one set alone.
    for (resource, port, has_host) in
        [("httproutes", "http", true), ("tlsroutes", "https", true), ("tcproutes", "wire", false)]
    {
        let ports = json!([{"name": port, "containerPort": 8443}]);
        let mut set = app(port).main("ports", ports).annotate("gateway", "infra/public");
        if has_host {
            set = set.annotate("ingress-host", &format!("{port}-{}.example.com", space.name));
        }
        let _ = space.send(Client::Apply, &set).ok();
        wait(audit, space, "patch", resource);
        let without = ["stateward.dev/gateway-", "stateward.dev/ingress-host-"];
        let set = format!("statefulset/{port}");
        let _ = space.kubectl(&[&["annotate", set.as_str()], &without[..]].concat()).ok();
        wait(audit, space, "delete", resource);
    }
}

/// A profile of the platform's own: its revision is kept, and its status told.
fn exercise_profiles(space: &Space) {
    let profile = json!({
        "apiVersion": "stateward.dev/v1alpha1", "kind": "StatefulSetProfile", "metadata": {"name": space.name},
        "spec": {"summary": "for the rights", "extends": "default"},
    });
    space.as_admin("create", &profile);
    wait_for("the profile's status", || {
        let status = get(&["statefulsetprofile", &space.name])["status"].clone();
        let ready = status["conditions"][0]["status"] == "True";
        if ready { Ok(()) } else { Err(status.to_string()) }
    });
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &space.name]).ok();
}

/// Somebody damages the leaf in the Secret: the webhook writes another.
fn exercise_the_webhook() {
    let damage = r#"[{"op": "remove", "path": "/data/tls.crt"}]"#;
    let secret = ["--namespace", NAMESPACE, "patch", "secret", "stateward-certificates"];
    let _ = run("kubectl", "admin", &[&secret[..], &["--type=json", "-p", damage]].concat(), "", &[]).ok();
}

/// No request shows a right to finalizers: that the API server asks for it shows where it is missing.
fn assert_finalizers_are_asked_for(space: &Space) {
    let set = space.get("db");
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned", "ownerReferences": [{
            "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": set["metadata"]["uid"],
            "controller": true, "blockOwnerDeletion": true,
        }]},
    });
    let said = space.kubectl_with(&["create", "-f", "-"], &object.to_string());
    assert!(!said.success(), "the developer has no right to finalizers");
    let _ = said.mentions(&["cannot set blockOwnerDeletion"]);
}

#[test]
fn every_right_of_the_chart_is_used_and_none_is_missing() {
    let definitions = Definitions::turn();
    definitions.install();
    let space = Space::new("rights");
    let mut audit = Audit::open();
    exercise_the_webhook();
    exercise_profiles(&space);
    crate::revisions::exercise();
    exercise_routes(&space, &mut audit);
    exercise_the_controller(&space, &mut audit);
    assert_finalizers_are_asked_for(&space);

    let granted = granted();
    for (account, file) in ACCOUNTS {
        assert!(granted.iter().any(|right| right.account == account), "{file} grants nothing to {account}");
    }
    wait_for("every right to be used", || {
        let requests = audit.look();
        let unused: Vec<String> = granted
            .iter()
            .filter(|right| !requests.iter().any(|request| right.is_used_by(request)))
            .map(ToString::to_string)
            .collect();
        unused.is_empty().then_some(()).ok_or_else(|| format!("nobody uses\n{}", unused.join("\n")))
    });
}
