//! What is asked once more. A cluster that answered a moment ago is back in a moment, as a rule: an API
//! server, a load balancer or a webhook restarts.
//!
//! The client repeats by itself what was answered by 429, 503 or 504, after the time that the answer names (see
//! [`client`](crate::server::client)). What it gives up at is repeated here: a connection that ends, a 500, and an API
//! group that nobody serves.

use std::time::{Duration, Instant};

use kube::runtime::watcher::DefaultBackoff;

/// How long a cluster that answered before may be away.
const OUTAGE: Duration = Duration::from_secs(30);

/// How long one kind may give no answer while the cluster gives others.
const ODD: Duration = Duration::from_secs(4);

/// How often something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tries {
    /// Whatever comes of it.
    Once,
    /// For as long as the cluster may be away.
    Again,
}

/// The pauses between the tries, each longer than the one before.
pub(in crate::cli) struct Pauses {
    backoff: DefaultBackoff,
    end: Instant,
}

impl Pauses {
    /// Of what fails now for the first time, or is about to be tried.
    pub(in crate::cli) fn begin() -> Self {
        Self { backoff: DefaultBackoff::default(), end: Instant::now() + OUTAGE }
    }

    /// Of a kind that fails alone.
    pub(in crate::cli) fn of_one_kind() -> Self {
        Self { end: Instant::now() + ODD, ..Self::begin() }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    /// `None` when the time is over.
    fn next(&mut self) -> Option<Duration> {
        self.backoff.next().filter(|pause| Instant::now() + *pause < self.end)
    }
}

/// Whether the same request may have another answer in a moment.
pub(super) fn passes(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 429 | 500 | 502 | 503 | 504),
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn what_is_answered_for_good_is_not_asked_again() {
        let api = |code| kube::Error::Api(Status::failure("", "").with_code(code).boxed());
        assert!([429, 500, 502, 503, 504].into_iter().all(|code| passes(&api(code))));
        assert!([400, 401, 403, 404, 409, 410, 422, 501].into_iter().all(|code| !passes(&api(code))));
        assert!(passes(&kube::Error::Service("the connection was closed".into())));
        let unreadable = serde_json::from_str::<u8>("x").unwrap_err();
        assert!(!passes(&kube::Error::SerdeError(unreadable)));
    }

    #[test]
    fn pauses_end() {
        let pauses: Vec<Duration> = Pauses::begin().collect();
        assert!(pauses.len() >= 3 && pauses.iter().all(|pause| *pause < OUTAGE), "{pauses:?}");
        let over = Pauses { end: Instant::now(), ..Pauses::begin() };
        assert_eq!(over.count(), 0);
    }
}
