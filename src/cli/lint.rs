//! `lint`: what is wrong with manifests, under the lines that caused it.

mod profiles;
mod schema;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

pub(super) use self::profiles::given;

use super::Failure;
use super::input::{InputArgs, Item, Source};
use super::judge::{self, Judge};
use super::report::{Exit, Finding, Gravity, Painter, Report};
use crate::engine::{Decision, Engine};
use crate::names;
use crate::platform;

/// Arguments of `lint`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LintArgs {
    /// The manifests.
    #[command(flatten)]
    pub input: InputArgs,
    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: LintFormat,
    /// The platform's configuration, which grants service classes, hosts and Gateways: with it, what a set
    /// asks for beside it and cannot have is told
    #[arg(long, value_name = "FILE")]
    pub configuration: Option<PathBuf>,
}

/// `-o` of `lint`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LintFormat {
    /// For people.
    #[default]
    Text,
    /// A list of findings.
    Json,
}

/// Lints `sources`.
pub fn run(
    args: &LintArgs,
    sources: &[Source],
    namespace: &str,
    engine: &Engine,
    painter: &mut Painter,
) -> Result<Report, Failure> {
    let mut findings = Vec::new();
    let mut sets = 0;
    // What is wrong with profiles is found below, with its line.
    let (together, _) = judge::together(engine, sources);
    let mut judge = Judge::new(&together, sources, namespace);
    if let Some(file) = &args.configuration {
        judge = judge.with(Arc::new(platform::read(Some(file))?));
    }
    let (profiles, of_profiles) = profiles::findings(sources, &engine.catalogue);
    findings.extend(of_profiles);
    for source in sources {
        for document in &source.documents {
            for item in document.statefulsets() {
                sets += 1;
                let decision = judge.create_by_what_is_known(item.object)?.decision;
                findings.extend(of_decision(source, &item, namespace, decision));
            }
        }
    }
    let mut report = Report::default();
    if findings.iter().any(|finding| finding.gravity == Gravity::Error) {
        report.end(Exit::Findings);
    }
    report.stdout = match args.output {
        LintFormat::Json => format!("{:#}\n", Value::Array(findings.iter().map(Finding::json).collect())),
        LintFormat::Text => {
            let painted: String = findings.iter().map(|finding| painter.paint(finding)).collect();
            painted + &count(sets, profiles, &findings)
        }
    };
    Ok(report)
}

fn of_decision<'s>(
    source: &'s Source,
    item: &Item<'_>,
    namespace: &str,
    decision: Decision,
) -> Vec<Finding<'s>> {
    let (faults, warnings) = match decision {
        Decision::Ignored => return vec![unmanaged(source, item, namespace)],
        Decision::Unchanged { .. } => (Vec::new(), Vec::new()),
        Decision::Refused { faults, warnings } => (faults, warnings),
        Decision::Admitted(admitted) => (Vec::new(), admitted.warnings),
    };
    let faults = faults.into_iter().map(|fault| Finding::fault(source, item, namespace, fault));
    let warnings =
        warnings.iter().map(|warning| Finding::remark(source, item, namespace, Gravity::Warning, warning));
    faults.chain(warnings).collect()
}

/// A forgotten label would run a database on the container's own disk.
fn unmanaged<'s>(source: &'s Source, item: &Item<'_>, namespace: &str) -> Finding<'s> {
    let annotations = item.object.pointer("/metadata/annotations").and_then(Value::as_object);
    let ours = annotations.and_then(|map| map.keys().find(|key| key.starts_with(names::PREFIX)));
    let opted_out = item.object.pointer("/metadata/labels").and_then(|labels| labels.get(names::MANAGED));
    match ours {
        Some(key) if opted_out.is_none() => {
            let text = format!(
                "{key}: has no effect, since the set is not managed; add the label {}: \"true\"",
                names::MANAGED
            );
            Finding::remark(source, item, namespace, Gravity::Warning, &text)
        }
        _ => Finding::remark(source, item, namespace, Gravity::Info, "not managed; passes untouched"),
    }
}

