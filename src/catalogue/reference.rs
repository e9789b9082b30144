//! The reference page of a built-in profile, printed from its YAML: what it sets, and from its comments
//! why.

use std::fmt::Write;

use serde_json::Value;

use super::offers::Offer;
use super::refuse::Refusal;
use super::{BUILT_IN, Catalogue, DEFAULT, Profile, proved};

/// The page of one profile, and the name of its file.
#[must_use]
pub fn pages(catalogue: &Catalogue) -> Vec<(String, String)> {
    let named = catalogue.profiles().filter_map(|profile| {
        let file = format!("{}.yaml", profile.name);
        let (_, text) = BUILT_IN.iter().find(|(name, _)| *name == file)?;
        Some((format!("{}.md", profile.name), page(profile, text)))
    });
    let mut pages: Vec<_> = named.collect();
    pages.push(("README.md".to_owned(), index(catalogue)));
    pages
}

fn index(catalogue: &Catalogue) -> String {
    let mut out = "# The catalogue\n\nPrinted from [src/catalogue](../../src/catalogue) by a test.\n\n\
                   | profile | for | images | data | refuses |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for profile in catalogue.profiles() {
        let name = &profile.name;
        let images = code(profile.images.iter());
        let refusals = code(profile.refusals.keys());
        let data = profile.data_path().unwrap_or_default();
        _ = writeln!(
            out,
            "| [{name}]({name}.md) | {} | {images} | {} | {refusals} |",
            profile.summary,
            ticked(&data)
        );
    }
    out
}

fn page(profile: &Profile, text: &str) -> String {
    let mut out = format!("# {}\n\n{}.\n\n", profile.name, profile.summary);
    let (head, comments) = comments(text);
    if !head.is_empty() {
        _ = writeln!(out, "{head}\n");
    }
    if !profile.images.is_empty() {
        _ = writeln!(out, "Picked by images whose repository is {}.\n", code(profile.images.iter()));
    }
    sizes(&mut out, profile);
    match profile.scratch.as_deref() {
        Some([]) => out.push_str("It runs with `readOnlyRootFilesystem: true` as it is.\n\n"),
        Some(scratch) => {
            _ = writeln!(
                out,
                "With `readOnlyRootFilesystem: true`, {} are emptyDirs.\n",
                code(scratch.iter())
            );
        }
        None => {}
    }
    refusals(&mut out, profile);
    if let Some(proved) = proved::section(profile) {
        _ = writeln!(out, "## Proved\n\n{proved}");
    }
    if !comments.is_empty() {
        out.push_str("## Why\n\n");
        for (path, comment) in &comments {
            _ = writeln!(out, "- `{path}`: {comment}");
        }
        out.push('\n');
    }
    let parent = if profile.name == DEFAULT { "" } else { ", what it takes over from `default` among it" };
    _ = writeln!(out, "## What it sets\n\nWhere the user has not written it{parent}.\n");
    table(&mut out, &profile.variant(&[]).offers);
    for axis in &profile.axes {
        for case in &axis.cases {
            let with = profile.variant(&[case.name.as_str()]);
            let data = &with.data;
            let changed: Vec<Offer> =
                with.offers.into_iter().filter(|offer| !profile.offers.contains(offer)).collect();
            _ = writeln!(out, "\n### Where the {} is {}\n", axis.name, case.name);
            if let Some(path) =
                data.mount_path.as_ref().filter(|path| profile.data.mount_path.as_ref() != Some(*path))
            {
                _ = writeln!(out, "Data at `{path}`.\n");
            }
            table(&mut out, &changed);
        }
    }
    out
}

fn sizes(out: &mut String, profile: &Profile) {
    if profile.sizes.is_empty() {
        return;
    }
    out.push_str("| size | CPU requested | memory requested | memory limit |\n| --- | --- | --- | --- |\n");
    for (name, amounts) in &profile.sizes {
        let cell = |kind: &str, resource: &str| match &amounts[kind][resource] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mark = if profile.size.as_deref() == Some(name) { " (default)" } else { "" };
        let row = [cell("requests", "cpu"), cell("requests", "memory"), cell("limits", "memory")].join(" | ");
        _ = writeln!(out, "| `{name}`{mark} | {row} |");
    }
    out.push('\n');
}

fn refusals(out: &mut String, profile: &Profile) {
    if profile.refusals.is_empty() {
        return;
    }
    out.push_str("It refuses, unless the annotation `stateward.dev/acknowledge` names it:\n\n");
    for (name, refusal) in &profile.refusals {
        _ = writeln!(out, "- `{name}`, {}: {}; {}", when(refusal), refusal.problem, refusal.remedy);
    }
    out.push('\n');
}

fn when(refusal: &Refusal) -> String {
    let mut words = Vec::new();
    if let Some(counts) = &refusal.replicas {
        words.extend(counts.from.map(|from| format!("{from} replicas or more")));
        words.extend(counts.even.then(|| "an even number of replicas".to_owned()));
        words.extend(counts.fewer.then(|| "fewer replicas than the set has".to_owned()));
        words.extend(counts.changed.then(|| "another number of replicas than the set has".to_owned()));
    }
    let missing = refusal.unless.env.iter().chain(&refusal.unless.args);
    let missing = code(missing);
    if !missing.is_empty() {
        words.push(format!("without any of {missing}"));
    }
    if refusal.first_start {
        words.push("at the first start".to_owned());
    }
    words.join(", ")
}

