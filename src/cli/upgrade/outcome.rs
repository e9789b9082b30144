//! What came of each set, in words.

use std::fmt::Write;

use serde_json::{Value, json};

use super::UpgradeArgs;
use crate::cli::report::Exit;
use crate::names;

/// What came of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was moved, and came back.
    Moved { from: String, to: String, pods: String },
    /// It is there already, and ready.
    There(String),
    /// It is not meant, and why.
    Passed(String),
    /// It was not touched, since this was wrong with it before.
    Unready(String),
    /// It was not touched, since this keeps anybody from knowing how it is.
    Unknown(String),
    /// It was refused, for these faults.
    Refused(Vec<String>),
    /// Nothing can be written.
    Failed(String),
    /// It was moved, by this run or, where both are the same, an earlier one, and this was wrong with it
    /// when the time was over. Its namespace may have given it another size before.
    Late { from: String, to: String, size: Option<String>, problem: String },
    /// It was moved like that, and this is why nobody knows how it is.
    Unseen { from: String, to: String, why: String },
    /// Something else ended the run before its turn.
    NotBegun,
}

/// A set and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) outcome: Outcome,
}

impl Outcome {
    /// How a run ends in which this came of a set.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Moved { .. } | Self::There(_) | Self::Passed(_) => Exit::Fine,
            Self::Unready(_) | Self::Refused(_) | Self::Late { .. } | Self::NotBegun => Exit::Findings,
            Self::Unknown(_) | Self::Failed(_) | Self::Unseen { .. } => Exit::Cluster,
        }
    }

    /// Whether nothing further may be begun.
    pub(super) fn stops(&self) -> bool {
        matches!(self, Self::Late { .. } | Self::Failed(_) | Self::Unseen { .. })
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Moved { .. } => "moved",
            Self::There(_) => "there",
            Self::Passed(_) => "passed over",
            Self::Unready(_) => "not ready",
            Self::Unknown(_) => "not known",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Late { .. } => "not back",
            Self::Unseen { .. } => "not seen",
            Self::NotBegun => "not begun",
        }
    }

    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Moved { from, to, pods } if from == to => format!("brought up to date at {to}; {pods}"),
            Self::Moved { from, to, pods } => format!("moved from {from} to {to}; {pods}"),
            Self::There(at) => format!("is at {at} already"),
            Self::Passed(why) => format!("passed over: {why}"),
            Self::Unready(problem) => {
                format!("not touched, since it is not ready: {problem}; --force moves it all the same")
            }
            Self::Unknown(why) => format!("not touched, since nobody knows how it is: {why}"),
            Self::Refused(faults) => format!("refused: {}", faults.join("; ")),
            Self::Failed(why) => format!("failed: {why}"),
            Self::Late { from, to, problem, .. } => {
                format!("{}, and does not come back: {problem}", way(from, to))
            }
            Self::Unseen { from, to, why } => {
                format!("{}, and nobody knows whether it is back: {why}", way(from, to))
            }
            Self::NotBegun => "not begun".to_owned(),
        }
    }
}

fn way(from: &str, to: &str) -> String {
    if from == to { format!("is at {to}") } else { format!("moved from {from} to {to}") }
}

impl Told {
    pub(super) fn new(namespace: &str, name: &str, outcome: Outcome) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned(), outcome }
    }

    pub(super) fn json(&self) -> Value {
        let (from, to) = match &self.outcome {
            Outcome::Moved { from, to, .. }
            | Outcome::Late { from, to, .. }
            | Outcome::Unseen { from, to, .. } => (Some(from), Some(to)),
            Outcome::There(at) => (Some(at), Some(at)),
            _ => (None, None),
        };
        json!({
            "namespace": self.namespace, "name": self.name, "outcome": self.outcome.word(),
            "from": from, "to": to, "message": self.outcome.sentence(),
        })
    }
}

/// A line for each, and a count.
pub(super) fn text(told: &[Told]) -> String {
    let mut out = String::new();
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for Told { namespace, name, outcome } in told {
        _ = writeln!(out, "StatefulSet {namespace}/{name}: {}", outcome.sentence());
        let word = outcome.word();
        match counts.iter_mut().find(|(other, _)| *other == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    _ = writeln!(out, "{}", counts.join(", "));
    out
}

/// What takes a set back that does not come back. An earlier revision brings the defaults that its namespace
/// has now, too: only an annotation of its own gives it the former ones.
fn way_back(namespace: &str, name: &str, (from, to): (&str, &str), size: Option<&str>) -> String {
    let annotate = size.map(|size| {
        format!("kubectl annotate statefulset {name} -n {namespace} {}size={size}", names::PREFIX)
    });
    let revision = from.split('/').next().unwrap_or_default();
    // What it was before an earlier run moved it is not known.
    let revision = if from == to { "REVISION" } else { revision };
    let upgrade = format!("stateward upgrade {name} -n {namespace} --to {revision} --force");
    match annotate {
        Some(annotate) if from == to => format!("{annotate} takes it back"),
        Some(annotate) => format!("{annotate} and {upgrade} take it back"),
        None => format!("{upgrade} takes it back"),
    }
}

/// What to do where it did not end well.
pub(super) fn advice(told: &[Told], args: &UpgradeArgs) -> String {
    let mut out = String::new();
    for Told { namespace, name, outcome } in told {
        match outcome {
            Outcome::Late { from, to, size, .. } => {
                _ = writeln!(
                    out,
                    "error: {namespace}/{name} does not come back within {} s, and nothing further was moved; stateward \
                     status {name} -n {namespace} says what is wrong, {} (a pod that stays unready then is deleted by hand, \
                     since Kubernetes waits for it), and the same command again goes on once it is ready",
                    args.timeout.as_secs(),
                    way_back(namespace, name, (from.as_str(), to.as_str()), size.as_deref())
                );
            }
            Outcome::Failed(why) => {
                _ = writeln!(
                    out,
                    "error: {namespace}/{name}: {why}; nothing further was moved; the same command again goes on"
                );
            }
            Outcome::Unseen { why, .. } => {
                _ = writeln!(
                    out,
                    "error: nobody knows whether {namespace}/{name} is back: {why}; nothing further was moved; the same \
                     command again waits for it and goes on"
                );
            }
            _ => {}
        }
    }
    out
}