fn count(sets: usize, profiles: usize, findings: &[Finding<'_>]) -> String {
    let of = |gravity| findings.iter().filter(|finding| finding.gravity == gravity).count();
    let mut what = Vec::new();
    if sets > 0 || profiles == 0 {
        what.push(counted(sets, "StatefulSet"));
    }
    if profiles > 0 {
        what.push(counted(profiles, "StatefulSetProfile"));
    }
    format!(
        "{}: {}, {}\n",
        what.join(", "),
        counted(of(Gravity::Error), "fault"),
        counted(of(Gravity::Warning), "warning")
    )
}

fn counted(count: usize, word: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {word}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lint(output: LintFormat, label: &str) -> Report {
        let text = format!(
            "kind: Service\n---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: db\n  namespace: shop\n  labels: {{{label}}}\n  annotations:\n    stateward.dev/storage: a lot\n    stateward.dev/acknowledge: no-password\nspec:\n  template:\n    spec:\n      containers:\n      - name: db\n        image: postgres:17\n"
        );
        let source = Source::parse("db.yaml".to_owned(), text).unwrap();
        let args = LintArgs { output, ..LintArgs::default() };
        let engine = Engine::built_in().unwrap();
        run(&args, &[source], "default", &engine, &mut Painter::new(false)).unwrap()
    }

    const MANAGED: &str = "stateward.dev/managed: \"true\"";

    #[test]
    fn faults_stand_under_their_lines() {
        let report = lint(LintFormat::Text, MANAGED);
        assert_eq!(report.exit, Exit::Findings);
        insta::assert_snapshot!(report.stdout);
    }

    #[test]
    fn json_names_the_place() {
        let report = lint(LintFormat::Json, MANAGED);
        let findings: Value = serde_json::from_str(&report.stdout).unwrap();
        let finding = &findings[0];
        assert_eq!(
            (&finding["file"], &finding["line"], &finding["column"]),
            (&"db.yaml".into(), &10.into(), &28.into())
        );
        assert_eq!(finding["object"], "StatefulSet shop/db");
        assert_eq!((&finding["severity"], &finding["reason"]), (&"error".into(), &"Invalid".into()));
        assert_eq!(finding["field"], "stateward.dev/storage");
    }

    #[test]
    fn a_forgotten_label_is_warned_of() {
        let report = lint(LintFormat::Text, "");
        assert_eq!(report.exit, Exit::Fine);
        assert!(report.stdout.contains("the set is not managed; add the label"), "{}", report.stdout);
        assert!(report.stdout.ends_with("1 StatefulSet: 0 faults, 1 warning\n"), "{}", report.stdout);
        let opted_out = lint(LintFormat::Text, "stateward.dev/managed: \"false\"");
        assert!(opted_out.stdout.contains("not managed; passes untouched"), "{}", opted_out.stdout);
    }

    #[test]
    fn what_the_platform_does_not_grant_is_told() {
        let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: db\n  namespace: shop\n  labels: \
                   {stateward.dev/managed: \"true\"}\n  annotations: {stateward.dev/ingress-host: db.example.com}\nspec:\n  \
                   template:\n    spec:\n      containers: [{name: db, image: \"app:1\", ports: [{containerPort: 80}]}]\n";
        let source = [Source::parse("db.yaml".to_owned(), set.to_owned()).unwrap()];
        let file = tempfile::NamedTempFile::new().unwrap();
        let lint = |configuration: Option<PathBuf>| {
            let args = LintArgs { configuration, ..LintArgs::default() };
            let engine = Engine::built_in().unwrap();
            run(&args, &source, "default", &engine, &mut Painter::new(false)).unwrap().stdout
        };
        let granted = "hosts: [{host: db.example.com}]\n";
        for (configuration, told) in [("hosts: []\n", true), (granted, false)] {
            std::fs::write(file.path(), configuration).unwrap();
            let said = lint(Some(file.path().to_owned()));
            assert_eq!(said.contains("db.example.com is not granted to this namespace"), told, "{said}");
        }
        assert!(!lint(None).contains("not granted"));
    }

    #[test]
    fn counts_agree_with_their_words() {
        assert_eq!(counted(1, "fault"), "1 fault");
        assert_eq!(counted(2, "fault"), "2 faults");
    }
}
