//! Many sets in several namespaces, moved by one command.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{Client, Manifest, Said, Space, block_on, cluster, run};
use crate::platform::{apply, profile, queue, wait_admitted, wait_used};

/// By which a command finds the sets of one test in all namespaces.
const LABEL: &str = "example.com/fleet";

/// `stateward`, as who looks after the cluster.
fn stateward(arguments: &[&str], stdin: &str) -> Said {
    run(env!("CARGO_BIN_EXE_stateward"), "admin", arguments, stdin, &[])
}

fn json_of(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|why| panic!("{why}: {said:?}"))
}

/// Applies a profile; gives the pin that new sets get of it then.
fn revised(space: &Space, manifest: &Manifest) -> String {
    let name = manifest.name();
    apply(space, manifest);
    let revision = wait_used(space, name)["revision"].as_str().expect("a revision").to_owned();
    let pin = format!("{name}@{revision}");
    wait_admitted(space, &queue("probe", name), &pin);
    pin
}

/// The same profile, whose pods wait at a gate.
fn gated(name: &str) -> Manifest {
    let gates = json!([{"name": "example.com/gate"}]);
    profile(name, "128Mi").set("/spec/statefulSet/spec/template/spec/schedulingGates", gates)
}

/// Lets pods run that wait at the gate, for as long as `goes_on` says so.
fn keep_open(spaces: &[&Space], is_meant: impl Fn(&str) -> bool, goes_on: impl Fn() -> bool) {
    let gate = r#"[{"op": "remove", "path": "/spec/schedulingGates"}]"#;
    while goes_on() {
        for space in spaces {
            let pods = space.list("/api/v1", "pods");
            let waiting = pods.iter().filter(|pod| pod["spec"]["schedulingGates"].is_array());
            let names = waiting.map(|pod| pod["metadata"]["name"].as_str().unwrap_or_default());
            for name in names.filter(|name| is_meant(name)) {
                // One that has gone meanwhile comes again.
                let _ = space.kubectl(&["patch", "pod", name, "--type=json", "-p", gate]);
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn pin_of(set: &Value) -> String {
    let record = set["metadata"]["annotations"]["stateward.dev/expansion"].as_str().unwrap_or_default();
    let record: Value = serde_json::from_str(record).unwrap_or_default();
    record["pin"].as_str().and_then(|pin| pin.split('/').next()).unwrap_or_default().to_owned()
}

/// Whether its pods are not yet what it says.
fn is_under_way(set: &Value) -> bool {
    let (status, replicas) = (&set["status"], &set["spec"]["replicas"]);
    status["observedGeneration"] != set["metadata"]["generation"]
        || status["readyReplicas"] != *replicas
        || status["updateRevision"] != status["currentRevision"] && status["updatedReplicas"] != *replicas
}

/// All states of the sets with a label, in the order in which the API server stored them.
struct Recorder {
    stop: watch::Sender<bool>,
    thread: thread::JoinHandle<Vec<Value>>,
}

impl Recorder {
    /// Returns when it has seen all that are there.
    fn start(label: String) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let (listed, is_listed) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let sets = Api::<DynamicObject>::all_with(
                cluster().client.clone(),
                &ApiResource::erase::<StatefulSet>(&()),
            );
            block_on(async {
                let events = watcher(sets, watcher::Config::default().labels(&label));
                pin_mut!(events);
                let mut states = Vec::new();
                loop {
                    let event = tokio::select! {
                        event = events.next() => event.expect("a watch never ends").expect("an event"),
                        _ = stopped.wait_for(|stopped| *stopped) => return states,
                    };
                    match event {
                        Event::Apply(set) | Event::InitApply(set) => {
                            states.push(serde_json::to_value(set).expect("a set"));
                        }
                        Event::InitDone => listed.send(()).expect("somebody waits"),
                        Event::Init | Event::Delete(_) => {}
                    }
                }
            })
        });
        is_listed.recv().expect("a list");
        Self { stop, thread }
    }

    /// How many sets with this pin were under way at once, at most.
    fn most_under_way(self, pin: &str) -> usize {
        self.stop.send(true).expect("it records");
        let states = self.thread.join().expect("a record");
        let (mut now, mut most) = (BTreeSet::new(), 0);
        for set in states {
            let key = (set["metadata"]["namespace"].to_string(), set["metadata"]["name"].to_string());
            if pin_of(&set) == pin && is_under_way(&set) {
                now.insert(key);
            } else {
                now.remove(&key);
            }
            most = most.max(now.len());
        }
        most
    }
}

/// The sets of one profile in two namespaces.
struct Fleet {
    one: Space,
    two: Space,
    selector: String,
}

impl Fleet {
    /// With so many sets in each, and one in the second that has not got the label.
    fn new(test: &str, first: &[&str], second: &[&str]) -> (Self, String) {
        let (one, two) = (Space::new(test), Space::new(test));
        let name = one.name.clone();
        let pin = revised(&one, &profile(&name, "64Mi"));
        let set = |set: &str| queue(set, &name).set("/spec/replicas", json!(1));
        let label = format!("/metadata/labels/{}", LABEL.replace('/', "~1"));
        let labelled = |(space, set_name): (_, &str)| (space, set(set_name).set(&label, json!(name)));
        let first = first.iter().map(|name| (&one, *name));
        let sets = first.chain(second.iter().map(|name| (&two, *name))).map(labelled);
        let sets: Vec<(&Space, Manifest)> = sets.chain([(&two, set("apart"))]).collect();
        for (space, set) in &sets {
            let _ = space.send(Client::Apply, set).ok();
        }
        for (space, set) in &sets {
            space.snapshot(set.name());
        }
        // What has just been made has no Services yet, and is not touched.
        for space in [&one, &two] {
            let _ = stateward(&["status", "--wait", "--namespace", &space.name], "").ok();
        }
        let selector = format!("{LABEL}={name}");
        (Self { one, two, selector }, pin)
    }

    /// `stateward upgrade` of those with the label, in all namespaces, two at a time.
    fn upgrade(&self, more: &[&str]) -> Said {
        let which = ["upgrade", "-A", "-l", &self.selector, "--max-unavailable-sets", "2", "-o", "json"];
        stateward(&[&which, more].concat(), "")
    }

    /// What came of each, with the namespaces' numbers in place of their names.
    fn outcomes(&self, said: &Said) -> Vec<(usize, String, String)> {
        let told = json_of(said);
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let number = |one: &Value| if one["namespace"] == self.one.name.as_str() { 1 } else { 2 };
        let told = told.as_array().expect("a list").iter();
        told.map(|one| (number(one), word(&one["name"]), word(&one["outcome"]))).collect()
    }

    /// What the edit would do is told of each set, in all namespaces or in one.
    fn previews(&self, new: &Manifest) {
        let sets_in = |told: &Value, space: &Space| -> Vec<String> {
            let sets = told["sets"].as_array().expect("sets").iter();
            let ours = sets.filter(|set| set["namespace"] == space.name.as_str());
            ours.map(|set| {
                assert_eq!(set["restarts"], 1, "{set:#}");
                set["name"].as_str().unwrap_or_default().to_owned()
            })
            .collect()
        };
        let said = stateward(&["preview", "-A", "-o", "json", "-f", "-"], &new.text());
        assert!(!said.success(), "{said:?}");
        let told = json_of(&said);
        assert_eq!(sets_in(&told, &self.one), ["a", "b", "c", "d", "e"]);
        assert_eq!(sets_in(&told, &self.two), ["apart", "f"]);
        let of_two = ["preview", "--namespace", &self.two.name, "-o", "json", "-f", "-"];
        let told = json_of(&stateward(&of_two, &new.text()));
        assert_eq!(
            (sets_in(&told, &self.two), &told["looked"]),
            (vec!["apart".into(), "f".into()], &json!(2))
        );
        assert!(sets_in(&told, &self.one).is_empty(), "{told:#}");
        // Sets to which the same happens stand together.
        let said = stateward(&["preview", "-A", "-f", "-"], &new.text());
        let line = format!("  in {}: a, b, c, d, e\n  in {}: apart, f\n", self.one.name, self.two.name);
        assert!(said.stdout.contains(&line), "{said:?}");
    }

    /// What cannot be meant is told before anything is moved.
    fn refuses_what_nobody_means(&self) {
        let said = self.upgrade(&["--to", &format!("{}@0badc0de", self.one.name)]);
        assert!(!said.success(), "{said:?}");
        let _ = said.mentions(&["nobody knows the revision", "stateward profiles"]);
    }

    fn expect(&self, said: &Said, expected: &[(usize, &str, &str)]) {
        let expected =
            expected.iter().map(|(space, set, outcome)| (*space, (*set).to_owned(), (*outcome).to_owned()));
        assert_eq!(self.outcomes(said), expected.collect::<Vec<_>>(), "{said:?}");
    }
}

#[test]
fn sets_of_all_namespaces_move_a_few_at_a_time() {
    let (fleet, first) = Fleet::new("fleet", &["a", "b", "c", "d", "e"], &["f"]);
    let Fleet { one, two, selector } = &fleet;
    let new = gated(&one.name);
    fleet.previews(&new);
    let second = revised(one, &new);
    fleet.refuses_what_nobody_means();
    let recorder = Recorder::start(selector.clone());

    // Of the two that are begun first one does not come back: the other does, and nothing else is begun.
    let said = thread::scope(|scope| {
        let upgrade = scope.spawn(|| fleet.upgrade(&["--timeout", "20s"]));
        keep_open(&[one], |pod| pod == "b-0", || !upgrade.is_finished());
        upgrade.join().expect("an end")
    });
    assert!(!said.success(), "{said:?}");
    fleet.expect(
        &said,
        &[
            (1, "a", "not back"),
            (1, "b", "moved"),
            (1, "c", "not begun"),
            (1, "d", "not begun"),
            (1, "e", "not begun"),
            (2, "f", "not begun"),
        ],
    );
    let late = format!("{}/a does not come back within 20 s, and nothing further was moved", one.name);
    let _ = said.mentions(&[&late]);
    for (space, set) in [(one, "c"), (one, "d"), (one, "e"), (two, "f")] {
        assert_eq!(pin_of(&space.get(set)), first, "{set}");
    }

    // The next run goes on with what is left, as soon as the first is back.
    let said = thread::scope(|scope| {
        let upgrade = scope.spawn(|| fleet.upgrade(&["--timeout", "90s"]));
        keep_open(&[one, two], |_| true, || !upgrade.is_finished());
        upgrade.join().expect("an end").ok()
    });
    fleet.expect(
        &said,
        &[
            (1, "a", "there"),
            (1, "b", "there"),
            (1, "c", "moved"),
            (1, "d", "moved"),
            (1, "e", "moved"),
            (2, "f", "moved"),
        ],
    );
    assert_eq!(recorder.most_under_way(&second), 2);
    assert_eq!(pin_of(&two.get("apart")), first, "it has not got the label");
    let _ = one.as_admin_says(&["delete", "statefulsetprofile", &one.name]).ok();
}
