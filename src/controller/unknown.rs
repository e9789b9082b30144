//! What of a set's companions cannot be decided while the API server has no answer for some kinds. Pure.
//!
//! Such a companion is neither made nor taken away nor said to be impossible, and it keeps no other:
//! when there is an answer, all sets are looked at again. The commands judge by the same functions.

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
        let Some(by) = hidden(&companion, &live.unknown, live.ours(set)) else {
            desired.wanted.push(companion);
            continue;
        };
        roles.insert(companion.role);
        let problem = problem(&companion, by);
        if WAYS_IN.contains(&companion.role) {
            desired.problems.push(problem);
        } else {
            // A profile asked for it, in whatever cluster.
            desired.withheld.push(Withheld { role: companion.role, why: problem.what });
        }
    }
    roles
}

/// Whether a step may be done, where companions of these roles were set aside.
pub(super) fn permits(aside: &BTreeSet<Role>, step: &Step) -> bool {
    !(stays(aside, step.role) && matches!(step.act, Act::Delete { .. }))
}

/// Whether what is there of a role is not taken away, where companions of these roles were set aside.
pub(crate) fn stays(aside: &BTreeSet<Role>, role: Role) -> bool {
    aside.contains(&role) || WAYS_IN.contains(&role) && WAYS_IN.iter().any(|way| aside.contains(way))
}

/// Which of the `unknown` kinds keeps a companion from being decided: its own, or one of which somebody may
/// have its host for longer. A host that one of `ours` beside the set has it keeps.
pub(crate) fn hidden<'o>(
    companion: &Companion,
    unknown: &BTreeSet<Kind>,
    mut ours: impl Iterator<Item = (Role, &'o Value)>,
) -> Option<Kind> {
    if unknown.contains(&companion.kind) {
        return Some(companion.kind);
    }
    let host = hosts(&companion.manifest).next()?;
    let unknown = CLAIMING.into_iter().find(|kind| unknown.contains(kind))?;
    let has = |(role, object)| role == companion.role && hosts(object).any(|claimed| claimed == host);
    (!ours.any(has)).then_some(unknown)
}

/// Why a companion that [`hidden`] tells of is not made.
pub(crate) fn problem(companion: &Companion, by: Kind) -> Problem {
    let Companion { role, kind, manifest } = companion;
    let (name, group) = (companion.name(), by.group());
    let what = match hosts(manifest).next() {
        Some(host) if by != *kind => format!(
            "{kind} {name} is not made while {group} has no answer: somebody may have had host {host} for longer"
        ),
        _ => format!(
            "{kind} {name} is left alone while {group} has no answer: whether it is there is not known"
        ),
    };
    Problem {
        role: *role,
        what,
        remedy: "the controller asks again by itself; kubectl get apiservices says what is wrong".to_owned(),
        in_favour_of: None,
    }
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
            "HTTPRoute db is left alone while gateway.networking.k8s.io has no answer: whether it is there is not known"
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
            "Ingress db is not made while gateway.networking.k8s.io has no answer: somebody may have had host \
             new.example.com for longer"
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
