//! The Service for clients: ready pods alone, of a class that the platform defines.

use serde_json::{Map, Value};

use super::ports::protocol;
use super::{Companions, Labels, Role, add_port, container_ports, manifest, pod_labels};
use crate::catalogue::Asked;
use crate::configuration::Configuration;
use crate::intent::{Intent, PortRef};
use crate::settings::text;

pub(super) fn desired(
    set: &Value,
    intent: &Intent,
    asked: &Asked,
    configuration: &Configuration,
    namespace: &Labels,
    companions: &mut Companions,
) {
    let name = text(&set["metadata"]["name"]);
    if intent.service.as_deref() == Some("none") {
        return companions.withhold(Role::Client, "stateward.dev/service is none");
    }
    if text(&set["spec"]["serviceName"]) == name {
        return companions
            .withhold(Role::Client, "the serviceName of the set has the name that it would have");
    }
    let ports = match ports(set, intent, asked) {
        Ok(ports) if ports.is_empty() => {
            return companions.withhold(Role::Client, "no container declares a port for clients");
        }
        Ok(ports) => ports,
        Err((what, remedy)) => return companions.problem(Role::Client, what, remedy),
    };
    let Some(selector) = pod_labels(set) else {
        let what = "the selector of the set has expressions, which no Service can have";
        return companions.problem(Role::Client, what, "make a Service for clients yourself");
    };
    let class = match configuration.service_class(intent.service.as_deref(), namespace) {
        Ok(class) => class,
        Err((what, remedy)) => return companions.problem(Role::Client, what, remedy),
    };
    let mut spec = class.spec();
    spec.insert("selector".to_owned(), selector);
    spec.insert("ports".to_owned(), Value::from(ports));
    let mut manifest =
        manifest(set, Role::Client, name, Map::from_iter([("spec".to_owned(), Value::Object(spec))]));
    if !class.annotations.is_empty() {
        manifest["metadata"]["annotations"] =
            class.annotations.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    }
    companions.want(Role::Client, manifest);
}

/// The ports of the Service: those of the annotation, else all that containers declare and that the
/// profile does not keep to the headless Service. Without a port that the annotation names: what is
/// wrong and what to write.
fn ports(set: &Value, intent: &Intent, asked: &Asked) -> Result<Vec<Value>, (String, String)> {
    let declared = container_ports(set);
    let mut ports = Vec::new();
    if intent.service_ports.is_empty() {
        let for_clients = |port: &&&Value| {
            !asked.headless_service.ports.iter().any(|kept| kept.is(&port["containerPort"], protocol(port)))
        };
        for port in declared.iter().filter(for_clients) {
            add_port(&mut ports, port["containerPort"].as_u64().unwrap_or_default(), port);
        }
        return Ok(ports);
    }
    for wanted in &intent.service_ports {
        let is_meant = |port: &&&Value| match &wanted.target {
            PortRef::Name(name) => port["name"] == name.as_str(),
            PortRef::Number(number) => port["containerPort"] == *number,
        };
        let Some(port) = declared.iter().find(is_meant) else {
            let known: Vec<&str> =
                declared.iter().map(|port| text(&port["name"])).filter(|n| !n.is_empty()).collect();
            let target = match &wanted.target {
                PortRef::Name(name) => name.clone(),
                PortRef::Number(number) => number.to_string(),
            };
            let remedy = match known.as_slice() {
                [] => "declare it at the container, or take stateward.dev/service-ports away".to_owned(),
                known => format!("write one of {}, or declare it at the container", known.join(", ")),
            };
            return Err((
                format!("stateward.dev/service-ports: no container declares port {target}"),
                remedy,
            ));
        };
        add_port(&mut ports, wanted.port.into(), port);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use crate::companions::testing::{desired, ports_of_etcd, set};
    use serde_json::json;

    use super::*;

    fn client(annotations: &Value) -> Result<Value, String> {
        let companions = desired(&set(), annotations);
        let made = companions.wanted.iter().find(|c| c.role == Role::Client).map(|c| c.manifest.clone());
        let withheld = companions.withheld.iter().filter(|w| w.role == Role::Client).map(|w| w.why.clone());
        let problems = companions.problems.iter().map(|p| format!("{}; {}", p.what, p.remedy));
        made.ok_or_else(|| withheld.chain(problems).collect())
    }

    #[test]
    fn ready_pods_alone_under_the_name_of_the_set() {
        let service = client(&json!({})).unwrap();
        assert_eq!(service["metadata"]["name"], "db");
        assert_eq!(service["spec"]["type"], "ClusterIP");
        assert_eq!(service["spec"].get("publishNotReadyAddresses"), None);
        assert_eq!(service["spec"]["ports"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn ports_are_mapped_by_name() {
        let service = client(&json!({"stateward.dev/service-ports": "80:http-metrics,15432:5432"})).unwrap();
        assert_eq!(
            service["spec"]["ports"],
            json!([
                {"name": "http-metrics", "port": 80, "protocol": "TCP", "targetPort": "http-metrics", "appProtocol": "http"},
                {"name": "postgresql", "port": 15432, "protocol": "TCP", "targetPort": "postgresql"},
            ])
        );
        assert_eq!(
            client(&json!({"stateward.dev/service-ports": "80:web"})).unwrap_err(),
            "stateward.dev/service-ports: no container declares port web; write one of postgresql, http-metrics, or \
             declare it at the container"
        );
    }

    #[test]
    fn ports_that_the_profile_keeps_to_the_headless_service_are_there_alone() {
        let ports = json!([
            {"name": "client", "containerPort": 2379},
            {"name": "peer", "containerPort": 2380},
            {"name": "metrics", "containerPort": 2381},
        ]);
        let target = |name: &str, number: u16| (name.to_owned(), json!(number), json!(number));
        let client = ("client".to_owned(), json!(2379), json!("client"));
        let [headless, clients] = ports_of_etcd(&ports, &json!({}));
        assert_eq!(headless, [client.clone(), target("peer", 2380), target("metrics", 2381)]);
        assert_eq!(clients, std::slice::from_ref(&client));
        // Where none is declared, as in pods of an earlier revision, they are the same.
        let [headless, clients] = ports_of_etcd(&json!([ports[0]]), &json!({}));
        assert_eq!(headless, [client.clone(), target("peer", 2380), target("metrics", 2381)]);
        assert_eq!(clients, [client]);
        // Unless somebody asks for one.
        let [_, clients] = ports_of_etcd(&ports, &json!({"stateward.dev/service-ports": "81:metrics"}));
        assert_eq!(clients, [("metrics".to_owned(), json!(81), json!("metrics"))]);
        let [_, clients] = ports_of_etcd(&json!([ports[1]]), &json!({}));
        assert_eq!(clients, [], "without a port for clients there is no Service for them");
    }

    #[test]
    fn none_is_none_and_an_unknown_class_is_told() {
        assert!(client(&json!({"stateward.dev/service": "none"})).unwrap_err().contains("is none"));
        assert_eq!(
            client(&json!({"stateward.dev/service": "internal"})).unwrap_err(),
            "stateward.dev/service: there is no service class \"internal\"; write one of ClusterIP"
        );
    }
}
