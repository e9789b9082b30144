//! Law 9: `render` prints what the webhook makes of the same manifest.

use std::sync::Arc;

use base64::Engine as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use stateward::admission::{Admission, Endpoint};
use stateward::cli::input::Source;
use stateward::cli::output::Format;
use stateward::cli::render::{self, RenderArgs};
use stateward::cli::report::{Exit, Painter};
use stateward::defaults;
use stateward::engine::Offline;
use stateward::hash::canonical;

use crate::cases;
use crate::engines::engine;
use crate::manifests::{invalid, manifest};
use crate::merging::strategic;
use crate::server::received;

/// What is stored of a manifest that is created, and the fields at fault of one that is refused.
fn webhook(manifest: &Value) -> Result<Value, Vec<String>> {
    let object = received(manifest.clone());
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "CREATE", "namespace": "team", "name": object["metadata"]["name"],
            "kind": {"group": "apps", "version": "v1", "kind": "StatefulSet"},
            "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"},
            "object": object, "oldObject": null,
        },
    });
    let admission = Admission::by(&engine(0), Arc::new(Offline));
    let answer = admission.answer(Endpoint::Mutate, review.to_string().as_bytes()).expect("an answer");
    let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let response = &answer["response"];
    if response["allowed"] == false {
        let causes = response["status"]["details"]["causes"].as_array().into_iter().flatten();
        return Err(causes.map(|cause| cause["field"].as_str().expect("a field").to_owned()).collect());
    }
    let mut object = object;
    if let Some(patch) = response["patch"].as_str() {
        let patch = base64::prelude::BASE64_STANDARD.decode(patch).expect("base64");
        let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("a patch");
        json_patch::patch(&mut object, &patch).expect("it applies");
    }
    let mut stored = received(object);
    stored.as_object_mut().expect("an object").remove("status");
    Ok(stored)
}

/// What `render` prints, and what it says beside.
fn rendered(manifest: &Value, full: bool) -> (Option<Value>, String, Exit) {
    let parse = |text: String| Source::parse("in.yaml".to_owned(), text).expect("YAML");
    let args = RenderArgs { output: Format::Yaml, full, ..RenderArgs::default() };
    let source = parse(manifest.to_string());
    let report =
        render::run(&args, &[source], "team", &engine(0), &mut Painter::new(false)).expect("a report");
    let object = parse(report.stdout).documents.first().map(|document| document.value.clone());
    (object, report.stderr, report.exit)
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn render_equals_the_webhook(manifest in manifest(), fault in prop::option::weighted(0.2, invalid())) {
        let mut manifest = manifest;
        if let Some(fault) = fault {
            strategic(&mut manifest, &fault);
        }
        let (full, said, exit) = rendered(&manifest, true);
        match webhook(&manifest) {
            Ok(stored) => {
                prop_assert_eq!(exit, Exit::Fine, "{}", said);
                let full = full.unwrap_or_default();
                prop_assert_eq!(canonical(&full), canonical(&stored));
                let mut applied = rendered(&manifest, false).0.unwrap_or_default();
                defaults::apply(&mut applied);
                prop_assert_eq!(canonical(&applied), canonical(&stored));
            }
            Err(fields) => {
                prop_assert_eq!(exit, Exit::Findings);
                for field in fields {
                    prop_assert!(said.contains(&field), "{} is not in {}", field, said);
                }
            }
        }
    }
}
