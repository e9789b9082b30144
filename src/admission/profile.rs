//! Reviews of profiles: what takes several objects to see, or is hidden from the schema.

mod deletion;

use serde_json::{Value, json};

use super::{Admission, Response, Summary, listed};
use crate::catalogue::cluster::{Given, Joined};
use crate::catalogue::{NO_PARENT, check, profile::ProfileSpec};
use crate::engine::line;
use crate::fault::Fault;
use crate::names;
use crate::settings::text;

/// Whether a request is about a profile itself.
pub(super) fn is_profile(request: &Value) -> bool {
    let resource = &request["resource"];
    resource["group"] == "stateward.dev"
        && resource["resource"] == "statefulsetprofiles"
        && text(&request["subResource"]).is_empty()
}

/// Refuses what would not be used, or would take another profile out of use; warns of fields that may
/// be errors of typing. Nothing is held against an object that is going, or that an update leaves as it
/// is; whoever deletes one is told what becomes of others.
pub(super) fn review(admission: &Admission, request: &Value, summary: &mut Summary) -> Response {
    let (object, old) = (&request["object"], &request["oldObject"]);
    if request["operation"] == "DELETE" {
        summary.outcome = "unchanged";
        let warnings = deletion::warnings(&admission.profiles, old);
        return Response { warnings, ..Response::passed() };
    }
    let lost = left_out(object, old);
    if !object.is_object()
        || !object["metadata"]["deletionTimestamp"].is_null()
        || object["spec"] == old["spec"]
    {
        summary.outcome = "ignored";
        return Response { warnings: lost, ..Response::passed() };
    }
    let name = text(&object["metadata"]["name"]);
    let spec = ProfileSpec::read(&object["spec"]);
    let unknown = spec.as_ref().map_or_else(|_| Vec::new(), |spec| check::unknown_fields(spec));
    let idle = check::idle_nulls(&object["spec"]);
    let given = Given { name: name.to_owned(), spec };
    let joined = admission.profiles.with(given);
    let faults = faults(name, &joined, &admission.profiles.joined());
    let remarks = joined.remarks.get(name).into_iter().flatten();
    let warnings: Vec<String> =
        unknown.iter().chain(&idle).chain(remarks).map(|remark| line(remark)).chain(lost).collect();
    if faults.is_empty() {
        summary.outcome = "unchanged";
        return Response { warnings, ..Response::passed() };
    }
    summary.outcome = "refused";
    let lacks_parent =
        |fault: &String| fault.starts_with("spec.extends: extends ") && fault.contains(NO_PARENT);
    summary.lacks_parent = faults.iter().any(lacks_parent);
    summary.reasons = faults.iter().map(|_| "Invalid").collect();
    let causes: Vec<Value> = faults.iter().map(|line| cause(line)).collect();
    let status = json!({
        "status": "Failure", "code": 422, "reason": "Invalid",
        "message": listed("StatefulSetProfile", name, faults.iter().cloned()),
        "details": {"group": "stateward.dev", "kind": "StatefulSetProfile", "name": name, "causes": causes},
    });
    Response { allowed: false, status: Some(status), warnings, ..Response::passed() }
}

/// A fault for programs, in the parts that `lint` tells it in.
fn cause(line: &str) -> Value {
    let Fault { field, problem, remedy, reason } = check::parted(line);
    json!({"reason": reason.as_str(), "field": field, "message": format!("{problem}; {remedy}")})
}

/// The nulls that client-side apply left out of this request. Its own note of what was applied has them.
fn left_out(object: &Value, old: &Value) -> Vec<String> {
    let note =
        |object: &Value| object["metadata"]["annotations"][names::LAST_APPLIED].as_str().map(str::to_owned);
    let applied = note(object).filter(|applied| note(old).as_ref() != Some(applied));
    let applied = applied.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let lost = applied.map(|applied| check::left_out(&applied["spec"], &object["spec"]));
    lost.into_iter().flatten().map(|lost| line(&lost)).collect()
}

