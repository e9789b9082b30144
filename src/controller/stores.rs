//! What the controller knows of the cluster, kept up to date by watches.
//!
//! All StatefulSets are watched, trimmed, and not just those with our label: a watch by label tells
//! of a set that loses it as deleted, and a namespace can opt its sets in. Secrets are never read.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures::future::join_all;
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Config, DefaultBackoff, Event, watcher};
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::watch;

use super::memory::Memory;
use super::packed::Packer;
use super::plan::Live;
use super::profiles::Uses;
use super::served::{self, Served};
use super::set::{Set, SetRef};
use super::trim;
use super::wake::Wake;
use crate::catalogue::Catalogue;
use crate::catalogue::cluster::Joined;
use crate::companions::hosts::CLAIMING;
use crate::companions::{Kind, Labels, annotations_of, labels_of};
use crate::engine::is_resized;
use crate::listing;
use crate::profiles::Profiles;
use crate::server::Readiness;
use crate::settings::{Defaults, Pin, text};
use crate::telemetry::{Metrics, Store};

/// The stores.
pub(super) struct Stores {
    /// The objects beside the sets.
    beside: BTreeMap<Kind, Memory>,
    /// How the kinds are addressed whose objects we know.
    known: RwLock<Served>,
    /// The kinds that there are or may be: those that are served, and those of which there is no answer.
    possible: RwLock<BTreeSet<Kind>>,
    namespaces: Memory,
    /// Of the sets.
    packer: Packer,
    /// Counts up when a set or a namespace comes, changes or goes.
    changes: AtomicU64,
    /// What the sets use, and as of which count and which profiles.
    uses: Mutex<(u64, Option<Arc<Joined>>, Arc<Uses>)>,
    wake: Wake,
    readiness: Readiness,
    metrics: Arc<Metrics>,
}

/// Names of stores: parts of `/readyz`, and a metric's label.
const SETS: &str = "statefulsets";
const NAMESPACES: &str = "namespaces";
/// The part of `/readyz` that waits for what kinds there are.
const DISCOVERY: &str = "discovery";

/// Objects in one page of a list. Whole ones, as they come, take a hundred times what is kept of them.
const PAGE: u32 = 50;

/// The kinds that are watched.
fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| *kind != Kind::Secret)
}

impl Stores {
    /// Stores that know nothing yet. Kinds in `without` are not looked at.
    pub(super) fn new(
        wake: Wake,
        readiness: Readiness,
        metrics: Arc<Metrics>,
        without: &[Kind],
    ) -> Arc<Self> {
        let kept = || kinds().filter(|kind| !without.contains(kind));
        let built_in = kept().filter(|kind| !kind.is_optional()).map(Kind::plural);
        for part in [SETS, NAMESPACES, DISCOVERY].into_iter().chain(built_in) {
            readiness.wait_for(part, "waiting for the first list");
        }
        Arc::new(Self {
            beside: kept().map(|kind| (kind, Memory::default())).collect(),
            known: RwLock::default(),
            possible: RwLock::default(),
            namespaces: Memory::default(),
            packer: Packer::default(),
            changes: AtomicU64::new(0),
            uses: Mutex::default(),
            wake,
            readiness,
            metrics,
        })
    }

    /// A replica that waits for its turn needs no stores to be ready.
    pub(super) fn rest(readiness: &Readiness) {
        for part in [SETS, NAMESPACES, DISCOVERY].into_iter().chain(kinds().map(Kind::plural)) {
            if readiness.waits_for(part) {
                readiness.ready(part);
            }
        }
    }

