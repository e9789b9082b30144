//! What a cluster, or one namespace of it, holds that a command looks at.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::Value;

use super::Failure;
use super::cluster::{Cluster, ClusterArgs};
use crate::companions::neighbours::Neighbours;
use crate::companions::{Labels, labels_of};

/// Which sets of which cluster a command is about, and how it tells of them.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SetsArgs {
    /// A StatefulSet; else all that the command is for
    pub name: Option<String>,
    /// In all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: SetsFormat,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// `-o` of commands that tell of sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SetsFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl SetsArgs {
    /// The namespace asked for, or that of the context, or all; of the sets those that were named.
    pub fn read(&self, namespace: Option<&str>) -> Result<World, Failure> {
        let cluster = self.cluster.connect()?;
        let one = namespace.unwrap_or(&cluster.namespace);
        let mut world = World::read(&cluster, (!self.all_namespaces).then_some(one))?;
        world.sets.retain(|set| self.name.as_deref().is_none_or(|name| set["metadata"]["name"] == name));
        Ok(world)
    }
}

/// The objects, as the API server gives them.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The sets that the command is about.
    pub sets: Vec<Value>,
    /// Namespaces.
    pub namespaces: Vec<Value>,
    /// Services.
    pub services: Vec<Value>,
    /// Disruption budgets.
    pub budgets: Vec<Value>,
    /// Ingresses, of all namespaces: a host is for the whole cluster.
    pub ingresses: Vec<Value>,
    /// Claims.
    pub claims: Vec<Value>,
    /// Pods.
    pub pods: Vec<Value>,
}

/// The objects of one namespace.
pub struct Room {
    services: Vec<Value>,
    budgets: Vec<Value>,
    ingresses: Vec<Value>,
}

impl World {
    /// Reads one namespace, or all. What the reader may not see of other namespaces (their labels,
    /// their Ingresses) counts as not there.
    pub fn read(cluster: &Cluster, namespace: Option<&str>) -> Result<Self, Failure> {
        let ingresses = match cluster.list::<Ingress>(None) {
            Ok(ingresses) => ingresses,
            Err(_) => cluster.list::<Ingress>(namespace)?,
        };
        Ok(Self {
            sets: cluster.list::<StatefulSet>(namespace)?,
            namespaces: cluster.list::<Namespace>(None).unwrap_or_default(),
            services: cluster.list::<Service>(namespace)?,
            budgets: cluster.list::<PodDisruptionBudget>(namespace)?,
            ingresses,
            claims: cluster.list::<PersistentVolumeClaim>(namespace)?,
            pods: cluster.list::<Pod>(namespace)?,
        })
    }

    /// The labels of a namespace.
    #[must_use]
    pub fn labels(&self, namespace: &str) -> Labels {
        let found = self.namespaces.iter().find(|object| object["metadata"]["name"] == namespace);
        found.map(labels_of).unwrap_or_default()
    }

    /// What stands beside the sets of a namespace.
    #[must_use]
    pub fn room(&self, namespace: &str) -> Room {
        Room {
            services: within(&self.services, namespace).cloned().collect(),
            budgets: within(&self.budgets, namespace).cloned().collect(),
            ingresses: self.ingresses.clone(),
        }
    }
}

impl Room {
    /// As companions are settled among them.
    #[must_use]
    pub fn neighbours(&self) -> Neighbours<'_> {
        Neighbours { services: &self.services, budgets: &self.budgets, ingresses: &self.ingresses }
    }
}

/// The objects of one namespace.
pub fn within<'o>(objects: &'o [Value], namespace: &str) -> impl Iterator<Item = &'o Value> {
    objects.iter().filter(move |object| object["metadata"]["namespace"] == namespace)
}
