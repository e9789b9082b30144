//! What may happen to a set while something is on its way for it, or before anybody can read it.

use serde_json::json;

use crate::harness::{Client, Space, app, postgres, wait_for};
use crate::objects::{
    BUDGETS, SERVICES, find, is_spoilt, owner, replace, settle, spoil, versions, wait_beside, wait_mended,
    wait_there, wait_until,
};
use crate::proxy::{Fault, On};
use crate::world::{events, proxy, together, written};

/// An orphan deletion takes the owner away, so the write no longer fits, though it carries the uid of
/// the set that is gone.
#[test]
fn a_write_for_a_set_that_was_replaced_in_the_meantime_is_refused() {
    let pair = together();
    let space = Space::new("replaced-apply");
    let manifest = postgres("db").replicas(3);
    settle(&pair, &space, &manifest);
    let before = versions(&space);
    let service = On::new(&["patch"], format!("namespaces/{}/services/db", space.name));
    let known = proxy().calls(&service).len();
    let held = proxy().put_times(service.clone(), Fault::Hold, 1);
    spoil(&space, SERVICES, "db");
    held.wait_hits(1);
    let set = replace(&space, &manifest);
    drop(held);
    assert_adopted(&space, &set, "db", &before);
    assert_eq!(proxy().calls(&service)[known].status, 409);
}

/// Right before it takes something on, it looks whether the set is still the one that it knows.
#[test]
fn nothing_is_taken_on_for_a_set_that_was_replaced_in_the_meantime() {
    let pair = together();
    let space = Space::new("replaced-adopt");
    let manifest = postgres("db").replicas(3);
    settle(&pair, &space, &manifest);
    let before = versions(&space);
    let confirm = On::new(&["get"], format!("namespaces/{}/statefulsets/db", space.name));
    let held = proxy().put(confirm, Fault::Hold);
    let stale = replace(&space, &manifest);
    held.wait_hits(1);
    let owners = On::new(&["patch"], format!("namespaces/{}", space.name));
    let sent = proxy().calls(&owners).len();
    let set = replace(&space, &manifest);
    assert_ne!(set["metadata"]["uid"], stale["metadata"]["uid"]);
    assert_eq!(proxy().calls(&owners).len(), sent, "it waits for the answer");
    drop(held);
    assert_adopted(&space, &set, "db", &before);
    let seen = wait_there(&space, SERVICES, "db")["metadata"]["managedFields"].to_string();
    assert!(!seen.contains(stale["metadata"]["uid"].as_str().unwrap()), "{seen}");
}

/// What is made for a set that has gone goes with it, and is made again; what there was stays.
#[test]
fn what_was_made_too_late_is_made_again_and_takes_nothing_along() {
    let pair = together();
    let space = Space::new("replaced-create");
    let manifest = postgres("db").replicas(3);
    settle(&pair, &space, &manifest);
    let service = On::new(&["patch"], format!("namespaces/{}/services/db-headless", space.name));
    let held = proxy().put_times(service, Fault::Hold, 1);
    let _ = space.kubectl(&["delete", "service", "db-headless"]).ok();
    held.wait_hits(1);
    let before = versions(&space);
    let set = replace(&space, &manifest);
    drop(held);
    assert_adopted(&space, &set, "db", &before);
}

/// All that belongs beside the set is there and is its; what there was before is what it was.
fn assert_adopted(
    space: &Space,
    set: &serde_json::Value,
    name: &str,
    before: &[(String, serde_json::Value, serde_json::Value)],
) {
    for (kind, object) in
        [(SERVICES, name.to_owned()), (SERVICES, format!("{name}-headless")), (BUDGETS, name.to_owned())]
    {
        let now = wait_until(space, kind, &object, |object| {
            *owner(object) == set["metadata"]["uid"] && !is_spoilt(object)
        });
        let known = before.iter().find(|(known, ..)| *known == format!("{}/{object}", kind.1));
        if let Some((_, uid, _)) = known {
            assert_eq!(now["metadata"]["uid"], *uid, "{object} was made anew");
        }
    }
}

