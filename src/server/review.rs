//! Answers `/mutate` and `/validate`: HTTP around [`Respond`].

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Webhook;
use super::body::{self, Held};
use super::rejection::Rejection;
use crate::admission::{Answer, Endpoint, Summary};
use crate::telemetry::Metrics;

/// Answers one request and counts what became of it.
pub(super) async fn review(webhook: Arc<Webhook>, endpoint: Endpoint, request: Request) -> Response {
    let _in_flight = InFlight::enter(&webhook.metrics);
    let began = Instant::now();
    let time = webhook.limits.deadline(request.uri().query());
    let answer = answer(&webhook, endpoint, request, began + time / 2);
    let answered = tokio::time::timeout_at(began + time, answer).await;
    let response = match answered.unwrap_or(Err(Rejection::Late)) {
        Ok(answer) => {
            webhook.metrics.count(&answer.summary);
            log(endpoint, &answer.summary, began);
            ([(CONTENT_TYPE, "application/json")], Bytes::from(answer.body)).into_response()
        }
        Err(rejection) => {
            webhook.metrics.count_outcome("unknown", rejection.outcome());
            if matches!(rejection, Rejection::Busy) {
                webhook.metrics.shed.inc();
            }
            tracing::debug!(?endpoint, outcome = rejection.outcome(), "rejected a request");
            rejection.into_response()
        }
    };
    webhook.metrics.duration.observe(began.elapsed().as_secs_f64());
    response
}

/// Until `patience` ends, a profile is not refused for want of its parent: `kubectl apply` of a file makes one right
/// after the other, before our watch has told of the first.
async fn answer(
    webhook: &Webhook,
    endpoint: Endpoint,
    request: Request,
    patience: Instant,
) -> Result<Answer, Rejection> {
    let (head, body) = request.into_parts();
    if !is_json(&head.headers) {
        return Err(Rejection::WrongType);
    }
    let body = Arc::new(body::read(&head.headers, body, &webhook.limits, &webhook.memory).await?);
    // Before the first evaluation, so that no change after it is missed. Profiles are validated alone.
    let validates = endpoint == Endpoint::Validate;
    let mut changes = validates.then(|| webhook.responder.profile_changes()).flatten();
    loop {
        let place = webhook.gate.enter().await.ok_or(Rejection::Busy)?;
        let answer = evaluate(webhook, endpoint, Arc::clone(&body), place).await?;
        let Some(changes) = changes.as_mut().filter(|_| answer.summary.lacks_parent) else {
            return Ok(answer);
        };
        if !matches!(tokio::time::timeout_at(patience, changes.changed()).await, Ok(Ok(()))) {
            return Ok(answer);
        }
    }
}

/// Evaluates a short body here and a long one on a thread that may block. The place is kept until
/// the evaluation has ended, even if nobody waits for it any more.
async fn evaluate(
    webhook: &Webhook,
    endpoint: Endpoint,
    body: Arc<Held>,
    place: OwnedSemaphorePermit,
) -> Result<Answer, Rejection> {
    if body.len() <= webhook.limits.inline_bytes {
        return Ok(webhook.responder.answer(endpoint, &body)?);
    }
    let responder = Arc::clone(&webhook.responder);
    let evaluation = tokio::task::spawn_blocking(move || {
        let answer = responder.answer(endpoint, &body);
        drop(place);
        answer
    });
    match evaluation.await {
        Ok(answer) => Ok(answer?),
        Err(ended) => match ended.try_into_panic() {
            // Caught, counted and answered in one place, wherever it happened.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Rejection::Internal),
        },
    }
}

/// Whether the body says it is JSON, with or without parameters such as a charset.
fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// One line per review. What changed nothing is worth a line only to those who ask for more.
fn log(endpoint: Endpoint, summary: &Summary, began: Instant) {
    let Summary { operation, outcome, injections, reasons, object, uid, pin, warnings, lacks_parent: _ } =
        summary;
    let injected: u64 = injections.iter().map(|(_, number)| number).sum();
    let microseconds = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    if matches!(*outcome, "expanded" | "refused" | "bypassed") {
        tracing::info!(
            ?endpoint,
            operation,
            outcome,
            object,
            uid,
            pin,
            injected,
            ?reasons,
            warnings,
            microseconds,
            "reviewed"
        );
    } else {
        tracing::debug!(?endpoint, operation, outcome, object, uid, pin, warnings, microseconds, "reviewed");
    }
}

/// Counts a request as in flight for as long as it lives, however it ends.
struct InFlight<'a>(&'a Metrics);

impl<'a> InFlight<'a> {
    fn enter(metrics: &'a Metrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}
