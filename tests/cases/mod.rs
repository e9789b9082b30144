//! Every built-in profile in each of its variants, with images like those of the examples.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use stateward::catalogue::{Catalogue, DEFAULT, Profile};
use stateward::image::Image;

/// How many pods each is tried with.
pub(crate) const REPLICAS: [u64; 3] = [1, 3, 5];

/// A set to look at.
pub(crate) struct Case {
    pub(crate) profile: String,
    /// The container that the profile is for. Others are left as users wrote them.
    pub(crate) main: String,
    pub(crate) manifest: Value,
}

/// The examples that are not refused, each with the images of all variants of its profile.
pub(crate) fn cases(catalogue: &Catalogue) -> Vec<Case> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<_> = fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file() && path.file_stem().is_some_and(|name| name != "refused"));
    files.sort();
    let mut cases = Vec::new();
    let mut covered: BTreeSet<(String, String)> = BTreeSet::new();
    for file in files {
        let example: Value = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
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
