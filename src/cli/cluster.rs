//! The cluster that a command reads from. No command writes but `upgrade`, and that one annotation alone.

use std::fmt::Debug;
use std::future::{Future, ready};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
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

use super::Failure;
use super::world::Listed;
use crate::controller::served::{self, Served};
use crate::server::own_namespace;

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
    /// The namespace of the context.
    pub namespace: String,
    /// The namespace of stateward itself.
    pub own_namespace: String,
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
    /// No answer, or none that decides.
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
        let client =
            runtime.block_on(async { Client::try_from(config) }).map_err(|error| unreadable(&error))?;
        let own_namespace = own_namespace(self.stateward_namespace.as_deref());
        Ok(Cluster { runtime, client, namespace, own_namespace })
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
        let api: Api<DynamicObject> = self.api_of(&resource, Some(namespace));
        let object = self.wait(api.get_opt(name))?.map_err(|error| {
            Failure::Cluster(chain(&format!("failed to read the {}", resource.kind), &error))
        })?;
        let value = object.map(serde_json::to_value).transpose();
        value.map_err(|error| Failure::Cluster(error.to_string()))
    }

    /// The kinds that not every cluster serves, and how this one does.
    pub fn served(&self) -> Result<Served, Failure> {
        let asked = self.wait(served::ask(&self.client))?;
        asked.map_err(|error| Failure::Cluster(chain("failed to ask which kinds are served", &error)))
    }

    /// All objects of a kind, in one namespace or in all.
    pub fn list(&self, kind: &Listed, namespace: Option<&str>) -> Result<Vec<Value>, Failure> {
        match kind.metadata_of {
            Some(_) => self.list_as::<PartialObjectMeta<DynamicObject>>(kind, namespace),
            None => self.list_as::<DynamicObject>(kind, namespace),
        }
    }

    /// The same, page by page: a cluster may hold more than should be in memory at once.
    pub fn pages(
        &self,
        kind: &Listed,
        namespace: Option<&str>,
        each: impl FnMut(Vec<Value>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.pages_as::<DynamicObject>(kind, namespace, SMALL_PAGE, each)
    }

    fn list_as<K: Object>(&self, kind: &Listed, namespace: Option<&str>) -> Result<Vec<Value>, Failure> {
        let mut objects = Vec::new();
        self.pages_as::<K>(kind, namespace, PAGE, |page| {
            objects.extend(page);
            Ok(())
        })?;
        Ok(objects)
    }

    fn pages_as<K: Object>(
        &self,
        kind: &Listed,
        namespace: Option<&str>,
        size: u32,
        mut each: impl FnMut(Vec<Value>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let api: Api<K> = self.api(kind, namespace);
        let mut page = ListParams::default().limit(size);
        page.label_selector = kind.metadata_of.map(str::to_owned);
        loop {
            let list = self.wait(api.list(&page))?.map_err(|error| {
                Failure::Cluster(chain(&format!("failed to list {}", kind.resource.plural), &error))
            })?;
            each(list.items.into_iter().filter_map(|object| as_value(kind, object)).collect())?;
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(()),
            }
        }
    }

    /// All objects of a kind that a cluster need not serve, nor everybody see; else why there are none.
    pub fn objects(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        labels: &str,
    ) -> Result<Vec<DynamicObject>, String> {
        let api = self.api_of::<DynamicObject>(resource, namespace);
        let mut page = ListParams::default().limit(PAGE).labels(labels);
        let mut objects = Vec::new();
        loop {
            let list = self.wait(api.list(&page)).map_err(|failure| failure.to_string())?;
            let list = list.map_err(|error| match &error {
                kube::Error::Api(status) if status.code == 404 => {
                    format!("the cluster does not serve {}", resource.plural)
                }
                error => chain(&format!("failed to list {}", resource.plural), error),
            })?;
            objects.extend(list.items);
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(objects),
            }
        }
    }

    /// Changes an object by a JSON Merge Patch; gives it as it is stored then.
    pub fn patch<K>(&self, name: &str, namespace: &str, patch: &Value) -> Result<Value, Unpatched>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        let api: Api<DynamicObject> = self.api_of(&ApiResource::erase::<K>(&()), Some(namespace));
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patched = self.wait(api.patch(name, &params, &Patch::Merge(patch)));
        match patched.map_err(|failure| Unpatched::Failed(failure.to_string()))? {
            Ok(object) => serde_json::to_value(object).map_err(|error| Unpatched::Failed(error.to_string())),
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
        let events = watcher(self.api::<K>(kind, namespace), config).default_backoff();
        let kind = kind.clone();
        events.filter_map(move |event| ready(of_values(event.ok(), |object| as_value(&kind, object)))).boxed()
    }

    fn api<K: Object>(&self, kind: &Listed, namespace: Option<&str>) -> Api<K> {
        self.api_of(&kind.resource, namespace)
    }

    fn api_of<K: Object>(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<K> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    /// Runs what takes its own time.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let late =
            || Failure::Cluster(format!("the API server did not answer within {} s", PATIENCE.as_secs()));
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await }).map_err(|_| late())
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
    if let Some(kube::Error::Api(status)) = error.downcast_ref() {
        return format!("{what}: {}", status.message);
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
