//! What stateward promises, tried on a real Kubernetes with the clients that people use.
//!
//! `harness` holds the cluster, the clients and what is compared; every other module is one promise
//! of `docs/updates.md` or of the README, with a test for each scenario that once broke it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test through and through, and most of its code is in functions that clippy takes for none"
)]

mod adoption;
mod annotations;
mod asked;
#[path = "../cases/mod.rs"]
mod cases;
mod catalogue;
mod clients;
mod commands;
mod companions;
mod data;
mod definitions;
mod deputy;
mod fleet;
mod harness;
mod immutable;
mod installation;
mod legality;
mod lifecycle;
mod nothing_unasked;
mod platform;
mod profiles;
mod refusals;
mod rendered;
mod revisions;
mod rights;
mod services;
#[path = "../faults"]
mod shared {
    #[allow(dead_code, reason = "the tests of the controller's faults use the rest")]
    pub(crate) mod proxy;
}
mod strategies;
mod takeover;
mod undo;
mod upgrades;
mod warnings;

/// The harness starts a controller beside the webhook.
const CONTROLLER: bool = true;
