//! A few sets at a time: moved, then waited for on watches.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};

use super::UpgradeArgs;
use super::outcome::{Outcome, Told};
use crate::cli::Failure;
use crate::cli::behind::Sizes;
use crate::cli::cluster::{Cluster, Pauses, Unpatched};
use crate::cli::granted::Granted;
use crate::cli::moves::Move;
use crate::cli::status::{self, is_managed, newborn, obstacle, wait};
use crate::cli::world::World;
use crate::engine::Engine;
use crate::names;
use crate::record::Record;

/// How often a set is looked at anew because somebody else wrote it in between.
const TRIES: usize = 5;
/// Of a set for which a patch was sent.
const PERHAPS: &str = "it may have been moved all the same";

/// What all sets are moved with.
pub(super) struct Wave<'a> {
    args: &'a UpgradeArgs,
    cluster: &'a Cluster,
    engine: &'a Engine,
    granted: &'a Granted,
    progress: Progress,
    stopped: bool,
}

/// A set that was moved, and has to come back.
#[derive(Clone)]
struct Begun {
    name: String,
    from: String,
    to: String,
    /// What becomes of its pods, and by which defaults.
    pods: String,
    /// The size that its namespace gave it before, where it gives another.
    size: Option<String>,
    /// It was there before this run, and not ready.
    found: bool,
}

/// What a set came to when its turn came.
enum Step {
    Begun(Begun),
    Done(Outcome),
}

