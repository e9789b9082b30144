//! The laws of admission, and of companions, over generated StatefulSets, histories of updates and arbitrary JSON.
//!
//! The API server and its clients are small models here (`server`, `clients`): only what decides
//! which fields arrive. What a real server does with the same requests is tested elsewhere.
//!
//! `LAWS_FACTOR=10` runs ten times as many cases.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // this crate is all tests

mod clients;
mod companions;
mod creation;
mod engines;
mod manifests;
mod merging;
mod rendering;
mod robustness;
mod server;
mod updates;
mod wishes;

use proptest::prelude::ProptestConfig;

/// So many cases, times `LAWS_FACTOR`.
fn cases(count: u32) -> ProptestConfig {
    let factor = std::env::var("LAWS_FACTOR").ok().and_then(|factor| factor.parse().ok());
    ProptestConfig {
        cases: count * factor.unwrap_or(1),
        max_shrink_iters: 3000,
        max_shrink_time: 20_000,
        ..ProptestConfig::default()
    }
}
