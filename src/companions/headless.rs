//! The headless Service: a DNS name for each pod, ready or not, since peers look for each other
//! before they are ready (the purpose that `publishNotReadyAddresses` was made for: its field doc).

use serde_json::{Map, Value, json};

use super::{Companions, Role, add_port, container_ports, manifest, pod_labels};
use crate::catalogue::Asked;
use crate::settings::text;

pub(super) fn desired(set: &Value, asked: &Asked, companions: &mut Companions) {
    let name = text(&set["spec"]["serviceName"]);
    if name.is_empty() {
        return companions
            .withhold(Role::Headless, "the set has no serviceName, and it cannot be added later");
    }
    let Some(selector) = pod_labels(set) else {
        let what = "the selector of the set has expressions, which no Service can have";
        let remedy = "make a headless Service of that name yourself, with labels that only these pods have";
        return companions.problem(Role::Headless, what, remedy);
    };
    let mut ports = Vec::new();
    for port in container_ports(set) {
        add_port(&mut ports, port["containerPort"].as_u64().unwrap_or_default(), port);
    }
    for extra in &asked.headless_service.ports {
        let known = ports.iter().position(|port| extra.is(&port["port"], text(&port["protocol"])));
        let known = known.unwrap_or_else(|| {
            let port = json!({
                "name": extra.name, "containerPort": extra.port, "protocol": extra.protocol.as_str(),
            });
            add_port(&mut ports, extra.port.into(), &port);
            ports.len() - 1
        });
        // By number: where no container declares it, as in pods of an earlier revision, its name leads nowhere.
        ports[known]["targetPort"] = extra.port.into();
    }
    let spec = json!({
        "clusterIP": "None", "publishNotReadyAddresses": true, "selector": selector, "ports": ports,
    });
    companions.want(
        Role::Headless,
        manifest(set, Role::Headless, name, Map::from_iter([("spec".to_owned(), spec)])),
    );
}

#[cfg(test)]
mod tests {
    use crate::companions::testing::{desired, set};
    use serde_json::json;

    use super::*;

    #[test]
    fn every_pod_gets_a_name_whether_ready_or_not() {
        let companions = desired(&set(), &json!({}));
        let service = companions.wanted.iter().find(|c| c.role == Role::Headless).unwrap();
        assert_eq!(service.name(), "db-headless");
        assert_eq!(
            service.manifest["spec"],
            json!({
                "clusterIP": "None", "publishNotReadyAddresses": true,
                "selector": {"stateward.dev/statefulset": "db"},
                "ports": [
                    {"name": "postgresql", "port": 5432, "protocol": "TCP", "targetPort": "postgresql"},
                    {"name": "http-metrics", "port": 9187, "protocol": "TCP", "targetPort": "http-metrics",
                     "appProtocol": "http"},
                ],
            })
        );
        assert_eq!(
            service.manifest["metadata"]["ownerReferences"][0],
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u-1",
                   "controller": true, "blockOwnerDeletion": true})
        );
    }

    #[test]
    fn a_name_that_two_containers_give_a_port_is_given_once() {
        let mut set = set();
        let sidecar = &mut set["spec"]["template"]["spec"]["containers"][1];
        sidecar["ports"] =
            json!([{"name": "postgresql", "containerPort": 6432}, {"containerPort": 53, "protocol": "UDP"}]);
        let companions = desired(&set, &json!({}));
        let ports = &companions.wanted[0].manifest["spec"]["ports"];
        let short: Vec<_> =
            ports.as_array().unwrap().iter().map(|p| (text(&p["name"]), p["targetPort"].clone())).collect();
        assert_eq!(
            short,
            [("postgresql", json!("postgresql")), ("tcp-6432", json!(6432)), ("udp-53", json!(53))]
        );
    }

    #[test]
    fn a_set_without_a_service_name_gets_none() {
        let mut set = set();
        set["spec"]["serviceName"] = json!("");
        assert!(desired(&set, &json!({})).withheld.iter().any(|withheld| withheld.role == Role::Headless));
    }

    #[test]
    fn a_selector_with_expressions_is_replaced_by_our_label_or_told() {
        let mut set = set();
        set["spec"]["selector"] = json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]});
        let selector = |set: &Value| desired(set, &json!({})).wanted[0].manifest["spec"]["selector"].clone();
        assert_eq!(selector(&set), json!({"stateward.dev/statefulset": "db"}));
        set["spec"]["template"]["metadata"]["labels"] = json!({"a": "b"});
        assert!(desired(&set, &json!({})).problems.iter().any(|problem| problem.role == Role::Headless));
    }
}
