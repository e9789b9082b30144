//! `explain`: what is or would be injected, field by field, from where and why, and what is not.

use serde_json::{Map, Value, json};

use super::Failure;
use super::input::{self, InputArgs, Source};
use super::judge::{self, Judge};
use super::output;
use super::report::{Exit, Finding, Painter, Report, object_name};
use super::status::is_managed;
use super::world::World;
use crate::engine::{Admitted, Decision, Engine};
use crate::expand::{Family, Injection, Source as From, Withheld, reasons};
use crate::path::{Path, Step};
use crate::settings::text;

pub mod live;
mod text;

/// Arguments of `explain`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ExplainArgs {
    /// The manifests.
    #[command(flatten)]
    pub input: InputArgs,
    /// The live object.
    #[command(flatten)]
    pub live: live::LiveArgs,
    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: ExplainFormat,
}

/// `-o` of `explain`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ExplainFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For programs that prefer YAML.
    Yaml,
}

/// All that there is to say about one StatefulSet.
#[derive(Debug)]
pub struct Explanation {
    /// `StatefulSet namespace/name`.
    pub object: String,
    /// What stateward has to do with it.
    pub state: State,
}

/// Whether a set is ours.
#[derive(Debug)]
pub enum State {
    /// It passes untouched.
    Unmanaged,
    /// Managed, but without a record: created while the webhook was away, or before it was managed.
    Unrecorded,
    /// Managed.
    Managed(Box<Managed>),
}

/// What is injected into a set and what is not.
#[derive(Debug)]
pub struct Managed {
    /// The profile in use with its revision and variant.
    pub pin: String,
    /// The container that the profile is for; empty if nothing was injected into any.
    pub main_container: String,
    /// What of ours it holds.
    pub injected: Vec<Row>,
    /// What was not injected.
    pub withheld: Vec<Withheld>,
    /// The latest revision of the profile.
    pub latest: String,
    /// What a move to it would bring; nothing for a file, which gets the latest anyway.
    pub upgrade: Vec<Row>,
    /// For the person who applies.
    pub warnings: Vec<String>,
}

/// One line: fields that belong together and come from one place, such as a probe's.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where.
    pub path: Path,
    /// What.
    pub value: Value,
    /// From where.
    pub source: From,
    /// Whether stored data depends on it.
    pub data: bool,
}

/// Explains the StatefulSets of `sources`, as if each were created now.
pub fn run(
    args: &ExplainArgs,
    sources: &[Source],
    namespace: &str,
    engine: &Engine,
    painter: &mut Painter,
) -> Result<Report, Failure> {
    let (together, faults) = judge::together(engine, sources);
    let mut report = Report { stderr: faults.concat(), ..Report::default() };
    if !faults.is_empty() {
        report.end(Exit::Findings);
    }
    let mut explanations = Vec::new();
    let judge = Judge::new(&together, sources, namespace);
    for source in sources {
        for item in source.documents.iter().flat_map(input::Document::statefulsets) {
            let state = match judge.create(item.object)?.decision {
                Decision::Ignored | Decision::Unchanged { .. } => State::Unmanaged,
                Decision::Admitted(admitted) => State::Managed(Box::new(Managed::of(*admitted))),
                Decision::Refused { faults, .. } => {
                    report.end(Exit::Findings);
                    for fault in faults {
                        let finding = Finding::fault(source, &item, namespace, fault);
                        report.stderr.push_str(&painter.paint(&finding));
                    }
                    continue;
                }
            };
            explanations.push(Explanation { object: object_name(item.object, namespace), state });
        }
    }
    report.stdout = print(&explanations, args.output)?;
    Ok(report)
}

/// The explanations in the format asked for.
pub fn print(explanations: &[Explanation], format: ExplainFormat) -> Result<String, Failure> {
    if format == ExplainFormat::Text {
        let texts: Vec<_> = explanations.iter().map(text::explanation).collect();
        return Ok(texts.join("\n"));
    }
    let mut values: Vec<_> = explanations.iter().map(Explanation::to_value).collect();
    let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
    Ok(if format == ExplainFormat::Json { output::json(&value) } else { output::yaml(&value)? })
}

impl Managed {
    /// Of an object that is created now.
    #[must_use]
    pub fn of(admitted: Admitted) -> Self {
        let main_container = main_container(&admitted);
        let injected = rows(admitted.injections);
        Self {
            main_container,
            latest: admitted.pin.clone(),
            pin: admitted.pin,
            withheld: merged(admitted.withheld, &injected),
            injected,
            upgrade: Vec::new(),
            warnings: admitted.warnings,
        }
    }
}

