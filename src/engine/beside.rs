//! What a change means for the companions, as far as the set and the platform's configuration tell.
//!
//! Warnings alone: the controller decides, by what it finds in the cluster when it looks.

use serde_json::Value;

use super::warnings::{changed_keys, line};
use super::{Change, Engine, Facts, managed};
use crate::companions::{self, Companion, Companions, Role};
use crate::hash::same;
use crate::names;
use crate::settings::text;

/// The annotation that names the class of the client Service.
const SERVICE: &str = "stateward.dev/service";
/// Where containers declare their ports.
const PORTS: &str = "spec.template.spec.containers";

impl Engine {
    /// One line for each companion that `result` asks for and cannot have, and one if it gives up the
    /// address of a load balancer; of an update what is new.
    pub(super) fn said_of_companions(
        &self,
        change: Change,
        result: &Value,
        facts: &dyn Facts,
    ) -> Vec<String> {
        let Some(configuration) = facts.configuration() else { return Vec::new() };
        let was_managed = |before: &&Value| matches!(managed(before, change.namespace, facts), Ok(true));
        let before = change.before.filter(was_managed);
        if before.is_some_and(|before| !concerns(before, result)) {
            return Vec::new();
        }
        let labels = facts.namespace_labels(change.namespace);
        // Each namespace has a label of the API server's (kubernetes.io/metadata.name). One without any
        // is so new that no watch has told of it, and nobody knows what it is granted.
        if labels.is_empty() {
            return Vec::new();
        }
        let of = |set| companions::of_stored(set, &self.catalogue, &configuration, &labels);
        let Some(new) = of(result) else { return Vec::new() };
        let old = before.and_then(of).unwrap_or_default();
        let problems = new.problems.iter().filter(|problem| !old.problems.contains(problem));
        let mut lines: Vec<String> =
            problems.map(|problem| line(&format!("{}; {}", problem.what, problem.remedy))).collect();
        lines.extend(before.and_then(|before| released(before, &old, &new)));
        lines
    }
}

/// Whether companions may depend on what differs: keys of ours, and what the pods declare. The
/// selector and the serviceName never change.
fn concerns(before: &Value, result: &Value) -> bool {
    !changed_keys(before, result).is_empty()
        || !same(&before["spec"]["template"], &result["spec"]["template"])
}

/// The warning of a change that lets the address of a load balancer go. Whether one was given yet
/// is not known here; whoever asked for a load balancer is about to rely on it.
fn released(before: &Value, old: &Companions, new: &Companions) -> Option<String> {
    let balancer = client(old).filter(|service| service.manifest["spec"]["type"] == "LoadBalancer")?;
    // While something is wrong with what is asked for, the Service that is there stays.
    if new.problems.iter().any(|problem| problem.role == Role::Client) {
        return None;
    }
    let name = balancer.name();
    let class = text(&before["metadata"]["annotations"][SERVICE]);
    let goes = format!("Service {name} goes, its load balancer's address is released");
    let (field, what, keep) = match client(new).map(|service| (service, &service.manifest["spec"])) {
        Some((service, _)) if service.name() != name => (SERVICE, goes, format!("write {class}")),
        Some((_, spec)) if spec["type"] != "LoadBalancer" => {
            let what = format!(
                "Service {name} becomes {}, its load balancer's address is released",
                text(&spec["type"])
            );
            (SERVICE, what, format!("write {class}"))
        }
        // The API server lets nobody change it (KEP-1959).
        Some((_, spec)) if spec["loadBalancerClass"] != balancer.manifest["spec"]["loadBalancerClass"] => {
            return Some(line(&format!(
                "{SERVICE}: Service {name} cannot move to another loadBalancerClass and stays as it is until you delete \
                 it, and with it its address; write {class} to keep it"
            )));
        }
        Some(_) => return None,
        None if is_without_ports(new) => (PORTS, goes, "declare a port".to_owned()),
        None => (SERVICE, goes, format!("write {class}")),
    };
    Some(line(&format!("{field}: {what}, clients lose it, and it may not come back; {keep} to keep it")))
}

/// Whether there is no client Service because no container declares a port for clients.
fn is_without_ports(companions: &Companions) -> bool {
    let why = companions.withheld.iter().find(|withheld| withheld.role == Role::Client);
    why.is_some_and(|withheld| !withheld.why.starts_with(names::PREFIX))
}

