//! One real Kubernetes with stateward for the whole binary, and a namespace of its own for each test.
//!
//! Tests run at once: each touches its namespace alone. One that changes the webhook (takes it away,
//! swaps versions) gives its namespace a [`Hook`] instead, which the main configuration leaves alone.

mod audit;
mod cluster;
mod controller;
mod hook;
mod kubectl;
mod manifest;
mod space;
mod state;

use std::future::Future;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

pub(crate) use self::audit::{Audit, Request};
#[allow(unused_imports, reason = "the tests of the cluster have a client already")]
pub(crate) use self::cluster::client;
pub(crate) use self::cluster::{Stateward, cluster};
pub(crate) use self::controller::Controller;
pub(crate) use self::hook::{Answer, Hook, Place, away, changed_by, expanded_by, forward, inject_sidecar};
pub(crate) use self::kubectl::{Client, Said, run};
pub(crate) use self::manifest::{MAIN, Manifest, app, postgres};
pub(crate) use self::space::Space;
pub(crate) use self::state::{Snapshot, changes};

/// Generous: a machine that compiles beside the tests is slow, and a condition that holds ends the
/// waiting at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// Runs a future to its end on the runtime that all tests share.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// Asks until there is an answer.
///
/// # Panics
/// After [`PATIENCE`], with the last reason why not.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(Instant::now() < give_up, "gave up waiting for {what}: {why}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
