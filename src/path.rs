//! Paths with list keys, as server-side apply has them:
//! `spec.template.spec.containers[name="postgres"].readinessProbe`.
//!
//! A path survives reordering of lists, so it can be recorded. Which lists have keys, and which
//! fields are those keys, is [`list_key`]; every other list is a leaf and taken or left whole.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_json::{Map, Value};

/// One step down: into a field of a map, or to the item of a list that has these keys.
#[derive(Debug, Clone, Eq, Hash, PartialOrd, Ord)]
#[allow(clippy::derived_hash_with_manual_eq)] // equal steps have equal texts and keys, and so equal hashes
pub enum Step {
    /// A field of a map.
    Field(Cow<'static, str>),
    /// The item of a keyed list.
    Item(ItemKey),
}

/// Without a look at the text where both refer to the same one, as most do (see [`COMMON`]).
impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Field(one), Self::Field(other)) => {
                std::ptr::eq(&raw const **one, &raw const **other) || one == other
            }
            (Self::Item(one), Self::Item(other)) => one == other,
            _ => false,
        }
    }
}

/// The keys of a list item, sorted by field, as managedFields writes them. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemKey(pub Arc<[(Cow<'static, str>, Scalar)]>);

/// A key's value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scalar {
    /// A whole number, such as a port.
    Number(i64),
    /// Anything else.
    Text(Cow<'static, str>),
}

/// A place in an object. Cheap to clone.
#[derive(Debug, Clone, Default, Eq, PartialOrd, Ord)]
pub struct Path(pub Arc<[Step]>);

/// Of the last steps and how many there are: to hash a path whole takes longer than to compare the few alike.
impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.len().hash(state);
        self.0[self.0.len().saturating_sub(2)..].hash(state);
    }
}

/// From the end: most paths of one object begin alike.
impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.is(&other.0)
    }
}

/// How the items of a list are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKey {
    /// By these fields of the item; a second value is what the API server fills in if absent.
    Fields(&'static [(&'static str, Option<&'static str>)]),
    /// By `metadata.name`.
    MetadataName,
    /// `envFrom`, atomic to the API server: by the kind of source and the name it refers to.
    EnvFrom,
    /// An atomic list whose items we tell apart by all these fields, present or not.
    Whole(&'static [&'static str]),
}

/// The keys of the list in field `name`; `None` for a list that is one leaf.
///
/// From the `listType`/`listMapKey` and `patchMergeKey` markers of Kubernetes'
/// `core/v1/types.go` and `apps/v1/types.go`; the keys of `envFrom` and `tolerations`, atomic
/// there, are ours, so that a client that replaces the list takes over nothing by accident.
#[must_use]
pub fn list_key(name: &str) -> Option<ListKey> {
    Some(match name {
        "containers"
        | "env"
        | "ephemeralContainers"
        | "imagePullSecrets"
        | "initContainers"
        | "resourceClaims"
        | "volumes" => ListKey::Fields(&[("name", None)]),
        "envFrom" => ListKey::EnvFrom,
        "hostAliases" => ListKey::Fields(&[("ip", None)]),
        "ports" => ListKey::Fields(&[("containerPort", None), ("protocol", Some("TCP"))]),
        "tolerations" => ListKey::Whole(&["effect", "key", "operator", "value"]),
        "topologySpreadConstraints" => ListKey::Fields(&[("topologyKey", None), ("whenUnsatisfiable", None)]),
        "volumeClaimTemplates" => ListKey::MetadataName,
        "volumeDevices" => ListKey::Fields(&[("devicePath", None)]),
        "volumeMounts" => ListKey::Fields(&[("mountPath", None)]),
        _ => return None,
    })
}

/// Field names that most paths consist of, sorted: steps refer to these and copy others.
const COMMON: &[&str] = &[
    "accessModes",
    "affinity",
    "allowPrivilegeEscalation",
    "annotations",
    "apiVersion",
    "automountServiceAccountToken",
    "capabilities",
    "command",
    "containerPort",
    "containers",
    "cpu",
    "drop",
    "enableServiceLinks",
    "env",
    "envFrom",
    "exec",
    "failureThreshold",
    "fieldRef",
    "fsGroup",
    "fsGroupChangePolicy",
    "image",
    "kind",
    "labelSelector",
    "labels",
    "limits",
    "livenessProbe",
    "maxSkew",
    "memory",
    "metadata",
    "mountPath",
    "name",
    "periodSeconds",
    "podAntiAffinity",
    "ports",
    "preferredDuringSchedulingIgnoredDuringExecution",
    "protocol",
    "readinessProbe",
    "replicas",
    "requests",
    "resources",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile",
    "secretRef",
    "securityContext",
    "selector",
    "serviceName",
    "spec",
    "startupProbe",
    "storage",
    "subPath",
    "successThreshold",
    "tcpSocket",
    "template",
    "terminationGracePeriodSeconds",
    "timeoutSeconds",
    "topologyKey",
    "topologySpreadConstraints",
    "type",
    "value",
    "valueFrom",
    "volumeClaimTemplates",
    "volumeMode",
    "volumeMounts",
    "volumes",
    "whenUnsatisfiable",
];

