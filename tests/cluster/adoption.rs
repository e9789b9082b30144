//! Objects that come from elsewhere: labelled late, restored, copied, forged.

use serde_json::json;

use crate::harness::{Client, Manifest, Snapshot, Space, app, changes, postgres};

/// A set that somebody wrote in full, before stateward.
fn handmade(name: &str) -> Manifest {
    app(name)
        .without("/metadata/labels")
        .set("/spec/selector", json!({"matchLabels": {"app": name}}))
        .set("/spec/template/metadata/labels", json!({"app": name}))
}

#[test]
fn labelling_an_existing_set_adopts_it_and_changes_nothing() {
    let space = Space::new("adopt");
    let before = space.create(Client::Apply, &handmade("old"));
    assert!(before.record().is_none(), "an unmanaged set was expanded");
    for label in ["stateward.dev/managed=true", "stateward.dev/managed-", "stateward.dev/managed=true"] {
        let _ = space.kubectl(&["label", "statefulset", "old", label]).ok();
        before.assert_unchanged(&space.snapshot("old"), label);
    }
    assert!(space.snapshot("old").record().is_some(), "it was not adopted");
    // An adopted set can be worked with like any other.
    let _ = space.kubectl(&["scale", "statefulset/old", "--replicas=2"]).ok();
    before.assert_not_restarted(&space.snapshot("old"), "scale");
    let _ = space.kubectl(&["annotate", "statefulset", "old", "stateward.dev/size=medium"]).ok();
    let sized = space.snapshot("old");
    assert_eq!(sized.container("app")["resources"]["requests"]["cpu"], "500m", "the size was not taken");
}

#[test]
fn an_adopted_set_can_be_deleted_with_orphans() {
    let space = Space::new("adopt-orphan");
    space.create(Client::Apply, &handmade("old"));
    let _ = space.kubectl(&["label", "statefulset", "old", "stateward.dev/managed=true"]).ok();
    let _ = space.kubectl(&["delete", "statefulset", "old", "--cascade=orphan", "--timeout=60s"]).ok();
    space.wait_gone("old");
}

/// What a backup tool does: everything that the API server writes goes, the rest is created anew.
fn cleaned(snapshot: &Snapshot) -> Manifest {
    let server_written = [
        "/metadata/namespace",
        "/metadata/uid",
        "/metadata/resourceVersion",
        "/metadata/generation",
        "/metadata/creationTimestamp",
        "/metadata/managedFields",
        "/status",
    ];
    let object = Manifest::from(snapshot.object.clone());
    server_written.iter().fold(object, |object, pointer| object.without(pointer))
}

#[test]
fn a_restored_backup_is_what_it_was_and_can_be_upgraded() {
    let (space, elsewhere) = (Space::new("backup"), Space::new("restore"));
    for (client, name) in [(Client::Apply, "applied"), (Client::ServerSide, "server-side")] {
        let written = postgres(name).main("lifecycle", json!({"preStop": {"sleep": {"seconds": 5}}}));
        let before = space.create(client, &written);
        let _ = elsewhere.kubectl_with(&["create", "-f", "-"], &cleaned(&before).text()).ok();
        let after = elsewhere.snapshot(name);
        assert_eq!(changes(&before.object["spec"], &after.object["spec"]), [].into(), "{name}: the spec");
        assert_eq!(before.record(), after.record(), "{name}: the record");

        // It is still ours: what an annotation adds goes again, and the image changes alone.
        let annotate = |what: &str| elsewhere.kubectl(&["annotate", "statefulset", name, what]).ok();
        let _ = annotate("stateward.dev/size=large");
        assert_ne!(elsewhere.snapshot(name).template, after.template, "{name}: the size was not taken");
        let _ = annotate("stateward.dev/size-");
        assert_eq!(elsewhere.snapshot(name).template, after.template, "{name}: the size did not go");
    }
}

#[test]
fn a_copy_with_the_old_selector_is_refused() {
    let space = Space::new("copy");
    let original = space.create(Client::Apply, &postgres("original"));
    let copy = cleaned(&original).named("copy");
    let said = space.kubectl_with(&["create", "-f", "-"], &copy.text());
    let _ = said.refused(&["spec.selector", "original", "copy"]);
    assert!(space.find("copy").is_none());
    // Without the selector it is a manifest like any other.
    let bare = postgres("copy");
    let now = space.create(Client::Apply, &bare);
    assert_eq!(now.object["spec"]["selector"]["matchLabels"]["stateward.dev/statefulset"], "copy");
}

#[test]
fn a_forged_record_gains_nothing() {
    let space = Space::new("forged");
    let honest = space.create(Client::Apply, &postgres("db"));
    let genuine = honest.record_text().expect("a record");
    let _ = space.kubectl(&["delete", "statefulset", "db"]).ok();
    space.wait_gone("db");
    let _ = space.kubectl(&["delete", "persistentvolumeclaims", "--all"]).ok();
    for forged in [genuine, "{}", "rubbish", r#"{"format":1,"pin":"postgresql@000000/17,alpine"}"#] {
        let manifest = postgres("db").annotate("expansion", forged);
        let now = space.create(Client::Apply, &manifest);
        assert_eq!(honest.template, now.template, "{forged}: {:?}", honest.template_changes(&now));
        assert_eq!(honest.immutable, now.immutable, "{forged}");
        let _ = space.kubectl(&["delete", "statefulset", "db"]).ok();
        space.wait_gone("db");
        let _ = space.kubectl(&["delete", "persistentvolumeclaims", "--all"]).ok();
    }
}
