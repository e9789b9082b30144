//! The plain listener for kubelet and Prometheus: `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

use super::readiness::Readiness;
use crate::telemetry::Metrics;

/// The routes of the admin listener.
///
/// `/livez` asks nothing but that the process answers: tied to the API server or to certificates,
/// it would restart every replica for a fault that a restart cannot mend.
pub fn router(readiness: Readiness, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(async move || ready(&readiness)))
        .route("/metrics", get(async move || exposed(&metrics)))
}

fn ready(readiness: &Readiness) -> (StatusCode, String) {
    let (status, verdict) = if readiness.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    (status, format!("{}{verdict}\n", readiness.report()))
}

fn exposed(metrics: &Metrics) -> impl axum::response::IntoResponse + use<> {
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, format)], metrics.encode())
}
