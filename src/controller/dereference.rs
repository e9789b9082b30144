//! What a StatefulSet is to the controller: the first step of a reconcile. Pure.

use serde_json::Value;

use crate::catalogue::Catalogue;
use crate::companions::Labels;
use crate::intent::{self, Intent};
use crate::names;
use crate::record::{Read, Record};
use crate::settings::{Settings, text};

/// What is to be done about one set.
#[derive(Debug)]
pub(super) enum Case {
    /// Nothing: it is going, or nothing about it is ours, or our webhook has yet to see it.
    Nothing,
    /// It is not managed: what we keep beside it is given back.
    Unmanaged,
    /// Companions are kept beside it.
    Managed(Box<Settings>),
    /// It is managed, and nobody knows how: what is wrong, and what to do. Companions stay as they are.
    Unclear {
        /// What is wrong.
        what: String,
        /// What to do about it.
        remedy: String,
    },
}

/// Judges `set`. `namespace` are the labels of its namespace.
pub(super) fn dereference(set: &Value, namespace: &Labels, catalogue: &Catalogue) -> Case {
    let metadata = &set["metadata"];
    if !metadata["deletionTimestamp"].is_null() {
        return Case::Nothing;
    }
    match is_managed(set, namespace) {
        Some(true) => {}
        Some(false) => return Case::Unmanaged,
        None => return Case::Nothing,
    }
    let Some(pin) = Record::pin_of(set) else {
        return never_expanded(set);
    };
    let (intent, faults) = Intent::parse(metadata.get("labels"), metadata.get("annotations"));
    if let Some(fault) = faults.first() {
        let what = format!("{}: {}", fault.field, fault.problem);
        return Case::Unclear { what, remedy: fault.remedy.clone() };
    }
    match Settings::pinned(set, &intent, &pin, catalogue) {
        Some(settings) => Case::Managed(Box::new(settings)),
        None => Case::Unclear {
            what: format!("nobody knows {pin}, which it is pinned to"),
            remedy: format!("set {} to latest, or give the controller that profile", names::PROFILE_REVISION),
        },
    }
}

/// The webhook was away when the set was labelled. Sets that were there before their namespace was
/// labelled are expanded when something of them changes, and nothing is wrong with that.
fn never_expanded(set: &Value) -> Case {
    if matches!(Record::of(set), Read::Newer) {
        return Case::Unclear {
            what: "a newer stateward has expanded it".to_owned(),
            remedy: "let the controller be of the same version as the webhook".to_owned(),
        };
    }
    if !set["metadata"]["annotations"][names::RECORD].is_null() {
        return Case::Unclear {
            what: format!("its annotation {} cannot be read", names::RECORD),
            remedy: "apply the set again: the webhook writes it anew".to_owned(),
        };
    }
    if set["metadata"]["labels"][names::MANAGED].is_null() {
        return Case::Nothing;
    }
    let name = text(&set["metadata"]["name"]);
    let remedy = format!(
        "apply it again when the webhook is back, or: kubectl annotate statefulset {name} \
         expanded-at=\"$(date)\""
    );
    Case::Unclear {
        what: "it was labelled while the webhook was away, and never expanded".to_owned(),
        remedy,
    }
}

/// Whether the set is managed, by its own label or its namespace's; `None` where its label is neither
/// `"true"` nor `"false"`.
pub(super) fn is_managed(set: &Value, namespace: &Labels) -> Option<bool> {
    intent::is_managed(set, || namespace.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::Pin;

    fn set(label: Option<&str>) -> Value {
        let catalogue = Catalogue::built_in().unwrap();
        let profile = catalogue.latest("default").unwrap();
        let pin = Pin { profile: profile.name.clone(), revision: profile.revision.clone(), ..Pin::default() };
        json!({
            "metadata": {
                "name": "db", "labels": label.map(|label| json!({names::MANAGED: label})),
                "annotations": {names::RECORD: Record::new("db", pin).to_text()},
            },
        })
    }

    fn case(set: &Value, namespace: &Labels) -> &'static str {
        match dereference(set, namespace, &Catalogue::built_in().unwrap()) {
            Case::Nothing => "nothing",
            Case::Unmanaged => "unmanaged",
            Case::Managed(_) => "managed",
            Case::Unclear { .. } => "unclear",
        }
    }

    #[test]
    fn the_own_label_wins_over_the_namespace() {
        let (plain, labelled) = (Labels::new(), Labels::from([(names::MANAGED.into(), "true".into())]));
        for (label, of_plain, of_labelled) in [
            (Some("true"), "managed", "managed"),
            (Some("false"), "unmanaged", "unmanaged"),
            (None, "unmanaged", "managed"),
            (Some("yes"), "nothing", "nothing"),
        ] {
            assert_eq!(case(&set(label), &plain), of_plain, "{label:?}");
            assert_eq!(case(&set(label), &labelled), of_labelled, "{label:?}");
        }
    }

    #[test]
    fn what_goes_and_what_was_never_expanded_is_left_alone() {
        let mut going = set(Some("true"));
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(case(&going, &Labels::new()), "nothing");
        let mut bare = set(Some("true"));
        bare["metadata"]["annotations"].take();
        assert_eq!(case(&bare, &Labels::new()), "unclear", "it says itself that it is managed");
        bare["metadata"]["annotations"] = json!({names::RECORD: "{"});
        assert_eq!(case(&bare, &Labels::new()), "unclear", "somebody damaged the record");
        let mut bare = set(None);
        bare["metadata"]["annotations"].take();
        let labelled = Labels::from([(names::MANAGED.into(), "true".into())]);
        assert_eq!(case(&bare, &labelled), "nothing", "it was there before its namespace was labelled");
    }

    #[test]
    fn what_nobody_understands_is_told() {
        let mut unknown = set(Some("true"));
        unknown["metadata"]["annotations"][names::RECORD] =
            json!(Record::new("db", Pin::parse("lost@00000000").unwrap()).to_text());
        assert_eq!(case(&unknown, &Labels::new()), "unclear");
        let mut wrong = set(Some("true"));
        wrong["metadata"]["annotations"]["stateward.dev/storage"] = json!("much");
        assert_eq!(case(&wrong, &Labels::new()), "unclear");
    }
}
