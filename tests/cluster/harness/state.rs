//! What must be the same after something that asked for no restart.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Space;

/// A set whose pods all run what it says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    /// `spec.template`, in canonical JSON.
    pub(crate) template: String,
    /// `spec.replicas`.
    pub(crate) replicas: i64,
    /// How many ControllerRevisions there are of it.
    pub(crate) revisions: usize,
    /// The uid of each pod.
    pub(crate) pods: BTreeMap<String, String>,
    /// Fields that may never change, in canonical JSON.
    pub(crate) immutable: String,
    /// The object, whole.
    pub(crate) object: Value,
}

impl Snapshot {
    /// # Errors
    /// Why it is not settled yet.
    pub(super) fn take(space: &Space, set: &str) -> Result<Self, String> {
        let object = space.find(set).ok_or("it does not exist")?;
        let (spec, status) = (&object["spec"], &object["status"]);
        let replicas = spec["replicas"].as_i64().ok_or("no replicas")?;
        let settled = status["observedGeneration"] == object["metadata"]["generation"]
            && status["currentRevision"] == status["updateRevision"]
            && status["replicas"] == spec["replicas"]
            && (replicas == 0 || status["readyReplicas"] == spec["replicas"]);
        if !settled {
            return Err(format!("replicas {replicas}, status {status}"));
        }
        let uid = &object["metadata"]["uid"];
        Ok(Self {
            template: canonical(&spec["template"]),
            replicas,
            revisions: owned(space.list("/apis/apps/v1", "controllerrevisions"), uid).len(),
            pods: owned(space.list("/api/v1", "pods"), uid).into_iter().collect(),
            immutable: ["selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"]
                .map(|field| canonical(&spec[field]))
                .join("\n"),
            object,
        })
    }

    /// Nothing restarted and nothing changed that could.
    #[track_caller]
    pub(crate) fn assert_unchanged(&self, after: &Self, what: &str) {
        self.assert_not_restarted(after, what);
        assert_eq!(self.replicas, after.replicas, "{what}: replicas");
    }

    /// Nothing restarted; the number of replicas is another matter.
    #[track_caller]
    pub(crate) fn assert_not_restarted(&self, after: &Self, what: &str) {
        assert!(
            self.template == after.template,
            "{what}: the template changed at {:?}",
            self.template_changes(after)
        );
        assert_eq!(self.immutable, after.immutable, "{what}: an immutable field changed");
        assert_eq!(self.revisions, after.revisions, "{what}: another ControllerRevision");
        for (pod, uid) in &self.pods {
            if let Some(now) = after.pods.get(pod) {
                assert_eq!(uid, now, "{what}: {pod} was restarted");
            }
        }
    }

    /// Where the templates differ.
    pub(crate) fn template_changes(&self, after: &Self) -> BTreeSet<String> {
        changes(&self.object["spec"]["template"], &after.object["spec"]["template"])
    }

    /// Where the specs differ.
    pub(crate) fn spec_changes(&self, after: &Self) -> BTreeSet<String> {
        changes(&self.object["spec"], &after.object["spec"])
    }

    /// What is at a JSON pointer below `spec.template.spec`.
    pub(crate) fn pod(&self, pointer: &str) -> &Value {
        self.object["spec"]["template"]["spec"].pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The container of this name.
    pub(crate) fn container(&self, name: &str) -> &Value {
        let containers = self.pod("/containers").as_array().expect("containers");
        containers
            .iter()
            .find(|container| container["name"] == name)
            .unwrap_or_else(|| panic!("no container {name} in {containers:?}"))
    }

    /// The item of a list of the main container (the one named `container`) with this key.
    pub(crate) fn item(&self, container: &str, list: &str, key: &str, value: &str) -> &Value {
        let items = self.container(container)[list].as_array();
        items.and_then(|items| items.iter().find(|item| item[key] == value)).unwrap_or(&Value::Null)
    }

    /// Our record, in canonical JSON; as it is where it is none.
    pub(crate) fn record(&self) -> Option<String> {
        let text = self.record_text()?;
        Some(serde_json::from_str(text).map_or_else(|_| text.to_owned(), |record| canonical(&record)))
    }

    /// Our record as it stands there.
    pub(crate) fn record_text(&self) -> Option<&str> {
        self.object["metadata"]["annotations"]["stateward.dev/expansion"].as_str()
    }
}

/// Names and uids of the objects that the set with this uid controls.
fn owned(objects: Vec<Value>, uid: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    objects
        .into_iter()
        .filter(|object| object["metadata"]["ownerReferences"][0]["uid"] == *uid)
        .map(|object| (text(&object["metadata"]["name"]), text(&object["metadata"]["uid"])))
        .collect()
}

/// Sorted keys, so that equal values are equal texts.
fn canonical(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}

/// The paths of the leaves in which two values differ: `containers[app].image`.
pub(crate) fn changes(before: &Value, after: &Value) -> BTreeSet<String> {
    let (before, after) = (leaves(before), leaves(after));
    before
        .iter()
        .filter(|(path, value)| after.get(*path) != Some(value))
        .chain(after.iter().filter(|(path, _)| !before.contains_key(*path)))
        .map(|(path, _)| path.clone())
        .collect()
}

fn leaves(value: &Value) -> BTreeMap<String, Value> {
    fn walk(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, child) in map {
                    let dot = if path.is_empty() { "" } else { "." };
                    walk(&format!("{path}{dot}{key}"), child, into);
                }
            }
            Value::Array(list) if !list.is_empty() => {
                for (index, child) in list.iter().enumerate() {
                    let name = child["name"].as_str().or_else(|| child["metadata"]["name"].as_str());
                    let key = name.map_or_else(|| index.to_string(), str::to_owned);
                    walk(&format!("{path}[{key}]"), child, into);
                }
            }
            leaf => {
                into.insert(path.to_owned(), leaf.clone());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk("", value, &mut all);
    all
}
