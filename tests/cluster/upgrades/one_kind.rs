//! One kind to which the API server has no answer, such as one whose conversion webhook is away: it hides
//! nothing but itself.

use std::thread;

use serde_json::{Value, json};

use super::outage::{PROXY, stateward, stderr};
use super::{one, pin, revised, settled};
use crate::harness::{Client, Manifest, Space, app, wait_for};
use crate::platform::profile;
use crate::shared::proxy::{Fault, On};

const DOOR: &str = "one-kind";
const FAILED: &str = "error: failed to list ingresses: InternalError by the proxy of the tests; ";

fn exposed(name: &str) -> Manifest {
    app(name).annotate("ingress-host", &format!("{DOOR}-{name}.example.com"))
}

/// The exit code, what is on standard error, and standard output as JSON.
fn run(space: &Space, arguments: &[&str]) -> (i32, String, Value) {
    run_by(DOOR, space, arguments)
}

/// The same by another door, so that tests that run at once break nothing of each other's.
fn run_by(door: &'static str, space: &Space, arguments: &[&str]) -> (i32, String, Value) {
    let said = stateward(door, &[arguments, &["--namespace", &space.name, "-o", "json"]].concat());
    let told = serde_json::from_slice(&said.stdout).unwrap_or_else(|why| panic!("{why}: {said:?}"));
    (said.status.code().expect("an end"), stderr(&said), told)
}

fn states(status: &Value) -> Vec<(&str, &str)> {
    let lines = status["companions"].as_array().expect("companions").iter();
    lines.map(|line| (line["kind"].as_str().unwrap(), line["state"].as_str().unwrap())).collect()
}

fn kinds(manifests: &Value) -> Vec<&str> {
    let items = manifests["items"].as_array().expect("a list").iter();
    items.map(|one| one["kind"].as_str().unwrap()).collect()
}

#[test]
fn a_kind_without_an_answer_hides_nothing_else() {
    let space = Space::new(DOOR);
    space.create(Client::Apply, &exposed("db"));
    let bare = exposed("old").without("/metadata/labels");
    let bare =
        bare.without("/metadata/annotations").set("/spec/selector", json!({"matchLabels": {"app": "old"}}));
    space.create(Client::Apply, &bare.set("/spec/template/metadata/labels", json!({"app": "old"})));
    let (code, told, _) = run(&space, &["status", "db", "--wait"]);
    assert_eq!((code, told.as_str()), (0, ""));

    let away = PROXY.put(
        On::new(&["list"], "/apis/networking.k8s.io/v1/ingresses").itself().of(DOOR),
        Fault::Answer(500, "InternalError", None),
    );
    let (code, told, status) = run(&space, &["status", "db"]);
    assert_eq!((code, &status[0]["problems"]), (4, &json!([])), "{told}");
    assert!(told.contains(&format!("{FAILED}of Ingress nothing is told, and of the rest all")), "{told}");
    let expected = [("Service", "there"), ("Service", "there"), ("Ingress", "not looked at")];
    assert_eq!(states(&status[0])[..3], expected, "{status:#}");
    assert!(away.hits() > 1, "it is asked again");

    let (code, told, adoption) = run(&space, &["adopt", "old", "--dry-run"]);
    assert_eq!((code, &adoption[0]["appear"]), (4, &json!(["Service old"])), "{told}{adoption:#}");
    assert!(told.contains(&format!("{FAILED}whether one would appear is not known: Ingress")), "{told}");

    let (code, told, manifests) = run(&space, &["eject", "db"]);
    assert_eq!((code, kinds(&manifests)), (4, vec!["StatefulSet", "Service", "Service"]), "{told}");
    assert!(
        told.contains(&format!("{FAILED}what stands beside the set of Ingress is not among them")),
        "{told}"
    );

    drop(away);
    let (code, told, status) = run(&space, &["status", "db"]);
    assert_eq!((code, told.as_str()), (0, ""), "{status:#}");
    let (code, _, manifests) = run(&space, &["eject", "db"]);
    assert_eq!((code, kinds(&manifests)), (0, vec!["StatefulSet", "Service", "Service", "Ingress"]));
}

