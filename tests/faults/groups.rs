//! A group of kinds for which nobody answers, as when an aggregated API server is down: what belongs
//! to other groups is kept all the same, and of this one nothing is lost.

use serde_json::{Value, json};

use crate::definitions::Definitions;
use crate::harness::{Client, Manifest, Said, Space, app, run, wait_for};
use crate::objects::{INGRESSES, find, settle, wait_beside, wait_there};
use crate::proxy::{Break, Fault, On, Switch};
use crate::world::{Pair, WRITES, alone, events, proxy};

/// The group.
const GROUP: &str = "/apis/gateway.networking.k8s.io";
/// What is said as long as nobody answers for it.
const SILENT: &str = "cannot ask which kinds of a group are served; trying again";

fn exposed(name: &str) -> Manifest {
    let ports = json!([{"name": "http", "containerPort": 8080}]);
    app(name).replicas(3).main("ports", ports).annotate("ingress-host", &format!("{name}.example.com"))
}

fn routed(name: &str) -> Manifest {
    exposed(name).annotate("gateway", "infra/public")
}

/// Waits for a route, and gives uid and version: a write changes the version. As an administrator, since
/// what has just come to be served is not for all to see.
fn wait_route(space: &Space, set: &str) -> [Value; 2] {
    let path = format!("{GROUP}/v1/namespaces/{}/httproutes/{set}", space.name);
    wait_for(&format!("the route of {set}"), || {
        let said = run("kubectl", "admin", &["get", "--raw", &path], "", &[]);
        let route: Value = serde_json::from_str(&said.stdout).map_err(|_| said.stderr.clone())?;
        Ok(["uid", "resourceVersion"].map(|field| route["metadata"][field].clone()))
    })
}

/// Writes to routes until now, those of other namespaces left out: what goes with them may be made anew.
fn writes(space: &Space) -> usize {
    proxy().calls(&On::new(WRITES, format!("{GROUP}/v1/namespaces/{}", space.name))).len()
}

/// Nobody answers for these any more, neither what is asked nor what is watched.
fn silence(on: &On, fault: Fault) -> Switch {
    let switch = proxy().put(on.clone(), fault);
    proxy().interrupt(on, Break::Cut);
    switch
}

/// The other replica begins to work while nobody answers for these: it does without, and makes up for
/// it when there are answers. Gives its name.
fn takes_over_without(pair: &mut Pair, space: &Space, on: &On, fault: Fault) -> &'static str {
    settle(pair, space, &routed("old"));
    let before = wait_route(space, "old");
    let (old, new) = (pair.leader().name, pair.standby().name);
    let wrote = writes(space);
    let silent = silence(&on.clone().of(new), fault);
    pair.named(old).signal("TERM");
    assert_eq!(pair.named(old).exit_code(), 0);
    let _ = space.send(Client::Apply, &routed("new")).ok();
    wait_beside(space, "new");
    assert_eq!(pair.leader().name, new, "it is ready");
    silent.wait_hits(1);
    for set in ["old", "new"] {
        let what = "is left alone while gateway.networking.k8s.io has no answer";
        wait_for("it to be told", || match events(space, set, what).len() {
            1.. => Ok(()),
            none => Err(format!("{none} Events of {set}")),
        });
    }
    assert_eq!(events(space, "new", "has no HTTPRoute"), Vec::<Value>::new(), "nobody knows");
    assert_eq!(writes(space), wrote, "nothing is known of routes");
    // One that stalls is not waited for until the connection ends.
    silent.wait_hits(2);
    drop(silent);
    wait_route(space, "new");
    assert_eq!(wait_route(space, "old"), before);
    new
}

/// One that is at work goes on with what it knows while nobody answers for the group.
fn goes_on_without(pair: &mut Pair, space: &Space, replica: &'static str, fault: Fault) {
    let (wrote, said) = (writes(space), pair.named(replica).lines(SILENT).len());
    let known = ["old", "new"].map(|set| wait_route(space, set));
    let silent = silence(&On::new(&[], GROUP).of(replica), fault);
    pair.named(replica).wait_says(SILENT, said + 1);
    for set in ["old", "new"] {
        pair.wait_look(space, set);
    }
    assert!(pair.named(replica).is_at_work(), "it is ready");
    drop(silent);
    let watched = On::new(&["watch"], format!("{GROUP}/v1/httproutes")).of(replica);
    wait_for("the routes to be watched again", || match proxy().open(&watched) {
        1 => Ok(()),
        open => Err(format!("{open} watches")),
    });
    for set in ["old", "new"] {
        pair.wait_look(space, set);
    }
    assert_eq!(writes(space), wrote, "it knows them as they are");
    assert_eq!(["old", "new"].map(|set| wait_route(space, set)), known);
}

#[test]
fn a_group_that_fails_or_stalls_keeps_no_other() {
    let mut pair = alone();
    let definitions = Definitions::turn();
    definitions.install();
    for (name, fault) in
        [("group-fails", Fault::Answer(500, "InternalError", None)), ("group-stalls", Fault::Stall)]
    {
        let space = Space::new(name);
        let at_work = takes_over_without(&mut pair, &space, &On::new(&[], GROUP), fault);
        goes_on_without(&mut pair, &space, at_work, fault);
        pair.revive();
    }
}

/// As where the conversion of a CustomResourceDefinition fails: it is served, and nobody can list it.
#[test]
fn a_kind_that_cannot_be_listed_keeps_no_other() {
    let mut pair = alone();
    let definitions = Definitions::turn();
    definitions.install();
    for (name, fault) in
        [("list-fails", Fault::Answer(500, "InternalError", None)), ("list-stalls", Fault::Stall)]
    {
        let space = Space::new(name);
        let lists = On::new(&["list"], format!("{GROUP}/v1/httproutes")).itself();
        takes_over_without(&mut pair, &space, &lists, fault);
        pair.revive();
    }
}

