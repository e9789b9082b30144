//! An API server that goes away in the midst of an upgrade: between it and the command stands the proxy
//! that breaks what the controller's tests break.

use std::process::{Command, Output};
use std::sync::LazyLock;
use std::thread;

use serde_json::{Value, json};

use super::{one, pin, revised, settled};
use crate::harness::{Client, Space, block_on, cluster};
use crate::platform::profile;
use crate::shared::proxy::{Call, Fault, On, Proxy, Switch};

pub(super) static PROXY: LazyLock<Proxy> =
    LazyLock::new(|| block_on(Proxy::new(&cluster().kubeconfig("admin"))));

/// `stateward` by a door of its own to the API server; gives the exit code, too.
pub(super) fn stateward(door: &'static str, arguments: &[&str]) -> Output {
    let address = block_on(PROXY.door(door));
    let kubeconfig = cluster().dir.join("home").join(format!("{door}.kubeconfig"));
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "door",
        "clusters": [{"name": "door", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "door", "context": {"cluster": "door", "user": ""}}],
    });
    std::fs::write(&kubeconfig, config.to_string()).expect("a kubeconfig");
    let mut command = Command::new(env!("CARGO_BIN_EXE_stateward"));
    command.args(arguments).arg("--kubeconfig").arg(kubeconfig).output().expect("an end")
}

pub(super) fn stderr(said: &Output) -> String {
    String::from_utf8_lossy(&said.stderr).into_owned()
}

/// Two sets in one namespace and one in another, all of a profile that has another revision by now.
struct Fleet {
    door: &'static str,
    one: Space,
    two: Space,
    first: String,
    second: String,
}

impl Fleet {
    fn new(test: &'static str) -> Self {
        // By their names, the sets of the first come first.
        let (one_of_two, two) = (Space::new(&format!("{test}-a")), Space::new(&format!("{test}-b")));
        let name = one_of_two.name.clone();
        let first = revised(&one_of_two, &profile(&name, "64Mi"));
        for (space, set) in [(&one_of_two, "a"), (&one_of_two, "b"), (&two, "c")] {
            space.create(Client::Apply, &one(set, &name).set("/metadata/labels/team", json!(name)));
        }
        settled(&one_of_two);
        settled(&two);
        let second = revised(&one_of_two, &profile(&name, "128Mi"));
        Self { door: test, one: one_of_two, two, first, second }
    }

    /// The namespace of a set.
    fn space(&self, set: &str) -> &Space {
        if set == "c" { &self.two } else { &self.one }
    }

    /// What is done with one of the sets.
    fn on(&self, verbs: &'static [&'static str], set: &str) -> On {
        let path = format!("namespaces/{}/statefulsets/{set}", self.space(set).name);
        On::new(verbs, path).of(self.door)
    }

    fn upgrade(&self, more: &[&str]) -> Output {
        let team = format!("team={}", self.one.name);
        stateward(self.door, &[&["upgrade", "-A", "-l", &team, "-o", "json"], more].concat())
    }

    /// The same, with the API server away from the moment on in which this call comes. The call itself
    /// goes on its way then, if `fault` has it so.
    fn interrupted(&self, call: On, fault: Fault, more: &[&str]) -> Output {
        let held = PROXY.put(call, fault);
        thread::scope(|scope| {
            let run = scope.spawn(|| self.upgrade(more));
            held.wait_hits(1);
            let _away = PROXY.cut_off(self.door);
            drop(held);
            run.join().expect("an end")
        })
    }

    /// The exit code, what came of each set, and which revision it has.
    fn expect(&self, said: &Output, code: i32, expected: [(&str, &str, &str); 3]) {
        let told: Value =
            serde_json::from_slice(&said.stdout).unwrap_or_else(|why| panic!("{why}: {said:?}"));
        let told = told.as_array().expect("a list").iter().map(|set| (&set["name"], &set["outcome"]));
        let outcomes: Vec<_> = told.map(|(name, outcome)| (name.as_str(), outcome.as_str())).collect();
        assert_eq!(outcomes, expected.map(|(set, outcome, _)| (Some(set), Some(outcome))), "{said:?}");
        assert_eq!(said.status.code(), Some(code), "{said:?}");
        for (set, _, revision) in expected {
            assert_eq!(pin(self.space(set), set), format!("{}@{revision}", self.one.name), "{set}: {said:?}");
        }
    }

    /// The same command with the API server back.
    fn goes_on(&self, a: &str, b: &str) {
        let second = self.second.as_str();
        self.expect(&self.upgrade(&[]), 0, [("a", a, second), ("b", b, second), ("c", "moved", second)]);
        let _ = self.one.as_admin_says(&["delete", "statefulsetprofile", &self.one.name]).ok();
    }
}

