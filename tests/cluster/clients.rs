//! Every way of changing one thing changes that thing alone.

use std::collections::BTreeSet;

use crate::harness::{Client, Said, Snapshot, Space, app, postgres};

/// A change by a client, and the fields of the spec that it asks for.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

const IMAGE: &str = "template.spec.containers[postgres].image";

/// `kubectl` and what follows it; `SET` is the set's name.
const CASES: &[Case] = &[
    ("scale", &["scale", "statefulset/SET", "--replicas=2"], &["replicas"]),
    ("label", &["label", "statefulset", "SET", "team=search"], &[]),
    ("annotate", &["annotate", "statefulset", "SET", "note=hello"], &[]),
    (
        "rollout restart",
        &["rollout", "restart", "statefulset/SET"],
        &["template.metadata.annotations.kubectl.kubernetes.io/restartedAt"],
    ),
    ("set image", &["set", "image", "statefulset/SET", "postgres=postgres:18.1"], &[IMAGE]),
    (
        "set resources",
        &["set", "resources", "statefulset/SET", "-c=postgres", "--requests=cpu=600m"],
        &["template.spec.containers[postgres].resources.requests.cpu"],
    ),
    (
        "set env",
        &["set", "env", "statefulset/SET", "MODE=quick"],
        &[
            "template.spec.containers[postgres].env[MODE].name",
            "template.spec.containers[postgres].env[MODE].value",
        ],
    ),
    (
        "strategic merge patch",
        &[
            "patch",
            "statefulset",
            "SET",
            "-p",
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"postgres","image":"postgres:18.1"}]}}}}"#,
        ],
        &[IMAGE],
    ),
    (
        // The whole list is replaced by one that lacks all that is ours.
        "merge patch",
        &[
            "patch",
            "statefulset",
            "SET",
            "--type=merge",
            "-p",
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"postgres","image":"postgres:18.1"}]}}}}"#,
        ],
        &[IMAGE],
    ),
    (
        "json patch",
        &[
            "patch",
            "statefulset",
            "SET",
            "--type=json",
            "-p",
            r#"[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"postgres:18.1"}]"#,
        ],
        &[IMAGE],
    ),
    (
        "merge patch of the strategy",
        &["patch", "statefulset", "SET", "--type=merge", "-p", r#"{"spec":{"minReadySeconds":5}}"#],
        &["minReadySeconds"],
    ),
];

#[test]
fn each_change_is_the_whole_change() {
    let space = Space::new("whole-change");
    let sets: Vec<(String, &Case)> = CASES.iter().map(|case| (case.0.replace(' ', "-"), case)).collect();
    for (set, _) in &sets {
        let _ = space.send(Client::Apply, &postgres(set)).ok();
    }
    for (set, (what, arguments, expected)) in &sets {
        let before = space.snapshot(set);
        let arguments: Vec<String> = arguments.iter().map(|each| each.replace("SET", set)).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = space.kubectl(&arguments).ok();
        assert_changed_only(&before, &space.snapshot(set), what, expected);
        assert_announced(said, expected);
    }
}

#[test]
fn edit_changes_what_was_edited() {
    let space = Space::new("edit");
    let before = space.create(Client::Apply, &postgres("db"));
    let _ = space.edit("db", "s/image: postgres:18$/image: postgres:18.1/").ok();
    assert_changed_only(&before, &space.snapshot("db"), "edit", &[IMAGE]);
}

#[test]
fn a_dry_run_shows_the_expansion_and_stores_nothing() {
    let space = Space::new("dry-run");
    for (client, name) in [(&["apply"][..], "a"), (&["apply", "--server-side"], "b"), (&["create"], "c")] {
        let arguments = [client, &["--dry-run=server", "-o", "yaml", "-f", "-"]].concat();
        let said = space.kubectl_with(&arguments, &postgres(name).text()).ok();
        assert!(
            said.stdout.contains("volumeClaimTemplates:"),
            "{client:?} shows no expansion:\n{}",
            said.stdout
        );
        assert!(space.find(name).is_none(), "{client:?} --dry-run=server stored {name}");
    }
    let before = space.create(Client::Apply, &postgres("db"));
    let shrunk = postgres("db").annotate("size", "small");
    let _ = space.kubectl_with(&["apply", "--dry-run=server", "-f", "-"], &shrunk.text()).ok();
    let after = space.snapshot("db");
    before.assert_unchanged(&after, "a dry run");
    assert_eq!(before.object["metadata"]["resourceVersion"], after.object["metadata"]["resourceVersion"]);
}

#[test]
fn an_unchanged_server_side_apply_writes_nothing() {
    let space = Space::new("same-version");
    let before = space.create(Client::ServerSide, &app("a"));
    let _ = space.send(Client::ServerSide, &app("a")).ok();
    let after = space.snapshot("a");
    let version = |snapshot: &Snapshot| snapshot.object["metadata"]["resourceVersion"].clone();
    assert_eq!(version(&before), version(&after), "a repeat was written");
}

#[test]
fn helm_installs_upgrades_and_rolls_back() {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/chart");
    let space = Space::new("helm");
    let _ = space.helm(&["install", "orders", chart]).ok();
    let first = space.snapshot("orders");
    assert!(first.record().is_some(), "helm's set was not expanded");

    let _ = space.helm(&["upgrade", "orders", chart]).ok();
    first.assert_unchanged(&space.snapshot("orders"), "an upgrade to the same");

    let _ = space.helm(&["upgrade", "orders", chart, "--set", "tag=18.1"]).ok();
    let second = space.snapshot("orders");
    assert_changed_only(&first, &second, "helm upgrade", &[IMAGE]);

    let _ = space.helm(&["upgrade", "orders", chart, "--set", "tag=18.1", "--set", "replicas=2"]).ok();
    let scaled = space.snapshot("orders");
    second.assert_not_restarted(&scaled, "helm upgrade of the replicas");
    assert_eq!(scaled.replicas, 2);

    let _ = space.helm(&["rollback", "orders", "1"]).ok();
    let back = space.snapshot("orders");
    assert_eq!(first.template, back.template, "rollback is not exact: {:?}", first.template_changes(&back));
    assert_eq!(back.revisions, 2, "rollback made a third revision");
}

fn assert_changed_only(before: &Snapshot, after: &Snapshot, what: &str, expected: &[&str]) {
    let changed = before.spec_changes(after);
    let expected: BTreeSet<String> = expected.iter().map(|path| (*path).to_owned()).collect();
    assert_eq!(changed, expected, "{what} changed something else than was asked");
    assert_eq!(before.immutable, after.immutable, "{what}");
}

/// What restarts pods says so, and nothing else does.
fn assert_announced(said: Said, expected: &[&str]) {
    let restarts = expected.iter().any(|path| path.starts_with("template."));
    let _ = if restarts {
        said.mentions(&["Warning: ", "restarts 1 pod"])
    } else {
        said.silent_about(&["restarts"])
    };
}
