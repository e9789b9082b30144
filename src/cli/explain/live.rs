//! `explain` of a StatefulSet in a cluster.

use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

use super::super::Failure;

/// No command waits longer for the API server.
const PATIENCE: Duration = Duration::from_secs(15);

/// Which object of which cluster.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LiveArgs {
    /// A StatefulSet in the cluster: NAME, statefulset NAME or statefulset/NAME
    #[arg(value_name = "[statefulset] NAME", num_args = 0..=2, conflicts_with = "files")]
    pub object: Vec<String>,
    /// Kubeconfig file; else as kubectl finds it
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<std::path::PathBuf>,
    /// Context of the kubeconfig
    #[arg(long)]
    pub context: Option<String>,
}

impl LiveArgs {
    /// The name of the StatefulSet; `None` if the arguments name no object.
    pub fn name(&self) -> Result<Option<String>, Failure> {
        let is_kind = |kind: &str| {
            matches!(
                kind.to_lowercase().as_str(),
                "sts" | "statefulset" | "statefulsets" | "statefulset.apps" | "statefulsets.apps"
            )
        };
        let split = self.object.iter().flat_map(|word| word.splitn(2, '/')).collect::<Vec<_>>();
        match split.as_slice() {
            [] => Ok(None),
            [name] => Ok(Some((*name).to_owned())),
            [kind, name] if is_kind(kind) => Ok(Some((*name).to_owned())),
            _ => Err(Failure::Usage(format!(
                "{:?} is no StatefulSet; write statefulset NAME",
                self.object.join(" ")
            ))),
        }
    }

    /// Reads the object; the namespace is that of the context if none is given.
    pub fn read(&self, name: &str, namespace: Option<&str>) -> Result<Value, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Cluster(format!("failed to start: {error}")))?;
        runtime.block_on(async {
            let reading = self.get(name, namespace);
            let late =
                || Failure::Cluster(format!("the API server did not answer within {} s", PATIENCE.as_secs()));
            tokio::time::timeout(PATIENCE, reading).await.map_err(|_| late())?
        })
    }

    async fn get(&self, name: &str, namespace: Option<&str>) -> Result<Value, Failure> {
        let config = self
            .config()
            .await
            .map_err(|error| Failure::Cluster(chain("failed to read the kubeconfig", error.as_ref())))?;
        let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
        let reach = |error: &kube::Error| match error {
            kube::Error::Api(status) if status.code == 404 => {
                Failure::Cluster(format!("no StatefulSet {name} in namespace {namespace}"))
            }
            error => Failure::Cluster(chain("failed to read the StatefulSet", error)),
        };
        let client = Client::try_from(config).map_err(|error| reach(&error))?;
        // Not typed: an older type would lose fields that it does not know.
        let resource = ApiResource::erase::<StatefulSet>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
        let object = api.get(name).await.map_err(|error| reach(&error))?;
        serde_json::to_value(object).map_err(|error| Failure::Cluster(error.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_as_kubectl_has_them() {
        let name = |words: &[&str]| {
            let object = words.iter().map(|word| (*word).to_owned()).collect();
            LiveArgs { object, ..LiveArgs::default() }.name()
        };
        for words in [&["db"][..], &["sts", "db"], &["statefulset", "db"], &["StatefulSets/db"]] {
            assert_eq!(name(words).unwrap().as_deref(), Some("db"), "{words:?}");
        }
        assert_eq!(name(&[]).unwrap(), None);
        assert!(name(&["deployment", "db"]).is_err());
        assert!(name(&["sts/db", "other"]).is_err());
    }
}
