//! What a connection is doing: idle, sending headers, or being answered.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Protocol;
use crate::server::limits::Limits;

/// For how long a connection that is new, or was answered last, has the chance to bring its next request when
/// the process stops. That one is answered with the wish to close, after which nothing is on its way.
const NEXT_REQUEST: Duration = Duration::from_secs(1);

/// What is to be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// Nothing for long: to be closed politely.
    Idle,
    /// Headers that do not end, or a peer that ignores our wish to close.
    Stuck,
}

/// The record that reader, service and driver of one connection share.
#[derive(Debug)]
pub(super) struct Activity {
    protocol: Protocol,
    close: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// When the last request ended, or the connection began.
    rested: Instant,
    /// When the first byte of a request came that has not been handed to the service yet.
    headers: Option<Instant>,
}

impl Activity {
    pub(super) fn new(protocol: Protocol) -> Self {
        let state = State { in_flight: 0, rested: Instant::now(), headers: None };
        Self { protocol, close: Notify::new(), state: Mutex::new(state) }
    }

    /// A request has come whole as far as its headers go; it is in flight until the guard drops.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        let mut state = self.state();
        state.in_flight += 1;
        state.headers = None;
        drop(state);
        Busy(Arc::clone(self))
    }

    /// Asks the driver to end the connection after what is in flight.
    pub(super) fn ask_to_close(&self) {
        self.close.notify_one();
    }

    pub(super) async fn asked_to_close(&self) {
        self.close.notified().await;
    }

    /// Whether the connection can be closed politely without losing a request on its way. Hyper
    /// closes an HTTP/1.1 connection at once that has not brought a whole request yet, and who has
    /// just shaken hands, or was answered a moment ago, may be about to send one. HTTP/2 has GOAWAY for this.
    pub(super) fn may_close(&self) -> bool {
        let state = self.state();
        let is_fresh = state.rested.elapsed() < NEXT_REQUEST;
        self.protocol == Protocol::Http2 || !is_fresh && state.headers.is_none()
    }

    pub(super) fn verdict(&self, limits: &Limits) -> Verdict {
        let state = self.state();
        if state.in_flight > 0 {
            return Verdict::Fine;
        }
        let rest = state.rested.elapsed();
        if state.headers.is_some_and(|since| since.elapsed() >= limits.headers)
            || rest >= limits.idle + limits.headers
        {
            return Verdict::Stuck;
        }
        if rest >= limits.idle { Verdict::Idle } else { Verdict::Fine }
    }

    /// HTTP/2 sends pings and window updates between requests, so there its bytes say nothing;
    /// headers that never end are caught by the bound on idleness.
    fn received(&self) {
        let mut state = self.state();
        if self.protocol == Protocol::Http1 && state.in_flight == 0 && state.headers.is_none() {
            state.headers = Some(Instant::now());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in flight.
pub(super) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight -= 1;
        state.rested = Instant::now();
    }
}

/// The connection's bytes, noting when some arrive.
pub(super) struct Watched<I> {
    io: I,
    activity: Arc<Activity>,
}

impl<I> Watched<I> {
    pub(super) fn new(io: I, activity: Arc<Activity>) -> Self {
        Self { io, activity }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_may_rest_but_headers_may_not() {
        let limits = Limits::default();
        let activity = Arc::new(Activity::new(Protocol::Http1));
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(activity.verdict(&limits), Verdict::Fine, "longer than API servers keep one idle");
        activity.received();
        tokio::time::advance(Duration::from_secs(4)).await;
        activity.received();
        assert_eq!(activity.verdict(&limits), Verdict::Fine);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(activity.verdict(&limits), Verdict::Stuck, "5 s after the first byte");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_on_its_way_is_waited_for() {
        let activity = Arc::new(Activity::new(Protocol::Http1));
        assert!(!activity.may_close(), "just shaken hands");
        tokio::time::advance(NEXT_REQUEST).await;
        assert!(activity.may_close(), "it does not want anything");
        activity.received();
        assert!(!activity.may_close(), "its headers are coming");
        drop(activity.begin());
        assert!(!activity.may_close(), "who has just been answered may be about to ask again");
        tokio::time::advance(NEXT_REQUEST).await;
        assert!(activity.may_close());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_flight_is_never_cut_and_ends_the_rest() {
        let limits = Limits::default();
        let activity = Arc::new(Activity::new(Protocol::Http1));
        activity.received();
        let busy = activity.begin();
        activity.received();
        tokio::time::advance(limits.idle * 2).await;
        assert_eq!(activity.verdict(&limits), Verdict::Fine);
        drop(busy);
        assert_eq!(activity.verdict(&limits), Verdict::Fine);
        tokio::time::advance(limits.idle).await;
        assert_eq!(activity.verdict(&limits), Verdict::Idle);
        tokio::time::advance(limits.headers).await;
        assert_eq!(activity.verdict(&limits), Verdict::Stuck);
    }
}
