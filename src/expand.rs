//! Settings and the user's fields in, injections out.
//!
//! Pure: no clock, network, randomness or environment. Deterministic, and idempotent: expanding
//! what came out adds nothing.

use std::fmt;

use serde_json::Value;

use crate::fault::Fault;
use crate::path::Path;

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
}

/// Where a value comes from, weakest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// From what every managed set gets, whatever its profile: identity.
    Builtin,
    /// A profile's default.
    Profile {
        /// The profile that holds the value, which may be a parent of the one in use.
        name: String,
    },
    /// A variant of a profile, chosen by the image's tag.
    Variant {
        /// The profile's name.
        profile: String,
        /// The variant's name.
        variant: String,
    },
    /// An annotation or label of the user's.
    Intent {
        /// Its key, with the prefix.
        key: String,
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
            Self::Intent { key } => f.write_str(key),
        }
    }
}
