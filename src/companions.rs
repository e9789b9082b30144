//! The objects that belong beside a managed StatefulSet: which there should be, and as what.
//!
//! Pure: from the set as it is stored, its settings and the platform's configuration. What the
//! cluster already has beside them (a Service or a budget of the user's) is judged by
//! [`neighbours`], pure as well; asking for it and writing is the controller's.

pub mod budget;
mod headless;
mod ingress;
pub mod neighbours;
mod secret;
mod service;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::catalogue::Catalogue;
use crate::configuration::Configuration;
use crate::intent::Intent;
use crate::names;
use crate::path::Path;
use crate::record::Record;
use crate::settings::{Settings, text};

/// What should be beside one set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Companions {
    /// The objects, in the order in which they are to be made.
    pub wanted: Vec<Companion>,
    /// What is not made, and why: for `explain` and `status`.
    pub withheld: Vec<Withheld>,
    /// What the user asked for and cannot have.
    pub problems: Vec<Problem>,
}

/// One object beside a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Companion {
    /// What it is for.
    pub role: Role,
    /// The whole manifest as it is applied. Without owner reference where the set has no uid yet.
    pub manifest: Value,
}

/// What a companion is for. At most one of each is beside a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The Service that gives each pod its DNS name.
    Headless,
    /// The Service for clients.
    Client,
    /// The PodDisruptionBudget.
    Budget,
    /// The Ingress.
    Ingress,
    /// The route of a Gateway.
    Route,
    /// The Secret with generated values.
    Secret,
}

/// A companion that is not made though nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Which.
    pub role: Role,
    /// Why, in words that follow "because".
    pub why: String,
}

/// A companion that cannot be made or does not work until somebody does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which.
    pub role: Role,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Headless, Self::Client, Self::Budget, Self::Ingress, Self::Route, Self::Secret];

    /// The value of the label [`names::COMPANION`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Headless => "headless",
            Self::Client => "client",
            Self::Budget => "budget",
            Self::Ingress => "ingress",
            Self::Route => "route",
            Self::Secret => "secret",
        }
    }

    /// `apiVersion` and `kind` of the object; of a route, that for HTTP.
    #[must_use]
    pub fn kind(self) -> (&'static str, &'static str) {
        match self {
            Self::Headless | Self::Client => ("v1", "Service"),
            Self::Budget => ("policy/v1", "PodDisruptionBudget"),
            Self::Ingress => ("networking.k8s.io/v1", "Ingress"),
            Self::Route => ("gateway.networking.k8s.io/v1", "HTTPRoute"),
            Self::Secret => ("v1", "Secret"),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Companion {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        text(&self.manifest["metadata"]["name"])
    }
}

/// What should be beside `set` as it is stored, by the pin in its record. `None` for a set that was
/// never expanded, or whose pin nobody knows any more.
#[must_use]
pub fn of_stored(
    set: &Value,
    catalogue: &Catalogue,
    configuration: &Configuration,
    namespace: &Labels,
) -> Option<Companions> {
    let pin = Record::pin_of(set)?;
    let metadata = &set["metadata"];
    let (intent, _) = Intent::parse(metadata.get("labels"), metadata.get("annotations"));
    let settings = Settings::pinned(set, &intent, &pin, catalogue)?;
    Some(desired(set, &settings, configuration, namespace))
}

/// What should be beside `set`, which is as it is stored: expanded. `namespace` are the labels of
/// its namespace, by which the configuration grants.
#[must_use]
pub fn desired(
    set: &Value,
    settings: &Settings,
    configuration: &Configuration,
    namespace: &Labels,
) -> Companions {
    let mut companions = Companions::default();
    headless::desired(set, &mut companions);
    service::desired(set, &settings.intent, configuration, namespace, &mut companions);
    budget::desired(set, &settings.intent, &mut companions);
    ingress::desired(set, &settings.intent, configuration, namespace, &mut companions);
    secret::desired(set, &settings.intent, &mut companions);
    companions
}

/// The labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// The labels of an object, or of a pod template.
#[must_use]
pub fn labels_of(object: &Value) -> Labels {
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    labels.map(|(key, value)| (key.clone(), text(value).to_owned())).collect()
}

impl Companions {
    fn want(&mut self, role: Role, manifest: Value) {
        self.wanted.push(Companion { role, manifest });
    }

    /// Leaves out what no controller keeps yet, and says so: which kinds of routes a cluster has is to
    /// be found out while it runs.
    pub fn leave_routes(&mut self) {
        let before = self.wanted.len();
        self.wanted.retain(|companion| companion.role != Role::Route);
        if self.wanted.len() < before {
            let what = "stateward.dev/gateway: routes are not kept by the controller yet";
            let remedy = "print the route with stateward render --companions, and apply it yourself";
            self.problem(Role::Route, what, remedy);
        }
    }

    fn withhold(&mut self, role: Role, why: impl Into<String>) {
        self.withheld.push(Withheld { role, why: why.into() });
    }

    fn problem(&mut self, role: Role, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem { role, what: what.into(), remedy: remedy.into() });
    }
}

