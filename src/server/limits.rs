//! How much, how many and how long: every bound that protects the process from its clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bounds of the server. The defaults are for production; tests shorten the times.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For the TLS handshake, from the accepted connection on.
    pub handshake: Duration,
    /// For the headers of a request, from its first byte on.
    pub headers: Duration,
    /// For the whole body, however steadily it drips.
    pub body: Duration,
    /// For an answer, where the request names no shorter `timeout`.
    pub answer: Duration,
    /// A connection without any request for so long is closed. Longer than the 90 s after which API
    /// servers close idle connections themselves: the side that sends must be the side that closes,
    /// or a request meets a closing connection and the user's object is refused.
    pub idle: Duration,
    /// Bytes of one body. A review holds two objects of up to 3 MiB in their stored form, and JSON
    /// can be longer than what is stored.
    pub body_bytes: usize,
    /// KiB that all bodies together may hold in memory.
    pub bodies_kib: usize,
    /// Connections served at once; further ones wait.
    pub connections: usize,
    /// Connections that may be in their handshake, or wait for a place, at once.
    pub handshakes: usize,
    /// Reviews evaluated at once.
    pub evaluations: usize,
    /// Reviews that may wait for an evaluation; further ones are shed.
    pub queue: usize,
    /// For how long a review may wait for its evaluation.
    pub queue_wait: Duration,
    /// Bodies up to so many bytes are evaluated on the thread that received them.
    pub inline_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            handshake: Duration::from_secs(5),
            headers: Duration::from_secs(5),
            body: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            idle: Duration::from_mins(2),
            body_bytes: 16 << 20,
            bodies_kib: 128 << 10,
            connections: 512,
            handshakes: 1024,
            evaluations: cores * 2,
            queue: cores * 16,
            queue_wait: Duration::from_secs(1),
            // An ordinary review is 2 to 50 KB and takes about a millisecond at most
            // (docs/performance.md). One of megabytes takes hundreds, in which this thread could
            // serve nobody else.
            inline_bytes: 256 << 10,
        }
    }
}

/// What the caller is left to get the answer across the network.
const MARGIN: Duration = Duration::from_millis(500);

impl Limits {
    /// When to give up on a request: half a second before the caller does, told by `?timeout=5s`.
    #[must_use]
    pub fn deadline(&self, query: Option<&str>) -> Duration {
        let asked = query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .find_map(|pair| pair.strip_prefix("timeout="))
            .and_then(parse_duration)
            .filter(|asked| !asked.is_zero());
        let whole = asked.map_or(self.answer, |asked| asked.min(self.answer));
        whole.checked_sub(MARGIN).unwrap_or_default().max(whole / 2)
    }
}

/// Reads a duration as Go writes it: `10s`, `500ms`, `1m30s`, `0`. `None` if it is none, or longer
/// than a day.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit = rest[number..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| number + end);
        let scale = match &rest[number..unit] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += rest[..number].parse::<f64>().ok()? * scale;
        rest = &rest[unit..];
    }
    (!text.is_empty() && seconds <= 86_400.0).then(|| Duration::from_secs_f64(seconds))
}

/// Bounds how many reviews are evaluated, and how many wait for it.
#[derive(Debug)]
pub(super) struct Gate {
    running: Arc<Semaphore>,
    waiting: Semaphore,
    patience: Duration,
}

impl Gate {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            running: Arc::new(Semaphore::new(limits.evaluations)),
            waiting: Semaphore::new(limits.queue),
            patience: limits.queue_wait,
        }
    }

    /// A place to evaluate in, or `None` if too many wait already or the wait was too long.
    pub(super) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.running).try_acquire_owned() {
            return Some(place);
        }
        let _queued = self.waiting.try_acquire().ok()?;
        let place = Arc::clone(&self.running).acquire_owned();
        tokio::time::timeout(self.patience, place).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_go_writes_them() {
        for (text, expected) in [
            ("5s", Some(5_000)),
            ("500ms", Some(500)),
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1_500)),
            ("0", Some(0)),
            ("", None),
            ("5", None),
            ("abc", None),
            ("-5s", None),
            ("5x", None),
            ("1.2.3s", None),
            ("9999999h", None),
        ] {
            assert_eq!(parse_duration(text), expected.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn the_deadline_leaves_the_answer_time_to_travel() {
        let limits = Limits::default();
        for (query, milliseconds) in [
            (None, 9_500),
            (Some("timeout=5s"), 4_500),
            (Some("a=b&timeout=30s"), 9_500),
            (Some("timeout=600ms"), 300),
            (Some("timeout=abc"), 9_500),
            (Some("timeout=0s"), 9_500),
        ] {
            assert_eq!(limits.deadline(query), Duration::from_millis(milliseconds), "{query:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_gate_lets_a_few_wait_and_turns_the_rest_away() {
        let limits = Limits { evaluations: 1, queue: 1, ..Limits::default() };
        let gate = Arc::new(Gate::new(&limits));
        let first = gate.enter().await;
        let second = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter().await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(gate.enter().await.is_none(), "the queue is full");
        drop(first);
        assert!(second.await.unwrap(), "who waited comes next");
    }
}
