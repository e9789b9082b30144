//! What the main value sets render, byte for byte.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use similar::TextDiff;

use crate::helm::{Rendering, SETS, chart, helm, render_set, root, values};

/// Names the files that `default` has and another set lacks.
const ABSENT: &str = "absent.txt";

#[test]
fn every_value_set_renders_what_is_committed() {
    let bless = std::env::var_os("STATEWARD_BLESS").is_some_and(|value| value == "1");
    let default = render_set("default");
    let mut failures = String::new();
    for set in SETS {
        let expected = if *set == "default" { default.clone() } else { apart(&render_set(set), &default) };
        let found = committed(set);
        if bless {
            write(set, &expected);
            continue;
        }
        for file in expected.keys().chain(found.keys().filter(|file| !expected.contains_key(*file))) {
            let (before, after) = (text(&found, file), text(&expected, file));
            if before != after {
                let diff = TextDiff::from_lines(before, after)
                    .unified_diff()
                    .header("committed", "rendered")
                    .to_string();
                _ = writeln!(failures, "== {set}/{file}\n{diff}");
            }
        }
    }
    assert!(failures.is_empty(), "{failures}\nSTATEWARD_BLESS=1 writes what came out; review it.");
}

#[test]
fn rendering_twice_gives_the_same_bytes() {
    for set in SETS {
        assert_eq!(render_set(set), render_set(set), "{set}");
    }
}

#[test]
fn every_value_set_passes_strict_lint() {
    for set in SETS {
        let said = helm(&[
            "lint",
            "--strict",
            "--values",
            &values(set).to_string_lossy(),
            &chart().to_string_lossy(),
        ]);
        assert!(said.is_ok(), "{set}:\n{}", said.unwrap_err());
    }
}

/// The files that `default` does not have so, and the names of those that are absent.
fn apart(rendering: &Rendering, default: &Rendering) -> Rendering {
    let mut apart: Rendering = rendering
        .iter()
        .filter(|(file, text)| default.get(*file) != Some(text))
        .map(|(file, text)| (file.clone(), text.clone()))
        .collect();
    let absent: Vec<&str> =
        default.keys().filter(|file| !rendering.contains_key(*file)).map(String::as_str).collect();
    if !absent.is_empty() {
        apart.insert(ABSENT.to_owned(), absent.join("\n") + "\n");
    }
    apart
}

fn folder(set: &str) -> PathBuf {
    root().join("tests/chart/golden").join(set)
}

fn committed(set: &str) -> Rendering {
    let mut files = BTreeMap::new();
    let mut folders = vec![(folder(set), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
            if path.is_dir() {
                folders.push((path, format!("{name}/")));
            } else {
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

fn write(set: &str, files: &Rendering) {
    let folder = folder(set);
    // Files that are rendered no more go.
    _ = fs::remove_dir_all(&folder);
    for (file, text) in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn text<'a>(files: &'a Rendering, file: &str) -> &'a str {
    files.get(file).map(String::as_str).unwrap_or_default()
}
