//! Which calls, and what becomes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::{Method, Uri};
use tokio::sync::watch;

use crate::harness::PATIENCE;

/// One request that a replica sent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// By whom.
    pub(crate) replica: &'static str,
    /// As roles name it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub(crate) verb: &'static str,
    /// Its path, without the query.
    pub(crate) path: String,
    /// Its query.
    pub(crate) query: String,
    /// When it came.
    pub(crate) at: Instant,
    /// What it was answered; 0 if it was not.
    pub(crate) status: u16,
}

/// Some calls.
#[derive(Debug, Clone)]
pub(crate) struct On {
    replica: Option<&'static str>,
    verbs: &'static [&'static str],
    path: String,
    /// Nothing below the path is meant.
    itself: bool,
    query: &'static str,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// This answer, with so many seconds of `Retry-After`.
    Answer(u16, &'static str, Option<u64>),
    /// The connection ends without an answer.
    Close,
    /// The first half of the answer, and then the connection ends.
    Half,
    /// It is kept until the rule is lifted and goes on its way then, also if nobody waits any more.
    Hold,
    /// It is done, and nobody hears of it.
    Lose,
    /// A list in pages of so many objects.
    Pages(usize),
    /// It is kept until the rule is lifted, and is never done.
    Stall,
}

/// What becomes of a watch that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// The connection ends.
    Cut,
    /// An ERROR event says that its history is gone.
    Gone,
    /// It stays open and brings nothing any more.
    Mute,
}

/// A fault for some calls, in force until its [`Switch`] goes.
#[derive(Debug)]
pub(super) struct Rule {
    on: On,
    pub(super) fault: Fault,
    left: AtomicUsize,
    hits: Arc<AtomicUsize>,
    lifted: watch::Receiver<()>,
}

/// Keeps a rule in force; dropping it lifts the rule.
pub(crate) struct Switch {
    hits: Arc<AtomicUsize>,
    _lifted: watch::Sender<()>,
}

impl Call {
    pub(super) fn new(replica: &'static str, method: &Method, uri: &Uri) -> Self {
        let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or_default().to_owned());
        let verb = match *method {
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ if query.contains("watch=true") => "watch",
            _ if is_collection(&path) => "list",
            _ => "get",
        };
        Self { replica, verb, path, query, at: Instant::now(), status: 0 }
    }

    /// Whether something was written by it.
    pub(crate) fn wrote(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch") && (200..300).contains(&self.status)
    }
}

/// Whether a path names a kind, in a namespace or in all, and no object.
fn is_collection(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let below = if parts[0] == "api" { 2 } else { 3 };
    match parts.get(below..) {
        Some(["namespaces", _, rest @ ..]) if !rest.is_empty() => rest.len() == 1,
        Some(rest) => rest.len() == 1,
        None => false,
    }
}

impl On {
    /// Calls with one of these verbs whose path has these parts; all verbs where there is none.
    pub(crate) fn new(verbs: &'static [&'static str], path: impl Into<String>) -> Self {
        Self { replica: None, verbs, path: path.into(), itself: false, query: "" }
    }

    /// Of this replica alone.
    pub(crate) fn of(self, replica: &'static str) -> Self {
        Self { replica: Some(replica), ..self }
    }

    /// For this path and nothing below it.
    pub(crate) fn itself(self) -> Self {
        Self { itself: true, ..self }
    }

    /// With this in the query.
    pub(crate) fn asking(self, query: &'static str) -> Self {
        Self { query, ..self }
    }

    pub(super) fn matches(&self, call: &Call) -> bool {
        self.replica.is_none_or(|replica| replica == call.replica)
            && (self.verbs.is_empty() || self.verbs.contains(&call.verb))
            && call.query.contains(self.query)
            && (!self.itself || call.path == self.path)
            && format!("{}/", call.path).contains(&format!("{}/", self.path))
    }
}

impl Rule {
    pub(super) fn new(on: On, fault: Fault, times: usize) -> (Self, Switch) {
        let (sender, lifted) = watch::channel(());
        let hits = Arc::new(AtomicUsize::new(0));
        let rule = Self { on, fault, left: AtomicUsize::new(times), hits: Arc::clone(&hits), lifted };
        (rule, Switch { hits, _lifted: sender })
    }

    /// Whether it is about this call, which counts as one of its times.
    pub(super) fn takes(&self, call: &Call) -> bool {
        let matches = !self.is_lifted() && self.on.matches(call);
        let left = |left: usize| left.checked_sub(1);
        let takes = matches && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok();
        if takes {
            self.hits.fetch_add(1, Ordering::SeqCst);
        }
        takes
    }

    pub(super) fn is_lifted(&self) -> bool {
        self.lifted.has_changed().is_err()
    }

    /// Ends when the rule is lifted.
    pub(super) fn lifting(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut lifted = self.lifted.clone();
        async move {
            let _ = lifted.changed().await;
        }
    }
}

impl Switch {
    /// How many calls it has met.
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    /// Waits until it has met so many.
    pub(crate) fn wait_hits(&self, times: usize) {
        let give_up = Instant::now() + PATIENCE;
        while self.hits() < times {
            assert!(Instant::now() < give_up, "{} calls of {times} came", self.hits());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
