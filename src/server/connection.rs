//! Serves one connection: HTTP/1.1 or HTTP/2, with an eye on idle and slow clients.

mod activity;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::MissedTickBehavior;
use tower::ServiceExt;

use self::activity::{Activity, Verdict, Watched};
use super::drain::{Drain, Phase};
use super::limits::Limits;

/// How often to look at what a connection is doing.
const LOOK: Duration = Duration::from_millis(250);

/// What the client and we agreed to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Serves the connection until it ends, falls silent, or the process stops.
pub(super) async fn serve<I>(io: I, protocol: Protocol, app: Router, limits: &Limits, drain: &Drain)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::new(protocol));
    let service = service_fn({
        let (activity, drain) = (Arc::clone(&activity), drain.clone());
        move |request| respond(app.clone(), request, Arc::clone(&activity), drain.clone())
    });
    let builder = builder(protocol);
    let watched = TokioIo::new(Watched::new(io, Arc::clone(&activity)));
    let mut connection = pin!(builder.serve_connection(watched, service));
    let mut stopping = pin!(drain.reached(Phase::Stopping));
    let (mut is_stopping, mut is_closing) = (false, false);
    let mut looks = tokio::time::interval(LOOK.min(limits.headers / 4).min(limits.idle / 4));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // What has arrived is read before anything is decided: a request on an idle connection counts as
            // one only once it is read, and closing would lose it.
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = activity.asked_to_close() => connection.as_mut().graceful_shutdown(),
            () = &mut stopping, if !is_stopping => is_stopping = true,
            _ = looks.tick() => match activity.verdict(limits) {
                Verdict::Fine => {}
                Verdict::Idle => connection.as_mut().graceful_shutdown(),
                Verdict::Stuck => return,
            },
        }
        if is_stopping && !is_closing && activity.may_close() {
            is_closing = true;
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// Hyper's own time-out for headers stays off: it also runs while a kept-alive connection is idle,
/// and would close it under the next request of an API server. [`Activity`] knows the difference.
fn builder(protocol: Protocol) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    let mut builder = match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    };
    builder.http1().header_read_timeout(None).max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(16 << 10)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

async fn respond(
    app: Router,
    request: Request<Incoming>,
    activity: Arc<Activity>,
    drain: Drain,
) -> Result<Response<Body>, Infallible> {
    let _busy = activity.begin();
    let version = request.version();
    let mut response = app.oneshot(request.map(Body::new)).await?;
    if drain.is_leaving() {
        if version == Version::HTTP_2 {
            activity.ask_to_close();
        } else {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Which of the two the task sees first is chance, unless something decides it.
    #[tokio::test(start_paused = true)]
    async fn a_request_that_has_arrived_when_the_process_stops_is_answered() {
        for round in 0..32 {
            let (mut client, io) = tokio::io::duplex(4096);
            let (drain, app) = (Drain::default(), Router::new().route("/", get(|| async { "fine" })));
            let server = tokio::spawn({
                let drain = drain.clone();
                async move { serve(io, Protocol::Http1, app, &Limits::default(), &drain).await }
            });
            // Long enough that it is a new connection no more.
            tokio::time::sleep(Duration::from_secs(2)).await;
            client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            drain.advance(Phase::Stopping);
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "round {round}: {answer:?}");
            assert!(answer.contains("connection: close"), "round {round}: {answer:?}");
            server.await.unwrap();
        }
    }
}
