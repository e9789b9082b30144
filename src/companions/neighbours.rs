//! What else stands in the namespace, and what follows for the companions of one set: nothing of
//! anybody else's is touched, doubled or fought.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Companion, Companions, Kind, Problem, Role, hosts};
use crate::names;
use crate::settings::text;

/// The objects that may matter, by kind: those of the set's namespace, ours among them, and of what
/// has hosts those of other namespaces too. A kind that is absent is not served by the cluster.
pub type Neighbours = BTreeMap<Kind, Vec<Value>>;

/// A cluster that serves all kinds and has nothing of them.
#[must_use]
pub fn nothing() -> Neighbours {
    Kind::ALL.map(|kind| (kind, Vec::new())).into()
}

/// The neighbours of one kind.
fn of(neighbours: &Neighbours, kind: Kind) -> &[Value] {
    neighbours.get(&kind).map_or(&[], Vec::as_slice)
}

/// Whether `object` is a companion that we keep beside the set of this name: by its labels. One that
/// somebody else has taken over (see [`taken_over`]) is not.
#[must_use]
pub fn is_ours(object: &Value, statefulset: &str) -> bool {
    let labels = &object["metadata"]["labels"];
    labels[names::MANAGED_BY] == names::MANAGER
        && labels[names::STATEFULSET] == statefulset
        && !labels[names::COMPANION].is_null()
        && taken_over(object).is_none()
}

/// By whom a companion of ours was taken over: somebody applies or tracks it, or another manager
/// has fields of its `spec`. It is theirs from then on.
#[must_use]
pub fn taken_over(object: &Value) -> Option<String> {
    let metadata = &object["metadata"];
    let has = |part: &str, key: &str| !metadata[part][key].is_null();
    for (part, key, who) in [
        ("annotations", names::LAST_APPLIED, "kubectl apply"),
        ("annotations", "meta.helm.sh/release-name", "Helm"),
        ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
        ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
        ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ] {
        if has(part, key) {
            return Some(who.to_owned());
        }
    }
    // Helm writes this label on what it applies.
    let manager = metadata["labels"][names::MANAGED_BY].as_str();
    if let Some(manager) = manager.filter(|manager| *manager != names::MANAGER) {
        return Some(manager.to_owned());
    }
    let entries = metadata["managedFields"].as_array().into_iter().flatten();
    let other = entries
        .filter(|entry| entry["operation"] == "Apply" && entry["manager"] != names::MANAGER)
        .find(|entry| {
            let fields = entry["fieldsV1"].as_object().into_iter().flatten();
            fields.into_iter().any(|(field, _)| !matches!(field.as_str(), "f:metadata" | "f:status"))
        });
    other.map(|entry| text(&entry["manager"]).to_owned())
}

/// What is to be made of `desired` beside these neighbours.
#[must_use]
pub fn settle(desired: Companions, set: &Value, neighbours: &Neighbours) -> Companions {
    let mut settled =
        Companions { withheld: desired.withheld, problems: desired.problems, ..Companions::default() };
    for mut companion in desired.wanted {
        let (role, kind) = (companion.role, companion.kind);
        let foreign = of(neighbours, kind).iter().find(|other| is_namesake(other, &companion, set));
        // Secrets are never looked at.
        if kind != Kind::Secret && !neighbours.contains_key(&kind) {
            settled.unserved(&companion);
        } else if let (Some(foreign), Role::Headless) = (foreign, role) {
            settled.check_headless(set, foreign);
        } else if let Some(other) = instead(set, role, neighbours) {
            settled.withhold(role, format!("{other} selects these pods already"));
        } else if let Some(foreign) = foreign {
            settled.problems.push(clash(&companion, foreign));
        } else if let Some(claim) = hosts::older_claim(set, &companion, neighbours) {
            settled.problems.push(claim);
        } else if let Some((what, remedy)) = settled.lacks(set, role, neighbours) {
            settled.problem(role, what, remedy);
        } else {
            let problem = keep_balancer(set, &mut companion, neighbours);
            settled.problems.extend(problem);
            settled.wanted.push(companion);
        }
    }
    settled
}

