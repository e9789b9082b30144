//! What of a set's companions cannot be decided while the API server has no answer for some kinds. Pure.
//!
//! Such a companion is neither made nor taken away nor said to be impossible, and it keeps no other:
//! when there is an answer, all sets are looked at again.

use std::collections::BTreeSet;

use serde_json::Value;

use super::plan::{Act, Live, Step};
use crate::companions::hosts::{CLAIMING, hosts};
use crate::companions::{Companion, Companions, Kind, Problem, Role, Withheld};

/// What leads clients in from outside. One may take the place of the other, so while one of them
/// cannot be made the other stays.
const WAYS_IN: [Role; 2] = [Role::Ingress, Role::Route];

/// Takes out of `desired` what cannot be decided, and tells it there. Gives the roles.
pub(super) fn set_aside(desired: &mut Companions, set: &Value, live: &Live) -> BTreeSet<Role> {
    let mut roles = BTreeSet::new();
    for companion in std::mem::take(&mut desired.wanted) {
        let Some(by) = hidden(&companion, set, live) else {
            desired.wanted.push(companion);
            continue;
        };
        let (role, kind) = (companion.role, companion.kind);
        roles.insert(role);
        let silent = format!("the API server gives no answer for {}", by.group());
        if !WAYS_IN.contains(&role) {
            // A profile asked for it, in whatever cluster.
            let why = format!("{silent}, and so whether there is {kind} is not known");
            desired.withheld.push(Withheld { role, why });
            continue;
        }
        let what = match hosts(&companion.manifest).next() {
            Some(host) if by != kind => format!("{silent}, and so whose host {host} is is not known"),
            _ => format!("{silent}, and so whether there is {kind} is not known"),
        };
        let remedy = "it is asked again by itself: see kubectl get apiservices for what is wrong".to_owned();
        desired.problems.push(Problem { role, what, remedy, in_favour_of: None });
    }
    roles
}

/// Whether a step may be done, where companions of these roles were set aside.
pub(super) fn permits(aside: &BTreeSet<Role>, step: &Step) -> bool {
    let waits = aside.contains(&step.role)
        || WAYS_IN.contains(&step.role) && WAYS_IN.iter().any(|role| aside.contains(role));
    !(waits && matches!(step.act, Act::Delete { .. }))
}

/// The unknown kind for which a companion cannot be decided: its own, or one of which somebody may
/// have its host for longer. A host that it has it keeps.
fn hidden(companion: &Companion, set: &Value, live: &Live) -> Option<Kind> {
    if live.unknown.contains(&companion.kind) {
        return Some(companion.kind);
    }
    let host = hosts(&companion.manifest).next()?;
    let has = |(role, object): (Role, &Value)| {
        role == companion.role && hosts(object).any(|claimed| claimed == host)
    };
    let unknown = CLAIMING.into_iter().find(|kind| live.unknown.contains(kind))?;
    (!live.ours(set).any(has)).then_some(unknown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::names;

    fn set() -> Value {
        json!({"metadata": {"name": "db", "namespace": "shop", "uid": "u-1"}})
    }

    fn companion(role: Role, kind: Kind, spec: &Value) -> Companion {
        let labels = json!({names::COMPANION: role.as_str(), names::STATEFULSET: "db"});
        let metadata = json!({"name": "db", "namespace": "shop", "labels": labels});
        Companion { role, kind, manifest: json!({"kind": kind.as_str(), "metadata": metadata, "spec": spec}) }
    }

    fn ingress(host: &str) -> Companion {
        companion(Role::Ingress, Kind::Ingress, &json!({"rules": [{"host": host}]}))
    }

    fn route() -> Companion {
        companion(Role::Route, Kind::HttpRoute, &json!({"hostnames": ["db.example.com"]}))
    }

    /// Beside an Ingress of ours, with no answer for the groups of these kinds.
    fn live(unknown: &[Kind]) -> Live {
        let mut ours = ingress("db.example.com").manifest;
        let labels = json!({format!("f:{}", names::COMPANION): {}, format!("f:{}", names::STATEFULSET): {}});
        let fields = json!({"f:metadata": {"f:labels": labels}});
        ours["metadata"]["managedFields"] =
            json!([{"manager": names::MANAGER, "operation": "Apply", "fieldsV1": fields}]);
        let unknown = unknown.iter().copied().collect();
        Live { unknown, beside: [(Kind::Ingress, vec![ours])].into(), ..Live::default() }
    }

    fn aside(wanted: Vec<Companion>, live: &Live) -> (Companions, BTreeSet<Role>) {
        let mut desired = Companions { wanted, ..Companions::default() };
        let roles = set_aside(&mut desired, &set(), live);
        (desired, roles)
    }

    fn delete(role: Role) -> Step {
        let act = Act::Delete { name: "db".into(), uid: "u-2".into(), version: "1".into(), sure: true };
        Step { role, kind: role.kind(), act }
    }

    #[test]
    fn what_is_of_an_unknown_kind_waits_and_nothing_else() {
        let service = companion(Role::Client, Kind::Service, &json!({}));
        let monitor = companion(Role::Monitor, Kind::ServiceMonitor, &json!({}));
        let wanted = vec![service.clone(), route(), monitor];
        let (desired, roles) = aside(wanted.clone(), &live(&[Kind::HttpRoute, Kind::ServiceMonitor]));
        assert_eq!(desired.wanted, [service]);
        assert_eq!(roles, [Role::Route, Role::Monitor].into());
        assert_eq!(
            desired.problems[0].what,
            "the API server gives no answer for gateway.networking.k8s.io, and so whether there is HTTPRoute is \
             not known"
        );
        assert_eq!(desired.withheld[0].role, Role::Monitor, "nobody's wish");
        assert_eq!((desired.problems.len(), desired.withheld.len()), (1, 1));
        assert_eq!(aside(wanted.clone(), &live(&[])).0.wanted, wanted);
    }

    #[test]
    fn a_host_is_kept_and_none_is_claimed_while_whose_it_is_is_not_known() {
        let held = |wanted: Companion, unknown: &[Kind]| {
            let (desired, _) = aside(vec![wanted], &live(unknown));
            desired.problems.into_iter().next().map(|problem| problem.what)
        };
        assert_eq!(held(ingress("db.example.com"), &[Kind::TlsRoute]), None, "it has it");
        assert_eq!(
            held(ingress("new.example.com"), &[Kind::TlsRoute]).unwrap(),
            "the API server gives no answer for gateway.networking.k8s.io, and so whose host new.example.com is is \
             not known"
        );
        assert_eq!(held(ingress("new.example.com"), &[Kind::ServiceMonitor]), None, "it claims no host");
        assert_eq!(held(ingress("new.example.com"), &[]), None);
    }

    #[test]
    fn no_way_in_goes_while_another_cannot_be_made() {
        let (_, roles) = aside(vec![route()], &live(&[Kind::HttpRoute]));
        assert!(!permits(&roles, &delete(Role::Ingress)));
        assert!(permits(&roles, &delete(Role::Budget)));
        assert!(permits(&BTreeSet::new(), &delete(Role::Ingress)));
        let apply = Act::Apply(ingress("db.example.com").manifest);
        assert!(permits(&roles, &Step { role: Role::Ingress, kind: Kind::Ingress, act: apply }));
    }
}
