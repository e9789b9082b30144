//! The dashboard asks for what the two components count, and for nothing else: a panel whose metric was renamed stays
//! empty, and looks like a good day.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use stateward::telemetry::{
    Companion, Family, Metrics, Outcome, Reason, Reconciled, ReloadResult, Store, Write,
};

use crate::helm::{chart, object, objects, render_set};

const FILE: &str = "dashboards/stateward.json";

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(chart().join(FILE)).unwrap()).unwrap()
}

/// The queries, each with the title of its panel.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = |panel: &Value| panel["targets"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_panel = |panel: &Value| {
        let title = text(&panel["title"]);
        targets(panel).iter().map(|target| (title.clone(), text(&target["expr"]))).collect::<Vec<_>>()
    };
    panels.iter().flat_map(of_panel).collect()
}

/// What `/metrics` answers when everything has been counted once: a family that is empty is not shown.
fn counted() -> String {
    let metrics = Metrics::new();
    metrics.count_outcome("CREATE", "expanded");
    metrics.injections.get_or_create(&Family { family: "probes" }).inc();
    metrics.refusals.get_or_create(&Reason { reason: "Invalid" }).inc();
    metrics.handshake_failures.get_or_create(&Reason { reason: "timeout" }).inc();
    metrics.certificate_reloads.get_or_create(&ReloadResult { result: "failed" }).inc();
    metrics.bundle_writes.get_or_create(&ReloadResult { result: "failed" }).inc();
    metrics.store_synced.get_or_create(&Store { store: "namespaces" }).set(1);
    metrics.store_objects.get_or_create(&Store { store: "namespaces" }).set(1);
    let controller = &metrics.controller;
    controller.reconciles.get_or_create(&Reconciled { outcome: "settled" }).inc();
    controller.writes.get_or_create(&Write { kind: "Service", verb: "create", result: "ok" }).inc();
    let (namespace, statefulset) = ("shop".to_owned(), "db".to_owned());
    controller.problems.get_or_create(&Companion { namespace, statefulset, role: "client" }).set(1);
    assert!(metrics.requests.get(&Outcome { operation: "CREATE", outcome: "expanded" }).is_some());
    metrics.encode()
}

/// The names of ours in a query.
fn names(query: &str) -> BTreeSet<&str> {
    let is_inner = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    query.split(|letter| !is_inner(letter)).filter(|word| word.starts_with("stateward_")).collect()
}

/// The labels that a query groups by.
fn labels(query: &str) -> BTreeSet<&str> {
    let lists = query.split("by (").skip(1).map(|rest| rest.split(')').next().unwrap_or_default());
    lists.flat_map(|list| list.split(',')).map(str::trim).collect()
}

#[test]
fn every_query_asks_for_what_is_counted() {
    let (dashboard, text) = (dashboard(), counted());
    let queries = queries(&dashboard);
    assert!(queries.len() > 15, "{queries:?}");
    for (title, query) in queries {
        let names = names(&query);
        assert_eq!(names.len(), 1, "{title}: {query}");
        for name in names {
            let is_sample = |line: &&str| line.split(['{', ' ']).next() == Some(name);
            let samples: Vec<&str> = text.lines().filter(is_sample).collect();
            assert!(!samples.is_empty(), "{title}: no {name} in\n{text}");
            for label in labels(&query) {
                let has = |line: &&str| {
                    line.contains(&format!("{{{label}=")) || line.contains(&format!(",{label}="))
                };
                assert!(samples.iter().any(has), "{title}: {name} has no label {label}");
            }
        }
    }
}

#[test]
fn panels_do_not_lie_upon_each_other() {
    let dashboard = dashboard();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + w <= 24, "{}", panel["title"]);
        for cell in (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line))) {
            assert!(taken.insert(cell), "{} lies upon another", panel["title"]);
        }
    }
}

#[test]
fn the_config_map_holds_the_file_as_it_is() {
    let rendered = objects(&render_set("everything"));
    let map = object(&rendered, "ConfigMap", "stateward-dashboards");
    let held: Value = serde_json::from_str(map["data"]["stateward.json"].as_str().unwrap()).unwrap();
    assert_eq!(held, dashboard());
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "shown");
    let off = objects(&render_set("default"));
    assert!(
        off.iter().all(|object| object["metadata"]["name"] != "stateward-dashboards"),
        "asked for by nobody"
    );
}
