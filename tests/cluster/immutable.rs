//! Immutable fields: restored where a client leaves them out, refused by name where it edits them.

use serde_json::{Value, json};

use crate::harness::{Client, Manifest, Said, Snapshot, Space, postgres};

#[test]
fn a_put_that_lacks_one_gets_it_back() {
    let space = Space::new("put-lacks");
    let before = space.create(Client::Apply, &postgres("db"));
    let record = "/metadata/annotations/stateward.dev~1expansion";
    let whole = Manifest::from(before.object.clone())
        .without("/metadata/managedFields")
        .without("/metadata/resourceVersion")
        .without("/status");
    for pointers in [
        &["/spec/selector"][..],
        &["/spec/serviceName"],
        &["/spec/volumeClaimTemplates"],
        &["/spec/podManagementPolicy"],
        &[record],
        &["/spec/selector", "/spec/serviceName", "/spec/volumeClaimTemplates", record],
    ] {
        let lacking = pointers.iter().fold(whole.clone(), |manifest, pointer| manifest.without(pointer));
        let _ = space.send(Client::Replace, &lacking).ok();
        let after = space.snapshot("db");
        before.assert_unchanged(&after, &format!("a PUT without {pointers:?}"));
        assert_eq!(before.record(), after.record(), "a PUT without {pointers:?}: the record");
    }
}

#[test]
fn an_edited_record_is_put_right() {
    let space = Space::new("edited-record");
    let before = space.create(Client::Apply, &postgres("db"));
    for edit in ["stateward.dev/expansion={}", "stateward.dev/expansion=rubbish", "stateward.dev/expansion-"]
    {
        let _ = space.kubectl(&["annotate", "statefulset", "db", "--overwrite", edit]).ok();
        let after = space.snapshot("db");
        before.assert_unchanged(&after, edit);
        assert_eq!(before.record(), after.record(), "{edit}");
    }
}

/// An edit, and what the refusal has to name: the field, the old and the new value, a safe step.
struct Edit {
    set: fn(Manifest) -> Manifest,
    patch: fn() -> Value,
    names: &'static [&'static str],
}

const EDITS: &[Edit] = &[
    Edit {
        set: |db| db.set("/spec/serviceName", json!("other")),
        patch: || json!({"spec": {"serviceName": "other"}}),
        names: &["spec.serviceName", "other"],
    },
    Edit {
        set: |db| db.set("/spec/podManagementPolicy", json!("Parallel")),
        patch: || json!({"spec": {"podManagementPolicy": "Parallel"}}),
        names: &["spec.podManagementPolicy", "OrderedReady", "Parallel"],
    },
    Edit {
        set: |db| {
            db.set("/spec/selector", json!({"matchLabels": {"app": "other"}}))
                .set("/spec/template/metadata/labels", json!({"app": "other"}))
        },
        patch: || json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}}),
        names: &["spec.selector", "other"],
    },
    Edit {
        set: |db| db.set("/spec/volumeClaimTemplates", json!([claim("data", "99Gi")])),
        patch: || json!({"spec": {"volumeClaimTemplates": [claim("data", "99Gi")]}}),
        names: &["spec.volumeClaimTemplates", "data", "20Gi", "99Gi"],
    },
    Edit {
        set: |db| db.set("/spec/volumeClaimTemplates", json!([claim("more", "1Gi")])),
        patch: || json!({"spec": {"volumeClaimTemplates": [claim("more", "1Gi")]}}),
        names: &["spec.volumeClaimTemplates", "more"],
    },
];

/// The steps of every such refusal: the pods and claims stay while the object is made again.
const STEP: &str = "--cascade=orphan";

#[test]
fn an_edit_is_refused_by_name_with_the_safe_steps() {
    let space = Space::new("immutable");
    let before: Vec<Snapshot> =
        Client::ALL.into_iter().map(|client| space.create(client, &postgres(client.name()))).collect();
    let mut failures = Vec::new();
    for edit in EDITS {
        for (client, before) in Client::ALL.into_iter().zip(&before) {
            let set = client.name();
            let said = space.send(client, &(edit.set)(postgres(set)));
            failures.extend(wrong(&said, edit).map(|why| format!("{set}: {why}")));
            before.assert_unchanged(&space.snapshot(set), &format!("{client:?} of {:?}", edit.names));
        }
        let patch = (edit.patch)().to_string();
        let said = space.kubectl(&["patch", "statefulset", "apply", "--type=merge", "-p", &patch]);
        failures.extend(wrong(&said, edit).map(|why| format!("patch: {why}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// `kubectl edit` shows a refusal in the editor, above the object, and keeps that file.
#[test]
fn an_edit_in_the_editor_is_refused_by_name() {
    let space = Space::new("immutable-edit");
    let before = space.create(Client::Apply, &postgres("db"));
    let said = space.edit("db", "s/podManagementPolicy: OrderedReady/podManagementPolicy: Parallel/");
    assert!(!said.success(), "it was not refused");
    let kept = said.stderr.split('"').find(|word| word.contains("kubectl-edit-")).expect("the kept file");
    let shown = std::fs::read_to_string(kept).expect(kept);
    for word in ["spec.podManagementPolicy", "OrderedReady", STEP] {
        assert!(shown.contains(word), "the editor does not show {word:?}:\n{shown}");
    }
    before.assert_unchanged(&space.snapshot("db"), "a refused edit");
}

fn wrong(said: &Said, edit: &Edit) -> Option<String> {
    if !said.by_us() {
        return Some(format!("{:?} was not refused by us: {}", edit.names, said.stderr));
    }
    let mut words = edit.names.iter().copied().chain([STEP]);
    let missing = words.find(|word| !said.stderr.contains(word))?;
    Some(format!("the refusal of {:?} lacks {missing:?}: {}", edit.names, said.stderr))
}

fn claim(name: &str, size: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    })
}
