//! An explanation for people, in a hundred columns.

use std::fmt::Write;

use serde_json::Value;

use super::{Explanation, Managed, Row, State};
use crate::expand::{Family, Withheld, reasons};
use crate::path::{Path, Scalar, Step};

const WIDTH: usize = 100;
const FIELD: usize = 44;
const INDENT: &str = "      ";
const UNRECORDED: &str = "it was created without us; its next change by a user is expanded";

pub(super) fn explanation(explanation: &Explanation) -> String {
    let object = &explanation.object;
    match &explanation.state {
        State::Unmanaged => format!("{object}\n  not managed; passes untouched\n"),
        State::Unrecorded => format!("{object}\n  managed, but never expanded: {UNRECORDED}\n"),
        State::Managed(managed) => format!("{object}\n{}", managed_text(managed)),
    }
}

fn managed_text(managed: &Managed) -> String {
    let main = managed.main_container.as_str();
    let mut text = String::new();
    let (profile, variant) = managed.pin.split_once('/').unwrap_or((&managed.pin, ""));
    let variant =
        if variant.is_empty() { String::new() } else { format!(", variant {}", variant.replace(',', ", ")) };
    line(&mut text, &format!("  profile         {profile}{variant}"));
    if !main.is_empty() {
        line(&mut text, &format!("  main container  {main}"));
        line(&mut text, "  Below, pod is spec.template.spec, and container is the main container in it.");
    }
    for family in Family::ALL {
        let rows = managed.injected.iter().filter(|row| Family::of(&row.path) == family);
        section(&mut text, family.as_str(), row_texts(rows, main));
    }
    section(&mut text, "not injected", managed.withheld.iter().map(|withheld| withheld_text(withheld, main)));
    section(
        &mut text,
        &format!("an upgrade to {} would bring", managed.latest),
        row_texts(managed.upgrade.iter(), main),
    );
    section(&mut text, "warnings", managed.warnings.iter().map(|warning| wrapped(warning, "  ")));
    text
}

fn section(text: &mut String, title: &str, entries: impl Iterator<Item = String>) {
    for (index, entry) in entries.enumerate() {
        if index == 0 {
            line(text, &format!("\n{title}"));
        }
        text.push_str(&entry);
    }
}

/// The rows; what would be said of the one before too is not said again.
fn row_texts<'r>(rows: impl Iterator<Item = &'r Row>, main: &str) -> impl Iterator<Item = String> {
    let mut said = String::new();
    rows.map(move |row| {
        let mut text = entry(&short(&row.path, main), &shortened(&value(row)));
        let why = why(row);
        if why != said {
            text.push_str(&wrapped(&why, INDENT));
        }
        said = why;
        text
    })
}

fn why(row: &Row) -> String {
    let source = &row.source;
    let data = if row.data { " (data depends on it)" } else { "" };
    match reasons::reason(&row.path) {
        "" => format!("{source}{data}"),
        reason => format!("{source}: {reason}{data}"),
    }
}

/// The value; of a claim what it asks for, since the rest goes without saying.
fn value(row: &Row) -> String {
    match row.value.get("spec") {
        Some(spec) if row.path.starts_with(&Path::fields(&["spec", "volumeClaimTemplates"])) => flow(spec),
        _ => flow(&row.value),
    }
}

fn withheld_text(withheld: &Withheld, main: &str) -> String {
    entry(&short(&withheld.path, main), &withheld.why)
}

/// A field and its text in two columns; what is too long for its column gets lines of its own.
fn entry(field: &str, text: &str) -> String {
    if text.chars().count() > WIDTH - FIELD - 4 {
        format!("  {field}\n{}", wrapped(text, INDENT))
    } else if field.chars().count() > FIELD {
        format!("  {field}\n{INDENT}{text}\n")
    } else {
        format!("  {field:FIELD$}  {text}\n")
    }
}

/// The path, its long beginnings shortened.
fn short(path: &Path, main: &str) -> String {
    let is = |at: usize, name: &str| matches!(path.0.get(at), Some(Step::Field(field)) if field == name);
    let in_pod = is(0, "spec") && is(1, "template") && is(2, "spec");
    let in_main = in_pod && super::container(path).is_some_and(|name| name == main);
    let (prefix, skip) = match (in_main, in_pod) {
        (true, _) => ("container", 5),
        (false, true) => ("pod", 3),
        (false, false) => ("", 0),
    };
    let mut text = prefix.to_owned();
    for step in &path.0[skip..] {
        match step {
            Step::Field(name) if name.contains(['.', '/', '[', ' ']) => _ = write!(text, "[{name}]"),
            Step::Field(name) if text.is_empty() => text.push_str(name),
            Step::Field(name) => _ = write!(text, ".{name}"),
            Step::Item(key) => {
                let keys: Vec<_> = key.0.iter().map(|(_, key)| scalar(key)).collect();
                _ = write!(text, "[{}]", keys.join(","));
            }
        }
    }
    text
}

fn scalar(key: &Scalar) -> String {
    match key {
        Scalar::Number(number) => number.to_string(),
        Scalar::Text(text) => text.to_string(),
    }
}

/// A value on one line, as YAML has it, without quotes that only a machine needs.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.replace('\n', "\\n"),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            // What a probe does says more than how often it does it.
            let (inner, plain): (Vec<_>, Vec<_>) =
                fields.iter().partition(|(_, value)| value.is_object() || value.is_array());
            let fields = inner.into_iter().chain(plain);
            let fields: Vec<_> = fields.map(|(key, value)| format!("{key}: {}", flow(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// At most two lines: what a machine wants whole, it reads as JSON.
fn shortened(text: &str) -> String {
    let most = 2 * (WIDTH - INDENT.len()) - 20;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most).chain(['…']).collect()
}

/// `text` in lines of at most a hundred columns, each after `indent`.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width == 0 || width + 1 + length > WIDTH {
            lines.push_str(if width == 0 { "" } else { "\n" });
            lines.push_str(indent);
            width = indent.len();
        } else {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines + "\n"
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
