//! Lists and watches that break: what is known stays, what was missed is found, and what is settled is
//! not written again.

use crate::harness::{Client, Space, app, cluster, wait_for};
use crate::objects::{
    BUDGETS, SERVICES, find, settle, spoil, versions, wait_beside, wait_mended, wait_there,
};
use crate::proxy::{Break, Fault, On, Switch};
use crate::world::{WRITES, alone, proxy, written};

/// What one says that begins to work.
const WORKS: &str = "this replica is at work now";
/// What one says that misses a kind.
const MISSING: &str = "the API server does not know this kind: nothing of it is kept";
/// The kinds that are watched.
const KINDS: [&str; 5] = ["statefulsets", "services", "poddisruptionbudgets", "ingresses", "namespaces"];

/// A list or a watch of all objects of a kind.
fn all(verbs: &'static [&'static str], kind: &str) -> On {
    let api = match kind {
        "statefulsets" => "/apis/apps/v1",
        "poddisruptionbudgets" => "/apis/policy/v1",
        "ingresses" => "/apis/networking.k8s.io/v1",
        _ => "/api/v1",
    };
    On::new(verbs, format!("{api}/{kind}")).itself()
}

#[test]
fn a_history_that_is_gone_is_listed_anew_and_what_was_missed_is_found() {
    let mut pair = alone();
    let space = Space::new("history-gone");
    for set in ["missed", "settled"] {
        settle(&pair, &space, &app(set));
    }
    let leader = pair.leader().name;
    let works = pair.named(leader).lines(WORKS).len();
    let lists = || KINDS.map(|kind| proxy().calls(&all(&["list"], kind)).len());
    let (before, wrote, listed) = (versions(&space), written(&space).len(), lists());
    assert_eq!(proxy().interrupt(&all(&["watch"], "services"), Break::Mute), 1);
    spoil(&space, SERVICES, "missed");
    let _ = space.kubectl(&["delete", "service", "missed-headless"]).ok();
    pair.wait_look(&space, "missed");
    assert_eq!(written(&space).len(), wrote, "the watch is silent: it cannot know");
    for kind in KINDS {
        assert_eq!(proxy().interrupt(&all(&["watch"], kind), Break::Gone), 1, "{kind}");
    }
    wait_mended(&space, SERVICES, "missed");
    wait_there(&space, SERVICES, "missed-headless");
    wait_for("the other lists", || {
        let now = lists();
        let anew = now.iter().zip(listed).all(|(now, before)| *now == before + 1);
        anew.then_some(()).ok_or_else(|| format!("{listed:?} were {now:?}"))
    });
    for set in ["missed", "settled"] {
        pair.wait_look(&space, set);
    }
    let mut news = written(&space).split_off(wrote);
    news.sort();
    let expected = ["missed", "missed-headless"].map(|name| format!("{leader} patch services/{name}"));
    assert_eq!(news, expected);
    let untouched = |all: Vec<(String, _, _)>| -> Vec<_> {
        all.into_iter().filter(|(name, ..)| !name.starts_with("services/missed")).collect()
    };
    assert_eq!(untouched(versions(&space)), untouched(before));
    assert_eq!(pair.leader().name, leader);
    assert_eq!(pair.named(leader).lines(WORKS).len(), works, "it did not begin anew");
}

/// Half a list is no list. While one is missing nothing is written, however much there is to do.
#[test]
fn nothing_is_written_until_all_lists_are_whole() {
    let mut pair = alone();
    let space = Space::new("half-lists");
    for set in ["one", "two", "three"] {
        settle(&pair, &space, &app(set));
    }
    let (old, new) = (pair.leader().name, pair.standby().name);
    let (before, wrote) = (versions(&space), written(&space).len());
    let (sent, watched) = (sent_by(new), KINDS.map(|kind| watches(new, kind)));
    let list = |kind| all(&["list"], kind).of(new);
    let broken = [
        proxy().put_times(list("services"), Fault::Half, 2),
        proxy().put_times(list("poddisruptionbudgets"), Fault::Answer(500, "InternalError", None), 2),
        proxy().put_times(list("namespaces"), Fault::Answer(429, "TooManyRequests", Some(1)), 2),
        // The rest of a list that took too long.
        proxy().put_times(list("statefulsets").asking("continue="), Fault::Answer(410, "Expired", None), 1),
    ];
    let pages = proxy().put(list("statefulsets"), Fault::Pages(2));
    let held = proxy().put(list("ingresses"), Fault::Hold);
    pair.named(old).signal("TERM");
    assert_eq!(pair.named(old).exit_code(), 0);
    spoil(&space, SERVICES, "one");
    for (switch, times) in broken.iter().zip([2, 2, 2, 1]) {
        switch.wait_hits(times);
    }
    held.wait_hits(1);
    for (kind, before) in KINDS.into_iter().zip(watched).filter(|(kind, _)| *kind != "ingresses") {
        wait_for(&format!("the list of {kind}"), || match watches(new, kind) {
            now if now > before => Ok(()),
            _ => Err("it is not watched".to_owned()),
        });
    }
    assert_eq!(sent_by(new), sent, "one list is missing");
    drop(held);
    wait_mended(&space, SERVICES, "one");
    assert!(pages.hits() >= 3, "a set was on the second page");
    for set in ["one", "two", "three"] {
        pair.wait_look(&space, set);
    }
    assert_eq!(written(&space)[wrote..], [format!("{new} patch services/one")]);
    let untouched = |all: Vec<(String, _, _)>| -> Vec<_> {
        all.into_iter().filter(|(name, ..)| name != "services/one").collect()
    };
    assert_eq!(untouched(versions(&space)), untouched(before));
    pair.revive();
}

