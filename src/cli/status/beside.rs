//! The state of each companion.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::newborn;
use crate::cli::granted::Granted;
use crate::cli::world::World;
use crate::companions::neighbours::is_ours;
use crate::companions::{Companion, Companions, Problem, Role};
use crate::configuration::Configuration;
use crate::controller::unknown;
use crate::names;
use crate::settings::text;

/// The lines of all companions: `there`, `missing`, `to come`, `differs`, `left over`, `not made`, `kept as it
/// is`, `none` with the reason, or `not looked at`. `companions` are those that the set would have alone,
/// and those that it has beside its neighbours.
pub(super) fn of(
    set: &Value,
    world: &World,
    (desired, settled): (&Companions, &Companions),
    granted: &Granted,
    problems: &mut Vec<String>,
) -> Vec<Value> {
    let mut lines = Vec::new();
    let (age, mut coming) = (newborn::age(set, world.seen), Vec::new());
    let mut aside = BTreeSet::new();
    for companion in &settled.wanted {
        let (kind, name) = (text(&companion.manifest["kind"]), companion.name());
        if world.hides(set, companion).is_some() {
            aside.insert(companion.role);
        }
        if let Some(problem) = held_back(set, world, companion) {
            lines.push(line(companion.role, kind, name, "not made"));
            problems.push(problem);
            continue;
        }
        let mut state = state(set, world, companion);
        if age.is_some() && matches!(state, "missing" | "not found") {
            state = "to come";
            coming.push(format!("{kind} {name}"));
        }
        lines.push(line(companion.role, kind, name, state));
        problems.extend(wrong(companion, state, &granted.configuration));
    }
    problems.extend(age.and_then(|age| newborn::told(age, &coming)));
    for withheld in &settled.withheld {
        lines.push(line(
            withheld.role,
            withheld.role.kind().as_str(),
            "",
            &format!("none: {}", withheld.why),
        ));
    }
    for problem in &settled.problems {
        let mut live = world.ours(set).filter(|object| Role::of(object) == Some(problem.role));
        let (kind, live) =
            (problem.role.kind().as_str(), live.next().map(|object| text(&object["metadata"]["name"])));
        match live {
            // The controller, which knows what is granted, has made it.
            Some(name) if !granted.is_known && desired.problems.contains(problem) => {
                lines.push(line(problem.role, kind, name, "there"));
                continue;
            }
            Some(name) if problem.role.is_relied_on() => {
                lines.push(line(problem.role, kind, name, "kept as it is"));
            }
            // It is among what is left over.
            Some(_) => {}
            None => lines.push(line(problem.role, kind, "", "not made")),
        }
        problems.push(granted.told(problem, desired));
    }
    for object in left_over(set, world, (desired, settled), granted) {
        if Role::of(object).is_some_and(|role| unknown::stays(&aside, role)) {
            lines.push(line_of(object, "kept as it is"));
            continue;
        }
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        lines.push(line_of(object, "left over"));
        problems.push(format!("{kind} {name} is to go and is still there; is the controller running?"));
    }
    lines
}

/// That a companion is not made for as long as there is no answer of a kind: waiting alone brings it not.
pub(super) fn held_back(set: &Value, world: &World, companion: &Companion) -> Option<String> {
    let by = world.hides(set, companion)?;
    let Problem { what, remedy, .. } = unknown::problem(companion, by);
    (state(set, world, companion) == "missing").then(|| format!("{what}; {remedy}"))
}

/// Whether a companion is not made since the cluster has not got its kind.
pub(super) fn is_unserved(problem: &Problem, desired: &Companions, world: &World) -> bool {
    desired.wanted.iter().any(|companion| companion.role == problem.role && world.lacks(companion.kind))
}

/// Why nobody knows how a companion is, where there was no answer of its kind.
pub(super) fn unread(companion: &Companion, world: &World) -> Option<String> {
    let why = world.unread(companion.kind.as_str())?;
    Some(format!("{} {} was not looked at: {why}", companion.kind, companion.name()))
}

