//! `render`: manifests in, what would be stored out.

use std::path::PathBuf;

use serde_json::Value;

use self::own::States;
use super::Failure;
use super::input::{Document, InputArgs, Source};
use super::judge::{self, Judge, Judged};
use super::output::{self, Format};
use super::report::{Exit, Finding, Painter, Report, object_name};
use crate::companions::{Companion, Role};
use crate::configuration::Configuration;
use crate::defaults;
use crate::engine::{Admitted, Decision, Engine};
use crate::fault::Fault;
use crate::path::Path;
use crate::platform;

pub mod own;

/// Arguments of `render`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RenderArgs {
    /// The manifests.
    #[command(flatten)]
    pub input: InputArgs,
    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: Format,
    /// Print the object as it will be stored, with the API server's defaults
    #[arg(long)]
    pub full: bool,
    /// Print the objects that the controller keeps beside each set, too: to look at, since what you
    /// apply yourself is yours
    #[arg(long)]
    pub companions: bool,
    /// The platform's configuration, which grants service classes, hosts and Gateways
    #[arg(long, value_name = "FILE", requires = "companions")]
    pub configuration: Option<PathBuf>,
}

/// What is printed of one document.
enum Rendered {
    /// Its own text.
    Untouched,
    /// Another object, and those beside it.
    Changed(Value, Vec<Value>),
    /// Nothing.
    Refused(Vec<(Option<usize>, Vec<Fault>)>),
}

/// Renders `sources`.
pub fn run(
    args: &RenderArgs,
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
    let mut objects = Vec::new();
    let judge = Judge::new(&together, sources, namespace);
    let companions =
        if args.companions { Some((sources, platform::read(args.configuration.as_deref())?)) } else { None };
    for source in sources {
        for document in &source.documents {
            let mut warnings = Vec::new();
            let wanted = Wanted { full: args.full, companions: companions.as_ref() };
            let rendered = render(document, namespace, wanted, &judge, &mut warnings)?;
            for warning in warnings {
                report.stderr.push_str(&warning);
            }
            match rendered {
                Rendered::Refused(refused) => {
                    refuse(&mut report, source, document, namespace, refused, painter);
                }
                Rendered::Untouched if args.output == Format::Yaml => {
                    push(&mut report.stdout, &source.text[document.piece.whole.clone()]);
                }
                Rendered::Changed(object, beside) if args.output == Format::Yaml => {
                    push(&mut report.stdout, &(head(document, source) + &output::yaml(&object)?));
                    for object in beside {
                        push(&mut report.stdout, &output::yaml(&object)?);
                    }
                }
                Rendered::Untouched if document.value.is_null() => {}
                Rendered::Untouched => objects.push(document.value.clone()),
                Rendered::Changed(object, beside) => objects.extend([object].into_iter().chain(beside)),
            }
        }
    }
    if args.output == Format::Json {
        report.stdout = output::json_list(objects);
    }
    Ok(report)
}

/// What is to be printed of a set.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    /// As it is stored, not as one would write it.
    full: bool,
    /// With its companions, beside these sources and by this configuration.
    companions: Option<&'a (&'a [Source], Configuration)>,
}

fn render(
    document: &Document,
    namespace: &str,
    wanted: Wanted,
    judge: &Judge,
    warnings: &mut Vec<String>,
) -> Result<Rendered, Failure> {
    let mut object = document.value.clone();
    let (mut refused, mut beside) = (Vec::new(), Vec::new());
    let mut changed = false;
    for item in document.statefulsets() {
        let Judged { filled, decision } = judge.create(item.object)?;
        match decision {
            Decision::Ignored | Decision::Unchanged { .. } => {}
            Decision::Refused { faults, warnings: said } => {
                refused.push((item.index, faults));
                said_of(item.object, namespace, said, warnings);
            }
            Decision::Admitted(mut admitted) => {
                if let Some((sources, configuration)) = wanted.companions {
                    let companions = judge.companions(&stored_form(&admitted), sources, configuration);
                    let (secrets, others): (Vec<_>, Vec<_>) =
                        companions.wanted.into_iter().partition(|one| one.role == Role::Secret);
                    beside.extend(others.into_iter().map(|companion| companion.manifest));
                    warnings.extend(secrets.iter().map(|secret| unprinted(item.object, namespace, secret)));
                    let problems = companions.problems.into_iter();
                    admitted
                        .warnings
                        .extend(problems.map(|problem| format!("{}; {}", problem.what, problem.remedy)));
                }
                if wanted.full || admitted.patch.is_some() {
                    changed = true;
                    let stored = || stored_form(&admitted);
                    let result =
                        if wanted.full { stored() } else { applied(item.object, &filled, &admitted) };
                    match item.index {
                        Some(index) => object["items"][index] = result,
                        None => object = result,
                    }
                }
                said_of(item.object, namespace, admitted.warnings, warnings);
            }
        }
    }
    Ok(match (refused.is_empty(), changed || !beside.is_empty()) {
        (false, _) => Rendered::Refused(refused),
        (true, true) => Rendered::Changed(object, beside),
        (true, false) => Rendered::Untouched,
    })
}

/// A Secret has values only where it is written: one without them, applied, would be in the way.
fn unprinted(set: &Value, namespace: &str, secret: &Companion) -> String {
    let object = object_name(set, namespace);
    format!(
        "note: {object}: Secret {} is not printed: its values are made in the cluster, once\n",
        secret.name()
    )
}

fn said_of(object: &Value, namespace: &str, said: Vec<String>, warnings: &mut Vec<String>) {
    let object = object_name(object, namespace);
    warnings.extend(said.into_iter().map(|warning| format!("warning: {object}: {warning}\n")));
}

/// The API server fills in defaults once more after admission.
fn stored_form(admitted: &Admitted) -> Value {
    let mut stored = admitted.result.clone();
    defaults::apply(&mut stored);
    stored
}

/// What the user would apply to get this result.
fn applied(written: &Value, filled: &Value, admitted: &Admitted) -> Value {
    let ours: Vec<Path> = admitted.injections.iter().map(|injection| injection.path.clone()).collect();
    let states = States { written, filled, result: &admitted.result };
    let own = own::without_defaults(states, &ours);
    let mut stored = own.clone();
    defaults::apply(&mut stored);
    // A default may depend on a field that we set. Then only the whole result says what is meant.
    if stored == stored_form(admitted) { own } else { admitted.result.clone() }
}

fn refuse(
    report: &mut Report,
    source: &Source,
    document: &Document,
    namespace: &str,
    refused: Vec<(Option<usize>, Vec<Fault>)>,
    painter: &mut Painter,
) {
    report.end(Exit::Findings);
    let items = document.statefulsets();
    for (index, faults) in refused {
        let Some(item) = items.iter().find(|item| item.index == index) else {
            continue;
        };
        for fault in faults {
            let finding = Finding::fault(source, item, namespace, fault);
            report.stderr.push_str(&painter.paint(&finding));
        }
    }
}

/// What stands in front of a changed document: its separator and the comments at its head.
fn head(document: &Document, source: &Source) -> String {
    document.head(&source.text).trim_start_matches('\u{feff}').to_owned()
}

/// Adds a document; one that begins a file brings no separator of its own.
fn push(stdout: &mut String, document: &str) {
    if !stdout.is_empty() {
        if !stdout.ends_with('\n') {
            stdout.push('\n');
        }
        if !document.starts_with("---") {
            stdout.push_str("---\n");
        }
    }
    stdout.push_str(document);
}

#[cfg(test)]
mod tests;
