//! Metrics of the companion controller.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Seconds; a reconcile without writes takes microseconds, one that makes everything some calls.
const DURATIONS: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];

/// Label of counted reconciles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reconciled {
    /// `settled`, `written`, `waiting`, `failed`, `unmanaged`, `nothing` or `unclear`.
    pub outcome: &'static str,
}

/// Labels of counted writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Write {
    /// `Event`, `StatefulSetProfile`, `ControllerRevision`, or that of a companion.
    pub kind: &'static str,
    /// `create`, `apply`, `release`, `status`, `note` or `delete`.
    pub verb: &'static str,
    /// `ok`, `conflict` or `failed`.
    pub result: &'static str,
}

/// Labels of a companion that something is wrong with. The names are there while it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Companion {
    /// The namespace of the set.
    pub namespace: String,
    /// The name of the set.
    pub statefulset: String,
    /// What the companion is for; `set` where it is all of them.
    pub role: &'static str,
}

/// What the controller counts.
#[derive(Debug)]
#[allow(missing_docs)] // each is described where it is registered, once
pub struct ControllerMetrics {
    pub leader: Gauge,
    pub reconciles: Family<Reconciled, Counter>,
    pub duration: Histogram,
    pub queue_depth: Gauge,
    pub writes: Family<Write, Counter>,
    pub problems: Family<Companion, Gauge>,
    pub configuration_faults: Gauge,
}

impl Default for ControllerMetrics {
    fn default() -> Self {
        Self {
            leader: Gauge::default(),
            reconciles: Family::default(),
            duration: Histogram::new(DURATIONS),
            queue_depth: Gauge::default(),
            writes: Family::default(),
            problems: Family::default(),
            configuration_faults: Gauge::default(),
        }
    }
}

impl ControllerMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Whether this replica of the controller is the one at work";
        registry.register("controller_leader", help, self.leader.clone());
        let help = "Reconciles of StatefulSets, by outcome";
        registry.register("controller_reconciles", help, self.reconciles.clone());
        let help = "Time of one reconcile";
        registry.register("controller_reconcile_duration_seconds", help, self.duration.clone());
        let help = "StatefulSets that something happened to and that were not looked at since";
        registry.register("controller_queue_depth", help, self.queue_depth.clone());
        let help = "Writes of companions tried, by kind, verb and result";
        registry.register("controller_writes", help, self.writes.clone());
        let help = "Companions that something is wrong with; see the Events of the StatefulSet";
        registry.register("companion_problem", help, self.problems.clone());
        let help = "Faults in the configuration that is not in use because of them";
        registry.register("configuration_faults", help, self.configuration_faults.clone());
    }
}