/// Its own faults, and those that it would bring upon others.
fn faults(name: &str, joined: &Joined, before: &Joined) -> Vec<String> {
    let mut faults = joined.verdicts.get(name).map(|verdict| verdict.faults.clone()).unwrap_or_default();
    let own: Vec<String> =
        faults.iter().filter_map(|fault| Some(fault.split_once(": ")?.1.to_owned())).collect();
    for (other, verdict) in joined.verdicts.iter().filter(|(other, _)| *other != name) {
        let known = before.verdicts.get(other).map_or(&[][..], |verdict| verdict.faults.as_slice());
        // A tie is told to both sides, and what a child has of this one to each child; once is enough. With a
        // fault of its own, this one is no parent.
        let orphaned = format!("extends {name}, which {NO_PARENT}");
        let new = verdict.faults.iter().filter(|fault| {
            !known.contains(fault)
                && !fault.contains("is matched by")
                && !fault.contains(&orphaned)
                && !own.iter().any(|own| fault.ends_with(own))
        });
        faults
            .extend(new.map(|fault| format!("spec: StatefulSetProfile {other} would have a fault: {fault}")));
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::admission::Endpoint;
    use crate::engine::{Engine, Offline};

    fn answer(spec: &str) -> Value {
        let admission = Admission::by(&Engine::built_in().unwrap(), Arc::new(Offline));
        let spec: Value = serde_saphyr::from_str(spec).unwrap();
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "1", "operation": "CREATE", "name": "queue",
                "resource": {"group": "stateward.dev", "version": "v1alpha1", "resource": "statefulsetprofiles"},
                "object": {"metadata": {"name": "queue"}, "spec": spec}, "oldObject": null,
            },
        });
        let answer = admission.answer(Endpoint::Validate, review.to_string().as_bytes()).unwrap();
        serde_json::from_slice::<Value>(&answer.body).unwrap()["response"].clone()
    }

    #[test]
    fn what_a_profile_hands_down_is_told_once() {
        let given = |name: &str, spec: &str| Given {
            name: name.to_owned(),
            spec: Ok(Arc::new(serde_saphyr::from_str(spec).unwrap())),
        };
        let wrong = "{summary: x, extends: default, statefulSet: {spec: {template: {spec: {nodeSelector: {a b: x}}}}}}";
        let base = crate::catalogue::Catalogue::built_in().unwrap();
        let child = given("child", "{summary: x, extends: queue}");
        let before = base.join(&[given("queue", "{summary: x, extends: default}"), child.clone()], &[]);
        let joined = base.join(&[given("queue", wrong), child], &[]);
        assert_eq!((joined.verdicts["child"].faults.len(), faults("queue", &joined, &before).len()), (1, 1));
    }

    #[test]
    fn nulls_that_client_side_apply_left_out_are_missed() {
        let note = |spec: &str| {
            let written: Value = serde_saphyr::from_str(spec).unwrap();
            let note = json!({"spec": written}).to_string();
            json!({"metadata": {"annotations": {names::LAST_APPLIED: note}}, "spec": {"refuse": {}}})
        };
        let written = "{extends: null, data: {subPath: null}, refuse: {even: null}, variants: [{cases: [{data: {size: null},
            statefulSet: {spec: null}}]}], statefulSet: {spec: {template: {spec: {containers: [{name: $(main), env: [{name: A,
            value: null}]}]}}}}}";
        let object = note(written);
        assert_eq!(
            left_out(&object, &Value::Null),
            [
                "spec.data.subPath: null was left out by client-side apply; write data.subPath under spec.without",
                "spec.refuse.even: null was left out by client-side apply; write refuse.even under spec.without, or apply \
                 with --server-side",
                "spec.statefulSet.spec.template.spec.containers[0].env[0].value: null was left out by client-side apply; write \
                 statefulSet.spec.template.spec.containers[$(main)].env[A].value under spec.without, or apply with \
                 --server-side",
                "spec.variants[0].cases[0].data.size: null was left out by client-side apply; it says nothing here, so leave it \
                 out",
                "spec.variants[0].cases[0].statefulSet.spec: null was left out by client-side apply; apply with \
                 --server-side",
            ]
        );
        // Not by this request, or not at all.
        assert_eq!(left_out(&object, &object), [""; 0]);
        let mut kept = note("{refuse: {even: null}}");
        kept["spec"] = json!({"refuse": {"even": null}});
        assert_eq!(left_out(&kept, &Value::Null), [""; 0]);
    }

    #[test]
    fn whoever_deletes_one_is_told_what_becomes_of_others() {
        let told = |name: &str, in_use: u64, others: &[(&str, &str)]| {
            let admission = Admission::by(&Engine::built_in().unwrap(), Arc::new(Offline));
            for (name, parent) in others {
                let spec = json!({"summary": "x", "extends": parent});
                let object = json!({"metadata": {"name": name}, "spec": spec, "status": {"inUse": in_use}});
                admission.profiles.hear(&serde_json::from_value(object).unwrap());
            }
            let review = json!({
                "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                "request": {
                    "uid": "1", "operation": "DELETE", "name": name, "object": null,
                    "resource": {"group": "stateward.dev", "version": "v1alpha1", "resource": "statefulsetprofiles"},
                    "oldObject": {"metadata": {"name": name}, "spec": {"summary": "x"}},
                },
            });
            let answer = admission.answer(Endpoint::Validate, review.to_string().as_bytes()).unwrap();
            let response = serde_json::from_slice::<Value>(&answer.body).unwrap()["response"].take();
            assert_eq!(response["allowed"], true);
            response.get("warnings").cloned().unwrap_or_else(|| json!([]))
        };
        assert_eq!(told("queue", 0, &[("other", "default")]), json!([]));
        let family = [("a", "b"), ("b", "queue"), ("c", "queue"), ("queue", "queue")];
        assert_eq!(
            told("queue", 3, &family),
            json!([
                "b, c, a extend queue: what was last kept stands in for each, and an edit is refused until it extends \
                 another profile",
                "3 sets are pinned to revisions of queue, which stay as long as they are used; new ones of its images get \
                 another profile's defaults, and those that name it are refused",
            ])
        );
        assert_eq!(
            told("redis", 1, &[("ours", "redis"), ("redis", "redis")]),
            json!([
                "ours extends redis, which is the built-in one from now on",
                "1 set is pinned to revisions of redis, which stay as long as they are used; new ones get the \
                 built-in one",
            ])
        );
        let many: Vec<String> = (1..8).map(|number| format!("child-{number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "queue")).collect();
        let told = told("queue", 0, &many);
        assert!(
            text(&told[0])
                .starts_with("child-1, child-2, child-3, child-4, child-5 and 2 more extend queue: ")
        );
    }

    #[test]
    fn a_good_one_passes() {
        let response = answer("{summary: a queue, extends: default, match: {images: [queue]}}");
        assert_eq!((&response["allowed"], &response["warnings"]), (&json!(true), &Value::Null));
    }

    #[test]
    fn all_faults_are_refused_at_once() {
        let response = answer(
            "{summary: x, extends: nothing, data: {mountPath: data}, statefulSet: {spec: {replicas: 1}}}",
        );
        assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(422)));
        let message = text(&response["status"]["message"]);
        assert!(
            message.starts_with("StatefulSetProfile queue has 3 faults:\n  spec.statefulSet.spec.replicas"),
            "{message}"
        );
    }

    #[test]
    fn causes_name_the_fields_and_tell_what_lint_tells() {
        let spec = "{summary: x, extends: default, companions: {networkPolicy: {spec: {}}},
            statefulSet: {spec: {template: {spec: {nodeSelector: {'a: b': x}}}}}}";
        let response = answer(spec);
        let causes = response["status"]["details"]["causes"].as_array().unwrap();
        let fields: Vec<&str> = causes.iter().map(|cause| text(&cause["field"])).collect();
        assert_eq!(
            fields,
            [
                "spec.companions.networkPolicy.spec",
                "spec.statefulSet.spec.template.spec.nodeSelector[\"a: b\"]"
            ]
        );
        let manifest = json!({
            "apiVersion": "stateward.dev/v1alpha1", "kind": "StatefulSetProfile", "metadata": {"name": "queue"},
            "spec": serde_saphyr::from_str::<Value>(spec).unwrap(),
        });
        let source = crate::cli::input::Source::parse("q.yaml".to_owned(), manifest.to_string()).unwrap();
        let args = crate::cli::lint::LintArgs {
            output: crate::cli::lint::LintFormat::Json,
            ..crate::cli::lint::LintArgs::default()
        };
        let engine = Engine::built_in().unwrap();
        let mut painter = crate::cli::report::Painter::new(false);
        let linted = crate::cli::lint::run(&args, &[source], "default", &engine, &mut painter).unwrap();
        let linted: Value = serde_json::from_str(&linted.stdout).unwrap();
        for (cause, finding) in causes.iter().zip(linted.as_array().unwrap()) {
            assert_eq!(cause["field"], finding["field"]);
            let told = format!("{}; {}", text(&finding["problem"]), text(&finding["remedy"]));
            assert_eq!(cause["message"], told);
        }
    }

    #[test]
    fn an_unknown_parent_is_refused_and_an_unknown_field_warned_of() {
        let response = answer("{summary: x, extends: nothing}");
        assert!(text(&response["status"]["message"]).contains("extends nothing, which does not exist"));
        let response = answer(
            "{summary: x, extends: default, statefulSet: {spec: {template: {spec: {hostNetwrk: true}}}}}",
        );
        assert_eq!(response["allowed"], true);
        assert!(text(&response["warnings"][0]).contains("hostNetwrk is no field"), "{response}");
    }
}
