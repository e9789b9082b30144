//! The commands by which people see profiles and move sets, against the webhook that does it.

mod absent;
mod namespaces;
mod newborn;
mod one_kind;
mod outage;
mod spared;

use serde_json::{Value, json};

use crate::harness::{
    Client, Hook, Manifest, Place, Said, Snapshot, Space, app, cluster, forward, run, wait_for,
};
use crate::platform::{apply, profile, queue, wait_admitted, wait_used};

/// `stateward`, as who may read profiles.
fn stateward(space: &Space, arguments: &[&str], stdin: &str) -> Said {
    let all = [arguments, &["--namespace", &space.name]].concat();
    run(env!("CARGO_BIN_EXE_stateward"), "admin", &all, stdin, &[])
}

fn json_of(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|why| panic!("{why}: {said:?}"))
}

/// A profile whose pods wait at a gate.
fn gated(name: &str) -> Manifest {
    let gates = json!([{"name": "example.com/gate"}]);
    profile(name, "128Mi").set("/spec/statefulSet/spec/template/spec/schedulingGates", gates)
}

/// Applies a profile; gives the revision that new sets get of it then.
fn revised(space: &Space, manifest: &Manifest) -> String {
    let name = manifest.name();
    apply(space, manifest);
    let revision = wait_used(space, name)["revision"].as_str().expect("a revision").to_owned();
    wait_admitted(space, &queue("probe", name), &format!("{name}@{revision}"));
    revision
}

fn one(name: &str, image: &str) -> Manifest {
    queue(name, image).set("/spec/replicas", json!(1))
}

/// Waits until all sets of a namespace are as they should be. What has just been made has no Services yet, and is
/// not touched.
fn settled(space: &Space) {
    let _ = stateward(space, &["status", "--wait"], "").ok();
}

fn memory(set: &Snapshot) -> Value {
    set.container("queue")["resources"]["limits"]["memory"].clone()
}

fn pin(space: &Space, set: &str) -> String {
    let record = space.get(set)["metadata"]["annotations"]["stateward.dev/expansion"].clone();
    let record: Value = serde_json::from_str(record.as_str().expect("a record")).expect("JSON");
    let pin = record["pin"].as_str().expect("a pin");
    pin.split('/').next().unwrap_or_default().to_owned()
}

fn outcomes(said: &Said) -> Vec<(String, String)> {
    let told = json_of(said);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    told.as_array().expect("a list").iter().map(|one| (word(&one["name"]), word(&one["outcome"]))).collect()
}

fn expect(said: &Said, expected: &[(&str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned())).collect();
    assert_eq!(outcomes(said), expected, "{said:?}");
}

