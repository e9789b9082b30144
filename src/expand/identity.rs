//! Selector, labels and `serviceName`.
//!
//! The selector is one label of ours alone: a Deployment or a chart may carry the recommended
//! labels too, and a selector can never be mended. `app.kubernetes.io/instance` is on nothing that
//! we write: tools that track by that label prune what carries it, claims included.

use serde_json::{Value, json};

use super::{Draft, Family, Source};
use crate::names;
use crate::path::Path;

/// The recommended label that is safe to carry.
const NAME_LABEL: &str = "app.kubernetes.io/name";

pub(super) fn expand(draft: &mut Draft) {
    let name = draft.settings.name.clone();
    let source = Source::Builtin;
    let spec = Path::fields(&["spec"]);
    draft.offer_leaf(spec.field("selector"), selector(&name), &source, false);
    let pod_labels = Path::fields(&["spec", "template", "metadata", "labels"]);
    draft.offer_leaf(pod_labels.field(names::STATEFULSET), Value::from(name.as_str()), &source, false);
    draft.offer_leaf(pod_labels.field(NAME_LABEL), Value::from(name.as_str()), &source, false);
    let labels = Path::fields(&["metadata", "labels"]);
    draft.offer_leaf(labels.field(NAME_LABEL), Value::from(name.as_str()), &source, false);
    draft.offer_leaf(spec.field("serviceName"), Value::from(headless_service(&name)), &source, false);
    // Labels and annotations of a profile's, which what is ours above is not to be changed by.
    let template = Path::fields(&["spec", "template", "metadata"]);
    for offer in draft.offers(Family::Identity) {
        if offer.path.starts_with(&template) {
            draft.take(offer);
        }
    }
}

/// The selector that we give to a set of this name.
#[must_use]
pub(super) fn selector(name: &str) -> Value {
    json!({"matchLabels": {names::STATEFULSET: name}})
}

/// The name of the headless Service of a set: at most 61 characters for a legal set name.
fn headless_service(name: &str) -> String {
    format!("{name}-headless")
}
