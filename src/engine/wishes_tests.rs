//! A standing wish and one for once, in one request.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Admitted, Change, Decision, Engine, Offline};
use crate::catalogue::Catalogue;
use crate::catalogue::cluster::Given;
use crate::defaults;

const STANDING: &str = "stateward.dev/profile-revision";
const ONCE: &str = "stateward.dev/upgrade-to";

/// An engine that knows two revisions of a profile, the older one first.
fn engine() -> (Engine, [String; 2]) {
    let file = |seconds: u32| {
        format!(
            "{{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {{name: queue}}, spec: {{summary: x,
              extends: default, match: {{images: [queue]}}, statefulSet: {{spec: {{minReadySeconds: {seconds}}}}}}}}}"
        )
    };
    let built_in = Catalogue::built_in().unwrap();
    let older = built_in.with([("x", file(5).as_str())]).unwrap();
    let newer = older.clone().with([("x", file(7).as_str())]).unwrap();
    let id = |catalogue: &Catalogue| catalogue.latest("queue").unwrap().id();
    let ids = [id(&older), id(&newer)];
    (Engine::new(newer), ids)
}

fn admit(engine: &Engine, before: Option<&Value>, after: &Value) -> Admitted {
    match engine.admit(Change { namespace: "shop", before, after }, &Offline).unwrap() {
        Decision::Admitted(admitted) => *admitted,
        Decision::Unchanged { pin } => Admitted { pin, result: after.clone(), ..Admitted::default() },
        other => panic!("{other:?}"),
    }
}

fn set(annotations: &Value) -> Value {
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "q", "labels": {"stateward.dev/managed": "true"}, "annotations": annotations},
        "spec": {"template": {"spec": {"containers": [
            {"name": "queue", "image": "queue:1", "ports": [{"containerPort": 80}]}]}}},
    });
    defaults::apply(&mut set);
    set
}

fn annotated(object: &Value, keys: &[(&str, &str)]) -> Value {
    let mut object = object.clone();
    for (key, value) in keys {
        object["metadata"]["annotations"][key] = json!(value);
    }
    object
}

#[test]
fn the_one_for_once_goes_before_and_the_other_never_acts_later() {
    let (engine, [old, new]) = engine();
    let before = admit(&engine, None, &set(&json!({ONCE: old}))).result;
    assert_eq!(before["spec"]["minReadySeconds"], 5);
    for (standing, once, pin) in [(&old, "latest", &new), (&new, old.as_str(), &old)] {
        let asked = annotated(&before, &[(STANDING, standing), (ONCE, once)]);
        let moved = admit(&engine, Some(&before), &asked);
        assert_eq!(moved.pin, *pin);
        let said = format!("{ONCE} goes before {STANDING}: {standing}, which counts as followed");
        assert!(moved.warnings.iter().any(|line| line.starts_with(&said)), "{:?}", moved.warnings);
        // A sync that brings it again, and a request that is computed.
        let again = admit(&engine, Some(&moved.result), &annotated(&moved.result, &[("mine", "x")]));
        assert_eq!((again.pin, again.warnings), (pin.clone(), vec![]));
        // The remedy that the warning names.
        let meant = admit(&engine, Some(&moved.result), &annotated(&moved.result, &[(ONCE, standing)]));
        assert_eq!(meant.pin, *standing);
    }
}

#[test]
fn two_that_mean_the_same_are_one() {
    let (engine, [old, new]) = engine();
    let before = admit(&engine, None, &set(&json!({ONCE: old}))).result;
    let moved = admit(&engine, Some(&before), &annotated(&before, &[(STANDING, &new), (ONCE, "latest")]));
    assert_eq!(moved.pin, new);
    assert!(!moved.warnings.iter().any(|line| line.contains("goes before")), "{:?}", moved.warnings);
}

#[test]
fn a_standing_one_that_was_there_before_is_not_spoken_of() {
    let (engine, [old, new]) = engine();
    let before = admit(&engine, None, &set(&json!({STANDING: old}))).result;
    let moved = admit(&engine, Some(&before), &annotated(&before, &[(ONCE, "latest")]));
    assert_eq!(moved.pin, new);
    assert!(!moved.warnings.iter().any(|line| line.contains("goes before")), "{:?}", moved.warnings);
}

#[test]
fn a_new_set_is_told_too() {
    let (engine, [old, _]) = engine();
    let made = admit(&engine, None, &set(&json!({STANDING: old, ONCE: "latest"})));
    assert!(
        made.warnings[0].starts_with(&format!("{ONCE} goes before {STANDING}: {old}")),
        "{:?}",
        made.warnings
    );
    assert!(made.result["metadata"]["annotations"].get(ONCE).is_none());
}

/// Whoever followed the names of all profiles turned a queue into another database.
#[test]
fn a_set_whose_own_profile_is_gone_is_told_to_wait_for_it() {
    let (with, _) = engine();
    let before = admit(&with, None, &set(&json!({}))).result;
    let built_in = Catalogue::built_in().unwrap();
    let spec = serde_json::from_value(json!({"summary": "x", "extends": "nothing"})).unwrap();
    let faulty = Given { name: "queue".into(), spec: Ok(Arc::new(spec)) };
    for (catalogue, problem, remedy) in [
        (Arc::new(built_in.clone()), "there is no profile \"queue\"; ", "; apply the profile again; "),
        (built_in.join(&[faulty], &[]).catalogue, "profile queue has a fault: ", "; mend it; "),
    ] {
        let after = annotated(&before, &[(ONCE, "latest")]);
        let change = Change { namespace: "shop", before: Some(&before), after: &after };
        let decision = Engine::new(catalogue).admit(change, &Offline).unwrap();
        let Decision::Refused { faults, .. } = decision else { panic!("{decision:?}") };
        let told = faults[0].to_string();
        assert!(told.contains(problem) && told.contains(remedy), "{told}");
        assert!(told.contains("until then the set stays at queue@"), "{told}");
    }
}
