//! The platform's configuration as a command on a cluster knows it: from a file, else from the
//! ConfigMap of the chart, which not everybody may read.

use k8s_openapi::api::core::v1::ConfigMap;

use super::cluster::Cluster;
use crate::companions::{Companions, Problem};
use crate::configuration::Configuration;
use crate::settings::text;

/// Where the chart puts the configuration.
const CONFIG_MAP: &str = "stateward-configuration";
/// The file in it.
const FILE: &str = "configuration.yaml";

/// What the platform grants.
#[derive(Debug, Clone, Default)]
pub struct Granted {
    /// The configuration; the default, which grants nothing, where it is not known.
    pub configuration: Configuration,
    /// Whether it is the platform's.
    pub is_known: bool,
}

impl From<Configuration> for Granted {
    fn from(configuration: Configuration) -> Self {
        Self { configuration, is_known: true }
    }
}

impl Granted {
    /// What was given, else what the cluster tells.
    #[must_use]
    pub fn find(given: Option<Configuration>, cluster: &Cluster) -> Self {
        let in_cluster = || {
            let map = cluster.get::<ConfigMap>(CONFIG_MAP, &cluster.own_namespace).ok()?;
            Configuration::parse(text(&map["data"][FILE])).ok()
        };
        given.or_else(in_cluster).map(Self::from).unwrap_or_default()
    }

    /// A problem in one line. `desired` is what the configuration makes of the set: what is wrong with
    /// that may not be so where the configuration is not known.
    #[must_use]
    pub fn told(&self, problem: &Problem, desired: &Companions) -> String {
        let Problem { what, remedy, .. } = problem;
        if self.is_known || !desired.problems.contains(problem) {
            return format!("{what}; {remedy}");
        }
        format!(
            "{what}; {remedy} (or name the platform's file with --configuration: it could not be read here)"
        )
    }
}
