//! A host belongs to one namespace: the one that has it for longest, whoever made it there.

use serde_json::Value;

use super::neighbours::{Neighbours, is_ours};
use super::{Companion, Kind, Problem};
use crate::names;
use crate::settings::text;

/// The kinds that claim hosts.
pub const CLAIMING: [Kind; 3] = [Kind::Ingress, Kind::HttpRoute, Kind::TlsRoute];

/// The hosts that an Ingress or a route claims.
pub fn hosts(object: &Value) -> impl Iterator<Item = &str> {
    let rules = object["spec"]["rules"].as_array().into_iter().flatten();
    let of_routes = object["spec"]["hostnames"].as_array().into_iter().flatten();
    rules.map(|rule| &rule["host"]).chain(of_routes).filter_map(Value::as_str)
}

/// What of another namespace has the host of `companion` for longer. Within one namespace several
/// sets may share it.
pub(super) fn older_claim(set: &Value, companion: &Companion, neighbours: &Neighbours) -> Option<Problem> {
    let host = hosts(&companion.manifest).next()?;
    let own = &set["metadata"]["namespace"];
    let ours = neighbours.get(&companion.kind).into_iter().flatten().find(|object| {
        object["metadata"]["namespace"] == *own
            && object["metadata"]["name"] == companion.name()
            && is_ours(object, text(&set["metadata"]["name"]))
    });
    // Made in one second: the namespace that comes first has it, so that both say the same.
    let since = |object: &Value| {
        let metadata = &object["metadata"];
        (text(&metadata["creationTimestamp"]).to_owned(), text(&metadata["namespace"]).to_owned())
    };
    let ours = ours.map(since);
    let claims = CLAIMING.iter().filter_map(|kind| neighbours.get(kind).map(|objects| (kind, objects)));
    let (kind, holder) =
        claims.flat_map(|(kind, objects)| objects.iter().map(move |o| (kind, o))).find(|(_, object)| {
            object["metadata"]["namespace"] != *own
                && hosts(object).any(|claimed| claimed == host)
                && ours.as_ref().is_none_or(|ours| since(object) < *ours)
        })?;
    let metadata = &holder["metadata"];
    let namespace = text(&metadata["namespace"]);
    let labels = &metadata["labels"];
    let set = labels[names::STATEFULSET].as_str().filter(|_| labels[names::MANAGED_BY] == names::MANAGER);
    Some(Problem {
        role: companion.role,
        what: format!("host {host} belongs to {kind} {} in namespace {namespace}", text(&metadata["name"])),
        remedy: "choose another host, or have that one taken away".to_owned(),
        in_favour_of: set.map(|set| (namespace.to_owned(), set.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::companions::neighbours::{nothing, settle};
    use crate::companions::testing::{desired_by, set};
    use crate::companions::{Companions, Role};
    use crate::configuration::Configuration;

    const HOST: &str = "a.example.com";

    fn wanted(annotations: &Value) -> Companions {
        let grants = "hosts: [{host: a.example.com}]\ngateways: [{gateway: infra/public}]";
        let configuration = Configuration::parse(grants).unwrap();
        let mut all = json!({"stateward.dev/ingress-host": HOST, "stateward.dev/ingress-port": "postgresql"});
        all.as_object_mut().unwrap().extend(annotations.as_object().unwrap().clone());
        desired_by(&configuration, &set(), &all)
    }

    fn made(object: &Value, namespace: &str, at: &str) -> Value {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!(namespace);
        object["metadata"]["creationTimestamp"] = json!(at);
        object
    }

    fn among_those(kind: Kind, objects: Vec<Value>) -> Neighbours {
        let mut neighbours = nothing();
        neighbours.insert(kind, objects);
        neighbours
    }

    fn ours() -> Value {
        let wanted = wanted(&json!({})).wanted;
        wanted.into_iter().find(|companion| companion.role == Role::Ingress).unwrap().manifest
    }

    fn problems(desired: Companions, neighbours: &Neighbours) -> Vec<Problem> {
        settle(desired, &set(), neighbours).problems
    }

    #[test]
    fn the_namespace_that_had_it_first_has_it() {
        let theirs = made(
            &json!({"metadata": {"name": "web"}, "spec": ours()["spec"]}),
            "other",
            "2026-01-02T00:00:00Z",
        );
        let among =
            |ingresses: Vec<Value>| problems(wanted(&json!({})), &among_those(Kind::Ingress, ingresses));
        let told = among(vec![theirs.clone()]);
        assert_eq!(told[0].what, "host a.example.com belongs to Ingress web in namespace other");
        assert_eq!(told[0].in_favour_of, None, "nobody of ours is to be told");
        let older = made(&ours(), "shop", "2026-01-01T00:00:00Z");
        assert_eq!(among(vec![older, theirs.clone()]), []);
        let younger = made(&ours(), "shop", "2026-01-03T00:00:00Z");
        assert_eq!(among(vec![younger, theirs.clone()]).len(), 1);
        assert_eq!(among(vec![made(&theirs, "shop", "2026-01-01T00:00:00Z")]), []);
    }

    #[test]
    fn routes_claim_hosts_as_ingresses_do_and_the_winner_is_known() {
        let mut route = made(&ours(), "other", "2026-01-02T00:00:00Z");
        route["kind"] = json!("TLSRoute");
        route["spec"] = json!({"hostnames": ["b.example.com", HOST]});
        let neighbours = || among_those(Kind::TlsRoute, vec![route.clone()]);
        for annotations in [json!({}), json!({"stateward.dev/gateway": "infra/public"})] {
            let told = problems(wanted(&annotations), &neighbours());
            assert_eq!(told[0].what, "host a.example.com belongs to TLSRoute db in namespace other");
            assert_eq!(told[0].in_favour_of, Some(("other".to_owned(), "db".to_owned())));
        }
    }
}
