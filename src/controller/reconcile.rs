//! One look at one set: dereference, desired, settle, plan; apply and prune; report.
//!
//! It does not know why it was called and starts from what the watches know now. What it may have
//! overlooked comes back with the next change, and with a resync.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use serde_json::Value;
use tokio::time::Instant;

use super::apply::{WriteError, Writer};
use super::dereference::{Case, dereference};
use super::newborn;
use super::plan::{self, Act, Live, Step};
use super::quiet::Quiet;
use super::report::{Notice, Teller, Trouble};
use super::set::{Set, SetRef, set_ref};
use super::stores::Stores;
use super::unknown;
use super::wake::Waiting;
use crate::companions::hosts::hosts;
use crate::companions::neighbours::settle;
use crate::companions::{Companions, Kind, Labels, Role, desired};
use crate::configuration::Configuration;
use crate::profiles::Profiles;
use crate::settings::text;
use crate::telemetry::{Metrics, Reconciled};

/// The first pause after a failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// What became of a look at a set so new that its user may be about to make what it lacks.
const WAITING: &str = "waiting";
/// A failure that may pass by itself is told when it has happened so often in a row.
const TOLD_AFTER: u32 = 4;

/// What all reconciles share.
pub(super) struct Context {
    pub(super) stores: Arc<Stores>,
    pub(super) writer: Writer,
    pub(super) teller: Teller,
    pub(super) profiles: Arc<Profiles>,
    pub(super) configuration: Arc<ArcSwap<Configuration>>,
    pub(super) metrics: Arc<Metrics>,
    /// The pause between two looks at a set that nothing happened to.
    pub(super) resync: Duration,
    /// The kinds that are not kept.
    pub(super) without: Vec<Kind>,
    pub(super) quiet: Quiet<SetRef>,
    /// The sets that were woken.
    pub(super) waiting: Arc<Waiting>,
    /// The sets, by uid, whose Secret is known to be there.
    pub(super) secrets: Mutex<HashMap<SetRef, String>>,
    /// Failures in a row, by set.
    pub(super) failures: Mutex<HashMap<SetRef, u32>>,
}

/// What is to be done about one set, decided without a client.
struct Decision {
    outcome: &'static str,
    namespace: Labels,
    steps: Vec<Step>,
    troubles: BTreeSet<Trouble>,
    /// What our budget yields to.
    yields_to: Option<String>,
    /// When to look again, if before the next resync.
    again: Option<Duration>,
}

impl Decision {
    /// Where the set is still new for a while, puts off what its user may be about to make.
    fn leave_room(&mut self, new_for: Option<Duration>) {
        let Some(left) = new_for.filter(|_| self.steps.iter().any(newborn::can_wait)) else { return };
        self.steps.retain(|step| !newborn::can_wait(step));
        self.outcome = WAITING;
        self.again = Some(self.again.map_or(left, |again| again.min(left)));
    }
}

/// What became of the steps.
#[derive(Default)]
struct Done {
    written: bool,
    notices: Vec<Notice>,
    failures: Vec<(Role, WriteError)>,
}

/// Brings what is beside one set in line.
pub(super) async fn reconcile(set: Arc<Set>, context: Arc<Context>) -> Result<Action, Infallible> {
    let began = Instant::now();
    let key = ObjectRef::from_obj(&*set);
    context.waiting.done(&key);
    // Whatever came until now has woken nobody if the set was waiting, so it is read again.
    let Some(set) = context.stores.set(&key) else {
        context.forget(&key);
        return Ok(Action::await_change());
    };
    let set = set.manifest();
    // Dereference, desired, settle, plan: no client required.
    let decision = context.decide(&key, &set);
    // Apply and prune: client required.
    let done = context.execute(&key, &set, &decision).await;
    // Report: client required, for Events.
    let next = context.report(&key, &set, &decision, &done).await;
    let outcome = match &done {
        Done { failures, .. } if !failures.is_empty() => "failed",
        Done { written: true, .. } if decision.outcome != WAITING => "written",
        _ => decision.outcome,
    };
    let metrics = &context.metrics.controller;
    metrics.reconciles.get_or_create(&Reconciled { outcome }).inc();
    metrics.duration.observe(began.elapsed().as_secs_f64());
    tracing::debug!(set = %key, outcome, "reconciled");
    Ok(Action::requeue(next))
}

