//! Keeps the revisions of the cluster's profiles, and says in their status what came of them. Keeps the
//! built-in ones that sets have too: an earlier version of stateward, or another replica's, may lack them.

mod prune;
mod uses;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::{DynamicObject, Request};
use serde_json::{Value, json};

pub(super) use self::uses::Uses;
use super::apply::{WriteError, Writer};
use crate::catalogue::cluster::{Kept, Unkept, Verdict};
use crate::catalogue::definition::ProfileStatus;
use crate::names;
use crate::profiles::{self, Profiled, Profiles};

/// How often all is looked at when nothing of it changes.
const PAUSE: Duration = Duration::from_secs(15);
/// The length of a condition's message that the API server takes.
const MESSAGE: usize = 32_768;

/// Looks after profiles and their revisions.
pub(super) struct Tender<'a> {
    pub(super) profiles: &'a Profiles,
    pub(super) writer: &'a Writer,
    /// Where revisions are kept.
    pub(super) namespace: &'a str,
    /// How long a revision that nothing uses is kept; zero is for ever.
    pub(super) retention: Duration,
}

impl Tender<'_> {
    /// Keeps what waits for being kept, at once, and the statuses current; takes away what nothing uses.
    /// For ever; drop it to end it. Not before all stores are filled: a set that is not listed yet looks
    /// like none.
    pub(super) async fn tend(&self, uses: impl Fn() -> Arc<Uses>) {
        let kind = profiles::revisions();
        let api = Api::<DynamicObject>::namespaced_with(self.writer.client().clone(), self.namespace, &kind);
        let mut changes = self.profiles.changes();
        // What is due is so by nothing that changes.
        let pause = match self.retention {
            Duration::ZERO => PAUSE,
            retention => PAUSE.min(retention.max(Duration::from_secs(1))),
        };
        loop {
            changes.mark_unchanged();
            let uses = uses();
            self.keep(&api, &uses).await;
            if !self.profiles.objects().is_empty() {
                tell(self.profiles, self.writer, &uses).await;
            }
            let (shelf, joined) = (self.profiles.shelf(), self.profiles.joined());
            prune::prune(self.writer, &api, &shelf, (&joined, &uses), self.retention).await;
            // A change is acted upon at once, but for a burst of them.
            _ = tokio::time::timeout(pause, changes.changed()).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn keep(&self, api: &Api<DynamicObject>, uses: &Uses) {
        let joined = self.profiles.joined();
        for (unkept, number) in joined.unkept.iter().zip(self.profiles.last_number() + 1..) {
            let (profile, revision) = (unkept.profile.as_str(), unkept.revision.as_str());
            match self.create(api, unkept, number).await {
                Ok(true) => tracing::info!(profile, revision, "kept a revision; new sets get it"),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(profile, revision, %error, "cannot keep a revision; new sets get an older one");
                }
            }
        }
        // Most are kept, or are not ours: that costs a look into memory.
        let own = uses.all().filter_map(|(profile, revision)| self.profiles.own(profile, revision));
        for unkept in own {
            let (profile, revision) = (unkept.profile.as_str(), unkept.revision.as_str());
            match self.create(api, &unkept, Kept::BESIDE).await {
                Ok(true) => tracing::info!(profile, revision, "kept a revision that a set is pinned to"),
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    profile, revision, %error,
                    "cannot keep a revision that a set is pinned to; versions of stateward that lack it do not know it"
                ),
            }
        }
    }

    /// Whether it was made; one that is there already is no error.
    async fn create(
        &self,
        api: &Api<DynamicObject>,
        unkept: &Unkept,
        number: i64,
    ) -> Result<bool, WriteError> {
        let params = PostParams { field_manager: Some(names::MANAGER.to_owned()), ..PostParams::default() };
        let text = profiles::as_go_writes(&profiles::revision_object(unkept, number).to_string());
        let create = async {
            let request = Request::new(api.resource_url()).create(&params, text.into_bytes());
            let request = request.map_err(kube::Error::BuildRequest)?;
            self.writer.client().request::<DynamicObject>(request).await
        };
        match self.writer.write("create", "ControllerRevision", create).await {
            Ok(_) => Ok(true),
            // Another replica was quicker, or the watch has not told yet.
            Err(error) if error.code() == 409 || matches!(error, WriteError::Deposed) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

async fn tell(profiles: &Profiles, writer: &Writer, uses: &Uses) {
    let api = Api::<DynamicObject>::all_with(writer.client().clone(), &profiles::profiles());
    let joined = profiles.joined();
    for (name, object) in profiles.objects() {
        let Some(verdict) = joined.verdicts.get(&name) else { continue };
        let Some(status) = news(&name, &object, verdict, uses) else { continue };
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
fn news(name: &str, object: &Profiled, verdict: &Verdict, uses: &Uses) -> Option<Value> {
    let known: ProfileStatus = serde_json::from_value(object.status.clone()).unwrap_or_default();
    let of_this = uses.pins.iter().filter(|((profile, _), _)| profile == name);
    // Those of another revision, and those of this one whose namespaces say another size today.
    let behind = of_this.clone().filter_map(|(pin, count)| match &verdict.revision {
        Some(current) if pin.1 == *current => uses.resized.get(pin),
        _ => Some(count),
    });
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
        in_use: of_this.clone().map(|(_, count)| count).sum(),
        behind: behind.sum(),
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
            given: Given {
                name: "queue".to_owned(),
                spec: spec.map(Arc::new).map_err(|error| vec![error.to_string()]),
            },
            generation: Some(3),
            status,
        }
    }

    fn uses() -> Uses {
        let pin = |name: &str, revision: &str| (name.to_owned(), revision.to_owned());
        let mut uses = Uses::default();
        uses.pins.extend([(pin("queue", "1"), 1), (pin("queue", "2"), 2), (pin("other", "1"), 1)]);
        uses
    }

    #[test]
    fn a_set_of_another_size_is_behind_too() {
        let verdict = Verdict { revision: Some("2".to_owned()), current: true, faults: Vec::new() };
        let behind =
            |uses: &Uses| news("queue", &object(Value::Null), &verdict, uses).unwrap()["behind"].clone();
        let mut uses = uses();
        // That of the first revision is behind already.
        uses.resized.insert(("queue".to_owned(), "1".to_owned()), 1);
        assert_eq!(behind(&uses), 1);
        uses.resized.insert(("queue".to_owned(), "2".to_owned()), 1);
        assert_eq!(behind(&uses), 2);
    }

    #[test]
    fn a_status_is_told_once() {
        let verdict = Verdict { revision: Some("2".to_owned()), current: true, faults: Vec::new() };
        let told = news("queue", &object(Value::Null), &verdict, &uses()).unwrap();
        assert_eq!((&told["inUse"], &told["behind"], &told["revision"]), (&json!(3), &json!(1), &json!("2")));
        assert_eq!(told["observedGeneration"], 3);
        assert_eq!(
            (&told["conditions"][0]["status"], &told["conditions"][0]["reason"]),
            (&json!("True"), &json!("InUse"))
        );
        assert_eq!(news("queue", &object(told.clone()), &verdict, &uses()), None);
        let faulty =
            Verdict { faults: vec!["spec: wrong".to_owned(), "and more".to_owned()], ..Verdict::default() };
        let told = news("queue", &object(told), &faulty, &uses()).unwrap();
        assert_eq!(told["conditions"][0]["message"], "spec: wrong; and more");
        assert!(told["revision"].is_null());
    }
}
