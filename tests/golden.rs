//! One folder under `tests/golden` is one idea: `input.yaml`, and what comes of it: `expanded.yaml`
//! and `explain.txt`, or `refusal.txt`. Where the idea is what stands beside a set (`companions-…`),
//! `companions.yaml` is what `render --companions` prints more than `render`. A folder with a
//! `configuration.yaml`, or with `facts.yaml` (what stands in the cluster), is about what the webhook then warns
//! of: `warnings.txt`, of the creation or, where there is a `change.yaml` (a merge patch to what is stored), of
//! that change. With `STATEWARD_BLESS=1` they are written anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy knows functions marked as tests alone")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use similar::TextDiff;
use stateward::cli::explain::{self, ExplainArgs};
use stateward::cli::input::Source;
use stateward::cli::render::{self, RenderArgs};
use stateward::cli::report::{Exit, Painter};
use stateward::configuration::Configuration;
use stateward::defaults;
use stateward::engine::{Change, Decision, Engine, Facts, Held};

/// What a folder may hold beside its input, and what it should; `None` for what it should not.
type Expected = [(&'static str, Option<String>); 5];

#[test]
fn every_folder_gives_what_it_says() {
    let engine = Engine::built_in().unwrap();
    let bless = std::env::var_os("STATEWARD_BLESS").is_some_and(|value| value == "1");
    let folders = folders();
    assert!(folders.len() >= 40, "only {} golden folders", folders.len());
    let mut failures = String::new();
    for folder in folders {
        for (file, expected) in outcome(&engine, &folder) {
            let path = folder.join(file);
            let found = fs::read_to_string(&path).ok();
            if found == expected {
                continue;
            }
            if bless {
                replace(&path, expected.as_deref());
            } else {
                let diff = difference(found.as_deref(), expected.as_deref());
                let name = folder.file_name().unwrap_or_default().to_string_lossy();
                _ = writeln!(failures, "== {name}/{file}\n{diff}");
            }
        }
    }
    assert!(failures.is_empty(), "{failures}\nSTATEWARD_BLESS=1 writes what came out; review it.");
}

/// What is rendered is what a user could have written: rendering it again leaves every byte.
#[test]
fn what_is_expanded_stays_as_it_is() {
    let engine = Engine::built_in().unwrap();
    let expanded = folders().into_iter().map(|folder| folder.join("expanded.yaml"));
    for path in expanded.filter(|path| path.exists()) {
        let text = fs::read_to_string(&path).unwrap();
        let again = rendered(&engine, &text, false);
        assert_eq!(again.as_deref(), Ok(text.as_str()), "{}", path.display());
    }
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut folders: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn outcome(engine: &Engine, folder: &Path) -> Expected {
    let text = fs::read_to_string(folder.join("input.yaml")).unwrap_or_default();
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let (expanded, refusal) = match rendered(engine, &text, false) {
        Ok(expanded) => (Some(expanded), None),
        Err(refusal) => (None, Some(refusal)),
    };
    let beside = expanded.as_ref().filter(|_| name.starts_with("companions-")).map(|expanded| {
        let all = rendered(engine, &text, true).unwrap_or_else(|refusal| refusal);
        let known: Vec<&str> = expanded.split("---\n").map(str::trim_end).collect();
        let new = all.split("---\n").filter(|document| !known.contains(&document.trim_end()));
        new.fold(String::new(), |text, document| text + "---\n" + document)
    });
    let explanation = expanded.is_some().then(|| explained(engine, &text));
    [
        ("expanded.yaml", expanded),
        ("explain.txt", explanation),
        ("refusal.txt", refusal),
        ("companions.yaml", beside),
        ("warnings.txt", warnings(engine, folder, &text)),
    ]
}

/// A cluster with one namespace.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Cluster {
    /// Annotations of the namespace.
    annotations: BTreeMap<String, String>,
    /// The storage classes of claims, by their names.
    classes: BTreeMap<String, String>,
    /// Their sizes.
    sizes: BTreeMap<String, String>,
    #[serde(skip)]
    configuration: Option<Arc<Configuration>>,
}

impl Facts for Cluster {
    fn namespace_labels(&self, namespace: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())])
    }

    fn namespace_annotations(&self, _: &str) -> BTreeMap<String, String> {
        self.annotations.clone()
    }

    fn claim_pin(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn claims(&self, _: &str, _: &str) -> BTreeMap<String, Held> {
        let names = self.classes.keys().chain(self.sizes.keys());
        let held = |name: &String| {
            let of = |known: &BTreeMap<String, String>| known.get(name).cloned();
            (name.clone(), Held { class: of(&self.classes), size: of(&self.sizes) })
        };
        names.map(held).collect()
    }

    fn configuration(&self) -> Option<Arc<Configuration>> {
        self.configuration.clone()
    }
}

/// What the webhook warns of, a line each.
fn warnings(engine: &Engine, folder: &Path, text: &str) -> Option<String> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let (configuration, facts) = (read("configuration.yaml"), read("facts.yaml"));
    if configuration.is_none() && facts.is_none() {
        return None;
    }
    let known = facts.map(|facts| serde_json::from_value(source(&facts).documents[0].value.clone()).unwrap());
    let configuration = configuration.map(|text| Arc::new(Configuration::parse(&text).unwrap()));
    let cluster = Cluster { configuration, ..known.unwrap_or_default() };
    let admit = |before: Option<&Value>, after: &Value| match engine
        .admit(Change { namespace: "default", before, after }, &cluster)
        .unwrap()
    {
        Decision::Admitted(admitted) => *admitted,
        other => panic!("{}: {other:?}", folder.display()),
    };
    let filled = |mut object: Value| {
        defaults::apply(&mut object);
        object
    };
    let mut admitted = admit(None, &filled(source(text).documents[0].value.clone()));
    if let Some(change) = read("change.yaml") {
        let stored = filled(admitted.result);
        let mut changed = stored.clone();
        json_patch::merge(&mut changed, &source(&change).documents[0].value);
        admitted = admit(Some(&stored), &filled(changed));
    }
    (!admitted.warnings.is_empty()).then(|| admitted.warnings.join("\n") + "\n")
}

fn source(text: &str) -> Source {
    Source::parse("input.yaml".to_owned(), text.to_owned()).unwrap()
}

/// What `render` prints: the manifest, or all faults.
fn rendered(engine: &Engine, text: &str, companions: bool) -> Result<String, String> {
    let mut painter = Painter::new(false);
    let args = RenderArgs { companions, ..RenderArgs::default() };
    let report = render::run(&args, &[source(text)], "default", engine, &mut painter).unwrap();
    match report.exit {
        Exit::Fine => Ok(report.stdout),
        _ => Err(report.stderr),
    }
}

fn explained(engine: &Engine, text: &str) -> String {
    let mut painter = Painter::new(false);
    let report = explain::run(&ExplainArgs::default(), &[source(text)], "default", engine, &mut painter);
    report.unwrap().stdout
}

fn replace(path: &Path, text: Option<&str>) {
    match text {
        Some(text) => fs::write(path, text).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
}

fn difference(found: Option<&str>, expected: Option<&str>) -> String {
    match (found, expected) {
        (None, Some(text)) => format!("is missing; this came out:\n{text}"),
        (Some(_), None) => "is there, but the outcome is of the other kind".to_owned(),
        (found, expected) => TextDiff::from_lines(found.unwrap_or_default(), expected.unwrap_or_default())
            .unified_diff()
            .header("the file", "what came out")
            .to_string(),
    }
}
