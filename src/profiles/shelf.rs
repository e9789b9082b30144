//! What stands on a kept revision besides what it holds: whether anything uses it.
//!
//! One that nothing uses is marked with the time. After a while it is withdrawn: without the label by
//! which webhooks find it, none of them pins a set to it any more, but it is still there. A while
//! after that it is deleted. What uses it in between takes it back, whoever is at work then.

use k8s_openapi::jiff::Timestamp;
use kube::core::{DynamicObject, ObjectMeta};
use serde_json::{Value, json};

use super::object::REVISION_LABEL;
use crate::catalogue::cluster::Kept;
use crate::names;

/// Annotation: since when no set and no profile uses the revision, by RFC 3339.
const UNUSED_SINCE: &str = "stateward.dev/unused-since";
/// Label of a revision that is withdrawn, in place of the one with the profile's name.
const WITHDRAWN: &str = "stateward.dev/withdrawn-profile";
/// Annotation: since when.
const WITHDRAWN_SINCE: &str = "stateward.dev/withdrawn-since";
/// Annotation: the uid of the object that these times were noted on. A copy from a backup has another
/// one, and sets that use it may be on their way.
const NOTED: &str = "stateward.dev/noted-uid";

/// The label of all kept revisions, withdrawn or not.
pub(crate) const ALL: &str = REVISION_LABEL;

/// A kept revision and its state.
#[derive(Debug, Clone)]
pub(crate) struct Shelved {
    /// What is kept.
    pub(crate) kept: Kept,
    /// Its state.
    pub(crate) state: State,
}

/// Whether a kept revision is used, as far as its object tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The object's uid.
    pub(crate) uid: String,
    /// Its resourceVersion.
    pub(crate) version: String,
    /// Since when nothing uses it.
    pub(crate) unused: Since,
    /// Since when it is withdrawn.
    pub(crate) withdrawn: Since,
}

/// Since when something is so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Since {
    /// It is not so.
    #[default]
    Never,
    /// It is, and no time of this object's can be read.
    Unknown,
    /// Since this time.
    Time(Timestamp),
}

impl Since {
    fn read(text: Option<&String>) -> Self {
        text.map_or(Self::Never, |text| text.parse().map_or(Self::Unknown, Self::Time))
    }

    /// Whether it is so.
    pub(crate) fn is_so(self) -> bool {
        self != Self::Never
    }
}

/// The name of the profile that a kept revision is of, and whether it is withdrawn.
pub(super) fn profile_of(metadata: &ObjectMeta) -> Option<(&String, bool)> {
    let labels = metadata.labels.as_ref()?;
    let found = labels.get(names::PROFILE).map(|name| (name, false));
    found.or_else(|| labels.get(WITHDRAWN).map(|name| (name, true)))
}

/// The state of a kept revision.
pub(super) fn state(object: &DynamicObject) -> State {
    let metadata = &object.metadata;
    let annotation = |name: &str| metadata.annotations.as_ref().and_then(|all| all.get(name));
    let noted = annotation(NOTED) == metadata.uid.as_ref();
    let since = |name: &str| match Since::read(annotation(name)) {
        Since::Time(_) if !noted => Since::Unknown,
        since => since,
    };
    let withdrawn = match (profile_of(metadata), since(WITHDRAWN_SINCE)) {
        (Some((_, true)), Since::Never) => Since::Unknown,
        (Some((_, true)), since) => since,
        _ => Since::Never,
    };
    State {
        uid: metadata.uid.clone().unwrap_or_default(),
        version: metadata.resource_version.clone().unwrap_or_default(),
        unused: since(UNUSED_SINCE),
        withdrawn,
    }
}

/// What is written on a kept revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    /// Nothing uses it from now on.
    Unused,
    /// Something does; it is found again.
    Used,
    /// Webhooks are to find it no more.
    Withdrawn,
}

impl Note {
    /// The merge patch that writes it, on the object as it was seen and no other.
    pub(crate) fn patch(self, shelved: &Shelved, now: Timestamp) -> Value {
        // To the second, as all times of the API.
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
        let State { uid, version, .. } = &shelved.state;
        let profile = &shelved.kept.profile;
        let (labels, annotations) = match self {
            Self::Unused => (json!({}), json!({UNUSED_SINCE: now, NOTED: uid})),
            Self::Used => (
                json!({names::PROFILE: profile, WITHDRAWN: null}),
                json!({UNUSED_SINCE: null, WITHDRAWN_SINCE: null, NOTED: null}),
            ),
            Self::Withdrawn => {
                (json!({names::PROFILE: null, WITHDRAWN: profile}), json!({WITHDRAWN_SINCE: now, NOTED: uid}))
            }
        };
        json!({"metadata": {
            "uid": uid, "resourceVersion": version, "labels": labels, "annotations": annotations,
        }})
    }
}
