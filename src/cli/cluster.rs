//! The cluster that a command reads from. No command writes but `upgrade`, and that one annotation alone.

mod again;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::{Future, ready};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, PartialObjectMeta, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::DynamicResourceScope;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Runtime;

pub(super) use self::again::Pauses;
pub use self::again::Tries;
use self::again::passes;
use super::Failure;
use super::world::Listed;
use crate::companions::Kind;
use crate::controller::served::{self, Served};
use crate::server::{client, own_namespace};

/// No command waits longer for one answer of the API server.
const PATIENCE: Duration = Duration::from_secs(15);
/// Objects in one page of a list.
const PAGE: u32 = 500;
/// The same where no more than a page is in memory.
const SMALL_PAGE: u32 = 100;
/// Under which name the API server notes what is written.
const MANAGER: &str = "stateward-upgrade";

/// Which cluster.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ClusterArgs {
    /// Kubeconfig file; else as kubectl finds it
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<std::path::PathBuf>,
    /// Context of the kubeconfig
    #[arg(long)]
    pub context: Option<String>,
    /// Namespace of stateward itself, where revisions of profiles are kept
    #[arg(long, value_name = "NAMESPACE")]
    pub stateward_namespace: Option<String>,
}

/// A connection.
pub struct Cluster {
    runtime: Runtime,
    client: Client,
    /// Whether it ever answered: one that did is waited for.
    answered: Cell<bool>,
    /// The namespace of the context.
    pub namespace: String,
    /// The namespace of stateward itself.
    pub own_namespace: String,
}

/// Why objects were not listed.
#[derive(Debug, thiserror::Error)]
pub enum Unlisted {
    /// The reader may not see them, or the cluster does not serve the kind.
    #[error("{0}")]
    Hidden(String),
    /// The API server cannot read what it was asked.
    #[error("{0}")]
    Unclear(String),
    /// Nobody knows whether there are any.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why an object was not changed.
#[derive(Debug)]
pub enum Unpatched {
    /// Somebody else changed it since it was read.
    Conflict,
    /// It has gone.
    Gone,
    /// The API server, or a webhook that it asked, refused.
    Refused(String),
    /// No answer, or one that may be another in a moment; the change may have been made all the same.
    Unanswered(String),
    /// No answer that decides.
    Failed(String),
}

impl ClusterArgs {
    /// Connects as kubectl would.
    pub fn connect(&self) -> Result<Cluster, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Cluster(format!("failed to start: {error}")))?;
        let unreadable = |error: &(dyn std::error::Error + 'static)| {
            Failure::Cluster(chain("failed to read the kubeconfig", error))
        };
        let config = runtime.block_on(self.config()).map_err(|error| unreadable(error.as_ref()))?;
        let namespace = config.default_namespace.clone();
        // A client spawns its connections, so it is made within the runtime.
        let client = runtime.block_on(async { client(config) }).map_err(|error| unreadable(&error))?;
        let own_namespace = own_namespace(self.stateward_namespace.as_deref());
        Ok(Cluster { runtime, client, answered: Cell::new(false), namespace, own_namespace })
    }

    async fn config(&self) -> Result<kube::Config, Box<dyn std::error::Error + Send + Sync>> {
        // Its own files name what they hold; in a pod there is none.
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        if let Some(file) = &self.kubeconfig {
            return Ok(kube::Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?);
        }
        if self.context.is_some() {
            return Ok(kube::Config::from_kubeconfig(&options).await?);
        }
        Ok(kube::Config::infer().await?)
    }
}