/// The lines of what is there, where nobody knows what should be.
pub(super) fn kept(set: &Value, world: &World) -> Vec<Value> {
    world.ours(set).map(|object| line_of(object, "kept as it is")).collect()
}

/// The line of an object that is there.
fn line_of(object: &Value, state: &str) -> Value {
    let metadata = &object["metadata"];
    json!({
        "role": text(&metadata["labels"][names::COMPANION]), "kind": text(&object["kind"]),
        "name": text(&metadata["name"]), "state": state,
    })
}

fn line(role: Role, kind: &str, name: &str, state: &str) -> Value {
    json!({"role": role.as_str(), "kind": kind, "name": name, "state": state})
}

fn state(set: &Value, world: &World, companion: &Companion) -> &'static str {
    let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
    let kind = text(&companion.manifest["kind"]);
    if world.known(kind).is_none() {
        return "not looked at";
    }
    let mut named = world.within(kind, namespace).filter(|o| o["metadata"]["name"] == companion.name());
    match named.next() {
        // Of a Secret nothing else is read, and one that was there before is as good.
        Some(_) if companion.role == Role::Secret => "there",
        Some(live) if !is_ours(live, name) => "missing",
        Some(live) if holds(live, &companion.manifest) => "there",
        Some(_) => "differs",
        // One without our label is not among those that were read.
        None if companion.role == Role::Secret => "not found",
        None => "missing",
    }
}

/// What is wrong with a companion in this state, and what to do.
fn wrong(companion: &Companion, state: &str, configuration: &Configuration) -> Option<String> {
    let what = format!("{} {}", text(&companion.manifest["kind"]), companion.name());
    match state {
        "missing" if companion.role == Role::Budget => {
            let quiet = configuration.quiet_time.as_secs();
            Some(format!(
                "{what} is missing; it comes back {quiet} s after another one has gone, else: is the controller \
                 running?"
            ))
        }
        "missing" => Some(format!("{what} is missing; is the controller running?")),
        "not found" => Some(format!(
            "{what} is not found; the Events of the set say why (kubectl describe statefulset), or is the controller not \
             running?"
        )),
        "differs" => Some(format!("{what} is not as it should be yet; is the controller running?")),
        _ => None,
    }
}

/// Whether all of `wanted` is in `live`, in whatever order lists are.
fn holds(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            // The API server leaves out lists that are empty.
            wanted.iter().all(|(key, value)| match live.get(key) {
                Some(live) => holds(live, value),
                None => value.as_array().is_some_and(Vec::is_empty),
            })
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len()
                && wanted.iter().all(|value| live.iter().any(|item| holds(item, value)))
        }
        _ => live == wanted,
    }
}

/// Companions of the set that are to go. Services stay where only a neighbour or a fault in a setting
/// speaks against them: clients rely on them.
fn left_over<'w>(
    set: &'w Value,
    world: &'w World,
    (desired, settled): (&'w Companions, &'w Companions),
    granted: &'w Granted,
) -> impl Iterator<Item = &'w Value> {
    world.ours(set).filter(move |object| {
        let is_among = |companions: &Companions| {
            let is = |one: &Companion| {
                one.manifest["kind"] == object["kind"] && object["metadata"]["name"] == one.name()
            };
            companions.wanted.iter().any(is)
        };
        let has_problem = |role| settled.problems.iter().any(|problem| problem.role == role);
        let stays = Role::of(object).is_none_or(|role| match role {
            // Pods run as it; the controller leaves it while there is its set.
            Role::ServiceAccount => true,
            role if role.is_relied_on() => is_among(desired) || has_problem(role),
            _ => !granted.is_known && has_problem(role),
        });
        !is_among(settled) && !stays
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_that_is_wanted_empty_is_not_stored() {
        let wanted = json!({"spec": {"clusterIP": "None", "ports": []}});
        assert!(holds(&json!({"spec": {"clusterIP": "None", "type": "ClusterIP"}}), &wanted));
        assert!(!holds(&json!({"spec": {"clusterIP": "None", "ports": [{"port": 1}]}}), &wanted));
        assert!(!holds(&json!({"spec": {}}), &wanted));
    }
}
