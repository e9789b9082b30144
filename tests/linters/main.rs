//! What the profiles make is judged by kube-score: every built-in profile in each of its variants, with
//! 1, 3 and 5 replicas, and with all that stands beside it. What is found and meant to be so is in
//! `exceptions.yaml`, each with its reason; one that nothing needs any more is a fault.

#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy knows functions marked as tests alone")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;
use serde_json::Value;
use stateward::catalogue::{Catalogue, DEFAULT, Profile};
use stateward::image::Image;

const REPLICAS: [u64; 3] = [1, 3, 5];
/// What kube-score gives where nothing is to be said.
const PERFECT: u64 = 10;

/// What may be found, and why it is meant to be so.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    check: String,
    what: String,
    /// Those that need it; absent: all do.
    profiles: Option<BTreeSet<String>>,
    reason: String,
}

/// Something that a linter said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    profile: String,
    replicas: u64,
    check: String,
    what: String,
}

/// A set to look at.
struct Case {
    profile: String,
    /// The container that the profile is for. Others are left as users wrote them.
    main: String,
    manifest: Value,
}

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        self.check == finding.check
            && self.what == finding.what
            && self.profiles.as_ref().is_none_or(|profiles| profiles.contains(&finding.profile))
    }
}

#[test]
fn what_linters_say_of_the_profiles_is_meant_to_be_so() {
    let catalogue = Catalogue::built_in().unwrap();
    let linters = linters();
    let (mut findings, mut judged) = (BTreeSet::new(), BTreeSet::new());
    for Case { profile, main, manifest } in cases(&catalogue) {
        for replicas in REPLICAS {
            let mut manifest = manifest.clone();
            manifest["spec"]["replicas"] = replicas.into();
            match render(&manifest) {
                Ok(rendered) => {
                    judged.insert((profile.clone(), replicas));
                    let said = score(&linters, &rendered, &main);
                    findings.extend(said.into_iter().map(|(check, what)| Finding {
                        profile: profile.clone(),
                        replicas,
                        check,
                        what,
                    }));
                }
                Err(refusal) => {
                    assert!(replicas > 1 && refusal.contains("replicas"), "{profile}: {refusal}\n{manifest}");
                }
            }
        }
    }
    let judged: BTreeSet<_> = judged.into_iter().map(|(profile, _)| profile).collect();
    let known: BTreeSet<_> = catalogue.profiles().map(|profile| profile.name.clone()).collect();
    assert_eq!(judged, known, "each profile has an example");
    compare(&findings, &known);
}

/// Nothing is found without an exception, and no exception is without need, for none of its profiles.
fn compare(findings: &BTreeSet<Finding>, known: &BTreeSet<String>) {
    let file = folder().join("exceptions.yaml");
    let exceptions: Vec<Exception> = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let new: Vec<_> =
        findings.iter().filter(|finding| !exceptions.iter().any(|one| one.covers(finding))).collect();
    assert!(new.is_empty(), "not in exceptions.yaml: {new:#?}");
    for exception in &exceptions {
        assert!(!exception.reason.is_empty(), "without a reason: {exception:?}");
        for profile in exception.profiles.as_ref().unwrap_or(known) {
            let needs = findings.iter().any(|found| found.profile == *profile && exception.covers(found));
            assert!(needs, "profile {profile} does not need it any more: {exception:?}");
        }
    }
}

/// The examples that are not refused, each with the images of all variants of its profile.
fn cases(catalogue: &Catalogue) -> Vec<Case> {
    let mut files: Vec<_> =
        fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    let mut covered: BTreeSet<(String, String)> = BTreeSet::new();
    for file in files {
        let example: Value = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        if render(&example).is_err() {
            continue;
        }
        let containers = example["spec"]["template"]["spec"]["containers"].as_array().unwrap();
        let images = containers.iter().map(|container| container["image"].as_str().unwrap());
        let known = images.enumerate().find_map(|(at, image)| Some((at, catalogue.for_image(image)?)));
        let (at, profile) = known.unwrap_or((0, catalogue.latest(DEFAULT).unwrap()));
        for (fitting, image) in images_of(profile, containers[at]["image"].as_str().unwrap()) {
            covered.extend(fitting.into_iter().map(|case| (profile.name.clone(), case)));
            let mut manifest = example.clone();
            manifest["spec"]["template"]["spec"]["containers"][at]["image"] = image.into();
            let main = containers[at]["name"].as_str().unwrap().to_owned();
            cases.push(Case { profile: profile.name.clone(), main, manifest });
        }
    }
    let all = catalogue.profiles().flat_map(|profile| {
        let cases = profile.axes.iter().flat_map(|axis| &axis.cases);
        cases.map(|case| (profile.name.clone(), case.name.clone()))
    });
    assert_eq!(covered, all.collect(), "each variant of each profile has an image");
    cases
}

/// Images like this one, by what they are cases of: one for each combination of cases.
fn images_of(profile: &Profile, image: &str) -> BTreeMap<Vec<String>, String> {
    let (repository, tag) = image.rsplit_once(':').unwrap();
    let cases = || profile.axes.iter().flat_map(|axis| &axis.cases);
    let majors = cases().flat_map(|case| [case.major_from, case.major_to]).flatten();
    // The example's tag may be of a case itself: `9.0-alpine`.
    let own = [tag, tag.split('-').next().unwrap()].map(str::to_owned);
    let versions: Vec<_> = own.into_iter().chain(majors.map(|one| one.to_string())).collect();
    let parts: Vec<_> = cases().filter_map(|case| case.tag_contains.as_deref()).collect();
    let mut images = BTreeMap::new();
    for version in &versions {
        let plain = std::iter::once(version.clone());
        for tag in plain.chain(parts.iter().map(|part| format!("{version}-{part}"))) {
            let image = format!("{repository}:{tag}");
            let parsed = Image::parse(&image);
            let fitting = profile.axes.iter().filter_map(|axis| axis.cases.iter().find(|c| c.fits(&parsed)));
            let fitting: Vec<_> = fitting.map(|case| case.name.clone()).collect();
            if fitting.len() == profile.axes.len() {
                images.entry(fitting).or_insert(image);
            }
        }
    }
    images
}

/// A set with what stands beside it, or why it is refused.
fn render(manifest: &Value) -> Result<Vec<u8>, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stateward"));
    let output = run(command.args(["render", "--companions", "-f", "-"]), manifest.to_string().as_bytes());
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What kube-score says of manifests, other containers than the main one left out: the check, and what
/// is wrong.
fn score(linters: &Path, manifests: &[u8], main: &str) -> Vec<(String, String)> {
    let mut command = Command::new(linters.join("kube-score"));
    command.args(["score", "--output-format", "json", "--kubernetes-version", "v1.33", "-"]);
    let output = run(&mut command, manifests);
    let objects: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert!(objects.iter().any(|object| object["type_meta"]["kind"] == "StatefulSet"), "nothing was judged");
    let mut said = Vec::new();
    for check in objects.iter().flat_map(|object| object["checks"].as_array().unwrap()) {
        if check["skipped"] == true || check["grade"].as_u64().unwrap() >= PERFECT {
            continue;
        }
        let id = check["check"]["id"].as_str().unwrap();
        let comments = check["comments"].as_array().unwrap();
        assert!(!comments.is_empty(), "{check}");
        let meant = comments.iter().filter(|one| ["", main].contains(&one["path"].as_str().unwrap()));
        said.extend(meant.map(|one| (id.to_owned(), one["summary"].as_str().unwrap().to_owned())));
    }
    said
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

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    root().join("tests/linters")
}