impl Cluster {
    /// One object. Not typed: an older type would lose fields that it does not know.
    pub fn get<K>(&self, name: &str, namespace: &str) -> Result<Value, Failure>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        let none = || {
            let kind = ApiResource::erase::<K>(&()).kind;
            Failure::Cluster(format!("no {kind} {name} in namespace {namespace}"))
        };
        self.find::<K>(name, namespace)?.ok_or_else(none)
    }

    /// The same; `None` where there is none.
    pub fn find<K>(&self, name: &str, namespace: &str) -> Result<Option<Value>, Failure>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        let resource = ApiResource::erase::<K>(&());
        let api: Api<DynamicObject> = self.api(&resource, Some(namespace));
        let object = self.ask(|| api.get_opt(name)).map_err(|error| {
            Failure::Cluster(chain(&format!("failed to read the {}", resource.kind), &error))
        })?;
        let value = object.map(serde_json::to_value).transpose();
        value.map_err(|error| Failure::Cluster(error.to_string()))
    }

    /// A namespace; `None` where there is none, or it may not be read.
    pub fn namespace_object(&self, name: &str) -> Result<Option<Value>, Failure> {
        let resource = ApiResource::erase::<Namespace>(&());
        let api: Api<DynamicObject> = self.api(&resource, None);
        match self.ask(|| api.get_opt(name)) {
            Ok(object) => Ok(object.and_then(|object| serde_json::to_value(object).ok())),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
            Err(error) => Err(Failure::Cluster(chain("failed to read the Namespace", &error))),
        }
    }

    /// The kinds that not every cluster serves, and how this one does; and those of groups that give no answer, and
    /// why.
    pub(super) fn served(&self) -> Result<(Served, BTreeMap<Kind, String>), Failure> {
        let mut pauses = Pauses::of_one_kind();
        loop {
            let asked = self.once(served::ask(&self.client));
            let may_change = asked.as_ref().map_or_else(passes, |answer| !answer.silent.is_empty());
            if may_change && self.rest(&mut pauses) {
                continue;
            }
            let answer = asked
                .map_err(|error| Failure::Cluster(chain("failed to ask which kinds are served", &error)))?;
            let silent = answer.silent_kinds().into_iter().filter_map(|kind| {
                let error = answer.silent.get(kind.group())?;
                let what = format!("failed to ask which kinds of {} are served", kind.group());
                Some((kind, chain(&what, error)))
            });
            let silent = silent.collect();
            return Ok((answer.served, silent));
        }
    }

    /// Whether it answers at all.
    pub fn answers(&self) -> Result<(), Failure> {
        let asked = self.ask(|| self.client.apiserver_version());
        asked.map(drop).map_err(|error| Failure::Cluster(chain("failed to ask for the version", &error)))
    }

    /// All objects of a kind, in one namespace or in all.
    pub fn list(&self, kind: &Listed, namespace: Option<&str>, tries: Tries) -> Result<Vec<Value>, Unlisted> {
        match kind.metadata_of {
            Some(_) => self.list_as::<PartialObjectMeta<DynamicObject>>(kind, namespace, tries),
            None => self.list_as::<DynamicObject>(kind, namespace, tries),
        }
    }

    fn list_as<K: Object>(
        &self,
        kind: &Listed,
        namespace: Option<&str>,
        tries: Tries,
    ) -> Result<Vec<Value>, Unlisted> {
        let mut objects = Vec::new();
        let params = asking(PAGE, kind.metadata_of);
        self.pages_as::<K>(&kind.resource, namespace, params, tries, |page| {
            objects.extend(page.into_iter().filter_map(|object| as_value(kind, object)));
            Ok(())
        })?;
        Ok(objects)
    }

    /// Those with these labels, as `--selector` names them, page by page: a cluster may hold more than should be in
    /// memory at once.
    pub fn pages(
        &self,
        kind: &Listed,
        namespace: Option<&str>,
        labels: Option<&str>,
        mut each: impl FnMut(Vec<Value>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let params = asking(SMALL_PAGE, labels);
        let pages = self.pages_as::<DynamicObject>(&kind.resource, namespace, params, Tries::Again, |page| {
            each(page.into_iter().filter_map(|object| as_value(kind, object)).collect())
        });
        pages.map_err(|unlisted| match unlisted {
            Unlisted::Unclear(why) if labels.is_some() => Failure::Usage(format!(
                "--selector: {why}; write it as for kubectl: team=shop, tier!=test or 'tier in (a, b)'"
            )),
            other => other.into(),
        })
    }

    /// All objects of a kind that a cluster need not serve, nor everybody see.
    pub fn objects(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        labels: Option<&str>,
    ) -> Result<Vec<DynamicObject>, Unlisted> {
        let mut objects = Vec::new();
        self.pages_as(resource, namespace, asking(PAGE, labels), Tries::Again, |page| {
            objects.extend(page);
            Ok(())
        })?;
        Ok(objects)
    }

    fn pages_as<K: Object>(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        mut page: ListParams,
        tries: Tries,
        mut each: impl FnMut(Vec<K>) -> Result<(), Failure>,
    ) -> Result<(), Unlisted> {
        let api: Api<K> = self.api(resource, namespace);
        loop {
            let list = match tries {
                Tries::Once => self.once(api.list(&page)),
                Tries::Again => self.ask(|| api.list(&page)),
            };
            let list = list.map_err(|error| unlisted(resource, &error))?;
            each(list.items)?;
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(()),
            }
        }
    }

    /// Changes an object by a JSON Merge Patch; gives it as it is stored then. It is sent once: whoever
    /// hears nothing has to look whether it was done.
    pub fn patch<K>(&self, name: &str, namespace: &str, patch: &Value) -> Result<Value, Unpatched>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        let api: Api<DynamicObject> = self.api(&ApiResource::erase::<K>(&()), Some(namespace));
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match self.once(api.patch(name, &params, &Patch::Merge(patch))) {
            Ok(object) => serde_json::to_value(object).map_err(|error| Unpatched::Failed(error.to_string())),
            Err(error) if passes(&error) => Err(Unpatched::Unanswered(chain("failed to patch", &error))),
            Err(kube::Error::Api(status)) => Err(match status.code {
                404 => Unpatched::Gone,
                409 => Unpatched::Conflict,
                400 | 403 | 422 => Unpatched::Refused(status.message.clone()),
                _ => Unpatched::Failed(status.message.clone()),
            }),
            Err(error) => Err(Unpatched::Failed(chain("failed to patch", &error))),
        }
    }

    /// All that happens to the objects of a kind, beginning with those that are there. It never ends:
    /// what breaks off begins anew.
    #[must_use]
    pub fn watch(&self, kind: &Listed, namespace: Option<&str>) -> BoxStream<'static, Event<Value>> {
        match kind.metadata_of {
            Some(_) => self.watch_as::<PartialObjectMeta<DynamicObject>>(kind, namespace),
            None => self.watch_as::<DynamicObject>(kind, namespace),
        }
    }

    fn watch_as<K: Object>(
        &self,
        kind: &Listed,
        namespace: Option<&str>,
    ) -> BoxStream<'static, Event<Value>> {
        let config = Config { label_selector: kind.metadata_of.map(str::to_owned), ..Config::default() };
        let events = watcher(self.api::<K>(&kind.resource, namespace), config).default_backoff();
        let kind = kind.clone();
        events.filter_map(move |event| ready(of_values(event.ok(), |object| as_value(&kind, object)))).boxed()
    }

    fn api<K: Object>(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<K> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    /// Runs what takes its own time.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Waits before something is tried again; `false` if it has been tried for long enough.
    pub(super) fn rest(&self, pauses: &mut Pauses) -> bool {
        let pause = pauses.next();
        if let Some(pause) = pause {
            // A timer is made within the runtime.
            self.run(async { tokio::time::sleep(pause).await });
        }
        pause.is_some()
    }

    /// Asks what changes nothing: again, if the cluster answered before and may do so in a moment.
    fn ask<T, W>(&self, request: impl Fn() -> W) -> Result<T, kube::Error>
    where
        W: Future<Output = Result<T, kube::Error>>,
    {
        let mut pauses = Pauses::begin();
        loop {
            match self.once(request()) {
                Err(error) if passes(&error) && self.answered.get() && self.rest(&mut pauses) => {}
                answer => return answer,
            }
        }
    }

    fn once<T>(&self, request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
        let answer = self.run(async { tokio::time::timeout(PATIENCE, request).await });
        let answer = answer.unwrap_or_else(|_| {
            let late =
                format!("the API server gave no answer within {} s but to ask again", PATIENCE.as_secs());
            Err(kube::Error::Service(late.into()))
        });
        if answer.as_ref().map_or_else(|error| !passes(error), |_| true) {
            self.answered.set(true);
        }
        answer
    }
}

