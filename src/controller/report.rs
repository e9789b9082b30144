//! Telling: Events on the StatefulSet, and a gauge while something is wrong. Client required.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use kube::runtime::events::{Event, EventType, Recorder};
use serde_json::Value;

use super::apply::{Writer, reference};
use super::set::SetRef;
use crate::companions::Problem;
use crate::names::MANAGER;
use crate::telemetry::{Companion, Metrics};

/// The API server takes no longer note.
const NOTE: usize = 1000;

/// Something that is wrong beside a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trouble {
    /// With which companion; `set` if with all.
    pub(super) role: &'static str,
    /// What.
    pub(super) what: String,
    /// What to do about it.
    pub(super) remedy: String,
    /// The set in whose favour it was decided, by namespace and name.
    pub(super) in_favour_of: Option<(String, String)>,
}

impl From<&Problem> for Trouble {
    fn from(problem: &Problem) -> Self {
        let Problem { role, what, remedy, in_favour_of } = problem.clone();
        Self { role: role.as_str(), what, remedy, in_favour_of }
    }
}

/// Something that was done and that the user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    /// The Event's reason.
    pub(super) reason: &'static str,
    /// The Event's note.
    pub(super) note: String,
}

/// Remembers what was told, so that a resync does not tell it again.
pub(super) struct Teller {
    writer: Writer,
    metrics: Arc<Metrics>,
    told: Mutex<HashMap<SetRef, BTreeSet<Trouble>>>,
}

impl Teller {
    pub(super) fn new(writer: Writer, metrics: Arc<Metrics>) -> Self {
        Self { writer, metrics, told: Mutex::default() }
    }

    /// Tells all that is wrong beside `set` now, of which only what is new becomes an Event, and what
    /// was done. Whoever was preferred, if `find` knows it, is told so.
    pub(super) async fn tell(
        &self,
        key: &SetRef,
        set: &Value,
        now: BTreeSet<Trouble>,
        done: &[Notice],
        find: impl Fn(&str, &str) -> Option<Value>,
    ) {
        for trouble in self.news(key, now) {
            let note = format!("{}; {}", trouble.what, trouble.remedy);
            self.publish(set, EventType::Warning, "CompanionProblem", note).await;
            let winner = trouble.in_favour_of.as_ref();
            if let Some(winner) = winner.and_then(|(namespace, name)| find(namespace, name)) {
                let note =
                    format!("{}; StatefulSet {} wants it too, and does not get it", trouble.what, shown(key));
                self.publish(&winner, EventType::Normal, "CompanionPreferred", note).await;
            }
        }
        for notice in done {
            self.publish(set, EventType::Normal, notice.reason, notice.note.clone()).await;
        }
    }

    /// What of this was not told before. The gauge follows.
    fn news(&self, key: &SetRef, now: BTreeSet<Trouble>) -> Vec<Trouble> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.remove(key).unwrap_or_default();
        for gone in before.iter().filter(|gone| now.iter().all(|trouble| trouble.role != gone.role)) {
            self.metrics.controller.problems.remove(&label(key, gone.role));
        }
        for trouble in &now {
            self.metrics.controller.problems.get_or_create(&label(key, trouble.role)).set(1);
        }
        let news = now.difference(&before).cloned().collect();
        if !now.is_empty() {
            told.insert(key.clone(), now);
        }
        news
    }

    /// Forgets a set that is gone.
    pub(super) fn forget(&self, key: &SetRef) {
        self.news(key, BTreeSet::new());
    }

    /// Forgets all: another replica tells from now on.
    pub(super) fn forget_all(&self) {
        self.metrics.controller.problems.clear();
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn publish(&self, set: &Value, type_: EventType, reason: &str, note: String) {
        let note = note.chars().take(NOTE).collect();
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note),
            action: "KeepCompanions".to_owned(),
            secondary: None,
        };
        // A new one for each: a recorder takes two notes for one reason to be the same Event.
        let recorder = Recorder::new(self.writer.client().clone(), MANAGER.into());
        let told = self.writer.write("create", "Event", recorder.publish(&event, &reference(set))).await;
        if let Err(error) = told
            && !error.is_passing()
        {
            tracing::warn!(%error, "cannot tell what is wrong with a companion by an Event");
        }
    }
}

fn shown(key: &SetRef) -> String {
    format!("{}/{}", key.namespace.as_deref().unwrap_or_default(), key.name)
}

fn label(key: &SetRef, role: &'static str) -> Companion {
    Companion { namespace: key.namespace.clone().unwrap_or_default(), statefulset: key.name.clone(), role }
}
