//! Profiles among manifests.

use serde_json::Value;

use super::schema::Schema;
use crate::catalogue::cluster::Given;
use crate::catalogue::profile::ProfileSpec;
use crate::catalogue::{Catalogue, check};
use crate::cli::input::{Item, Source};
use crate::cli::report::{Finding, Gravity};
use crate::fault::{Fault, Reason};
use crate::settings::text;

/// A profile among the objects of a file; `None` for other kinds.
fn profile(object: &Value) -> Option<Given> {
    (object["kind"] == "StatefulSetProfile").then(|| Given {
        name: text(&object["metadata"]["name"]).to_owned(),
        spec: ProfileSpec::read(&object["spec"]),
    })
}

/// The profiles among these objects; what the API server would refuse of one stands in place of its spec.
pub(in crate::cli) fn given<'o>(objects: impl Iterator<Item = &'o Value>) -> Vec<Given> {
    let schema = Schema::new();
    let given = objects.filter_map(|object| {
        let given = profile(object)?;
        let faults: Vec<String> = schema.faults(object).iter().map(ToString::to_string).collect();
        Some(if faults.is_empty() { given } else { Given { spec: Err(faults), ..given } })
    });
    given.collect()
}

/// What is wrong with the profiles of `sources`, joined to those of `catalogue` and to each other.
/// Also how many there are.
pub(super) fn findings<'s>(sources: &'s [Source], catalogue: &Catalogue) -> (usize, Vec<Finding<'s>>) {
    let items = sources.iter().flat_map(|source| {
        let documents = source.documents.iter();
        documents.flat_map(move |document| {
            let items = document.items_where(|object| object["kind"] == "StatefulSetProfile");
            items.into_iter().map(move |item| (source, item))
        })
    });
    let items: Vec<(&Source, Item<'_>)> = items.collect();
    let given: Vec<Given> = items.iter().filter_map(|(_, item)| profile(item.object)).collect();
    let joined = catalogue.join(&given, &[]);
    let schema = Schema::new();
    let mut findings = Vec::new();
    for ((source, item), one) in items.into_iter().zip(&given) {
        let refused = schema.faults(item.object);
        let parts = Parts { source, item, name: &one.name };
        // The schema says it of an image without a name, too.
        let is_told = |why: &Fault| {
            refused.iter().any(|other| other.field == why.field) || why.problem.starts_with(" is never met")
        };
        match &one.spec {
            // What is no spec is told by the schema, all of it at once.
            Err(_) if !refused.is_empty() => {}
            Err(why) => {
                findings.extend(why.iter().map(|why| parts.finding(Gravity::Error, check::parted(why))));
            }
            Ok(spec) => {
                let verdict = joined.verdicts.get(&one.name);
                let faults = verdict.into_iter().flat_map(|verdict| &verdict.faults);
                let faults = faults.map(|why| check::parted(why)).filter(|why| !is_told(why));
                findings.extend(faults.map(|why| parts.finding(Gravity::Error, why)));
                let tried = joined.remarks.get(&one.name).into_iter().flatten().cloned();
                let idle = check::idle_nulls(&parts.item.object["spec"]);
                let nulls = check::nulls(spec).into_iter().chain(idle);
                let remarks = check::unknown_fields(spec).into_iter().chain(nulls).chain(tried);
                findings.extend(remarks.map(|why| parts.finding(Gravity::Warning, remark(&why))));
            }
        }
        findings.extend(refused.into_iter().map(|why| parts.finding(Gravity::Error, why)));
        if given.iter().filter(|other| other.name == one.name).count() > 1 {
            let why = format!("metadata.name: {} stands in several profiles; rename all but one", one.name);
            findings.push(parts.finding(Gravity::Error, check::parted(&why)));
        }
    }
    (given.len(), findings)
}

/// One profile and where it stands.
struct Parts<'s, 'n> {
    source: &'s Source,
    item: Item<'s>,
    name: &'n str,
}

impl<'s> Parts<'s, '_> {
    fn finding(&self, gravity: Gravity, fault: Fault) -> Finding<'s> {
        Finding {
            source: self.source,
            at: self.item.places.find(&fault.field),
            object: format!("StatefulSetProfile {}", self.name),
            gravity,
            fault,
        }
    }
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
            [
                ("StatefulSetProfile queue: spec.data.mountPath: \"data\" is not absolute".to_owned(), 9),
                (
                    "StatefulSetProfile queue: spec.extends: extends nothing, which does not exist"
                        .to_owned(),
                    7
                ),
            ]
        );
        let found = lint(&profile("queue", "  summary: x\n  extends: nothing\n"));
        let (said, line) = &found[0];
        assert!(said.contains("spec.extends: extends nothing, which does not exist"), "{said}");
        assert_eq!(*line, 7);
    }

    #[test]
    fn what_is_no_profile_is_told_with_its_line() {
        let found = lint(&profile("queue", "  summary: x\n  extends: default\n  siez: small\n"));
        assert!(found[0].0.ends_with("spec.siez: there is no such field"), "{found:?}");
        assert_eq!(found[0].1, 8);
    }

    #[test]
    fn what_only_the_api_server_would_refuse_is_told_with_all_the_rest() {
        let text =
            profile("Queue", "  summary: ''\n  extends: default\n  match: {images: [queue, '', 'a:1']}\n")
                .replace("v1alpha1", "v1");
        let found = lint(&text);
        let lines: Vec<(&str, usize)> =
            found.iter().map(|(said, line)| (said.split(": ").nth(1).unwrap_or_default(), *line)).collect();
        assert_eq!(
            lines,
            [
                ("spec.match.images", 8),
                ("apiVersion", 1),
                ("metadata.name", 4),
                ("spec.match.images[1]", 8),
                ("spec.summary", 6),
            ],
            "{found:?}"
        );
    }

    #[test]
    fn what_the_schema_tells_too_is_told_once() {
        let spec = "  summary: x\n  extends: default\n  companions:\n    services: []\n    headlessService:\n      ports:\n      \
                    - port: 1\n    disruptionBudget:\n      unhealthyPodEvictionPolicy: Never\n  refuse:\n    even:\n      \
                    problem: p\n      replicas: {odd: true}\n";
        let found = lint(&profile("queue", spec));
        let mut fields: Vec<&str> =
            found.iter().map(|(said, _)| said.split(": ").nth(1).unwrap_or_default()).collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "spec.companions.disruptionBudget.unhealthyPodEvictionPolicy",
                "spec.companions.headlessService.ports[0].name",
                "spec.companions.services",
                "spec.refuse.even.remedy",
                "spec.refuse.even.replicas.odd",
            ],
            "{found:#?}"
        );
    }

    #[test]
    fn profiles_in_a_list_are_judged_too() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: stateward.dev/v1alpha1\n  kind: StatefulSetProfile\n  \
                    metadata: {name: queue}\n  spec: {summary: x, extends: nothing}\n";
        let found = lint(text);
        assert!(found[0].0.contains("extends nothing, which does not exist"), "{found:?}");
        assert_eq!(found[0].1, 7);
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
    fn nulls_that_take_nothing_away_are_told() {
        let spec = "  summary: x\n  extends: default\n  size: null\n  data:\n    subPath: null\n";
        let found = lint(&profile("queue", spec));
        assert_eq!(
            found,
            [
                ("StatefulSetProfile queue: spec.data.subPath: is null, which takes nothing away; write data.subPath under \
                 spec.without".to_owned(), 10),
                ("StatefulSetProfile queue: spec.size: is null, which takes nothing away; write size under spec.without"
                    .to_owned(), 8),
            ]
        );
        let found = lint(&profile("queue", "  summary: x\n  extends: default\n  data: null\n"));
        assert_eq!(found, [("StatefulSetProfile queue: spec.data: is null".to_owned(), 8)]);
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

    #[test]
    fn what_the_schema_lets_pass_and_nobody_can_read_is_told_with_its_lines() {
        let cases =
            "    - {name: a, majorFrom: 5000000000}\n    - {name: b, majorFrom: 1, majorTo: 5000000000}\n";
        let spec = format!(
            "  summary: x\n  extends: default\n  variants:\n  - name: v\n    unknown: x\n    cases:\n{cases}"
        );
        let at = "StatefulSetProfile queue: spec.variants[0].cases";
        let told = |place: &str| format!("{at}{place}: is 5000000000");
        let found = lint(&profile("queue", &spec));
        assert_eq!(found, [(told("[0].majorFrom"), 12), (told("[1].majorTo"), 13)]);
    }
}
