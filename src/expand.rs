//! Settings and the user's fields in, injections out.
//!
//! Pure: no clock, network, randomness or environment. Deterministic, and idempotent: expanding
//! what came out adds nothing.

mod draft;
mod environment;
mod identity;
mod lifecycle;
pub mod placeholders;
mod ports;
mod probes;
pub mod reasons;
mod resources;
mod scheduling;
mod scratch;
mod security;
mod storage;
pub mod strategy;
pub mod update;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use self::draft::{Draft, Offered, is_api_default};
pub use self::environment::generated_secret;
pub(crate) use self::storage::{claim_path, class_path, size_path};
use crate::fault::Fault;
use crate::path::{Path, Step};
use crate::settings::Settings;

/// One field that we add. From the list of these derive the patch, the record, `explain` and the
/// warnings; nothing else says what we did.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// Where.
    pub path: Path,
    /// The value, whole: API defaults included, quantities canonical, so that what is stored is
    /// what we recorded.
    pub value: Value,
    /// Why it is there.
    pub source: Source,
    /// Whether stored data depends on it (a mount, a user id, a data directory): never changed
    /// after creation by anything but the user's own fields.
    pub data: bool,
    /// Whether an API default stands there that counts as unsaid.
    pub over_default: bool,
}

/// Where a value comes from, weakest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// From what every managed set gets, whatever its profile: identity.
    Builtin,
    /// A profile's default.
    Profile {
        /// The profile that holds the value, which may be a parent of the one in use.
        name: Arc<str>,
    },
    /// A variant of a profile, chosen by the image's tag.
    Variant {
        /// The profile's name.
        profile: Arc<str>,
        /// The variant's name.
        variant: Arc<str>,
    },
    /// An annotation of the namespace.
    Namespace {
        /// Its key, with the prefix.
        key: Arc<str>,
    },
    /// Claims of the template that were there before the set.
    Claims,
    /// An annotation or label of the user's.
    Intent {
        /// Its key, with the prefix.
        key: Arc<str>,
    },
}

/// A value that was not injected, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Where it would have gone.
    pub path: Path,
    /// Why it did not: `you wrote it`, `no TCP port is declared`.
    pub why: String,
}

/// All that expanding one StatefulSet gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expansion {
    /// What is added, in the order in which list items are to stand.
    pub injections: Vec<Injection>,
    /// What was considered and not added.
    pub withheld: Vec<Withheld>,
    /// What is wrong with what the user asked for.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin => f.write_str("every managed set"),
            Self::Profile { name } => write!(f, "profile {name}"),
            Self::Variant { profile, variant } => write!(f, "profile {profile}, variant {variant}"),
            Self::Namespace { key } => write!(f, "{key} of the namespace"),
            Self::Claims => f.write_str("claims that were there before the set"),
            Self::Intent { key } => f.write_str(key),
        }
    }
}

/// Parts of a StatefulSet that are expanded by one piece of code each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Selector, labels, `serviceName`.
    Identity,
    /// Container ports.
    Ports,
    /// Claim templates, volumes and their mounts.
    Storage,
    /// Probes.
    Probes,
    /// Requests and limits.
    Resources,
    /// Security contexts, service account token.
    Security,
    /// Spreading and placement.
    Scheduling,
    /// Environment variables.
    Environment,
    /// The rest: grace period, pod management, service links.
    Lifecycle,
}

// By these numbers things are counted.
const _: () = {
    let mut at = 0;
    while at < Family::ALL.len() {
        assert!(Family::ALL[at] as usize == at);
        at += 1;
    }
};

impl Family {
    /// All of them, in the order in which they are expanded and explained.
    pub const ALL: [Self; 9] = [
        Self::Identity,
        Self::Ports,
        Self::Storage,
        Self::Probes,
        Self::Resources,
        Self::Security,
        Self::Scheduling,
        Self::Environment,
        Self::Lifecycle,
    ];

    /// The family that `path` belongs to.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        path.0.iter().find_map(Self::of_step).unwrap_or(Self::Lifecycle)
    }

    fn of_step(step: &Step) -> Option<Self> {
        let Step::Field(name) = step else { return None };
        Some(match name.as_ref() {
            "metadata" | "selector" | "serviceName" => Self::Identity,
            "ports" => Self::Ports,
            "volumeClaimTemplates" | "volumes" | "volumeMounts" | "volumeDevices" => Self::Storage,
            "startupProbe" | "readinessProbe" | "livenessProbe" => Self::Probes,
            "resources" => Self::Resources,
            "securityContext" | "automountServiceAccountToken" => Self::Security,
            "affinity"
            | "nodeSelector"
            | "priorityClassName"
            | "tolerations"
            | "topologySpreadConstraints" => Self::Scheduling,
            "env" | "envFrom" => Self::Environment,
            _ => return None,
        })
    }

    /// The word for people and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Ports => "ports",
            Self::Storage => "storage",
            Self::Probes => "probes",
            Self::Resources => "resources",
            Self::Security => "security",
            Self::Scheduling => "scheduling",
            Self::Environment => "environment",
            Self::Lifecycle => "lifecycle",
        }
    }
}

/// Expands one StatefulSet.
///
/// `user` is the object with the user's fields alone: as sent on CREATE, without what the record
/// claims on UPDATE. It has passed [`crate::validate::structure`]: its containers have names.
#[must_use]
pub fn expand(user: &Value, settings: &Settings) -> Expansion {
    let mut draft = Draft::new(user, settings);
    identity::expand(&mut draft);
    ports::expand(&mut draft);
    storage::expand(&mut draft);
    probes::expand(&mut draft);
    resources::expand(&mut draft);
    security::expand(&mut draft);
    scheduling::expand(&mut draft);
    environment::expand(&mut draft);
    lifecycle::expand(&mut draft);
    draft.finish()
}
