//! Two replicas and one Lease: one works, the other takes over, and what the first had in mind harms
//! nobody.

use std::fs;

use serde_json::json;

use crate::harness::{Space, app, postgres, wait_for};
use crate::objects::{
    BUDGETS, SERVICES, budget, make, settle, spoil, versions, wait_beside, wait_gone, wait_mended, wait_until,
};
use crate::proxy::{Fault, On};
use crate::world::{WRITES, alone, lease, proxy, written};

/// What one says that has lost the Lease.
const LOST: &str = "lost the Lease: the work stops here";
/// What one says that waits for its turn.
const WAITS: &str = "another replica is at work; waiting";

/// While nobody is at work a second budget stops every drain: hence the second replica.
#[test]
fn when_one_is_killed_the_other_goes_on_and_a_second_budget_stops_no_drain() {
    let mut pair = alone();
    let space = Space::new("killed");
    let labels = json!({"example.com/space": space.name});
    settle(&pair, &space, &postgres("db").set("/spec/template/metadata/labels", labels));
    let (before, wrote) = (versions(&space), written(&space).len());
    let (killed, other) = (pair.leader().name, pair.standby().name);
    pair.leader().signal("KILL");
    assert_eq!(pair.named(killed).exit_code(), 128 + 9);
    make(&space, &budget("mine", "db"));
    let said = space.drain("db-0", 3);
    assert!(!said.success(), "two budgets");
    let _ = said.mentions(&["more than one PodDisruptionBudget"]);

    wait_gone(&space, BUDGETS, "db");
    assert_eq!(pair.leader().name, other);
    wait_until(&space, BUDGETS, "mine", |budget| budget["status"]["disruptionsAllowed"] == 1);
    let _ = space.drain("db-0", 60).ok();
    pair.wait_look(&space, "db");
    assert_eq!(written(&space)[wrote..], [format!("{other} delete poddisruptionbudgets/db")]);
    let but_budgets = |all: Vec<(String, _, _)>| -> Vec<_> {
        all.into_iter().filter(|(name, ..)| !name.starts_with(BUDGETS.1)).collect()
    };
    assert_eq!(but_budgets(versions(&space)), but_budgets(before));
    pair.revive();
}

#[test]
fn one_that_is_asked_to_end_gives_the_lease_up_and_ends_well() {
    let mut pair = alone();
    let space = Space::new("asked-to-end");
    settle(&pair, &space, &app("web"));
    let wrote = written(&space).len();
    let (first, other) = (pair.leader().name, pair.standby().name);
    pair.leader().signal("TERM");
    assert_eq!(pair.named(first).exit_code(), 0);
    let holder = lease().holder_identity;
    assert_ne!(holder.as_deref(), Some(first), "it would have to expire");
    spoil(&space, SERVICES, "web");
    wait_mended(&space, SERVICES, "web");
    assert_eq!(pair.leader().name, other);
    pair.wait_look(&space, "web");
    assert_eq!(written(&space)[wrote..], [format!("{other} patch services/web")]);
    pair.revive();
}

#[test]
fn a_second_signal_ends_one_that_cannot_give_the_lease_up() {
    let mut pair = alone();
    // Which of the two does not matter: both look at the Lease before they end.
    let name = pair.standby().name;
    let stopping = pair.named(name).lines("stopping").len();
    let stalled = proxy().put(On::new(&["get"], "leases").of(name), Fault::Stall);
    stalled.wait_hits(1);
    pair.named(name).signal("TERM");
    pair.named(name).wait_says("stopping", stopping + 1);
    stalled.wait_hits(2);
    pair.named(name).signal("TERM");
    assert_eq!(pair.named(name).exit_code(), 1);
    let log = fs::read_to_string(&pair.named(name).log).unwrap();
    assert!(log.contains("ended at once by a second signal"), "{log}");
    drop(stalled);
    pair.revive();
}