/// Whole objects, or their metadata.
trait Object:
    kube::Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + 'static
{
}

impl Object for DynamicObject {}
impl Object for PartialObjectMeta<DynamicObject> {}

/// A list of which a page has so many objects.
fn asking(page: u32, labels: Option<&str>) -> ListParams {
    ListParams { label_selector: labels.map(str::to_owned), ..ListParams::default().limit(page) }
}

/// Who may not see a kind is told so by 403; 404 is the answer for a kind that is not served.
fn unlisted(resource: &ApiResource, error: &kube::Error) -> Unlisted {
    let kinds = &resource.plural;
    let told = |error| chain(&format!("failed to list {kinds}"), error);
    match error {
        kube::Error::Api(status) if status.code == 404 => {
            Unlisted::Hidden(format!("the cluster does not serve {kinds}"))
        }
        kube::Error::Api(status) if status.code == 403 => Unlisted::Hidden(told(error)),
        kube::Error::Api(status) if status.code == 400 => Unlisted::Unclear(status.message.clone()),
        error => Failure::Cluster(told(error)).into(),
    }
}

impl From<Unlisted> for Failure {
    fn from(unlisted: Unlisted) -> Self {
        match unlisted {
            Unlisted::Hidden(why) | Unlisted::Unclear(why) => Self::Cluster(why),
            Unlisted::Failed(failure) => failure,
        }
    }
}

/// An object that says what it is, which items of a list do not.
fn as_value(kind: &Listed, object: impl Serialize) -> Option<Value> {
    let mut value = serde_json::to_value(object).ok()?;
    value["apiVersion"] = Value::from(kind.resource.api_version.as_str());
    value["kind"] = Value::from(kind.resource.kind.as_str());
    Some(value)
}

fn of_values<K>(event: Option<Event<K>>, value: impl Fn(K) -> Option<Value>) -> Option<Event<Value>> {
    Some(match event? {
        Event::Apply(object) => Event::Apply(value(object)?),
        Event::Delete(object) => Event::Delete(value(object)?),
        Event::InitApply(object) => Event::InitApply(value(object)?),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    })
}

/// An error with its causes on one line.
fn chain(what: &str, error: &(dyn std::error::Error + 'static)) -> String {
    // What the API server said, without the fields of its answer.
    match error.downcast_ref() {
        Some(kube::Error::Api(status)) => return format!("{what}: {}", status.message),
        // Its own text would say no more than that there is another.
        Some(kube::Error::Service(cause)) => return chain(what, cause.as_ref()),
        _ => {}
    }
    let mut text = format!("{what}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
