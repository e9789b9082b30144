//! From the labels and annotations of one object to an [`Intent`], or all that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::fault::{Fault, Reason};
use crate::intent::complaint::Complaint;
use crate::intent::{Ingress, Intent, Key, On, PortRef, contradiction, keys, unknown};
use crate::names::{MANAGED, PREFIX};

/// An intent in the making.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) intent: Intent,
    pub(crate) ingress: IngressDraft,
    present: BTreeSet<&'static str>,
}

/// An Ingress whose host may still be missing.
#[derive(Debug, Default)]
pub(crate) struct IngressDraft {
    pub(crate) host: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) port: Option<PortRef>,
    pub(crate) tls_secret: Option<String>,
    pub(crate) cluster_issuer: Option<String>,
}

/// One label or annotation of ours.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// What stands behind the point of `volume.<name>`.
    pub(crate) rest: &'a str,
    /// The value, without blanks at its ends.
    pub(crate) text: &'a str,
}

impl Intent {
    /// Reads `metadata.labels` and `metadata.annotations` as they were sent.
    ///
    /// The faults are all there are, those of `managed` (see [`managed`]) included; with any, the
    /// intent lacks what they are about and nothing should be made of it. Keys of other people are
    /// not looked at.
    #[must_use]
    pub fn parse(labels: Option<&Value>, annotations: Option<&Value>) -> (Self, Vec<Fault>) {
        let (mut draft, mut faults) = (Draft::default(), Vec::new());
        for (on, map) in [(On::Label, labels), (On::Annotation, annotations)] {
            match map {
                Some(Value::Object(map)) => {
                    for (full, value) in map {
                        if let Some(name) = full.strip_prefix(PREFIX) {
                            faults.extend(draft.read(on, full, name, value));
                        }
                    }
                }
                None | Some(Value::Null) => {}
                Some(other) => faults.push(Fault::new(
                    Reason::Invalid,
                    on.field(),
                    format!("it is {}, not a map", kind(other)),
                    "write keys and values",
                )),
            }
        }
        faults.extend(contradiction::all(&draft));
        (draft.finish(), faults)
    }
}

impl Draft {
    /// Whether the key is there, whatever its value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.present.contains(key)
    }

    fn read(&mut self, on: On, full: &str, name: &str, value: &Value) -> Vec<Fault> {
        if unknown::is_ours(full, on) {
            return Vec::new();
        }
        let Some((key, rest)) = Key::find(name) else {
            return vec![unknown::unknown(name, on)];
        };
        if key.on != on {
            return vec![unknown::misplaced(full, key)];
        }
        self.present.insert(key.name);
        let read = text(value).map_err(Vec::from).and_then(|text| (key.read)(self, &Entry { rest, text }));
        let complaints = read.err().unwrap_or_default();
        complaints.into_iter().map(|c| c.at(full, key)).collect()
    }

    fn finish(self) -> Intent {
        let IngressDraft { host, class, path, port, tls_secret, cluster_issuer } = self.ingress;
        let ingress = host.map(|host| Ingress { host, class, path, port, tls_secret, cluster_issuer });
        Intent { ingress, ..self.intent }
    }
}

/// What the label `managed` of a StatefulSet or a Namespace says; `None` if it is not there.
///
/// # Errors
/// If it is anything but `"true"` or `"false"`. [`Intent::parse`] reports the same fault.
pub fn managed(labels: Option<&Value>) -> Result<Option<bool>, Fault> {
    let Some(value) = labels.and_then(|labels| labels.get(MANAGED)) else {
        return Ok(None);
    };
    let complaint = match text(value) {
        Ok(text) => match keys::managed(text) {
            Ok(managed) => return Ok(Some(managed)),
            Err(complaint) => complaint,
        },
        Err(complaint) => complaint,
    };
    Err(complaint.at(MANAGED, &keys::MANAGED))
}

/// Whether `set` is managed: by its own label, else by one of its namespace, whose labels are asked
/// for only then.
///
/// # Errors
/// A value of its own label that means nothing.
pub fn is_managed(set: &Value, namespace: impl FnOnce() -> BTreeMap<String, String>) -> Result<bool, Fault> {
    let own = managed(set["metadata"].get("labels"))?;
    Ok(own.unwrap_or_else(|| namespace().get(MANAGED).is_some_and(|value| value == "true")))
}

