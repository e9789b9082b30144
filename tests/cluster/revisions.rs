//! Kept revisions: built-in ones for other versions of stateward, and what becomes of those that nothing
//! uses.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stateward::catalogue::Catalogue;
use stateward::catalogue::cluster::Content;

use crate::harness::{Client, Hook, Manifest, Place, Space, app, cluster, forward, postgres, run, wait_for};
use crate::platform::{apply, profile, queue, wait_admitted, wait_used};

/// The namespace of the installation.
const OWN: &str = "stateward-system";
/// The profile of another version.
const CHANGED: &str = include_str!("changed/postgresql.yaml");
/// Notes on kept revisions.
const UNUSED: &str = "stateward.dev/unused-since";
const WITHDRAWN: &str = "stateward.dev/withdrawn-since";

/// What a set is pinned to: profile and revision.
fn pin(set: &Value) -> (String, String) {
    let record = set["metadata"]["annotations"]["stateward.dev/expansion"].as_str().expect("a record");
    let record: Value = serde_json::from_str(record).expect("JSON");
    let pin = record["pin"].as_str().and_then(|pin| pin.split('/').next()).expect("a pin");
    let (profile, revision) = pin.split_once('@').expect("a revision");
    (profile.to_owned(), revision.to_owned())
}

/// What `kubectl` says as who administers the cluster, of kept revisions.
fn kubectl(arguments: &[&str]) -> String {
    run("kubectl", "admin", &[&["--namespace", OWN], arguments].concat(), "", &[]).ok().stdout
}

/// The object that keeps a revision.
fn kept(profile: &str, revision: &str) -> Option<Value> {
    let name = format!("profile-{profile}-{revision}");
    let found = kubectl(&["get", "controllerrevision", &name, "--ignore-not-found", "-o", "json"]);
    (!found.is_empty()).then(|| serde_json::from_str(&found).expect("JSON"))
}

/// Waits until the object is as told; gives it.
fn wait_kept(profile: &str, revision: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("{profile}@{revision} to be as told"), || match kept(profile, revision) {
        Some(object) if is(&object) => Ok(object),
        other => Err(other.map_or_else(|| "gone".to_owned(), |object| object["metadata"].to_string())),
    })
}

/// Dates a mark back until it is acted upon, and gives the object then, or nothing when it is gone. One time may not
/// do: a set of another test that nobody can read takes the marks off all revisions, for as long as it is there.
fn wait_due(profile: &str, revision: &str, mark: &str, is: impl Fn(&Value) -> bool) -> Option<Value> {
    wait_for(&format!("what follows {mark} on {profile}@{revision}"), || match kept(profile, revision) {
        None => Ok(None),
        Some(object) if is(&object) => Ok(Some(object)),
        Some(object) => {
            if note(&object, mark).is_some_and(|since| !since.starts_with("2020")) {
                backdate(profile, revision, mark);
            }
            Err(object["metadata"].to_string())
        }
    })
}

/// The same from the first mark on.
fn wait_deleted(profile: &str, revision: &str) {
    wait_for("the revision to go", || {
        wait_due(profile, revision, UNUSED, is_withdrawn);
        match kept(profile, revision) {
            None => Ok(()),
            Some(object) => {
                if note(&object, WITHDRAWN).is_some_and(|since| !since.starts_with("2020")) {
                    backdate(profile, revision, WITHDRAWN);
                }
                Err(object["metadata"].to_string())
            }
        }
    });
}

fn note(object: &Value, name: &str) -> Option<String> {
    object["metadata"]["annotations"][name].as_str().map(str::to_owned)
}

/// As if it had been so for years.
fn backdate(profile: &str, revision: &str, name: &str) {
    let object = format!("controllerrevision/profile-{profile}-{revision}");
    let annotate =
        ["--namespace", OWN, "annotate", "--overwrite", &object, &format!("{name}=2020-01-01T00:00:00Z")];
    let said = run("kubectl", "admin", &annotate, "", &[]);
    // What is due may go just now.
    assert!(said.success() || said.stderr.contains("(NotFound)"), "{}", said.stderr);
}

fn is_withdrawn(object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    labels["stateward.dev/profile"].is_null() && note(object, WITHDRAWN).is_some()
}

fn is_unmarked(object: &Value) -> bool {
    note(object, UNUSED).is_none() && !is_withdrawn(object)
}

