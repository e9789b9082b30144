//! What the webhook remembers of the cluster, kept up to date by watches.
//!
//! Reviews read this memory and never wait for the network. It holds labels and our annotations of
//! namespaces, and pins and storage classes of claims, nothing else.

mod claims;
mod namespaces;
mod seen;
mod shared;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Client;

use self::claims::Claims;
use self::namespaces::Namespaces;
pub(crate) use self::watch::said;
use self::watch::{Feed, follow};
use crate::engine::{Facts, Held};
use crate::names::STATEFULSET;
use crate::server::Readiness;
use crate::telemetry::Metrics;

/// The stores. They stop with the process.
#[derive(Debug, Default)]
pub struct Stores {
    namespaces: Arc<Namespaces>,
    claims: Arc<Claims>,
}

impl Stores {
    /// Starts the watches. `readiness` waits until each store has completed its first list; what
    /// happens to a watch later is a metric, never unreadiness: old facts beat no answers.
    #[must_use]
    pub fn watch(client: &Client, readiness: &Readiness, metrics: &Arc<Metrics>) -> Arc<Self> {
        let stores = Arc::new(Self::default());
        let namespaces = Feed {
            store: "namespaces",
            labels: None,
            readiness: readiness.clone(),
            metrics: Arc::clone(metrics),
        };
        let claims =
            Feed { store: "persistentvolumeclaims", labels: Some(STATEFULSET), ..namespaces.clone() };
        namespaces.announce();
        claims.announce();
        let memory = Arc::clone(&stores.namespaces);
        tokio::spawn(follow(client.clone(), namespaces, memory));
        let memory = Arc::clone(&stores.claims);
        tokio::spawn(follow(client.clone(), claims, memory));
        stores
    }
}

impl Facts for Stores {
    fn namespace_labels(&self, namespace: &str) -> BTreeMap<String, String> {
        self.namespaces.labels(namespace)
    }

    fn namespace_annotations(&self, namespace: &str) -> BTreeMap<String, String> {
        self.namespaces.annotations(namespace)
    }

    fn claim_pin(&self, namespace: &str, statefulset: &str) -> Option<String> {
        self.claims.pin(namespace, statefulset)
    }

    fn claims(&self, namespace: &str, statefulset: &str) -> BTreeMap<String, Held> {
        self.claims.held(namespace, statefulset)
    }
}