/// What the API server says of a group that nobody serves.
const UNAVAILABLE: &str = "service unavailable";

/// A group that is registered with the API server and that nobody serves: a request for it goes to a Service that
/// there is not.
struct Dead;

impl Dead {
    const NAME: &str = "v1.gateway.networking.k8s.io";

    fn register() -> Self {
        let service = json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": Self::NAME},
            "spec": {
                "group": "gateway.networking.k8s.io", "version": "v1", "insecureSkipTLSVerify": true,
                "groupPriorityMinimum": 1000, "versionPriority": 15,
                "service": {"namespace": "default", "name": "gone"},
            },
        });
        let _ = run("kubectl", "admin", &["create", "-f", "-"], &service.to_string(), &[]).ok();
        Self
    }
}

impl Drop for Dead {
    fn drop(&mut self) {
        let _ = run("kubectl", "admin", &["delete", "apiservice", Self::NAME], "", &[]);
    }
}

fn asked(path: &str) -> Said {
    run("kubectl", "admin", &["get", "--raw", path], "", &[])
}

/// No proxy plays the part of the API server here.
#[test]
fn an_api_service_that_is_dead_keeps_no_other() {
    let mut pair = alone();
    let _definitions = Definitions::turn();
    let space = Space::new("group-dead");
    settle(&pair, &space, &exposed("old"));
    settle(&pair, &space, &routed("routed"));
    let before = wait_there(&space, INGRESSES, "old");

    let dead = Dead::register();
    wait_for("the group to be told of", || match asked("/apis").ok().stdout {
        all if all.contains("\"gateway.networking.k8s.io\"") => Ok(()),
        all => Err(all),
    });
    let said = asked(&format!("{GROUP}/v1"));
    assert!(!said.success(), "{said:?}");
    let _ = said.mentions(&["the server is currently unable to handle the request"]);

    let (old, new) = (pair.leader().name, pair.standby().name);
    pair.named(old).signal("TERM");
    assert_eq!(pair.named(old).exit_code(), 0);
    let _ = space.send(Client::Apply, &exposed("new")).ok();
    wait_beside(&space, "new");
    assert_eq!(pair.leader().name, new, "it is ready");
    let held = "Ingress new is not made while gateway.networking.k8s.io has no answer: somebody may have had host \
                new.example.com for longer; ";
    wait_for("it to be told", || match events(&space, "new", held).len() {
        1 => Ok(()),
        other => Err(format!("{other} Events")),
    });
    pair.wait_look(&space, "new");
    let lines = pair.named(new).lines(SILENT);
    assert!(lines.iter().any(|line| line["error"] == UNAVAILABLE), "{lines:?}");
    let twice = pair.named(new).lines("failed with status 503 Service Unavailable");
    assert_eq!(twice, Vec::<Value>::new(), "it is told once, by us");
    assert_eq!(find(&space, INGRESSES, "new"), None);
    assert_eq!(find(&space, INGRESSES, "old").unwrap()["metadata"]["uid"], before["metadata"]["uid"]);
    tell_the_same(&space, held);

    drop(dead);
    wait_there(&space, INGRESSES, "new");
    pair.revive();
}

/// What the commands say of it.
fn tell_the_same(space: &Space, held: &str) {
    const ASKED: &str =
        "failed to ask which kinds of gateway.networking.k8s.io are served: service unavailable";
    let state = |set: &str| {
        let said = space
            .stateward(&["status", set, "-o", "json"])
            .exits(4)
            .mentions(&[ASKED, "of HTTPRoute, TCPRoute, TLSRoute nothing is told, and of the rest all"]);
        let status: Value = serde_json::from_str(&said.stdout).unwrap();
        let mut lines = status[0]["companions"].as_array().unwrap().iter();
        let ingress = lines.find(|line| line["role"] == "ingress").unwrap()["state"].clone();
        (ingress, status[0]["problems"].to_string().contains(held))
    };
    assert_eq!(state("new"), (json!("not made"), true));
    assert_eq!(state("old"), (json!("there"), false));
    let held_back = format!("error: {}/new is waited for no longer: {held}", space.name);
    let said = space.stateward(&["status", "new", "--wait", "--timeout", "20s"]).exits(4);
    let _ = said.mentions(&[&held_back, ASKED]).silent_about(&["not settled after"]);
    let said = space.stateward(&["eject", "new"]).exits(4).mentions(&[ASKED, held, "it is not among them"]);
    assert!(!said.stdout.contains("kind: Ingress"), "{}", said.stdout);
    let said = space.stateward(&["eject", "old"]).exits(4).silent_about(&["Ingress"]);
    assert!(said.stdout.contains("kind: Ingress"), "{}", said.stdout);
    // One that has nothing of the group is moved, and one of which nobody sees all is not.
    let _ = space.kubectl(&["annotate", "namespace", &space.name, "stateward.dev/size=large"]).ok();
    wait_for("the size to be known", || {
        let said = space.stateward(&["upgrade", "routed", "--dry-run"]);
        if said.stdout.contains("size large") { Ok(()) } else { Err(format!("{said:?}")) }
    });
    let said = space.stateward(&["upgrade", "routed"]).exits(4);
    let why = "nobody knows how it is: HTTPRoute routed was not looked at: failed to ask which kinds";
    assert!(said.stdout.contains(why), "{said:?}");
    let said = space.stateward(&["upgrade", "old"]).exits(0);
    assert!(said.stdout.contains("1 moved"), "{said:?}");
}
