//! The chart registers what the local cluster's registration has proved: the tests of `tests/cluster` run against that.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::helm::{NAMESPACE, documents, object, objects, render_set, root};

const KINDS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

fn proved() -> Vec<Value> {
    let file = "tests/control-plane/stateward.yaml";
    documents(file, &fs::read_to_string(root().join(file)).unwrap())
}

/// The entries without what has to differ: where they are reached, which namespace is ours, and the label by which tests
/// keep namespaces of their own.
fn entries(configuration: &Value) -> Vec<Value> {
    let mut entries = configuration["webhooks"].as_array().unwrap().clone();
    for entry in &mut entries {
        entry.as_object_mut().unwrap().remove("clientConfig");
        let requirements = entry["namespaceSelector"]["matchExpressions"].as_array_mut().unwrap();
        requirements.retain(|requirement| requirement["key"] != "stateward.dev/test-webhook");
        for requirement in requirements {
            for value in requirement["values"].as_array_mut().into_iter().flatten() {
                if *value == NAMESPACE || *value == "stateward-system" {
                    *value = json!("OURS");
                }
            }
        }
    }
    entries
}

#[test]
fn both_configurations_have_the_entries_that_are_proved() {
    let (chart, proved) = (objects(&render_set("default")), proved());
    for kind in KINDS {
        let (rendered, expected) = (object(&chart, kind, "stateward"), object(&proved, kind, "stateward"));
        assert_eq!(entries(rendered), entries(expected), "{kind}");
        for entry in rendered["webhooks"].as_array().unwrap() {
            let path = if kind.starts_with('M') { "/mutate" } else { "/validate" };
            let service = json!({"name": "stateward", "namespace": NAMESPACE, "path": path, "port": 443});
            assert_eq!(entry["clientConfig"], json!({ "service": service }), "{}", entry["name"]);
        }
    }
}

/// What is granted, one (groups, resources, names, verb) at a time.
fn granted(role: &Value) -> BTreeSet<String> {
    let rules = role["rules"].as_array().unwrap().iter();
    let each = |rule: &Value| -> Vec<String> {
        let scope = format!("{} {} {}", rule["apiGroups"], rule["resources"], rule["resourceNames"]);
        rule["verbs"].as_array().unwrap().iter().map(|verb| format!("{scope} {verb}")).collect()
    };
    rules.flat_map(each).collect()
}

/// The chart grants nothing more; that what it grants is enough, `life` shows.
#[test]
fn the_webhook_has_no_right_but_those_that_are_proved() {
    let (chart, proved) = (objects(&render_set("default")), proved());
    for kind in ["ClusterRole", "Role"] {
        let ours = granted(object(&chart, kind, "stateward-webhook"));
        let more: Vec<_> = ours.difference(&granted(object(&proved, kind, "stateward"))).cloned().collect();
        assert!(!ours.is_empty() && more.is_empty(), "{kind}: {more:?}");
    }
}

/// stateward writes `caBundle` of configurations with this label alone.
#[test]
fn the_configurations_are_recognized_by_the_process() {
    for set in crate::helm::SETS {
        let chart = objects(&render_set(set));
        for kind in KINDS {
            let labels = &object(&chart, kind, "stateward")["metadata"]["labels"];
            assert_eq!(labels["app.kubernetes.io/name"], "stateward", "{set}, {kind}");
        }
    }
}

/// What the webhook leaves alone, the policy must not refuse for being unexpanded.
#[test]
fn the_policy_looks_at_what_the_webhook_is_asked_about() {
    for set in crate::helm::SETS {
        let chart = objects(&render_set(set));
        let policy = &object(&chart, "ValidatingAdmissionPolicy", "stateward")["spec"];
        let entry = &object(&chart, KINDS[0], "stateward")["webhooks"][0];
        let constraints = &policy["matchConstraints"];
        assert_eq!(constraints["namespaceSelector"], entry["namespaceSelector"], "{set}");
        assert_eq!(constraints["resourceRules"], entry["rules"], "{set}");
        assert_eq!(policy["matchConditions"], entry["matchConditions"], "{set}");
    }
}
