use serde_json::json;

use super::*;
use crate::catalogue::Catalogue;
use crate::defaults;
use crate::engine::{Admitted, Change, Decision, Engine, Offline};

#[test]
fn placeholders_are_found_and_variables_left_alone() {
    for (text, filled) in [
        ("plain", "plain"),
        ("$(name)", "<Name>"),
        ("--a=$(service):1,$(replicas)$(replicas.kept)", "--a=<Service>:1,<Replicas><Formed>"),
        ("$(majority.kept) of $(majority)", "<Majority> of $(majority)"),
        ("$(POD_NAME).$(service)", "$(POD_NAME).<Service>"),
        ("$(peers.voters)", "<Peers(\"voters\")>"),
        ("-Xmx$(memory.50%.Mi)m", "-Xmx<Memory(50, \"Mi\")>m"),
        ("$(memory.0%.Mi)$(memory.50%.M)$(", "$(memory.0%.Mi)$(memory.50%.M)$("),
    ] {
        assert_eq!(fill(text, |placeholder| Ok(format!("<{placeholder:?}>"))).unwrap(), filled);
    }
}

const QUORUM: &str = r#"
apiVersion: stateward.dev/v1alpha1
kind: StatefulSetProfile
metadata: {name: quorum}
spec:
  summary: a quorum
  extends: default
  match: {images: [quorum]}
  sizes: {small: {limits: {memory: 1Gi}}}
  size: small
  peers:
    all: {each: "$(number)=$(pod).$(service):1", separator: ","}
    formed: {each: $(pod), separator: " ", whenScaled: Keep}
  statefulSet:
    spec:
      template:
        spec:
          containers:
          - name: $(main)
            args: [--me=$(POD_NAME).$(service), --count=$(replicas.kept)]
            env:
            - {name: ALL, value: $(peers.all)}
            - {name: FORMED, value: $(peers.formed)}
            - {name: HEAP, value: "-Xmx$(memory.50%.Mi)m"}
"#;

fn admitted(before: Option<&Value>, mut after: Value) -> Admitted {
    let catalogue = Catalogue::built_in().unwrap().with([("quorum.yaml", QUORUM)]).unwrap();
    defaults::apply(&mut after);
    let change = Change { namespace: "team", before, after: &after };
    match Engine::new(catalogue).admit(change, &Offline).unwrap() {
        Decision::Admitted(admitted) => *admitted,
        other => panic!("{other:?}"),
    }
}

fn set(replicas: u64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "q", "labels": {"stateward.dev/managed": "true"}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "q", "image": "quorum:1"}]}}},
    })
}

fn env<'o>(object: &'o Value, name: &str) -> &'o Value {
    let env = object["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    env.iter().find(|item| item["name"] == name).map_or(&Value::Null, |item| &item["value"])
}

#[test]
fn members_are_named_through_the_headless_service() {
    let result = admitted(None, set(3)).result;
    assert_eq!(env(&result, "ALL"), "1=q-0.q-headless:1,2=q-1.q-headless:1,3=q-2.q-headless:1");
    assert_eq!(env(&result, "FORMED"), "q-0 q-1 q-2");
    let args = &result["spec"]["template"]["spec"]["containers"][0]["args"];
    assert_eq!(args, &json!(["--me=$(POD_NAME).q-headless", "--count=3"]));
    let mut own = set(1);
    own["spec"]["serviceName"] = json!("mine");
    assert_eq!(env(&admitted(None, own).result, "ALL"), "1=q-0.mine:1");
}

#[test]
fn scaling_rewrites_what_follows_the_count_and_keeps_what_formed_the_set() {
    let three = admitted(None, set(3)).result;
    let mut scaled = three.clone();
    scaled["spec"]["replicas"] = json!(4);
    let change = admitted(Some(&three), scaled);
    assert_eq!(env(&change.result, "FORMED"), "q-0 q-1 q-2");
    assert!(env(&change.result, "ALL").as_str().unwrap().ends_with(",4=q-3.q-headless:1"));
    assert_eq!(change.warnings, ["this change restarts 4 pods (env)"]);
    // And so it is ever after: what is formed is in the record.
    let mut relabelled = change.result.clone();
    relabelled["spec"]["replicas"] = json!(5);
    relabelled["metadata"]["annotations"]["stateward.dev/size"] = json!("small");
    assert_eq!(env(&admitted(Some(&change.result), relabelled).result, "FORMED"), "q-0 q-1 q-2");
}

#[test]
fn a_count_that_changed_beside_us_changes_nothing() {
    let mut scaled = admitted(None, set(3)).result;
    scaled["spec"]["replicas"] = json!(5);
    let mut annotated = scaled.clone();
    annotated["metadata"]["annotations"]["mine"] = json!("x");
    let change = admitted(Some(&scaled), annotated);
    assert_eq!(change.result["spec"], scaled["spec"]);
}

#[test]
fn memory_follows_the_limit_whosever_it_is() {
    let heap = |resources: Value| {
        let mut set = set(1);
        set["spec"]["template"]["spec"]["containers"][0]["resources"] = resources;
        env(&admitted(None, set).result, "HEAP").clone()
    };
    assert_eq!(heap(json!({})), "-Xmx512m");
    assert_eq!(heap(json!({"limits": {"memory": "4Gi"}})), "-Xmx2048m");
    assert_eq!(heap(json!({"limits": {"memory": "3000M"}})), "-Xmx1430m");
}

#[test]
fn peers_that_are_not_there_are_told() {
    let broken = QUORUM.replace("$(peers.all)", "$(peers.none)");
    let error = Catalogue::built_in().unwrap().with([("quorum.yaml", broken.as_str())]).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("profile quorum: spec.statefulSet.spec.template.spec.containers"), "{error}");
    assert!(error.contains("$(peers.none) is used, and peers has no none; write"), "{error}");
}

#[test]
fn lists_that_scaling_left_behind_are_told() {
    let engine = Engine::new(Catalogue::built_in().unwrap().with([("quorum.yaml", QUORUM)]).unwrap());
    let mut set = admitted(None, set(3)).result;
    assert_eq!(engine.counted_wrong(&set), [""; 0]);
    set["spec"]["replicas"] = json!(5);
    assert_eq!(
        engine.counted_wrong(&set),
        [
            "env[ALL].value was written for another count than 5 replicas, which came by kubectl scale or an autoscaler; \
          kubectl scale statefulset/q back, then write spec.replicas in the manifest"
        ]
    );
}

#[test]
fn labels_and_annotations_of_a_profile_go_to_the_pods_and_change_none_of_ours() {
    let labelled = QUORUM.replace(
        "      template:\n",
        "      template:\n        metadata: {labels: {team: data, app.kubernetes.io/name: x}, annotations: {note: hello}}\n",
    );
    let catalogue = Catalogue::built_in().unwrap().with([("quorum.yaml", labelled.as_str())]).unwrap();
    let mut after = set(1);
    defaults::apply(&mut after);
    let change = Change { namespace: "team", before: None, after: &after };
    let Decision::Admitted(admitted) = Engine::new(catalogue).admit(change, &Offline).unwrap() else {
        panic!()
    };
    let metadata = &admitted.result["spec"]["template"]["metadata"];
    assert_eq!(
        (&metadata["labels"]["team"], &metadata["annotations"]["note"]),
        (&json!("data"), &json!("hello"))
    );
    assert_eq!(metadata["labels"]["app.kubernetes.io/name"], "q");
}
