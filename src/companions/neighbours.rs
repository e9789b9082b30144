//! What else stands in the namespace, and what follows for the companions of one set: nothing of
//! anybody else's is touched, doubled or fought.

use serde_json::Value;

use super::{Companion, Companions, Problem, Role, Withheld};
use crate::names;
use crate::settings::text;

/// The objects of the set's namespace that may matter, ours among them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Neighbours<'a> {
    /// Services.
    pub services: &'a [Value],
    /// Disruption budgets.
    pub budgets: &'a [Value],
    /// Ingresses, those of other namespaces among them: hosts are for the whole cluster.
    pub ingresses: &'a [Value],
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
    let entries = metadata["managedFields"].as_array().into_iter().flatten();
    let other = entries
        .filter(|entry| entry["operation"] == "Apply" && entry["manager"] != names::MANAGER)
        .find(|entry| !entry["fieldsV1"]["f:spec"].is_null());
    other.map(|entry| text(&entry["manager"]).to_owned())
}

/// What is to be made of `desired` beside these neighbours.
#[must_use]
pub fn settle(desired: Companions, set: &Value, neighbours: Neighbours) -> Companions {
    let name = text(&set["metadata"]["name"]);
    let mut settled =
        Companions { withheld: desired.withheld, problems: desired.problems, ..Companions::default() };
    for companion in desired.wanted {
        let (others, found) = match companion.role {
            Role::Headless | Role::Client => {
                (neighbours.services, other_service(set, &companion, neighbours.services))
            }
            Role::Budget => (neighbours.budgets, other_budget(set, neighbours.budgets)),
            Role::Ingress => (neighbours.ingresses, None),
            Role::Route | Role::Secret => (&[][..], None),
        };
        let namespace = &set["metadata"]["namespace"];
        let foreign = others.iter().find(|other| {
            other["metadata"]["namespace"] == *namespace
                && other["metadata"]["name"] == companion.name()
                && !is_ours(other, name)
        });
        let claim = older_claim(set, &companion, neighbours.ingresses);
        match (found, foreign) {
            (_, Some(foreign)) if companion.role == Role::Headless => settled.check_headless(set, foreign),
            (Some(other), _) => {
                let why = format!("{other} selects these pods already");
                settled.withheld.push(Withheld { role: companion.role, why });
            }
            (None, Some(foreign)) => settled.problems.push(clash(companion.role, foreign)),
            (None, None) if claim.is_some() => settled.problems.extend(claim),
            (None, None) if !settled.has_backend(&companion, set, neighbours) => {
                let remedy = "let it be made, or make the Ingress or route yourself";
                settled.problem(
                    companion.role,
                    "there is no client Service of ours to send requests to",
                    remedy,
                );
            }
            (None, None) => settled.wanted.push(companion),
        }
    }
    settled
}

