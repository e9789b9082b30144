//! Profiles of the platform's own: used once they are kept, frozen for who has them, refused with what
//! is wrong.

use serde_json::{Value, json};

use crate::harness::{Client, Manifest, Said, Space, wait_for};

/// The namespace of the installation, where revisions are kept.
const OWN: &str = "stateward-system";

pub(crate) fn profile(name: &str, memory: &str) -> Manifest {
    Manifest::yaml(&format!(
        r#"
apiVersion: stateward.dev/v1alpha1
kind: StatefulSetProfile
metadata: {{name: {name}}}
spec:
  summary: a queue
  extends: default
  match: {{images: [{name}]}}
  size: small
  sizes: {{small: {{limits: {{memory: {memory}}}}}}}
  data: {{claim: data, mountPath: /data, size: 1Gi}}
  peers:
    all: {{each: $(pod).$(service), separator: ","}}
  refuse:
    even: {{replicas: {{even: true}}, problem: no majority, remedy: write an odd number}}
  statefulSet:
    spec:
      podManagementPolicy: Parallel
      template:
        spec:
          terminationGracePeriodSeconds: 77
          containers:
          - name: $(main)
            env: [{{name: PEERS, value: $(peers.all)}}, {{name: LIMITS, value: "<4 & >2"}}]
"#
    ))
}

pub(crate) fn queue(name: &str, image: &str) -> Manifest {
    Manifest::yaml(&format!(
        r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: {name}, labels: {{stateward.dev/managed: "true"}}}}
spec:
  replicas: 3
  template: {{spec: {{containers: [{{name: queue, image: "{image}:1", ports: [{{containerPort: 80}}]}}]}}}}
"#
    ))
}

pub(crate) fn apply(space: &Space, profile: &Manifest) {
    let _ = space.as_admin_with(&["apply", "-f", "-"], &profile.text()).ok();
}

fn read(space: &Space, arguments: &[&str]) -> Value {
    let said = space.as_admin_says(&[&["get", "-o", "json"], arguments].concat()).ok();
    serde_json::from_str(&said.stdout).expect("JSON")
}

/// Waits until new sets get what the profile says; gives its status.
pub(crate) fn wait_used(space: &Space, name: &str) -> Value {
    wait_for(&format!("profile {name} to be used"), || {
        let object = read(space, &["statefulsetprofile", name]);
        let status = &object["status"];
        let current = status["observedGeneration"] == object["metadata"]["generation"]
            && status["conditions"][0]["status"] == "True";
        if current { Ok(status.clone()) } else { Err(status.to_string()) }
    })
}

pub(crate) fn dry_run(space: &Space, set: &Manifest) -> Said {
    space.kubectl_with(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &set.text())
}

/// Admission hears of it by a watch of its own.
pub(crate) fn wait_admitted(space: &Space, set: &Manifest, pin: &str) {
    wait_for(&format!("the webhook to know {pin}"), || {
        let said = dry_run(space, set);
        if said.stdout.contains(pin) { Ok(()) } else { Err(format!("{said:?}")) }
    });
}

