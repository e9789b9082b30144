//! The two replicas that all tests share, and whose turn it is with them.

use std::sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;
use serde_json::{Value, json};

use crate::harness::{Space, block_on, client, cluster, wait_for};
use crate::proxy::{Call, On, Proxy};
use crate::replica::{Replica, tail};

/// The verbs that change something.
pub(crate) const WRITES: &[&str] = &["create", "update", "patch", "delete"];

static WORLD: LazyLock<World> = LazyLock::new(World::start);

/// What is between the replicas and the API server, and they.
struct World {
    proxy: Proxy,
    pair: RwLock<Pair>,
}

/// The replicas.
pub(crate) struct Pair([Replica; 2]);

/// The replicas with whatever else is going on: for what is broken in one namespace alone.
pub(crate) fn together() -> Turn<RwLockReadGuard<'static, Pair>> {
    Turn(WORLD.pair.read().unwrap_or_else(PoisonError::into_inner))
}

/// The replicas for one test, which may do with them what it likes.
pub(crate) fn alone() -> Turn<RwLockWriteGuard<'static, Pair>> {
    let mut turn = Turn(WORLD.pair.write().unwrap_or_else(PoisonError::into_inner));
    // An earlier test may have left one dead, by a failure.
    turn.0.revive();
    turn
}

/// What stands between the replicas and the API server.
pub(crate) fn proxy() -> &'static Proxy {
    &WORLD.proxy
}

/// The Lease, if there is one.
pub(crate) fn lease() -> LeaseSpec {
    static ADMIN: LazyLock<kube::Client> = LazyLock::new(|| block_on(client(&cluster().kubeconfig("admin"))));
    let leases: Api<Lease> = Api::namespaced(ADMIN.clone(), "stateward-system");
    let lease = block_on(leases.get_opt("stateward-controller")).expect("an answer");
    lease.and_then(|lease| lease.spec).unwrap_or_default()
}

/// A test's turn with the replicas. What they said last is shown when it fails.
pub(crate) struct Turn<T: std::ops::Deref<Target = Pair>>(pub(crate) T);

impl<T: std::ops::Deref<Target = Pair>> std::ops::Deref for Turn<T> {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.0
    }
}

impl<T: std::ops::DerefMut<Target = Pair>> std::ops::DerefMut for Turn<T> {
    fn deref_mut(&mut self) -> &mut Pair {
        &mut self.0
    }
}

impl<T: std::ops::Deref<Target = Pair>> Drop for Turn<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for replica in &self.0.0 {
                eprintln!("the end of {}'s log:\n{}", replica.name, tail(&replica.log, 15));
            }
        }
    }
}

impl World {
    fn start() -> Self {
        let identity = cluster().kubeconfig("stateward-controller");
        let proxy = block_on(Proxy::new(&identity));
        let pair = ["a", "b"].map(|name| Replica::start(name, block_on(proxy.door(name))));
        Self { proxy, pair: RwLock::new(Pair(pair)) }
    }
}

impl Pair {
    /// The one at work.
    pub(crate) fn leader(&self) -> &Replica {
        wait_for("a replica to be at work", || {
            let holder = lease().holder_identity.unwrap_or_default();
            let found = self.0.iter().find(|replica| replica.name == holder && replica.is_at_work());
            found.ok_or_else(|| format!("the Lease is {holder:?}'s"))
        })
    }

    /// The other one.
    pub(crate) fn standby(&self) -> &Replica {
        self.other(self.leader().name)
    }

    /// The one that is not this.
    pub(crate) fn other(&self, name: &str) -> &Replica {
        self.0.iter().find(|replica| replica.name != name).expect("two replicas")
    }

    /// The one of this name.
    pub(crate) fn named(&mut self, name: &str) -> &mut Replica {
        self.0.iter_mut().find(|replica| replica.name == name).expect("a replica")
    }

    /// Starts a replica again that has ended.
    pub(crate) fn revive(&mut self) {
        for replica in &mut self.0 {
            if !replica.is_running() {
                *replica = Replica::start(replica.name, block_on(proxy().door(replica.name)));
            }
        }
    }

    /// Waits until the one at work has looked at a set, and at the set as it is now.
    pub(crate) fn wait_look(&self, space: &Space, set: &str) {
        let label = "example.com/look";
        let looks = || {
            let name = format!("StatefulSet.v1.apps/{set}.{}", space.name);
            let of = |replica: &Replica| {
                let lines = replica.lines("reconciled");
                lines.iter().filter(|line| line["set"] == name.as_str()).count()
            };
            self.0.iter().map(of).sum::<usize>()
        };
        let before = looks();
        let number = space.get(set)["metadata"]["labels"][label].as_str().map_or(0, str::len);
        let patch = json!({"metadata": {"labels": {label: "x".repeat(number % 60 + 1)}}});
        let arguments = ["patch", "statefulset", set, "--type=merge", "-p", &patch.to_string()];
        let _ = space.kubectl(&arguments).ok();
        wait_for("the controller to look at the set", || match looks() {
            now if now > before => Ok(()),
            _ => Err("it does not".to_owned()),
        });
    }
}

/// What was written in a namespace until now, but for Events: who did what to what.
pub(crate) fn written(space: &Space) -> Vec<String> {
    let calls = proxy().calls(&On::new(WRITES, format!("namespaces/{}", space.name)));
    let kept = |call: &&Call| call.wrote() && !call.path.ends_with("/events");
    let said = |call: &Call| {
        let object = call.path.split(&format!("/{}/", space.name)).nth(1).unwrap_or_default();
        format!("{} {} {object}", call.replica, call.verb)
    };
    calls.iter().filter(kept).map(said).collect()
}

/// The Events of a set that hold these words.
pub(crate) fn events(space: &Space, set: &str, words: &str) -> Vec<Value> {
    let events = space.list("/apis/events.k8s.io/v1", "events");
    let about = |event: &Value| {
        event["regarding"]["name"] == set && event["note"].as_str().is_some_and(|note| note.contains(words))
    };
    events.into_iter().filter(about).collect()
}
