//! `status`: how managed sets and what stands beside them are doing, and what to do about it.

pub(super) mod beside;
mod classes;
pub(super) mod newborn;
mod pods;
mod reach;
mod told;
pub(super) mod wait;

use std::time::Duration;

use serde_json::{Value, json};

use self::beside::is_unserved;
use self::told::told;
use super::Failure;
use super::behind::Sizes;
use super::granted::Granted;
use super::known::Known;
use super::report::{Exit, Report};
use super::world::{SetsArgs, SetsFormat, World};
use crate::catalogue::Catalogue;
use crate::companions;
use crate::companions::neighbours::settle;
use crate::configuration::Configuration;
use crate::engine::{Engine, Facts, namespace_faults};
use crate::intent;
use crate::names;
use crate::record::Record;
use crate::server::duration;
use crate::settings::{Pin, replicas, text};

/// Arguments of `status`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StatusArgs {
    /// The sets.
    #[command(flatten)]
    pub sets: SetsArgs,
    /// Wait until nothing is wrong: expanded, companions there, claims bound, all pods ready and current
    #[arg(long)]
    pub wait: bool,
    /// How long to wait; then the exit code is 1
    #[arg(long, value_name = "DURATION", default_value = "5m", requires = "wait", value_parser = duration)]
    pub timeout: Duration,
}

/// Reads the cluster and tells. Exit code 1 where something is wrong, or still is when the time to
/// wait is over.
pub fn run(
    args: &StatusArgs,
    namespace: Option<&str>,
    catalogue: Catalogue,
    given: Option<Configuration>,
) -> Result<Report, Failure> {
    let (cluster, mut world) = args.sets.read(namespace)?;
    let granted = Granted::find(given, &cluster);
    let known = Known::read(catalogue, &cluster)?;
    let engine = known.engine();
    let of_all = |world: &World| -> Vec<Value> {
        let managed = world.sets().filter(|set| is_managed(set, world));
        managed.map(|set| of(set, world, &engine, &granted)).collect()
    };
    let mut statuses = of_all(&world);
    if let (Some(name), true) = (&args.sets.name, statuses.is_empty()) {
        return Err(unmanaged(name, &world));
    }
    let mut report = Report { stderr: known.note, ..Report::default() };
    if args.wait {
        let in_time = wait::for_all(&cluster, &mut world, args.timeout, &mut statuses, of_all);
        if let (Some(name), true) = (&args.sets.name, statuses.is_empty()) {
            return Err(Failure::Cluster(format!("StatefulSet {name} has gone, or is not managed any more")));
        }
        let told = if in_time { wait::in_vain(&statuses) } else { wait::late(&statuses, args.timeout) };
        report.stderr.push_str(&told);
    }
    if !statuses.iter().all(is_settled) {
        report.end(Exit::Findings);
    }
    world.tell_unread(
        &mut report,
        |_| true,
        |kinds| format!("of {kinds} nothing is told, and of the rest all"),
    );
    report.stdout = match args.sets.place.output {
        SetsFormat::Json => format!("{:#}\n", Value::from(statuses)),
        SetsFormat::Text if statuses.is_empty() => format!("no managed StatefulSets in {}\n", world.place()),
        SetsFormat::Text => statuses.iter().map(told).collect::<Vec<_>>().join("\n"),
    };
    Ok(report)
}

/// What the namespace of a set says in vain: nothing is wrong with the set for it.
fn faults_of_namespace(namespace: &str, world: &World, engine: &Engine) -> Vec<String> {
    let faults = namespace_faults(&world.namespace_annotations(namespace), &engine.catalogue);
    faults.iter().map(ToString::to_string).collect()
}

/// Whether a set is managed, by itself or by its namespace.
pub(super) fn is_managed(set: &Value, world: &World) -> bool {
    intent::is_managed(set, || world.labels(text(&set["metadata"]["namespace"]))).unwrap_or(false)
}

/// Why nothing can be said of a set: it is not there, or not managed.
pub(super) fn unmanaged(name: &str, world: &World) -> Failure {
    let (place, option) = (world.place(), world.option());
    Failure::Cluster(if world.sets().next().is_none() {
        format!("no StatefulSet {name} in {place}")
    } else {
        format!(
            "StatefulSet {name} in {place} is not managed; stateward adopt {name} {option} --dry-run says what managing \
             it would mean"
        )
    })
}

/// Whether nothing is wrong and nothing is on its way.
pub(super) fn is_settled(status: &Value) -> bool {
    status["problems"].as_array().is_none_or(Vec::is_empty)
}

/// Whether waiting may bring what is missing. It does not bring what only waits for an answer of some kind.
pub(super) fn may_settle(status: &Value) -> bool {
    let held_back = |problem: &Value| status["heldBack"].as_array().is_some_and(|all| all.contains(problem));
    status["problems"].as_array().is_some_and(|all| all.iter().any(|problem| !held_back(problem)))
}

