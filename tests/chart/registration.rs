//! What the API server is told. That it is right, `tests/cluster` shows: its clusters have this very chart.

use serde_json::json;

use crate::helm::{NAMESPACE, object, objects, render_set};

const KINDS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

#[test]
fn both_configurations_lead_to_the_service() {
    let chart = objects(&render_set("default"));
    for kind in KINDS {
        let entries = object(&chart, kind, "stateward")["webhooks"].as_array().unwrap();
        let verb = if kind.starts_with('M') { "mutate" } else { "validate" };
        let names: Vec<_> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
        let mut expected: Vec<_> =
            ["labelled", "namespaced"].map(|which| format!("{which}.{verb}.stateward.dev")).into();
        expected.extend((verb == "validate").then(|| "profiles.validate.stateward.dev".to_owned()));
        assert_eq!(names, expected);
        for entry in entries {
            let path = format!("/{verb}");
            let service = json!({"name": "stateward", "namespace": NAMESPACE, "path": path, "port": 443});
            assert_eq!(entry["clientConfig"], json!({ "service": service }), "{}", entry["name"]);
        }
    }
}

/// Whoever deletes a profile is told what becomes of others, and nothing that is away keeps anybody from it.
#[test]
fn deletions_of_profiles_are_heard_of_and_never_held_up() {
    let chart = objects(&render_set("default"));
    let entries = object(&chart, KINDS[1], "stateward")["webhooks"].as_array().unwrap();
    let profiles = entries.iter().find(|entry| entry["name"] == "profiles.validate.stateward.dev").unwrap();
    assert_eq!(profiles["rules"][0]["operations"], json!(["CREATE", "UPDATE", "DELETE"]));
    assert_eq!(profiles["failurePolicy"], "Ignore");
    let deleted = |entry: &&serde_json::Value| entry["rules"].to_string().contains("DELETE");
    assert_eq!(entries.iter().filter(deleted).count(), 1);
}

/// Called twice, we would count our own work as the user's.
#[test]
fn nobody_is_called_twice() {
    let chart = objects(&render_set("default"));
    for entry in object(&chart, KINDS[0], "stateward")["webhooks"].as_array().unwrap() {
        assert_eq!(entry["reinvocationPolicy"], "Never", "{}", entry["name"]);
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
