//! Keys and values of labels and annotations.

use serde_json::Value;

use super::names::dns_label;
use super::place::Place;
use super::pod::Parts;
use crate::fault::{Fault, Reason};

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    let template = parts.root.descend(&["spec", "template"]);
    let owners = [Some(&parts.root), template.as_ref()].into_iter().flatten().chain(&parts.claims);
    for metadata in owners.filter_map(|owner| owner.field("metadata")) {
        for (field, is_label) in [("labels", true), ("annotations", false)] {
            for (key, entry) in metadata.field(field).iter().flat_map(Place::fields) {
                check_entry(key, &entry, is_label, faults);
            }
        }
    }
}

fn check_entry(key: &str, entry: &Place, is_label: bool, faults: &mut Vec<Fault>) {
    if !is_key(key) {
        faults.push(entry.fault(
            Reason::Invalid,
            format!("{key:?} is not a key"),
            "use at most 63 letters, digits, dots, hyphens and underscores, a letter or digit first and last; \
             before a slash, a DNS name may stand",
        ));
    }
    match entry.value {
        Value::String(value) if is_label && !is_label_value(value) => faults.push(entry.fault(
            Reason::Invalid,
            format!("{value:?} is not a label's value"),
            "use at most 63 letters, digits, dots, hyphens and underscores, a letter or digit first and last, \
             or make it an annotation",
        )),
        Value::Number(_) | Value::Bool(_) => faults.push(entry.fault(
            Reason::Invalid,
            format!("{} is not text", entry.value),
            format!("put it in quotes: \"{}\"", entry.value),
        )),
        _ => {}
    }
}

/// Whether `key` can be the key of a label or an annotation.
pub(crate) fn is_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(p, n)| (Some(p), n));
    let is_prefix = |prefix: &str| prefix.len() <= 253 && prefix.split('.').all(dns_label);
    !name.is_empty() && is_label_value(name) && prefix.is_none_or(is_prefix)
}

/// Whether `value` can be that of a label.
pub(crate) fn is_label_value(value: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    value.len() <= 63
        && value.chars().all(|c| edge(c) || matches!(c, '-' | '_' | '.'))
        && (value.is_empty() || (value.starts_with(edge) && value.ends_with(edge)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(object: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        check(&Parts::of(object), &mut faults);
        faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn ordinary_ones_pass() {
        let object = json!({"metadata": {
            "labels": {"app": "", "app.kubernetes.io/name": "Orders_1.0", "a": null},
            "annotations": {"stateward.dev/ports": "a=1, b=2"},
        }});
        assert_eq!(faults(&object), [""; 0]);
    }

    #[test]
    fn values_are_text() {
        let object = json!({"metadata": {"labels": {"stateward.dev/managed": true}}});
        assert_eq!(
            faults(&object),
            ["metadata.labels[\"stateward.dev/managed\"]: true is not text; put it in quotes: \"true\""]
        );
    }

    #[test]
    fn keys_and_values_are_checked_wherever_they_stand() {
        let object = json!({"spec": {
            "template": {"metadata": {"labels": {"tier": "web server"}}},
            "volumeClaimTemplates": [{"metadata": {"name": "data", "annotations": {"a b": "x"}}}],
        }});
        assert_eq!(
            faults(&object),
            [
                "spec.template.metadata.labels.tier: \"web server\" is not a label's value; use at most 63 \
                 letters, digits, dots, hyphens and underscores, a letter or digit first and last, or make \
                 it an annotation",
                "spec.volumeClaimTemplates[name=\"data\"].metadata.annotations[\"a b\"]: \"a b\" is not a \
                 key; use at most 63 letters, digits, dots, hyphens and underscores, a letter or digit \
                 first and last; before a slash, a DNS name may stand",
            ]
        );
        for key in ["", "/a", "a/", "a/b/c", "A.example.com/x", "-a"] {
            assert!(!is_key(key), "{key}");
        }
    }
}
