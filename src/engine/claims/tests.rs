//! Sets made again beside their claims, in namespaces and under profiles that give another storage class.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::defaults;
use crate::engine::{Admitted, Change, Decision, Engine, Facts, Held};
use crate::record::Record;

/// A namespace that gives this class, and the claims in it, by name, with theirs.
#[derive(Default)]
struct Space {
    class: Option<&'static str>,
    claims: &'static [(&'static str, &'static str)],
    /// The same, with their sizes.
    sizes: &'static [(&'static str, &'static str)],
}

impl Facts for Space {
    fn namespace_labels(&self, _: &str) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn namespace_annotations(&self, _: &str) -> BTreeMap<String, String> {
        let class = |class: &str| ("stateward.dev/storage-class".to_owned(), class.to_owned());
        self.class.map(class).into_iter().collect()
    }

    fn claim_pin(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn claims(&self, _: &str, _: &str) -> BTreeMap<String, Held> {
        let mut held: BTreeMap<String, Held> = BTreeMap::new();
        for (claim, class) in self.claims {
            held.entry((*claim).to_owned()).or_default().class = Some((*class).to_owned());
        }
        for (claim, size) in self.sizes {
            held.entry((*claim).to_owned()).or_default().size = Some((*size).to_owned());
        }
        held
    }
}

const FAST: Space = Space { class: Some("fast"), claims: &[], sizes: &[] };
const OLD: &[(&str, &str)] = &[("data-cache-0", "old")];

fn set(annotations: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "cache", "labels": {"stateward.dev/managed": "true"}, "annotations": annotations,
        },
        "spec": {"template": {"spec": {"containers": [{"name": "redis", "image": "redis:8"}]}}},
    })
}

fn decide(engine: &Engine, before: Option<&Value>, mut after: Value, facts: &Space) -> Decision {
    defaults::apply(&mut after);
    engine.admit(Change { namespace: "shop", before, after: &after }, facts).unwrap()
}

fn made_by(engine: &Engine, set: Value, facts: &Space) -> Admitted {
    match decide(engine, None, set, facts) {
        Decision::Admitted(admitted) => *admitted,
        other => panic!("{other:?}"),
    }
}

fn made(set: Value, facts: &Space) -> Admitted {
    made_by(&Engine::built_in().unwrap(), set, facts)
}

