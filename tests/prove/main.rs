//! The profiles, proved against the real servers: what the webhook makes of an example is started as a kubelet would
//! start it, and probed as a kubelet would probe it. Run by `make prove`, since it needs the node that `node` makes.
//!
//! `set` expands, `pod` and `container` start, `kubelet` reads the pod as a kubelet does, `probe` asks, `image` says
//! what an official image holds beside its server; `proof` is what has to hold for each system in `systems`.
//! `recovery` is what has to hold while copies are fetched.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test through and through, and most of its code is in functions that clippy takes for none"
)]

mod clusters;
mod container;
mod image;
mod kubelet;
mod nodes;
mod pod;
mod probe;
mod proof;
mod recovery;
mod set;
mod systems;

use std::time::{Duration, Instant};

/// For what Kubernetes gives no time: generous, and a condition that holds ends the waiting at once.
const PATIENCE: Duration = Duration::from_mins(5);

/// Asks until there is an answer.
///
/// # Panics
/// After `patience`, with the last reason why not.
fn wait_for<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let give_up = Instant::now() + patience;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(Instant::now() < give_up, "gave up waiting for {what}: {why}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
