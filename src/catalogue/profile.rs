//! A profile as it is written: the YAML of the catalogue.

#![allow(unreachable_pub, reason = "kube's derive writes structs of its own into functions")]

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::{CustomResource, KubeSchema};
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::asked::Asked;
use super::check::words;
use super::definition::{ProfileStatus, any_object, patch_to, patches_to};
use super::peers::Peers;
use super::refuse::Refusal;
use crate::image::Image;

/// One profile file.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileFile {
    /// `stateward.dev/v1alpha1`.
    pub api_version: String,
    /// `StatefulSetProfile`.
    pub kind: String,
    /// Name, and for profiles from a cluster whatever else the API server keeps there.
    pub metadata: Metadata,
    /// The defaults.
    pub spec: ProfileSpec,
}

/// What we read of a profile's metadata.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Metadata {
    /// The profile's name.
    pub name: String,
}

/// The defaults of a profile.
#[derive(CustomResource, KubeSchema, Debug, Clone, Default, Deserialize, Serialize)]
#[kube(
    group = "stateward.dev",
    version = "v1alpha1",
    kind = "StatefulSetProfile",
    plural = "statefulsetprofiles",
    category = "stateward",
    status = "ProfileStatus",
    doc = "Defaults for the StatefulSets of one system. A profile permits nothing: hosts, service classes and policies \
           are the platform's configuration.",
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.revision"),
    printcolumn(name = "In use", type_ = "integer", json_path = ".status.inUse"),
    printcolumn(name = "Behind", type_ = "integer", json_path = ".status.behind"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Summary", type_ = "string", json_path = ".spec.summary", priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 63")
        .message("the name of a profile is a label's value: write at most 63 characters")
)]
#[x_kube(
    validation = Rule::new("!has(self.size) || has(self.extends) || (has(self.sizes) && self.size in self.sizes)")
        .message("size names no class of sizes; write one that stands there")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileSpec {
    /// One line for people.
    #[schemars(length(min = 1, max = 200))]
    pub summary: String,
    /// The profile whose values hold where this one has none. Its own name stands for the built-in
    /// profile whose place it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    /// What is taken away from the parents, by the fields that hold it: `data.subPath`, `sizes.small`,
    /// `variants.base`, `refuse.even`, `companions.networkPolicy`,
    /// `statefulSet.spec.template.spec.containers[$(main)].livenessProbe`. Unlike `null`, it comes through
    /// every client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 512)))]
    pub without: Vec<String>,
    /// Which images pick this profile by themselves.
    #[serde(default, rename = "match", skip_serializing_if = "Match::is_empty")]
    pub matching: Match,
    /// A partial StatefulSet; its main container is named `$(main)`. `null` takes away what the
    /// parent has. Placeholders in its texts stand for what is known of the set alone: `$(name)`,
    /// `$(service)`, `$(replicas)`, `$(replicas.kept)`, `$(peers.NAME)`, `$(memory.50%.Mi)`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "any_object")]
    pub stateful_set: Value,
    /// Where the image keeps its data.
    #[serde(default, skip_serializing_if = "DataVolume::is_empty")]
    pub data: DataVolume,
    /// The resource class of a set that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Resource classes by name: `requests` and `limits`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "resource_classes")]
    pub sizes: BTreeMap<String, Value>,
    /// Topology keys over which pods are spread, softly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Vec<String>>,
    /// Directories besides the data that the image writes to, each an `emptyDir` where the root of the
    /// main container is read-only. Absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), inner(regex(pattern = "^/.*[^/]$")))]
    pub scratch: Option<Vec<String>>,
    /// What it asks for beside its sets, merged over the parent's as JSON Merge Patch (RFC 7386): `null`
    /// takes away what the parent has.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "patch_to::<Asked>")]
    pub companions: Value,
    /// What it refuses, by name, merged over the parent's as JSON Merge Patch.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "patches_to::<Refusal>")]
    pub refuse: Value,
    /// Lists of the set's pods, by the names of their placeholders.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<String, Peers>,
    /// Variables that are not set where the user writes one of others, which the server refuses beside
    /// them: the names of those others, by the variable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub yields: BTreeMap<String, Vec<String>>,
    /// What depends on the image's tag.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Axis>,
}

