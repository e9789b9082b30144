//! The platform's configuration: what it grants to developers, and how the controller behaves.
//!
//! One YAML file, from the chart's values. All of its faults are told at once, each with its path;
//! a file with faults is not used at all, and the last good one stays.

mod class;
mod host;
mod read;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

pub use self::class::{ServiceClass, ServiceType};
pub use self::host::{GatewayGrant, HostGrant};
use self::read::Node;
use crate::fault::{Fault, Reason};

/// The class of Services that is always there.
pub const CLUSTER_IP: &str = "ClusterIP";

/// What the platform grants and sets.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Classes of client Services, by name.
    service_classes: BTreeMap<String, ServiceClass>,
    /// Hosts that namespaces may use.
    hosts: Vec<HostGrant>,
    /// Gateways that namespaces may use.
    gateways: Vec<GatewayGrant>,
    /// Users whose changes pass in spite of a refusal, if they say why.
    break_glass_users: Vec<String>,
    /// Groups of such users.
    break_glass_groups: Vec<String>,
    /// For how long no other budget may have selected the pods of a set before ours comes back.
    pub quiet_time: Duration,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            service_classes: BTreeMap::from([(CLUSTER_IP.to_owned(), ServiceClass::default())]),
            hosts: Vec::new(),
            gateways: Vec::new(),
            break_glass_users: Vec::new(),
            break_glass_groups: Vec::new(),
            quiet_time: Duration::from_mins(10),
        }
    }
}

impl Configuration {
    /// Reads a file. An empty one is the default.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let options = serde_saphyr::options! { legacy_octal_numbers: true, with_snippet: false };
        let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let said = error.to_string();
            let problem = said.lines().next().unwrap_or("not YAML").to_owned();
            vec![Fault::new(Reason::Invalid, "the file", problem, "write it as YAML")]
        })?;
        let mut faults = Vec::new();
        let configuration = Self::read(&Node::root(&value), &mut faults);
        if faults.is_empty() { Ok(configuration) } else { Err(faults) }
    }

    fn read(root: &Node, faults: &mut Vec<Fault>) -> Self {
        let mut configuration = Self::default();
        root.know(&["breakGlass", "disruptionBudgets", "gateways", "hosts", "serviceClasses"], faults);
        if let Some(classes) = root.field("serviceClasses") {
            for (name, class) in classes.entries(faults) {
                if matches!(name, CLUSTER_IP | "none") {
                    let problem = format!("{name} is built in");
                    faults.push(class.fault(problem, "give your class another name"));
                    continue;
                }
                configuration.service_classes.insert(name.to_owned(), ServiceClass::read(&class, faults));
            }
        }
        for host in root.field("hosts").map(|list| list.items(faults)).unwrap_or_default() {
            configuration.hosts.extend(HostGrant::read(&host, faults));
        }
        for gateway in root.field("gateways").map(|list| list.items(faults)).unwrap_or_default() {
            configuration.gateways.extend(GatewayGrant::read(&gateway, faults));
        }
        if let Some(glass) = root.field("breakGlass") {
            glass.know(&["groups", "users"], faults);
            configuration.break_glass_users = glass.texts("users", faults);
            configuration.break_glass_groups = glass.texts("groups", faults);
            for everybody in ["system:authenticated", "system:unauthenticated"] {
                if configuration.break_glass_groups.iter().any(|group| group == everybody) {
                    let problem = format!("{everybody} is everybody");
                    faults
                        .push(glass.fault(problem, "name the group of those who are called in an emergency"));
                }
            }
        }
        if let Some(budgets) = root.field("disruptionBudgets") {
            budgets.know(&["quietTime"], faults);
            if let Some(time) = budgets.field("quietTime").and_then(|time| time.duration(faults)) {
                configuration.quiet_time = time;
            }
        }
        configuration
    }

    /// The class of this name, for a Service in a namespace with these labels; the built-in one
    /// where none is named.
    ///
    /// # Errors
    /// There is no such class, or the namespace may not use it: what is wrong, and what to write.
    pub fn service_class(
        &self,
        name: Option<&str>,
        namespace: &BTreeMap<String, String>,
    ) -> Result<&ServiceClass, (String, String)> {
        let name = name.unwrap_or(CLUSTER_IP);
        let usable = || {
            let granted = self.service_classes.iter().filter(|(_, class)| class.is_granted(namespace));
            granted.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let refuse = |what: String| {
            Err((format!("stateward.dev/service: {what}"), format!("write one of {}", usable())))
        };
        match self.service_classes.get(name) {
            None => refuse(format!("there is no service class {name:?}")),
            Some(class) if !class.is_granted(namespace) => {
                refuse(format!("service class {name:?} is not granted to this namespace"))
            }
            Some(class) => Ok(class),
        }
    }
}

