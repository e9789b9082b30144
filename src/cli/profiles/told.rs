//! Profiles for people.

use std::fmt::Write;

use serde_json::Value;

use crate::settings::text;

/// A line for each, columns as wide as they need.
pub(super) fn table(profiles: &[Value]) -> String {
    let number = |value: &Value| value.as_u64().map_or_else(|| "?".to_owned(), |number| number.to_string());
    let head = ["NAME", "FROM", "REVISION", "SETS", "BEHIND", "SUMMARY"].map(str::to_owned);
    let rows = profiles.iter().map(|profile| {
        let revision = profile["revision"].as_str().unwrap_or("none").to_owned();
        [
            text(&profile["name"]).to_owned(),
            text(&profile["from"]).to_owned(),
            revision,
            number(&profile["sets"]),
            number(&profile["behind"]),
            text(&profile["summary"]).to_owned(),
        ]
    });
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut out = String::new();
    for (at, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            _ = write!(line, "{cell:width$}  ");
        }
        line.push_str(&row[5]);
        _ = writeln!(out, "{}", line.trim_end());
        if let Some(profile) = at.checked_sub(1).and_then(|at| profiles.get(at)) {
            let mut revisions = profile["revisions"].as_array().into_iter().flatten();
            let current = revisions.find(|revision| revision["current"] == true);
            if let Some(otherwise) = current.and_then(otherwise) {
                _ = writeln!(out, "  behind: of the current revision, {otherwise}");
            }
            problems(&mut out, profile);
        }
    }
    out
}

fn problems(out: &mut String, profile: &Value) {
    for fault in profile["faults"].as_array().into_iter().flatten() {
        _ = writeln!(out, "  fault: {}", text(fault));
    }
    if profile["waits"] == true {
        _ = writeln!(out, "  its revision waits for being kept; until then new sets get an older one");
    }
    for revision in profile["revisions"].as_array().into_iter().flatten() {
        if revision["known"] == false {
            let (name, revision) = (text(&profile["name"]), text(&revision["revision"]));
            _ = writeln!(out, "  nobody knows {name}@{revision}, to which sets are pinned");
        }
    }
}

/// How many sets of a revision are pinned to other defaults than their namespaces give.
fn otherwise(revision: &Value) -> Option<String> {
    match revision["otherDefaults"].as_u64()? {
        0 => None,
        1 => Some("1 set has other defaults than its namespace gives now".to_owned()),
        sets => Some(format!("{sets} sets have other defaults than their namespaces give now")),
    }
}

/// `requests cpu 100m, memory 256Mi; limits memory 256Mi`.
fn amounts_told(amounts: &Value) -> String {
    let plain = |amount: &Value| amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
    let told = ["requests", "limits"].into_iter().filter_map(|field| {
        let amounts = amounts[field].as_object().filter(|amounts| !amounts.is_empty())?;
        let each: Vec<String> =
            amounts.iter().map(|(name, amount)| format!("{name} {}", plain(amount))).collect();
        Some(format!("{field} {}", each.join(", ")))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join("; ") }
}

/// All of one.
pub(super) fn whole(profile: &Value) -> String {
    let mut out = format!("StatefulSetProfile {}\n", text(&profile["name"]));
    let mut row = |what: &str, text: &str| _ = writeln!(out, "  {}", format!("{what:<10}{text}").trim_end());
    let list = |field: &'static str| profile[field].as_array().into_iter().flatten();
    row("summary", text(&profile["summary"]));
    row("from", text(&profile["from"]));
    for revision in list("revisions") {
        let mut notes: Vec<String> = Vec::new();
        notes.extend((revision["current"] == true).then(|| "current".to_owned()));
        notes.extend((revision["kept"] == true).then(|| "kept in the cluster".to_owned()));
        notes.extend(revision["sets"].as_u64().map(|sets| match sets {
            1 => "1 set".to_owned(),
            sets => format!("{sets} sets"),
        }));
        notes.extend(otherwise(revision));
        row("revision", &format!("{} {}", text(&revision["revision"]), notes.join(", ")));
    }
    let images: Vec<&str> = list("images").map(text).collect();
    row("images", if images.is_empty() { "none" } else { "" });
    for image in images {
        row("", image);
    }
    for (name, amounts) in profile["sizes"].as_object().into_iter().flatten() {
        let default = if profile["size"] == name.as_str() { " (where none is named)" } else { "" };
        row("size", &format!("{name}{default}: {}", amounts_told(amounts)));
    }
    for variant in list("variants") {
        let cases: Vec<&str> = variant["cases"].as_array().into_iter().flatten().map(text).collect();
        row("variant", &format!("{}: {}", text(&variant["name"]), cases.join(", ")));
    }
    for refusal in list("refuses") {
        let (name, problem) = (text(&refusal["name"]), text(&refusal["problem"]));
        row("refuses", &format!("{name}: {problem}; {}", text(&refusal["remedy"])));
    }
    problems(&mut out, profile);
    out
}