impl<'a> Wave<'a> {
    pub(super) fn new(
        args: &'a UpgradeArgs,
        cluster: &'a Cluster,
        engine: &'a Engine,
        granted: &'a Granted,
        all: usize,
    ) -> Self {
        let progress = Progress { terminal: io::stderr().is_terminal(), done: 0, all };
        Self { args, cluster, engine, granted, progress, stopped: false }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Moves the sets of one namespace.
    ///
    /// What the API server does not answer ends the run as an outcome, so that what was done is told.
    pub(super) fn through(&mut self, namespace: &str, sets: &BTreeSet<String>) -> Vec<Told> {
        let (mut world, mut unread) = match World::read(self.cluster, Some(namespace)) {
            Ok(world) => (world, None),
            Err(failure) => (World::default(), Some(failure)),
        };
        let (mut told, mut begun) = (Vec::new(), Vec::new());
        for (at, name) in sets.iter().enumerate() {
            let step = match unread.take() {
                _ if self.stopped => Step::Done(Outcome::NotBegun),
                Some(failure) => Step::Done(Outcome::Failed(failure.to_string())),
                None => self
                    .begin(namespace, name, &mut world)
                    .unwrap_or_else(|failure| Step::Done(Outcome::Failed(failure.to_string()))),
            };
            match step {
                Step::Begun(one) => begun.push(one),
                Step::Done(outcome) => {
                    self.stopped |= outcome.stops();
                    told.push(self.progress.done(Told::new(namespace, name, outcome)));
                }
            }
            let full = begun.len() >= self.args.max_unavailable_sets.get() || at + 1 == sets.len();
            if !begun.is_empty() && (full || self.stopped) {
                told.extend(self.come_back(namespace, std::mem::take(&mut begun), &mut world));
            }
        }
        told
    }

    /// Looks at a set as it is now, and moves it where that may be.
    fn begin(&mut self, namespace: &str, name: &str, world: &mut World) -> Result<Step, Failure> {
        let (mut conflicts, mut pauses) = (0, None);
        // What was asked for last, if nobody knows whether it was done.
        let mut asked: Option<Begun> = None;
        loop {
            let found = self.cluster.find::<StatefulSet>(name, namespace);
            let found = found.map_err(|failure| match asked {
                Some(_) => Failure::Cluster(format!("{failure}; {PERHAPS}")),
                None => failure,
            })?;
            let Some(set) = found else {
                return Ok(Step::Done(Outcome::Passed("it has gone".to_owned())));
            };
            world.put("StatefulSet", set.clone());
            world.look_at_the_clock();
            if !is_managed(&set, world) {
                return Ok(Step::Done(Outcome::Passed("it is not managed any more".to_owned())));
            }
            if !set["metadata"]["deletionTimestamp"].is_null() {
                return Ok(Step::Done(Outcome::Passed("it is being deleted".to_owned())));
            }
            let pin = Record::pin_of(&set);
            let misses = self.args.to.misses(pin.as_ref(), &self.engine.catalogue);
            if let (Some(why), None) = (misses, &self.args.which.name) {
                return Ok(Step::Done(Outcome::Passed(why)));
            }
            if let Some(why) = world.blind() {
                return Ok(Step::Done(Outcome::Unknown(why.to_owned())));
            }
            let wish = self.args.to.wish(pin.as_ref());
            let moved = Move::of(&set, world, self.engine, &wish)?;
            if self.wait_for_new(&set, &moved, world) {
                continue;
            }
            if let Some(step) = self.untouched(&set, &moved, asked.as_ref(), world) {
                return Ok(step);
            }
            match self.send(&set, &wish, &moved, world) {
                Ok(begun) => return Ok(Step::Begun(begun)),
                Err(Unpatched::Conflict) if conflicts + 1 < TRIES => conflicts += 1,
                Err(Unpatched::Conflict) => {
                    let why = format!("somebody else wrote it {TRIES} times while it was looked at");
                    return Ok(Step::Done(Outcome::Failed(why)));
                }
                Err(Unpatched::Gone) => return Ok(Step::Done(Outcome::Passed("it has gone".to_owned()))),
                Err(Unpatched::Refused(why)) => return Ok(Step::Done(Outcome::Refused(vec![why]))),
                Err(Unpatched::Failed(why)) => return Ok(Step::Done(Outcome::Failed(why))),
                Err(Unpatched::Unanswered(why)) => {
                    asked = Some(Begun::of(&moved, false));
                    if !self.cluster.rest(pauses.get_or_insert_with(Pauses::begin)) {
                        return Ok(Step::Done(Outcome::Failed(format!("{why}; {PERHAPS}"))));
                    }
                }
            }
        }
    }

    /// Waits for what a set has not got yet since it was just made: nothing is wrong with it for that. Whether it
    /// is to be looked at again.
    fn wait_for_new(&mut self, set: &Value, moved: &Move, world: &mut World) -> bool {
        let Some(left) = newborn::left(set, world.seen) else { return false };
        if self.args.force || !moved.refused.is_empty() || !moved.changes() {
            return false;
        }
        let Some(Outcome::Unready(problem)) = self.problem(set, world) else { return false };
        let Move { namespace, name, .. } = moved;
        self.progress.line(&format!("{namespace}/{name}: waits {} s at most: {problem}", left.as_secs() + 1));
        let is_same = |other: &&Value| other["metadata"]["uid"] == set["metadata"]["uid"];
        _ = wait::until(self.cluster, world, left, |world| {
            let found = world.within("StatefulSet", namespace).find(is_same);
            found.is_none_or(|set| !matches!(self.problem(set, world), Some(Outcome::Unready(_))))
        });
        true
    }

    /// Why a set is not moved, or not any more; `None` where it is to be.
    fn untouched(&self, set: &Value, moved: &Move, asked: Option<&Begun>, world: &World) -> Option<Step> {
        if !moved.refused.is_empty() {
            return Some(Step::Done(Outcome::Refused(moved.refused.clone())));
        }
        match (moved.changes(), asked, self.problem(set, world)) {
            // It was done, then.
            (false, Some(asked), _) => Some(Step::Begun(asked.clone())),
            (false, None, Some(_)) if !self.args.force => {
                // An earlier run moved it, perhaps: nothing else restarts before it is back.
                Some(Step::Begun(Begun::of(moved, true)))
            }
            (false, None, _) => Some(Step::Done(Outcome::There(moved.to.clone()))),
            (true, _, Some(problem)) if !self.args.force => Some(Step::Done(problem)),
            (true, ..) => None,
        }
    }

    /// What keeps a set from being moved: what is wrong with it, as `status` judges, or that nobody can look at one of
    /// its companions. Once it is moved, the latter is waited for no more.
    fn problem(&self, set: &Value, world: &World) -> Option<Outcome> {
        let status = status::of(set, world, self.engine, self.granted);
        let unready = obstacle(&status).map(|problem| Outcome::Unready(problem.to_owned()));
        unready.or_else(|| {
            let why = status["unread"][0].as_str()?;
            Some(Outcome::Unknown(format!("{why}; --force moves it all the same")))
        })
    }

    fn send(&mut self, set: &Value, wish: &str, moved: &Move, world: &mut World) -> Result<Begun, Unpatched> {
        let Move { namespace, name, .. } = moved;
        let annotate = |set: &Value, wish: Value| {
            let patch = json!({"metadata": {
                "resourceVersion": set["metadata"]["resourceVersion"], "annotations": {names::UPGRADE_TO: wish},
            }});
            self.cluster.patch::<StatefulSet>(name, namespace, &patch)
        };
        let wished = |set: &Value| !set["metadata"]["annotations"][names::UPGRADE_TO].is_null();
        if wished(set) {
            // Stored while no webhook answered: said again, it would change nothing and be no wish.
            annotate(set, Value::Null)?;
            return Err(Unpatched::Conflict);
        }
        let stored = annotate(set, Value::from(wish))?;
        if wished(&stored) {
            annotate(&stored, Value::Null)?;
            let why = "no webhook answered, so nothing was moved; stateward is away or not registered";
            return Err(Unpatched::Failed(why.to_owned()));
        }
        let to = Record::pin_of(&stored).map(|pin| pin.to_string()).unwrap_or_default();
        let begun = Begun { to, ..Begun::of(moved, false) };
        // What the watches tell later is newer; what was there before is not judged again.
        world.put("StatefulSet", stored);
        self.progress.line(&format!("{namespace}/{name}: {} to {}; {}", begun.from, begun.to, begun.pods));
        Ok(begun)
    }

    /// Waits until all are settled, or the time is over.
    fn come_back(&mut self, namespace: &str, begun: Vec<Begun>, world: &mut World) -> Vec<Told> {
        let statuses = |world: &World| -> Vec<Value> {
            let sets = world.within("StatefulSet", namespace);
            let ours =
                sets.filter(|set| begun.iter().any(|one| set["metadata"]["name"] == one.name.as_str()));
            ours.map(|set| status::of(set, world, self.engine, self.granted)).collect()
        };
        let terminal = self.progress.terminal;
        let in_time = statuses(world).iter().all(is_back)
            || wait::until(self.cluster, world, self.args.timeout, |world| {
                let statuses = statuses(world);
                if terminal {
                    wait::show(&statuses);
                }
                statuses.iter().all(is_back)
            });
        // Watches say nothing of an API server that is away: whoever is late may have been back for long.
        let unseen = if in_time { None } else { self.look(namespace, world).err() };
        let statuses = statuses(world);
        let told = begun.into_iter().map(|one| {
            let status = statuses.iter().find(|status| status["name"] == one.name.as_str());
            Told::new(namespace, &one.name.clone(), one.outcome(status, unseen.as_ref()))
        });
        let told: Vec<Told> = told.collect();
        self.stopped |= told.iter().any(|one| one.outcome.stops());
        told.into_iter().map(|one| self.progress.done(one)).collect()
    }

    fn look(&self, namespace: &str, world: &mut World) -> Result<(), Failure> {
        let now = World::read(self.cluster, Some(namespace))?;
        if let Some(why) = now.blind() {
            return Err(Failure::Cluster(why.to_owned()));
        }
        *world = now;
        Ok(())
    }
}

impl Begun {
    fn of(moved: &Move, found: bool) -> Self {
        let Move { name, from, to, sizes, .. } = moved;
        let said = sizes.as_ref().map(Sizes::words).into_iter().chain([moved.pods()]);
        let pods = said.collect::<Vec<_>>().join("; ");
        let size = sizes.as_ref().filter(|_| moved.changes_objects()).and_then(|sizes| sizes.then.clone());
        Self { name: name.clone(), from: from.clone(), to: to.clone(), pods, size, found }
    }

