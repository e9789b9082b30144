//! What becomes of others when a profile goes. Nothing is refused: whoever deletes it is told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::engine::line;
use crate::profiles::{Profiled, Profiles};
use crate::settings::text;

/// So many names are told.
const NAMED: usize = 5;

/// What to say to whoever deletes a profile, from what is in memory.
pub(super) fn warnings(profiles: &Profiles, old: &Value) -> Vec<String> {
    let name = text(&old["metadata"]["name"]);
    if name.is_empty() || !old["metadata"]["deletionTimestamp"].is_null() {
        return Vec::new();
    }
    let behind = profiles.is_behind(name);
    let objects = profiles.objects();
    let children = descendants(&objects, name);
    // As the controller last counted them.
    let pinned = objects.get(name).and_then(|object| object.status["inUse"].as_u64()).unwrap_or(0);
    let mut told = Vec::new();
    if !children.is_empty() {
        let extend = if children.len() == 1 { "extends" } else { "extend" };
        let each = if children.len() == 1 { "it" } else { "each" };
        let then = if behind {
            ", which is the built-in one from now on".to_owned()
        } else {
            format!(
                ": what was last kept stands in for {each}, and an edit is refused until it extends another profile"
            )
        };
        told.push(line(&format!("{} {extend} {name}{then}", listed(&children))));
    }
    if pinned > 0 {
        let sets = if pinned == 1 { "1 set is".to_owned() } else { format!("{pinned} sets are") };
        let then = if behind {
            "new ones get the built-in one"
        } else {
            "new ones of its images get another profile's defaults, and those that name it are refused"
        };
        told.push(line(&format!(
            "{sets} pinned to revisions of {name}, which stay as long as they are used; {then}"
        )));
    }
    told
}

/// The profiles of the cluster that build on this one, the nearest first.
fn descendants(objects: &BTreeMap<String, Profiled>, name: &str) -> Vec<String> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::from([name.to_owned()]));
    let mut parents = vec![name.to_owned()];
    while !parents.is_empty() {
        let is_child = |child: &&String| {
            let spec = objects.get(*child).and_then(|object| object.given.spec.as_ref().ok());
            spec.and_then(|spec| spec.extends.as_ref()).is_some_and(|parent| parents.contains(parent))
        };
        let children: Vec<String> =
            objects.keys().filter(is_child).filter(|child| !seen.contains(*child)).cloned().collect();
        seen.extend(children.iter().cloned());
        found.extend(children.iter().cloned());
        parents = children;
    }
    found
}

fn listed(names: &[String]) -> String {
    let (shown, more) = names.split_at(names.len().min(NAMED));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    format!("{}{more}", shown.join(", "))
}