/// How images are recognised.
#[derive(Debug, Clone, Default, Deserialize, Serialize, KubeSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Repositories without registry, tag and digest; official images by their short name.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 255)))]
    #[x_kube(
        validation = Rule::new("self.all(image, !image.contains(':') && !image.contains('@'))")
            .message("write repositories without registry, tag and digest, such as team/database")
    )]
    pub images: Vec<String>,
}

/// The data volume: a claim template and its mount in the main container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataVolume {
    /// Name of the claim template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The exact VOLUME of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_path: Option<String>,
    /// A directory below the volume's root, where `lost+found` is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<String>,
    /// Size where the user names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
}

/// One way in which images of a system differ, told by the tag.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// What differs: `version`, `base`.
    pub name: String,
    /// The cases; the first that fits is taken.
    pub cases: Vec<Case>,
    /// What to write when the tag tells none.
    pub unknown: String,
}

/// One case of an axis.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// Goes into the pin: never rename one that was released.
    pub name: String,
    /// The lowest major version that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major_from: Option<u32>,
    /// The highest major version that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major_to: Option<u32>,
    /// What the tag has to contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_contains: Option<String>,
    /// Fits every image that has a tag.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub otherwise: bool,
    /// Merged over the profile's data volume.
    #[serde(default, skip_serializing_if = "DataVolume::is_empty")]
    pub data: DataVolume,
    /// Merged over the profile's StatefulSet.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "any_object")]
    pub stateful_set: Value,
}

/// Amounts of resources by their names, under `requests` and `limits`.
fn resource_classes(_: &mut SchemaGenerator) -> Schema {
    let amount = serde_json::json!({"x-kubernetes-int-or-string": true});
    let amounts = serde_json::json!({"type": "object", "additionalProperties": amount});
    schemars::json_schema!({
        "type": "object", "maxProperties": 32,
        "additionalProperties": {"type": "object", "properties": {"requests": amounts, "limits": amounts}},
    })
}

impl ProfileSpec {
    /// Reads the `spec` of a profile object.
    ///
    /// # Errors
    /// All that cannot be read, each with its field and what to write instead.
    pub fn read(spec: &Value) -> Result<Arc<Self>, Vec<String>> {
        match words::read_all("spec", spec.clone()) {
            (Some(read), wrong) if wrong.is_empty() => Ok(Arc::new(read)),
            (_, wrong) => Err(wrong),
        }
    }
}

impl Match {
    fn is_empty(&self) -> bool {
        self.images.is_empty()
    }
}

impl Case {
    /// Whether it fits no image at all.
    pub(super) fn is_idle(&self) -> bool {
        let by_major = self.major_from.is_some() || self.major_to.is_some();
        !by_major && self.tag_contains.is_none() && !self.otherwise
    }

    /// Whether an image of this tag is of this case.
    #[must_use]
    pub fn fits(&self, image: &Image) -> bool {
        let by_major = || {
            image.major().is_some_and(|major| {
                self.major_from.is_none_or(|from| from <= major) && self.major_to.is_none_or(|to| major <= to)
            })
        };
        let has_major = self.major_from.is_some() || self.major_to.is_some();
        (has_major && by_major())
            || self.tag_contains.as_ref().is_some_and(|part| image.tag.is_some_and(|t| t.contains(part)))
            || (self.otherwise && image.tag.is_some())
    }
}

impl DataVolume {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The names of the fields that it gives.
    pub(super) fn given(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("claim", &self.claim),
            ("mountPath", &self.mount_path),
            ("subPath", &self.sub_path),
            ("size", &self.size),
        ];
        fields.into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name)
    }

    /// This volume with what `stronger` says in its place.
    #[must_use]
    pub fn merged(&self, stronger: &Self) -> Self {
        let pick = |mine: &Option<String>, theirs: &Option<String>| theirs.clone().or_else(|| mine.clone());
        Self {
            claim: pick(&self.claim, &stronger.claim),
            mount_path: pick(&self.mount_path, &stronger.mount_path),
            sub_path: pick(&self.sub_path, &stronger.sub_path),
            size: pick(&self.size, &stronger.size),
        }
    }
}
