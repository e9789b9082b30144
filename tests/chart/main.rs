//! The chart and the certificates: what `charts/stateward` renders and refuses, and how it lives on a real Kubernetes.
//!
//! `values` holds the value sets, `golden` what comes of them: of `default` every file, of each other set the
//! files that differ, and the names of those that are absent. `STATEWARD_BLESS=1` writes both anew, and the
//! table in the chart's README.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test through and through, and most of its code is in functions that clippy takes for none"
)]

mod certificates;
mod cluster;
mod dashboards;
mod documentation;
mod golden;
mod helm;
mod image;
mod life;
mod notes;
mod promises;
mod refusals;
mod registration;