    /// Follows the cluster for ever.
    pub(super) async fn follow(&self, client: &Client, mut writer: Writer<Set>) {
        let (served, _) = watch::channel(Served::new());
        let of_sets = ApiResource::erase::<StatefulSet>(&());
        let of_namespaces = ApiResource::erase::<Namespace>(&());
        let mut listed = Vec::new();
        let beside = self.beside.keys().map(|&kind| {
            let served = served.subscribe();
            async move {
                if kind.is_optional() {
                    self.follow_optional(kind, client, served).await;
                } else {
                    self.follow_kind(kind, client, kind.resource()).await;
                }
            }
        });
        futures::join!(
            self.watch(SETS, client, &of_sets, |event| self.take_set(&mut writer, &mut listed, event)),
            self.watch(NAMESPACES, client, &of_namespaces, |event| {
                self.namespaces.take(neighbour(event, &of_namespaces), |changed| {
                    self.changes.fetch_add(1, Ordering::Release);
                    self.wake.namespace(text(&changed["metadata"]["name"]));
                });
            }),
            join_all(beside),
            self.discover(client, &served),
        );
    }

    /// Asks for ever what kinds are served. The first answer is waited for, and the first lists of
    /// what it names; not for a group that gives none.
    async fn discover(&self, client: &Client, served: &watch::Sender<Served>) {
        let mut silent = BTreeSet::new();
        loop {
            match served::ask(client).await {
                Ok(answer) => {
                    for (group, error) in &answer.silent {
                        let error = crate::stores::said(error);
                        tracing::warn!(group, %error, "cannot ask which kinds of a group are served; trying again");
                    }
                    let found = answer.beside(&served.borrow());
                    let before = std::mem::replace(&mut silent, answer.silent_kinds());
                    let possible = found.keys().chain(&silent).copied();
                    *self.possible.write().unwrap_or_else(PoisonError::into_inner) = possible.collect();
                    self.found(&found, served);
                    if silent != before {
                        // What was said of those kinds is not so any more.
                        self.wake.all();
                    }
                }
                Err(error) => {
                    let error = crate::stores::said(&error);
                    tracing::warn!(%error, "cannot ask which kinds are served; trying again");
                    if self.readiness.waits_for(DISCOVERY) {
                        self.readiness.wait_for(DISCOVERY, error);
                    }
                }
            }
            tokio::time::sleep(served::PAUSE).await;
        }
    }

    /// These kinds are served from now on.
    fn found(&self, found: &Served, served: &watch::Sender<Served>) {
        if self.readiness.waits_for(DISCOVERY) {
            for kind in found.keys().filter(|kind| self.beside.contains_key(kind)) {
                self.readiness.wait_for(kind.plural(), "waiting for the first list");
            }
        }
        let kinds: Vec<&str> = found.keys().map(|kind| kind.as_str()).collect();
        let is_news = |known: &mut Served| {
            let news = known != found;
            known.clone_from(found);
            news
        };
        if served.send_if_modified(is_news) {
            tracing::info!(?kinds, "this cluster serves");
        }
        self.readiness.ready(DISCOVERY);
    }

