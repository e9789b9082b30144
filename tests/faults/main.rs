//! What the controller does when something fails: two replicas, the process as users run it, beside a
//! real Kubernetes, and between them a proxy that does what no API server can be asked to do.
//!
//! Every test has a namespace of its own. Those that break something for that namespace alone run at
//! once; those that break something for a whole replica have both for themselves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test through and through, and most of its code is in functions that clippy takes for none"
)]

mod answers;
mod groups;
mod leadership;
mod objects;
mod proxy;
mod replica;
mod revisions;
mod sets;
#[path = "../cluster"]
mod shared {
    pub(crate) mod definitions;
    #[allow(dead_code, unused_imports, reason = "the tests of the cluster use the rest")]
    pub(crate) mod harness;
}
mod watches;
mod world;

use shared::{definitions, harness};

/// The harness starts no controller: the replicas here are the only ones.
const CONTROLLER: bool = false;