/// Three writes are on their way when the one that sent them is cut off, and arrive when another has
/// long been at work. Each names the state that it was meant for, and is refused.
#[test]
fn what_was_on_its_way_when_the_lease_was_lost_changes_nothing() {
    let mut pair = alone();
    let space = Space::new("cut-off");
    for set in ["budget", "made", "deleted"] {
        settle(&pair, &space, &app(set));
    }
    let (old, new) = (pair.leader().name, pair.standby().name);
    let lost = pair.named(old).lines(LOST).len();
    let theirs = On::new(WRITES, format!("namespaces/{}", space.name)).of(old);
    let held = proxy().put(theirs.clone(), Fault::Hold);
    spoil(&space, BUDGETS, "budget");
    held.wait_hits(1);
    let _ = space.kubectl(&["delete", "service", "made"]).ok();
    held.wait_hits(2);
    let _ = space.kubectl(&["scale", "statefulset/deleted", "--replicas=1"]).ok();
    held.wait_hits(3);
    let cut = proxy().cut_off(old);

    // Of each the opposite is true when they arrive.
    let two = "stateward.dev/disruption-budget=max-unavailable=2";
    let _ = space.kubectl(&["annotate", "statefulset/budget", two]).ok();
    let _ = space.kubectl(&["scale", "statefulset/deleted", "--replicas=3"]).ok();
    wait_until(&space, BUDGETS, "budget", |budget| budget["spec"]["maxUnavailable"] == 2);
    assert_eq!(pair.leader().name, new);
    pair.named(old).wait_says(LOST, lost + 1);
    for set in ["budget", "made", "deleted"] {
        wait_beside(&space, set);
        pair.wait_look(&space, set);
    }
    let (before, sent) = (versions(&space), proxy().calls(&theirs).len());
    let first = sent - held.hits();
    drop(held);
    let arrived = wait_for("what was held to arrive", || {
        let calls = proxy().calls(&theirs).split_off(first);
        if calls.iter().all(|call| call.status != 0) { Ok(calls) } else { Err(format!("{calls:?}")) }
    });
    assert!(arrived.iter().all(|call| call.status == 409), "{arrived:#?}");
    assert_eq!(versions(&space), before);

    // The cut heals: it waits for its turn, and nothing of what it had planned is sent.
    let waits = pair.named(old).lines(WAITS).len();
    drop(cut);
    pair.named(old).wait_says(WAITS, waits + 1);
    assert_eq!(pair.leader().name, new);
    assert_eq!(proxy().calls(&theirs).len(), sent);
    assert_eq!(versions(&space), before);
}

/// A process that stands still, with its machine or by a signal, learns nothing of the time that
/// passes. This one is about to repeat a write when it stops.
#[test]
fn one_that_stood_still_does_not_finish_what_it_was_about_to_do() {
    let mut pair = alone();
    let space = Space::new("stood-still");
    settle(&pair, &space, &app("web"));
    let (old, new) = (pair.leader().name, pair.standby().name);
    let lost = pair.named(old).lines(LOST).len();
    let theirs = On::new(WRITES, format!("namespaces/{}", space.name)).of(old);
    let throttled = proxy().put(theirs.clone(), Fault::Answer(429, "TooManyRequests", Some(3)));
    spoil(&space, BUDGETS, "web");
    throttled.wait_hits(1);
    pair.named(old).signal("STOP");
    let sent = proxy().calls(&theirs).len();
    drop(throttled);
    let mended = wait_mended(&space, BUDGETS, "web");
    assert_eq!(pair.leader().name, new);
    pair.named(old).signal("CONT");
    pair.named(old).wait_says(LOST, lost + 1);
    let waits = pair.named(old).lines(WAITS).len();
    pair.named(old).wait_says(WAITS, waits.max(1));
    pair.wait_look(&space, "web");
    assert_eq!(proxy().calls(&theirs).len(), sent, "it wrote");
    let now = wait_mended(&space, BUDGETS, "web");
    assert_eq!(now["metadata"]["generation"], mended["metadata"]["generation"]);
}
