//! Lists and watches the objects of one kind into a memory, for ever.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use kube::Client;
use kube::api::{ListParams, ObjectList, Request, WatchParams};
use kube::core::WatchEvent;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::DefaultBackoff;
use tokio::time::Instant;

use super::seen::Seen;
use crate::listing::LIST;
use crate::server::Readiness;
use crate::telemetry::{Metrics, Store};

/// Objects in one page.
const PAGE: u32 = 500;
/// For how long the API server keeps one watch open, in seconds. Bookmarks come every minute.
const WATCH_SECONDS: u32 = 290;
/// The least time between two watches.
const PAUSE: Duration = Duration::from_secs(1);
/// After so long without a word the connection is taken for dead.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);

/// Takes what a watch brings.
pub(super) trait Memory: Send + Sync + 'static {
    /// What is kept of an object.
    type Kept: Send;
    /// What is to be kept of this object; `None` if nothing is.
    fn read(object: Seen) -> Option<Self::Kept>;
    /// These are all objects; whatever else is known is gone.
    fn replace(&self, objects: Vec<Self::Kept>);
    /// This object is new or has changed.
    fn apply(&self, object: Seen);
    /// This object is gone.
    fn delete(&self, object: &Seen);
    /// How many objects are known.
    fn len(&self) -> usize;
}

/// Which objects to follow, and whom to tell about it.
#[derive(Clone)]
pub(super) struct Feed {
    /// The plural of the kind, which is one of the core API: a part of `/readyz` and a metric's label.
    pub(super) store: &'static str,
    /// A label that the objects must have.
    pub(super) labels: Option<&'static str>,
    pub(super) readiness: Readiness,
    pub(super) metrics: Arc<Metrics>,
}

/// Why following broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("failed to list: {}", said(.0))]
    List(#[source] kube::Error),
    #[error("the API server did not answer a list within {LIST:?}")]
    ListTimeout,
    #[error("failed to watch: {}", said(.0))]
    Watch(#[source] kube::Error),
    #[error("the watch was ended: {0}")]
    Ended(String),
    #[error("nothing was heard for {SILENCE:?}")]
    Silent,
}

/// Where the next round begins.
enum Next {
    /// Watch on from here.
    Watch(String),
    /// What we know is too old to watch on from.
    List,
}

/// Follows the objects for ever. Errors are said, waited out with growing, jittered pauses, and
/// never forget what is known.
pub(super) async fn follow(client: Client, feed: Feed, memory: Arc<impl Memory>) {
    let mut pauses = DefaultBackoff::default();
    let mut next = Next::List;
    loop {
        let began = Instant::now();
        let round = match &next {
            Next::List => list(&client, &feed, &*memory).await.map(Next::Watch),
            Next::Watch(version) => watch(&client, &feed, &*memory, version).await,
        };
        match round {
            Ok(step) => {
                pauses.reset();
                // A proxy that ends every watch at once must not be met by a tight loop.
                if matches!(next, Next::Watch(_)) && began.elapsed() < PAUSE {
                    tokio::time::sleep(PAUSE).await;
                }
                next = step;
            }
            Err(broken) => {
                if let Some(verb) = broken.absent_or_forbidden() {
                    feed.explain(&verb, &*memory);
                } else {
                    tracing::warn!(store = feed.store, error = %broken, "lost touch with the API server");
                }
                // A list is cheap beside a wrong guess about what was missed.
                next = Next::List;
                tokio::time::sleep(pauses.next().unwrap_or(LIST)).await;
            }
        }
    }
}

/// Lists everything, page by page, and gives the version to watch from.
async fn list<M: Memory>(client: &Client, feed: &Feed, memory: &M) -> Result<String, Broken> {
    let mut params = ListParams::default().limit(PAGE);
    params.label_selector = feed.labels.map(str::to_owned);
    let mut objects = Vec::new();
    loop {
        let request = feed.request().list(&params).map_err(kube::Error::BuildRequest);
        let page = client.request::<ObjectList<Seen>>(request.map_err(Broken::List)?);
        let page = tokio::time::timeout(LIST, page).await;
        let page = page.map_err(|_| Broken::ListTimeout)?.map_err(Broken::List)?;
        objects.extend(page.items.into_iter().filter_map(M::read));
        params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if params.continue_token.is_none() {
            memory.replace(objects);
            feed.readiness.ready(feed.store);
            feed.heard(memory);
            tracing::info!(store = feed.store, objects = memory.len(), "listed");
            return Ok(page.metadata.resource_version.unwrap_or_default());
        }
    }
}

/// Watches until the API server ends the watch, as it does every few minutes.
async fn watch(client: &Client, feed: &Feed, memory: &impl Memory, version: &str) -> Result<Next, Broken> {
    let mut version = version.to_owned();
    let mut params = WatchParams::default().timeout(WATCH_SECONDS);
    params.label_selector = feed.labels.map(str::to_owned);
    let request = feed.request().watch(&params, &version).map_err(kube::Error::BuildRequest);
    let opening = client.request_events::<Seen>(request.map_err(Broken::Watch)?);
    let opening = tokio::time::timeout(LIST, opening).await;
    let events = opening.map_err(|_| Broken::Silent)?.map_err(Broken::Watch)?;
    let mut events = std::pin::pin!(events);
    loop {
        let event = tokio::time::timeout(SILENCE, events.next()).await.map_err(|_| Broken::Silent)?;
        let Some(event) = event else {
            return Ok(Next::Watch(version));
        };
        match event.map_err(Broken::Watch)? {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                note(&mut version, object.metadata.resource_version.as_deref());
                memory.apply(object);
            }
            WatchEvent::Deleted(object) => {
                note(&mut version, object.metadata.resource_version.as_deref());
                memory.delete(&object);
            }
            WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
            // The history that we wanted to continue from is gone: no fault, just a new list.
            WatchEvent::Error(status) if status.code == 410 => return Ok(Next::List),
            WatchEvent::Error(status) => return Err(Broken::Ended(status.message)),
        }
        feed.heard(memory);
    }
}

