//! Logs and metrics: what operators see of a running process.
//!
//! Neither ever holds what a user wrote: a metric's label comes from a fixed set of words, and a log
//! line names an object but never an environment variable's or an annotation's value.

mod log;
mod metrics;

pub(crate) use log::Throttle;
pub use log::{LogError, LogGuard, init};
pub use metrics::{Family, Metrics, Outcome, Reason, ReloadResult, Store};
