//! What the controller knows of the cluster, kept up to date by watches, and whom a change wakes.
//!
//! All StatefulSets are watched, trimmed, and not just those with our label: a watch by label tells
//! of a set that loses it as deleted, and a namespace can opt its sets in. Secrets are never read.

use std::pin::pin;
use std::sync::Arc;

use futures::channel::mpsc::UnboundedSender;
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store as Reader};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Config, DefaultBackoff, Event, watcher};
use kube::{Api, Client, Resource};
use serde_json::Value;

use super::memory::Memory;
use super::plan::Live;
use super::trim;
use crate::companions::{Labels, labels_of};
use crate::names;
use crate::server::Readiness;
use crate::settings::text;
use crate::telemetry::{Metrics, Store};

/// A set, as the queue names it.
pub(super) type SetRef = ObjectRef<DynamicObject>;

/// The stores.
pub(super) struct Stores {
    /// The sets.
    pub(super) sets: Reader<DynamicObject>,
    services: Memory,
    budgets: Memory,
    ingresses: Memory,
    namespaces: Memory,
    wake: UnboundedSender<SetRef>,
    readiness: Readiness,
    metrics: Arc<Metrics>,
}

/// The names of the stores: parts of `/readyz`, and a metric's label.
const STORES: [&str; 5] = ["statefulsets", "services", "poddisruptionbudgets", "ingresses", "namespaces"];

/// The kind of the sets.
pub(super) fn sets() -> ApiResource {
    ApiResource::erase::<StatefulSet>(&())
}

impl Stores {
    /// Stores that know nothing yet, and the writer of the sets.
    pub(super) fn new(
        wake: UnboundedSender<SetRef>,
        readiness: Readiness,
        metrics: Arc<Metrics>,
    ) -> (Arc<Self>, Writer<DynamicObject>) {
        let writer = Writer::new(sets());
        for store in STORES {
            readiness.wait_for(store, "waiting for the first list");
        }
        let stores = Self {
            sets: writer.as_reader(),
            services: Memory::default(),
            budgets: Memory::default(),
            ingresses: Memory::default(),
            namespaces: Memory::default(),
            wake,
            readiness,
            metrics,
        };
        (Arc::new(stores), writer)
    }

    /// A replica that waits for its turn needs no stores to be ready.
    pub(super) fn rest(readiness: &Readiness) {
        for store in STORES {
            readiness.ready(store);
        }
    }

    /// Follows the cluster for ever.
    pub(super) async fn follow(&self, client: &Client, mut writer: Writer<DynamicObject>) {
        let [of_sets, of_services, of_budgets, of_ingresses, of_namespaces] = STORES;
        futures::join!(
            self.watch::<StatefulSet>(of_sets, client, |event| self.take_set(&mut writer, event)),
            self.watch::<Service>(of_services, client, |event| {
                self.services.take(neighbour::<Service>(event), |changed| self.wake_for(changed));
            }),
            self.watch::<PodDisruptionBudget>(of_budgets, client, |event| {
                self.budgets.take(neighbour::<PodDisruptionBudget>(event), |changed| self.wake_for(changed));
            }),
            self.watch::<Ingress>(of_ingresses, client, |event| {
                self.ingresses.take(neighbour::<Ingress>(event), |changed| {
                    self.wake_for(changed);
                    self.wake_hosts();
                });
            }),
            self.watch::<Namespace>(of_namespaces, client, |event| {
                self.namespaces.take(neighbour::<Namespace>(event), |changed| {
                    self.wake_all(text(&changed["metadata"]["name"]));
                });
            }),
        );
    }

