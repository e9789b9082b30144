//! `explain` of a StatefulSet in a cluster.

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::Value;

use super::super::Failure;
use super::super::cluster::{Cluster, ClusterArgs};
use super::super::named;

/// Which object of which cluster.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LiveArgs {
    /// A StatefulSet in the cluster: NAME, sts/NAME or sts NAME
    #[arg(value_name = "[statefulset] NAME", num_args = 0..=2, conflicts_with = "files")]
    pub object: Vec<String>,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl LiveArgs {
    /// The name of the StatefulSet; `None` if the arguments name no object.
    pub fn name(&self) -> Result<Option<String>, Failure> {
        let named = match self.object.as_slice() {
            [] => return Ok(None),
            [kind, name] if named::is_set(kind) && !name.contains('/') => named::set(name),
            words => named::set(&words.join("/")),
        };
        named.map(Some).map_err(Failure::Usage)
    }

    /// Reads the object; the namespace is that of the context if none is given.
    pub fn read(&self, name: &str, namespace: Option<&str>) -> Result<(Cluster, Value), Failure> {
        let cluster = self.cluster.connect()?;
        let object = cluster.get::<StatefulSet>(name, namespace.unwrap_or(&cluster.namespace))?;
        Ok((cluster, object))
    }
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
