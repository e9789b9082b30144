//! What the user asked for by `stateward.dev/*` labels and annotations.
//!
//! [`KEYS`] is the one table of keys: parsing, suggestions, the reference page and the JSON schema
//! for editors come from it. Parsing knows no profile, image or cluster; it turns text into
//! values once, so that nothing behind it can be malformed.

use std::collections::BTreeMap;
use std::fmt;

mod budget;
mod complaint;
mod contradiction;
mod environment;
mod keep;
mod keys;
mod parse;
mod ports;
mod probe;
pub mod reference;
mod revision;
mod syntax;
#[cfg(test)]
mod testing;
mod traffic;
mod unknown;
mod volume;

pub use complaint::Complaint;
pub(crate) use complaint::nearest;
pub use keep::KEEPABLE;
pub use keys::{KEYS, Key, On};
pub use parse::{is_managed, managed};
pub use revision::wish;

/// The parsed labels and annotations of one StatefulSet. Absent means unsaid.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Intent {
    /// Label `profile`.
    pub profile: Option<String>,
    /// `profile-revision`: the standing wish.
    pub profile_revision: Option<RevisionWish>,
    /// `upgrade-to`: the wish for once.
    pub upgrade_to: Option<RevisionWish>,
    /// `main-container`.
    pub main_container: Option<String>,
    /// `storage`.
    pub storage: Option<Storage>,
    /// `storage-class`, of the data volume.
    pub storage_class: Option<String>,
    /// `access-mode`, of the data volume.
    pub access_mode: Option<String>,
    /// `mount-path`, of the data volume.
    pub mount_path: Option<String>,
    /// `volume.<name>`, by name.
    pub volumes: BTreeMap<String, Volume>,
    /// `ports`, in the order written.
    pub ports: Option<Vec<Port>>,
    /// `readiness-probe`.
    pub readiness_probe: Option<Probe>,
    /// `liveness-probe`.
    pub liveness_probe: Option<Probe>,
    /// `startup-probe`.
    pub startup_probe: Option<Probe>,
    /// `size`: the name of a resource class; whether the profile has it is not known here.
    pub size: Option<String>,
    /// `env-from`, in the order written.
    pub env_from: Vec<EnvFrom>,
    /// `generate-secret`: keys of the generated Secret.
    pub generate_secret: Vec<String>,
    /// `service`: a service class, or `none`.
    pub service: Option<String>,
    /// `service-ports`.
    pub service_ports: Vec<ServicePort>,
    /// `ingress-*`.
    pub ingress: Option<Ingress>,
    /// `gateway`.
    pub gateway: Option<Gateway>,
    /// `disruption-budget`.
    pub disruption_budget: Option<DisruptionBudget>,
    /// `keep`: fields that are as the user means them though they equal the API default.
    pub keep: Vec<String>,
    /// `acknowledge`: names of what the profile refuses and the user means.
    pub acknowledge: Vec<String>,
    /// `break-glass`: why a change is to pass in spite of a refusal.
    pub break_glass: Option<String>,
}

/// A wish for a revision of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevisionWish {
    /// The newest revision of the profile in use.
    Latest,
    /// `profile@revision`.
    Exact {
        /// The profile's name.
        profile: String,
        /// The revision's short hash.
        revision: String,
    },
}

/// What `storage` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// No data volume.
    None,
    /// Its size, a canonical quantity.
    Size(String),
}

/// A claim template and its mount: `100Gi,class=fast,path=/wal,access=ReadWriteOnce`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Requested size, a canonical quantity.
    pub size: String,
    /// Storage class; absent means the cluster's default.
    pub class: Option<String>,
    /// Where the main container mounts it.
    pub path: String,
    /// Access mode; absent means `ReadWriteOnce`.
    pub access: Option<String>,
}

/// A container port: `dns=53/UDP`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The port's name.
    pub name: String,
    /// The container port, 1 to 65535.
    pub number: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: &'static str,
}

/// A probe: `none`, or a handler with optional timings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// No probe, also not the profile's.
    None,
    /// This handler; timings that are unsaid stay the profile's.
    Check {
        /// What is asked.
        handler: Handler,
        /// `period`, seconds.
        period: Option<i64>,
        /// `timeout`, seconds.
        timeout: Option<i64>,
        /// `failures`.
        failures: Option<i64>,
        /// `delay`, seconds.
        delay: Option<i64>,
    },
}

/// The handler of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// `exec:pg_isready -h 127.0.0.1`: the words of the command.
    Exec(Vec<String>),
    /// `grpc:9090` or `grpc:9090/service`.
    Grpc(u16, Option<String>),
    /// `http:8080/healthz`, `https:8443/healthz`.
    Http {
        /// Number or name of the port.
        port: PortRef,
        /// The path, with its leading slash.
        path: String,
        /// Whether to speak TLS.
        tls: bool,
    },
    /// `tcp:5432` or `tcp:postgres`.
    Tcp(PortRef),
}

/// A port by number or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortRef {
    /// By name.
    Name(String),
    /// By number.
    Number(u16),
}

/// A source of `envFrom`: `secret/db`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFrom {
    /// Whether a ConfigMap or a Secret.
    pub kind: EnvFromKind,
    /// Its name.
    pub name: String,
}

/// Kinds of sources of `envFrom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvFromKind {
    /// `configmap/NAME`.
    ConfigMap,
    /// `secret/NAME`.
    Secret,
}

/// `80:http`: a service port and the container port behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// The service's port.
    pub port: u16,
    /// The container's port.
    pub target: PortRef,
}

/// `ingress-host` and its companions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingress {
    /// `ingress-host`.
    pub host: String,
    /// `ingress-class`.
    pub class: Option<String>,
    /// `ingress-path`.
    pub path: Option<String>,
    /// `ingress-port`.
    pub port: Option<PortRef>,
    /// `ingress-tls-secret`.
    pub tls_secret: Option<String>,
    /// `ingress-cluster-issuer`.
    pub cluster_issuer: Option<String>,
}

/// `gateway: infra/public`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The gateway's namespace; absent means the set's own.
    pub namespace: Option<String>,
    /// The gateway's name.
    pub name: String,
}

/// `disruption-budget`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisruptionBudget {
    /// No budget.
    None,
    /// `max-unavailable=1` or `25%`.
    MaxUnavailable(IntOrPercent),
    /// `min-available=2` or `50%`.
    MinAvailable(IntOrPercent),
}

/// A count or a percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntOrPercent {
    /// That many.
    Int(u32),
    /// That part, 0 to 100.
    Percent(u32),
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(count) => write!(f, "{count}"),
            Self::Percent(part) => write!(f, "{part}%"),
        }
    }
}
