//! What is said after an install.

use crate::helm::{chart, helm};

fn notes(settings: &[&str]) -> String {
    let chart = chart();
    let fixed = ["install", "platform", &chart.to_string_lossy(), "--namespace", "guard", "--dry-run=client"];
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    let all: Vec<&str> = fixed.into_iter().chain(settings).collect();
    let said = helm(&all).unwrap();
    said.split_once("NOTES:").expect("notes").1.to_owned()
}

#[test]
fn they_name_the_next_steps_and_the_way_out() {
    let notes = notes(&[]);
    for words in [
        "kubectl --namespace guard rollout status deployment/stateward-webhook",
        "labels: {stateward.dev/managed: \"true\"}",
        "helm --namespace guard test platform",
        "kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration,validatingadmissionpolicybinding stateward",
    ] {
        assert!(notes.contains(words), "{words:?} is not in:\n{notes}");
    }
    assert!(!notes.contains("WARNING"), "{notes}");
}

#[test]
fn they_warn_of_what_is_not_for_production() {
    for (settings, words) in [
        (&["webhook.replicas=1"][..], "no PodDisruptionBudget"),
        (&["webhook.failurePolicy=Ignore", "policy.enabled=false"], "nobody is told"),
        (&["controller.enabled=false"], "without the controller"),
    ] {
        let notes = notes(settings);
        assert!(notes.contains("WARNING") && notes.contains(words), "{settings:?}:\n{notes}");
    }
    assert!(notes(&["certificates.mode=certManager"]).contains("get certificate stateward-serving"));
    assert!(!notes(&["policy.enabled=false"]).contains("validatingadmissionpolicybinding"));
}
