//! Profiles and kept revisions as objects of the API.

use kube::core::DynamicObject;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Profiled;
use super::shelf::{self, Shelved};
use crate::catalogue::cluster::{Content, Given, Kept, Unkept};
use crate::catalogue::profile::ProfileSpec;
use crate::names;

/// The label of a kept revision, with its hash.
pub(crate) const REVISION_LABEL: &str = "stateward.dev/revision";

/// Reads a profile object. What cannot be read of it is told by its verdict.
pub(crate) fn profile(object: &DynamicObject) -> Option<Profiled> {
    let name = object.metadata.name.clone()?;
    Some(Profiled {
        given: Given { name, spec: ProfileSpec::read(&object.data["spec"]) },
        generation: object.metadata.generation,
        status: object.data["status"].clone(),
    })
}

/// Reads a kept revision; `None` where it is none, or one that a later version wrote.
pub(crate) fn kept(object: &DynamicObject) -> Option<Kept> {
    let (profile, _) = shelf::profile_of(&object.metadata)?;
    let revision = object.metadata.labels.as_ref()?.get(REVISION_LABEL)?;
    let number = object.data["revision"].as_i64()?;
    let content = Content::deserialize(&object.data["data"]).ok()?;
    Some(Kept::new(profile.clone(), revision.clone(), number, &content))
}

/// Reads the same with its state.
pub(crate) fn shelved(object: &DynamicObject) -> Option<Shelved> {
    Some(Shelved { kept: kept(object)?, state: shelf::state(object) })
}

/// The name of the object that keeps a revision.
pub(crate) fn kept_name(profile: &str, revision: &str) -> String {
    format!("profile-{profile}-{revision}")
}

/// The object that keeps a revision. It carries no labels but ours: one whose labels match a set's
/// selector would be taken for that set's own history, and deleted with it.
pub(crate) fn revision_object(unkept: &Unkept, number: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {
            "name": kept_name(&unkept.profile, &unkept.revision),
            "labels": {names::PROFILE: unkept.profile, REVISION_LABEL: unkept.revision},
        },
        "revision": number,
        "data": unkept.content,
    })
}

/// A JSON text with the characters escaped that Go's encoder escapes (`HTMLEscape` of `encoding/json`).
///
/// The API server keeps the data of a ControllerRevision byte for byte as it was sent, and lets nobody change it. A
/// patch of a label or annotation has it written anew by Go: with other bytes, that is a change, and refused.
pub(crate) fn as_go_writes(json: &str) -> String {
    // Outside of texts none of them stands in JSON.
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => text.push(other),
        }
    }
    text
}

/// The name of an object.
pub(super) fn name(object: &DynamicObject) -> String {
    object.metadata.name.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalogue::Catalogue;

    #[test]
    fn a_revision_is_read_as_it_is_kept() {
        let spec = "{summary: a queue, extends: default, peers: {all: {each: x, separator: y}}}";
        let given =
            Given { name: "queue".to_owned(), spec: Ok(Arc::new(serde_saphyr::from_str(spec).unwrap())) };
        let joined = Catalogue::built_in().unwrap().join(&[given], &[]);
        let object: DynamicObject = serde_json::from_value(revision_object(&joined.unkept[0], 7)).unwrap();
        let kept = kept(&object).unwrap();
        assert_eq!((kept.profile.as_str(), kept.number), ("queue", 7));
        assert_eq!(object.metadata.name.unwrap(), format!("profile-queue-{}", kept.revision));
        let joined = Catalogue::built_in().unwrap().join(&[], std::slice::from_ref(&kept));
        assert_eq!(joined.catalogue.revision("queue", &kept.revision).unwrap().peers.len(), 1);
    }

    #[test]
    fn what_go_escapes_is_escaped_and_read_back() {
        let value = json!({"a<b": ["x && y > z", "\u{2028}", "é\"\\"]});
        let text = as_go_writes(&value.to_string());
        assert_eq!(text, r#"{"a\u003cb":["x \u0026\u0026 y \u003e z","\u2028","é\"\\"]}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let object = json!({
            "apiVersion": "stateward.dev/v1alpha1", "kind": "StatefulSetProfile", "metadata": {"name": "x"},
            "spec": {"summary": 3, "siez": "small"},
        });
        let profile = profile(&serde_json::from_value(object).unwrap()).unwrap();
        assert_eq!(
            profile.given.spec.unwrap_err(),
            [
                "spec.siez: there is no field \"siez\"; did you mean size?",
                "spec.summary: is 3; write a text, in quotes where it looks like a number",
            ]
        );
    }
}
