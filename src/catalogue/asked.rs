//! What a profile asks for beside its sets.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::check::words;
use super::definition::any_object;

/// Companions' settings of a profile, its parents' merged in.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Asked {
    /// The headless Service.
    pub headless_service: AskedService,
    /// The disruption budget.
    pub disruption_budget: AskedBudget,
    /// `ingress` and `egress` of a NetworkPolicy for the pods; `podSelector: $(pods)` in a peer
    /// stands for them. None is made where this is absent.
    #[schemars(schema_with = "any_object")]
    pub network_policy: Option<Value>,
    /// The spec of a ServiceMonitor, without its selector.
    #[schemars(schema_with = "any_object")]
    pub service_monitor: Option<Map<String, Value>>,
    /// A ServiceAccount of the set's name, where the template runs the pods as it
    /// (`serviceAccountName: $(name)`).
    pub service_account: Option<AskedAccount>,
}

/// What a profile says of the headless Service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AskedService {
    /// Ports that peers, probes and monitoring use: they are on the headless Service, whether a
    /// container declares them or not, and not on the client Service.
    pub ports: Vec<AskedPort>,
}

/// A port that is not for clients.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AskedPort {
    /// Its name.
    pub name: String,
    /// Its number.
    pub port: u16,
    /// TCP, unless it says otherwise.
    #[serde(default)]
    pub protocol: Protocol,
}

impl AskedPort {
    /// Whether it is the port of this number and protocol.
    #[must_use]
    pub fn is(&self, number: &Value, protocol: &str) -> bool {
        *number == self.port && protocol == self.protocol.as_str()
    }
}

/// The protocol of a port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Protocol {
    /// TCP.
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP.
    #[serde(rename = "UDP")]
    Udp,
    /// SCTP.
    #[serde(rename = "SCTP")]
    Sctp,
}

impl Protocol {
    /// As the API names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// What a profile says of the disruption budget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AskedBudget {
    /// Whether pods that are broken anyway may be evicted. A system with a quorum says
    /// `IfHealthyBudget`: a member that catches up is not ready, and counts all the same.
    pub unhealthy_pod_eviction_policy: EvictionPolicy,
}

/// `unhealthyPodEvictionPolicy` of a disruption budget (KEP-3017).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum EvictionPolicy {
    /// They may.
    #[default]
    AlwaysAllow,
    /// Only while enough others are healthy.
    IfHealthyBudget,
}

impl EvictionPolicy {
    /// As the API names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlwaysAllow => "AlwaysAllow",
            Self::IfHealthyBudget => "IfHealthyBudget",
        }
    }
}

/// What a profile says of the pods' ServiceAccount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AskedAccount {
    /// Whether pods get its token without asking.
    pub automount_service_account_token: Option<bool>,
    /// Annotations, such as those that grant a role of a cloud.
    pub annotations: BTreeMap<String, String>,
}

impl Asked {
    /// Reads `companions` of a profile, its parents' merged in; null where none has it. Gives what can be
    /// read, and what is wrong with the rest.
    #[must_use]
    pub fn parse(companions: &Value) -> (Self, Vec<String>) {
        if companions.is_null() {
            return Default::default();
        }
        let (asked, mut faults) = words::read_all::<Self>("spec.companions", companions.clone());
        let mut asked = asked.unwrap_or_default();
        let wrong = asked.network_policy.as_ref().map(check_rules).unwrap_or_default();
        if !wrong.is_empty() {
            asked.network_policy = None;
            faults.extend(wrong);
        }
        (asked, faults)
    }
}

/// Says what the API server would say of a NetworkPolicy, before there is one.
fn check_rules(rules: &Value) -> Vec<String> {
    const AT: &str = "spec.companions.networkPolicy";
    let Some(map) = rules.as_object().filter(|map| !map.is_empty()) else {
        return vec![format!("{AT}: says nothing; write ingress, egress or both")];
    };
    let others = map.keys().filter(|key| !matches!(key.as_str(), "ingress" | "egress"));
    let mut faults: Vec<String> = others
        .map(|key| match key.as_str() {
            "policyTypes" => format!("{AT}.{key}: follows from ingress and egress; take it out"),
            _ => format!("{AT}.{key}: there is no such field; write ingress, egress or both"),
        })
        .collect();
    // The placeholder of the pods is the one text that may stand for a selector.
    let text = rules.to_string().replace("\"podSelector\":\"$(pods)\"", "\"podSelector\":{}");
    if let Ok(rules) = serde_json::from_str::<Value>(&text) {
        faults.extend(words::read_all::<NetworkPolicySpec>(AT, rules).1);
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_of_it_is_read() {
        let (asked, faults) = Asked::parse(&json!({
            "headlessService": {"ports": [{"name": "gossip", "port": 8301, "protocol": "UDP"}]},
            "disruptionBudget": {"unhealthyPodEvictionPolicy": "IfHealthyBudget"},
            "networkPolicy": {"ingress": [{"from": [{"podSelector": "$(pods)"}]}]},
            "serviceMonitor": {"endpoints": [{"port": "http-metrics"}]},
            "serviceAccount": {"automountServiceAccountToken": true},
        }));
        assert_eq!(faults, [""; 0]);
        assert_eq!(asked.headless_service.ports[0].protocol, Protocol::Udp);
        assert_eq!(asked.disruption_budget.unhealthy_pod_eviction_policy, EvictionPolicy::IfHealthyBudget);
        assert_eq!(Asked::parse(&Value::Null), Default::default());
    }

    #[test]
    fn what_the_api_server_would_refuse_is_refused_here() {
        for (wrong, why) in [
            (json!({"networkPolicy": {}}), "write ingress, egress or both"),
            (
                json!({"networkPolicy": {"podSelector": {}}}),
                "networkPolicy.podSelector: there is no such field",
            ),
            (
                json!({"networkPolicy": {"egress": [], "policyTypes": ["Egress"]}}),
                "spec.companions.networkPolicy.policyTypes: follows",
            ),
            (
                json!({"networkPolicy": {"ingress": [{"from": "all"}]}}),
                "networkPolicy.ingress[0].from: is the text \"all\"; write a list",
            ),
            (
                json!({"disruptionBudget": {"unhealthyPodEvictionPolicy": "Never"}}),
                "\"Never\" is none of its values; write AlwaysAllow or",
            ),
            (
                json!({"headlessService": {"ports": [{"port": 1}]}}),
                "headlessService.ports[0].name: is missing; write name:",
            ),
            (json!({"services": []}), "there is no field \"services\"; write one of headlessService"),
        ] {
            let (_, faults) = Asked::parse(&wrong);
            assert!(faults.len() == 1 && faults[0].contains(why), "{wrong}: {faults:?}");
        }
    }
}
