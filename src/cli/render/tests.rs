use json_patch::Patch;
use serde_json::json;

use super::*;
use crate::engine::Change;
use crate::engine::EngineError;
use crate::fault::Reason;

/// Adds a service name and a policy that depends on nothing, refuses sets without replicas.
fn admit(change: Change<'_>) -> Result<Decision, EngineError> {
    let object = change.after;
    if object["metadata"]["labels"]["stateward.dev/managed"] != "true" {
        return Ok(Decision::Ignored);
    }
    if object["spec"]
        .get("replicas")
        .is_none_or(|replicas| replicas == 0)
    {
        let fault = Fault::new(Reason::Invalid, "spec.replicas", "must be one", "write 1");
        return Ok(Decision::Refused {
            faults: vec![fault],
            warnings: vec!["look".to_owned()],
        });
    }
    let mut result = object.clone();
    result["spec"]["serviceName"] = json!("x-headless");
    let patch: Patch = json_patch::diff(object, &result);
    Ok(Decision::Admitted(Box::new(Admitted {
        pin: "default@0".to_owned(),
        injections: Vec::new(),
        withheld: Vec::new(),
        patch,
        result,
        warnings: Vec::new(),
    })))
}

fn defaults(object: &mut Value) {
    object["spec"]["podManagementPolicy"] = json!("OrderedReady");
}

fn rendered(args: &RenderArgs, text: &str) -> Report {
    let source = Source::parse("in.yaml".to_owned(), text.to_owned()).unwrap();
    let judge = Judge {
        defaults: &defaults,
        admit: &admit,
        explain: &|_| Ok(None),
    };
    run(args, &[source], "default", &judge, &mut Painter::new(false)).unwrap()
}

fn args(output: Format, full: bool) -> RenderArgs {
    RenderArgs {
        input: InputArgs::default(),
        output,
        full,
    }
}

fn set(managed: &str, replicas: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: x\n  labels:\n    stateward.dev/managed: \"{managed}\"\nspec:\n  replicas: {replicas} # many\n"
    )
}

#[test]
fn what_is_not_changed_keeps_its_bytes() {
    let text = format!(
        "# top\r\nkind: Service\r\n---\n{}---\n# end\n---\nkind: Secret\nmode:   0644",
        set("false", "3")
    );
    let report = rendered(&args(Format::Yaml, false), &text);
    assert_eq!((report.stdout.as_str(), report.exit), (text.as_str(), Exit::Fine));
}

#[test]
fn what_is_changed_keeps_its_order_and_its_head() {
    let text = format!("---\n# Source: db.yaml\n{}---\nkind: Service\n", set("true", "3"));
    let report = rendered(&args(Format::Yaml, false), &text);
    let expected = text.replace("3 # many\n", "3\n  serviceName: x-headless\n");
    assert_eq!(report.stdout, expected);
    let full = rendered(&args(Format::Yaml, true), &text);
    assert!(
        full.stdout.contains("podManagementPolicy: OrderedReady\n"),
        "{}",
        full.stdout
    );
}

#[test]
fn what_is_refused_is_not_printed() {
    let text = format!("kind: Service\n---\n{}---\nkind: Secret\n", set("true", "0"));
    let report = rendered(&args(Format::Yaml, false), &text);
    assert_eq!(
        (report.stdout.as_str(), report.exit),
        ("kind: Service\n---\nkind: Secret\n", Exit::Findings)
    );
    for part in [
        "warning: look",
        "StatefulSet default/x: spec.replicas: must be one",
        "in.yaml:10:13",
        "write 1",
    ] {
        assert!(report.stderr.contains(part), "{part}: {}", report.stderr);
    }
}

#[test]
fn items_of_a_list_are_rendered_in_it() {
    let indented = set("true", "3").replace('\n', "\n  ");
    let text = format!(
        "apiVersion: v1\nkind: List\nitems:\n- kind: Service\n- {}\n",
        indented.trim_end()
    );
    let report = rendered(&args(Format::Yaml, false), &text);
    assert!(
        report
            .stdout
            .starts_with("apiVersion: v1\nkind: List\nitems:\n- kind: Service\n- apiVersion"),
        "{}",
        report.stdout
    );
    assert!(report.stdout.contains("    serviceName: x-headless\n"));
}

#[test]
fn json_holds_all_documents() {
    let text = format!("kind: Service\n---\n{}---\n# none\n", set("true", "3"));
    let report = rendered(&args(Format::Json, false), &text);
    let list: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(list["kind"], "List");
    assert_eq!(list["items"][0], json!({"kind": "Service"}));
    assert_eq!(
        list["items"][1]["spec"],
        json!({"replicas": 3, "serviceName": "x-headless"})
    );
}

/// A default that hangs on what we inject would not come out the same: then all is printed.
#[test]
fn a_result_that_would_not_come_out_is_printed_whole() {
    let source = Source::parse("in.yaml".to_owned(), set("true", "3")).unwrap();
    let defaults = |object: &mut Value| {
        let headless = object["spec"].get("serviceName").is_some();
        object["spec"]["policy"] = json!(if headless { "b" } else { "a" });
    };
    let judge = Judge {
        defaults: &defaults,
        admit: &admit,
        explain: &|_| Ok(None),
    };
    let report = run(
        &args(Format::Yaml, false),
        &[source],
        "default",
        &judge,
        &mut Painter::new(false),
    )
    .unwrap();
    assert!(report.stdout.contains("policy: a\n"), "{}", report.stdout);
}
