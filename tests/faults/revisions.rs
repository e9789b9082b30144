//! Kept revisions of profiles when a leader dies between one step and the next.

use serde_json::{Value, json};

use crate::harness::{Space, run, wait_for};
use crate::proxy::{Fault, On};
use crate::world::{alone, proxy};

/// Where they are kept.
const OWN: &str = "stateward-system";
const KEPT: &str = "namespaces/stateward-system/controllerrevisions";
const WITHDRAWN: &str = "stateward.dev/withdrawn-since";

fn kubectl(arguments: &[&str], stdin: &str) -> Value {
    let said =
        run("kubectl", "admin", &[&["--namespace", OWN, "-o", "json"], arguments].concat(), stdin, &[]);
    serde_json::from_str(&said.ok().stdout).expect("JSON")
}

fn apply(profile: &str, memory: &str) {
    let profile = json!({
        "apiVersion": "stateward.dev/v1alpha1", "kind": "StatefulSetProfile", "metadata": {"name": profile},
        "spec": {
            "summary": "a queue", "extends": "default", "size": "small",
            "sizes": {"small": {"limits": {"memory": memory}}}, "match": {"images": [profile]},
        },
    });
    let _ = kubectl(&["apply", "-f", "-"], &profile.to_string());
}

/// The objects that keep revisions of a profile, withdrawn or not.
fn kept(profile: &str) -> Vec<Value> {
    let all = kubectl(&["get", "controllerrevisions", "--selector", "stateward.dev/revision"], "");
    let mut all = all["items"].as_array().cloned().unwrap_or_default();
    let start = format!("profile-{profile}-");
    all.retain(|object| object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(&start)));
    all
}

/// Waits until the one kept revision that is not `but` is as told.
fn wait_kept(profile: &str, but: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("a revision of {profile} to be as told"), || {
        let all = kept(profile);
        let others =
            all.iter().filter(|object| object["metadata"]["labels"]["stateward.dev/revision"] != but);
        match others.collect::<Vec<_>>()[..] {
            [one] if is(one) => Ok(one.clone()),
            _ => Err(format!("{all:?}")),
        }
    })
}

/// Waits until the profile's status is of its present state; gives the revision.
fn wait_told(profile: &str) -> String {
    wait_for("the status to be told", || {
        let object = kubectl(&["get", "statefulsetprofile", profile], "");
        let status = &object["status"];
        let told = status["observedGeneration"] == object["metadata"]["generation"]
            && status["conditions"][0]["status"] == "True";
        if told {
            Ok(status["revision"].as_str().unwrap_or_default().to_owned())
        } else {
            Err(status.to_string())
        }
    })
}

fn note(object: &Value, name: &str) -> Option<String> {
    object["metadata"]["annotations"][name].as_str().map(str::to_owned)
}

/// As if it had been so for years.
fn backdate(object: &Value, note: &str) {
    let name = object["metadata"]["name"].as_str().expect("a name");
    let arguments =
        ["annotate", "--overwrite", "controllerrevision", name, &format!("{note}=2020-01-01T00:00:00Z")];
    let _ = kubectl(&arguments, "");
}

#[test]
fn what_a_killed_leader_began_with_a_revision_the_other_ends() {
    let mut pair = alone();
    let space = Space::new("revisions");
    let name = space.name.as_str();
    // It writes a revision and dies before it knows that it did.
    let first = pair.leader().name;
    let lost = proxy().put(On::new(&["create"], KEPT).of(first), Fault::Lose);
    apply(name, "64Mi");
    lost.wait_hits(1);
    let revision = wait_kept(name, "", |_| true)["metadata"]["labels"]["stateward.dev/revision"].clone();
    let revision = revision.as_str().expect("a revision");
    pair.leader().signal("KILL");
    let _ = pair.named(first).exit_code();
    drop(lost);
    assert_ne!(pair.leader().name, first);
    assert_eq!(wait_told(name), revision);
    wait_kept(name, "", |_| true);
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "q", "labels": {"stateward.dev/managed": "true"}},
        "spec": {"template": {"spec": {"containers": [
            {"name": "queue", "image": format!("{name}:1"), "ports": [{"containerPort": 80}]}]}}},
    });
    let create = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
    let said = space.kubectl_with(&create, &set.to_string()).ok();
    assert!(said.stdout.contains(&format!("{name}@{revision}")), "{said:?}");
    pair.revive();

    // Nothing uses it any more, and nobody can say so for sure: it stays.
    apply(name, "128Mi");
    let second = wait_told(name);
    let marked = wait_kept(name, &second, |object| note(object, "stateward.dev/unused-since").is_some());
    let all_sets = On::new(&["list"], "apis/apps/v1/statefulsets").asking("limit=500");
    let unsure = proxy().put(all_sets, Fault::Answer(500, "InternalError", None));
    backdate(&marked, "stateward.dev/unused-since");
    unsure.wait_hits(2);
    wait_kept(name, &second, |object| note(object, WITHDRAWN).is_none());
    drop(unsure);
    // It is withdrawn, and who was to delete it dies.
    let withdrawn = wait_kept(name, &second, |object| note(object, WITHDRAWN).is_some());
    let first = pair.leader().name;
    pair.leader().signal("KILL");
    let _ = pair.named(first).exit_code();
    backdate(&withdrawn, WITHDRAWN);
    wait_for("the other to delete it", || match kept(name).len() {
        1 => Ok(()),
        number => Err(format!("{number} revisions")),
    });
    assert_ne!(pair.leader().name, first);
    assert_eq!(kept(name)[0]["metadata"]["labels"]["stateward.dev/revision"], second.as_str());
    pair.revive();
    let _ = run("kubectl", "admin", &["delete", "statefulsetprofile", name], "", &[]).ok();
}