impl Context {
    /// Forgets a set that is gone.
    pub(super) fn forget(&self, key: &SetRef) {
        self.teller.forget(key);
        self.quiet.forget(key);
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// No client required.
    fn decide(&self, key: &SetRef, set: &Value) -> Decision {
        let namespace_name = key.namespace.as_deref().unwrap_or_default();
        let namespace = self.stores.namespace_labels(namespace_name);
        let case = dereference(set, &namespace, &self.profiles.catalogue());
        let mut decision = Decision {
            outcome: "nothing",
            namespace,
            steps: Vec::new(),
            troubles: BTreeSet::new(),
            yields_to: None,
            again: None,
        };
        match case {
            Case::Nothing => {}
            Case::Unmanaged => {
                decision.outcome = "unmanaged";
                decision.steps = plan::release(set, &self.stores.live(key, &[], None));
            }
            Case::Unclear { what, remedy } => {
                decision.outcome = "unclear";
                decision.troubles.insert(Trouble { role: "set", what, remedy, in_favour_of: None });
            }
            Case::Managed(settings) => {
                decision.outcome = "settled";
                let configuration = self.configuration.load();
                let mut desired = desired(set, &settings, &configuration, &decision.namespace);
                desired.leave_out(&self.without);
                for companion in &mut desired.wanted {
                    let version = self.stores.resource(companion.kind).api_version;
                    companion.manifest["apiVersion"] = Value::from(version);
                }
                let host = desired.wanted.iter().find_map(|companion| hosts(&companion.manifest).next());
                let names = [&*key.name, text(&set["spec"]["serviceName"])];
                let live = self.stores.live(key, &names, host);
                let aside = unknown::set_aside(&mut desired, set, &live);
                let settled = self.settle(key, set, &desired, &live, &mut decision);
                decision.steps = plan::plan(set, &desired, &settled, &live);
                decision.steps.retain(|step| unknown::permits(&aside, step));
                decision.steps.retain(|step| step.role != Role::Secret || !self.has_secret(key, set));
                decision.leave_room(newborn::left(set, Timestamp::now()));
                decision.troubles.extend(settled.problems.iter().map(Trouble::from));
            }
        }
        decision
    }

    /// What of the desired may be beside the neighbours that there are, and that there were within
    /// the quiet time. No client required.
    fn settle(
        &self,
        key: &SetRef,
        set: &Value,
        desired: &Companions,
        live: &Live,
        decision: &mut Decision,
    ) -> Companions {
        let mut settled = settle(desired.clone(), set, &plan::neighbours(set, live));
        let wants = |companions: &Companions| companions.wanted.iter().any(|one| one.role == Role::Budget);
        let yields = settled.withheld.iter().find(|withheld| withheld.role == Role::Budget);
        let has = |role| live.has(role, set);
        let left_alone = !has(Role::Budget) && (has(Role::Headless) || has(Role::Client));
        self.quiet.found(key, wants(&settled) && left_alone);
        if wants(desired)
            && let Some(withheld) = yields
        {
            self.quiet.disturbed(key);
            decision.yields_to = Some(withheld.why.clone());
        } else if wants(&settled) && !live.has(Role::Budget, set) {
            decision.again = self.quiet.left(key, self.configuration.load().quiet_time);
            if decision.again.is_some() {
                settled.wanted.retain(|companion| companion.role != Role::Budget);
            }
        }
        settled
    }

    /// Does the steps, each for itself: one that fails keeps no other. Client required.
    async fn execute(&self, key: &SetRef, set: &Value, decision: &Decision) -> Done {
        let mut done = Done::default();
        let metadata = &set["metadata"];
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        for step in &decision.steps {
            let resource = self.stores.resource(step.kind);
            match self.writer.execute(set, &decision.namespace, step, &resource).await {
                Ok(written) => {
                    done.written |= written;
                    if written {
                        tracing::info!(namespace, name, role = %step.role, did = step.act.as_str(), "wrote");
                    }
                    done.notices.extend(notice(step, decision));
                    if step.role == Role::Secret {
                        self.note_secret(key, set);
                    }
                }
                Err(error) => {
                    if error.is_passing() {
                        tracing::debug!(namespace, name, role = %step.role, %error, "trying again");
                    } else {
                        tracing::warn!(namespace, name, role = %step.role, %error, "cannot keep a companion");
                    }
                    done.failures.push((step.role, error));
                }
            }
        }
        done
    }

    /// Tells what is wrong and what was done, and says when to look again. Client required.
    async fn report(&self, key: &SetRef, set: &Value, decision: &Decision, done: &Done) -> Duration {
        let failures = self.count_failures(key, done);
        let mut troubles = decision.troubles.clone();
        let told = done.failures.iter().filter(|(_, error)| is_told(error, failures));
        troubles.extend(told.map(|(role, error)| trouble(*role, error)));
        let find = |namespace: &str, name: &str| {
            self.stores.set(&set_ref(namespace, name)).map(|set| set.manifest())
        };
        self.teller.tell(key, set, troubles, &done.notices, find).await;
        let next = if failures > 0 { pause(failures) } else { self.resync };
        jittered(decision.again.map_or(next, |again| again.min(next)), decision.again.is_some())
    }

    /// How often it has failed in a row. What only a user can mend is no failure to repeat.
    fn count_failures(&self, key: &SetRef, done: &Done) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if done.failures.iter().all(|(_, error)| matches!(error, WriteError::Claimed(_))) {
            failures.remove(key);
            return 0;
        }
        let count = failures.entry(key.clone()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    fn has_secret(&self, key: &SetRef, set: &Value) -> bool {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.get(key).is_some_and(|uid| set["metadata"]["uid"] == *uid)
    }

    fn note_secret(&self, key: &SetRef, set: &Value) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.insert(key.clone(), text(&set["metadata"]["uid"]).to_owned());
    }
}

/// What the user should know of a step that was done.
fn notice(step: &Step, decision: &Decision) -> Option<Notice> {
    match &step.act {
        Act::HandBack { manifest, to: Some(to) } => {
            let name = text(&manifest["metadata"]["name"]);
            let note = format!("{} {name} is {to}'s from now on: stateward leaves it alone", step.kind);
            Some(Notice { reason: "CompanionHandedOver", note })
        }
        Act::Delete { .. } if step.role == Role::Budget => {
            let why = decision.yields_to.as_ref()?;
            let note = format!("{why}, and with two budgets no pod could be evicted: ours has gone");
            Some(Notice { reason: "BudgetYielded", note })
        }
        _ => None,
    }
}

fn is_told(error: &WriteError, failures: u32) -> bool {
    match error {
        WriteError::Claimed(_) => true,
        error if error.is_passing() => false,
        error => matches!(error.code(), 400 | 403 | 422) || failures >= TOLD_AFTER,
    }
}

fn trouble(role: Role, error: &WriteError) -> Trouble {
    let remedy = match (error, error.code()) {
        (WriteError::Claimed(_), _) => {
            "restore the Secret from a backup, or make it yourself: with the password that the data knows, or with \
             any where nothing was written yet"
        }
        (_, 403) => "give stateward's controller that right, or the namespace more quota; it tries again",
        (_, 400 | 422) => "change what the message names; it tries again",
        _ => "it tries again by itself",
    };
    Trouble { role: role.as_str(), what: error.to_string(), remedy: remedy.to_owned(), in_favour_of: None }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

/// Up to a fifth longer, so that what failed together is not repeated together. A time that was
/// promised is kept: looked at right after it.
fn jittered(pause: Duration, promised: bool) -> Duration {
    if promised {
        return pause + Duration::from_millis(20);
    }
    let share = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    pause.mul_f64(1.0 + share / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        assert_eq!([1, 2, 3].map(pause), [500, 1000, 2000].map(Duration::from_millis));
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
        let jittered = jittered(Duration::from_secs(10), false);
        assert!((10.0..=12.0).contains(&jittered.as_secs_f64()), "{jittered:?}");
    }
}
