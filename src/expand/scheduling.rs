//! Spreading over hosts and zones, and whatever placement a profile asks for.
//!
//! Soft, as a constraint and as a preferred anti-affinity, since kube-linter and kube-score know
//! only the one and Polaris only the other. It counts pods by the label of ours that is on each of
//! them: a selector of the user's may select other workloads too.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Draft, Family, Source, identity};
use crate::path::{ItemKey, Path, Scalar};

const SOFT: &str = "ScheduleAnyway";

pub(super) fn expand(draft: &mut Draft) {
    let profile = &draft.settings.profile;
    let source = profile.layer_of("spread");
    let selector = identity::selector(&draft.settings.name);
    let pod = Path::fields(&["spec", "template", "spec"]);
    for key in &profile.spread {
        constraint(draft, &pod.field("topologySpreadConstraints"), key, &selector, &source);
    }
    if let Some(host) = profile.spread.first() {
        anti_affinity(draft, &pod, host, &selector, &source);
    }
    for offer in draft.offers(Family::Scheduling) {
        draft.take(offer);
    }
}

/// Client-side apply merges constraints by `topologyKey` alone, so one of the user's for that key
/// and one of ours would run into each other.
fn constraint(draft: &mut Draft, list: &Path, key: &str, selector: &Value, source: &Source) {
    let item = list.item(ItemKey(Arc::new([
        ("topologyKey".into(), Scalar::Text(key.to_owned().into())),
        ("whenUnsatisfiable".into(), Scalar::Text(SOFT.into())),
    ])));
    let users = draft.pod()["topologySpreadConstraints"].as_array();
    if users.into_iter().flatten().any(|constraint| constraint["topologyKey"] == key) {
        draft.withhold(item, format!("you spread over {key} yourself"));
        return;
    }
    let value = json!({
        "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": SOFT, "labelSelector": selector,
    });
    draft.offer(&item, &value, source, false);
}

fn anti_affinity(draft: &mut Draft, pod: &Path, key: &str, selector: &Value, source: &Source) {
    let path = pod.field("affinity").field("podAntiAffinity");
    if path.lookup(draft.user).is_some_and(|users| users.as_object().is_none_or(|map| !map.is_empty())) {
        draft.withhold(path, "you wrote an anti-affinity");
        return;
    }
    let value = json!({"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "podAffinityTerm": {"labelSelector": selector, "topologyKey": key}},
    ]});
    draft.offer(&path, &value, source, false);
}