/// Which kinds there are may not be known either, where an API server behind the first one is away.
#[test]
fn a_group_without_an_answer_hides_nothing_else() {
    const DOOR: &str = "one-group";
    let space = Space::new(DOOR);
    space.create(Client::Apply, &app("db"));
    let (code, ..) = run_by(DOOR, &space, &["status", "db", "--wait"]);
    assert_eq!(code, 0);
    let groups = On::new(&["get"], "/apis").itself().of(DOOR);
    let away = PROXY.put(groups, Fault::Answer(500, "InternalError", None));
    let (code, told, status) = run_by(DOOR, &space, &["status", "db"]);
    assert!(away.hits() > 0, "{told}");
    assert_eq!((code, &status[0]["problems"]), (4, &json!([])), "{told}");
    assert_eq!(states(&status[0])[..2], [("Service", "there"), ("Service", "there")], "{status:#}");
    let all = "of HTTPRoute, ServiceMonitor, TCPRoute, TLSRoute nothing is told, and of the rest all";
    assert!(
        told.starts_with("error: failed to ask which kinds are served: ") && told.contains(all),
        "{told}"
    );
}

/// What sets come to by an upgrade: its exit code, and what is told of them.
fn upgrade(door: &'static str, space: &Space, more: &[&str], expected: [(&str, &str); 2]) -> (i32, Value) {
    let (code, told, sets) = run_by(door, space, &[&["upgrade", "--all"], more].concat());
    let outcomes = sets.as_array().expect("a list").iter().map(|set| (&set["name"], &set["outcome"]));
    let outcomes: Vec<_> = outcomes.map(|(name, outcome)| (name.as_str(), outcome.as_str())).collect();
    assert_eq!(outcomes, expected.map(|(set, outcome)| (Some(set), Some(outcome))), "{told}{sets:#}");
    (code, sets)
}

#[test]
fn an_upgrade_moves_what_can_be_judged_and_nothing_else() {
    const DOOR: &str = "one-kind-moved";
    let space = Space::new(DOOR);
    let name = space.name.clone();
    let first = revised(&space, &profile(&name, "64Mi"));
    space.create(Client::Apply, &one("bare", &name));
    let host = format!("{DOOR}.example.com");
    space.create(Client::Apply, &one("exposed", &name).annotate("ingress-host", &host));
    settled(&space);
    let second = revised(&space, &profile(&name, "128Mi"));
    let fails = |path: &str| {
        PROXY.put(On::new(&["list"], path).itself().of(DOOR), Fault::Answer(500, "InternalError", None))
    };
    let at = |set: &str, revision: &str| assert_eq!(pin(&space, set), format!("{name}@{revision}"), "{set}");

    let away = fails(&format!("/api/v1/namespaces/{name}/pods"));
    for more in [&[][..], &["--force"]] {
        let (code, sets) = upgrade(DOOR, &space, more, [("bare", "not known"), ("exposed", "not known")]);
        assert_eq!(code, 4, "{sets:#}");
        let why = "not touched, since nobody knows how it is: failed to list pods: InternalError by the proxy of the tests";
        assert_eq!(sets[0]["message"], why);
    }
    at("bare", &first);
    drop(away);

    let away = fails("/apis/networking.k8s.io/v1/ingresses");
    let (code, sets) = upgrade(DOOR, &space, &[], [("bare", "moved"), ("exposed", "not known")]);
    assert_eq!(code, 4, "{sets:#}");
    assert_eq!(
        sets[1]["message"],
        "not touched, since nobody knows how it is: Ingress exposed was not looked at: failed to list ingresses: \
         InternalError by the proxy of the tests; --force moves it all the same"
    );
    at("bare", &second);
    at("exposed", &first);
    drop(away);

    let (code, sets) = upgrade(DOOR, &space, &[], [("bare", "there"), ("exposed", "moved")]);
    assert_eq!(code, 0, "{sets:#}");
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &name]).ok();
}

/// What gave no answer when the wait began is asked for once more before it ends.
#[test]
fn a_wait_ends_well_where_a_group_answers_again() {
    const DOOR: &str = "one-group-back";
    let space = Space::new(DOOR);
    space.create(Client::Apply, &app("db").annotate("service", "balanced"));
    let away =
        PROXY.put(On::new(&["get"], "/apis").itself().of(DOOR), Fault::Answer(500, "InternalError", None));
    let watched = On::new(&["watch"], format!("namespaces/{}/services", space.name)).of(DOOR);
    thread::scope(|scope| {
        let run = scope.spawn(|| run_by(DOOR, &space, &["status", "db", "--wait", "--timeout", "90s"]));
        wait_for("it to wait", || match PROXY.open(&watched) {
            1 => Ok(()),
            open => Err(format!("{open} watches")),
        });
        drop(away);
        let address = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
        let patch = address.to_string();
        let service = ["patch", "service", "db", "--subresource=status", "--type=merge", "-p", &patch];
        wait_for("the Service to be balanced", || match space.as_admin_says(&service) {
            said if said.success() => Ok(()),
            said => Err(said.stderr),
        });
        let (code, told, status) = run.join().expect("an end");
        assert_eq!((code, told.as_str()), (0, ""), "{status:#}");
    });
}
