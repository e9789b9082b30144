//! Data stays where it is: what settings would do to it is refused, or not done.

use std::sync::Arc;

use serde_json::Value;

use super::create::differences;
use super::pin::Expansions;
use super::update::{Both, Request};
use super::warnings::{changed_keys, line};
use super::{Engine, immutable, short};
use crate::catalogue::Case;
use crate::expand::update::is_immutable;
use crate::expand::{Expansion, Family, Injection, Source};
use crate::fault::{Fault, Reason};
use crate::image::Image;
use crate::names;
use crate::path::{Path, Step};
use crate::quantity::Quantity;
use crate::record::Record;
use crate::settings::{Settings, containers_path, image_of, text};

/// Which paths settings may not change in the set of this record; the second argument is
/// [`crate::expand::Injection::data`].
pub(super) fn rule(record: &Record) -> fn(&Path, bool) -> bool {
    if record.adopted { stays_in_adopted } else { stays }
}

/// Where the data is: mounts, data directories, user ids, claim templates.
fn stays(path: &Path, data: bool) -> bool {
    let in_metadata = || path.0.iter().any(|s| matches!(s, Step::Field(field) if field == "metadata"));
    data || (is_immutable(path) && Family::of(path) == Family::Storage && !in_metadata())
}

/// In an adopted set also as whom it runs: its image ran as it is before we came.
fn stays_in_adopted(path: &Path, data: bool) -> bool {
    stays(path, data) || is_immutable(path) || matches!(Family::of(path), Family::Security | Family::Storage)
}

/// A place where settings would change data: where, and from what to what.
struct Clash<'a> {
    path: Path,
    old: Option<&'a Value>,
    new: Option<&'a Value>,
    /// Whether it is but the size of a claim that is there, and nobody asks for another one for this set.
    is_size: bool,
}

/// Refuses what this request's settings would do to data, or says that it is not done.
pub(super) fn keep(request: &mut Request, expansions: &Expansions) {
    if request.record.adopted || Arc::ptr_eq(&expansions.middle, &expansions.new) {
        return;
    }
    let before = request.before;
    let middle = |path: &Path| expansions.middle.injections.iter().find(|old| old.path == *path);
    let new = |path: &Path| expansions.new.injections.iter().find(|new| new.path == *path);
    let differ = differences(&expansions.middle, &expansions.new).into_iter();
    // A size that is asked for may be the profile's, whose claims kept a former one.
    let late = expansions.new.injections.iter().filter(|new| {
        let same = middle(&new.path).is_some_and(|old| !is_asked(old) && old.value == new.value);
        same && is_asked(new) && is_size(&new.path) && new.path.lookup(before).is_some()
    });
    let clashes: Vec<Clash> = differ
        .filter(|(path, data)| stays(path, *data))
        .map(|(path, _)| path)
        .chain(late.map(|injection| injection.path.clone()))
        .map(|path| {
            let (old, new) = (middle(&path), new(&path));
            let there = path.lookup(before).filter(|_| is_size(&path));
            let is_size = is_size(&path) && there.is_some() && new.is_some_and(|new| !is_asked(new));
            Clash {
                old: there.or(old.map(|injection| &injection.value)),
                new: new.map(|injection| &injection.value),
                is_size: is_size && expansions.moved,
                path,
            }
        })
        // An annotation that was taken away and comes back asks for what is there.
        .filter(|clash| clash.new != clash.path.lookup(before))
        .collect();
    if clashes.is_empty() {
        return;
    }
    let (faults, warning) = judge(request.before, request.sent, &clashes, expansions.moved);
    request.faults.extend(faults);
    request.warnings.extend(warning);
}

/// Whether a path is the size of a claim template.
fn is_size(path: &Path) -> bool {
    let is = |step: &Step, name: &str| matches!(step, Step::Field(field) if field == name);
    matches!(&*path.0, [_, list, .., last] if is(list, "volumeClaimTemplates") && is(last, "storage"))
}

/// Whether an annotation of the set asks for it.
fn is_asked(injection: &Injection) -> bool {
    matches!(injection.source, Source::Intent { .. })
}

/// Faults for what was added or changed; a warning for what was merely taken away, since nothing
/// follows from that. So it is with the size that another revision gives: it is for claims that are to
/// come, and a profile that says another one must not keep its sets from every later revision.
fn judge(before: &Value, after: &Value, clashes: &[Clash], moved: bool) -> (Vec<Fault>, Option<String>) {
    let metadata = &after["metadata"];
    let present =
        |key: &String| !metadata["annotations"][key].is_null() || !metadata["labels"][key].is_null();
    let (changed, gone): (Vec<_>, Vec<_>) =
        changed_keys(before, after).into_iter().filter(|key| places_data(key, moved)).partition(present);
    let places: Vec<&Clash> = clashes.iter().filter(|clash| !clash.is_size).collect();
    let faults: Vec<Fault> = changed
        .iter()
        .filter(|_| !places.is_empty())
        .map(|key| {
            let problem = format!("stored data stays where it is, and this would change {}", told(&places));
            Fault::new(Reason::Data, key, problem, steps(key, before, after))
        })
        .collect();
    let paths: Vec<Path> = clashes.iter().map(|clash| clash.path.clone()).collect();
    let fields = listed(&paths);
    let warning = faults.is_empty().then(|| match gone.first() {
        Some(key) => line(&format!("{key} is gone, and the data stays where it is ({fields})")),
        None => line(&format!("the data stays where it is: {fields} did not change")),
    });
    (faults, warning)
}