#[test]
fn sets_move_one_after_the_other_and_stop_at_the_first_that_does_not_come_back() {
    let space = Space::new("upgrade-wave");
    let name = space.name.clone();
    let other = format!("{name}-b");
    let (first, first_of_b) =
        (revised(&space, &profile(&name, "64Mi")), revised(&space, &profile(&other, "64Mi")));
    let manifests = [one("a", &name), one("b", &other), one("c", &name)];
    let before: Vec<Snapshot> = manifests.iter().map(|set| space.create(Client::Apply, set)).collect();
    settled(&space);

    // What an edit would do is told before it is applied.
    let (new, new_of_b) = (profile(&name, "128Mi"), gated(&other));
    let both = format!("{}\n---\n{}", new.text(), new_of_b.text());
    let said = stateward(&space, &["preview", "-f", "-", "-o", "json"], &both);
    assert!(!said.success(), "{said:?}");
    let preview = json_of(&said);
    assert_eq!(preview["sets"].as_array().map(Vec::len), Some(3), "{preview:#}");
    assert_eq!(preview["sets"][0]["restarts"], 1, "{preview:#}");
    let field = &preview["sets"][0]["fields"][0];
    assert_eq!((&field["old"], &field["new"]), (&json!("64Mi"), &json!("128Mi")), "{preview:#}");
    let _ = stateward(&space, &["preview", "-f", "-"], &profile(&name, "64Mi").text()).ok();
    let _ = stateward(&space, &["diff", "a"], "").ok();

    let (second, _) = (revised(&space, &new), revised(&space, &new_of_b));
    let said = stateward(&space, &["diff", "a", "-o", "json"], "");
    assert!(!said.success(), "{said:?}");
    assert_eq!(json_of(&said)["fields"][0], *field);
    let said = stateward(&space, &["upgrade", "--all", "--dry-run", "-o", "json"], "");
    assert!(!said.success(), "{said:?}");
    assert_eq!(json_of(&said)["sets"].as_array().map(Vec::len), Some(3), "{said:?}");
    for (before, set) in before.iter().zip(["a", "b", "c"]) {
        before.assert_unchanged(&space.snapshot(set), "looked at");
    }

    let said = stateward(&space, &["upgrade", "a", "-o", "json"], "").ok();
    expect(&said, &[("a", "moved")]);
    assert_eq!(memory(&space.snapshot("a")), "128Mi");
    let said = stateward(&space, &["upgrade", "--all", "--timeout", "10s", "-o", "json"], "");
    assert!(!said.success(), "{said:?}");
    expect(&said, &[("a", "there"), ("b", "not back"), ("c", "not begun")]);
    let back = format!("stateward upgrade b -n {name} --to {other}@{first_of_b} --force takes it back");
    let _ = said.mentions(&["does not come back within 10 s, and nothing further was moved", &back]);
    assert_eq!(pin(&space, "c"), format!("{name}@{first}"));
    before[2].assert_unchanged(&space.snapshot("c"), "not begun");
    counted(&space, &[(&first, 1), (&second, 1)]);

    // The next run waits for the one that is on its way, and goes on.
    let said = stateward(&space, &["upgrade", "--all", "--timeout", "3s", "-o", "json"], "");
    assert!(!said.success(), "{said:?}");
    expect(&said, &[("a", "there"), ("b", "not back"), ("c", "not begun")]);
    let open = r#"[{"op": "remove", "path": "/spec/schedulingGates"}]"#;
    let _ = space.kubectl(&["patch", "pod", "b-0", "--type=json", "-p", open]).ok();
    let said = stateward(&space, &["upgrade", "--all", "-o", "json"], "").ok();
    expect(&said, &[("a", "there"), ("b", "there"), ("c", "moved")]);
    counted(&space, &[(&second, 2)]);

    a_sync_moves_nothing(&space, &manifests);

    let said = stateward(&space, &["upgrade", "--all", "--to", &first, "-o", "json"], "").ok();
    expect(&said, &[("a", "moved"), ("b", "passed over"), ("c", "moved")]);
    assert_eq!(memory(&space.snapshot("c")), "64Mi");
    counted(&space, &[(&first, 2)]);
    let to = format!("{other}@{first_of_b}");
    let _ = stateward(&space, &["upgrade", "b", "--to", &to], "").ok();
    assert_eq!(pin(&space, "b"), to);
    assert_eq!(memory(&space.snapshot("b")), "64Mi");
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &other]).ok();
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &name]).ok();
}

/// What a Git repository holds, applied again.
fn a_sync_moves_nothing(space: &Space, manifests: &[Manifest]) {
    // Of b the gate was opened by hand, so it is no set like others.
    for manifest in manifests.iter().filter(|manifest| manifest.name() != "b") {
        let before = space.snapshot(manifest.name());
        let _ = space.send(Client::Apply, manifest).ok();
        before.assert_unchanged(&space.snapshot(manifest.name()), "a sync after an upgrade");
    }
}

/// `profiles NAME` counts so many sets of these revisions, and no other.
fn counted(space: &Space, expected: &[(&str, u64)]) {
    let said = stateward(space, &["profiles", &space.name, "-o", "json"], "").ok();
    let told = json_of(&said)[0].clone();
    assert_eq!(told["from"], "cluster", "{told:#}");
    let revisions = told["revisions"].as_array().expect("revisions");
    for (revision, sets) in expected {
        let found = revisions.iter().find(|one| one["revision"] == *revision);
        assert_eq!(found.expect("the revision")["sets"], *sets, "{told:#}");
    }
    let all: u64 = expected.iter().map(|(_, sets)| sets).sum();
    assert_eq!(told["sets"], all, "{told:#}");
}

#[test]
fn what_is_not_ready_is_not_touched_unless_forced() {
    let space = Space::new("upgrade-unready");
    let name = space.name.clone();
    let first = revised(&space, &profile(&name, "64Mi"));
    let unready = json!({"stateward.dev/test-unready": "true"});
    let set = one("q", &name)
        .set("/spec/template/metadata/annotations", unready)
        .set("/metadata/labels/team", json!("data"));
    let _ = space.send(Client::Apply, &set).ok();
    let second = revised(&space, &profile(&name, "128Mi"));
    let said = stateward(&space, &["upgrade", "-l", "team=data", "-o", "json"], "");
    assert!(!said.success(), "{said:?}");
    expect(&said, &[("q", "not ready")]);
    assert_eq!(pin(&space, "q"), format!("{name}@{first}"));
    let said = stateward(&space, &["upgrade", "-l", "team=other"], "").ok();
    assert!(said.stdout.contains("no managed StatefulSets in namespace"), "{said:?}");
    let said =
        stateward(&space, &["upgrade", "-l", "team=data", "--force", "--timeout", "3s", "-o", "json"], "");
    assert!(!said.success(), "{said:?}");
    expect(&said, &[("q", "not back")]);
    assert_eq!(pin(&space, "q"), format!("{name}@{second}"));
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &name]).ok();
}