    /// What came of it, by its last status; `unseen` says why that may be an old one.
    fn outcome(self, status: Option<&Value>, unseen: Option<&Failure>) -> Outcome {
        let Self { from, to, pods, size, found, .. } = self;
        match (status, unseen) {
            (None, _) => Outcome::Passed("it went while it was waited for".to_owned()),
            (Some(status), _) if is_back(status) && found => Outcome::There(to),
            (Some(status), _) if is_back(status) => Outcome::Moved { from, to, pods },
            (Some(_), Some(why)) => Outcome::Unseen { from, to, why: why.to_string() },
            (Some(status), None) => {
                let problem = obstacle(status).unwrap_or_default().to_owned();
                Outcome::Late { from, to, size, problem }
            }
        }
    }
}

/// Whether a set is as it should be after a move, as far as a move may have to do with it.
fn is_back(status: &Value) -> bool {
    obstacle(status).is_none()
}

/// What is said while it works.
struct Progress {
    terminal: bool,
    done: usize,
    all: usize,
}

impl Progress {
    fn line(&self, what: &str) {
        if self.terminal {
            wait::clear();
        }
        _ = writeln!(io::stderr(), "[{} of {}] {what}", self.done, self.all);
    }

    fn done(&mut self, told: Told) -> Told {
        if told.outcome != Outcome::NotBegun {
            self.done += 1;
            self.line(&format!("{}/{}: {}", told.namespace, told.name, told.outcome.sentence()));
        }
        told
    }
}