#[test]
fn an_edit_changes_no_set_that_is_there() {
    let space = Space::new("platform-frozen");
    let name = space.name.clone();
    apply(&space, &profile(&name, "64Mi"));
    let first = wait_used(&space, &name)["revision"].as_str().expect("a revision").to_owned();
    wait_admitted(&space, &queue("probe", &name), &format!("{name}@{first}"));
    let before = space.create(Client::Apply, &queue("q", &name));
    assert_eq!(before.container("queue")["resources"]["limits"]["memory"], "64Mi");
    let peers = before.item("queue", "env", "name", "PEERS");
    assert_eq!(peers["value"], "q-0.q-headless,q-1.q-headless,q-2.q-headless");
    assert_eq!(before.pod("/terminationGracePeriodSeconds"), 77);

    // The revision is kept beside the installation, under our labels alone.
    let kept = read(&space, &["controllerrevision", "-n", OWN, &format!("profile-{name}-{first}")]);
    let labels: Vec<&String> = kept["metadata"]["labels"].as_object().expect("labels").keys().collect();
    assert_eq!(labels, ["stateward.dev/profile", "stateward.dev/revision"]);
    assert!(kept["metadata"]["ownerReferences"].is_null());

    // Another one for new sets; this one stays as it is, whatever is done to it.
    apply(&space, &profile(&name, "128Mi"));
    let second = wait_used(&space, &name)["revision"].as_str().expect("a revision").to_owned();
    assert_ne!(first, second);
    wait_admitted(&space, &queue("probe", &name), &format!("{name}@{second}"));
    let _ = space.send(Client::Apply, &queue("q", &name)).ok();
    before.assert_unchanged(&space.snapshot("q"), "the same manifest again");
    let _ = space.kubectl(&["annotate", "statefulset/q", "mine=x"]).ok();
    before.assert_not_restarted(&space.snapshot("q"), "an annotation");
    wait_for("the status to count", || {
        let status = read(&space, &["statefulsetprofile", &name])["status"].clone();
        let counted = (&status["inUse"], &status["behind"]) == (&json!(1), &json!(1));
        if counted { Ok(()) } else { Err(status.to_string()) }
    });

    // It moves when its owner says so.
    let said = space.kubectl(&["annotate", "statefulset/q", "stateward.dev/upgrade-to=latest"]).ok();
    let _ = said.mentions(&["this change restarts 3 pods (resources)", &format!("moved to {name}@{second}")]);
    assert_eq!(space.snapshot("q").container("queue")["resources"]["limits"]["memory"], "128Mi");

    // And back, though nobody's profile says so any more.
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &name]).ok();
    let back = format!("stateward.dev/upgrade-to={name}@{first}");
    wait_for("the webhook to hear that the profile is gone", || {
        let said = dry_run(&space, &queue("probe", &name));
        if said.stdout.contains("default@") { Ok(()) } else { Err(format!("{said:?}")) }
    });
    let after = space.snapshot("q");
    let _ = space.kubectl(&["annotate", "statefulset/q", "stateward.dev/size=small"]).ok();
    after.assert_not_restarted(&space.snapshot("q"), "an annotation that needs the revision");
    let _ =
        space.kubectl(&["annotate", "statefulset/q", &back]).ok().mentions(&["this change restarts 3 pods"]);
    assert_eq!(space.snapshot("q").container("queue")["resources"]["limits"]["memory"], "64Mi");
}

#[test]
fn a_profile_with_a_fault_is_refused_with_what_is_wrong() {
    let space = Space::new("platform-refused");
    let name = space.name.clone();
    let good = profile(&name, "64Mi");
    for (wrong, words) in [
        (good.clone().set("/spec/extends", json!(name)), ", which does not exist"),
        (
            good.clone().without("/spec/extends").set("/spec/size", json!("huge")),
            "size names no class of sizes",
        ),
        (
            good.clone().set("/spec/match/images", json!(["team/queue:1"])),
            "write repositories without registry, tag",
        ),
        (good.clone().set("/spec/extends", json!("nothing")), "extends nothing, which does not exist"),
        (
            good.clone().set("/spec/statefulSet/spec/replicas", json!(3)),
            "a profile sets no replicas; take it out",
        ),
        (
            good.clone().set("/spec/sizes/small/limits/memory", json!("64MB")),
            "spec.sizes.small.limits.memory",
        ),
        (good.clone().set("/spec/peers", json!({})), "$(peers.all) is used, and peers has no all"),
        (
            good.clone().set("/spec/refuse/even/remedy", Value::Null),
            "spec.refuse.even.remedy: is missing; write remedy:",
        ),
    ] {
        let said = space.as_admin_with(&["create", "--dry-run=server", "-f", "-"], &wrong.text());
        assert!(!said.success(), "{words}");
        let _ = said.mentions(&[words]);
    }
    // A field that nobody knows may be newer than we are.
    let odd = good.set("/spec/statefulSet/spec/template/spec/hostNetwrk", json!(true));
    let said = space.as_admin_with(&["create", "--dry-run=server", "-f", "-"], &odd.text()).ok();
    let _ = said.mentions(&["hostNetwrk is no field that this version of stateward knows"]);
}