/// As one sees it from outside: all connections end, none is taken for a while, and then it is not
/// ready at first.
#[test]
fn a_restart_of_the_api_server_is_waited_out() {
    let mut pair = alone();
    let space = Space::new("restart");
    settle(&pair, &space, &app("web"));
    let (before, wrote) = (versions(&space), written(&space).len());
    let names = [pair.leader().name, pair.standby().name];
    let down = names.map(|name| proxy().cut_off(name));
    spoil(&space, SERVICES, "web");
    let _ = space.send(Client::Apply, &app("new")).ok();
    // All five watches, and the Lease.
    down[0].wait_hits(8);
    let starting = names.map(|name| {
        let every = On::new(&[], "").of(name);
        proxy().put_times(every, Fault::Answer(503, "ServiceUnavailable", Some(1)), 8)
    });
    let asked = down.iter().map(Switch::hits).sum::<usize>();
    drop(down);
    starting[0].wait_hits(8);
    wait_mended(&space, SERVICES, "web");
    wait_there(&space, SERVICES, "new");
    wait_there(&space, SERVICES, "new-headless");
    for set in ["web", "new"] {
        pair.wait_look(&space, set);
    }
    assert!(asked < 60, "{asked} calls");
    let mut news = written(&space).split_off(wrote);
    // Whichever of the two did it.
    news.sort_by_key(|news| news[2..].to_owned());
    let news: Vec<&str> = news.iter().map(|news| &news[2..]).collect();
    assert_eq!(news, ["patch services/new", "patch services/new-headless", "patch services/web"]);
    let known = before.iter().filter(|(name, ..)| name != "services/web");
    let now = versions(&space);
    assert!(known.clone().all(|known| now.contains(known)), "{before:?} is {now:?}");
    for name in names {
        assert!(pair.named(name).is_running());
    }
}

/// The real one: killed, and started again on its data. What it had in memory is gone, its resource
/// versions go on, and whoever had watched has to ask again.
#[test]
fn a_crash_of_the_api_server_is_waited_out() {
    let mut pair = alone();
    let space = Space::new("crash");
    settle(&pair, &space, &app("web"));
    let before = versions(&space);
    let template = space.get("web")["spec"].clone();
    let names = [pair.leader().name, pair.standby().name];
    cluster().crash_api_server();
    // Admission goes on with the first request: the webhook's own watches may be older than the API server.
    let _ = space.send(Client::Apply, &app("new")).ok();
    wait_there(&space, SERVICES, "new");
    wait_there(&space, SERVICES, "new-headless");
    spoil(&space, SERVICES, "web");
    wait_mended(&space, SERVICES, "web");
    assert_eq!(space.get("web")["spec"], template);
    let now = versions(&space);
    let known: Vec<_> = before.iter().filter(|(name, ..)| name != "services/web").collect();
    assert!(known.iter().all(|known| now.contains(known)), "{before:?} is {now:?}");
    for name in names {
        assert!(pair.named(name).is_running());
    }
    // Whoever comes next finds all watches open.
    wait_for("all kinds to be watched again", || {
        let open = KINDS.map(|kind| proxy().open(&all(&["watch"], kind)));
        if open == [1; 5] { Ok(()) } else { Err(format!("{open:?}")) }
    });
}

/// How many writes a replica has sent, but for those of the Lease.
fn sent_by(replica: &'static str) -> usize {
    let calls = proxy().calls(&On::new(WRITES, "").of(replica));
    calls.iter().filter(|call| !call.path.contains("/leases")).count()
}

/// How many watches of a kind a replica has begun.
fn watches(replica: &'static str, kind: &str) -> usize {
    let calls = proxy().calls(&all(&["watch"], kind).of(replica));
    calls.iter().filter(|call| call.status == 200).count()
}

/// Without a kind there is nothing of it to keep, and all the rest is kept. It is asked for again with
/// growing pauses, and if somebody installs it, it is there.
#[test]
fn a_kind_that_is_missing_keeps_no_other() {
    let mut pair = alone();
    let space = Space::new("missing-kind");
    let (old, new) = (pair.leader().name, pair.standby().name);
    let lists = all(&["list"], "poddisruptionbudgets").of(new);
    let known = proxy().calls(&lists).len();
    let watched = watches(new, "poddisruptionbudgets");
    let said = pair.named(new).lines(MISSING).len();
    let missing = On::new(&[], "/apis/policy/v1").of(new);
    let missing = proxy().put(missing, Fault::Answer(404, "NotFound", None));
    pair.named(old).signal("TERM");
    assert_eq!(pair.named(old).exit_code(), 0);
    let _ = space.send(Client::Apply, &app("web").replicas(3)).ok();
    wait_there(&space, SERVICES, "web");
    wait_there(&space, SERVICES, "web-headless");
    pair.named(new).wait_says(MISSING, said + 1);
    wait_for("three lists", || match proxy().calls(&lists).len() - known {
        3.. => Ok(()),
        few => Err(format!("{few}")),
    });
    let calls = proxy().calls(&lists).split_off(known);
    let pauses: Vec<_> =
        calls.windows(2).map(|two| two[1].at.duration_since(two[0].at).as_millis()).collect();
    assert!(pauses.iter().zip([800, 1600]).all(|(pause, least)| *pause >= least), "{pauses:?}");
    assert!(find(&space, BUDGETS, "web").is_none());
    drop(missing);
    wait_beside(&space, "web");
    wait_for("it to be watched", || match watches(new, "poddisruptionbudgets") {
        now if now > watched => Ok(()),
        _ => Err("it is not".to_owned()),
    });
    pair.revive();
}
