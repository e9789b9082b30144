//! Whatever goes may go, and what was admitted without us can still be worked with.

use serde_json::json;

use crate::harness::{Client, Hook, Manifest, Place, Space, app, away, cluster, forward, postgres, wait_for};

#[test]
fn deletion_of_every_kind_completes() {
    let space = Space::new("deletion");
    for cascade in ["background", "foreground", "orphan"] {
        space.create(Client::Apply, &postgres(cascade));
        let flag = format!("--cascade={cascade}");
        let _ = space.kubectl(&["delete", "statefulset", cascade, &flag, "--timeout=60s"]).ok();
        space.wait_gone(cascade);
    }
    assert_eq!(space.list("/api/v1", "pods").len(), 1, "the orphan's pod stays, the others go");
}

/// A finalizer keeps the object while it is being deleted: its changes pass untouched, even those
/// that would be refused otherwise.
#[test]
fn an_object_that_is_being_deleted_passes_untouched() {
    let space = Space::new("being-deleted");
    let held = postgres("db").set("/metadata/finalizers", json!(["example.com/hold"]));
    space.create(Client::Apply, &held);
    let _ = space.kubectl(&["delete", "statefulset", "db", "--wait=false"]).ok();
    for (what, said) in [
        ("an unknown key", space.kubectl(&["annotate", "statefulset", "db", "stateward.dev/nonsense=1"])),
        ("a label", space.kubectl(&["label", "statefulset", "db", "team=search"])),
        ("no finalizer", space.kubectl(&["patch", "statefulset", "db", "--type=merge", "-p", NO_FINALIZER])),
    ] {
        assert!(said.success(), "{what}: {}", said.stderr);
    }
    space.wait_gone("db");
}

const NO_FINALIZER: &str = r#"{"metadata":{"finalizers":null}}"#;

#[test]
fn a_terminating_namespace_goes() {
    let space = Space::new("terminating");
    let held = postgres("db").set("/metadata/finalizers", json!(["example.com/hold"]));
    space.create(Client::Apply, &held);
    space.create(Client::Apply, &app("other"));
    let _ = space.kubectl(&["delete", "namespace", &space.name, "--wait=false"]).ok();
    wait_for("the set to be marked", || match space.get("db")["metadata"]["deletionTimestamp"].as_str() {
        Some(_) => Ok(()),
        None => Err("no deletionTimestamp".to_owned()),
    });
    let _ = space.kubectl(&["patch", "statefulset", "db", "--type=merge", "-p", NO_FINALIZER]).ok();
    let _ = space.kubectl(&["wait", "--for=delete", "namespace", &space.name, "--timeout=60s"]).ok();
}

#[test]
fn garbage_collection_completes() {
    let space = Space::new("garbage");
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}});
    let _ = space.kubectl_with(&["create", "-f", "-"], &owner.to_string()).ok();
    let uid = space.list("/api/v1", "configmaps").into_iter().find(|map| map["metadata"]["name"] == "owner");
    let uid = uid.expect("the owner")["metadata"]["uid"].clone();
    let owned = postgres("db").set(
        "/metadata/ownerReferences",
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]),
    );
    space.create(Client::Apply, &owned);
    let _ = space.kubectl(&["delete", "configmap", "owner"]).ok();
    space.wait_gone("db");
}

/// Under `failurePolicy: Ignore` a complete set gets in while we are away. It never gained immutable
/// fields, and must not: that would make the next metadata write Forbidden.
#[test]
fn a_set_admitted_while_we_were_away_can_be_worked_with() {
    let name = "admitted-while-away";
    let space = Space::labelled(name, &[(Place::Instead.label(), name)]);
    let hook = Hook::start(name, Place::Instead, "Ignore", vec![away()]);
    hook.wait_asked(&space);
    let manifests: Vec<Manifest> = ["a", "b"].map(complete).into();
    for manifest in &manifests {
        let said = space.send(Client::Apply, manifest);
        let _ = said.ok();
    }
    let before = space.snapshot("a");
    assert!(before.record().is_none(), "the hook was not away");
    assert!(before.object["spec"]["volumeClaimTemplates"].is_null());

    hook.answer(vec![forward(&cluster().stateward)]);
    let _ = space.kubectl(&["annotate", "statefulset", "a", "note=hello"]).ok();
    before.assert_unchanged(&space.snapshot("a"), "annotate");
    let _ = space.kubectl(&["scale", "statefulset/a", "--replicas=2"]).ok();
    before.assert_not_restarted(&space.snapshot("a"), "scale");
    let _ = space.send(Client::Apply, &manifests[0]).ok();
    before.assert_not_restarted(&space.snapshot("a"), "apply of the same");
    let _ = space.kubectl(&["delete", "statefulset", "b", "--cascade=orphan", "--timeout=60s"]).ok();
    space.wait_gone("b");
    let _ = space.kubectl(&["rollout", "restart", "statefulset/a"]).ok();
    let after = space.snapshot("a");
    let only = ["metadata.annotations.kubectl.kubernetes.io/restartedAt".to_owned()];
    assert_eq!(before.template_changes(&after), only.into(), "rollout restart added something");
}

/// Everything that the API server asks for, and an annotation that would add a claim.
fn complete(name: &str) -> Manifest {
    postgres(name)
        .set("/spec/selector", json!({"matchLabels": {"app": name}}))
        .set("/spec/template/metadata/labels", json!({"app": name}))
}
