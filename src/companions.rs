//! The objects that belong beside a managed StatefulSet: which there should be, and as what.
//!
//! Pure: from the set as it is stored, its settings and the platform's configuration. What the
//! cluster already has beside them (a Service or a budget of the user's) is judged by
//! [`neighbours`], pure as well; asking for it and writing is the controller's.

pub mod budget;
mod headless;
pub mod hosts;
mod ingress;
mod kind;
mod monitor;
pub mod neighbours;
mod network;
mod ports;
mod route;
mod secret;
mod service;
mod service_account;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::catalogue::Catalogue;
use crate::configuration::Configuration;
use crate::intent::Intent;
use crate::names;
use crate::record::Record;
use crate::settings::{Settings, text};

pub use self::kind::{GATEWAY, Kind, MONITORING};
use self::ports::{add_port, container_ports};

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
    /// Its kind.
    pub kind: Kind,
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
    /// The `ServiceAccount` of the pods.
    ServiceAccount,
    /// The `NetworkPolicy`.
    NetworkPolicy,
    /// The `ServiceMonitor`.
    Monitor,
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
    /// The set in whose favour it was decided, by namespace and name: it is to know too.
    pub in_favour_of: Option<(String, String)>,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Headless,
        Self::Client,
        Self::Budget,
        Self::Ingress,
        Self::Route,
        Self::Secret,
        Self::ServiceAccount,
        Self::NetworkPolicy,
        Self::Monitor,
    ];

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
            Self::ServiceAccount => "service-account",
            Self::NetworkPolicy => "network-policy",
            Self::Monitor => "monitor",
        }
    }

    /// What the label of `object` says it is for; `None` for none of ours, or one of a later version.
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let label = text(&object["metadata"]["labels"][names::COMPANION]);
        Self::ALL.into_iter().find(|role| role.as_str() == label)
    }

    /// Whether clients reach a companion by its name or address: then neither a Service that somebody
    /// adds nor a fault in a setting takes it away.
    #[must_use]
    pub fn is_relied_on(self) -> bool {
        matches!(self, Self::Headless | Self::Client)
    }

    /// Whether pods do not start without it, or would run without its protection.
    #[must_use]
    pub fn is_needed_to_start(self) -> bool {
        matches!(self, Self::Secret | Self::ServiceAccount | Self::NetworkPolicy)
    }

    /// The kind of the object; of a route, that for HTTP.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Headless | Self::Client => Kind::Service,
            Self::Budget => Kind::PodDisruptionBudget,
            Self::Ingress => Kind::Ingress,
            Self::Route => Kind::HttpRoute,
            Self::Secret => Kind::Secret,
            Self::ServiceAccount => Kind::ServiceAccount,
            Self::NetworkPolicy => Kind::NetworkPolicy,
            Self::Monitor => Kind::ServiceMonitor,
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
    let asked = &settings.profile.companions;
    service_account::desired(set, asked, &mut companions);
    headless::desired(set, asked, &mut companions);
    service::desired(set, &settings.intent, asked, configuration, namespace, &mut companions);
    budget::desired(set, &settings.intent, asked, &mut companions);
    ingress::desired(set, &settings.intent, configuration, namespace, &mut companions);
    secret::desired(set, &settings.intent, &mut companions);
    network::desired(set, asked, &mut companions);
    monitor::desired(set, asked, &mut companions);
    companions
}

/// The labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// The labels of an object, or of a pod template.
#[must_use]
pub fn labels_of(object: &Value) -> Labels {
    texts(&object["metadata"]["labels"])
}

/// The annotations of an object.
#[must_use]
pub fn annotations_of(object: &Value) -> BTreeMap<String, String> {
    texts(&object["metadata"]["annotations"])
}

fn texts(map: &Value) -> BTreeMap<String, String> {
    let entries = map.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), text(value).to_owned())).collect()
}

impl Companions {
    fn want(&mut self, role: Role, manifest: Value) {
        let kind = Kind::of(&manifest).unwrap_or(role.kind());
        self.wanted.push(Companion { role, kind, manifest });
    }

    /// Leaves out the kinds that this installation does not keep, and says so.
    pub fn leave_out(&mut self, kinds: &[Kind]) {
        let left_out = self.wanted.extract_if(.., |companion| kinds.contains(&companion.kind));
        for companion in left_out.collect::<Vec<_>>() {
            let what = format!("{} {} is not made: it is switched off", companion.kind, companion.name());
            let remedy = "make it yourself, or ask whoever runs stateward to have it kept";
            self.problem(companion.role, what, remedy);
        }
    }

    fn withhold(&mut self, role: Role, why: impl Into<String>) {
        self.withheld.push(Withheld { role, why: why.into() });
    }

    fn problem(&mut self, role: Role, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem { role, what: what.into(), remedy: remedy.into(), in_favour_of: None });
    }
}

/// A companion's manifest: ours by its labels, and gone with the set by its owner reference.
///
/// `app.kubernetes.io/instance` is never among the labels: tools that track by it prune what
/// carries it.
fn manifest(set: &Value, role: Role, name: &str, fields: Map<String, Value>) -> Value {
    manifest_of(set, role, role.kind(), name, fields)
}

/// The same, of a role that has several kinds.
fn manifest_of(set: &Value, role: Role, kind: Kind, name: &str, fields: Map<String, Value>) -> Value {
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
    let mut manifest = json!({"apiVersion": kind.resource().api_version, "kind": kind.as_str()});
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

    /// A set of etcd, whose container declares `ports`, and the ports of its two Services: name,
    /// number and target.
    pub(super) fn ports_of_etcd(ports: &Value, annotations: &Value) -> [Vec<(String, Value, Value)>; 2] {
        let mut set = set();
        set["spec"]["template"]["spec"]["containers"] =
            json!([{"name": "etcd", "image": "quay.io/coreos/etcd:v3.7.0", "ports": ports}]);
        let companions = desired(&set, annotations);
        [Role::Headless, Role::Client].map(|role| {
            let service = companions.wanted.iter().find(|companion| companion.role == role);
            let ports = service.and_then(|service| service.manifest["spec"]["ports"].as_array());
            let told = |port: &Value| {
                (text(&port["name"]).to_owned(), port["port"].clone(), port["targetPort"].clone())
            };
            ports.into_iter().flatten().map(told).collect()
        })
    }
}