    async fn watch<K: Resource<DynamicType = ()>>(
        &self,
        store: &'static str,
        client: &Client,
        mut take: impl FnMut(Event<DynamicObject>),
    ) {
        let mut events = pin!(events::<K>(client));
        let (mut pauses, mut listed) = (DefaultBackoff::default(), false);
        while let Some(event) = events.next().await {
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
                    if self.metrics.store_synced.get(&Store { store }).is_none() {
                        self.readiness.wait_for(store, error);
                    }
                    wait(&mut pauses).await;
                }
            }
        }
    }

    fn heard(&self, store: &'static str) {
        let now = k8s_openapi::jiff::Timestamp::now().as_second();
        self.metrics.store_synced.get_or_create(&Store { store }).set(now);
    }

    /// A set that went wakes its reconcile too, which finds it gone.
    fn take_set(&self, writer: &mut Writer<DynamicObject>, event: Event<DynamicObject>) {
        let event = map(event, |mut object| {
            trim::set(&mut object);
            object
        });
        let changed = match &event {
            Event::Apply(object) | Event::InitApply(object) => {
                let set = ObjectRef::from_obj_with(object, sets());
                let known = self.sets.get(&set);
                known.is_none_or(|known| !is_same_set(&known, object)).then_some(set)
            }
            Event::Delete(object) => Some(ObjectRef::from_obj_with(object, sets())),
            Event::Init | Event::InitDone => None,
        };
        writer.apply_watcher_event(&event);
        if let Some(set) = changed {
            self.wake(set);
        }
    }

    /// A Service or a budget came, changed or went. One of ours concerns its set; any other may
    /// concern every set of its namespace.
    fn wake_for(&self, object: &Value) {
        let metadata = &object["metadata"];
        let namespace = text(&metadata["namespace"]);
        let labels = &metadata["labels"];
        match &labels[names::STATEFULSET] {
            Value::String(set) if labels[names::MANAGED_BY] == names::MANAGER => {
                self.wake(ObjectRef::new_with(set, sets()).within(namespace));
            }
            _ => self.wake_all(namespace),
        }
    }

    /// Wakes the sets that want a host, in whatever namespace: one may have become free, or taken.
    fn wake_hosts(&self) {
        let wants = |set: &DynamicObject| {
            set.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(names::INGRESS_HOST))
        };
        for set in self.sets.state_filter(wants) {
            self.wake(ObjectRef::from_obj_with(&*set, sets()));
        }
    }

    /// Wakes the sets of a namespace.
    fn wake_all(&self, namespace: &str) {
        for set in self.sets.state_filter(|set| set.metadata.namespace.as_deref() == Some(namespace)) {
            self.wake(ObjectRef::from_obj_with(&*set, sets()));
        }
    }

    /// Wakes all sets.
    pub(super) fn wake_every_one(&self) {
        for set in self.sets.state() {
            self.wake(ObjectRef::from_obj_with(&*set, sets()));
        }
    }

    fn wake(&self, set: SetRef) {
        // Nobody listens any more when the work has stopped.
        let _ = self.wake.unbounded_send(set);
    }

    /// The objects beside the sets of a namespace.
    pub(super) fn live(&self, namespace: &str) -> Live {
        Live {
            services: self.services.of(namespace),
            budgets: self.budgets.of(namespace),
            ingresses: self.ingresses.of(namespace),
            elsewhere: Vec::new(),
        }
    }

    /// The Ingresses of all namespaces but one.
    pub(super) fn ingresses_elsewhere(&self, namespace: &str) -> Vec<Arc<Value>> {
        self.ingresses.outside(namespace)
    }

    /// The labels of a namespace.
    pub(super) fn namespace_labels(&self, namespace: &str) -> Labels {
        self.namespaces.get("", namespace).map(|found| labels_of(&found)).unwrap_or_default()
    }
}

fn events<K: Resource<DynamicType = ()>>(
    client: &Client,
) -> impl Stream<Item = watcher::Result<Event<DynamicObject>>> + use<K> {
    let api = Api::<DynamicObject>::all_with(client.clone(), &ApiResource::erase::<K>(&()));
    watcher(api, Config::default())
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
    unknown && matches!(store, "poddisruptionbudgets" | "ingresses")
}

/// Whether two states of a set are the same to us: its status has changed, most often.
fn is_same_set(one: &DynamicObject, other: &DynamicObject) -> bool {
    let metadata = |object: &DynamicObject| {
        let metadata = &object.metadata;
        (
            metadata.uid.clone(),
            metadata.labels.clone(),
            metadata.annotations.clone(),
            metadata.deletion_timestamp.clone(),
        )
    };
    one.data == other.data && metadata(one) == metadata(other)
}

fn neighbour<K: Resource<DynamicType = ()>>(event: Event<DynamicObject>) -> Event<Value> {
    map(event, |object| trim::neighbour(object, &K::api_version(&()), &K::kind(&())))
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
