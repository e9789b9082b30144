//! Directories to write to beside a root that is read-only.
//!
//! A read-only root is the user's wish, or that of a profile of the platform: no built-in profile
//! asks for it, since a directory that is missing stops the server.

use serde_json::json;

use super::Draft;
use super::storage::{claims, overlap};
use crate::path::{ItemKey, Path, Step};
use crate::settings::text;

const READ_ONLY: &str = "readOnlyRootFilesystem";

/// Offers an `emptyDir` at each directory that the image writes to and where nothing is mounted.
pub(super) fn expand(draft: &mut Draft) {
    let profile = &draft.settings.profile;
    if !is_root_read_only(draft) {
        return;
    }
    let source = profile.layer_of("scratch");
    let mounts = draft.main().field("volumeMounts");
    let Some(scratch) = &profile.scratch else {
        let why = format!("profile {} does not know what the image writes to", profile.name);
        draft.withhold(mounts, why);
        return;
    };
    for directory in scratch {
        let mount = mounts.item(ItemKey::text("mountPath", directory.clone()));
        if let Some(other) = mounted(draft, &mounts, directory) {
            draft.withhold(mount, format!("{other} is mounted"));
            continue;
        }
        let name = volume(directory);
        let volume = Path::fields(&["spec", "template", "spec", "volumes"]).named(name.clone());
        let claim = claims().named(name.clone()).lookup(draft.user).is_some();
        if claim || volume.lookup(draft.user).is_some_and(|theirs| theirs["emptyDir"].is_null()) {
            draft.withhold(mount, format!("you have a volume named {name}"));
            continue;
        }
        draft.offer(&volume, &json!({"name": name, "emptyDir": {}}), &source, false);
        draft.offer(&mount, &json!({"mountPath": directory, "name": name}), &source, false);
    }
}

fn is_root_read_only(draft: &Draft) -> bool {
    let path = draft.main().field("securityContext").field(READ_ONLY);
    let offered = || {
        let mut offers = draft.settings.variant.offers.iter();
        offers.any(|offer| offer.path.last_field() == Some(READ_ONLY) && offer.value == true)
    };
    draft.user_value(&path).map_or_else(offered, |value| *value == true)
}

/// What is mounted at `directory` or above it in the main container.
fn mounted(draft: &Draft, mounts: &Path, directory: &str) -> Option<String> {
    let users = draft.main_items("volumeMounts").iter().map(|mount| text(&mount["mountPath"]));
    let ours = draft.injections().iter().filter_map(|injection| match injection.path.0.get(mounts.0.len()) {
        Some(Step::Item(key)) if injection.path.starts_with(mounts) => key.first(),
        _ => None,
    });
    let mut all = users.chain(ours);
    all.find(|mount| matches!(overlap(directory, mount), Some("at" | "below"))).map(str::to_owned)
}

/// `/var/run/mysqld` as the name of a volume: `scratch-var-run-mysqld`.
fn volume(directory: &str) -> String {
    let letters =
        directory.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let mut name: String = "scratch".chars().chain(letters).take(63).collect();
    name.truncate(name.trim_end_matches('-').len());
    name
}