/// The class of each claim template.
fn classes(object: &Value) -> Vec<(&str, &Value)> {
    let templates = object["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    templates
        .filter_map(|one| Some((one["metadata"]["name"].as_str()?, &one["spec"]["storageClassName"])))
        .collect()
}

#[test]
fn further_claims_get_the_class_of_those_that_are_there() {
    let again = made(set(&json!({})), &Space { claims: OLD, ..FAST });
    assert_eq!(classes(&again.result), [("data", &json!("old"))]);
    assert_eq!(
        again.warnings,
        [
            "claim data-cache-0 is of storage class old: further ones get old, not fast as Namespace shop says; for \
          another one write stateward.dev/storage-class on the set"
        ]
    );
    let class = again.injections.iter().find(|one| one.path.last_field() == Some("storageClassName"));
    assert_eq!(class.unwrap().source.to_string(), "claims that were there before the set");
    // Where nobody says a class there is none to go without.
    let again = made(set(&json!({})), &Space { claims: OLD, ..Space::default() });
    assert_eq!((classes(&again.result), again.warnings), (vec![("data", &json!("old"))], vec![]));
    let again = made(set(&json!({})), &Space { claims: &[("data-cache-0", "fast")], ..FAST });
    assert_eq!((classes(&again.result), again.warnings), (vec![("data", &json!("fast"))], vec![]));
}

#[test]
fn what_the_manifest_says_wins() {
    let own = json!({"stateward.dev/storage-class": "own", "stateward.dev/storage": "1Gi"});
    let again = made(set(&own), &Space { claims: OLD, ..FAST });
    assert_eq!(classes(&again.result), [("data", &json!("own"))]);
    let told = "claim data-cache-0 keeps its storage class old; further ones get own, as stateward.dev/storage-class says: \
                for old leave that out";
    assert_eq!(again.warnings, [told]);
    let template = |class: Value| {
        let mut set = set(&json!({}));
        let requests = json!({"storage": "1Gi"});
        let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": {"requests": requests}});
        set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": spec}]);
        set
    };
    let again = made(template(json!("")), &Space { claims: OLD, ..FAST });
    assert_eq!(classes(&again.result), [("data", &json!(""))]);
    assert_eq!(
        again.warnings,
        ["claim data-cache-0 keeps its storage class old; further ones get \"\", as \
          spec.volumeClaimTemplates[name=\"data\"].spec.storageClassName says: for old leave that out"]
    );
    assert_eq!(made(template(json!("old")), &Space { claims: OLD, ..FAST }).warnings, [""; 0]);
    // A template of the user's own that names none.
    for absent in [Value::Null, json!("old")] {
        let mut set = template(Value::Null);
        if absent.is_string() {
            set["spec"]["volumeClaimTemplates"][0]["spec"]
                .as_object_mut()
                .unwrap()
                .remove("storageClassName");
        }
        assert_eq!(classes(&made(set, &Space { claims: OLD, ..FAST }).result), [("data", &json!("old"))]);
    }
}

#[test]
fn of_several_classes_the_lowest_ordinal_has_the_one_that_counts() {
    let claims =
        &[("data-cache-10", "new"), ("data-cache-2", "old"), ("data-cache-3", "old"), ("wal-cache-0", "x")];
    let again = made(set(&json!({})), &Space { claims, ..FAST });
    assert_eq!(classes(&again.result), [("data", &json!("old"))]);
    assert_eq!(
        again.warnings,
        [
            "claim data-cache-2 is of storage class old and data-cache-10 of new: further ones get old, not fast as \
          Namespace shop says; for another one write stateward.dev/storage-class on the set"
        ]
    );
    let again = made(set(&json!({})), &Space { claims, ..Space::default() });
    assert_eq!(
        again.warnings,
        [
            "claim data-cache-2 is of storage class old and data-cache-10 of new: further ones get old; for another one \
          write stateward.dev/storage-class on the set"
        ]
    );
    // A claim that no template is for is not remembered.
    assert_eq!(
        Record::pin_of(&again.result).unwrap().defaults.claims.into_keys().collect::<Vec<_>>(),
        ["data"]
    );
}

/// `""` is a class: volumes of none, which nobody provisions.
#[test]
fn claims_of_no_class_keep_to_volumes_made_by_hand() {
    let again = made(set(&json!({})), &Space { claims: &[("data-cache-0", "")], ..FAST });
    assert_eq!(classes(&again.result), [("data", &json!(""))]);
    let start = "claim data-cache-0 is of storage class \"\": further ones get \"\" and wait for volumes made by hand";
    assert!(
        again.warnings[0].starts_with(&format!("{start}, not fast as Namespace shop says; ")),
        "{:?}",
        again.warnings
    );
    let again = made(set(&json!({})), &Space { claims: &[("data-cache-0", "")], ..Space::default() });
    assert!(again.warnings[0].starts_with(&format!("{start}; for another one")), "{:?}", again.warnings);
}

#[test]
fn every_template_finds_its_own_claims() {
    let profile = "{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {name: queue}, spec: {summary: x,
        extends: default, match: {images: [queue]}, data: {mountPath: /data, size: 1Gi}, statefulSet: {spec: {
        volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: gold}},
          {metadata: {name: more}, spec: {storageClassName: gold, accessModes: [ReadWriteOnce],
            resources: {requests: {storage: 1Gi}}}}],
        template: {spec: {containers: [{name: $(main), volumeMounts: [{name: more, mountPath: /more}]}]}}}}}}";
    let engine = Engine::new(Catalogue::built_in().unwrap().with([("x", profile)]).unwrap());
    let mut queue = set(&json!({"stateward.dev/volume.wal": "1Gi,path=/wal"}));
    queue["spec"]["template"]["spec"]["containers"] =
        json!([{"name": "queue", "image": "queue:1", "ports": [{"containerPort": 80}]}]);
    let (gold, none) = (json!("gold"), Value::Null);
    let first = made_by(&engine, queue.clone(), &Space::default());
    let mut found = classes(&first.result);
    found.sort_by_key(|(name, _)| *name);
    assert_eq!(found, [("data", &gold), ("more", &gold), ("wal", &none)]);
    let claims = &[("data-cache-0", "a"), ("more-cache-0", "b"), ("wal-cache-0", "c"), ("gone-cache-0", "d")];
    let again = made_by(&engine, queue, &Space { claims, ..Space::default() });
    let mut found = classes(&again.result);
    found.sort_by_key(|(name, _)| *name);
    assert_eq!(found, [("data", &json!("a")), ("more", &json!("b")), ("wal", &json!("c"))]);
    let told = |claim, class: &str| {
        format!(
            "claim {claim} is of storage class {class}: further ones get {class}, not gold as profile queue says; "
        )
    };
    assert_eq!(again.warnings.len(), 2, "{:?}", again.warnings);
    assert!(again.warnings[0].starts_with(&told("data-cache-0", "a")), "{:?}", again.warnings);
    assert!(again.warnings[1].starts_with(&told("more-cache-0", "b")), "{:?}", again.warnings);
    let at = "spec.volumeClaimTemplates[name=\"more\"].spec.storageClassName";
    assert!(again.warnings[1].ends_with(&format!("; for another one write {at}")), "{:?}", again.warnings);
}

