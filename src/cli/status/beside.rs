//! The state of each companion.

use serde_json::{Value, json};

use crate::cli::world::World;
use crate::companions::neighbours::is_ours;
use crate::companions::{Companion, Companions, Role};
use crate::configuration::Configuration;
use crate::names;
use crate::settings::text;

/// The lines of all companions: `there`, `missing`, `differs`, `left over`, `none` with the reason, or
/// `not looked at`. `companions` are those that the set would have alone, and those that it has beside
/// its neighbours.
pub(super) fn of(
    set: &Value,
    world: &World,
    (desired, settled): (&Companions, &Companions),
    configuration: &Configuration,
    problems: &mut Vec<String>,
) -> Vec<Value> {
    let mut lines = Vec::new();
    for companion in &settled.wanted {
        let state = state(set, world, companion);
        lines.push(line(companion.role, text(&companion.manifest["kind"]), companion.name(), state));
        problems.extend(wrong(companion, state, configuration));
    }
    for withheld in &settled.withheld {
        lines.push(line(withheld.role, withheld.role.kind().1, "", &format!("none: {}", withheld.why)));
    }
    for problem in &settled.problems {
        lines.push(line(problem.role, problem.role.kind().1, "", "not made"));
        problems.push(format!("{}; {}", problem.what, problem.remedy));
    }
    for object in left_over(set, world, desired, settled) {
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let role = text(&object["metadata"]["labels"][names::COMPANION]);
        lines.push(json!({"role": role, "kind": kind, "name": name, "state": "left over"}));
        problems.push(format!("{kind} {name} is to go and is still there; is the controller running?"));
    }
    lines
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
            wanted.iter().all(|(key, value)| live.get(key).is_some_and(|live| holds(live, value)))
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
    desired: &'w Companions,
    settled: &'w Companions,
) -> impl Iterator<Item = &'w Value> {
    let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
    let kinds = Role::ALL.map(|role| role.kind().1);
    let mut seen: Vec<&str> = Vec::new();
    let kinds = kinds.into_iter().filter(move |kind| {
        let new = !seen.contains(kind);
        seen.push(kind);
        new && *kind != "Secret"
    });
    kinds.flat_map(move |kind| world.within(kind, namespace)).filter(move |object| {
        let role = text(&object["metadata"]["labels"][names::COMPANION]);
        let is_among = |companions: &Companions| {
            let same = |one: &Companion| {
                one.manifest["kind"] == object["kind"] && object["metadata"]["name"] == one.name()
            };
            companions.wanted.iter().any(same)
        };
        let relied_on = [Role::Headless, Role::Client].into_iter().find(|known| known.as_str() == role);
        let stays = relied_on.is_some_and(|role| {
            is_among(desired) || settled.problems.iter().any(|problem| problem.role == role)
        });
        let owned = object["metadata"]["ownerReferences"][0]["uid"] == set["metadata"]["uid"];
        owned && is_ours(object, name) && !is_among(settled) && !stays
    })
}
