//! Logs and metrics: what operators see of a running process.
//!
//! Neither ever holds what a user wrote: a metric's label comes from a fixed set of words (but for the
//! gauge of companions in trouble, which names the set while it is), and a log line names an object
//! but never an environment variable's or an annotation's value.

mod controller;
mod log;
mod metrics;

pub use controller::{Companion, ControllerMetrics, Reconciled, Write};
pub(crate) use log::Throttle;
pub use log::{LogError, LogGuard, init};
pub use metrics::{Family, Metrics, Outcome, Reason, ReloadResult, Store};
