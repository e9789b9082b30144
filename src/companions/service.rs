//! The Service for clients: ready pods alone, of a class that the platform defines.

use serde_json::{Map, Value};

use super::{Companions, Labels, Role, add_port, container_ports, manifest, pod_labels};
use crate::configuration::Configuration;
use crate::intent::{Intent, PortRef};
use crate::settings::text;

pub(super) fn desired(
    set: &Value,
    intent: &Intent,
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
    let ports = match ports(set, intent) {
        Ok(ports) if ports.is_empty() => {
            return companions.withhold(Role::Client, "no container declares a port");
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

/// The ports of the Service: those of the annotation, else all that containers declare. Without
/// a port that the annotation names: what is wrong and what to write.
fn ports(set: &Value, intent: &Intent) -> Result<Vec<Value>, (String, String)> {
    let declared = container_ports(set);
    let mut ports = Vec::new();
    if intent.service_ports.is_empty() {
        for port in &declared {
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
    use crate::companions::testing::{desired, set};
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
    fn none_is_none_and_an_unknown_class_is_told() {
        assert!(client(&json!({"stateward.dev/service": "none"})).unwrap_err().contains("is none"));
        assert_eq!(
            client(&json!({"stateward.dev/service": "internal"})).unwrap_err(),
            "stateward.dev/service: there is no service class \"internal\"; write one of ClusterIP"
        );
    }
}