fn client(companions: &Companions) -> Option<&Companion> {
    companions.wanted.iter().find(|companion| companion.role == Role::Client)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::companions::Labels;
    use crate::configuration::Configuration;
    use crate::defaults;
    use crate::engine::{Admitted, Decision};

    const CONFIGURATION: &str = "
serviceClasses:
  balanced: {type: LoadBalancer}
  inner: {type: LoadBalancer, loadBalancerClass: example.com/inner, namespaces: {matchLabels: {team: shop}}}
  node: {type: NodePort}
";

    /// A cluster with a configuration, and one namespace with these labels.
    struct Platform(Option<Arc<Configuration>>, Labels);

    impl Facts for Platform {
        fn namespace_labels(&self, _: &str) -> Labels {
            self.1.clone()
        }

        fn claim_pin(&self, _: &str, _: &str) -> Option<String> {
            None
        }

        fn configuration(&self) -> Option<Arc<Configuration>> {
            self.0.clone()
        }
    }

    fn platform(team: &str) -> Platform {
        let configuration = Arc::new(Configuration::parse(CONFIGURATION).unwrap());
        Platform(Some(configuration), Labels::from([("team".to_owned(), team.to_owned())]))
    }

    fn admit(platform: &Platform, before: Option<&Value>, after: &Value) -> Decision {
        let change = Change { namespace: "shop", before, after };
        Engine::built_in().unwrap().admit(change, platform).unwrap()
    }

    fn admitted(platform: &Platform, before: Option<&Value>, after: &Value) -> Admitted {
        match admit(platform, before, after) {
            Decision::Admitted(admitted) => *admitted,
            other => panic!("{other:?}"),
        }
    }

    fn set(service: &str) -> Value {
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"stateward.dev/managed": "true"},
                "annotations": {"stateward.dev/service": service}},
            "spec": {"template": {"spec": {"containers": [
                {"name": "web", "image": "example.com/web:1", "ports": [{"name": "http", "containerPort": 8080}]},
            ]}}},
        });
        defaults::apply(&mut set);
        set
    }

    /// What is said when a set of class `balanced` becomes as `change` makes it.
    fn said(change: impl Fn(&mut Value)) -> Vec<String> {
        let platform = platform("shop");
        let before = admitted(&platform, None, &set("balanced")).result;
        let mut after = before.clone();
        change(&mut after);
        admitted(&platform, Some(&before), &after).warnings
    }

    fn class(name: &'static str) -> impl Fn(&mut Value) {
        move |set| set["metadata"]["annotations"][SERVICE] = json!(name)
    }

    #[test]
    fn who_gives_up_an_address_is_warned() {
        assert_eq!(
            said(class("node")),
            [
                "stateward.dev/service: Service web becomes NodePort, its load balancer's address is released, clients \
              lose it, and it may not come back; write balanced to keep it"
            ]
        );
        assert_eq!(
            said(class("none")),
            [
                "stateward.dev/service: Service web goes, its load balancer's address is released, clients lose it, and it \
              may not come back; write balanced to keep it"
            ]
        );
        let unannotated = |set: &mut Value| {
            set["metadata"]["annotations"].as_object_mut().unwrap().remove(SERVICE);
        };
        assert!(said(unannotated)[0].contains("Service web becomes ClusterIP"));
        assert!(said(class("inner"))[0].contains("cannot move to another loadBalancerClass"));
        let portless =
            |set: &mut Value| set["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([]);
        assert_eq!(
            said(portless),
            [
                "this change restarts 1 pod (ports, readinessProbe, startupProbe)",
                "spec.template.spec.containers: Service web goes, its load balancer's address is released, clients lose it, \
              and it may not come back; declare a port to keep it"
            ]
        );
    }

    #[test]
    fn who_keeps_it_is_not() {
        let quiet = |change: &dyn Fn(&mut Value)| {
            let said = said(change);
            assert!(said.iter().all(|line| !line.contains("address")), "{said:?}");
        };
        quiet(&|set| set["metadata"]["annotations"]["stateward.dev/service-ports"] = json!("80:http"));
        quiet(&|set| set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.com/web:2"));
        // The controller leaves the Service as it is until the fault is mended.
        quiet(&class("blanced"));
        let inner = admitted(&platform("shop"), None, &set("node")).result;
        let mut after = inner.clone();
        class("none")(&mut after);
        assert_eq!(admitted(&platform("shop"), Some(&inner), &after).warnings, [""; 0]);
    }

    #[test]
    fn handing_back_loses_nothing() {
        let before = admitted(&platform("shop"), None, &set("balanced")).result;
        let mut after = before.clone();
        after["metadata"]["labels"] = json!({});
        assert!(matches!(admit(&platform("shop"), Some(&before), &after), Decision::Ignored));
        // And the label again, with another class: there is no Service of ours to lose.
        let mut again = before.clone();
        class("none")(&mut again);
        assert_eq!(admitted(&platform("shop"), Some(&after), &again).warnings, [""; 0]);
    }

    #[test]
    fn what_cannot_be_had_is_told_once() {
        let refused = "stateward.dev/service: service class \"inner\" is not granted to this namespace; write one of \
                       ClusterIP, balanced, node";
        let other = platform("other");
        let made = admitted(&other, None, &set("inner"));
        assert_eq!(made.warnings, [refused]);
        assert_eq!(admitted(&platform("shop"), None, &set("inner")).warnings, [""; 0]);
        let mut after = made.result.clone();
        after["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.com/web:2");
        assert_eq!(
            admitted(&other, Some(&made.result), &after).warnings,
            ["this change restarts 1 pod (image)"]
        );
        assert!(matches!(admit(&other, Some(&made.result), &made.result), Decision::Unchanged { .. }));
        class("outer")(&mut after);
        assert!(
            admitted(&other, Some(&made.result), &after).warnings[1].contains("no service class \"outer\"")
        );
    }

    #[test]
    fn what_nobody_knows_is_not_told() {
        let Platform(configuration, _) = platform("shop");
        let unknown = Platform(configuration, Labels::new());
        assert_eq!(
            admitted(&unknown, None, &set("inner")).warnings,
            [""; 0],
            "the namespace is not known yet"
        );
        let Platform(_, labels) = platform("shop");
        let unread = Platform(None, labels);
        assert_eq!(
            admitted(&unread, None, &set("inner")).warnings,
            [""; 0],
            "the configuration is not known"
        );
    }
}
