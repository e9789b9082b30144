//! What a cluster, or one namespace of it, holds that a command looks at.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod};
use serde_json::Value;

use super::Failure;
use super::cluster::{Cluster, ClusterArgs};
use crate::companions::hosts::CLAIMING;
use crate::companions::neighbours::Neighbours;
use crate::companions::{Kind, Labels, labels_of};

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
    /// What stands beside the sets, by kind; of what claims hosts that of all namespaces. A kind that
    /// is absent is not served.
    pub beside: Neighbours,
    /// The kinds that the reader may not see: nothing is known of them.
    pub unseen: BTreeSet<Kind>,
    /// Claims.
    pub claims: Vec<Value>,
    /// Pods.
    pub pods: Vec<Value>,
}

impl World {
    /// Reads one namespace, or all. What the reader may not see of other namespaces (their labels,
    /// their Ingresses) counts as not there.
    pub fn read(cluster: &Cluster, namespace: Option<&str>) -> Result<Self, Failure> {
        let (mut beside, mut unseen) = (Neighbours::new(), BTreeSet::new());
        for (kind, resource) in cluster.kinds()? {
            let elsewhere = CLAIMING.contains(&kind).then(|| cluster.list_of(&resource, None));
            let objects = match elsewhere {
                Some(Ok(objects)) => Ok(objects),
                _ => cluster.list_of(&resource, namespace),
            };
            match (kind, objects) {
                (_, Ok(objects)) => _ = beside.insert(kind, objects),
                (Kind::Service | Kind::PodDisruptionBudget, Err(error)) => return Err(error),
                (_, Err(_)) => {
                    beside.insert(kind, Vec::new());
                    unseen.insert(kind);
                }
            }
        }
        Ok(Self {
            sets: cluster.list::<StatefulSet>(namespace)?,
            namespaces: cluster.list::<Namespace>(None).unwrap_or_default(),
            beside,
            unseen,
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

    /// What stands beside the sets of a namespace, and what claims hosts in any.
    #[must_use]
    pub fn neighbours(&self, namespace: &str) -> Neighbours {
        let beside = self.beside.iter();
        let near = beside.map(|(kind, objects)| {
            let near =
                |object: &&Value| CLAIMING.contains(kind) || object["metadata"]["namespace"] == namespace;
            (*kind, objects.iter().filter(near).cloned().collect())
        });
        near.collect()
    }
}

#[cfg(test)]
impl World {
    /// A cluster that serves all kinds and has nothing.
    pub fn empty() -> Self {
        Self { beside: crate::companions::neighbours::nothing(), ..Self::default() }
    }
}

/// The objects of one namespace.
pub fn within<'o>(objects: &'o [Value], namespace: &str) -> impl Iterator<Item = &'o Value> {
    objects.iter().filter(move |object| object["metadata"]["namespace"] == namespace)
}