/// A load balancer's class cannot be changed while there is one: ours keeps that which it has, so that
/// the rest of it follows, and it is told what can be done.
fn keep_balancer(set: &Value, companion: &mut Companion, neighbours: &Neighbours) -> Option<Problem> {
    if companion.role != Role::Client {
        return None;
    }
    let name = text(&set["metadata"]["name"]);
    let is_it = |live: &&Value| {
        live["metadata"]["name"] == companion.name()
            && live["metadata"]["namespace"] == set["metadata"]["namespace"]
            && is_ours(live, name)
    };
    let live = of(neighbours, companion.kind).iter().find(is_it)?;
    let (has, wanted) = (&live["spec"], &mut companion.manifest["spec"]);
    if has["type"] != "LoadBalancer" || wanted["type"] != "LoadBalancer" {
        return None;
    }
    let [has, wants] = [has, &*wanted].map(|spec| spec["loadBalancerClass"].as_str().map(str::to_owned));
    if has == wants {
        return None;
    }
    let shown = |class: &Option<String>| class.clone().unwrap_or_else(|| "the cluster's own".to_owned());
    let what = format!(
        "Service {name} stays with load balancer class {}: {} takes another Service",
        shown(&has),
        shown(&wants)
    );
    if let Some(spec) = wanted.as_object_mut() {
        spec.remove("loadBalancerClass");
        spec.extend(has.map(|class| ("loadBalancerClass".to_owned(), Value::from(class))));
    }
    let remedy = "delete the Service, which gives up its address, and it comes anew".to_owned();
    Some(Problem { role: companion.role, what, remedy, in_favour_of: None })
}

/// Whether `other` has the name of `companion` and is none of ours.
fn is_namesake(other: &Value, companion: &Companion, set: &Value) -> bool {
    let metadata = &other["metadata"];
    metadata["namespace"] == set["metadata"]["namespace"]
        && metadata["name"] == companion.name()
        && !is_ours(other, text(&set["metadata"]["name"]))
}

/// What of somebody else's does what a companion of this role would do.
fn instead(set: &Value, role: Role, neighbours: &Neighbours) -> Option<String> {
    match role {
        Role::Client => other_service(set, of(neighbours, Kind::Service)),
        Role::Budget => other_budget(set, of(neighbours, Kind::PodDisruptionBudget)),
        _ => None,
    }
}

impl Companions {
    /// The cluster has not got the kind of a companion.
    fn unserved(&mut self, companion: &Companion) {
        let (kind, role) = (companion.kind, companion.role);
        let what = format!("this cluster has no {kind}");
        if role == Role::Route {
            let remedy =
                format!("install the Gateway API, and the route comes by itself; or take {} away", key(role));
            self.problem(role, what, remedy);
        } else {
            // A profile asked for it, in whatever cluster: nothing is wrong.
            self.withhold(role, format!("{what}; install what brings it, and it comes by itself"));
        }
    }

    /// What a companion needs beside it and does not have: a way into the pods.
    fn lacks(&self, set: &Value, role: Role, neighbours: &Neighbours) -> Option<(String, &'static str)> {
        let name = &set["metadata"]["name"];
        let has = |role: Role| {
            let made = |service: &Value| {
                let labels = &service["metadata"]["labels"];
                labels[names::COMPANION] == role.as_str() && is_ours(service, text(name))
            };
            self.wanted.iter().any(|companion| companion.role == role)
                || of(neighbours, Kind::Service).iter().any(made)
        };
        // Where somebody took our Service over, what led to it still does. Else whoever may write
        // StatefulSets alone would show the Service of another to the world.
        let led = || {
            let named = |object: &Value| {
                object["metadata"]["name"] == *name
                    && object["metadata"]["namespace"] == set["metadata"]["namespace"]
            };
            let kinds = hosts::CLAIMING.into_iter().chain([Kind::TcpRoute]);
            let mut ours = kinds.flat_map(|kind| of(neighbours, kind));
            of(neighbours, Kind::Service).iter().any(named)
                && ours.any(|object| named(object) && is_ours(object, text(name)))
        };
        match role {
            Role::Ingress | Role::Route if !has(Role::Client) && !led() => Some((
                format!("there is no client Service {} of ours to send requests to", text(name)),
                "let it be made, or make the Ingress or route yourself",
            )),
            Role::Monitor if !has(Role::Headless) => Some((
                "the headless Service is not ours, so nothing says by which labels to find it".to_owned(),
                "make a ServiceMonitor yourself",
            )),
            _ => None,
        }
    }