/// What the controller of another version would write.
fn write(profile: &str, revision: &str, content: &Content) {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {
            "name": format!("profile-{profile}-{revision}"),
            "labels": {"stateward.dev/profile": profile, "stateward.dev/revision": revision},
        },
        "revision": 0, "data": content,
    });
    let create = ["--namespace", OWN, "create", "-f", "-"];
    let _ = run("kubectl", "admin", &create, &object.to_string(), &[]).ok();
}

#[test]
fn a_built_in_revision_that_a_set_has_is_kept() {
    let space = Space::new("revisions-built-in");
    let set = space.create(Client::Apply, &app("web"));
    let (profile, revision) = pin(&set.object);
    assert_eq!(profile, "default");
    let object = wait_kept(&profile, &revision, is_unmarked);
    let labels: BTreeSet<&String> =
        object["metadata"]["labels"].as_object().expect("labels").keys().collect();
    assert!(labels.iter().all(|label| label.starts_with("stateward.dev/")), "{labels:?}");
    assert!(object["metadata"]["ownerReferences"].is_null());
    // All that another version needs to expand by it.
    let content: Content = serde_json::from_value(object["data"].clone()).expect("a revision");
    let own = Catalogue::built_in().expect("profiles").content(&profile, &revision).expect("its own");
    assert_eq!(json!(content), json!(own));
}

