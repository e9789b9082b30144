//! Whatever comes out of an expansion is accepted by the real API server, and stays as it is.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Said, Space, changes};

/// Files that are applied: golden folders and examples.
fn files(below: &str, named: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    fn walk(directory: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() { walk(&path, into) } else { into.push(path) }
        }
    }
    let mut all = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(below), &mut all);
    all.retain(|path| named(path));
    all.sort();
    all
}

/// Fields that this Kubernetes does not know are not what is looked at, and kubectl itself refuses
/// ten lines inside of a List before anybody is asked.
fn dry_run(space: &Space, file: &Path) -> Said {
    let file = file.to_string_lossy();
    space.kubectl(&["create", "--dry-run=server", "--validate=ignore", "-o", "json", "-f", &file])
}

/// The StatefulSets that a dry run printed, one JSON after another.
fn sets(said: &Said) -> Vec<Value> {
    let printed = serde_json::Deserializer::from_str(&said.stdout).into_iter::<Value>();
    let all: Vec<Value> = printed.collect::<Result<_, _>>().expect("JSON");
    let lists = |object: Value| object["items"].as_array().cloned().unwrap_or_else(|| vec![object]);
    all.into_iter().flat_map(lists).filter(|object| object["kind"] == "StatefulSet").collect()
}

#[test]
fn every_example_is_admitted_or_refused_as_it_says() {
    let space = Space::new("examples");
    // Profiles are for those who run the platform.
    let of_developers = |path: &Path| {
        path.extension().is_some_and(|end| end == "yaml")
            && !path.parent().is_some_and(|dir| dir.ends_with("profiles"))
    };
    let examples = files("examples", of_developers);
    assert!(examples.len() >= 5, "where are the examples? {examples:?}");
    for example in examples {
        let said = dry_run(&space, &example);
        if example.file_stem().is_some_and(|name| name == "refused") {
            let _ = said.refused(&[]);
            continue;
        }
        let said = said.ok();
        for set in sets(&said) {
            let record = &set["metadata"]["annotations"]["stateward.dev/expansion"];
            assert!(record.is_string(), "{}: not expanded", example.display());
        }
    }
}

/// What is rendered offline and then applied is what the webhook makes of the same manifest.
#[test]
fn every_golden_result_is_legal_and_is_what_the_webhook_gives() {
    let space = Space::new("golden");
    let folders = files("tests/golden", |path| path.file_name().is_some_and(|name| name == "input.yaml"));
    assert!(folders.len() >= 40, "where are the golden folders? {folders:?}");
    let mut failures = Vec::new();
    for input in folders {
        let refusal = input.with_file_name("refusal.txt").exists();
        let expanded = input.with_file_name("expanded.yaml");
        // Nothing in it is managed, so that it is legal is nobody's promise.
        if fs::read(&expanded).ok() == fs::read(&input).ok() {
            continue;
        }
        let said = dry_run(&space, &input);
        match (refusal, said.success()) {
            (true, true) => failures.push(format!("{}: not refused", input.display())),
            (true, false) if !said.by_us() => {
                failures.push(format!("{}: refused by somebody else: {}", input.display(), said.stderr));
            }
            (false, false) => failures.push(format!("{}: {}", input.display(), said.stderr)),
            (false, true) if expanded.exists() => {
                failures.extend(differences(&space, &said, &expanded));
            }
            _ => {}
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn differences(space: &Space, direct: &Said, expanded: &Path) -> Vec<String> {
    let rendered = dry_run(space, expanded);
    if !rendered.success() {
        return vec![format!("{}: {}", expanded.display(), rendered.stderr)];
    }
    let pairs = sets(direct).into_iter().zip(sets(&rendered));
    pairs
        .map(|(direct, rendered)| changes(&direct["spec"], &rendered["spec"]))
        .filter(|paths| !paths.is_empty())
        .map(|paths| format!("{}: rendered and admitted differ at {paths:?}", expanded.display()))
        .collect()
}