/// Clashes in words: `mountPath /data from nothing to "data"`.
fn told(clashes: &[&Clash]) -> String {
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), crate::hash::canonical);
    let words =
        |clash: &&Clash| format!("{} from {} to {}", short(&clash.path), shown(clash.old), shown(clash.new));
    clashes.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// Whether a key says where data is.
fn places_data(key: &str, moved: bool) -> bool {
    match key.strip_prefix(names::PREFIX).unwrap_or(key) {
        "profile" | "profile-revision" | "upgrade-to" => moved,
        "access-mode" | "main-container" | "mount-path" | "storage" | "storage-class" => true,
        name => name.starts_with("volume."),
    }
}

/// What to do instead of changing `key`.
fn steps(key: &str, before: &Value, after: &Value) -> String {
    let name = text(&after["metadata"]["name"]);
    let annotation = |object: &Value| Quantity::parse(text(&object["metadata"]["annotations"][key])).ok();
    let claim = |claim: &str| {
        let claims = before["spec"]["volumeClaimTemplates"].as_array();
        claims.into_iter().flatten().any(|template| template["metadata"]["name"] == claim)
    };
    match key.strip_prefix(names::PREFIX).unwrap_or(key) {
        "storage" => match (annotation(before), annotation(after)) {
            (Some(old), Some(new)) if new < old => {
                "put the old size back: no volume shrinks; to use less, create a set of another name and copy the \
                 data"
                    .to_owned()
            }
            (_, Some(new)) => immutable::grow(name, "data", &new.canonical()),
            _ => "put the old size back".to_owned(),
        },
        volume if volume.strip_prefix("volume.").is_some_and(|volume| !claim(volume)) => format!(
            "take it away, or: 1. kubectl delete statefulset {name} --cascade=orphan (pods and claims stay) \
             2. apply the manifest with it; the pods then restart one by one with the new volume"
        ),
        _ => format!(
            "put it back; to move the data, create a set of another name, copy the data of {name} with the \
             database's own tools, and delete the old set"
        ),
    }
}

impl Engine {
    /// An image that needs another variant: refused, unless the user wrote what differs. Gives the
    /// settings to go on with.
    pub(super) fn check_variant(
        &self,
        request: &mut Request,
        parts: &Both,
        settings: Settings,
        expansion: &Expansion,
    ) -> Settings {
        let needed = cases_of_image(&request.after, &settings);
        // Renamed while we were away: no change of this request.
        let pinned = image_of(request.before, &request.record.pin.main);
        let old = if pinned.is_empty() { image_of(request.before, &settings.main) } else { pinned };
        let image = image_of(&request.after, &settings.main);
        if request.record.adopted || needed == settings.cases || old == image {
            return settings;
        }
        let other = settings.with_cases(needed);
        let differ: Vec<Path> = differences(expansion, &(self.expand)(&parts.after.user, &other))
            .into_iter()
            .filter(|(_, data)| *data)
            .map(|(path, _)| path)
            .collect();
        if differ.is_empty() {
            return other;
        }
        request.faults.push(variant(old, image, &settings, &differ));
        settings
    }
}

/// The cases that the main container's image needs of the profile in use; where its tag does not
/// tell, those that are in use.
pub(super) fn cases_of_image(object: &Value, settings: &Settings) -> Vec<String> {
    let image = Image::parse(image_of(object, &settings.main));
    let axes = settings.profile.axes.iter().enumerate();
    axes.filter_map(|(index, axis)| {
        let fits = axis.cases.iter().find(|case: &&Case| case.fits(&image)).map(|case| case.name.clone());
        fits.or_else(|| settings.cases.get(index).cloned())
    })
    .collect()
}

/// The fault of an image that needs another variant than the one that the data was made with.
fn variant(old: &str, new: &str, settings: &Settings, differ: &[Path]) -> Fault {
    let at = containers_path().named(settings.main.clone()).field("image");
    let problem = format!(
        "{new:?} keeps its data otherwise than {old:?}, with which {} was created ({})",
        settings.name,
        listed(differ)
    );
    let remedy = format!(
        "put the old tag back; to move, create a set of another name with {new}, copy the data with the \
         database's own tools (dump and restore), and delete {}; or write these fields yourself",
        settings.name
    );
    Fault::new(Reason::Data, at.to_string(), problem, remedy)
}

/// Paths in few words, each once.
pub(super) fn listed(paths: &[Path]) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in paths.iter().map(short) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}
