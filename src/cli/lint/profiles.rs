//! Profiles among manifests.

use std::sync::Arc;

use serde_json::Value;

use crate::catalogue::cluster::Given;
use crate::catalogue::profile::ProfileSpec;
use crate::catalogue::{Catalogue, check};
use crate::cli::input::{Document, Item, Source};
use crate::cli::report::{Finding, Gravity};
use crate::fault::{Fault, Reason};
use crate::settings::text;

/// A profile among the objects of a file; `None` for other kinds.
pub(in crate::cli) fn profile(object: &Value) -> Option<Given> {
    (object["kind"] == "StatefulSetProfile").then(|| {
        let spec = check::words::read::<ProfileSpec>("spec", &object["spec"]);
        Given { name: text(&object["metadata"]["name"]).to_owned(), spec: spec.map(Arc::new) }
    })
}

/// What is wrong with the profiles of `sources`, joined to those of `catalogue` and to each other.
/// Also how many there are.
pub(super) fn findings<'s>(sources: &'s [Source], catalogue: &Catalogue) -> (usize, Vec<Finding<'s>>) {
    let documents = || {
        let documents =
            sources.iter().flat_map(|source| source.documents.iter().map(move |one| (source, one)));
        documents.filter(|(_, document)| document.value["kind"] == "StatefulSetProfile")
    };
    let given: Vec<Given> = documents().filter_map(|(_, document)| profile(&document.value)).collect();
    let joined = catalogue.join(&given, &[]);
    let mut findings = Vec::new();
    for ((source, document), one) in documents().zip(&given) {
        let parts = Parts { source, document, name: &one.name };
        if one.name.is_empty() {
            findings.push(parts.finding(Gravity::Error, fault("metadata.name: is missing; write a name")));
        }
        match &one.spec {
            // The text tells the place, which the values do not.
            Err(why) => findings.push(parts.unreadable(why)),
            Ok(spec) => {
                let verdict = joined.verdicts.get(&one.name);
                let faults = verdict.into_iter().flat_map(|verdict| &verdict.faults);
                findings
                    .extend(faults.map(|why| parts.finding(Gravity::Error, fault(&placed(&one.name, why)))));
                let tried = joined.remarks.get(&one.name).into_iter().flatten().cloned();
                let remarks = check::unknown_fields(spec).into_iter().chain(check::nulls(spec)).chain(tried);
                findings.extend(remarks.map(|why| parts.finding(Gravity::Warning, remark(&why))));
            }
        }
        if given.iter().filter(|other| other.name == one.name).count() > 1 {
            let why = format!("metadata.name: {} stands in several profiles; rename all but one", one.name);
            findings.push(parts.finding(Gravity::Error, fault(&why)));
        }
    }
    (given.len(), findings)
}

/// One profile and where it stands.
struct Parts<'s, 'n> {
    source: &'s Source,
    document: &'s Document,
    name: &'n str,
}

impl<'s> Parts<'s, '_> {
    fn finding(&self, gravity: Gravity, fault: Fault) -> Finding<'s> {
        let item = Item { index: None, object: &self.document.value, places: self.document.places.clone() };
        Finding {
            source: self.source,
            at: item.places.find(&fault.field),
            object: format!("StatefulSetProfile {}", self.name),
            gravity,
            fault,
        }
    }

    fn unreadable(&self, why: &str) -> Finding<'s> {
        let mut finding = self.finding(Gravity::Error, fault(why));
        let body = &self.source.text[self.document.piece.body.clone()];
        let options = serde_saphyr::options! { legacy_octal_numbers: true };
        let read =
            serde_saphyr::from_str_with_options::<crate::catalogue::profile::ProfileFile>(body, options);
        let place = read.err().and_then(|error| error.location());
        if let Some(at) = place.and_then(|at| usize::try_from(at.span().byte_offset()?).ok()) {
            let start = self.document.piece.body.start + at;
            finding.at = start..crate::cli::input::line_around(&self.source.text, start).end.max(start + 1);
        }
        finding
    }
}

