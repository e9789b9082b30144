//! Placeholders that stand for nothing: what is left of a profile's texts once all that is known is
//! filled in.
//!
//! Kubernetes has the same notation for variables, and shells for commands, so that most of what is
//! not ours is only remarked on.

use serde_json::Value;

use super::{Trial, Tried};
use crate::catalogue::Profile;
use crate::path::{list_key, write_field};

/// What stands for something in the texts of `statefulSet`.
const KNOWN: [&str; 6] = ["name", "service", "replicas", "replicas.kept", "majority.kept", "port"];
/// First parts that are ours alone: what follows one and is not known is a slip of the pen.
const OURS: [(&str, &str); 5] = [
    ("memory", "$(memory.50%.Mi), of 1 to 100 percent in Ki, Mi or Gi"),
    ("replicas", "$(replicas) or $(replicas.kept)"),
    ("majority", "$(majority.kept)"),
    ("main", "the container's own name: $(main) is the name of a container alone"),
    ("peers", "$(peers.NAME), with NAME under peers"),
];
/// What stands for something in an entry of peers.
const OF_PEERS: [&str; 4] = ["pod", "ordinal", "number", "service"];
/// Commands that shells know, and that look like a slip of the pen.
const COMMANDS: [&str; 2] = ["uname", "sort"];

/// Looks at what is left in an expanded set.
pub(super) fn judge(trial: &Trial, tried: &mut Tried) {
    let template = &trial.set["spec"]["template"];
    let mut variables = Vec::new();
    collect_names(&template["spec"], &mut variables);
    let mut left = Vec::new();
    texts("spec.template", "template", template, &mut left);
    for (at, text) in left {
        let filled = Filled::of(&at);
        for word in words(text) {
            if let Some((fault, line)) = said(word, filled, &variables) {
                let line = format!("{}: $({word}) {line}", trial.place(&at));
                if fault { tried.fault(line) } else { tried.remark(line) }
            }
        }
    }
}

/// Looks at the entries of a profile's peers.
pub(super) fn judge_peers(profile: &Profile, tried: &mut Tried) {
    for (name, peers) in &profile.peers {
        for word in words(&peers.each).filter(|word| !OF_PEERS.contains(word) && is_lower(word)) {
            let line = format!(
                "spec.peers.{name}.each: $({word}) stands for nothing there; write $(pod), $(ordinal), $(number) or \
                 $(service)"
            );
            if KNOWN.contains(&word) || ours(word).is_some() { tried.fault(line) } else { tried.remark(line) }
        }
    }
}

/// Who fills in what stands in a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// Kubernetes, with the container's variables, or a shell.
    ByOthers,
    /// Nobody.
    ByNobody,
}

impl Filled {
    fn of(at: &str) -> Self {
        let free = [".args[", ".command[", ".env[", ".subPathExpr", ".annotations"];
        if free.iter().any(|part| at.contains(part)) { Self::ByOthers } else { Self::ByNobody }
    }
}

/// What is to be said of a word that is left, and whether it is a fault.
fn said(word: &str, filled: Filled, variables: &[&str]) -> Option<(bool, String)> {
    if filled == Filled::ByOthers && variables.contains(&word) {
        return None;
    }
    if is_lower(word) {
        if let Some(write) = ours(word) {
            return Some((true, format!("stands for nothing; write {write}")));
        }
        if OF_PEERS.contains(&word) {
            return Some((false, "stands for something under peers alone".to_owned()));
        }
        if word == "port" {
            return Some((false, "stands for something in the port of a probe alone".to_owned()));
        }
        let near = |known: &&&str| strsim::damerau_levenshtein(known, word) <= 1;
        let near = KNOWN.iter().find(near).filter(|_| !COMMANDS.contains(&word));
        if let Some(near) = near {
            return Some((false, format!("stands for nothing; did you mean $({near})?")));
        }
    }
    let why = "is filled in by nobody there: Kubernetes does so in command, args, env and subPathExpr alone";
    (filled == Filled::ByNobody).then(|| (false, why.to_owned()))
}

/// What to write instead of a word that begins as one of ours.
fn ours(word: &str) -> Option<&'static str> {
    let first = word.split('.').next();
    OURS.iter().find(|(begin, _)| first == Some(begin)).map(|(_, write)| *write)
}

/// The words in `$(…)` that may be placeholders or variables: no commands with arguments.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("$(").scan(true, |first, part| {
        // `$$(` stands for itself.
        let before = std::mem::replace(first, part.ends_with('$'));
        Some((!before, part))
    });
    let inside = parts.filter(|(is_open, _)| *is_open).filter_map(|(_, part)| Some(part.split_once(')')?.0));
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '%' | '-');
    inside.filter(move |word| !word.is_empty() && word.chars().all(legal))
}

fn is_lower(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_lowercase())
        && !word.contains('_')
        && word.starts_with(char::is_lowercase)
}

/// The texts with placeholders, and where they stand.
fn texts<'v>(at: &str, name: &str, value: &'v Value, found: &mut Vec<(String, &'v str)>) {
    match value {
        Value::String(text) if text.contains("$(") => found.push((at.to_owned(), text)),
        Value::Object(map) => {
            for (name, value) in map {
                let mut at = at.to_owned();
                // Writing to a String cannot fail.
                _ = write_field(&mut at, name, false);
                texts(&at, name, value, found);
            }
        }
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                let key = list_key(name).and_then(|list| list.of(item));
                let at = key.map_or_else(|| format!("{at}[{position}]"), |key| format!("{at}{key}"));
                texts(&at, name, item, found);
            }
        }
        _ => {}
    }
}

/// The names of all variables of the pod's containers.
fn collect_names<'v>(pod: &'v Value, names: &mut Vec<&'v str>) {
    for list in ["containers", "initContainers"] {
        let containers = pod[list].as_array().into_iter().flatten();
        let all = containers.flat_map(|container| container["env"].as_array().into_iter().flatten());
        names.extend(all.filter_map(|variable| variable["name"].as_str()));
    }
}
