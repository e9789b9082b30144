//! The size that a profile gives to the data of its sets, and another one that it gives later.

use serde_json::{Value, json};

use super::{Change, Decision, Engine, Offline};
use crate::catalogue::Catalogue;
use crate::defaults;

/// An engine that knows two revisions of a profile, the older one first.
fn engine() -> (Engine, String) {
    let file = |size: &str| {
        format!(
            "{{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {{name: queue}}, spec: {{summary: x,
              extends: default, match: {{images: [queue]}}, data: {{mountPath: /data, size: {size}}}}}}}"
        )
    };
    let built_in = Catalogue::built_in().unwrap();
    let older = built_in.with([("x", file("1Gi").as_str())]).unwrap();
    let newer = older.clone().with([("x", file("5Gi").as_str())]).unwrap();
    let id = older.latest("queue").unwrap().id();
    (Engine::new(newer), id)
}

fn decide(engine: &Engine, before: Option<&Value>, keys: &[(&str, &str)]) -> Decision {
    let mut after = before.cloned().unwrap_or_else(|| {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "q", "labels": {"stateward.dev/managed": "true"}, "annotations": {}},
            "spec": {"template": {"spec": {"containers": [
                {"name": "queue", "image": "queue:1", "ports": [{"containerPort": 80}]}]}}},
        })
    });
    for (key, value) in keys {
        after["metadata"]["annotations"][format!("stateward.dev/{key}")] = json!(value);
    }
    defaults::apply(&mut after);
    engine.admit(Change { namespace: "shop", before, after: &after }, &Offline).unwrap()
}

/// What is stored, and what is said.
fn stored(engine: &Engine, before: Option<&Value>, keys: &[(&str, &str)]) -> (Value, Vec<String>) {
    match decide(engine, before, keys) {
        Decision::Admitted(admitted) => (admitted.result, admitted.warnings),
        other => panic!("{other:?}"),
    }
}

fn size(set: &Value) -> &Value {
    &set["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
}

#[test]
fn a_claim_that_is_there_keeps_its_size() {
    let (engine, old) = engine();
    let (before, _) = stored(&engine, None, &[("upgrade-to", &old)]);
    assert_eq!(size(&before), "1Gi");
    let (after, warnings) = stored(&engine, Some(&before), &[("upgrade-to", "latest")]);
    assert_eq!(size(&after), "1Gi");
    let kept = "the data stays where it is: volumeClaimTemplates[data].spec.resources.requests.storage did not change";
    assert!(warnings.iter().any(|warning| warning == kept), "{warnings:?}");
    let (back, _) = stored(&engine, Some(&after), &[("upgrade-to", &old)]);
    assert_eq!(size(&back), "1Gi");
}

#[test]
fn another_one_that_somebody_asks_for_is_refused_with_the_steps() {
    let (engine, old) = engine();
    let (before, _) = stored(&engine, None, &[("upgrade-to", &old)]);
    let (moved, _) = stored(&engine, Some(&before), &[("upgrade-to", "latest")]);
    for (before, keys) in [
        (&before, [("upgrade-to", "latest"), ("storage", "5Gi")].as_slice()),
        (&moved, &[("storage", "5Gi")]),
        (&moved, &[("storage", "7Gi")]),
    ] {
        let Decision::Refused { faults, .. } = decide(&engine, Some(before), keys) else {
            panic!("{keys:?}")
        };
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(
            told.iter().any(|told| told.contains(" from \"1Gi\" to ") && told.contains("to grow: 1.")),
            "{told:?}"
        );
    }
    let (same, _) = stored(&engine, Some(&moved), &[("storage", "1Gi")]);
    assert_eq!(size(&same), "1Gi");
}