#[test]
fn what_an_outage_leaves_undone_is_named_and_the_next_run_does_it() {
    let fleet = Fleet::new("upgrade-outage");
    let (first, second) = (fleet.first.as_str(), fleet.second.as_str());
    // The second is looked at when the first is back.
    let said = fleet.interrupted(fleet.on(&["get"], "b"), Fault::Stall, &[]);
    fleet.expect(&said, 4, [("a", "moved", second), ("b", "failed", first), ("c", "not begun", first)]);
    let failed = format!("error: {}/b: failed to read the StatefulSet: ", fleet.one.name);
    let told = stderr(&said);
    assert!(told.contains(&failed), "{told}");
    assert!(told.contains("nothing further was moved; the same command again goes on"), "{told}");
    fleet.goes_on("there", "moved");
}

#[test]
fn a_set_that_an_outage_hides_is_neither_back_nor_late() {
    let fleet = Fleet::new("upgrade-unseen");
    let (first, second) = (fleet.first.as_str(), fleet.second.as_str());
    // The patch is done and answered, and then there is no answer any more.
    let said = fleet.interrupted(fleet.on(&["patch"], "a"), Fault::Hold, &["--timeout", "1s"]);
    fleet.expect(&said, 4, [("a", "not seen", second), ("b", "not begun", first), ("c", "not begun", first)]);
    let told = stderr(&said);
    assert!(
        told.contains(&format!("nobody knows whether {}/a is back: failed to ", fleet.one.name)),
        "{told}"
    );
    fleet.goes_on("there", "moved");
}

#[test]
fn a_short_outage_is_lived_through() {
    let fleet = Fleet::new("upgrade-short");
    let pods = On::new(&["list"], format!("namespaces/{}/pods", fleet.one.name)).of(fleet.door);
    let faults = [
        (pods, Fault::Close),
        (fleet.on(&["patch"], "a"), Fault::Answer(429, "TooManyRequests", Some(1))),
        (fleet.on(&["get"], "b"), Fault::Half),
        // Done, and nobody hears of it.
        (fleet.on(&["patch"], "b"), Fault::Lose),
        (fleet.on(&["get"], "c"), Fault::Answer(500, "InternalError", None)),
        (fleet.on(&["patch"], "c"), Fault::Answer(500, "InternalError", None)),
    ];
    let switches: Vec<Switch> = faults.into_iter().map(|(on, fault)| PROXY.put_times(on, fault, 1)).collect();
    fleet.goes_on("moved", "moved");
    assert_eq!(switches.iter().map(Switch::hits).collect::<Vec<_>>(), [1; 6]);
    for set in ["a", "b", "c"] {
        let written = PROXY.calls(&fleet.on(&["patch"], set)).iter().filter(|call| call.wrote()).count();
        assert_eq!(written, 1, "{set}");
    }
    let waited = PROXY.calls(&fleet.on(&["patch"], "a"));
    let pause = |calls: &[Call]| calls[1].at.duration_since(calls[0].at).as_millis();
    assert!(pause(&waited) >= 1000, "{waited:?}");
}

/// The label of the namespace says that the set is managed; of whom nothing is heard, nothing is taken
/// for granted.
#[test]
fn no_set_is_passed_over_because_its_namespace_was_not_heard_of() {
    let space = Space::labelled("upgrade-unheard", &[("stateward.dev/managed", "true")]);
    let set = one("q", "nginx").without("/metadata/labels");
    space.create(Client::Apply, &set);
    let upgrade = ["upgrade", "--all", "--namespace", &space.name, "-o", "json"];
    let namespaces = On::new(&["list"], "/api/v1/namespaces").itself().of("upgrade-unheard");
    let away = PROXY.put(namespaces, Fault::Answer(500, "InternalError", None));
    let said = stateward("upgrade-unheard", &upgrade);
    assert_eq!(said.status.code(), Some(4), "{said:?}");
    let told = stderr(&said);
    assert!(told.contains("failed to list namespaces: InternalError by the proxy"), "{told}");
    assert_eq!(away.hits(), 1, "a cluster that never answered is not waited for");
    drop(away);
    let said = stateward("upgrade-unheard", &upgrade);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let told: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    assert_eq!(told[0]["outcome"], "there", "{told:#}");
}