#[test]
fn it_is_frozen_like_every_other_value() {
    let engine = Engine::built_in().unwrap();
    let mut before = made(set(&json!({})), &Space { claims: OLD, ..FAST }).result;
    defaults::apply(&mut before);
    let with = |key: &str, value: &str| {
        let mut after = before.clone();
        after["metadata"]["annotations"][key] = json!(value);
        after
    };
    // Whatever the claims and the namespace are by then.
    for (key, value) in
        [("mine", "x"), ("stateward.dev/upgrade-to", "latest"), ("stateward.dev/size", "large")]
    {
        let Decision::Admitted(after) = decide(&engine, Some(&before), with(key, value), &FAST) else {
            panic!("{key}")
        };
        assert_eq!(classes(&after.result), [("data", &json!("old"))], "{key}");
        assert_eq!(Record::pin_of(&after.result).unwrap().defaults.claims["data"], "old", "{key}");
        assert!(!after.warnings.iter().any(|line| line.contains("class")), "{key}: {:?}", after.warnings);
    }
    // The ten lines again.
    let Decision::Admitted(after) = decide(&engine, Some(&before), set(&json!({})), &FAST) else {
        panic!("a replace")
    };
    assert_eq!(after.result["spec"]["volumeClaimTemplates"], before["spec"]["volumeClaimTemplates"]);
    let mut other = with("stateward.dev/storage-class", "fast");
    other["metadata"]["annotations"]["stateward.dev/storage"] = json!("8Gi");
    let Decision::Refused { faults, .. } = decide(&engine, Some(&before), other, &FAST) else {
        panic!("no refusal")
    };
    assert!(
        faults.iter().any(|fault| fault.problem.contains("storageClassName from \"old\" to \"fast\"")),
        "{faults:?}"
    );
    // And who asks is told where it is from.
    let told = engine.explain(&before).unwrap();
    let of = |list: &[crate::expand::Injection]| -> Vec<String> {
        let class = list.iter().filter(|one| one.path.last_field() == Some("storageClassName"));
        class.map(|one| one.source.to_string()).collect()
    };
    assert_eq!(of(&told.now.injections), ["claims that were there before the set"]);
    assert_eq!(of(&told.upgrade), [""; 0]);
}

#[test]
fn a_claim_of_another_size_is_told_of() {
    let told =
        |annotations: &Value, sizes| made(set(annotations), &Space { sizes, ..Space::default() }).warnings;
    let ten = json!({"stateward.dev/storage": "10Gi"});
    let grown = &[("data-cache-0", "10Gi"), ("data-cache-10", "30Gi"), ("data-cache-2", "20Gi")];
    assert_eq!(
        told(&ten, grown),
        [
            "claim data-cache-2 keeps its 20Gi; further ones get 10Gi, as stateward.dev/storage says: write 20Gi as \
          stateward.dev/storage on the set"
        ]
    );
    assert_eq!(
        told(&json!({}), &[("data-cache-0", "512Mi")]),
        [
            "claim data-cache-0 keeps its 512Mi; further ones get 8Gi, as profile redis says: grow the claim itself, or \
          write 512Mi as stateward.dev/storage on the set"
        ]
    );
    // The same size in other words, claims of another name, and no volume at all.
    assert_eq!(told(&ten, &[("data-cache-0", "10240Mi")]), [""; 0]);
    assert_eq!(told(&ten, &[("other-cache-0", "1Gi"), ("data-cache-extra-0", "1Gi")]), [""; 0]);
    assert_eq!(told(&json!({"stateward.dev/storage": "none"}), &[("data-cache-0", "1Gi")]), [""; 0]);
}

#[test]
fn the_remedy_is_where_the_size_is_written() {
    let mut own = set(&json!({"stateward.dev/volume.wal": "2Gi,path=/wal"}));
    let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}});
    own["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": spec}]);
    let sizes = &[("data-cache-0", "6Gi"), ("wal-cache-0", "3Gi")];
    let warnings = made(own, &Space { sizes, ..Space::default() }).warnings;
    let data = r#"spec.volumeClaimTemplates[name="data"].spec.resources.requests.storage"#;
    let of_data = format!(
        "claim data-cache-0 keeps its 6Gi; further ones get 5Gi, as {data} says: write 6Gi as {data}"
    );
    let of_wal = "claim wal-cache-0 keeps its 3Gi; further ones get 2Gi, as stateward.dev/volume.wal says: write 3Gi as \
                  the size in stateward.dev/volume.wal on the set";
    assert_eq!(warnings, [&of_data, of_wal]);
}
