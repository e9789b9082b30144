//! Keeps the revisions of the cluster's profiles, and says in their status what came of them.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::apply::{WriteError, Writer};
use crate::catalogue::cluster::Verdict;
use crate::catalogue::definition::ProfileStatus;
use crate::names;
use crate::profiles::{self, Profiled, Profiles};
use crate::settings::Pin;

/// How often the sets are counted, at most.
const PAUSE: Duration = Duration::from_secs(15);
/// The length of a condition's message that the API server takes.
const MESSAGE: usize = 32_768;

/// How many sets there are of each pin's profile and revision.
pub(super) type Pins = BTreeMap<(String, String), u64>;

/// Counts pins.
pub(super) fn count(pins: impl Iterator<Item = Pin>) -> Pins {
    pins.fold(Pins::new(), |mut counted, pin| {
        *counted.entry((pin.profile, pin.revision)).or_default() += 1;
        counted
    })
}

/// Keeps what waits for being kept, at once, and the statuses current. For ever; drop it to end it.
pub(super) async fn tend(profiles: &Profiles, writer: &Writer, namespace: &str, pins: impl Fn() -> Pins) {
    let mut changes = profiles.changes();
    loop {
        changes.mark_unchanged();
        keep(profiles, writer, namespace).await;
        if !profiles.objects().is_empty() {
            tell(profiles, writer, &pins()).await;
        }
        // A change is acted upon at once, but for a burst of them.
        _ = tokio::time::timeout(PAUSE, changes.changed()).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn keep(profiles: &Profiles, writer: &Writer, namespace: &str) {
    let kind = profiles::revisions();
    let api = Api::<DynamicObject>::namespaced_with(writer.client().clone(), namespace, &kind);
    let joined = profiles.joined();
    for (unkept, number) in joined.unkept.iter().zip(profiles.last_number() + 1..) {
        let object = profiles::revision_object(unkept, number);
        let Ok(object) = serde_json::from_value::<DynamicObject>(object) else { continue };
        let params = PostParams { field_manager: Some(names::MANAGER.to_owned()), ..PostParams::default() };
        let made = writer.write("create", "ControllerRevision", api.create(&params, &object)).await;
        let (profile, revision) = (unkept.profile.as_str(), unkept.revision.as_str());
        match made {
            Ok(_) => tracing::info!(profile, revision, "kept a revision; new sets get it"),
            // Another replica was quicker, or the watch has not told yet.
            Err(error) if error.code() == 409 || matches!(error, WriteError::Deposed) => {}
            Err(error) => {
                tracing::error!(profile, revision, %error, "cannot keep a revision; new sets get an older one");
            }
        }
    }
}

async fn tell(profiles: &Profiles, writer: &Writer, pins: &Pins) {
    let api = Api::<DynamicObject>::all_with(writer.client().clone(), &profiles::profiles());
    let joined = profiles.joined();
    for (name, object) in profiles.objects() {
        let Some(verdict) = joined.verdicts.get(&name) else { continue };
        let Some(status) = news(&name, &object, verdict, pins) else { continue };
        let params = PatchParams { field_manager: Some(names::MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({"status": status}));
        let told =
            writer.write("status", "StatefulSetProfile", api.patch_status(&name, &params, &patch)).await;
        match told {
            Ok(_) | Err(WriteError::Deposed) => {}
            Err(error) if error.code() == 404 => {}
            Err(error) => tracing::warn!(profile = name, %error, "cannot tell the status of a profile"),
        }
    }
}

/// The status of a profile, where it is another one than the object has.
fn news(name: &str, object: &Profiled, verdict: &Verdict, pins: &Pins) -> Option<Value> {
    let known: ProfileStatus = serde_json::from_value(object.status.clone()).unwrap_or_default();
    let of_this = pins.iter().filter(|((profile, _), _)| profile == name);
    let sum = |pins: &mut dyn Iterator<Item = (&(String, String), &u64)>| pins.map(|(_, count)| count).sum();
    let behind = |(pin, _): &(&(String, String), &u64)| Some(&pin.1) != verdict.revision.as_ref();
    let (status, reason, message) = judged(verdict);
    let before = known.conditions.first();
    let since =
        before.filter(|before| before.status == status).map(|before| before.last_transition_time.clone());
    let condition = Condition {
        last_transition_time: since.unwrap_or_else(|| Time(Timestamp::now())),
        message: message.chars().take(MESSAGE).collect(),
        observed_generation: object.generation,
        reason: reason.to_owned(),
        status: status.to_owned(),
        type_: "Ready".to_owned(),
    };
    let status = ProfileStatus {
        observed_generation: object.generation,
        revision: verdict.revision.clone(),
        in_use: sum(&mut of_this.clone()),
        behind: sum(&mut of_this.filter(behind)),
        conditions: vec![condition],
    };
    if status == known {
        return None;
    }
    let mut status = json!(status);
    // A merge patch leaves what it does not name.
    if verdict.revision.is_none() {
        status["revision"] = Value::Null;
    }
    Some(status)
}

fn judged(verdict: &Verdict) -> (&'static str, &'static str, String) {
    if !verdict.faults.is_empty() {
        ("False", "Faults", verdict.faults.join("; "))
    } else if verdict.current {
        ("True", "InUse", "new sets get what it says".to_owned())
    } else {
        (
            "False",
            "NotKept",
            "its revision is about to be kept; until then new sets get an older one".to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::cluster::Given;

    fn object(status: Value) -> Profiled {
        let spec = serde_json::from_value(json!({"summary": "x"}));
        Profiled {
            given: Given { name: "queue".to_owned(), spec: spec.map_err(|error| error.to_string()) },
            generation: Some(3),
            status,
        }
    }

    fn pins() -> Pins {
        let pin = |text: &str| Pin::parse(text).unwrap();
        count([pin("queue@1"), pin("queue@2"), pin("queue@2"), pin("other@1")].into_iter())
    }

    #[test]
    fn a_status_is_told_once() {
        let verdict = Verdict { revision: Some("2".to_owned()), current: true, faults: Vec::new() };
        let told = news("queue", &object(Value::Null), &verdict, &pins()).unwrap();
        assert_eq!((&told["inUse"], &told["behind"], &told["revision"]), (&json!(3), &json!(1), &json!("2")));
        assert_eq!(told["observedGeneration"], 3);
        assert_eq!(
            (&told["conditions"][0]["status"], &told["conditions"][0]["reason"]),
            (&json!("True"), &json!("InUse"))
        );
        assert_eq!(news("queue", &object(told.clone()), &verdict, &pins()), None);
        let faulty =
            Verdict { faults: vec!["spec: wrong".to_owned(), "and more".to_owned()], ..Verdict::default() };
        let told = news("queue", &object(told), &faulty, &pins()).unwrap();
        assert_eq!(told["conditions"][0]["message"], "spec: wrong; and more");
        assert!(told["revision"].is_null());
    }
}
