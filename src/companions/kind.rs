//! The kinds of objects that may stand beside a set.

use std::fmt;

use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `v1`
    Service,
    /// `policy/v1`
    PodDisruptionBudget,
    /// `networking.k8s.io/v1`
    Ingress,
    /// `networking.k8s.io/v1`
    NetworkPolicy,
    /// `v1`
    ServiceAccount,
    /// `v1`
    Secret,
    /// Gateway API
    HttpRoute,
    /// Gateway API
    TcpRoute,
    /// Gateway API
    TlsRoute,
    /// The Prometheus operator's
    ServiceMonitor,
}

/// The group of the Gateway API.
pub const GATEWAY: &str = "gateway.networking.k8s.io";
/// The group of the Prometheus operator.
pub const MONITORING: &str = "monitoring.coreos.com";

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Service,
        Self::PodDisruptionBudget,
        Self::Ingress,
        Self::NetworkPolicy,
        Self::ServiceAccount,
        Self::Secret,
        Self::HttpRoute,
        Self::TcpRoute,
        Self::TlsRoute,
        Self::ServiceMonitor,
    ];

    /// Group, version, kind and plural. Of a kind that only some clusters serve, the version is the
    /// newest one; theirs may be older.
    fn parts(self) -> [&'static str; 4] {
        match self {
            Self::Service => ["", "v1", "Service", "services"],
            Self::PodDisruptionBudget => ["policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"],
            Self::Ingress => ["networking.k8s.io", "v1", "Ingress", "ingresses"],
            Self::NetworkPolicy => ["networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"],
            Self::ServiceAccount => ["", "v1", "ServiceAccount", "serviceaccounts"],
            Self::Secret => ["", "v1", "Secret", "secrets"],
            Self::HttpRoute => [GATEWAY, "v1", "HTTPRoute", "httproutes"],
            Self::TcpRoute => [GATEWAY, "v1", "TCPRoute", "tcproutes"],
            Self::TlsRoute => [GATEWAY, "v1", "TLSRoute", "tlsroutes"],
            Self::ServiceMonitor => [MONITORING, "v1", "ServiceMonitor", "servicemonitors"],
        }
    }

    /// As manifests name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.parts()[2]
    }

    /// The plural by which the API server knows it.
    #[must_use]
    pub fn plural(self) -> &'static str {
        self.parts()[3]
    }

    /// Its API group; empty for the core group.
    #[must_use]
    pub fn group(self) -> &'static str {
        self.parts()[0]
    }

    /// How to address it.
    #[must_use]
    pub fn resource(self) -> ApiResource {
        let [group, version, kind, plural] = self.parts();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// Whether a cluster may lack it: it comes by a CustomResourceDefinition.
    #[must_use]
    pub fn is_optional(self) -> bool {
        matches!(self.group(), GATEWAY | MONITORING)
    }

    /// The kind of a manifest.
    #[must_use]
    pub fn of(manifest: &Value) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| manifest["kind"] == kind.as_str())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
