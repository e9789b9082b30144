use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::defaults;
use crate::engine::{Change, Decision, Engine, Facts, Offline};

const QUORUM: &str = r"
apiVersion: stateward.dev/v1alpha1
kind: StatefulSetProfile
metadata: {name: quorum}
spec:
  summary: a quorum
  extends: default
  match: {images: [quorum]}
  refuse:
    even: {replicas: {even: true}, problem: no majority more than with one less, remedy: write an odd number}
    scaled: {replicas: {changed: true}, problem: members are listed, remedy: add the member first}
    seedless: {replicas: {from: 2}, unless: {env: [SEEDS]}, problem: no cluster, remedy: name SEEDS}
    no-secret: {unless: {env: [SECRET]}, firstStart: true, problem: no SECRET, remedy: give one}
";

fn engine() -> Engine {
    Engine::new(Catalogue::built_in().unwrap().with([("quorum.yaml", QUORUM)]).unwrap())
}

fn set(replicas: u64, env: &[&str], acknowledge: &str) -> Value {
    let env: Vec<Value> = env.iter().map(|name| json!({"name": name, "value": "x"})).collect();
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "q", "labels": {"stateward.dev/managed": "true"},
            "annotations": {"stateward.dev/acknowledge": acknowledge},
        },
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [
            {"name": "q", "image": "quorum:1", "env": env},
        ]}}},
    });
    if acknowledge.is_empty() {
        set["metadata"]["annotations"] = json!({});
    }
    defaults::apply(&mut set);
    set
}

/// What is wrong with a change, or the result and what is said.
fn decide(
    before: Option<&Value>,
    after: &Value,
    facts: &dyn Facts,
) -> Result<(Value, Vec<String>), Vec<String>> {
    match engine().admit(Change { namespace: "team", before, after }, facts).unwrap() {
        Decision::Admitted(admitted) => Ok((admitted.result, admitted.warnings)),
        Decision::Unchanged { .. } => Ok((after.clone(), Vec::new())),
        Decision::Refused { faults, .. } => Err(faults.iter().map(ToString::to_string).collect()),
        Decision::Ignored => panic!("ignored"),
    }
}

fn created(set: &Value) -> Value {
    decide(None, set, &Offline).unwrap().0
}

fn with(before: &Value, replicas: u64) -> Value {
    let mut after = before.clone();
    after["spec"]["replicas"] = json!(replicas);
    after
}

#[test]
fn all_that_is_refused_is_told_at_once_with_how_to_mean_it() {
    let faults = decide(None, &set(4, &[], ""), &Offline).unwrap_err();
    assert_eq!(
        faults,
        [
            "spec.replicas: 4 replicas of quorum: no majority more than with one less; write an odd number; if you \
             mean it, add the annotation stateward.dev/acknowledge: even",
            "spec.template.spec.containers[name=\"q\"]: quorum: no SECRET; give one; if you mean it, add the \
             annotation stateward.dev/acknowledge: no-secret",
            "spec.replicas: 4 replicas of quorum: no cluster; name SEEDS; if you mean it, add the annotation \
             stateward.dev/acknowledge: seedless",
        ]
    );
    assert!(decide(None, &set(4, &[], "even, no-secret,seedless"), &Offline).is_ok());
    assert!(decide(None, &set(3, &["SEEDS", "SECRET"], ""), &Offline).is_ok());
}

#[test]
fn an_update_is_refused_for_what_it_brings_about_alone() {
    let four = created(&set(4, &["SECRET"], "even,seedless,scaled"));
    let mut open = four.clone();
    open["metadata"]["annotations"].as_object_mut().unwrap().remove("stateward.dev/acknowledge");
    // What was acknowledged stays as it is, and may become fewer.
    let (open, _) = decide(Some(&four), &open, &Offline).unwrap();
    let labelled = {
        let mut after = open.clone();
        after["metadata"]["labels"]["mine"] = json!("x");
        after
    };
    assert!(decide(Some(&open), &labelled, &Offline).is_ok());
    let fewer = decide(Some(&open), &with(&open, 2), &Offline).unwrap_err();
    assert!(fewer.len() == 1 && fewer[0].contains("members are listed"), "{fewer:?}");
    let more = decide(Some(&open), &with(&open, 6), &Offline).unwrap_err();
    assert_eq!(more.len(), 3, "{more:?}");
}

