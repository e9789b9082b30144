//! Logs on stderr: text for people on a terminal, JSON for machines.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines that wait for a slow sink; beyond it lines are dropped and counted.
const QUEUE: usize = 4096;
/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_millis(500);

/// A log filter that cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the log level {level:?}: {source}; write for example `info` or `stateward=debug`")]
pub struct LogError {
    level: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Keeps the log's thread; dropped last, it gives the final lines a moment to leave.
#[derive(Debug)]
#[must_use = "dropping it ends the log"]
pub struct LogGuard {
    queue: SyncSender<Message>,
}

/// What the log's thread is told.
#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Everything before this has been written when the sender hears back.
    Flush(SyncSender<()>),
}

/// Starts logging at `level`, else as `RUST_LOG` says, else at `info`.
///
/// A second call in one process changes nothing. Lines go through a bounded queue to a thread of
/// their own: a blocked sink (a full pipe) loses lines, counted in `dropped`, and never holds a
/// request up.
///
/// # Errors
/// A level that is none.
pub fn init(level: Option<&str>, dropped: Counter) -> Result<LogGuard, LogError> {
    let wanted = level
        .map(str::to_owned)
        .or_else(|| std::env::var("RUST_LOG").ok())
        .unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(&wanted).map_err(|source| LogError { level: wanted, source })?;
    let (queue, lines) = sync_channel(QUEUE);
    let sink = Lossy { queue: queue.clone(), dropped };
    // Without a thread there is no log, and no reason to refuse admission for that.
    let _ =
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_lines(&lines, io::stderr()));
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(is_news));
    let _ = if io::stderr().is_terminal() {
        registry.with(tracing_subscriber::fmt::layer().with_writer(sink)).try_init()
    } else {
        registry
            .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(sink))
            .try_init()
    };
    say_where_panics_happen();
    Ok(LogGuard { queue })
}

/// What is said nowhere else. For each answer of 500 and above, one that is asked for again too, kube's client says
/// the code and no more; whoever asked says what was asked for and what follows.
fn is_news(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::ERROR || metadata.target() != "kube_client::client::builder"
}

/// Logs the place of a panic but not its message, which may quote what a user sent. Builds for
/// development and tests show it all the same.
fn say_where_panics_happen() {
    let shown_before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if cfg!(debug_assertions) {
            shown_before(panic);
        }
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!(%place, "panicked: a fault of stateward, please report it");
    }));
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let (written, wait) = sync_channel(1);
        if self.queue.try_send(Message::Flush(written)).is_ok() {
            let _ = wait.recv_timeout(LAST_LINES);
        }
    }
}

fn write_lines(lines: &Receiver<Message>, mut sink: impl Write) {
    for message in lines {
        match message {
            // A sink that is gone must not end the thread: the queue would fill for nothing.
            Message::Line(line) => drop(sink.write_all(&line)),
            Message::Flush(written) => {
                let _ = sink.flush();
                let _ = written.try_send(());
            }
        }
    }
}

/// Where tracing writes to: one line per event, dropped when the queue is full.
#[derive(Clone)]
struct Lossy {
    queue: SyncSender<Message>,
    dropped: Counter,
}

impl Write for Lossy {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.queue.try_send(Message::Line(line.to_vec()))
        {
            self.dropped.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lossy {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Lets one message of a kind through per period and counts the rest, so that a flood of bad
/// clients cannot become a flood of log lines.
#[derive(Debug, Clone)]
pub(crate) struct Throttle {
    period: Duration,
    state: Arc<Mutex<(Option<std::time::Instant>, u64)>>,
}

impl Throttle {
    /// At most one message per `period`.
    pub(crate) fn new(period: Duration) -> Self {
        Self { period, state: Arc::default() }
    }

    /// How many were held back since the last one, if one may be said now.
    pub(crate) fn pass(&self) -> Option<u64> {
        let now = std::time::Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.is_some_and(|last| now.duration_since(last) < self.period) {
            state.1 += 1;
            return None;
        }
        state.0 = Some(now);
        Some(std::mem::take(&mut state.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sink that never takes anything, as a full pipe does.
    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                std::thread::park();
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_blocked_sink_loses_lines_and_holds_nobody_up() {
        let (queue, lines) = sync_channel(4);
        std::thread::spawn(move || write_lines(&lines, Stuck));
        let dropped = Counter::default();
        let mut log = Lossy { queue, dropped: dropped.clone() };
        for _ in 0..100 {
            log.write_all(b"line\n").unwrap();
        }
        assert!(dropped.get() >= 95, "dropped {}", dropped.get());
    }

    #[test]
    fn one_message_passes_per_period() {
        let throttle = Throttle::new(Duration::from_mins(1));
        assert_eq!(throttle.pass(), Some(0));
        assert_eq!(throttle.pass(), None);
        let quick = Throttle::new(Duration::ZERO);
        assert_eq!((quick.pass(), quick.pass()), (Some(0), Some(0)));
    }
}
