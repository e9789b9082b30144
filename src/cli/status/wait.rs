//! Waiting until the sets are settled, on watches.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::select_all;
use kube::runtime::watcher::Event;
use serde_json::Value;

use super::{is_settled, may_settle};
use crate::cli::cluster::Cluster;
use crate::cli::world::World;
use crate::settings::text;

/// Events that are taken in before the sets are looked at again.
const BATCH: usize = 256;
/// Columns of a terminal that everybody has.
const COLUMNS: usize = 79;

/// Waits until nothing is missing of the sets that `of_all` tells of, or nothing that waiting may bring: what waits for
/// an answer of some kind is asked about once more then. Whether that was in time.
pub(super) fn for_all(
    cluster: &Cluster,
    world: &mut World,
    patience: Duration,
    statuses: &mut Vec<Value>,
    of_all: impl Fn(&World) -> Vec<Value>,
) -> bool {
    let terminal = io::stderr().is_terminal();
    let end = Instant::now() + patience;
    while statuses.iter().any(may_settle) {
        let left = end.saturating_duration_since(Instant::now());
        let in_time = until(cluster, world, left, |world| {
            *statuses = of_all(world);
            if terminal {
                show(statuses);
            }
            !statuses.iter().any(may_settle)
        });
        if terminal {
            clear();
        }
        if in_time && world.is_whole() {
            break;
        }
        // Nothing may have been heard for long, and what gave no answer may give one by now.
        world.look_again(cluster);
        *statuses = of_all(world);
        if !in_time {
            break;
        }
    }
    !statuses.iter().any(may_settle)
}

/// Keeps `world` up to date until `settled` says so of it. Whether that was in time.
pub(in crate::cli) fn until(
    cluster: &Cluster,
    world: &mut World,
    patience: Duration,
    mut settled: impl FnMut(&World) -> bool,
) -> bool {
    let waiting = async {
        // Begun within the runtime: a client spawns its connections.
        let watches = world.origins.clone().into_iter().map(|origin| {
            let name = origin.kind.name;
            cluster.watch(&origin.kind, origin.namespace.as_deref()).map(move |event| (name, event)).boxed()
        });
        let mut events = select_all(watches).ready_chunks(BATCH);
        let mut listed = BTreeMap::new();
        while let Some(batch) = events.next().await {
            let mut changed = false;
            for (kind, event) in batch {
                changed |= take_in(world, &mut listed, kind, event);
            }
            world.look_at_the_clock();
            if changed && settled(world) {
                return;
            }
        }
    };
    cluster.run(async { tokio::time::timeout(patience, waiting).await }).is_ok()
}

/// Takes an event into the world; whether that changed it. Lists are gathered first: half of one looks
/// as if the rest were gone.
fn take_in(
    world: &mut World,
    listed: &mut BTreeMap<&'static str, Vec<Value>>,
    kind: &'static str,
    event: Event<Value>,
) -> bool {
    let is = |object: &Value| {
        let metadata = &object["metadata"];
        let (namespace, name) = (metadata["namespace"].clone(), metadata["name"].clone());
        move |other: &Value| other["metadata"]["namespace"] == namespace && other["metadata"]["name"] == name
    };
    match event {
        Event::Init => _ = listed.insert(kind, Vec::new()),
        Event::InitApply(object) => listed.entry(kind).or_default().push(object),
        Event::InitDone => {
            *world.known_mut(kind) = listed.remove(kind).unwrap_or_default();
            return true;
        }
        Event::Apply(object) => {
            world.put(kind, object);
            return true;
        }
        Event::Delete(object) => {
            let gone = is(&object);
            world.known_mut(kind).retain(|other| !gone(other));
            return true;
        }
    }
    false
}

/// One line on the terminal, in place of the one before: how far it is, and the first thing missing.
pub(in crate::cli) fn show(statuses: &[Value]) {
    let line: String = progress(statuses).chars().take(COLUMNS).collect();
    _ = write!(io::stderr(), "\r\x1b[2K{line}");
}

/// Takes the line away.
pub(in crate::cli) fn clear() {
    _ = write!(io::stderr(), "\r\x1b[2K");
}

fn progress(statuses: &[Value]) -> String {
    let settled = statuses.iter().filter(|status| is_settled(status)).count();
    let first = statuses.iter().find(|status| !is_settled(status));
    let missing = first.map_or(String::new(), |status| {
        format!(
            "; {}/{}: {}",
            text(&status["namespace"]),
            text(&status["name"]),
            text(&status["problems"][0])
        )
    });
    format!("{settled} of {} settled{missing}", statuses.len())
}

/// What is said when the time is over.
pub(super) fn late(statuses: &[Value], patience: Duration) -> String {
    let names = statuses.iter().filter(|status| !is_settled(status));
    let names: Vec<String> =
        names.map(|status| format!("{}/{}", text(&status["namespace"]), text(&status["name"]))).collect();
    format!(
        "error: not settled after {} s: {}; what is missing, and what to do, stands in the status under \"wrong\" \
         (-o json: problems)\n",
        patience.as_secs(),
        names.join(", ")
    )
}

/// What is said of sets for which waiting longer would be in vain.
pub(super) fn in_vain(statuses: &[Value]) -> String {
    let missing = statuses.iter().filter(|status| !is_settled(status));
    let lines = missing.map(|status| {
        let (namespace, name) = (text(&status["namespace"]), text(&status["name"]));
        format!("error: {namespace}/{name} is waited for no longer: {}\n", text(&status["problems"][0]))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, version: &str) -> Value {
        json!({"metadata": {"namespace": "shop", "name": name, "resourceVersion": version}})
    }

    #[test]
    fn a_list_counts_when_it_is_whole() {
        let mut world = World::default().with("Pod", vec![pod("old", "1")]);
        let mut listed = BTreeMap::new();
        let mut take = |world: &mut World, event| take_in(world, &mut listed, "Pod", event);
        assert!(!take(&mut world, Event::Init));
        assert!(!take(&mut world, Event::InitApply(pod("a", "2"))));
        assert_eq!(world.known("Pod").unwrap(), [pod("old", "1")]);
        assert!(take(&mut world, Event::InitDone));
        assert_eq!(world.known("Pod").unwrap(), [pod("a", "2")]);
        assert!(take(&mut world, Event::Apply(pod("a", "3"))));
        assert!(take(&mut world, Event::Apply(pod("b", "4"))));
        assert_eq!(world.known("Pod").unwrap(), [pod("a", "3"), pod("b", "4")]);
        assert!(take(&mut world, Event::Delete(pod("a", "5"))));
        assert_eq!(world.known("Pod").unwrap(), [pod("b", "4")]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let statuses = [
            json!({"namespace": "shop", "name": "a", "problems": []}),
            json!({"namespace": "shop", "name": "b", "problems": ["Service b is missing"]}),
        ];
        assert_eq!(progress(&statuses), "1 of 2 settled; shop/b: Service b is missing");
        let said = late(&statuses, Duration::from_mins(5));
        assert!(said.starts_with("error: not settled after 300 s: shop/b; "), "{said}");
        assert_eq!(in_vain(&statuses), "error: shop/b is waited for no longer: Service b is missing\n");
    }
}