/// All that there is to say of one managed set.
#[must_use]
pub fn of(set: &Value, world: &World, engine: &Engine, granted: &Granted) -> Value {
    let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
    let mut problems: Vec<String> = Vec::new();
    if !set["metadata"]["deletionTimestamp"].is_null() {
        problems.push("it is being deleted".to_owned());
    }
    let pin = Record::pin_of(set);
    let latest = pin.as_ref().and_then(|pin| engine.catalogue.latest(&pin.profile)).map(|latest| latest.id());
    let behind = pin.as_ref().map(|pin| behind(pin, set, world, engine)).unwrap_or_default();
    problems.extend(engine.counted_wrong(set));
    if pin.is_none() {
        problems.push(
            "it was never expanded, since the webhook was away when it was made; its next change is"
                .to_owned(),
        );
    }
    let known =
        companions::of_stored(set, &engine.catalogue, &granted.configuration, &world.labels(namespace));
    let gone = pin.as_ref().and_then(|pin| gone(pin, &engine.catalogue));
    let lost =
        pin.as_ref().filter(|_| known.is_none()).map(|pin| lost((namespace, name), pin, gone.is_some()));
    let desired = known.unwrap_or_default();
    let settled = settle(desired.clone(), set, &world.neighbours(namespace));
    let beside = match lost {
        Some(_) => beside::kept(set, world),
        None => beside::of(set, world, (&desired, &settled), granted, &mut problems),
    };
    let unserved = settled.problems.iter().filter(|problem| is_unserved(problem, &desired, world));
    let unserved: Vec<String> = unserved.map(|problem| granted.told(problem, &desired)).collect();
    let unread: Vec<String> =
        settled.wanted.iter().filter_map(|companion| beside::unread(companion, world)).collect();
    let held_back: Vec<String> =
        settled.wanted.iter().filter_map(|companion| beside::held_back(set, world, companion)).collect();
    let pods = pods::of(set, world, &mut problems);
    let claims = pods::claims(set, world, &mut problems);
    let notes = classes::told(set, &claims);
    let endpoints = reach::endpoints(set, world, &mut problems);
    let headroom = pods::headroom(set, world, &mut problems);
    problems.extend(lost.clone());
    json!({
        "namespace": namespace, "name": name, "pin": pin.map(|pin| pin.to_string()), "latest": latest, "behind": behind,
        "gone": gone, "namespaceFaults": faults_of_namespace(namespace, world, engine),
        "replicas": replicas(set),
        "ready": set["status"]["readyReplicas"].as_u64().unwrap_or(0),
        "companions": beside, "claims": claims, "pods": pods, "notes": notes,
        "disruptionsAllowed": headroom,
        "endpoints": endpoints, "portForward": reach::port_forward(set, &settled), "problems": problems, "lost": lost,
        "unserved": unserved, "unread": unread, "heldBack": held_back, "onDelete": pods::on_delete(set),
    })
}

/// What an upgrade would bring, in words: another revision, other defaults of the namespace. Nothing where the
/// profile is gone, to whose revisions it would move.
fn behind(pin: &Pin, set: &Value, world: &World, engine: &Engine) -> Vec<String> {
    let Some(latest) = engine.catalogue.latest(&pin.profile) else { return Vec::new() };
    let revision =
        (latest.revision != pin.revision).then(|| format!("{} is the current revision", latest.id()));
    let sizes = Sizes::behind(pin, set, world, &engine.catalogue).map(|sizes| sizes.words());
    revision.into_iter().chain(sizes).collect()
}

/// That the profile of a set is gone, or passed over for a fault: the set stays as it is, and no upgrade moves
/// it.
fn gone(pin: &Pin, catalogue: &Catalogue) -> Option<String> {
    let profile = &pin.profile;
    catalogue.latest(profile).is_none().then(|| match catalogue.fault_of(profile) {
        Some(fault) => format!("profile {profile} has a fault: {fault}"),
        None => format!("there is no profile {profile} any more"),
    })
}

/// What is wrong with a set whose revision is gone, and perhaps its profile.
fn lost((namespace, name): (&str, &str), pin: &Pin, is_profile_gone: bool) -> String {
    let remedy = if is_profile_gone {
        "apply the profile again, without a fault".to_owned()
    } else {
        let key = names::PROFILE_REVISION;
        format!(
            "stateward upgrade {name} -n {namespace}, or the annotation {key}: latest, moves it to one that is known"
        )
    };
    format!(
        "the revision {}@{} that it is pinned to is not known here: what takes computing is refused, and what stands \
         beside it is kept as it is; {remedy}",
        pin.profile, pin.revision
    )
}

/// What keeps a set from being touched: pods and companions that are not as they should be. A revision that nobody
/// knows does not, since being moved is the remedy; nor does a kind that the cluster has not got, nor what waits
/// for somebody to delete pods.
pub(super) fn obstacle(status: &Value) -> Option<&str> {
    let problems = status["problems"].as_array()?;
    let unserved = |problem: &Value| status["unserved"].as_array().is_some_and(|all| all.contains(problem));
    let waits = |problem: &Value| *problem == status["lost"] || *problem == status["onDelete"];
    problems.iter().find(|problem| !waits(problem) && !unserved(problem)).map(text)
}

#[cfg(test)]
mod absent_tests;
#[cfg(test)]
mod new_tests;
#[cfg(test)]
mod tests;