impl Configuration {
    /// Whether a user of this name and these groups may change a set in spite of a refusal.
    #[must_use]
    pub fn may_break_glass<'g>(&self, user: &str, mut groups: impl Iterator<Item = &'g str>) -> bool {
        self.break_glass_users.iter().any(|named| named == user)
            || groups.any(|group| self.break_glass_groups.iter().any(|named| named == group))
    }

    /// How a namespace with these labels may use `host`; `None` if it may not.
    #[must_use]
    pub fn host(&self, host: &str, namespace: &BTreeMap<String, String>) -> Option<&HostGrant> {
        self.hosts.iter().find(|grant| grant.grants(host, namespace))
    }

    /// Whether a namespace with these labels may attach routes to the Gateway of this namespace and
    /// name.
    #[must_use]
    pub fn is_gateway_granted(&self, gateway: (&str, &str), namespace: &BTreeMap<String, String>) -> bool {
        self.gateways.iter().any(|grant| grant.grants(gateway, namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(text: &str) -> Vec<String> {
        Configuration::parse(text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    const GOOD: &str = "
serviceClasses:
  internal:
    type: LoadBalancer
    annotations: {example.com/scheme: internal}
    loadBalancerClass: example.com/nlb
    loadBalancerSourceRanges: [10.0.0.0/8, 'fd00::/8']
    ipFamilyPolicy: PreferDualStack
    externalTrafficPolicy: Local
    namespaces:
      matchLabels: {team: shop}
disruptionBudgets:
  quietTime: 90s
";

    #[test]
    fn a_class_is_what_the_platform_says() {
        let configuration = Configuration::parse(GOOD).unwrap();
        assert_eq!(configuration.quiet_time, Duration::from_secs(90));
        let shop = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        let class = configuration.service_class(Some("internal"), &shop).unwrap();
        assert_eq!(
            Value::Object(class.spec()),
            json!({
                "type": "LoadBalancer", "loadBalancerClass": "example.com/nlb",
                "loadBalancerSourceRanges": ["10.0.0.0/8", "fd00::/8"], "ipFamilyPolicy": "PreferDualStack",
                "externalTrafficPolicy": "Local",
            })
        );
        assert_eq!(class.annotations["example.com/scheme"], "internal");
    }

    #[test]
    fn a_class_is_for_the_namespaces_that_it_is_granted_to() {
        let configuration = Configuration::parse(GOOD).unwrap();
        let (what, remedy) = configuration.service_class(Some("internal"), &BTreeMap::new()).unwrap_err();
        assert_eq!(
            what,
            "stateward.dev/service: service class \"internal\" is not granted to this namespace"
        );
        assert_eq!(remedy, "write one of ClusterIP");
        assert!(configuration.service_class(None, &BTreeMap::new()).is_ok());
    }

    #[test]
    fn all_faults_are_told_at_once() {
        assert_eq!(
            faults(
                "
hosts: [{host: Shop.example.com}, {hosts: a}]
gateways: [{gateway: public}]
serviceClass: {}
serviceClasses:
  ClusterIP: {}
  a:
    type: LoadBalance
    loadBalancerSourceRanges: [10.0.0.0/33, 7]
    namespaces: {matchExpressions: [{key: a, operator: Is}]}
    anotations: {}
  b: {type: NodePort, loadBalancerClass: x, annotations: {a: 1}}
  c: 3
disruptionBudgets: {quietTime: ten}
breakGlass: {groups: ['system:authenticated', 7], user: root}
"
            ),
            [
                "serviceClass: there is no such field; did you mean serviceClasses?",
                "serviceClasses.ClusterIP: ClusterIP is built in; give your class another name",
                "serviceClasses.a.anotations: there is no such field; did you mean annotations?",
                "serviceClasses.a.type: \"LoadBalance\" is not known; write ClusterIP, NodePort or LoadBalancer",
                "serviceClasses.a.loadBalancerSourceRanges[0]: \"10.0.0.0/33\" is no range of addresses; write one as \
                 10.0.0.0/8",
                "serviceClasses.a.loadBalancerSourceRanges[1]: it is a number, not text; put it in quotation marks",
                "serviceClasses.a.namespaces: it is no selector of labels: failed to parse value as expression: Invalid expression \
                 operator; write matchLabels or matchExpressions, as Kubernetes has them",
                "serviceClasses.b.annotations.a: it is a number, not text; put it in quotation marks",
                "serviceClasses.b.loadBalancerClass: it is for type LoadBalancer alone; remove it, or change the type",
                "serviceClasses.c: it is a number, not a map; write fields and values",
                "hosts[0].host: \"Shop.example.com\" is no host; write it in lower case, as search.example.com or \
                 *.example.com",
                "hosts[1].hosts: there is no such field; did you mean host?",
                "hosts[1]: it names no host; write host: search.example.com, or *.example.com",
                "gateways[0].gateway: \"public\" is no Gateway; write it as NAMESPACE/NAME",
                "breakGlass.user: there is no such field; did you mean users?",
                "breakGlass.groups[1]: it is a number, not text; put it in quotation marks",
                "breakGlass: system:authenticated is everybody; name the group of those who are called in an \
                 emergency",
                "disruptionBudgets.quietTime: \"ten\" is no length of time; write one as 90s, 10m or 1h",
            ]
        );
        assert!(faults("a: [").len() == 1);
        assert!(Configuration::parse("").is_ok());
    }
}