/// A companion's manifest: ours by its labels, and gone with the set by its owner reference.
///
/// `app.kubernetes.io/instance` is never among the labels: tools that track by it prune what
/// carries it.
fn manifest(set: &Value, role: Role, name: &str, fields: Map<String, Value>) -> Value {
    let (api_version, kind) = role.kind();
    let owner = &set["metadata"];
    let mut metadata = json!({
        "name": name,
        "labels": {
            names::MANAGED_BY: names::MANAGER,
            names::COMPANION: role.as_str(),
            names::STATEFULSET: owner["name"],
        },
    });
    if let Value::String(namespace) = &owner["namespace"] {
        metadata["namespace"] = Value::from(namespace.as_str());
    }
    if let Value::String(uid) = &owner["uid"] {
        metadata["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "kind": "StatefulSet", "name": owner["name"], "uid": uid,
            "controller": true, "blockOwnerDeletion": true,
        }]);
    }
    let mut manifest = json!({"apiVersion": api_version, "kind": kind});
    manifest["metadata"] = metadata;
    if let Some(map) = manifest.as_object_mut() {
        map.extend(fields);
    }
    manifest
}

/// The labels by which a Service finds the pods: those of the selector, or ours alone where the
/// selector has expressions, which no Service can have. `None` where neither is there.
fn pod_labels(set: &Value) -> Option<Value> {
    let selector = &set["spec"]["selector"];
    let plain = selector["matchExpressions"].as_array().is_none_or(Vec::is_empty);
    let labels = selector["matchLabels"].as_object().filter(|map| plain && !map.is_empty());
    let name = &set["metadata"]["name"];
    let ours = || {
        let carried = &set["spec"]["template"]["metadata"]["labels"][names::STATEFULSET];
        (carried == name).then(|| json!({names::STATEFULSET: name}))
    };
    labels.map(|map| Value::Object(map.clone())).or_else(ours)
}

/// The ports that the containers of `set` declare, each number and protocol once.
fn container_ports(set: &Value) -> Vec<&Value> {
    let spec = Path::fields(&["spec", "template", "spec"]);
    let pod = spec.lookup(set);
    let mut ports: Vec<&Value> = Vec::new();
    // Init containers that stay are sidecars, and may serve too.
    for list in ["containers", "initContainers"] {
        let containers = pod.and_then(|pod| pod[list].as_array()).into_iter().flatten();
        let stays = |c: &&Value| list == "containers" || c["restartPolicy"] == "Always";
        for port in containers.filter(stays).flat_map(|c| c["ports"].as_array().into_iter().flatten()) {
            let same = |other: &&Value| {
                other["containerPort"] == port["containerPort"] && protocol(other) == protocol(port)
            };
            if port["containerPort"].is_u64() && !ports.iter().any(same) {
                ports.push(port);
            }
        }
    }
    ports
}

fn protocol(port: &Value) -> &str {
    port["protocol"].as_str().unwrap_or("TCP")
}

/// Adds the port of a Service before a container's port: by name where it has one of its own, so
/// that the number may change.
fn add_port(ports: &mut Vec<Value>, number: u64, target: &Value) {
    let (name, protocol) = (text(&target["name"]), protocol(target));
    let unnamed = name.is_empty() || ports.iter().any(|port| port["targetPort"] == name);
    let mut port = json!({
        "name": if unnamed { format!("{}-{number}", protocol.to_lowercase()) } else { name.to_owned() },
        "port": number, "protocol": protocol,
        "targetPort": if unnamed { target["containerPort"].clone() } else { Value::from(name) },
    });
    if let Some(application) = application(name) {
        port["appProtocol"] = Value::from(application);
    }
    ports.push(port);
}

/// The `appProtocol` that the name of a port tells (IANA service names, and Kubernetes' own for
/// HTTP/2 in clear text: KEP-3726).
fn application(name: &str) -> Option<&'static str> {
    Some(match name.split('-').next().unwrap_or_default() {
        "http" => "http",
        "https" => "https",
        "h2c" | "grpc" => "kubernetes.io/h2c",
        _ => return None,
    })
}

#[cfg(test)]
mod testing {
    use super::*;

    /// A set as it is stored.
    pub(super) fn set() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": "shop", "uid": "u-1"},
            "spec": {
                "replicas": 3, "serviceName": "db-headless",
                "selector": {"matchLabels": {"stateward.dev/statefulset": "db"}},
                "template": {
                    "metadata": {"labels": {"stateward.dev/statefulset": "db", "app": "db"}},
                    "spec": {"containers": [
                        {"name": "postgres", "image": "postgres:18",
                         "ports": [{"name": "postgresql", "containerPort": 5432, "protocol": "TCP"}]},
                        {"name": "exporter", "image": "exporter:1",
                         "ports": [{"name": "http-metrics", "containerPort": 9187, "protocol": "TCP"}]},
                    ]},
                },
            },
        })
    }

    /// What is desired beside `set` with these annotations.
    pub(super) fn desired(set: &Value, annotations: &Value) -> Companions {
        desired_by(&Configuration::default(), set, annotations)
    }

    /// The same, by a configuration.
    pub(super) fn desired_by(configuration: &Configuration, set: &Value, annotations: &Value) -> Companions {
        let (intent, faults) = Intent::parse(None, Some(annotations));
        assert_eq!(faults, []);
        let settings = Settings::choose(set, &intent, &Catalogue::built_in().unwrap()).unwrap();
        super::desired(set, &settings, configuration, &Labels::new())
    }
}
