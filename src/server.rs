//! The webhook's server: HTTP/1.1 and HTTP/2 over TLS, within bounds, and an end without losses.
//!
//! Knows nothing of StatefulSets: it hands bodies to a [`Respond`] and sends what comes back.

mod admin;
mod args;
mod body;
mod client;
mod connection;
mod drain;
mod limits;
mod listener;
mod readiness;
mod rejection;
mod review;
mod run;
pub mod tls;

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tower_http::catch_panic::CatchPanicLayer;

pub use self::admin::router as admin_router;
pub use self::args::WebhookArgs;
pub(crate) use self::args::{duration, own_namespace};
pub(crate) use self::client::client;
pub use self::drain::Drain;
use self::limits::Gate;
pub use self::limits::{Limits, parse_duration};
use self::listener::Listener;
pub use self::readiness::Readiness;
pub(crate) use self::run::{Signals, connect, tell_ready};
pub use self::run::{StartError, run};
use self::tls::Serving;
use crate::admission::{Admission, Answer, Endpoint, ReviewError};
use crate::telemetry::Metrics;

/// What answers reviews. [`Admission`] does; tests bring their own.
pub trait Respond: Send + Sync {
    /// Answers the review in `body`.
    ///
    /// # Errors
    /// As [`Admission::answer`].
    fn answer(&self, endpoint: Endpoint, body: &[u8]) -> Result<Answer, ReviewError>;

    /// Tells when other profiles are known, by which a review may be answered otherwise.
    fn profile_changes(&self) -> Option<watch::Receiver<u64>> {
        None
    }
}

impl Respond for Admission {
    fn answer(&self, endpoint: Endpoint, body: &[u8]) -> Result<Answer, ReviewError> {
        Self::answer(self, endpoint, body)
    }

    fn profile_changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.profiles.changes())
    }
}

/// What the routes of the webhook share.
pub struct Webhook {
    responder: Arc<dyn Respond>,
    limits: Limits,
    gate: Gate,
    /// KiB that bodies may still take.
    memory: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Webhook {
    /// A webhook that answers with `responder`, within `limits`.
    #[must_use]
    pub fn new(responder: Arc<dyn Respond>, limits: Limits, metrics: Arc<Metrics>) -> Arc<Self> {
        let (gate, memory) = (Gate::new(&limits), Arc::new(Semaphore::new(limits.bodies_kib)));
        Arc::new(Self { responder, limits, gate, memory, metrics })
    }
}

/// The routes of the webhook: POST `/mutate` and `/validate`.
pub fn router(webhook: &Arc<Webhook>) -> Router {
    let route = |endpoint| {
        let webhook = Arc::clone(webhook);
        post(async move |request: Request| review::review(webhook, endpoint, request).await)
    };
    let metrics = Arc::clone(&webhook.metrics);
    Router::new()
        .route("/mutate", route(Endpoint::Mutate))
        .route("/validate", route(Endpoint::Validate))
        .layer(CatchPanicLayer::custom(move |panic| caught(&metrics, panic)))
}

/// One review that makes us panic must not cost the others their connection. What the panic says
/// may quote the review, so it goes nowhere.
#[allow(clippy::needless_pass_by_value)] // the layer hands it over
fn caught(metrics: &Metrics, _panic: Box<dyn Any + Send>) -> Response {
    metrics.panics.inc();
    metrics.count_outcome("unknown", "panic");
    (StatusCode::INTERNAL_SERVER_ERROR, "stateward failed on this review; its log says where\n")
        .into_response()
}

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For the webhook, over TLS. Port 0 takes any free one.
    pub bind: SocketAddr,
    /// For `/livez`, `/readyz` and `/metrics`, in plain HTTP.
    pub admin_bind: SocketAddr,
    /// The bounds.
    pub limits: Limits,
    /// How long to keep accepting after readiness has failed.
    pub shutdown_delay: Duration,
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    admin: SocketAddr,
    drain: Drain,
    webhook: JoinHandle<usize>,
    others: Vec<JoinHandle<()>>,
}

/// Binds both sockets and serves on them until [`Running::drain`].
///
/// # Errors
/// An address that is taken or not ours.
pub async fn start(
    settings: Settings,
    webhook: &Arc<Webhook>,
    serving: &Arc<Serving>,
    readiness: &Readiness,
) -> Result<Running, StartError> {
    let tls = serving.acceptor().map_err(|source| StartError::Tls { source })?;
    let (socket, address) = bind(settings.bind, "--bind").await?;
    let (admin, admin_task) = serve_admin(settings.admin_bind, readiness, &webhook.metrics).await?;
    let (drain, metrics) = (Drain::default(), &webhook.metrics);
    let listener = Listener::new(
        socket,
        Some(tls),
        router(webhook),
        settings.limits,
        drain.clone(),
        Arc::clone(metrics),
    );
    let walk = tokio::spawn(drain.clone().walk(readiness.clone(), settings.shutdown_delay));
    let webhook = tokio::spawn(listener.run());
    tracing::info!(%address, %admin, "listening");
    Ok(Running { address, admin, drain, webhook, others: vec![admin_task, walk] })
}

/// Serves `/livez`, `/readyz` and `/metrics` until the task is aborted, and tells where.
pub(crate) async fn serve_admin(
    address: SocketAddr,
    readiness: &Readiness,
    metrics: &Arc<Metrics>,
) -> Result<(SocketAddr, JoinHandle<()>), StartError> {
    let (socket, address) = bind(address, "--admin-bind").await?;
    // Its own drain, which never begins: readiness must be seen to fail until the very end.
    let app = admin::router(readiness.clone(), Arc::clone(metrics));
    let limits = Limits { connections: 64, handshakes: 64, ..Limits::default() };
    let listener = Listener::new(socket, None, app, limits, Drain::default(), Arc::new(Metrics::new()));
    let task = tokio::spawn(async move {
        let _ = listener.run().await;
    });
    Ok((address, task))
}

async fn bind(address: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Bind { address, flag, source };
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    Ok((socket, address))
}

impl Running {
    /// Where the webhook listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin routes listen.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The handle with which to begin the end.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// Waits for the end: every request answered, or cut after 15 s. Gives the number of cut
    /// connections.
    pub async fn finished(mut self) -> usize {
        // A listener that panicked has lost its connections; that must not look like a clean end.
        let cut = (&mut self.webhook).await.unwrap_or(usize::MAX);
        tracing::info!(cut, "stopped serving");
        cut
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.webhook.abort();
        for task in &self.others {
            task.abort();
        }
    }
}