impl Companions {
    /// Whether an Ingress or a route leads to a Service of ours: else whoever may write StatefulSets
    /// alone would show the Service of another to the world. Where somebody took our Service over, the
    /// Ingress that was there stays.
    fn has_backend(&self, companion: &Companion, set: &Value, neighbours: Neighbours) -> bool {
        let name = text(&set["metadata"]["name"]);
        let named = |object: &&Value| {
            object["metadata"]["name"] == name
                && object["metadata"]["namespace"] == set["metadata"]["namespace"]
        };
        let service = neighbours.services.iter().find(named);
        !matches!(companion.role, Role::Ingress | Role::Route)
            || self.wanted.iter().any(|wanted| wanted.role == Role::Client)
            || service.is_some_and(|service| {
                is_ours(service, name)
                    || neighbours.ingresses.iter().filter(named).any(|one| is_ours(one, name))
            })
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

fn clash(role: Role, foreign: &Value) -> Problem {
    let (_, kind) = role.kind();
    let name = text(&foreign["metadata"]["name"]);
    Problem {
        role,
        what: format!("there is another {kind} {name}, which is not ours"),
        remedy: match role {
            Role::Headless | Role::Client | Role::Budget => {
                format!("rename or delete it, and ours comes; or keep it, and set {} to none", key(role))
            }
            _ => format!("rename or delete it, and ours comes; or keep it, and take {} away", key(role)),
        },
    }
}

fn key(role: Role) -> &'static str {
    match role {
        Role::Headless | Role::Client => "stateward.dev/service",
        Role::Budget => "stateward.dev/disruption-budget",
        Role::Ingress | Role::Route => "stateward.dev/ingress-host",
        Role::Secret => "stateward.dev/generate-secret",
    }
}

/// A Service of somebody else's, other than the governing one, that selects the pods.
fn other_service(set: &Value, companion: &Companion, services: &[Value]) -> Option<String> {
    if companion.role == Role::Headless {
        return None;
    }
    let set_name = text(&set["metadata"]["name"]);
    let governing = &set["spec"]["serviceName"];
    let found = services.iter().find(|service| {
        service["metadata"]["name"] != *governing
            && !is_ours(service, set_name)
            && selects(&service["spec"]["selector"], set)
    });
    found.map(|service| format!("Service {}", text(&service["metadata"]["name"])))
}

/// The Ingress of another namespace that has the host of ours for longer. A host belongs to one
/// namespace; within one, several sets may share it.
fn older_claim(set: &Value, companion: &Companion, ingresses: &[Value]) -> Option<Problem> {
    if companion.role != Role::Ingress {
        return None;
    }
    let own = &set["metadata"]["namespace"];
    let host = &companion.manifest["spec"]["rules"][0]["host"];
    let created = |ingress: &Value| text(&ingress["metadata"]["creationTimestamp"]).to_owned();
    let ours = ingresses.iter().find(|ingress| {
        ingress["metadata"]["namespace"] == *own
            && ingress["metadata"]["name"] == companion.name()
            && is_ours(ingress, text(&set["metadata"]["name"]))
    });
    let since = ours.map(created);
    let has_host = |ingress: &Value| {
        let rules = ingress["spec"]["rules"].as_array();
        rules.into_iter().flatten().any(|rule| rule["host"] == *host)
    };
    let older = |ingress: &&Value| {
        // Made in one second: the namespace that comes first has it, so that both say the same.
        let earlier = |since: &String| {
            let namespace = |value: &Value| text(value).to_owned();
            (created(ingress), namespace(&ingress["metadata"]["namespace"])) < (since.clone(), namespace(own))
        };
        ingress["metadata"]["namespace"] != *own && has_host(ingress) && since.as_ref().is_none_or(earlier)
    };
    let holder = ingresses.iter().find(older)?;
    let metadata = &holder["metadata"];
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    Some(Problem {
        role: Role::Ingress,
        what: format!("host {} belongs to Ingress {name} in namespace {namespace}", text(host)),
        remedy: "choose another host, or have that one taken away".to_owned(),
    })
}

/// A budget of somebody else's that selects the pods: with two, every eviction fails.
fn other_budget(set: &Value, budgets: &[Value]) -> Option<String> {
    let set_name = text(&set["metadata"]["name"]);
    let found = budgets
        .iter()
        .find(|budget| !is_ours(budget, set_name) && budget_selects(&budget["spec"]["selector"], set));
    found.map(|budget| format!("PodDisruptionBudget {}", text(&budget["metadata"]["name"])))
}

/// Whether a Service's selector selects the pods; one without a selector selects none.
fn selects(selector: &Value, set: &Value) -> bool {
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
        settle(desired(&set(), &json!({})), &set(), Neighbours { services, budgets, ingresses: &[] })
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
        assert_eq!(
            roles(&super::settle(
                desired(&set(), &json!({})),
                &set(),
                Neighbours {
                    services: &[
                        service("other", &json!({"selector": {"app": "web"}})),
                        service("external", &json!({}))
                    ],
                    budgets: &[],
                    ingresses: &[],
                }
            ))
            .len(),
            3
        );
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
    fn a_host_belongs_to_the_namespace_that_had_it_first() {
        let configuration = Configuration::parse("hosts: [{host: a.example.com}]").unwrap();
        let annotations = json!({"stateward.dev/ingress-host": "a.example.com", "stateward.dev/ingress-port": "postgresql"});
        let desired = || desired_by(&configuration, &set(), &annotations);
        let ours = desired().wanted.into_iter().find(|c| c.role == Role::Ingress).unwrap().manifest;
        let made = |ingress: &Value, namespace: &str, at: &str| {
            let mut ingress = ingress.clone();
            ingress["metadata"]["namespace"] = json!(namespace);
            ingress["metadata"]["creationTimestamp"] = json!(at);
            ingress
        };
        let theirs = made(
            &json!({"metadata": {"name": "web"}, "spec": ours["spec"]}),
            "other",
            "2026-01-02T00:00:00Z",
        );
        let settled = |ingresses: &[Value]| {
            settle(desired(), &set(), Neighbours { ingresses, ..Neighbours::default() })
        };
        let told = settled(std::slice::from_ref(&theirs));
        assert_eq!(told.problems[0].what, "host a.example.com belongs to Ingress web in namespace other");
        let older = made(&ours, "shop", "2026-01-01T00:00:00Z");
        assert_eq!(settled(&[older, theirs.clone()]).problems, []);
        let younger = made(&ours, "shop", "2026-01-03T00:00:00Z");
        assert_eq!(settled(&[younger, theirs.clone()]).problems.len(), 1);
        assert_eq!(settled(&[made(&theirs, "shop", "2026-01-01T00:00:00Z")]).problems, []);
    }

    #[test]
    fn an_ingress_leads_to_a_service_of_ours() {
        let configuration = Configuration::parse("hosts: [{host: a.example.com}]").unwrap();
        let annotations = json!({"stateward.dev/ingress-host": "a.example.com", "stateward.dev/ingress-port": "postgresql"});
        let desired = desired_by(&configuration, &set(), &annotations);
        let found = |role| desired.wanted.iter().find(|one| one.role == role).unwrap().manifest.clone();
        let (client, ingress) = (found(Role::Client), found(Role::Ingress));
        let made = |services: &[Value], ingresses: &[Value]| {
            let settled = settle(desired.clone(), &set(), Neighbours { services, budgets: &[], ingresses });
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
        assert!(!is_ours(&ours, "db"));
    }
}
