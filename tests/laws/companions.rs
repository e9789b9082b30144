//! Law 7: what should stand beside a set depends on the set, its settings and the configuration alone,
//! and is legal, whatever the set's name and annotations.

use proptest::prelude::*;
use serde_json::{Value, json};
use stateward::companions::neighbours::{nothing, settle};
use stateward::companions::{self, Companions, Labels, Role};
use stateward::configuration::Configuration;
use stateward::engine::Decision;

use crate::cases;
use crate::engines::engine;
use crate::manifests::manifest;
use crate::server::admit;

const CONFIGURATION: &str = "
serviceClasses: {internal: {type: LoadBalancer, annotations: {example.com/scheme: internal}}}
hosts: [{host: '*.example.com', clusterIssuers: [letsencrypt]}]
gateways: [{gateway: infra/public}]
";
/// Marks by which tools take objects to be theirs: labels and annotations.
const MARKS: [&str; 5] = [
    "app.kubernetes.io/instance",
    "argocd.argoproj.io",
    "kustomize.toolkit.fluxcd.io",
    "helm.toolkit.fluxcd.io",
    "meta.helm.sh",
];

/// Annotations that companions come from.
fn asking() -> impl Strategy<Value = Value> {
    let service = prop::option::of(prop::sample::select(vec!["internal", "none", "ClusterIP", "unknown"]));
    let budget =
        prop::option::of(prop::sample::select(vec!["none", "max-unavailable=50%", "min-available=1"]));
    let host = prop::option::of(prop::sample::select(vec!["db.example.com", "db.example.org"]));
    let gateway = prop::option::of(prop::sample::select(vec!["infra/public", "infra/other", "own"]));
    let secret = prop::option::of(Just("PASSWORD"));
    (service, budget, host, gateway, secret).prop_map(|(service, budget, host, gateway, secret)| {
        let all = [
            ("service", service),
            ("disruption-budget", budget),
            ("ingress-host", host),
            ("gateway", gateway),
            ("generate-secret", secret),
        ];
        let written = all
            .into_iter()
            .filter_map(|(key, value)| Some((format!("stateward.dev/{key}"), Value::from(value?))));
        Value::Object(written.collect())
    })
}

/// A name that a set may have: one whose pods can start, and that a Service can have.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]([a-z0-9-]{0,50}[a-z0-9])?", Just("a".repeat(52))]
}

/// A set as it is stored, expanded; `None` where it is refused.
fn stored(manifest: &Value, name: &str, asking: &Value, replicas: u64) -> Option<Value> {
    let mut object = manifest.clone();
    object["metadata"]["name"] = json!(name);
    object["spec"]["replicas"] = json!(replicas);
    for (key, value) in asking.as_object().into_iter().flatten() {
        object["metadata"]["annotations"][key] = value.clone();
    }
    stateward::defaults::apply(&mut object);
    let Ok(Decision::Admitted(admitted)) = admit(&engine(0), None, &object) else { return None };
    let mut set = admitted.result;
    set["metadata"]["uid"] = json!("0a0a");
    Some(set)
}

fn desired(set: &Value) -> Companions {
    let configuration = Configuration::parse(CONFIGURATION).expect("a configuration");
    let catalogue = &engine(0).catalogue;
    companions::of_stored(set, catalogue, &configuration, &Labels::new()).expect("a pinned set")
}

/// A name of a Service: RFC 1035, which all other kinds take as well.
fn is_legal(name: &str) -> bool {
    let word = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let ends = name.starts_with(|first: char| first.is_ascii_lowercase()) && !name.ends_with('-');
    word && ends && name.len() <= 63
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn companions_depend_on_the_set_alone_and_are_legal(
        manifest in manifest(), name in name(), asking in asking(), replicas in 0_u64..5,
    ) {
        let Some(set) = stored(&manifest, &name, &asking, replicas) else { return Ok(()) };
        let wanted = desired(&set);
        prop_assert_eq!(&wanted, &desired(&set));
        for companion in &wanted.wanted {
            let metadata = &companion.manifest["metadata"];
            prop_assert!(is_legal(companion.name()), "{}", companion.name());
            prop_assert_eq!(&companion.manifest["kind"], companion.kind.as_str());
            prop_assert_eq!(&metadata["namespace"], &set["metadata"]["namespace"]);
            let text = metadata.to_string();
            prop_assert!(MARKS.iter().all(|mark| !text.contains(mark)), "{text}");
            let owned = metadata["ownerReferences"][0]["uid"] == set["metadata"]["uid"];
            prop_assert_eq!(owned, companion.role != Role::Secret, "the Secret stays when the set goes");
        }
        let replicas_of_budget = wanted.wanted.iter().any(|one| one.role == Role::Budget);
        prop_assert!(!replicas_of_budget || replicas > 1);
    }

    #[test]
    fn ours_do_not_stand_in_their_own_way(
        manifest in manifest(), name in name(), asking in asking(), replicas in 0_u64..5,
    ) {
        let Some(set) = stored(&manifest, &name, &asking, replicas) else { return Ok(()) };
        let wanted = desired(&set);
        let mut neighbours = nothing();
        for companion in &wanted.wanted {
            neighbours.entry(companion.kind).or_default().push(companion.manifest.clone());
        }
        prop_assert_eq!(settle(wanted.clone(), &set, &neighbours), wanted);
    }
}