    /// The Service that the user chose as `serviceName` and made: it is left alone, and what keeps
    /// it from giving the pods their names is told.
    fn check_headless(&mut self, set: &Value, service: &Value) {
        let name = text(&service["metadata"]["name"]);
        if service["spec"]["clusterIP"] != "None" {
            let what = format!(
                "Service {name}, the serviceName of the set, has an address of its own: pods get no DNS names"
            );
            let remedy = "delete it and make it again with clusterIP: None, which cannot be changed";
            self.problem(Role::Headless, what, remedy);
        } else if !selects(&service["spec"]["selector"], set) {
            let what = format!(
                "Service {name}, the serviceName of the set, does not select its pods: they get no DNS names"
            );
            self.problem(Role::Headless, what, "give it the labels of the pods as its selector");
        } else {
            self.withhold(Role::Headless, format!("Service {name} is there already"));
        }
    }
}

fn clash(companion: &Companion, foreign: &Value) -> Problem {
    let (role, kind) = (companion.role, companion.kind);
    let keep = match role {
        Role::Headless | Role::Client | Role::Budget => {
            format!("; or keep it, and set {} to none", key(role))
        }
        Role::Ingress | Role::Route | Role::Secret => format!("; or keep it, and take {} away", key(role)),
        Role::ServiceAccount | Role::NetworkPolicy | Role::Monitor => String::new(),
    };
    Problem {
        role,
        what: format!("there is another {kind} {}, which is not ours", text(&foreign["metadata"]["name"])),
        remedy: format!("rename or delete it, and ours comes{keep}"),
        in_favour_of: None,
    }
}

/// The annotation that brings a companion; the rest comes from profiles.
fn key(role: Role) -> &'static str {
    match role {
        Role::Headless | Role::Client => "stateward.dev/service",
        Role::Budget => "stateward.dev/disruption-budget",
        Role::Ingress => "stateward.dev/ingress-host",
        Role::Route => "stateward.dev/gateway",
        Role::Secret => "stateward.dev/generate-secret",
        Role::ServiceAccount | Role::NetworkPolicy | Role::Monitor => "stateward.dev/profile",
    }
}

/// A Service of somebody else's, other than the governing one, that selects the pods.
fn other_service(set: &Value, services: &[Value]) -> Option<String> {
    let set_name = text(&set["metadata"]["name"]);
    let governing = &set["spec"]["serviceName"];
    let found = services.iter().find(|service| {
        service["metadata"]["name"] != *governing
            && !is_ours(service, set_name)
            && selects(&service["spec"]["selector"], set)
    });
    found.map(|service| format!("Service {}", text(&service["metadata"]["name"])))
}

/// A budget of somebody else's that selects the pods: with two, every eviction fails.
fn other_budget(set: &Value, budgets: &[Value]) -> Option<String> {
    let set_name = text(&set["metadata"]["name"]);
    let found = budgets
        .iter()
        .find(|budget| !is_ours(budget, set_name) && budget_selects(&budget["spec"]["selector"], set));
    found.map(|budget| format!("PodDisruptionBudget {}", text(&budget["metadata"]["name"])))
}

/// Whether a Service's selector selects the pods of `set`; one without a selector selects none.
#[must_use]
pub fn selects(selector: &Value, set: &Value) -> bool {
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    selector
        .as_object()
        .is_some_and(|map| !map.is_empty() && map.iter().all(|(key, value)| labels[key] == *value))
}

/// Whether a budget's selector selects the pods: none without one, all with an empty one
/// (policy/v1).
fn budget_selects(selector: &Value, set: &Value) -> bool {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
    use kube::core::{Selector, SelectorExt};
    if selector.is_null() {
        return false;
    }
    let labels = super::labels_of(&set["spec"]["template"]);
    let selector = serde_json::from_value::<LabelSelector>(selector.clone()).ok().map(Selector::try_from);
    // One that cannot be read may select them: better no budget than two.
    selector.and_then(Result::ok).is_none_or(|selector| selector.matches(&labels))
}

#[cfg(test)]
mod tests {
    use crate::companions::testing::{desired, desired_by, set};
    use crate::configuration::Configuration;
    use serde_json::json;

    use super::*;