/// What went wrong, in the API server's own words where it has answered, else with all causes.
pub(crate) fn said(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn note(version: &mut String, seen: Option<&str>) {
    if let Some(seen) = seen {
        seen.clone_into(version);
    }
}

impl Feed {
    /// Where the objects are asked for.
    fn request(&self) -> Request {
        Request::new(format!("/api/v1/{}", self.store))
    }

    /// Tells readiness to wait for the first list.
    pub(super) fn announce(&self) {
        self.readiness.wait_for(self.store, "waiting for the first list");
    }

    fn heard(&self, memory: &impl Memory) {
        let label = Store { store: self.store };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        self.metrics.store_synced.get_or_create(&label).set(now);
        let known = i64::try_from(memory.len()).unwrap_or(i64::MAX);
        self.metrics.store_objects.get_or_create(&label).set(known);
    }

    /// A kind that the API server does not serve holds nothing, which is an answer. One that we may
    /// not read would give wrong answers, unless it could be read before.
    fn explain(&self, refusal: &Refusal, memory: &impl Memory) {
        match refusal {
            Refusal::Absent => {
                tracing::warn!(
                    store = self.store,
                    "the API server does not serve this kind: taken for empty"
                );
                memory.replace(Vec::new());
                self.readiness.ready(self.store);
            }
            Refusal::Forbidden { verb } => {
                let store = self.store;
                tracing::error!(store, verb, "forbidden: grant list and watch in stateward's ClusterRole");
                if self.metrics.store_synced.get(&Store { store }).is_none_or(|seen| seen.get() == 0) {
                    let why =
                        format!("may not {verb} {store}: grant list and watch in stateward's ClusterRole");
                    self.readiness.wait_for(store, why);
                }
            }
        }
    }
}

/// An answer of the API server that repeating will not change soon.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Absent,
    Forbidden { verb: &'static str },
}

impl Broken {
    fn absent_or_forbidden(&self) -> Option<Refusal> {
        let (error, verb) = match self {
            Self::List(error) => (error, "list"),
            Self::Watch(error) => (error, "watch"),
            Self::ListTimeout | Self::Ended(_) | Self::Silent => return None,
        };
        match error {
            kube::Error::Api(status) if status.code == 404 => Some(Refusal::Absent),
            kube::Error::Api(status) if status.code == 403 => Some(Refusal::Forbidden { verb }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
