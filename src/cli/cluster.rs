//! The cluster that a command reads from. No command writes.

use std::future::Future;
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, ListParams, TypeMeta};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::Failure;
use crate::companions::Kind;
use crate::controller::served;

/// No command waits longer for one answer of the API server.
const PATIENCE: Duration = Duration::from_secs(15);
/// Objects in one page of a list.
const PAGE: u32 = 500;

/// Which cluster.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ClusterArgs {
    /// Kubeconfig file; else as kubectl finds it
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<std::path::PathBuf>,
    /// Context of the kubeconfig
    #[arg(long)]
    pub context: Option<String>,
}

/// A connection.
pub struct Cluster {
    runtime: Runtime,
    client: Client,
    /// The namespace of the context.
    pub namespace: String,
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
        Ok(Cluster { runtime, client, namespace })
    }

    async fn config(&self) -> Result<Config, Box<dyn std::error::Error + Send + Sync>> {
        // Its own files name what they hold; in a pod there is none.
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        if let Some(file) = &self.kubeconfig {
            return Ok(Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?);
        }
        if self.context.is_some() {
            return Ok(Config::from_kubeconfig(&options).await?);
        }
        Ok(Config::infer().await?)
    }
}

impl Cluster {
    /// One object. Not typed: an older type would lose fields that it does not know.
    pub fn get<K>(&self, name: &str, namespace: &str) -> Result<Value, Failure>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        let resource = ApiResource::erase::<K>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let object = self.wait(api.get(name))?.map_err(|error| match &error {
            kube::Error::Api(status) if status.code == 404 => {
                Failure::Cluster(format!("no {} {name} in namespace {namespace}", resource.kind))
            }
            error => Failure::Cluster(chain(&format!("failed to read the {}", resource.kind), error)),
        })?;
        serde_json::to_value(object).map_err(|error| Failure::Cluster(error.to_string()))
    }

    /// All objects of a kind, in one namespace or in all.
    pub fn list<K>(&self, namespace: Option<&str>) -> Result<Vec<Value>, Failure>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        self.list_of(&ApiResource::erase::<K>(&()), namespace)
    }

    /// The kinds of objects that may stand beside sets, those that this cluster serves.
    pub fn kinds(&self) -> Result<Vec<(Kind, ApiResource)>, Failure> {
        let optional = self
            .wait(served::ask(&self.client))?
            .map_err(|error| Failure::Cluster(chain("failed to ask which kinds are served", &error)))?;
        let built_in = Kind::ALL.into_iter().filter(|kind| !kind.is_optional() && *kind != Kind::Secret);
        Ok(built_in.map(|kind| (kind, kind.resource())).chain(optional).collect())
    }

    /// All objects of a kind that is found while running.
    pub fn list_of(&self, resource: &ApiResource, namespace: Option<&str>) -> Result<Vec<Value>, Failure> {
        let client = self.client.clone();
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, resource),
            None => Api::all_with(client, resource),
        };
        let mut objects = Vec::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = self.wait(api.list(&page))?.map_err(|error| {
                Failure::Cluster(chain(&format!("failed to list {}", resource.plural), &error))
            })?;
            let items = list.items.into_iter().map(|object| {
                // Items of a list do not say what they are.
                let types =
                    TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() };
                DynamicObject { types: Some(types), ..object }
            });
            objects.extend(items.filter_map(|object| serde_json::to_value(object).ok()));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(objects),
            }
        }
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let late =
            || Failure::Cluster(format!("the API server did not answer within {} s", PATIENCE.as_secs()));
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await }).map_err(|_| late())
    }
}

/// An error with its causes on one line.
fn chain(what: &str, error: &(dyn std::error::Error + 'static)) -> String {
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