/// Two webhooks of different versions, and the one that is left after the newer is taken back.
#[test]
fn a_webhook_computes_by_what_another_version_kept() {
    let test = "revisions-versions";
    let space = Space::labelled(test, &[(Place::Instead.label(), test)]);
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/changed");
    let newer = cluster().replica(test, &["--profiles", directory]);
    let hook = Hook::start(test, Place::Instead, "Fail", vec![forward(&newer)]);
    hook.wait_asked(&space);
    let before = space.create(Client::Apply, &postgres("db"));
    let (profile, revision) = pin(&before.object);
    assert_eq!(before.pod("/terminationGracePeriodSeconds"), 99);

    // The older one, before it can know.
    hook.answer(vec![forward(&cluster().stateward)]);
    let resize = |size: &str| format!("stateward.dev/size={size}");
    let needs_it = ["annotate", "--overwrite", "--dry-run=server", "statefulset/db", &resize("large")];
    let unknown = format!("pinned to {profile}@{revision},");
    let words = ["is not known here", "stateward.dev/profile-revision: latest", unknown.as_str()];
    let _ = space.kubectl(&needs_it).refused(&words);
    let _ = space.kubectl(&["annotate", "statefulset/db", "mine=x"]).ok();
    before.assert_not_restarted(&space.snapshot("db"), "what needs no computing");

    let catalogue = Catalogue::built_in().expect("profiles").with([("changed", CHANGED)]).expect("a profile");
    assert_eq!(catalogue.latest(&profile).expect("the profile").revision, revision);
    write(&profile, &revision, &catalogue.content(&profile, &revision).expect("its content"));
    wait_for("the older webhook to know it", || {
        let said = space.kubectl(&needs_it);
        if said.success() { Ok(()) } else { Err(said.stderr) }
    });
    // Each request may go to either of them.
    hook.answer(vec![forward(&cluster().stateward), forward(&newer)]);
    for (size, memory) in [("large", "4Gi"), ("medium", "2Gi"), ("small", "512Mi"), ("medium", "2Gi")] {
        let _ = space.kubectl(&["annotate", "--overwrite", "statefulset/db", &resize(size)]).ok();
        let set = space.get("db");
        let pod = &set["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["resources"]["limits"]["memory"], memory);
        assert_eq!(pod["terminationGracePeriodSeconds"], 99);
        assert_eq!(pin(&set), (profile.clone(), revision.clone()));
    }
    // The newer one is taken back: what a set has of it stays, and nobody asks to leave it.
    hook.answer(vec![forward(&cluster().stateward)]);
    drop(newer);
    let _ = space.kubectl(&["annotate", "--overwrite", "statefulset/db", &resize("small")]).ok();
    let _ = space.kubectl(&["annotate", "--overwrite", "statefulset/db", &resize("medium")]).ok();
    let _ = space.send(Client::Apply, &postgres("db").annotate("size", "medium")).ok();
    assert_eq!(pin(&space.get("db")), (profile, revision));
}

/// A profile in two states; gives the earlier revision, which nothing uses, and the current one.
fn edited(space: &Space) -> [String; 2] {
    let name = &space.name;
    ["64Mi", "128Mi"].map(|memory| {
        apply(space, &profile(name, memory));
        let revision = wait_used(space, name)["revision"].as_str().expect("a revision").to_owned();
        wait_admitted(space, &queue("probe", name), &format!("{name}@{revision}"));
        revision
    })
}

/// Waits until new sets can be pinned to a revision, or cannot.
fn wait_offered(space: &Space, revision: &str, offered: bool) {
    let wish = format!("{}@{revision}", space.name);
    let set = queue("wish", &space.name).annotate("profile-revision", &wish);
    wait_for(&format!("{wish} to be offered: {offered}"), || {
        let create = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        let said = space.kubectl_with(&create, &set.text());
        let refused = said.stderr.contains(&format!("nobody knows the revision {wish}"));
        match (said.success(), refused) {
            (true, _) if offered => Ok(()),
            (false, true) if !offered => Ok(()),
            _ => Err(format!("{said:?}")),
        }
    });
}

/// Moves a set to a revision, and takes the label off it.
fn pinned_and_unmanaged(space: &Space, set: &str, revision: &str) -> Value {
    let wish = format!("{}@{revision}", space.name);
    let manifest = queue(set, &space.name).set("/spec/replicas", json!(1));
    let _ = space.create(Client::Apply, &manifest.annotate("upgrade-to", &wish));
    let said = space.kubectl(&["label", &format!("statefulset/{set}"), "stateward.dev/managed-"]);
    let _ = said.ok();
    space.get(set)
}

#[test]
fn a_revision_that_nothing_uses_is_withdrawn_and_deleted() {
    let space = Space::new("revisions-unused");
    let name = space.name.as_str();
    let [old, current] = edited(&space);
    let marked = wait_kept(name, &old, |object| note(object, UNUSED).is_some());
    assert!(!is_withdrawn(&marked), "{marked}");
    wait_offered(&space, &old, true);

    // A set that has it counts, whether its label is on or off; so do the claims that it leaves behind.
    let set = pinned_and_unmanaged(&space, "q", &old);
    assert_eq!(pin(&set), (name.to_owned(), old.clone()));
    wait_kept(name, &old, is_unmarked);
    backdate(name, &old, UNUSED);
    wait_kept(name, &old, is_unmarked);
    let _ = space.kubectl(&["delete", "statefulset", "q"]).ok();
    space.wait_gone("q");
    let since = wait_kept(name, &old, |object| note(object, UNUSED).is_some());
    assert_ne!(note(&since, UNUSED).as_deref(), Some("2020-01-01T00:00:00Z"));
    backdate(name, &old, UNUSED);
    let again = |object: &Value| note(object, UNUSED).is_some_and(|since| !since.starts_with("2020"));
    let found = wait_kept(name, &old, again);
    assert!(!is_withdrawn(&found), "a claim remembers it: {found}");
    let _ = space.kubectl(&["delete", "persistentvolumeclaims", "--all"]).ok();
    wait_for("the claims to go", || {
        let left = space.list("/api/v1", "persistentvolumeclaims");
        if left.is_empty() { Ok(()) } else { Err(left.len().to_string()) }
    });

    let withdrawn = wait_due(name, &old, UNUSED, is_withdrawn).expect("not deleted at once");
    assert_eq!(withdrawn["metadata"]["labels"]["stateward.dev/withdrawn-profile"], name);
    wait_offered(&space, &old, false);
    wait_deleted(name, &old);
    // What a backup brings back is new, whatever stands on it.
    let mut copy = withdrawn;
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        copy["metadata"].as_object_mut().expect("metadata").remove(field);
    }
    let create = ["--namespace", OWN, "create", "-f", "-"];
    let _ = run("kubectl", "admin", &create, &copy.to_string(), &[]).ok();
    let begun = |object: &Value| !is_withdrawn(object) && again(object);
    wait_kept(name, &old, begun);
    wait_offered(&space, &old, true);
    let counted =
        "stateward_controller_writes_total{kind=\"ControllerRevision\",verb=\"delete\",result=\"ok\"}";
    let metrics = cluster().controller.metrics();
    assert!(metrics.contains(counted), "{metrics}");
    // What the profile says stays, used or not, and whatever is written on it.
    backdate(name, &current, UNUSED);
    wait_kept(name, &current, is_unmarked);
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", name]).ok();
}

