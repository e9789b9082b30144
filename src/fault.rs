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

    /// Whether `other` is this fault, found in another version of the object, where items of lists
    /// may stand elsewhere.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.problem == other.problem && without_positions(&self.field).eq(without_positions(&other.field))
    }
}

/// The parts of a field path between brackets, positions (`[3]`) left out.
fn without_positions(field: &str) -> impl Iterator<Item = &str> {
    field.split(['[', ']']).filter(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_the_same_wherever_its_item_stands() {
        let fault = |field: &str| Fault::new(Reason::Missing, field, "has no name", "write one");
        assert!(fault("containers[name=\"a\"].env[3]").same_as(&fault("containers[name=\"a\"].env[0]")));
        assert!(!fault("containers[name=\"a\"].env[3]").same_as(&fault("containers[name=\"b\"].env[3]")));
        assert!(!fault("env[3].name").same_as(&fault("env[3].value")));
    }
}
