//! Volumes that a parent gives and a child takes away: by a name that tells of it, or with the variants that
//! said where they are.

use std::collections::BTreeSet;

use super::{Tried, combinations};
use crate::catalogue::profile::ProfileSpec;
use crate::catalogue::{Profile, Variant};
use crate::path::{Path, Step};

/// Tells of the images whose sets would have no volume where they have one by the parent.
pub(super) fn judge(profile: &Profile, chain: &[(&str, &ProfileSpec)], tried: &mut Tried) {
    let [parents @ .., (_, own)] = chain else { return };
    let Some((name, _)) = parents.last().filter(|_| !own.without.is_empty()) else { return };
    let parent = Profile::of_chain(name, parents).0;
    let theirs: Vec<(Vec<String>, BTreeSet<String>)> = combinations(&parent.axes)
        .into_iter()
        .map(|cases| {
            let volumes = volumes(&variant(&parent, &cases));
            (cases, volumes)
        })
        .collect();
    let (mut gone, mut of) = (BTreeSet::new(), BTreeSet::new());
    for cases in combinations(&profile.axes) {
        let here = volumes(&variant(profile, &cases));
        for (before, volumes) in theirs.iter().filter(|(before, _)| agree(profile, before, &cases)) {
            // One of its own is where the data is to be instead.
            if here.is_subset(volumes) && here != *volumes {
                gone.extend(volumes.difference(&here).cloned());
                of.insert(before.join(", "));
            }
        }
    }
    if gone.is_empty() {
        return;
    }
    let all = of.len() == theirs.len();
    let images = if all { String::new() } else { format!(" ({})", Vec::from_iter(of).join("; ")) };
    tried.remark(format!(
        "{}: sets of it{images} get no volume for {}, as those of {name} do, and what they store there goes with the pod; \
         say under data where it is to be",
        entry(own),
        Vec::from_iter(gone).join(" and ")
    ));
}

fn variant(profile: &Profile, cases: &[String]) -> Variant {
    profile.variant(&cases.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The volumes that a set gets without asking, by what people call them.
fn volumes(variant: &Variant) -> BTreeSet<String> {
    let claims = Path::fields(&["spec", "volumeClaimTemplates"]);
    let of_offers = variant.offers.iter().filter(|offer| offer.path.starts_with(&claims));
    let claimed = of_offers.filter_map(|offer| match offer.path.0.get(claims.0.len()) {
        Some(Step::Item(key)) => Some(format!("the claim {}", key.first()?)),
        _ => None,
    });
    let data = variant.data.size.as_ref().and(variant.data.mount_path.as_ref());
    claimed.chain(data.map(|path| format!("its data ({path})"))).collect()
}

/// Whether an image may be of both: of the axes that are there still, the cases are the same.
fn agree(profile: &Profile, before: &[String], now: &[String]) -> bool {
    let is_there =
        |name: &String| profile.axes.iter().flat_map(|axis| &axis.cases).any(|case| case.name == *name);
    before.iter().all(|name| now.contains(name) || !is_there(name))
}

/// Which entry does it, as far as its name tells.
fn entry(own: &ProfileSpec) -> String {
    let about = |entry: &&String| {
        ["data", "variants", "statefulSet.spec.volumeClaimTemplates"]
            .iter()
            .any(|name| entry.starts_with(name))
    };
    let mut found = own.without.iter().enumerate().filter(|(_, entry)| about(entry));
    match (found.next(), found.next()) {
        (Some((position, _)), None) => format!("spec.without[{position}]"),
        _ => "spec.without".to_owned(),
    }
}
