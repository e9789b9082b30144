//! `kubectl rollout undo` gives back exactly what was, and that stays.

use crate::harness::{Client, Hook, Place, Snapshot, Space, app, cluster, forward, postgres};
use serde_json::json;

#[test]
fn undo_of_an_image() {
    let space = Space::new("undo-image");
    for client in Client::APPLY {
        let manifest = postgres(client.name());
        let first = space.create(client, &manifest);
        let _ = space.send(client, &manifest.clone().main("image", json!("postgres:18.1"))).ok();
        space.snapshot(client.name());
        assert_undone(&space, &first, 2);
    }
}

#[test]
fn undo_past_an_annotation_that_added_fields() {
    let space = Space::new("undo-annotation");
    let first = space.create(Client::Apply, &postgres("db"));
    let added = postgres("db").annotate("env-from", "secret/late").annotate("size", "large");
    let _ = space.send(Client::Apply, &added).ok();
    let second = space.snapshot("db");
    assert_ne!(first.template, second.template, "the annotations added nothing");
    assert_undone(&space, &first, 2);
}

#[test]
fn undo_past_an_upgrade_that_added_fields() {
    let name = "undo-upgrade";
    let space = Space::labelled(name, &[(Place::Instead.label(), name)]);
    let hook = Hook::start(name, Place::Instead, "Fail", vec![forward(&cluster().stateward)]);
    hook.wait_asked(&space);
    let first = space.create(Client::Apply, &app("a"));
    let changed = cluster()
        .replica(name, &["--profiles", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/upgrade")]);
    hook.answer(vec![forward(&changed)]);
    let _ = space.kubectl(&["annotate", "statefulset", "a", "stateward.dev/upgrade-to=latest"]).ok();
    let second = space.snapshot("a");
    assert_eq!(second.pod("/terminationGracePeriodSeconds"), 75, "the upgrade did not come");
    let consumed = &second.object["metadata"]["annotations"]["stateward.dev/upgrade-to"];
    assert!(consumed.is_null(), "upgrade-to was stored");
    assert_undone(&space, &first, 2);
}

#[test]
fn undo_to_a_revision_further_back() {
    let space = Space::new("undo-far");
    let first = space.create(Client::Apply, &app("a"));
    for tag in 2..=5 {
        let _ = space.kubectl(&["set", "image", "statefulset/a", &format!("app=example.com/app:{tag}")]).ok();
        space.snapshot("a");
    }
    let _ = space.kubectl(&["rollout", "undo", "statefulset/a", "--to-revision=1"]).ok();
    let back = space.snapshot("a");
    assert_eq!(first.template, back.template, "{:?}", first.template_changes(&back));
}

/// A set that was adopted and then expanded: its bare manifest has a template that we remember, but
/// sending it is no undo.
#[test]
fn a_replace_with_a_bare_manifest_is_no_undo() {
    let space = Space::new("bare-replace");
    let bare = app("a")
        .set("/spec/selector", json!({"matchLabels": {"app": "a"}}))
        .set("/spec/template/metadata/labels", json!({"app": "a"}));
    let _ = space.send(Client::Apply, &bare.clone().without("/metadata/labels")).ok();
    space.snapshot("a");
    let _ = space.kubectl(&["label", "statefulset", "a", "stateward.dev/managed=true"]).ok();
    let upgrade = ["annotate", "statefulset", "a", "stateward.dev/upgrade-to=latest"];
    let _ = space.kubectl(&upgrade).ok();
    let expanded = space.snapshot("a");
    assert!(!expanded.container("app")["readinessProbe"].is_null(), "the upgrade expanded nothing");

    let _ = space.send(Client::Replace, &bare).ok();
    expanded.assert_unchanged(&space.snapshot("a"), "replace with the bare manifest");
}

fn assert_undone(space: &Space, first: &Snapshot, revisions: usize) {
    let name = first.object["metadata"]["name"].as_str().expect("a name");
    let _ = space.kubectl(&["rollout", "undo", &format!("statefulset/{name}")]).ok();
    let back = space.snapshot(name);
    assert_eq!(first.template, back.template, "undo is not exact: {:?}", first.template_changes(&back));
    assert_eq!(back.revisions, revisions, "undo made a revision");
    for label in ["team=search", "team-"] {
        let _ = space.kubectl(&["label", "statefulset", name, label]).ok();
        back.assert_unchanged(&space.snapshot(name), &format!("label {label} after the undo"));
    }
}
