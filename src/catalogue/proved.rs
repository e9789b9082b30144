//! What of a profile was proved against the real server, as `docs/proved.md` says it.

use std::fmt::Write;

use super::Profile;

const PAGE: &str = include_str!("../../docs/proved.md");

/// A row of the page's table: what was run, and what came of it.
struct Row<'t> {
    server: &'t str,
    from: &'t str,
    single: &'t str,
    cluster: &'t str,
}

/// The heading of what is neither run nor read.
const DOUBTED: &str = "Facts that no source of ours confirms";

/// An item of a list.
#[derive(Debug, PartialEq)]
struct Entry {
    text: String,
    doubted: bool,
}

/// What the page says of this profile: a sentence, and all further entries that name its system first.
pub(super) fn section(profile: &Profile) -> Option<String> {
    let row = rows().find_map(|(name, row)| (name == profile.name).then_some(row))?;
    let mut out = match row {
        Row { server: "", .. } => "Nothing: no server was to be had.\n".to_owned(),
        Row { server, from, single, cluster } => {
            format!("Server {server}, from {from}. One pod: {single}. Cluster: {cluster}.\n")
        }
    };
    let (doubted, said): (Vec<_>, Vec<_>) =
        entries(&profile.name).into_iter().partition(|entry| entry.doubted);
    for entry in said {
        _ = write!(out, "\n- {}", entry.text);
    }
    if !doubted.is_empty() {
        out = format!("{}\n\nNeither run nor read in the version that it is about:\n", out.trim_end());
    }
    for entry in doubted {
        _ = write!(out, "\n- {}", entry.text);
    }
    let more =
        "What that is, what stood in for the image, and what nobody tried, is in [proved.md](../proved.md).";
    Some(format!("{}\n\n{more}\n", out.trim_end()))
}

fn rows() -> impl Iterator<Item = (String, Row<'static>)> {
    PAGE.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let [name, server, from, single, cluster] = cells[..] else { return None };
        Some((name.to_lowercase(), Row { server, from, single, cluster }))
    })
}

/// The items of the page's lists that begin with the name of the system, or with several: `Redis and Valkey: ...`.
fn entries(name: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let (mut inside, mut doubted) = (false, false);
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            doubted = heading == DOUBTED;
        } else if let Some(item) = line.strip_prefix("- ") {
            let (names, said) = item.split_once(": ").unwrap_or_default();
            let mut named = names.split(", ").flat_map(|names| names.split(" and "));
            inside = named.any(|named| named.to_lowercase() == name);
            if inside {
                found.push(Entry { text: said.to_owned(), doubted });
            }
        } else if inside && let (Some(more), Some(entry)) = (line.strip_prefix("  "), found.last_mut()) {
            entry.text += " ";
            entry.text += more.trim();
        } else {
            inside = false;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, DEFAULT};

    #[test]
    fn the_page_has_a_row_for_every_system_and_none_besides() {
        let catalogue = Catalogue::built_in().unwrap();
        for profile in catalogue.profiles().filter(|profile| profile.name != DEFAULT) {
            let said =
                section(profile).unwrap_or_else(|| panic!("docs/proved.md has no row for {}", profile.name));
            assert!(
                said.contains("One pod: ") || said.contains("\n- "),
                "{}: neither proved nor why not",
                profile.name
            );
        }
        let known = |name: &str| catalogue.profiles().any(|profile| profile.name == name);
        let unknown: Vec<_> = rows()
            .map(|(name, _)| name)
            .filter(|name| name != "system" && !name.starts_with('-') && !known(name))
            .collect();
        assert_eq!(unknown, [""; 0]);
    }

    #[test]
    fn entries_go_on_in_the_lines_below() {
        let of = entries("opensearch");
        assert!(entries("elasticsearch").iter().any(|entry| of.contains(entry)), "{of:?}");
        assert!(of.iter().any(|entry| entry.doubted) && of.iter().any(|entry| !entry.doubted), "{of:?}");
        assert!(of.iter().all(|entry| !entry.text.contains("  ") && !entry.text.contains("- ")), "{of:?}");
    }
}