fn table(out: &mut String, offers: &[Offer]) {
    if offers.is_empty() {
        out.push_str("Nothing more.\n");
        return;
    }
    out.push_str("| field | value | from |\n| --- | --- | --- |\n");
    let mut rows: Vec<(String, &Offer)> =
        offers.iter().map(|offer| (short(&offer.path.to_string()), offer)).collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (path, offer) in rows {
        let value = match &offer.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        _ = writeln!(out, "| {} | {} | {} |", ticked(&path), ticked(&value), offer.source);
    }
}

/// A path as the page has it: what is in the main container stands first.
fn short(path: &str) -> String {
    let path = path.strip_prefix("spec.").unwrap_or(path);
    let main = "template.spec.containers[name=\"$(main)\"].";
    path.strip_prefix(main)
        .map_or_else(|| path.replacen("template.", "pod: ", 1), |rest| format!("container: {rest}"))
}

fn code<'t>(words: impl Iterator<Item = &'t String>) -> String {
    words.map(|word| ticked(word)).collect::<Vec<_>>().join(", ")
}

/// As code in a cell of a table.
fn ticked(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', "\\|").replace('\n', " ")) }
}

/// The comment at the head of a YAML file, and each further one with the field that it stands above.
fn comments(text: &str) -> (String, Vec<(String, String)>) {
    let (mut head, mut found) = (String::new(), Vec::new());
    let mut above: Vec<&str> = Vec::new();
    let mut at: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        if let Some(comment) = trimmed.strip_prefix('#') {
            above.push(comment.trim());
            continue;
        }
        if trimmed.is_empty() {
            above.clear();
            continue;
        }
        let indent = line.len() - trimmed.len();
        step(&mut at, indent, trimmed);
        let comment = above.join(" ");
        above.clear();
        if comment.is_empty() {
            continue;
        }
        if at.len() == 1 && at[0].1 == "apiVersion" {
            head = comment;
        } else {
            found.push((path(&at), comment));
        }
    }
    (head, found)
}

/// Puts the field of a line onto the way to it.
fn step(at: &mut Vec<(usize, String)>, indent: usize, line: &str) {
    let (mut indent, mut rest) = (indent, line);
    // An item of a list stands deeper than its list's name, though it may begin in the same column.
    while at.last().is_some_and(|(other, name)| {
        *other > indent || (*other == indent && (!line.starts_with("- ") || name.starts_with('[')))
    }) {
        at.pop();
    }
    if let Some(item) = line.strip_prefix("- ") {
        let named = item.trim_start_matches('{').strip_prefix("name: ");
        let name =
            named.map_or("", |name| name.split([',', '}']).next().unwrap_or_default().trim_matches('"'));
        at.push((indent, format!("[{name}]")));
        (indent, rest) = (indent + 2, item);
        if named.is_some() || item.starts_with('{') {
            return;
        }
    }
    if let Some((field, _)) = rest.split_once(':') {
        at.push((indent, field.trim_matches('"').to_owned()));
    }
}

fn path(at: &[(usize, String)]) -> String {
    let mut path = String::new();
    for (_, step) in at.iter().filter(|(_, step)| step != "spec" || at.len() == 1) {
        if !path.is_empty() && !step.starts_with('[') {
            path.push('.');
        }
        path.push_str(step);
    }
    path.replace("statefulSet.template.containers[$(main)].", "").replace("statefulSet.template.", "pod: ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The committed pages are what the catalogue says. `STATEWARD_BLESS=1` writes them.
    #[test]
    fn the_pages_are_as_printed() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/catalogue");
        let pages = pages(&Catalogue::built_in().unwrap());
        if std::env::var_os("STATEWARD_BLESS").is_some_and(|value| value == "1") {
            _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            for (name, text) in &pages {
                fs::write(folder.join(name), text).unwrap();
            }
        }
        for (name, text) in &pages {
            let found = fs::read_to_string(folder.join(name)).unwrap_or_default();
            assert!(found == *text, "docs/catalogue/{name}: STATEWARD_BLESS=1 writes it; review it");
        }
        assert_eq!(fs::read_dir(folder).unwrap().count(), pages.len(), "a page of no profile");
    }

    #[test]
    fn comments_stand_at_what_they_are_above() {
        let text = "# About it.\napiVersion: x\nspec:\n  # Two\n  # lines.\n  size: small\n  statefulSet:\n    spec:\n      \
                    template:\n        spec:\n          # Long.\n          grace: 3\n          containers:\n          - \
                    name: $(main)\n            # Why not.\n            probe: {a: b}\n            env:\n            # One.\n            \
                    - {name: A, value: b}\n  variants:\n  # Old ones.\n  - name: version\n";
        let (head, found) = comments(text);
        assert_eq!(head, "About it.");
        let found: Vec<_> = found.iter().map(|(path, comment)| format!("{path}: {comment}")).collect();
        assert_eq!(
            found,
            [
                "size: Two lines.",
                "pod: grace: Long.",
                "probe: Why not.",
                "env[A]: One.",
                "variants[version]: Old ones.",
            ]
        );
    }
}