    /// Follows a kind for as long as it is served, and forgets its objects when it is not.
    async fn follow_optional(&self, kind: Kind, client: &Client, mut served: watch::Receiver<Served>) {
        loop {
            let now = served.borrow_and_update().get(&kind).cloned();
            let Some(resource) = now else {
                if served.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let same = resource.clone();
            tokio::select! {
                () = self.follow_kind(kind, client, resource) => {}
                _ = served.wait_for(|served| served.get(&kind) != Some(&same)) => {}
            }
            self.write_known().remove(&kind);
            if let Some(memory) = self.beside.get(&kind) {
                memory.clear(|_| ());
            }
            self.readiness.ready(kind.plural());
            self.wake.all();
        }
    }

    async fn follow_kind(&self, kind: Kind, client: &Client, resource: ApiResource) {
        let Some(memory) = self.beside.get(&kind) else { return };
        let take = |event| {
            let complete = matches!(event, Event::InitDone);
            memory.take(neighbour(event, &resource), |changed| self.wake.neighbour(kind, changed));
            if complete && self.write_known().insert(kind, resource.clone()).is_none() {
                // Whoever wants one has been told that there is no such kind.
                self.wake.all();
            }
        };
        self.watch(kind.plural(), client, &resource, take).await;
    }

    async fn watch(
        &self,
        store: &'static str,
        client: &Client,
        resource: &ApiResource,
        mut take: impl FnMut(Event<DynamicObject>),
    ) {
        let mut events = pin!(events(client, resource));
        let (mut pauses, mut listed) = (DefaultBackoff::default(), false);
        while let Some(event) = self.next(store, listed, &mut events).await {
            match event {
                Ok(event) => {
                    // The beginning of a list is sent before the list is asked for, and proves nothing.
                    if !matches!(event, Event::Init) {
                        pauses.reset();
                    }
                    let complete = matches!(event, Event::InitDone);
                    take(event);
                    self.heard(store);
                    if complete {
                        listed = true;
                        self.readiness.ready(store);
                    }
                }
                Err(error) if !listed && is_absent(store, &error) => {
                    let error = said(&error);
                    tracing::warn!(store, %error, "the API server does not know this kind: nothing of it is kept");
                    self.readiness.ready(store);
                    wait(&mut pauses).await;
                }
                Err(error) => {
                    let error = said(&error);
                    tracing::warn!(store, %error, "lost touch with the API server; trying again");
                    if !listed && self.readiness.waits_for(store) {
                        self.readiness.wait_for(store, error);
                    }
                    wait(&mut pauses).await;
                }
            }
        }
    }

    /// The next event. For the first list of a kind that comes by a definition nothing else waits
    /// without end: until it is complete, nothing is known of the kind.
    async fn next<T>(
        &self,
        store: &'static str,
        listed: bool,
        events: &mut (impl Stream<Item = watcher::Result<T>> + Unpin),
    ) -> Option<watcher::Result<T>> {
        let mut next = events.next();
        if listed || !is_optional(store) {
            return next.await;
        }
        match tokio::time::timeout(served::GROUP_PATIENCE, &mut next).await {
            Ok(Some(Err(error))) if !is_forbidden(&error) => {
                self.readiness.ready(store);
                Some(Err(error))
            }
            Ok(event) => event,
            Err(_) => {
                tracing::warn!(store, "the API server sends no list; still waiting");
                self.readiness.ready(store);
                next.await
            }
        }
    }

    fn heard(&self, store: &'static str) {
        let now = k8s_openapi::jiff::Timestamp::now().as_second();
        self.metrics.store_synced.get_or_create(&Store { store }).set(now);
    }

    /// A set that went wakes its reconcile too, which finds it gone. What a list brings is `listed`
    /// until it is complete: before, it cannot be looked at.
    fn take_set(&self, writer: &mut Writer<Set>, listed: &mut Vec<SetRef>, event: Event<DynamicObject>) {
        let event = map(event, |object| Set::new(object, &self.packer));
        let changed = |set: &Set| {
            let key = ObjectRef::from_obj(set);
            let known = self.wake.sets().get(&key);
            known.is_none_or(|known| !known.is_same(set)).then_some(key)
        };
        let mut woken = match &event {
            Event::Init => {
                listed.clear();
                Vec::new()
            }
            Event::InitApply(set) => {
                listed.extend(changed(set));
                Vec::new()
            }
            Event::InitDone => std::mem::take(listed),
            Event::Apply(set) => changed(set).into_iter().collect(),
            Event::Delete(set) => vec![ObjectRef::from_obj(set)],
        };
        writer.apply_watcher_event(&event);
        woken.extend(self.wake.keep_index(&event));
        if !woken.is_empty() {
            // After the sets hold it: whoever counts them next has it.
            self.changes.fetch_add(1, Ordering::Release);
        }
        for set in woken {
            self.wake.set(set);
        }
    }

    /// What may concern a set: in its namespace, and what claims the host that it wants, elsewhere.
    /// `names` are those that its companions have.
    pub(super) fn live(&self, key: &SetRef, names: &[&str], host: Option<&str>) -> Live {
        let namespace = key.namespace.as_deref().unwrap_or_default();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let stores = || self.beside.iter().filter(|(kind, _)| known.contains_key(*kind));
        let elsewhere = stores().filter(|(kind, _)| CLAIMING.contains(*kind));
        let possible = self.possible.read().unwrap_or_else(PoisonError::into_inner);
        let is_unknown = |kind: &&Kind| possible.contains(kind) && !known.contains_key(kind);
        Live {
            unknown: self.beside.keys().filter(is_unknown).copied().collect(),
            beside: stores()
                .map(|(kind, memory)| (*kind, memory.around(namespace, &key.name, names)))
                .collect(),
            elsewhere: elsewhere
                .filter_map(|(kind, memory)| Some((*kind, memory.claims(host?, namespace))))
                .collect(),
        }
    }

    /// Which revisions of profiles the sets use. All are read for it, if one or a profile has changed.
    pub(super) fn uses(&self, profiles: &Profiles) -> Arc<Uses> {
        let joined = profiles.joined();
        let changes = self.changes.load(Ordering::Acquire);
        let mut known = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != changes || !known.1.as_ref().is_some_and(|before| Arc::ptr_eq(before, &joined)) {
            let sets = self.wake.sets().state();
            let is_resized = |pin: &Pin, set: &Value| self.is_resized(pin, set, &joined.catalogue);
            let uses = Uses::of(sets.iter().map(|set| set.manifest()), is_resized);
            *known = (changes, Some(joined), Arc::new(uses));
        }
        Arc::clone(&known.2)
    }

    /// Whether an upgrade would give another size to a set of this pin, by what its namespace says today.
    fn is_resized(&self, pin: &Pin, set: &Value, catalogue: &Catalogue) -> bool {
        let found = self.namespaces.get("", text(&set["metadata"]["namespace"]));
        let today = Defaults::of(&found.map(|found| annotations_of(&found)).unwrap_or_default());
        is_resized(set, pin, &today, catalogue)
    }

    /// A set.
    pub(super) fn set(&self, key: &SetRef) -> Option<Arc<Set>> {
        self.wake.sets().get(key)
    }

    /// Wakes a set.
    pub(super) fn wake(&self, key: SetRef) {
        self.wake.set(key);
    }

    /// Wakes all sets.
    pub(super) fn wake_all(&self) {
        self.wake.all();
    }

    /// How the cluster serves a kind.
    pub(super) fn resource(&self, kind: Kind) -> ApiResource {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&kind).cloned().unwrap_or_else(|| kind.resource())
    }