/// What the catalogue says of a profile as a whole, with the field in front.
fn placed(name: &str, why: &str) -> String {
    match why.strip_prefix(&format!("profile {name}: ")) {
        Some(why) if why.starts_with("extends ") => format!("spec.extends: {why}; name one that is there"),
        Some(why) => format!("spec.{why}"),
        // It comes by way of a parent.
        None if why.starts_with("profile ") => format!("spec.extends: {why}"),
        None => why.to_owned(),
    }
}

/// Ours have the form "field: problem; remedy".
fn fault(text: &str) -> Fault {
    let (field, rest) = text.split_once(": ").unwrap_or(("spec", text));
    let (problem, remedy) = rest.rsplit_once("; ").unwrap_or((rest, ""));
    Fault::new(Reason::Invalid, field, problem, remedy)
}

fn remark(text: &str) -> Fault {
    let (field, rest) = text.split_once(' ').unwrap_or(("spec", text));
    Fault::new(Reason::Unknown, field.trim_end_matches(':'), rest, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lint(text: &str) -> Vec<(String, usize)> {
        let source = [Source::parse("p.yaml".to_owned(), text.to_owned()).unwrap()];
        let (_, findings) = findings(&source, &Catalogue::built_in().unwrap());
        let said = |finding: &Finding<'_>| {
            let Fault { field, problem, .. } = &finding.fault;
            (format!("{}: {field}: {problem}", finding.object), source[0].line_and_column(finding.at.start).0)
        };
        findings.iter().map(said).collect()
    }

    fn profile(name: &str, spec: &str) -> String {
        format!(
            "apiVersion: stateward.dev/v1alpha1\nkind: StatefulSetProfile\nmetadata:\n  name: {name}\nspec:\n{spec}"
        )
    }

    #[test]
    fn faults_stand_at_their_lines() {
        let found =
            lint(&profile("queue", "  summary: x\n  extends: nothing\n  data:\n    mountPath: data\n"));
        assert_eq!(
            found,
            [("StatefulSetProfile queue: spec.data.mountPath: \"data\" is not absolute".to_owned(), 9)]
        );
        let found = lint(&profile("queue", "  summary: x\n  extends: nothing\n"));
        let (said, line) = &found[0];
        assert!(said.contains("spec.extends: extends nothing, which does not exist"), "{said}");
        assert_eq!(*line, 7);
    }

    #[test]
    fn what_is_no_profile_is_told_with_its_line() {
        let found = lint(&profile("queue", "  summary: x\n  extends: default\n  siez: small\n"));
        assert!(found[0].0.contains("spec.siez: there is no field \"siez\""), "{found:?}");
        assert_eq!(found[0].1, 8);
    }

    #[test]
    fn cycles_and_ties_among_files_are_told() {
        let (a, b) =
            (profile("a", "  summary: x\n  extends: b\n"), profile("b", "  summary: x\n  extends: a\n"));
        let found = lint(&format!("{a}---\n{b}"));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|(said, _)| said.contains("which leads back to itself")), "{found:?}");
        let tie = "  summary: x\n  extends: default\n  match:\n    images: [queue]\n";
        let found = lint(&format!("{}---\n{}", profile("a", tie), profile("b", tie)));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].0.contains("queue is matched by b too"), "{found:?}");
    }

    #[test]
    fn what_client_side_apply_loses_is_a_warning() {
        let spec =
            "  summary: x\n  extends: default\n  statefulSet:\n    spec:\n      minReadySeconds: null\n";
        let found = lint(&profile("queue", spec));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].0.contains("spec.statefulSet.spec.minReadySeconds: is null, and client-side"),
            "{found:?}"
        );
        assert_eq!(found[0].1, 10);
    }

    #[test]
    fn unknown_fields_are_warnings() {
        let spec = "  summary: x\n  extends: default\n  statefulSet:\n    spec:\n      template:\n        spec:\n          \
                    hostNetwrk: true\n";
        let found = lint(&profile("queue", spec));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.contains("hostNetwrk: is no field that this version"), "{found:?}");
        assert_eq!(found[0].1, 12);
    }
}
