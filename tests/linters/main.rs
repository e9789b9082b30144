//! What the profiles make is judged by kube-score and by KICS, and by what kube-linter asks and neither
//! of them does: every built-in profile in each of its variants, with 1, 3 and 5 replicas, and with all
//! that stands beside it. What is found and meant to be so is in `exceptions.yaml`, each with its reason;
//! one that nothing needs any more is a fault.

#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy knows functions marked as tests alone")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;
use serde_json::Value;
use stateward::catalogue::{Catalogue, DEFAULT};

mod broken;
#[path = "../cases/mod.rs"]
mod cases;
mod judges;
mod kube_linter;

use crate::cases::{Case, REPLICAS, cases};
use crate::judges::{Judge, Said, judge};

/// A set with all that stands beside it.
#[derive(Clone)]
struct Rendered {
    profile: String,
    /// The container that is judged. Others are left as users wrote them.
    main: String,
    objects: Vec<Value>,
}

/// What may be found, and why it is meant to be so.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    judge: Judge,
    check: String,
    /// Each is needed.
    what: BTreeSet<String>,
    /// Those that need it; absent: all do.
    profiles: Option<BTreeSet<String>>,
    reason: String,
}

impl Exception {
    fn covers(&self, profile: &str, said: &Said) -> bool {
        let about = (self.judge, &self.check) == (said.judge, &said.check) && self.what.contains(&said.what);
        about && self.profiles.as_ref().is_none_or(|profiles| profiles.contains(profile))
    }
}

#[test]
fn what_linters_say_of_the_profiles_is_meant_to_be_so() {
    let catalogue = Catalogue::built_in().unwrap();
    let mut rendered = Vec::new();
    for Case { profile, main, mut manifest } in cases(&catalogue) {
        for replicas in REPLICAS {
            manifest["spec"]["replicas"] = replicas.into();
            match render(&manifest) {
                Ok(objects) => {
                    rendered.push(Rendered { profile: profile.clone(), main: main.clone(), objects });
                }
                Err(refusal) => {
                    assert!(replicas > 1 && refusal.contains("replicas"), "{profile}: {refusal}\n{manifest}");
                }
            }
        }
    }
    let known: BTreeSet<_> = catalogue.profiles().map(|profile| profile.name.clone()).collect();
    let judged: BTreeSet<_> = rendered.iter().map(|one| one.profile.clone()).collect();
    assert_eq!(judged, known, "each profile has an example");
    let said = judge(&rendered);
    let profiles = rendered.into_iter().map(|one| one.profile);
    let findings = profiles
        .zip(said)
        .flat_map(|(profile, said)| said.into_iter().map(move |one| (profile.clone(), one)));
    compare(&findings.collect(), &known);
}

/// Nothing is found without an exception, and no exception is without need, for none of its profiles.
fn compare(findings: &BTreeSet<(String, Said)>, known: &BTreeSet<String>) {
    let exceptions = exceptions();
    let excused = |(profile, said): &&(String, Said)| exceptions.iter().any(|one| one.covers(profile, said));
    let new: Vec<_> = findings.iter().filter(|finding| !excused(finding)).collect();
    assert!(new.is_empty(), "not in exceptions.yaml: {new:#?}");
    for exception in &exceptions {
        assert!(!exception.reason.is_empty(), "without a reason: {exception:?}");
        for profile in exception.profiles.as_ref().unwrap_or(known) {
            let covered =
                findings.iter().filter(|(of, said)| of == profile && exception.covers(profile, said));
            let needed: BTreeSet<_> = covered.map(|(_, said)| said.what.clone()).collect();
            assert_eq!(needed, exception.what, "profile {profile} does not need all of it: {exception:?}");
        }
    }
}

/// Whoever says nothing of what is broken would say nothing of a profile either: each thing that is
/// broken on purpose is found by those who are to find it, in the set and in each kind beside it.
#[test]
fn what_is_broken_on_purpose_is_found() {
    let whole = broken::with_all_companions();
    let mut rendered = vec![whole.clone()];
    for one in broken::BREAKS {
        let mut objects = whole.objects.clone();
        (one.make)(&mut objects);
        assert_ne!(objects, whole.objects, "{} changes nothing", one.name);
        rendered.push(Rendered { objects, ..whole.clone() });
    }
    let said = judge(&rendered);
    let (unbroken, said) = said.split_first().unwrap();
    let exceptions = exceptions();
    let excused = |said: &&Said| exceptions.iter().any(|one| one.covers(DEFAULT, said));
    let new: Vec<_> = unbroken.iter().filter(|said| !excused(said)).collect();
    assert!(new.is_empty(), "of a set with all companions: {new:#?}");
    let mut missed = Vec::new();
    for (one, said) in broken::BREAKS.iter().zip(said) {
        let new: BTreeSet<_> =
            said.difference(unbroken).map(|said| (said.judge, said.check.as_str())).collect();
        missed
            .extend(one.found_by.iter().filter(|check| !new.contains(check)).map(|check| (one.name, check)));
    }
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

fn exceptions() -> Vec<Exception> {
    serde_saphyr::from_str(&fs::read_to_string(folder().join("exceptions.yaml")).unwrap()).unwrap()
}

/// A set with what stands beside it, or why it is refused. In a namespace, as it would be in a cluster:
/// linters compare those of objects.
fn render(manifest: &Value) -> Result<Vec<Value>, String> {
    let mut manifest = manifest.clone();
    manifest["metadata"]["namespace"] = "shop".into();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stateward"));
    command.args(["render", "--companions", "-o", "json", "-f", "-"]);
    command.arg("--configuration").arg(folder().join("configuration.yaml"));
    command.arg("--profiles").arg(folder().join("profiles"));
    let output = run(&mut command, manifest.to_string().as_bytes());
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    Ok(list["items"].as_array().unwrap().clone())
}

fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // All of it is read before anything is written back.
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
    child.wait_with_output().unwrap()
}

/// Where the linters are, built if they are not there yet.
fn linters() -> PathBuf {
    let built = Command::new(folder().join("build")).stderr(Stdio::inherit()).output().unwrap();
    assert!(built.status.success(), "the linters could not be built: see above");
    PathBuf::from(String::from_utf8(built.stdout).unwrap().trim())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/linters")
}