    fn write_known(&self) -> std::sync::RwLockWriteGuard<'_, Served> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The labels of a namespace.
    pub(super) fn namespace_labels(&self, namespace: &str) -> Labels {
        self.namespaces.get("", namespace).map(|found| labels_of(&found)).unwrap_or_default()
    }
}

fn events(
    client: &Client,
    resource: &ApiResource,
) -> impl Stream<Item = watcher::Result<Event<DynamicObject>>> + use<> {
    let api = Api::<DynamicObject>::all_with(client.clone(), resource);
    listing::in_time(move || watcher(api.clone(), Config::default().page_size(PAGE)))
}

async fn wait(pauses: &mut DefaultBackoff) {
    if let Some(pause) = pauses.next() {
        tokio::time::sleep(pause).await;
    }
}

/// Whether the API server has not got a kind that others can do without. The rest is everywhere, and
/// to take it for empty at somebody's wrong word would be to give companions away.
fn is_absent(store: &str, error: &watcher::Error) -> bool {
    let unknown =
        matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404);
    unknown && matches!(store, "poddisruptionbudgets" | "ingresses" | "networkpolicies")
}

/// Whether a store is of a kind that comes by a definition.
fn is_optional(store: &str) -> bool {
    kinds().any(|kind| kind.is_optional() && kind.plural() == store)
}

/// Whether it is a right that we lack, which somebody is to see by our not being ready.
fn is_forbidden(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 403)
}

fn neighbour(event: Event<DynamicObject>, resource: &ApiResource) -> Event<Value> {
    map(event, |object| trim::neighbour(object, &resource.api_version, &resource.kind))
}

fn map<A, B>(event: Event<A>, change: impl FnOnce(A) -> B) -> Event<B> {
    match event {
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(change(object)),
        Event::InitDone => Event::InitDone,
        Event::Apply(object) => Event::Apply(change(object)),
        Event::Delete(object) => Event::Delete(change(object)),
    }
}

fn said(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => crate::stores::said(error),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}