impl Step {
    /// The step into the field of this name.
    #[must_use]
    pub fn named(field: &str) -> Self {
        Self::Field(common(field).map_or_else(|| Cow::Owned(field.to_owned()), Cow::Borrowed))
    }

    /// Where it leads to from `here`, which stands in field `list`.
    #[must_use]
    pub fn follow<'v>(&self, here: &'v Value, list: &str) -> Option<&'v Value> {
        match self {
            Self::Field(name) => here.get(name.as_ref()),
            Self::Item(key) => here.as_array().and_then(|items| Some(&items[position(list, items, key)?])),
        }
    }

    /// In which field that stands, where what comes before stands in `list`.
    #[must_use]
    pub fn list<'s>(&'s self, list: &'s str) -> &'s str {
        if let Self::Field(name) = self { name } else { list }
    }
}

fn common(field: &str) -> Option<&'static str> {
    COMMON.binary_search(&field).ok().map(|at| COMMON[at])
}

impl ListKey {
    /// The key of `item`, or `None` if it lacks one.
    #[must_use]
    pub fn of(self, item: &Value) -> Option<ItemKey> {
        let mut keys = Vec::with_capacity(2);
        match self {
            Self::Fields(fields) => {
                for (field, default) in fields {
                    let value = match (item.get(field).and_then(Scalar::read), default) {
                        (Some(value), _) => value,
                        (None, Some(default)) => Scalar::Text(Cow::Borrowed(default)),
                        (None, None) => return None,
                    };
                    keys.push((Cow::Borrowed(*field), value));
                }
            }
            Self::MetadataName => {
                let name = item.get("metadata")?.get("name").and_then(Scalar::read)?;
                keys.push((Cow::Borrowed("name"), name));
            }
            Self::EnvFrom => {
                let kind = ["configMapRef", "secretRef"].into_iter().find(|k| item.get(k).is_some())?;
                keys.push((Cow::Borrowed(kind), item[kind].get("name").and_then(Scalar::read)?));
                if let Some(prefix) = item.get("prefix").and_then(Scalar::read) {
                    keys.push((Cow::Borrowed("prefix"), prefix));
                }
                keys.sort_unstable();
            }
            Self::Whole(fields) => {
                for field in fields {
                    if let Some(value) = item.get(field).and_then(Scalar::read) {
                        keys.push((Cow::Borrowed(*field), value));
                    }
                }
            }
        }
        Some(ItemKey(keys.into()))
    }

    /// Writes `key` into an item that is being made.
    pub fn write(self, key: &ItemKey, item: &mut Map<String, Value>) {
        for (field, value) in key.0.iter() {
            match (self, field.as_ref()) {
                (Self::MetadataName, field) => {
                    if let Some(metadata) =
                        item.entry("metadata").or_insert_with(|| Value::Object(Map::new())).as_object_mut()
                    {
                        metadata.entry(field).or_insert_with(|| value.to_value());
                    }
                }
                (Self::EnvFrom, kind @ ("configMapRef" | "secretRef")) => {
                    if let Some(source) =
                        item.entry(kind).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
                    {
                        source.entry("name").or_insert_with(|| value.to_value());
                    }
                }
                (_, field) => {
                    item.entry(field).or_insert_with(|| value.to_value());
                }
            }
        }
    }
}

impl Scalar {
    /// Reads a key's value; `None` for null, empty text and anything that is no scalar.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => (!text.is_empty()).then(|| Self::Text(Cow::Owned(text.clone()))),
            Value::Number(number) => number.as_i64().map(Self::Number),
            Value::Bool(flag) => Some(Self::Text(Cow::Borrowed(if *flag { "true" } else { "false" }))),
            _ => None,
        }
    }

    /// As [`Self::read`], of a value that is not needed any more.
    #[must_use]
    pub fn take(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => (!text.is_empty()).then_some(Self::Text(Cow::Owned(text))),
            other => Self::read(&other),
        }
    }

    /// The value as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Number(number) => Value::from(*number),
            Self::Text(text) => Value::from(text.as_ref()),
        }
    }

    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Number(number), Value::Number(other)) => other.as_i64() == Some(*number),
            (Self::Text(text), Value::String(other)) => text == other,
            _ => false,
        }
    }
}