    fn settled(services: &[Value], budgets: &[Value]) -> Companions {
        let mut neighbours = nothing();
        neighbours.insert(Kind::Service, services.to_vec());
        neighbours.insert(Kind::PodDisruptionBudget, budgets.to_vec());
        settle(desired(&set(), &json!({})), &set(), &neighbours)
    }

    fn roles(companions: &Companions) -> Vec<Role> {
        companions.wanted.iter().map(|companion| companion.role).collect()
    }

    fn service(name: &str, spec: &Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec})
    }

    #[test]
    fn alone_it_gets_all_of_them() {
        assert_eq!(roles(&settled(&[], &[])), [Role::Headless, Role::Client, Role::Budget]);
    }

    #[test]
    fn ours_are_no_strangers() {
        let ours: Vec<Value> = desired(&set(), &json!({})).wanted.into_iter().map(|c| c.manifest).collect();
        assert_eq!(roles(&settled(&ours[..2], &ours[2..])).len(), 3);
    }

    #[test]
    fn another_service_that_selects_the_pods_is_enough() {
        let settled = settled(&[service("read", &json!({"selector": {"app": "db"}}))], &[]);
        assert_eq!(roles(&settled), [Role::Headless, Role::Budget]);
        assert_eq!(settled.withheld[0].why, "Service read selects these pods already");
        let others =
            [service("other", &json!({"selector": {"app": "web"}})), service("external", &json!({}))];
        assert_eq!(roles(&self::settled(&others, &[])).len(), 3);
    }

    #[test]
    fn our_budget_yields_to_any_other() {
        for selector in [
            json!({}),
            json!({"matchLabels": {"app": "db"}}),
            json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
        ] {
            let settled = settled(
                &[],
                &[json!({"metadata": {"name": "mine", "namespace": "shop"}, "spec": {"selector": selector}})],
            );
            assert_eq!(roles(&settled), [Role::Headless, Role::Client], "{selector}");
            assert_eq!(settled.withheld[0].why, "PodDisruptionBudget mine selects these pods already");
        }
        for selector in [json!(null), json!({"matchLabels": {"app": "web"}})] {
            let settled = settled(
                &[],
                &[json!({"metadata": {"name": "mine", "namespace": "shop"}, "spec": {"selector": selector}})],
            );
            assert_eq!(roles(&settled).len(), 3, "{selector}");
        }
    }

    #[test]
    fn a_name_that_is_taken_is_told() {
        let settled = settled(&[service("db", &json!({"selector": {"app": "web"}}))], &[]);
        assert_eq!(roles(&settled), [Role::Headless, Role::Budget]);
        assert_eq!(settled.problems[0].what, "there is another Service db, which is not ours");
    }

    #[test]
    fn the_service_that_the_user_chose_is_checked() {
        let what = |spec: Value| {
            let settled = settled(&[service("db-headless", &spec)], &[]);
            assert_eq!(roles(&settled), [Role::Client, Role::Budget]);
            settled.problems.first().map(|problem| problem.what.clone())
        };
        let selector = json!({"stateward.dev/statefulset": "db"});
        assert_eq!(what(json!({"clusterIP": "None", "selector": selector})), None);
        assert!(
            what(json!({"clusterIP": "10.0.0.1", "selector": selector}))
                .unwrap()
                .contains("address of its own")
        );
        assert!(
            what(json!({"clusterIP": "None", "selector": {"a": "b"}})).unwrap().contains("does not select")
        );
    }

    #[test]
    fn an_ingress_leads_to_a_service_of_ours() {
        let configuration = Configuration::parse("hosts: [{host: a.example.com}]").unwrap();
        let annotations = json!({"stateward.dev/ingress-host": "a.example.com", "stateward.dev/ingress-port": "postgresql"});
        let desired = desired_by(&configuration, &set(), &annotations);
        let found = |role| desired.wanted.iter().find(|one| one.role == role).unwrap().manifest.clone();
        let (client, ingress) = (found(Role::Client), found(Role::Ingress));
        let made = |services: &[Value], ingresses: &[Value]| {
            let mut neighbours = nothing();
            neighbours.insert(Kind::Service, services.to_vec());
            neighbours.insert(Kind::Ingress, ingresses.to_vec());
            let settled = settle(desired.clone(), &set(), &neighbours);
            let told = settled.problems.iter().any(|problem| problem.role == Role::Ingress);
            assert_ne!(roles(&settled).contains(&Role::Ingress), told, "{:?}", settled.problems);
            !told
        };
        let theirs = service("db", &json!({"selector": {"app": "ledger"}}));
        let selecting = service("read", &json!({"selector": {"app": "db"}}));
        assert!(made(&[], &[]) && made(std::slice::from_ref(&client), &[]));
        assert!(!made(std::slice::from_ref(&theirs), &[]), "another's");
        assert!(!made(std::slice::from_ref(&selecting), &[]), "none, and whoever makes one is shown");
        assert!(made(&[selecting, client], &[]), "ours stays beside another");
        assert!(made(&[theirs], &[ingress]), "taken over");
    }

    #[test]
    fn one_that_somebody_took_over_is_theirs() {
        let mut ours = desired(&set(), &json!({})).wanted[2].manifest.clone();
        assert_eq!(taken_over(&ours), None);
        ours["metadata"]["managedFields"] = json!([
            {"manager": "stateward", "operation": "Apply", "fieldsV1": {"f:spec": {}}},
            {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:status": {}}},
        ]);
        assert_eq!(taken_over(&ours), None);
        ours["metadata"]["managedFields"][1] =
            json!({"manager": "flux", "operation": "Apply", "fieldsV1": {"f:spec": {}}});
        assert_eq!(taken_over(&ours).as_deref(), Some("flux"));
        ours["metadata"]["managedFields"] = json!(null);
        ours["metadata"]["annotations"] = json!({"meta.helm.sh/release-name": "x"});
        assert_eq!(taken_over(&ours).as_deref(), Some("Helm"));
        ours["metadata"]["annotations"] = json!(null);
        ours["metadata"]["labels"][names::MANAGED_BY] = json!("Helm");
        assert_eq!(taken_over(&ours).as_deref(), Some("Helm"), "it still has our owner reference");
        assert!(!is_ours(&ours, "db"));
    }

    #[test]
    fn a_route_needs_its_kind_and_a_service_to_lead_to() {
        let configuration = Configuration::parse("gateways: [{gateway: infra/public}]").unwrap();
        let asked = json!({"stateward.dev/gateway": "infra/public", "stateward.dev/service-ports": "5432:postgresql"});
        let settled = |neighbours: Neighbours| {
            let settled = settle(desired_by(&configuration, &set(), &asked), &set(), &neighbours);
            (
                roles(&settled).contains(&Role::Route),
                settled.problems.first().map(|problem| problem.what.clone()),
            )
        };
        let mut neighbours = nothing();
        neighbours.remove(&Kind::TcpRoute);
        assert_eq!(settled(neighbours), (false, Some("this cluster has no TCPRoute".to_owned())));
        assert_eq!(settled(nothing()), (true, None));
        let mut neighbours = nothing();
        let read = service("read", &json!({"selector": {"app": "db"}}));
        neighbours.insert(Kind::Service, vec![read]);
        let (made, problem) = settled(neighbours);
        assert_eq!(
            (made, problem.as_deref()),
            (false, Some("there is no client Service db of ours to send requests to"))
        );
    }

    #[test]
    fn the_class_of_a_load_balancer_stays_and_that_is_told() {
        let configuration = Configuration::parse(
            "serviceClasses: {a: {type: LoadBalancer, loadBalancerClass: x.io/a}, b: {type: LoadBalancer}}",
        );
        let configuration = configuration.unwrap();
        let client = |class: &str| {
            let desired = desired_by(&configuration, &set(), &json!({"stateward.dev/service": class}));
            (desired.wanted.iter().find(|one| one.role == Role::Client).unwrap().manifest.clone(), desired)
        };
        let mut neighbours = nothing();
        neighbours.insert(Kind::Service, vec![client("a").0]);
        assert_eq!(settle(client("a").1, &set(), &neighbours).problems, []);
        let settled = settle(client("b").1, &set(), &neighbours);
        let kept = settled.wanted.iter().find(|one| one.role == Role::Client).unwrap();
        assert_eq!(kept.manifest["spec"]["loadBalancerClass"], "x.io/a");
        assert_eq!(
            settled.problems[0].what,
            "Service db stays with load balancer class x.io/a: the cluster's own takes another Service"
        );
    }
}
