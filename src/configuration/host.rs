//! Hosts and Gateways, and the namespaces that may use them.

use kube::core::{Selector, SelectorExt};

use super::class::selector;
use super::read::Node;
use crate::companions::Labels;
use crate::fault::Fault;

/// Hosts that namespaces may use, and how.
#[derive(Debug, Clone)]
pub struct HostGrant {
    /// `search.example.com`, or `*.shop.example.com` for what has one label more.
    host: String,
    /// Which namespaces; absent means all.
    namespaces: Option<Selector>,
    /// The classes of Ingress, the first of them where the user names none; empty means the
    /// cluster's default, and any that is named.
    pub ingress_classes: Vec<String>,
    /// Issuers of cert-manager that may be named.
    pub cluster_issuers: Vec<String>,
}

/// A Gateway that namespaces may attach routes to.
#[derive(Debug, Clone)]
pub struct GatewayGrant {
    namespace: String,
    name: String,
    namespaces: Option<Selector>,
}

impl HostGrant {
    pub(super) fn read(node: &Node, faults: &mut Vec<Fault>) -> Option<Self> {
        node.know(&["clusterIssuers", "host", "ingressClasses", "namespaces"], faults);
        let ingress_classes = node.texts("ingressClasses", faults);
        let cluster_issuers = node.texts("clusterIssuers", faults);
        let namespaces = node.field("namespaces").and_then(|namespaces| selector(&namespaces, faults));
        let Some(host) = node.field("host") else {
            faults.push(node.fault("it names no host", "write host: search.example.com, or *.example.com"));
            return None;
        };
        let text = host.text(faults)?;
        if !is_host(text) {
            let remedy = "write it in lower case, as search.example.com or *.example.com";
            faults.push(host.fault(format!("{text:?} is no host"), remedy));
            return None;
        }
        Some(Self { host: text.to_owned(), namespaces, ingress_classes, cluster_issuers })
    }

    /// Whether a namespace with these labels may use `host`.
    #[must_use]
    pub fn grants(&self, host: &str, namespace: &Labels) -> bool {
        let fits = match self.host.strip_prefix("*.") {
            Some(domain) => host.split_once('.').is_some_and(|(label, rest)| label != "*" && rest == domain),
            None => self.host == host,
        };
        fits && self.namespaces.as_ref().is_none_or(|selector| selector.matches(namespace))
    }
}

impl GatewayGrant {
    pub(super) fn read(node: &Node, faults: &mut Vec<Fault>) -> Option<Self> {
        node.know(&["gateway", "namespaces"], faults);
        let namespaces = node.field("namespaces").and_then(|namespaces| selector(&namespaces, faults));
        let Some(gateway) = node.field("gateway") else {
            faults.push(node.fault("it names no gateway", "write gateway: NAMESPACE/NAME"));
            return None;
        };
        let text = gateway.text(faults)?;
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Some(Self { namespace: namespace.to_owned(), name: name.to_owned(), namespaces })
            }
            _ => {
                faults.push(gateway.fault(format!("{text:?} is no Gateway"), "write it as NAMESPACE/NAME"));
                None
            }
        }
    }

    /// Whether a namespace with these labels may use this Gateway.
    #[must_use]
    pub fn grants(&self, gateway: (&str, &str), namespace: &Labels) -> bool {
        (self.namespace.as_str(), self.name.as_str()) == gateway
            && self.namespaces.as_ref().is_none_or(|selector| selector.matches(namespace))
    }
}

/// A name of DNS, perhaps with a star for its first label.
fn is_host(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        inner && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(host: &str) -> HostGrant {
        HostGrant {
            host: host.to_owned(),
            namespaces: None,
            ingress_classes: Vec::new(),
            cluster_issuers: Vec::new(),
        }
    }

    #[test]
    fn a_star_stands_for_one_label() {
        let all = Labels::new();
        assert!(grant("*.example.com").grants("a.example.com", &all));
        for host in ["example.com", "a.b.example.com", "*.example.com", "a.example.org"] {
            assert!(!grant("*.example.com").grants(host, &all), "{host}");
        }
        assert!(grant("a.example.com").grants("a.example.com", &all));
    }

    #[test]
    fn hosts_are_names() {
        assert!(is_host("a.example.com") && is_host("*.example.com") && is_host("localhost"));
        for text in ["", "*", "*.", "a..b", "A.com", "-a.com", "a_b.com", "*.*.com", "https://a.com"] {
            assert!(!is_host(text), "{text}");
        }
    }
}
