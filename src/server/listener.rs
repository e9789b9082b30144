//! Accepts connections: bounds their number, shakes hands, and lets them finish at the end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::{self, Protocol};
use super::drain::{Drain, Phase};
use super::limits::Limits;
use super::tls::handshake::Failure;
use crate::telemetry::{Metrics, Reason, Throttle};

/// How long in-flight requests have after accepting has ended.
pub(super) const FINISH: Duration = Duration::from_secs(15);
/// Pause after a failed accept: out of file descriptors, a tight loop would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that listens, and all that its connections need.
pub(super) struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
    handshakes: Arc<Semaphore>,
}

struct Shared {
    tls: Option<TlsAcceptor>,
    app: Router,
    limits: Limits,
    drain: Drain,
    metrics: Arc<Metrics>,
    places: Arc<Semaphore>,
    failures: Throttle,
}

impl Listener {
    pub(super) fn new(
        socket: TcpListener,
        tls: Option<TlsAcceptor>,
        app: Router,
        limits: Limits,
        drain: Drain,
        metrics: Arc<Metrics>,
    ) -> Self {
        let handshakes = Arc::new(Semaphore::new(limits.handshakes));
        let places = Arc::new(Semaphore::new(limits.connections));
        let failures = Throttle::new(Duration::from_secs(10));
        Self {
            socket,
            shared: Arc::new(Shared { tls, app, limits, drain, metrics, places, failures }),
            handshakes,
        }
    }

    /// Accepts until the process stops, then waits for what is in flight. Gives the number of
    /// connections that had to be cut.
    pub(super) async fn run(self) -> usize {
        let mut connections = JoinSet::new();
        let stopping = self.shared.drain.clone();
        let mut stopping = std::pin::pin!(stopping.reached(Phase::Stopping));
        loop {
            tokio::select! {
                // Handshakes have places of their own, so that clients which connect and say
                // nothing keep out only each other.
                (slot, accepted) = self.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(Arc::clone(&self.shared).serve(stream, slot));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "failed to accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                () = &mut stopping => break,
            }
        }
        for stream in welcomed(self.socket) {
            let (shared, handshakes) = (Arc::clone(&self.shared), Arc::clone(&self.handshakes));
            connections.spawn(async move {
                let slot = handshakes.acquire_owned().await.ok();
                shared.serve(stream, slot).await;
            });
        }
        let _ =
            tokio::time::timeout(FINISH, async { while connections.join_next().await.is_some() {} }).await;
        let cut = connections.len();
        connections.shutdown().await;
        cut
    }

    async fn accept(
        &self,
    ) -> (Option<OwnedSemaphorePermit>, std::io::Result<(TcpStream, std::net::SocketAddr)>) {
        // Nobody closes this semaphore, so there always is a slot in the end.
        let slot = Arc::clone(&self.handshakes).acquire_owned().await.ok();
        (slot, self.socket.accept().await)
    }
}

/// Closes the socket and gives whom the kernel has welcomed by then. The kernel itself is asked: the runtime
/// tells only of those of whom it has heard.
fn welcomed(socket: TcpListener) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    // It stays as it is, which is never to wait.
    let Ok(socket) = socket.into_std() else { return streams };
    loop {
        match socket.accept() {
            Ok((stream, _)) => {
                let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                streams.extend(stream.ok());
            }
            // That one has gone by itself.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(_) => return streams,
        }
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, stream: TcpStream, slot: Option<OwnedSemaphorePermit>) {
        // Answers are one write; waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            let Some(_place) = self.place(slot).await else {
                return;
            };
            return connection::serve(stream, Protocol::Http1, self.app.clone(), &self.limits, &self.drain)
                .await;
        };
        let shaken = tokio::time::timeout(self.limits.handshake, tls.accept(stream)).await;
        let stream = match shaken.map_err(|_| Failure::Timeout).and_then(|s| s.map_err(|e| Failure::of(&e))) {
            Ok(stream) => stream,
            Err(failure) => return self.note(failure),
        };
        let Some(_place) = self.place(slot).await else {
            return self.note(Failure::NoPlace);
        };
        let protocol = protocol(&stream);
        connection::serve(stream, protocol, self.app.clone(), &self.limits, &self.drain).await;
    }

    /// A place among the connections, in exchange for the slot among the handshakes.
    async fn place(&self, slot: Option<OwnedSemaphorePermit>) -> Option<Place> {
        let place = Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(self.limits.handshake, place).await.ok()?.ok()?;
        drop(slot);
        self.metrics.connections.inc();
        Some(Place { _place: place, metrics: Arc::clone(&self.metrics) })
    }

    fn note(&self, failure: Failure) {
        let reason = failure.as_str();
        self.metrics.handshake_failures.get_or_create(&Reason { reason }).inc();
        if failure.is_routine() {
            tracing::debug!(reason, "a TLS handshake failed");
        } else if let Some(more) = self.failures.pass() {
            tracing::warn!(reason, more_unsaid = more, remedy = failure.remedy(), "a TLS handshake failed");
        }
    }
}

/// A connection's place, for as long as it is served.
struct Place {
    _place: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

fn protocol(stream: &TlsStream<TcpStream>) -> Protocol {
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use axum::routing::get;

    use super::*;

    /// The kernel completes a connection before anybody here hears of it.
    #[tokio::test]
    async fn whom_the_kernel_has_welcomed_is_served_though_nobody_has_heard_of_it_yet() {
        let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, drain) = (socket.local_addr().unwrap(), Drain::default());
        let app = Router::new().route("/", get(|| async { "fine" }));
        let metrics = Arc::new(Metrics::new());
        let listener = Listener::new(socket, None, app, Limits::default(), drain.clone(), metrics);
        let running = tokio::spawn(listener.run());
        tokio::task::yield_now().await;
        // Nothing is awaited up to the end, so that the runtime cannot look at its sockets in between.
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        drain.advance(Phase::Stopping);
        assert_eq!(running.await.unwrap(), 0);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    }
}
