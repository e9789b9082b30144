//! What a command has to say, before anything is printed.

use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Severity};
use serde_json::{Value, json};

use super::input::{self, Item, Source};
use crate::fault::Fault;

/// How a command ends; the exit code of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Nothing is wrong.
    #[default]
    Fine = 0,
    /// Something was refused or found.
    Findings = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// A file cannot be read.
    Unreadable = 3,
    /// The cluster did not answer, or has no such object.
    Cluster = 4,
    /// A fault of stateward itself.
    Internal = 5,
}

/// All that a command has to say.
#[derive(Debug, Default)]
pub struct Report {
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
    /// How it ended.
    pub exit: Exit,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gravity {
    /// The object is refused.
    Error,
    /// The object passes; someone should look.
    Warning,
    /// Worth knowing.
    Info,
}

/// Something to say about one object of a file.
#[derive(Debug)]
pub struct Finding<'s> {
    /// The file.
    pub source: &'s Source,
    /// Where in it.
    pub at: std::ops::Range<usize>,
    /// `StatefulSet namespace/name`.
    pub object: String,
    /// How grave.
    pub gravity: Gravity,
    /// What; of a warning only the problem is known.
    pub fault: Fault,
}

/// Draws findings under the lines that caused them.
#[derive(Debug)]
pub struct Painter {
    handler: GraphicalReportHandler,
    // Shared by the findings of one file, which may be large.
    text: Option<(String, Arc<NamedSource<String>>)>,
}

impl Report {
    /// Worst wins.
    pub fn end(&mut self, exit: Exit) {
        self.exit = self.exit.max(exit);
    }
}

impl Gravity {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl<'s> Finding<'s> {
    /// A fault of `item`, for which it is refused.
    #[must_use]
    pub fn fault(source: &'s Source, item: &Item<'_>, namespace: &str, fault: Fault) -> Self {
        Self {
            source,
            at: item.places.find(&fault.field),
            object: object_name(item.object, namespace),
            gravity: Gravity::Error,
            fault,
        }
    }

    /// Something about `item` as a whole.
    #[must_use]
    pub fn remark(
        source: &'s Source,
        item: &Item<'_>,
        namespace: &str,
        gravity: Gravity,
        text: &str,
    ) -> Self {
        // Ours have the form "field: problem; remedy"; the field tells the line.
        let field = text.split_once(": ").map_or("", |(field, _)| field);
        let field = if field.is_empty() || field.contains(' ') { "metadata.name" } else { field };
        Self {
            source,
            at: item.places.find(field),
            object: object_name(item.object, namespace),
            gravity,
            fault: Fault::new(crate::fault::Reason::Invalid, "", text, ""),
        }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let (line, column) = self.source.line_and_column(self.at.start);
        let mut finding = json!({
            "file": self.source.name,
            "line": line,
            "column": column,
            "object": self.object,
            "severity": self.gravity.as_str(),
            "field": self.fault.field,
            "reason": self.fault.reason.as_str(),
            "problem": self.fault.problem,
            "remedy": self.fault.remedy,
        });
        if self.gravity != Gravity::Error {
            for key in ["field", "reason", "remedy"] {
                finding[key] = Value::Null;
            }
        }
        finding
    }
}

impl Painter {
    /// For a terminal with colours, or plain text that is the same everywhere.
    #[must_use]
    pub fn new(colours: bool) -> Self {
        let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::none() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(100)
            .with_wrap_lines(colours)
            .with_context_lines(1)
            .with_links(false);
        Self { handler, text: None }
    }

    /// `finding` under its line.
    pub fn paint(&mut self, finding: &Finding<'_>) -> String {
        let Finding { at, object, gravity, fault, source } = finding;
        let subject = if fault.field.is_empty() { String::new() } else { format!("{}: ", fault.field) };
        let mut diagnostic = MietteDiagnostic::new(format!("{object}: {subject}{}", fault.problem))
            .with_severity(match gravity {
                Gravity::Error => Severity::Error,
                Gravity::Warning => Severity::Warning,
                Gravity::Info => Severity::Advice,
            })
            .with_label(LabeledSpan::new(None, at.start, at.len()));
        if !fault.remedy.is_empty() {
            diagnostic = diagnostic.with_help(fault.remedy.clone());
        }
        let report = miette::Report::new(diagnostic).with_source_code(self.text(source));
        let mut painted = String::new();
        if self.handler.render_report(&mut painted, report.as_ref()).is_err() {
            painted = format!("{report}\n");
        }
        // No line ends in spaces, so that expected texts can be kept in files.
        let mut plain = String::new();
        for line in painted.lines() {
            plain.push_str(line.trim_end());
            plain.push('\n');
        }
        plain + "\n"
    }

    fn text(&mut self, source: &Source) -> Arc<NamedSource<String>> {
        match &self.text {
            Some((name, text)) if *name == source.name => Arc::clone(text),
            _ => {
                let text = Arc::new(NamedSource::new(&source.name, source.text.clone()));
                self.text = Some((source.name.clone(), Arc::clone(&text)));
                text
            }
        }
    }
}

/// `StatefulSet namespace/name`.
#[must_use]
pub fn object_name(object: &Value, namespace: &str) -> String {
    format!("StatefulSet {}/{}", input::namespace(object, namespace), input::name(object))
}