/// The text of a value, or why it is none.
fn text(value: &Value) -> Result<&str, Complaint> {
    let (problem, remedy) = match value {
        Value::String(text) if text.trim().is_empty() => return Err(Complaint::invalid("it is empty")),
        Value::String(text) => return Ok(text.trim()),
        Value::Bool(_) | Value::Number(_) => (
            format!("it is {} ({value}), not text", kind(value)),
            format!("put it in quotation marks: \"{value}\""),
        ),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            (format!("it is {}, not text", kind(value)), "write a text, or take the key away".to_owned())
        }
    };
    Err(Complaint::invalid(problem).remedy(remedy))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::intent::{KEYS, RevisionWish, Storage};

    fn said(labels: &Value, annotations: &Value) -> Vec<String> {
        let (_, faults) = Intent::parse(Some(labels), Some(annotations));
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_user_types() {
        let (intent, faults) = Intent::parse(
            Some(&json!({"stateward.dev/managed": "true", "stateward.dev/profile": "postgresql", "app": 1})),
            Some(&json!({
                "stateward.dev/storage": " 20Gi ",
                "stateward.dev/profile-revision": "latest",
                "stateward.dev/ingress-host": "db.example.com",
                "stateward.dev/ingress-port": "8080",
                "stateward.dev/expansion": "{}",
                "other.dev/storage": "?",
            })),
        );
        assert_eq!(faults, []);
        let expected = Intent {
            profile: Some("postgresql".to_owned()),
            storage: Some(Storage::Size("20Gi".to_owned())),
            profile_revision: Some(RevisionWish::Latest),
            ingress: Some(Ingress {
                host: "db.example.com".to_owned(),
                class: None,
                path: None,
                port: Some(PortRef::Number(8080)),
                tls_secret: None,
                cluster_issuer: None,
            }),
            ..Intent::default()
        };
        assert_eq!(intent, expected);
        assert_eq!(Intent::parse(None, Some(&Value::Null)), (Intent::default(), vec![]));
    }

    #[test]
    fn all_faults_at_once() {
        assert_eq!(
            said(
                &json!({"stateward.dev/managed": "yes", "stateward.dev/storage": "1Gi"}),
                &json!({
                    "stateward.dev/profile": "a",
                    "stateward.dev/storage": 20,
                    "stateward.dev/size": null,
                    "stateward.dev/service": " ",
                    "stateward.dev/ports": {"a": 1},
                    "stateward.dev/storge": "1Gi",
                    "stateward.dev/statefulset": "x",
                }),
            ),
            [
                "stateward.dev/managed: \"yes\" is neither \"true\" nor \"false\"; write \"true\" to opt in or \
                 \"false\" to opt out, in quotation marks",
                "stateward.dev/storage: it is an annotation, not a label; move it to metadata.annotations",
                "stateward.dev/ports: it is a map, not text; write a text, or take the key away",
                "stateward.dev/profile: it is a label, not an annotation; move it to metadata.labels",
                "stateward.dev/service: it is empty; write the name of a service class, or `none`, for example `internal`",
                "stateward.dev/size: it is null, not text; write a text, or take the key away",
                "stateward.dev/statefulset: there is no annotation \"statefulset\" of stateward; take it away; \
                 docs/annotations.md lists all keys",
                "stateward.dev/storage: it is a number (20), not text; put it in quotation marks: \"20\"",
                "stateward.dev/storge: there is no annotation \"storge\" of stateward; did you mean \
                 `stateward.dev/storage`?",
            ]
        );
        assert_eq!(
            said(&json!("a"), &json!([])),
            [
                "metadata.labels: it is text, not a map; write keys and values",
                "metadata.annotations: it is a list, not a map; write keys and values"
            ]
        );
    }

    #[test]
    fn managed_is_true_or_false() {
        let managed = |value: Value| managed(Some(&json!({MANAGED: value})));
        assert_eq!(super::managed(None), Ok(None));
        assert_eq!(super::managed(Some(&json!({}))), Ok(None));
        assert_eq!(managed(json!("true")), Ok(Some(true)));
        assert_eq!(managed(json!("false")), Ok(Some(false)));
        for bad in [json!(true), json!("True"), json!(""), json!(null)] {
            let fault = managed(bad.clone()).unwrap_err();
            assert!(!fault.problem.is_empty() && !fault.remedy.is_empty(), "{bad}");
            let (_, faults) = Intent::parse(Some(&json!({MANAGED: bad})), None);
            assert_eq!(faults, [fault]);
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(index in 0..KEYS.len(), text in "[ -~ä]{0,30}") {
            let name = KEYS[index].full().replace("<name>", "a");
            let _ = Intent::parse(Some(&json!({&name: &text})), Some(&json!({&name: &text})));
        }

        #[test]
        fn no_key_panics(name in ".{0,20}") {
            let key = format!("{PREFIX}{name}");
            let _ = Intent::parse(None, Some(&json!({&key: "1"})));
        }
    }
}