impl ItemKey {
    /// A key of one text field.
    #[must_use]
    pub fn text(field: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new([(Cow::Borrowed(field), Scalar::Text(value.into()))]))
    }

    /// The text of the first key.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        match self.0.first() {
            Some((_, Scalar::Text(text))) => Some(text),
            _ => None,
        }
    }

    fn matches(&self, list: ListKey, item: &Value) -> bool {
        match list {
            // The two that are looked up most, without building a key for each item.
            ListKey::Fields(fields) => {
                self.0.iter().zip(fields).all(|((_, want), (field, default))| {
                    match (item.get(field), default) {
                        (Some(value), None) => want.is(value),
                        (Some(value), Some(_)) if !value.is_null() && value != "" => want.is(value),
                        (_, Some(default)) => matches!(want, Scalar::Text(text) if text == default),
                        (None, None) => false,
                    }
                })
            }
            ListKey::MetadataName => self.0.first().is_some_and(|(_, want)| {
                item.get("metadata").and_then(|m| m.get("name")).is_some_and(|name| want.is(name))
            }),
            ListKey::EnvFrom | ListKey::Whole(_) => list.of(item).as_ref() == Some(self),
        }
    }
}

/// The position of the item with `key` in the list of field `list`.
#[must_use]
pub fn position(list: &str, items: &[Value], key: &ItemKey) -> Option<usize> {
    let list = list_key(list)?;
    items.iter().position(|item| key.matches(list, item))
}

impl Path {
    /// The path of fields, e.g. `["spec", "serviceName"]`.
    #[must_use]
    pub fn fields(fields: &[&'static str]) -> Self {
        Self(fields.iter().map(|f| Step::Field(Cow::Borrowed(f))).collect())
    }

    /// This path and then `field`.
    #[must_use]
    pub fn field(&self, field: impl Into<Cow<'static, str>>) -> Self {
        self.then(Step::Field(field.into()))
    }

    /// This path, which is that of a list, and then the item with `key`.
    #[must_use]
    pub fn item(&self, key: ItemKey) -> Self {
        self.then(Step::Item(key))
    }

    /// This path, which is that of a list, and then the item whose `name` is `name`.
    #[must_use]
    pub fn named(&self, name: impl Into<Cow<'static, str>>) -> Self {
        self.item(ItemKey::text("name", name))
    }

    /// This path and one more step.
    #[must_use]
    pub fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// The path of these steps.
    #[must_use]
    pub fn of(steps: &[Step]) -> Self {
        Self(steps.into())
    }

    /// Whether it consists of these steps.
    #[must_use]
    pub fn is(&self, steps: &[Step]) -> bool {
        self.0.len() == steps.len() && self.0.iter().rev().eq(steps.iter().rev())
    }

    /// Whether this path is `prefix` or lies below it.
    #[must_use]
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }

    /// The name of the last field; that of the list if the path ends at an item.
    #[must_use]
    pub fn last_field(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Field(name) => Some(name.as_ref()),
            Step::Item(_) => None,
        })
    }

    /// The value here in `object`; `null` counts as absent.
    #[must_use]
    pub fn lookup<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        let (mut here, mut list) = (object, "");
        for step in self.0.iter() {
            here = step.follow(here, list)?;
            list = step.list(list);
        }
        (!here.is_null()).then_some(here)
    }
}

/// The values at `paths` in `object`, as [`Path::lookup`] gives them. Neighbours that begin alike are
/// followed together as far as that goes.
#[must_use]
pub fn lookup_all<'v>(object: &'v Value, paths: &[&Path]) -> Vec<Option<&'v Value>> {
    let mut found = Vec::with_capacity(paths.len());
    follow("", Some(object), paths, 0, &mut found);
    found
}

fn follow<'v>(
    list: &str,
    here: Option<&'v Value>,
    paths: &[&Path],
    depth: usize,
    found: &mut Vec<Option<&'v Value>>,
) {
    for alike in paths.chunk_by(|one, other| one.0.get(depth) == other.0.get(depth)) {
        let Some(here) = here else {
            found.extend(alike.iter().map(|_| None));
            continue;
        };
        match alike[0].0.get(depth) {
            None => found.extend(alike.iter().map(|_| (!here.is_null()).then_some(here))),
            Some(step) => follow(step.list(list), step.follow(here, list), alike, depth + 1, found),
        }
    }
}

/// A field of a path as people read it; `first` where nothing stands before it.
///
/// # Errors
/// Those of `out`.
pub(crate) fn write_field(out: &mut impl fmt::Write, name: &str, first: bool) -> fmt::Result {
    if name.contains(['.', '/', '[', ' ']) {
        return write!(out, "[{name:?}]");
    }
    out.write_str(if first { "" } else { "." })?;
    out.write_str(name)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) => write_field(f, name, index == 0)?,
                Step::Item(key) => write!(f, "{key}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, (field, value)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match value {
                Scalar::Number(number) => write!(f, "{field}={number}")?,
                Scalar::Text(text) => write!(f, "{field}={text:?}")?,
            }
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests;