/// The webhook for profiles lets pass what it does not answer for: what got in is told and passed over.
#[test]
fn a_profile_with_a_fault_that_got_in_breaks_nobody_else() {
    let space = Space::new("platform-faulty");
    let (faulty, good) = (space.name.clone(), format!("{}-good", space.name));
    let parent = format!("{}-parent", space.name);
    let child_of = |parent: &str| profile(&faulty, "64Mi").set("/spec/extends", json!(parent));
    apply(&space, &profile(&parent, "64Mi"));
    apply(&space, &profile(&good, "64Mi"));
    let _ = wait_used(&space, &parent);
    apply(&space, &child_of(&parent));
    let _ = wait_used(&space, &faulty);
    // Nobody is asked when a parent goes.
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &parent]).ok();
    wait_for("the fault to be told", || {
        let status = read(&space, &["statefulsetprofile", &faulty])["status"].clone();
        let condition = &status["conditions"][0];
        let told = condition["reason"] == "Faults"
            && condition["message"].as_str().is_some_and(|message| message.contains("which does not exist"));
        if told { Ok(()) } else { Err(status.to_string()) }
    });
    let revision = wait_used(&space, &good)["revision"].as_str().expect("a revision").to_owned();
    wait_admitted(&space, &queue("q", &good), &format!("{good}@{revision}"));
    for profile in [faulty, good] {
        let _ = space.as_admin_says(&["delete", "statefulsetprofile", &profile]).ok();
    }
}