impl Explanation {
    /// Of an object of a cluster.
    #[must_use]
    pub fn live(engine: &Engine, object: &Value, world: &World) -> Self {
        let namespace = text(&object["metadata"]["namespace"]);
        let state = match engine.explain_by(object, world.defaults(namespace)) {
            None if is_managed(object, world) => State::Unrecorded,
            None => State::Unmanaged,
            Some(explanation) => State::Managed(Box::new(Managed {
                latest: explanation.latest,
                upgrade: rows(explanation.upgrade),
                ..Managed::of(explanation.now)
            })),
        };
        Self { object: object_name(object, namespace), state }
    }

    fn to_value(&self) -> Value {
        let managed = match &self.state {
            State::Unmanaged => return json!({"object": self.object, "managed": false}),
            State::Unrecorded => return json!({"object": self.object, "managed": true}),
            State::Managed(managed) => managed,
        };
        let Managed { pin, main_container, injected, withheld, upgrade, latest, warnings } = managed.as_ref();
        let withheld: Vec<_> =
            withheld.iter().map(|w| json!({"path": w.path.to_string(), "why": w.why})).collect();
        json!({
            "object": self.object,
            "managed": true,
            "profile": pin,
            "mainContainer": main_container,
            "injected": injected.iter().map(Row::to_value).collect::<Vec<_>>(),
            "withheld": withheld,
            "latest": latest,
            "upgrade": upgrade.iter().map(Row::to_value).collect::<Vec<_>>(),
            "warnings": warnings,
        })
    }
}

impl Row {
    fn to_value(&self) -> Value {
        json!({
            "family": Family::of(&self.path).as_str(),
            "path": self.path.to_string(),
            "value": self.value,
            "source": self.source.to_string(),
            "reason": reasons::reason(&self.path),
            "data": self.data,
        })
    }
}

/// The container whose fields are spoken of most: sidecars get nothing from profiles.
fn main_container(admitted: &Admitted) -> String {
    let paths = admitted.injections.iter().map(|injection| &injection.path);
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for name in paths.chain(admitted.withheld.iter().map(|withheld| &withheld.path)).filter_map(container) {
        match counts.iter_mut().find(|(other, _)| *other == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts.iter().max_by_key(|(_, count)| *count).map_or("", |(name, _)| name).to_owned()
}

/// The name of the container that `path` is in.
fn container(path: &Path) -> Option<&str> {
    match path.0.get(3..5)? {
        [Step::Field(list), Step::Item(key)] if list == "containers" => key.first(),
        _ => None,
    }
}

/// Gathers leaves into rows: the fields of one probe from one source are one row.
fn rows(injections: Vec<Injection>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for Injection { path, value, source, data, .. } in injections {
        let whole = subject(&path);
        let rest = path.0[whole.0.len()..].to_vec();
        let same = |row: &&mut Row| row.path == whole && row.source == source && row.value.is_object();
        if let Some(row) = rows.iter_mut().rev().find(same).filter(|_| !rest.is_empty()) {
            put(&mut row.value, &rest, value);
            row.data |= data;
            continue;
        }
        let value = if rest.is_empty() {
            value
        } else {
            let mut outer = Value::Object(Map::new());
            put(&mut outer, &rest, value);
            outer
        };
        rows.push(Row { path: whole, value, source, data });
    }
    rows
}

/// Writes `value` at `rest` below `outer`; an item of a list stands there under its key.
fn put(outer: &mut Value, rest: &[Step], value: Value) {
    let mut here = outer;
    for step in rest {
        let key = match step {
            Step::Field(name) => name.clone().into_owned(),
            Step::Item(key) => key.to_string(),
        };
        if !here.is_object() {
            *here = Value::Object(Map::new());
        }
        here = &mut here[key];
    }
    *here = value;
}

/// Where a row begins: at the probe, the item of a list, else at the field itself.
fn subject(path: &Path) -> Path {
    let ends = |step: &Step| match step {
        Step::Field(name) => name.ends_with("Probe") || name == "lifecycle",
        Step::Item(_) => false,
    };
    let is_container = |at: usize| matches!(&path.0[at - 1], Step::Field(list) if list.to_lowercase().ends_with("containers"));
    let is_item = |at: usize| at > 0 && matches!(path.0[at], Step::Item(_)) && !is_container(at);
    let at = (0..path.0.len()).find(|at| ends(&path.0[*at]) || is_item(*at));
    at.map_or_else(|| path.clone(), |at| Path::of(&path.0[..=at]))
}

/// What was withheld for one reason is said once of the whole, unless part of that is ours.
fn merged(withheld: Vec<Withheld>, injected: &[Row]) -> Vec<Withheld> {
    let mut merged: Vec<Withheld> = Vec::new();
    for mut leaf in withheld {
        let whole = subject(&leaf.path);
        if injected.iter().all(|row| row.path != whole) {
            leaf.path = whole;
        }
        if !merged.contains(&leaf) {
            merged.push(leaf);
        }
    }
    merged
}

#[cfg(test)]
mod tests;