#[test]
fn what_is_refused_is_told_and_goes_nowhere() {
    let space = Space::new("upgrade-refused");
    let name = space.name.clone();
    let first = revised(&space, &profile(&name, "64Mi"));
    let before = space.create(Client::Apply, &one("q", &name));
    settled(&space);
    let said = stateward(&space, &["upgrade", "q", "--to", "0badc0de"], "");
    assert!(!said.success(), "{said:?}");
    assert!(said.stdout.contains(&format!("nobody knows the revision {name}@0badc0de")), "{said:?}");

    // The webhook has the last word: a file that it has not got is known to the command alone.
    let file = cluster().dir.join("home").join(format!("{name}.yaml"));
    std::fs::write(&file, profile(&name, "96Mi").text()).expect("a file");
    let file = file.to_string_lossy().into_owned();
    let listed =
        stateward(&space, &["profiles", &name, "--offline", "--profiles", &file, "-o", "json"], "").ok();
    let theirs = json_of(&listed)[0]["revision"].as_str().expect("a revision").to_owned();
    let said = stateward(&space, &["upgrade", "q", "--to", &theirs, "--profiles", &file, "-o", "json"], "");
    assert!(!said.success(), "{said:?}");
    expect(&said, &[("q", "refused")]);
    let message = json_of(&said)[0]["message"].to_string();
    assert!(message.contains(&format!("nobody knows the revision {name}@{theirs}")), "{message}");
    assert!(message.contains("admission webhook"), "{message}");
    before.assert_unchanged(&space.snapshot("q"), "refused");
    assert_eq!(pin(&space, "q"), format!("{name}@{first}"));

    // By the chart everybody may read profiles and their revisions.
    let said = space.stateward(&["status", "q"]).ok().silent_about(&["note:"]);
    assert!(said.stdout.contains(&format!("{name}@{first}")), "{said:?}");
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &name]).ok();
}

/// A webhook that has just started knows what sets are pinned to, though no profile says so any more.
#[test]
fn a_webhook_that_starts_knows_the_revisions_that_are_kept() {
    let test = "upgrade-restart";
    let space = Space::labelled(test, &[(Place::Instead.label(), test)]);
    let name = space.name.clone();
    let hook = Hook::start(test, Place::Instead, "Fail", vec![forward(&cluster().stateward)]);
    hook.wait_asked(&space);
    let first = revised(&space, &profile(&name, "64Mi"));
    let before = space.create(Client::Apply, &queue("q", &name));
    let second = revised(&space, &profile(&name, "128Mi"));

    let restarted = cluster().replica(test, &[]);
    hook.answer(vec![forward(&restarted)]);
    wait_for("the new webhook to be asked", || {
        let said = space.kubectl(&["annotate", "statefulset/q", "stateward.dev/size=small"]);
        if said.success() { Ok(()) } else { Err(said.stderr) }
    });
    before.assert_not_restarted(&space.snapshot("q"), "an annotation that needs the revision");
    assert_eq!(pin(&space, "q"), format!("{name}@{first}"));
    settled(&space);
    let said = stateward(&space, &["upgrade", "q", "-o", "json"], "").ok();
    expect(&said, &[("q", "moved")]);
    assert_eq!(pin(&space, "q"), format!("{name}@{second}"));
    let said = stateward(&space, &["upgrade", "q", "--to", &first, "-o", "json"], "").ok();
    expect(&said, &[("q", "moved")]);
    assert_eq!(memory(&space.snapshot("q")), "64Mi");
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &name]).ok();
}

/// A label alone moves nothing; what is said to do instead does.
#[test]
fn another_profile_comes_by_what_the_refusal_says() {
    let space = Space::new("upgrade-label");
    let before = space.create(Client::Apply, &app("db"));
    let label = |profile: &str, annotation: &str| {
        let annotations = annotation.split_once('=').map_or(json!({}), |(key, value)| json!({key: value}));
        let labels = json!({"stateward.dev/profile": profile});
        let patch = json!({"metadata": {"labels": labels, "annotations": annotations}}).to_string();
        space.kubectl(&["patch", "statefulset", "db", "--type=merge", "-p", &patch])
    };
    let _ = label("nope", "").refused(&["there is no profile \"nope\"; put the label back"]);
    let _ = label("memcached", "")
        .refused(&["add the annotation stateward.dev/profile-revision: latest to move"]);
    before.assert_unchanged(&space.snapshot("db"), "refused");
    let _ = label("memcached", "stateward.dev/profile-revision=latest").ok();
    assert!(pin(&space, "db").starts_with("memcached@"));
    // That wish has been acted upon, and stands.
    let _ = label("default", "").refused(&["add the annotation stateward.dev/upgrade-to: latest to move"]);
    let _ = label("default", "stateward.dev/upgrade-to=latest").ok();
    assert!(pin(&space, "db").starts_with("default@"));
}