#[test]
fn defaults_of_a_namespace_are_for_the_sets_that_come() {
    let space = Space::new("platform-namespace");
    let annotate = |value: &str| {
        let said = space.as_admin_says(&["annotate", "--overwrite", "namespace", &space.name, value]);
        let _ = said.ok();
    };
    annotate("stateward.dev/size=large");
    let cache = |name: &str| {
        Manifest::yaml(&format!(
            "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: {name}, labels: {{stateward.dev/managed: \"true\"}}}},
              spec: {{template: {{spec: {{containers: [{{name: redis, image: \"redis:8\"}}]}}}}}}}}"
        ))
    };
    wait_for("the webhook to know the namespace's default", || {
        let said = dry_run(&space, &cache("probe"));
        if said.stdout.contains("\"memory\": \"4Gi\"") { Ok(()) } else { Err(format!("{said:?}")) }
    });
    let before = space.create(Client::Apply, &cache("cache"));
    assert_eq!(before.container("redis")["resources"]["limits"]["memory"], "4Gi");
    annotate("stateward.dev/size=medium");
    wait_for("the webhook to know the namespace's other default", || {
        let said = dry_run(&space, &cache("probe"));
        if said.stdout.contains("\"memory\": \"1Gi\"") { Ok(()) } else { Err(format!("{said:?}")) }
    });
    let _ = space.send(Client::Apply, &cache("cache")).ok();
    before.assert_unchanged(
        &space.snapshot("cache"),
        "the same manifest under another default of the namespace",
    );
    let _ = space.kubectl(&["annotate", "statefulset/cache", "stateward.dev/upgrade-to=latest"]).ok();
    assert_eq!(space.snapshot("cache").container("redis")["resources"]["limits"]["memory"], "1Gi");
}

/// As when stateward's namespace is lost, and comes back from a backup.
#[test]
fn a_revision_that_is_lost_holds_nothing_up_that_needs_no_computing() {
    let space = Space::new("platform-lost");
    let name = space.name.clone();
    apply(&space, &profile(&name, "64Mi"));
    let revision = wait_used(&space, &name)["revision"].as_str().expect("a revision").to_owned();
    wait_admitted(&space, &queue("probe", &name), &format!("{name}@{revision}"));
    let before = space.create(Client::Apply, &queue("q", &name));
    let kept = format!("profile-{name}-{revision}");
    let mut saved = read(&space, &["controllerrevision", "-n", OWN, &kept]);
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &name]).ok();
    let _ = space.as_admin_says(&["delete", "controllerrevision", "-n", OWN, &kept]).ok();

    let needs_it = ["annotate", "--dry-run=server", "statefulset/q", "stateward.dev/size=small"];
    wait_for("the webhook to have forgotten it", || {
        let said = space.kubectl(&needs_it);
        if said.success() { Err(format!("{said:?}")) } else { Ok(()) }
    });
    let _ =
        space.kubectl(&needs_it).refused(&["is not known here", "stateward.dev/profile-revision: latest"]);
    let _ = space.kubectl(&["annotate", "statefulset/q", "mine=x"]).ok();
    let _ = space.send(Client::Apply, &queue("q", &name)).ok();
    before.assert_not_restarted(&space.snapshot("q"), "what needs no computing");

    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        saved["metadata"].as_object_mut().expect("metadata").remove(field);
    }
    let _ = space.as_admin_with(&["create", "-n", OWN, "-f", "-"], &saved.to_string()).ok();
    wait_for("the webhook to know it again", || {
        let said = space.kubectl(&needs_it);
        if said.success() { Ok(()) } else { Err(format!("{said:?}")) }
    });
    before.assert_not_restarted(&space.snapshot("q"), "the revision is back");
}

/// What the schema of the definition refuses is told before anything is sent, field by field as it is refused.
#[test]
fn what_the_api_server_refuses_of_a_profile_lint_tells() {
    let space = Space::new("platform-schema");
    let good = || profile("schema", "64Mi");
    let many: Vec<String> = (0..65).map(|number| format!("schema-{number}")).collect();
    let ports = |port: Value| json!({"headlessService": {"ports": [port]}});
    let policy = json!({"disruptionBudget": {"unhealthyPodEvictionPolicy": "Never"}});
    let wrong = [
        (good().set("/apiVersion", json!("stateward.dev/v1")), "apiVersion", "stateward.dev/v1"),
        (good().set("/metadata/name", json!("a".repeat(64))), "metadata.name", "at most 63 characters"),
        (good().set("/metadata/name", json!("My_Queue")), "metadata.name", "metadata.name"),
        (good().set("/spec/summary", json!("")), "spec.summary", "spec.summary"),
        (good().set("/spec/summary", json!(7)), "spec.summary", "spec.summary"),
        (good().without("/spec/summary"), "spec.summary", "spec.summary"),
        (good().set("/spec/siez", json!("small")), "spec.siez", "unknown field \"spec.siez\""),
        (good().set("/spec/match/images", json!(many)), "spec.match.images", "spec.match.images"),
        (good().set("/spec/match/images/0", json!("")), "spec.match.images[0]", "spec.match.images[0]"),
        (good().set("/spec/match/images/0", json!("a:1")), "spec.match.images", "spec.match.images"),
        (good().set("/spec/scratch", json!(["run"])), "spec.scratch[0]", "spec.scratch[0]"),
        (good().set("/spec/companions", policy), "unhealthyPodEvictionPolicy", "should match"),
        (
            good().set("/spec/companions", ports(json!({"name": "a", "port": 65_536}))),
            "ports[0].port",
            "65535",
        ),
        (good().set("/spec/companions", ports(json!({"port": 1}))), "ports[0].name", "Required value"),
        (
            good().without("/spec/extends").set("/spec/size", json!("no")),
            "spec.size",
            "names no class of sizes",
        ),
    ];
    let lint = |manifest: &Manifest| space.stateward_with(&["lint", "-f", "-"], &manifest.text());
    let _ = lint(&good()).ok();
    for (manifest, field, theirs) in wrong {
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        let said = space.as_admin_with(&arguments, &manifest.text());
        assert!(!said.success() && said.stderr.contains(theirs), "{theirs}: {said:?}");
        let said = lint(&manifest);
        assert!(!said.success() && said.stdout.contains(&format!("{field}: ")), "{field}: {said:?}");
    }
}
