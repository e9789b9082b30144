//! Classes of client Services.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use serde_json::{Map, Value};

use super::read::Node;
use crate::fault::Fault;

/// Of which type a Service is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServiceType {
    /// Reachable within the cluster.
    #[default]
    ClusterIp,
    /// At a port of every node.
    NodePort,
    /// At an address of a load balancer.
    LoadBalancer,
}

/// What Services of one class are like.
#[derive(Debug, Clone, Default)]
pub struct ServiceClass {
    /// The type.
    pub kind: ServiceType,
    /// Annotations for whoever makes the load balancer.
    pub annotations: BTreeMap<String, String>,
    load_balancer_class: Option<String>,
    source_ranges: Vec<String>,
    ip_family_policy: Option<&'static str>,
    ip_families: Vec<&'static str>,
    external_traffic_policy: Option<&'static str>,
    /// Which namespaces may use it; absent means all.
    namespaces: Option<Selector>,
}

const TYPES: [&str; 3] = ["ClusterIP", "NodePort", "LoadBalancer"];

impl ServiceType {
    /// As Kubernetes writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

impl ServiceClass {
    pub(super) fn read(node: &Node, faults: &mut Vec<Fault>) -> Self {
        let mut class = Self::default();
        node.know(
            &[
                "annotations",
                "externalTrafficPolicy",
                "ipFamilies",
                "ipFamilyPolicy",
                "loadBalancerClass",
                "loadBalancerSourceRanges",
                "namespaces",
                "type",
            ],
            faults,
        );
        class.kind = match node.field("type").and_then(|kind| kind.one_of(&TYPES, faults)) {
            Some("LoadBalancer") => ServiceType::LoadBalancer,
            Some("NodePort") => ServiceType::NodePort,
            _ => ServiceType::ClusterIp,
        };
        for (key, value) in node.field("annotations").map(|map| map.entries(faults)).unwrap_or_default() {
            class.annotations.extend(value.text(faults).map(|text| (key.to_owned(), text.to_owned())));
        }
        class.load_balancer_class =
            node.field("loadBalancerClass").and_then(|class| class.text(faults)).map(str::to_owned);
        for range in node.field("loadBalancerSourceRanges").map(|list| list.items(faults)).unwrap_or_default()
        {
            class.source_ranges.extend(source_range(&range, faults));
        }
        let policies = ["SingleStack", "PreferDualStack", "RequireDualStack"];
        class.ip_family_policy =
            node.field("ipFamilyPolicy").and_then(|policy| policy.one_of(&policies, faults));
        for family in node.field("ipFamilies").map(|list| list.items(faults)).unwrap_or_default() {
            class.ip_families.extend(family.one_of(&["IPv4", "IPv6"], faults));
        }
        class.external_traffic_policy = node
            .field("externalTrafficPolicy")
            .and_then(|policy| policy.one_of(&["Cluster", "Local"], faults));
        class.namespaces = node.field("namespaces").and_then(|namespaces| selector(&namespaces, faults));
        fit(node, faults);
        class
    }

    /// Whether a namespace with these labels may use the class.
    #[must_use]
    pub fn is_granted(&self, namespace: &BTreeMap<String, String>) -> bool {
        self.namespaces.as_ref().is_none_or(|selector| selector.matches(namespace))
    }

    /// The fields of a Service's `spec` that the class decides.
    #[must_use]
    pub fn spec(&self) -> Map<String, Value> {
        let mut spec = Map::from_iter([("type".to_owned(), Value::from(self.kind.as_str()))]);
        let texts = |texts: &[&str]| (!texts.is_empty()).then(|| Value::from(texts.to_vec()));
        let ranges: Vec<&str> = self.source_ranges.iter().map(String::as_str).collect();
        for (field, value) in [
            ("externalTrafficPolicy", self.external_traffic_policy.map(Value::from)),
            ("ipFamilies", texts(&self.ip_families)),
            ("ipFamilyPolicy", self.ip_family_policy.map(Value::from)),
            ("loadBalancerClass", self.load_balancer_class.as_deref().map(Value::from)),
            ("loadBalancerSourceRanges", texts(&ranges)),
        ] {
            if let Some(value) = value {
                spec.insert(field.to_owned(), value);
            }
        }
        spec
    }
}

/// Finds fault with fields that the type has no use for: the API server would refuse each
/// Service of the class.
fn fit(node: &Node, faults: &mut Vec<Fault>) {
    let balanced = node.value()["type"] == "LoadBalancer";
    let outside = balanced || node.value()["type"] == "NodePort";
    for (field, fits, types) in [
        ("loadBalancerClass", balanced, "type LoadBalancer alone"),
        ("loadBalancerSourceRanges", balanced, "type LoadBalancer alone"),
        ("externalTrafficPolicy", outside, "types NodePort and LoadBalancer alone"),
    ] {
        let known = TYPES.iter().any(|kind| node.value()["type"] == *kind) || node.field("type").is_none();
        if let (false, true, Some(field)) = (fits, known, node.field(field)) {
            faults.push(field.fault(format!("it is for {types}"), "remove it, or change the type"));
        }
    }
}

fn source_range(node: &Node, faults: &mut Vec<Fault>) -> Option<String> {
    let text = node.text(faults)?;
    let is_range = text.split_once('/').is_some_and(|(address, length)| {
        let longest = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        length.parse::<u8>().is_ok_and(|length| length <= longest)
    });
    if !is_range {
        faults.push(node.fault(format!("{text:?} is no range of addresses"), "write one as 10.0.0.0/8"));
        return None;
    }
    Some(text.to_owned())
}

/// Labels as Kubernetes selects by them.
pub(super) fn selector(node: &Node, faults: &mut Vec<Fault>) -> Option<Selector> {
    node.know(&["matchExpressions", "matchLabels"], faults);
    let read =
        serde_json::from_value::<LabelSelector>(node.value().clone()).map_err(|error| error.to_string());
    match read.and_then(|labels| Selector::try_from(labels).map_err(|error| error.to_string())) {
        Ok(selector) => Some(selector),
        Err(error) => {
            let problem = format!("it is no selector of labels: {error}");
            faults.push(node.fault(problem, "write matchLabels or matchExpressions, as Kubernetes has them"));
            None
        }
    }
}
