//! Metrics. Every label's value is one of a fixed set of words.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::controller::ControllerMetrics;
use crate::admission::Summary;

/// Seconds; reviews take microseconds, and API servers give up after 1 to 30 s.
const DURATIONS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Labels of a counted review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// `CREATE`, `UPDATE`, `other`, or `unknown` where no review was read.
    pub operation: &'static str,
    /// What became of it.
    pub outcome: &'static str,
}

/// Label of counted injections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Family {
    /// `identity`, `ports`, `probes`, …
    pub family: &'static str,
}

/// Label of counted refusals and handshake failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// One word of a fixed set.
    pub reason: &'static str,
}

/// Label of counted certificate reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReloadResult {
    /// `replaced` or `failed`.
    pub result: &'static str,
}

/// Label of a store's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Store {
    /// The plural of what it holds.
    pub store: &'static str,
}

/// All metrics of the process, each also reachable as a field to count with.
#[derive(Debug)]
#[allow(missing_docs)] // each is described where it is registered, once
pub struct Metrics {
    registry: Registry,
    pub requests: family::Family<Outcome, Counter>,
    pub duration: Histogram,
    pub in_flight: Gauge,
    pub shed: Counter,
    pub panics: Counter,
    pub injections: family::Family<Family, Counter>,
    pub refusals: family::Family<Reason, Counter>,
    pub connections: Gauge,
    pub handshake_failures: family::Family<Reason, Counter>,
    pub certificate_expiry: Gauge,
    pub certificate_reloads: family::Family<ReloadResult, Counter>,
    pub bundle_writes: family::Family<ReloadResult, Counter>,
    pub store_synced: family::Family<Store, Gauge>,
    pub store_objects: family::Family<Store, Gauge>,
    pub log_lines_dropped: Counter,
    pub controller: ControllerMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that nothing has counted yet.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("stateward"),
            requests: family::Family::default(),
            duration: Histogram::new(DURATIONS),
            in_flight: Gauge::default(),
            shed: Counter::default(),
            panics: Counter::default(),
            injections: family::Family::default(),
            refusals: family::Family::default(),
            connections: Gauge::default(),
            handshake_failures: family::Family::default(),
            certificate_expiry: Gauge::default(),
            certificate_reloads: family::Family::default(),
            bundle_writes: family::Family::default(),
            store_synced: family::Family::default(),
            store_objects: family::Family::default(),
            log_lines_dropped: Counter::default(),
            controller: ControllerMetrics::default(),
        };
        metrics.controller.register(&mut metrics.registry);
        metrics.register_admission();
        metrics.register_process();
        metrics
    }

    fn register_admission(&mut self) {
        let registry = &mut self.registry;
        let requests = self.requests.clone();
        registry.register("admission_requests", "Reviews by operation and what became of them", requests);
        registry.register("admission_duration_seconds", "Time to answer a review", self.duration.clone());
        registry.register("admission_in_flight", "Reviews being answered now", self.in_flight.clone());
        registry.register("shed", "Reviews turned away with 429, too many at once", self.shed.clone());
        registry.register("panics", "Panics caught while answering", self.panics.clone());
        registry.register("injections", "Fields injected, by family", self.injections.clone());
        registry.register("refusals", "Faults for which objects were refused", self.refusals.clone());
    }

    fn register_process(&mut self) {
        let registry = &mut self.registry;
        registry.register("connections", "Connections being served", self.connections.clone());
        let failures = self.handshake_failures.clone();
        registry.register("tls_handshake_failures", "TLS handshakes that failed, by reason", failures);
        let expiry = self.certificate_expiry.clone();
        let help = "When the served certificate expires, seconds since 1970";
        registry.register("certificate_expiry_timestamp_seconds", help, expiry);
        let reloads = self.certificate_reloads.clone();
        registry.register(
            "certificate_reload",
            "Changes of the served certificate tried, by result",
            reloads,
        );
        let writes = self.bundle_writes.clone();
        registry.register("ca_bundle_writes", "Writes of caBundle tried, by result", writes);
        let synced = self.store_synced.clone();
        let help = "When the store last heard from the API server, seconds since 1970";
        registry.register("store_last_sync_timestamp_seconds", help, synced);
        registry.register("store_objects", "Objects in the store", self.store_objects.clone());
        let dropped = self.log_lines_dropped.clone();
        registry.register("log_lines_dropped", "Log lines lost because the sink was blocked", dropped);
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", build);
    }

    /// Counts what an answer says.
    pub fn count(&self, summary: &Summary) {
        self.count_outcome(summary.operation, summary.outcome);
        for &(family, number) in &summary.injections {
            self.injections.get_or_create(&Family { family }).inc_by(number);
        }
        for &reason in &summary.reasons {
            self.refusals.get_or_create(&Reason { reason }).inc();
        }
    }

    /// Counts a request by what became of it.
    pub fn count_outcome(&self, operation: &'static str, outcome: &'static str) {
        self.requests.get_or_create(&Outcome { operation, outcome }).inc();
    }

    /// The text that `/metrics` answers with, in the format `OpenMetrics` 1.0.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail, and half a text is better than none if it does.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_what_was_counted() {
        let metrics = Metrics::new();
        metrics.count(&Summary {
            operation: "CREATE",
            outcome: "expanded",
            injections: vec![("probes", 3)],
            reasons: vec!["Invalid"],
            object: "shop/orders-db".to_owned(),
            ..Summary::default()
        });
        let text = metrics.encode();
        for line in [
            "stateward_admission_requests_total{operation=\"CREATE\",outcome=\"expanded\"} 1",
            "stateward_injections_total{family=\"probes\"} 3",
            "stateward_refusals_total{reason=\"Invalid\"} 1",
            "stateward_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("orders-db"), "names of objects are no labels");
    }
}
