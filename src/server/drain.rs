//! The end of the process, in steps that lose no request.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::readiness::Readiness;

/// How far the end has come. The order is that of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Business as usual.
    #[default]
    Serving,
    /// Not ready any more, but still accepting: others learn of it with a delay. Every answer asks
    /// its connection to be closed, so that the next request goes elsewhere.
    Leaving,
    /// No new connections; what is in flight is finished.
    Stopping,
}

/// Tells all parts of the server how far the end has come.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    phase: Arc<watch::Sender<Phase>>,
}

impl Drain {
    /// Starts the end. Later calls change nothing.
    pub fn begin(&self) {
        self.advance(Phase::Leaving);
    }

    pub(super) fn is_leaving(&self) -> bool {
        *self.phase.borrow() >= Phase::Leaving
    }

    /// Returns once `phase` has come.
    pub(super) async fn reached(&self, phase: Phase) {
        // The sender lives in self, so the wait cannot fail.
        let _ = self.phase.subscribe().wait_for(|now| *now >= phase).await;
    }

    /// Walks through the phases once the end has begun.
    pub(super) async fn walk(self, readiness: Readiness, delay: Duration) {
        self.reached(Phase::Leaving).await;
        readiness.wait_for("process", "draining");
        tracing::info!(?delay, "draining: not ready any more, still serving");
        tokio::time::sleep(delay).await;
        self.advance(Phase::Stopping);
    }

    /// Nothing goes back: an earlier phase changes nothing.
    pub(super) fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readiness_fails_first_and_accepting_ends_after_the_delay() {
        let (drain, readiness) = (Drain::default(), Readiness::new());
        let walk = tokio::spawn(drain.clone().walk(readiness.clone(), Duration::from_secs(10)));
        assert!(readiness.is_ready() && !drain.is_leaving());
        let began = tokio::time::Instant::now();
        drain.begin();
        drain.begin();
        drain.reached(Phase::Stopping).await;
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        assert!(!readiness.is_ready());
        walk.await.unwrap();
    }
}
