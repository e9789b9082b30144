//! Defaults of a namespace, from creation to upgrade.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Change, Decision, Engine, Facts};
use crate::defaults;
use crate::record::Record;

struct Annotated(&'static [(&'static str, &'static str)]);

impl Facts for Annotated {
    fn namespace_labels(&self, _: &str) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn namespace_annotations(&self, _: &str) -> BTreeMap<String, String> {
        self.0.iter().map(|(key, value)| (format!("stateward.dev/{key}"), (*value).to_owned())).collect()
    }

    fn claim_pin(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

fn decide(before: Option<&Value>, mut after: Value, facts: &Annotated) -> Value {
    defaults::apply(&mut after);
    let engine = Engine::built_in().unwrap();
    match engine.admit(Change { namespace: "shop", before, after: &after }, facts).unwrap() {
        Decision::Admitted(admitted) => admitted.result,
        Decision::Unchanged { .. } => after,
        other => panic!("{other:?}"),
    }
}

fn set(annotations: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "cache", "labels": {"stateward.dev/managed": "true"}, "annotations": annotations,
        },
        "spec": {"template": {"spec": {"containers": [{"name": "redis", "image": "redis:8"}]}}},
    })
}

fn memory(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
}

const LARGE: Annotated = Annotated(&[("size", "large"), ("storage-class", "fast")]);

#[test]
fn they_are_stronger_than_the_profiles_and_weaker_than_the_sets() {
    let object = decide(None, set(&json!({})), &LARGE);
    assert_eq!(memory(&object), "4Gi");
    assert_eq!(object["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"], "fast");
    let own = json!({"stateward.dev/size": "medium", "stateward.dev/storage-class": "slow", "stateward.dev/storage": "1Gi"});
    let object = decide(None, set(&own), &LARGE);
    assert_eq!(memory(&object), "1Gi");
    assert_eq!(object["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"], "slow");
    // A size that this profile has not, and what no set could say.
    let object = decide(None, set(&json!({})), &Annotated(&[("size", "huge"), ("storage-class", "No!")]));
    assert_eq!(memory(&object), "256Mi");
    assert!(object["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"].is_null());
}

#[test]
fn others_change_nothing_of_a_set_that_is_there() {
    let object = decide(None, set(&json!({})), &LARGE);
    let mut annotated = object.clone();
    annotated["metadata"]["annotations"]["mine"] = json!("x");
    assert_eq!(decide(Some(&object), annotated, &Annotated(&[]))["spec"], object["spec"]);
    // One's own size taken away again gives back what the namespace said then.
    let mut sized = object.clone();
    sized["metadata"]["annotations"]["stateward.dev/size"] = json!("medium");
    let sized = decide(Some(&object), sized, &Annotated(&[("size", "xlarge")]));
    assert_eq!(memory(&sized), "1Gi");
    let mut unsized_again = sized.clone();
    unsized_again["metadata"]["annotations"].as_object_mut().unwrap().remove("stateward.dev/size");
    assert_eq!(memory(&decide(Some(&sized), unsized_again, &Annotated(&[("size", "xlarge")]))), "4Gi");
}

#[test]
fn an_upgrade_brings_those_of_today() {
    let object = decide(None, set(&json!({})), &LARGE);
    let mut upgraded = object.clone();
    upgraded["metadata"]["annotations"]["stateward.dev/upgrade-to"] = json!("latest");
    let upgraded =
        decide(Some(&object), upgraded, &Annotated(&[("size", "medium"), ("storage-class", "slow")]));
    assert_eq!(memory(&upgraded), "1Gi");
    // But what stored data depends on stays.
    assert_eq!(upgraded["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"], "fast");
}

/// What is said of a change.
fn said(before: Option<&Value>, mut after: Value, facts: &dyn Facts) -> Vec<String> {
    defaults::apply(&mut after);
    let engine = Engine::built_in().unwrap();
    match engine.admit(Change { namespace: "shop", before, after: &after }, facts).unwrap() {
        Decision::Admitted(admitted) => admitted.warnings,
        Decision::Unchanged { .. } => Vec::new(),
        other => panic!("{other:?}"),
    }
}

const WRONG: Annotated =
    Annotated(&[("size", "Large"), ("siez", "small"), ("storage", "10Gi"), ("storage-class", "No!")]);

#[test]
fn what_no_set_gets_is_told_to_who_applies_one() {
    let lines = said(None, set(&json!({})), &WRONG);
    for (line, start) in lines.iter().zip([
        "Namespace shop: stateward.dev/siez: nothing is read from it on a Namespace; did you mean stateward.dev/size?",
        "Namespace shop: stateward.dev/size: \"Large\" ",
        "Namespace shop: stateward.dev/storage: nothing is read from it on a Namespace; write it on each set; on a",
        "Namespace shop: stateward.dev/storage-class: \"No!\" ",
    ]) {
        assert!(line.starts_with(start) && line.len() <= 240, "{line}");
    }
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[1].contains("no set gets it; write"), "{lines:#?}");
    let object = decide(None, set(&json!({})), &WRONG);
    let mut annotated = object.clone();
    annotated["metadata"]["annotations"]["mine"] = json!("x");
    assert_eq!(said(Some(&object), annotated, &WRONG), lines);
    // Most requests change nothing that people write, and nothing is computed for them.
    let mut stored = object;
    defaults::apply(&mut stored);
    assert_eq!(said(Some(&stored), stored.clone(), &WRONG), [""; 0]);
}

/// A namespace in which a set of this name left claims behind.
struct Claimed(Annotated, String);

impl Facts for Claimed {
    fn namespace_labels(&self, namespace: &str) -> BTreeMap<String, String> {
        self.0.namespace_labels(namespace)
    }

    fn namespace_annotations(&self, namespace: &str) -> BTreeMap<String, String> {
        self.0.namespace_annotations(namespace)
    }

    fn claim_pin(&self, _: &str, _: &str) -> Option<String> {
        Some(self.1.clone())
    }
}

#[test]
fn a_class_beside_claims_that_are_there_is_told() {
    let pin = Record::pin_of(&decide(None, set(&json!({})), &LARGE)).unwrap().to_string();
    let left = |annotations| Claimed(Annotated(annotations), pin.clone());
    let own = json!({"stateward.dev/storage-class": "slow", "stateward.dev/storage": "1Gi"});
    let told = "claims of cache are there and keep their storage class; those to come get fast, as Namespace shop says: \
                for another one give the set stateward.dev/storage-class";
    assert_eq!(said(None, set(&json!({})), &left(&[("storage-class", "fast")])), [told]);
    assert_eq!(said(None, set(&own), &left(&[("storage-class", "fast")])), [""; 0]);
    assert_eq!(said(None, set(&json!({})), &left(&[])), [""; 0]);
    assert_eq!(said(None, set(&json!({})), &LARGE), [""; 0], "there are none");
}

#[test]
fn a_size_that_some_profile_has_is_nothing_to_speak_of() {
    assert_eq!(said(None, set(&json!({})), &LARGE), [""; 0]);
    let plain = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "app", "image": "own:1", "ports": [{"containerPort": 80}]}]}}}});
    let mut sizeless = set(&json!({}));
    json_patch::merge(&mut sizeless, &plain);
    assert_eq!(said(None, sizeless, &LARGE), [""; 0]);
    let lines = said(None, set(&json!({})), &Annotated(&[("size", "lrage")]));
    assert!(
        lines[0].starts_with(
            "Namespace shop: stateward.dev/size: no profile has a size \"lrage\"; write one of "
        )
    );
    assert_eq!(lines.len(), 1);
}
