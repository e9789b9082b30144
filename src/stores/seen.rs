//! What is read of an object that a watch brings; the rest of it is not even parsed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// An object of any kind: who it is, its labels and annotations, and of a claim which storage it has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
}

/// The part of its metadata that is read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
    /// Whether it is being deleted.
    pub(super) deletion_timestamp: Option<IgnoredAny>,
}

/// The part of a claim's spec that is read; other kinds have none of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) storage_class_name: Option<String>,
    pub(super) resources: Resources,
    /// Whether it is bound to a volume.
    pub(super) volume_name: Option<IgnoredAny>,
}

/// What a claim asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    pub(super) requests: Requests,
}

/// Of it, the size: a text, as the API server writes quantities.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Requests {
    pub(super) storage: Option<String>,
}