/// The namespace is going, and its set stays: what is made beside it is refused, which is no fault of
/// anybody's.
#[test]
fn a_namespace_that_goes_is_left_alone() {
    let pair = together();
    let (space, other) = (Space::new("terminating"), Space::new("beside-terminating"));
    settle(&pair, &space, &app("web"));
    let policy = keep_sets(&space);
    let _ = space.kubectl(&["delete", "namespace", &space.name, "--wait=false"]).ok();
    let refused = On::new(&["patch"], format!("namespaces/{}/services", space.name));
    wait_for("refusals", || {
        let calls = proxy().calls(&refused);
        match calls.iter().filter(|call| call.status == 403).count() {
            3.. => Ok(()),
            count => Err(format!("{count}")),
        }
    });
    assert!(space.find("web").is_some());
    let metrics = pair.leader().admin("/metrics");
    assert!(!metrics.contains(&format!("problem{{namespace=\"{}\"", space.name)), "{metrics}");
    let _ = other.send(Client::Apply, &app("web").replicas(3)).ok();
    wait_beside(&other, "web");
    let began = std::time::Instant::now();
    for object in policy {
        space.as_admin("delete", &object);
    }
    wait_for("the set to be deleted", || {
        let _ = space.kubectl(&["delete", "statefulset", "web"]);
        space.find("web").is_none().then_some(()).ok_or_else(|| "it stays".to_owned())
    });
    // Each look tries both Services; without pauses there would be thousands.
    let calls = proxy().calls(&refused).into_iter().filter(|call| call.status == 403).count();
    assert!(calls < 40, "{calls} calls, {:?}", began.elapsed());
}

/// Nobody deletes a set in this namespace, not the namespace's own end either.
fn keep_sets(space: &Space) -> [serde_json::Value; 2] {
    let name = format!("keep-{}", space.name);
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space.name}},
                "resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["DELETE"],
                    "resources": ["statefulsets"]}],
            },
            "validations": [{"expression": "false", "message": "kept by a test"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    space.as_admin("create", &policy);
    space.as_admin("create", &binding);
    wait_for("the policy to hold", || {
        let said = space.kubectl(&["delete", "statefulset", "web", "--dry-run=server"]);
        let holds = said.stderr.contains("kept by a test");
        holds.then_some(()).ok_or(said.stderr)
    });
    [binding, policy]
}

/// Annotated while the webhook was not asked, as it is not when it is away and may be ignored.
#[test]
fn a_set_that_nobody_can_read_is_told_and_the_others_go_on() {
    let pair = together();
    let space = Space::new("unreadable");
    for set in ["unread", "read"] {
        settle(&pair, &space, &app(set));
    }
    let (before, wrote) = (versions(&space), written(&space).len());
    let unasked = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": space.name, "labels": {"stateward.dev/test-webhook": "none"}},
    });
    space.as_admin("apply", &unasked);
    let key = "stateward.dev/disruption-budget";
    wait_for("the webhook not to be asked", || {
        let said = space.kubectl(&["annotate", "statefulset/unread", &format!("{key}=plenty")]);
        said.success().then_some(()).ok_or(said.stderr)
    });
    let told = || {
        let metrics = pair.leader().admin("/metrics");
        let labels = format!("{{namespace=\"{}\",statefulset=\"unread\",role=\"set\"}} 1", space.name);
        metrics.contains(&format!("stateward_companion_problem{labels}"))
    };
    wait_for("the gauge", || told().then_some(()).ok_or_else(|| "not yet".to_owned()));
    wait_for("an Event", || match events(&space, "unread", key) {
        events if events.len() == 1 => Ok(()),
        events => Err(format!("{events:?}")),
    });
    assert_eq!(versions(&space), before, "what there is stays");
    for set in ["unread", "read"] {
        spoil(&space, SERVICES, set);
    }
    wait_mended(&space, SERVICES, "read");
    pair.wait_look(&space, "unread");
    assert!(is_spoilt(&find(&space, SERVICES, "unread").unwrap()), "nobody knows how it should be");
    assert_eq!(written(&space).len(), wrote + 1);
    let _ = space.kubectl(&["annotate", "statefulset/unread", &format!("{key}-")]).ok();
    wait_mended(&space, SERVICES, "unread");
    wait_for("the gauge to go", || (!told()).then_some(()).ok_or_else(|| "still there".to_owned()));
}
