//! Answers that an API server in trouble gives for one object: they delay no other, they are repeated
//! with growing pauses, and when the trouble is over all is as it should be.

use std::time::Duration;

use crate::harness::{Client, Space, app, wait_for};
use crate::objects::{SERVICES, find, is_spoilt, spoil, wait_beside, wait_mended, wait_there};
use crate::proxy::{Call, Fault, On};
use crate::world::{Pair, events, proxy, together};

/// Each attempt on one object.
fn attempts(space: &Space, service: &str) -> On {
    On::new(&["patch"], format!("namespaces/{}/services/{service}", space.name))
}

/// The pauses between the calls, in milliseconds.
fn pauses(calls: &[Call]) -> Vec<u128> {
    calls.windows(2).map(|two| two[1].at.duration_since(two[0].at).as_millis()).collect()
}

/// Whether the gauge says that something is wrong with the client Service of a set.
fn is_told(pair: &Pair, space: &Space, set: &str) -> bool {
    let labels = format!("{{namespace=\"{}\",statefulset=\"{set}\",role=\"client\"}} 1", space.name);
    pair.leader().admin("/metrics").contains(&format!("stateward_companion_problem{labels}"))
}

/// What is wrong with the client Service of each set.
const FAULTS: [(&str, Fault); 7] = [
    ("refused", Fault::Answer(500, "InternalError", None)),
    ("throttled", Fault::Answer(429, "TooManyRequests", Some(1))),
    ("conflicting", Fault::Answer(409, "Conflict", None)),
    ("closed", Fault::Close),
    ("silent", Fault::Stall),
    // These two are done, and the answer is lost.
    ("halved", Fault::Half),
    ("lost", Fault::Lose),
];

#[test]
fn one_broken_object_delays_no_other() {
    let pair = together();
    let space = Space::new("answers");
    let names = || FAULTS.iter().map(|(name, _)| *name).chain(["fine"]);
    for name in names() {
        let _ = space.send(Client::Apply, &app(name)).ok();
    }
    for name in names() {
        wait_there(&space, SERVICES, name);
        pair.wait_look(&space, name);
    }
    let known = FAULTS.map(|(name, _)| proxy().calls(&attempts(&space, name)).len());
    let mended = proxy().calls(&attempts(&space, "fine")).len();
    let switches = FAULTS.map(|(name, fault)| proxy().put(attempts(&space, name), fault));
    for name in names() {
        spoil(&space, SERVICES, name);
    }
    for switch in &switches {
        switch.wait_hits(1);
    }
    for _ in 0..2 {
        wait_mended(&space, SERVICES, "fine");
        spoil(&space, SERVICES, "fine");
    }
    wait_mended(&space, SERVICES, "fine");
    // Before the wait for the silent one was over.
    let silent = proxy().calls(&attempts(&space, "silent")).split_off(known[4]);
    let fine = proxy().calls(&attempts(&space, "fine")).split_off(mended);
    assert!(silent.get(1).is_none_or(|again| fine[0].at < again.at), "{silent:?} {fine:?}");
    for (name, _) in &FAULTS[..5] {
        assert!(is_spoilt(&find(&space, SERVICES, name).unwrap()), "{name}");
    }
    for (name, _) in &FAULTS[5..] {
        wait_mended(&space, SERVICES, name);
    }
    switches[0].wait_hits(5);
    assert_patient(&space, known);
    // What may pass by itself is told when it has not; a conflict is nothing to tell.
    wait_for("the gauge", || {
        is_told(&pair, &space, "refused").then_some(()).ok_or_else(|| "not yet".to_owned())
    });
    assert_eq!(events(&space, "refused", "InternalError by the proxy").len(), 1);
    assert!(!is_told(&pair, &space, "conflicting") && !is_told(&pair, &space, "fine"));

    drop(switches);
    for name in names() {
        wait_mended(&space, SERVICES, name);
    }
    wait_for("the gauge to go", || {
        (!is_told(&pair, &space, "refused")).then_some(()).ok_or_else(|| "still there".to_owned())
    });
}

/// The attempts on each Service since as many as `known` had been made are few.
fn assert_patient(space: &Space, known: [usize; 7]) {
    for ((name, _), known) in FAULTS.into_iter().zip(known) {
        let calls = proxy().calls(&attempts(space, name)).split_off(known);
        let pauses = pauses(&calls);
        let patient = match name {
            // Half a second, doubled each time; while it waits for an answer nothing else is sent.
            "refused" | "conflicting" | "closed" => {
                pauses.len() >= 3
                    && pauses.iter().zip([500, 1000, 2000, 4000]).all(|(is, least)| *is >= least)
            }
            "throttled" => pauses.iter().all(|pause| *pause >= 1000),
            _ => calls.len() <= 2,
        };
        assert!(patient, "{name}: {pauses:?}");
    }
}

/// No change wakes the set when there is room again: the pauses do.
#[test]
fn what_a_quota_refused_comes_when_there_is_room() {
    let pair = together();
    let space = Space::new("quota");
    let quota = |services: u32| {
        serde_json::json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota"},
            "spec": {"hard": {"count/services": services.to_string()}},
        })
    };
    space.as_admin("apply", &quota(0));
    wait_for("the quota to hold", || {
        let quotas = space.list("/api/v1", "resourcequotas");
        let holds = !quotas[0]["status"]["hard"].is_null();
        holds.then_some(()).ok_or_else(|| quotas[0].to_string())
    });
    let _ = space.send(Client::Apply, &app("web").replicas(3)).ok();
    let refused = attempts(&space, "web");
    wait_for("some attempts", || match proxy().calls(&refused) {
        calls if calls.len() >= 4 && calls.iter().all(|call| call.status == 403) => Ok(()),
        calls => Err(format!("{calls:?}")),
    });
    assert!(is_told(&pair, &space, "web"));
    assert_eq!(events(&space, "web", "exceeded quota").len(), 2, "one for each Service");
    let pauses = pauses(&proxy().calls(&refused));
    assert!(pauses.last().copied() >= Some(Duration::from_secs(1).as_millis()), "{pauses:?}");
    space.as_admin("apply", &quota(9));
    wait_beside(&space, "web");
    wait_for("the gauge to go", || {
        (!is_told(&pair, &space, "web")).then_some(()).ok_or_else(|| "still there".to_owned())
    });
}