#[test]
fn a_stop_and_a_start_are_no_scaling() {
    let three = created(&set(3, &["SECRET", "SEEDS"], ""));
    let (none, _) = decide(Some(&three), &with(&three, 0), &Offline).unwrap();
    assert!(decide(Some(&none), &with(&none, 3), &Offline).is_ok());
    assert!(decide(Some(&three), &with(&three, 5), &Offline).is_err());
}

#[test]
fn the_variable_of_a_first_start_is_needed_where_there_is_no_data() {
    struct Claims;
    impl Facts for Claims {
        fn namespace_labels(&self, _: &str) -> std::collections::BTreeMap<String, String> {
            std::collections::BTreeMap::new()
        }
        fn claim_pin(&self, _: &str, _: &str) -> Option<String> {
            let engine = engine();
            Some(engine.catalogue.latest("quorum").unwrap().id())
        }
    }
    assert!(decide(None, &set(1, &[], ""), &Offline).is_err());
    assert!(decide(None, &set(1, &[], ""), &Claims).is_ok());
}

#[test]
fn what_is_acknowledged_in_vain_is_told() {
    let (_, warnings) = decide(None, &set(1, &["SECRET"], "evn"), &Offline).unwrap();
    assert_eq!(
        warnings,
        [
            "stateward.dev/acknowledge: evn is nothing that profile quorum refuses; it refuses even, no-secret, scaled, \
          seedless"
        ]
    );
}

#[test]
fn a_set_that_is_taken_over_is_refused_nothing() {
    let mut older = set(4, &[], "");
    older["metadata"]["labels"] = json!({});
    older["spec"]["selector"] = json!({"matchLabels": {"app": "q"}});
    older["spec"]["template"]["metadata"]["labels"] = json!({"app": "q"});
    let mut labelled = older.clone();
    labelled["metadata"]["labels"] = json!({"stateward.dev/managed": "true"});
    assert!(decide(Some(&older), &labelled, &Offline).is_ok());
}

#[test]
fn a_count_that_came_past_the_webhook_is_told() {
    let mut set = created(&set(3, &["SECRET", "SEEDS"], ""));
    set["spec"]["replicas"] = json!(4);
    let wrong = engine().counted_wrong(&set);
    assert!(wrong.len() == 1 && wrong[0].starts_with("4 replicas of quorum: no majority"), "{wrong:?}");
}

/// Whoever scales it past the voters that it was formed with gets members that none of them asks.
#[test]
fn a_count_beside_the_one_that_it_was_formed_with_is_told() {
    let engine = Engine::built_in().unwrap();
    let kafka = include_str!("../../../examples/kafka.yaml");
    let mut sent: Value = serde_saphyr::from_str(kafka).unwrap();
    crate::defaults::apply(&mut sent);
    let change = Change { namespace: "team", before: None, after: &sent };
    let Decision::Admitted(admitted) = engine.admit(change, &Offline).unwrap() else { panic!("refused") };
    let mut set = admitted.result;
    assert_eq!(engine.counted_wrong(&set), [""; 0]);
    set["spec"]["replicas"] = json!(5);
    let wrong = engine.counted_wrong(&set);
    let said = "5 replicas of kafka: the controllers that vote are fixed when the cluster is formed (it was formed with \
                3: kubectl scale statefulset/events --replicas=3); ";
    assert!(wrong.len() == 1 && wrong[0].starts_with(said), "{wrong:?}");
    // Nothing is asked of one that is stopped.
    set["spec"]["replicas"] = json!(0);
    assert_eq!(engine.counted_wrong(&set), [""; 0]);
    set["spec"]["replicas"] = json!(5);
    set["metadata"]["annotations"]["stateward.dev/acknowledge"] = json!("scaled");
    assert_eq!(engine.counted_wrong(&set), [""; 0]);
}
