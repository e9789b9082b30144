//! Break-glass: those whom the platform named change a set in spite of a refusal, and say why.
//!
//! What they change passes as it was sent, as if the webhook were away, which every later request
//! can stand (`docs/updates.md`). A new set does not pass: unexpanded it could never gain the fields
//! that cannot be changed.

use serde_json::{Value, json};

use super::Response;
use crate::configuration::Configuration;
use crate::engine::{Change, line};
use crate::fault::Fault;
use crate::names;
use crate::settings::text;

/// What a request says of it.
pub(super) enum Glass<'a> {
    /// Nothing, or nothing new: a reason holds for the one request that writes it.
    Whole,
    /// A reason, by somebody who may.
    Broken {
        /// In the words of the annotation.
        reason: &'a str,
    },
    /// A reason, and why it does not help.
    Barred(String),
}

impl<'a> Glass<'a> {
    pub(super) fn of(request: &Value, change: Change<'a>, configuration: Option<&Configuration>) -> Self {
        let reason = |object: &'a Value| text(&object["metadata"]["annotations"][names::BREAK_GLASS]).trim();
        let given = reason(change.after);
        if given.is_empty() || change.before.is_some_and(|before| reason(before) == given) {
            return Self::Whole;
        }
        let barred = |why: String| Self::Barred(line(&format!("{}: {why}", names::BREAK_GLASS)));
        if change.before.is_none() {
            return barred("a new StatefulSet does not pass by it".to_owned());
        }
        let user = text(&request["userInfo"]["username"]);
        let groups = request["userInfo"]["groups"].as_array().map_or(&[][..], Vec::as_slice);
        let groups = groups.iter().map(text);
        if configuration.is_some_and(|configuration| configuration.may_break_glass(user, groups)) {
            Self::Broken { reason: given }
        } else {
            barred(format!("the configuration names neither {user} nor a group of theirs under breakGlass"))
        }
    }
}

impl Response {
    /// What passes in spite of `faults`, which the API server notes in its audit log and tells the user.
    pub(super) fn in_spite(reason: &str, faults: &[Fault]) -> Self {
        let warnings =
            faults.iter().map(|fault| line(&format!("passed by {}: {fault}", names::BREAK_GLASS))).collect();
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let audit = json!({"break-glass": reason, "in-spite-of": told.join("\n")});
        Self { warnings, audit: Some(audit), ..Self::passed() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::admission::{Admission, Endpoint, Summary};
    use crate::engine::{Engine, Facts, Offline};

    /// A cluster whose platform lets the group `on-call` pass.
    struct OnCall;

    impl Facts for OnCall {
        fn namespace_labels(&self, _: &str) -> BTreeMap<String, String> {
            BTreeMap::new()
        }

        fn claim_pin(&self, _: &str, _: &str) -> Option<String> {
            None
        }

        fn configuration(&self) -> Option<Arc<Configuration>> {
            Configuration::parse("breakGlass: {groups: [on-call], users: [root]}").ok().map(Arc::new)
        }
    }

    fn set(annotations: &Value) -> Value {
        let mut set = json!({
            "metadata": {"name": "db", "labels": {"stateward.dev/managed": "true"}},
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "redis", "image": "redis:8"}]}}},
        });
        set["metadata"]["annotations"] = annotations.clone();
        crate::defaults::apply(&mut set);
        set
    }

    /// The answer to the set with these annotations, which replaces one with those.
    fn answer(facts: impl Facts + 'static, user: &Value, before: &Value, after: &Value) -> (Value, Summary) {
        let engine = Engine::built_in().unwrap();
        let first = engine.admit(Change { namespace: "shop", before: None, after: &set(before) }, &Offline);
        let Ok(crate::engine::Decision::Admitted(admitted)) = first else { panic!("{first:?}") };
        let mut changed = admitted.result.clone();
        for (key, value) in after.as_object().unwrap() {
            changed["metadata"]["annotations"][key] = value.clone();
        }
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": "UPDATE", "namespace": "shop", "name": "db", "userInfo": user,
            "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"},
            "oldObject": admitted.result, "object": changed,
        }});
        let admission = Admission::by(&engine, Arc::new(facts));
        let answer = admission.answer(Endpoint::Mutate, review.to_string().as_bytes()).unwrap();
        let response = serde_json::from_slice::<Value>(&answer.body).unwrap()["response"].clone();
        (response, answer.summary)
    }

    const REASON: &str = "stateward.dev/break-glass";

    #[test]
    fn who_is_named_passes_what_is_refused_and_the_audit_log_is_told_why() {
        let wrong = json!({"stateward.dev/storage": "20XB", REASON: "INC-1"});
        for user in [json!({"username": "jo", "groups": ["dev", "on-call"]}), json!({"username": "root"})] {
            let (response, summary) = answer(OnCall, &user, &json!({}), &wrong);
            assert_eq!(
                (&response["allowed"], &response["patch"]),
                (&json!(true), &Value::Null),
                "{response}"
            );
            assert_eq!(response["auditAnnotations"]["break-glass"], "INC-1");
            let told = response["warnings"][0].as_str().unwrap();
            assert!(
                told.starts_with("passed by stateward.dev/break-glass: stateward.dev/storage: "),
                "{told}"
            );
            assert_eq!((summary.outcome, summary.reasons.len()), ("bypassed", 1));
        }
    }

    #[test]
    fn nobody_else_does_and_is_told_so() {
        let wrong = json!({"stateward.dev/storage": "20XB", REASON: "INC-1"});
        let jo = json!({"username": "jo", "groups": ["dev"]});
        let (response, summary) = answer(OnCall, &jo, &json!({}), &wrong);
        assert_eq!(response["allowed"], false);
        let told = response["warnings"].to_string();
        assert!(told.contains("names neither jo nor a group of theirs under breakGlass"), "{told}");
        assert_eq!(summary.outcome, "refused");
        let (response, _) = answer(Offline, &json!({"username": "root"}), &json!({}), &wrong);
        assert_eq!(response["allowed"], false, "no configuration names anybody");
    }

    #[test]
    fn a_reason_holds_once_and_does_no_more_than_pass() {
        let root = json!({"username": "root"});
        let wrong = json!({"stateward.dev/storage": "20XB"});
        let (response, _) = answer(OnCall, &root, &json!({REASON: "INC-1"}), &wrong);
        assert_eq!(response["allowed"], false, "{response}");
        // What is not refused is expanded as ever.
        let (response, summary) =
            answer(OnCall, &root, &json!({}), &json!({"stateward.dev/size": "large", REASON: "INC-2"}));
        assert_eq!((summary.outcome, &response["allowed"]), ("expanded", &json!(true)));
    }

    #[test]
    fn a_new_set_does_not_pass() {
        let object = set(&json!({"stateward.dev/storage": "20XB", REASON: "INC-1"}));
        let change = Change { namespace: "shop", before: None, after: &object };
        let configuration = OnCall.configuration();
        let request = json!({"userInfo": {"username": "root"}});
        let Glass::Barred(why) = Glass::of(&request, change, configuration.as_deref()) else { panic!() };
        assert_eq!(why, "stateward.dev/break-glass: a new StatefulSet does not pass by it");
    }
}