/// A backup is restored at the very moment, or a webhook was far behind.
#[test]
fn a_set_that_turns_up_takes_a_withdrawn_revision_back() {
    let space = Space::new("revisions-back");
    let name = space.name.as_str();
    let [old, _] = edited(&space);
    let wish = format!("{name}@{old}");
    let manifest = queue("q", name).set("/spec/replicas", json!(1));
    let before = space.create(Client::Apply, &manifest.annotate("upgrade-to", &wish));
    let mut saved = before.object.clone();
    saved.as_object_mut().expect("a set").remove("status");
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"] {
        saved["metadata"].as_object_mut().expect("metadata").remove(field);
    }
    let _ = space.kubectl(&["delete", "statefulset/q"]).ok();
    space.wait_gone("q");
    let _ = space.kubectl(&["delete", "persistentvolumeclaims", "--all"]).ok();
    wait_kept(name, &old, |object| note(object, UNUSED).is_some());
    wait_for("the claims to be forgotten", || {
        let left = space.list("/api/v1", "persistentvolumeclaims");
        if left.is_empty() { Ok(()) } else { Err(left.len().to_string()) }
    });
    wait_due(name, &old, UNUSED, is_withdrawn);
    wait_offered(&space, &old, false);

    // As it was, though nobody knows its revision at this moment.
    let _ = space.kubectl_with(&["create", "-f", "-"], &saved.to_string()).ok();
    let restored = space.get("q");
    assert_eq!(restored["spec"]["template"], before.object["spec"]["template"]);
    assert_eq!(pin(&restored), (name.to_owned(), old.clone()));
    wait_kept(name, &old, is_unmarked);
    wait_offered(&space, &old, true);
    let _ = space.kubectl(&["annotate", "statefulset/q", "stateward.dev/size=small"]).ok();
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", name]).ok();
}

/// As when stateward's namespace is deleted and made anew.
#[test]
fn what_profiles_say_is_kept_again_under_the_same_names() {
    let space = Space::new("revisions-anew");
    let name = space.name.as_str();
    let [old, current] = edited(&space);
    let one = |set: &str| queue(set, name).set("/spec/replicas", json!(1));
    let wish = format!("{name}@{old}");
    let behind = space.create(Client::Apply, &one("behind").annotate("upgrade-to", &wish));
    let there = space.create(Client::Apply, &one("there"));
    let uid = |object: &Value| object["metadata"]["uid"].clone();
    let lost = uid(&kept(name, &current).expect("the revision"));
    let of_this = format!("stateward.dev/profile={name}");
    let _ = kubectl(&["delete", "controllerrevisions", "--selector", &of_this]);
    wait_kept(name, &current, |object| uid(object) != lost);
    wait_admitted(&space, &queue("probe", name), &format!("{name}@{current}"));
    let _ = space.kubectl(&["annotate", "statefulset/there", "stateward.dev/size=small"]).ok();
    there.assert_not_restarted(&space.snapshot("there"), "its revision is back by itself");

    let set = |key: &str, value: &str| {
        space.kubectl(&["annotate", "statefulset/behind", &format!("stateward.dev/{key}={value}")])
    };
    let words = ["is not known here", "stateward.dev/profile-revision: latest"];
    let _ = set("size", "small").refused(&words);
    let _ = space.kubectl(&["scale", "statefulset/behind", "--replicas=3"]).ok();
    let _ = space.kubectl(&["annotate", "statefulset/behind", "mine=x"]).ok();
    assert_eq!(space.get("behind")["spec"]["template"], behind.object["spec"]["template"]);
    // What the refusal says helps.
    let _ = set("profile-revision", "latest").ok();
    assert_eq!(pin(&space.get("behind")), (name.to_owned(), current));
    let _ = set("size", "small").ok();
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", name]).ok();
}

/// Brings about all that is written on kept revisions, for the rights: one goes that is long unused.
pub(crate) fn exercise() {
    let profile = "for-the-rights";
    let manifest: Manifest = crate::platform::profile(profile, "64Mi");
    let text = manifest.text();
    let catalogue = Catalogue::built_in().expect("profiles").with([("x", text.as_str())]).expect("a profile");
    let revision = catalogue.latest(profile).expect("the profile").revision.clone();
    write(profile, &revision, &catalogue.content(profile, &revision).expect("its content"));
    wait_kept(profile, &revision, |object| note(object, UNUSED).is_some());
    wait_deleted(profile, &revision);
}
