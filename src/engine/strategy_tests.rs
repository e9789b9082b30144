//! Update strategies that a profile sets: of the two types, `rollingUpdate` stands beside one alone.

use serde_json::{Value, json};

use super::*;

const ON_DELETE: &str = "{type: OnDelete}";
const PARTITION: &str = "{rollingUpdate: {partition: 2}}";

fn engine(strategies: &[&str]) -> Engine {
    let file = |(at, strategy): (usize, &&str)| {
        let parent = if at == 0 { "default".to_owned() } else { format!("queue-{}", at - 1) };
        format!(
            "{{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {{name: queue-{at}}},
              spec: {{summary: x, extends: {parent}, match: {{images: [queue-{at}]}},
              statefulSet: {{spec: {{updateStrategy: {strategy}}}}}}}}}"
        )
    };
    let files: Vec<String> = strategies.iter().enumerate().map(file).collect();
    let files = files.iter().map(|text| ("queue.yaml", text.as_str()));
    Engine::new(Catalogue::built_in().unwrap().with(files).unwrap())
}

/// As it is sent, with this strategy in the manifest.
fn sent(image: &str, strategy: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "q", "labels": {"stateward.dev/managed": "true"}},
        "spec": {"template": {"spec": {"containers": [{"name": "queue", "image": format!("{image}:1")}]}}},
    });
    if !strategy.is_null() {
        object["spec"]["updateStrategy"] = strategy.clone();
    }
    crate::defaults::apply(&mut object);
    object
}

/// As it is stored: what the API server fills in comes again behind admission.
fn stored(engine: &Engine, before: Option<&Value>, after: &Value) -> Value {
    let change = Change { namespace: "team", before, after };
    let mut object = match engine.admit(change, &Offline).unwrap() {
        Decision::Admitted(admitted) => admitted.result,
        Decision::Unchanged { .. } => after.clone(),
        other => panic!("{other:?}"),
    };
    crate::defaults::apply(&mut object);
    object
}

fn strategy(object: &Value) -> &Value {
    &object["spec"]["updateStrategy"]
}

#[test]
fn nothing_of_rolling_updates_stays_beside_another_type() {
    let engine = engine(&[ON_DELETE]);
    let ten = sent("queue-0", &Value::Null);
    assert_eq!(strategy(&ten)["rollingUpdate"]["partition"], 0, "as the API server fills in");
    let object = stored(&engine, None, &ten);
    assert_eq!(strategy(&object), &json!({"type": "OnDelete"}));
    // A replace brings what the API server fills in once more.
    let again = stored(&engine, Some(&object), &ten);
    assert_eq!(strategy(&again), &json!({"type": "OnDelete"}));
    let mut explicit = object.clone();
    explicit["spec"]["updateStrategy"]["rollingUpdate"] = json!({"partition": 0});
    assert_eq!(strategy(&stored(&engine, Some(&object), &explicit)), &json!({"type": "OnDelete"}));
}

#[test]
fn a_partition_of_the_users_is_one_of_rolling_updates() {
    let engine = engine(&[ON_DELETE]);
    let theirs = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    let object = stored(&engine, None, &sent("queue-0", &json!({"rollingUpdate": {"partition": 1}})));
    assert_eq!(strategy(&object), &theirs);
    // Written later, beside the type that is ours.
    let object = stored(&engine, None, &sent("queue-0", &Value::Null));
    let mut later = object.clone();
    later["spec"]["updateStrategy"]["rollingUpdate"] = json!({"partition": 1});
    let later = stored(&engine, Some(&object), &later);
    assert_eq!(strategy(&later), &theirs);
    // And taken out again.
    let mut out = later.clone();
    out["spec"]["updateStrategy"] = json!({"type": "RollingUpdate"});
    assert_eq!(strategy(&stored(&engine, Some(&later), &out)), &json!({"type": "OnDelete"}));
}

#[test]
fn the_users_type_leaves_no_room_for_a_partition_of_ours() {
    let engine = engine(&[PARTITION]);
    let theirs = sent("queue-0", &json!({"type": "OnDelete"}));
    assert_eq!(strategy(&stored(&engine, None, &theirs)), &json!({"type": "OnDelete"}));
    let object = stored(&engine, None, &sent("queue-0", &Value::Null));
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    assert_eq!(strategy(&object), &rolling);
    let mut later = object.clone();
    later["spec"]["updateStrategy"]["type"] = json!("OnDelete");
    assert_eq!(strategy(&stored(&engine, Some(&object), &later)), &json!({"type": "OnDelete"}));
}

#[test]
fn what_is_the_users_own_affair_stays_so() {
    let both = json!({"type": "OnDelete", "rollingUpdate": {"partition": 0}});
    for engine in [engine(&[]), engine(&[ON_DELETE])] {
        let change = sent("queue-0", &both);
        let decision = engine.admit(Change { namespace: "team", before: None, after: &change }, &Offline);
        let Decision::Refused { faults, .. } = decision.unwrap() else { panic!("admitted") };
        assert_eq!(faults[0].field, "spec.updateStrategy.rollingUpdate");
        let plain = stored(&engine, None, &sent("queue-0", &json!({"type": "OnDelete"})));
        assert_eq!(strategy(&plain), &json!({"type": "OnDelete"}));
    }
}

#[test]
fn a_child_says_another_type_than_its_parent() {
    let engine = engine(&[PARTITION, ON_DELETE, PARTITION]);
    let of = |image: &str| strategy(&stored(&engine, None, &sent(image, &Value::Null))).clone();
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    assert_eq!(of("queue-0"), rolling);
    assert_eq!(of("queue-1"), json!({"type": "OnDelete"}));
    assert_eq!(of("queue-2"), rolling);
}
