//! What is wrong with an object: where, what, and what to write instead.

use std::fmt;

/// One fault of an object. A refusal lists all of them, and each stands on its own.
///
/// On UPDATE a fault that `oldObject` has too, told by [`Fault::same_as`], refuses nothing: a
/// refusal needs a cause in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field path (`spec.template.spec.containers[name="app"].image`) or the key of the label
    /// or annotation (`stateward.dev/storage`) at fault.
    pub field: String,
    /// What is wrong, with the offending value where it helps; lower case, no full stop.
    pub problem: String,
    /// What to write instead; lower case, no full stop.
    pub remedy: String,
    /// The bounded class of the fault, for metrics and `details.causes`.
    pub reason: Reason,
}

/// Classes of faults; each becomes a label of the refusal metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Two settings contradict each other.
    Contradiction,
    /// The change would move, hide or leave behind stored data.
    Data,
    /// A key or name stands twice.
    Duplicate,
    /// A field that may not change once the object exists.
    Immutable,
    /// A value that Kubernetes or stateward does not accept.
    Invalid,
    /// Something required is absent.
    Missing,
    /// Something refers to what does not exist.
    NotFound,
    /// A key under our prefix that we do not know.
    Unknown,
}

impl Fault {
    /// A fault of `field`.
    pub fn new(
        reason: Reason,
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), problem: problem.into(), remedy: remedy.into(), reason }
    }

    /// Whether `other` is this fault, found in another version of the object.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.field == other.field && self.problem == other.problem
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.problem, self.remedy)
    }
}

impl Reason {
    /// The word used in metrics and in `details.causes`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contradiction => "Contradiction",
            Self::Data => "Data",
            Self::Duplicate => "Duplicate",
            Self::Immutable => "Immutable",
            Self::Invalid => "Invalid",
            Self::Missing => "Missing",
            Self::NotFound => "NotFound",
            Self::Unknown => "Unknown",
        }
    }
}
