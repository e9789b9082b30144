//! The ports of Services, from those that containers declare.

use serde_json::{Value, json};

use crate::path::Path;
use crate::settings::text;

/// The ports that the containers of `set` declare, each number and protocol once.
pub(super) fn container_ports(set: &Value) -> Vec<&Value> {
    let spec = Path::fields(&["spec", "template", "spec"]);
    let pod = spec.lookup(set);
    let mut ports: Vec<&Value> = Vec::new();
    // Init containers that stay are sidecars, and may serve too.
    for list in ["containers", "initContainers"] {
        let containers = pod.and_then(|pod| pod[list].as_array()).into_iter().flatten();
        let stays = |c: &&Value| list == "containers" || c["restartPolicy"] == "Always";
        for port in containers.filter(stays).flat_map(|c| c["ports"].as_array().into_iter().flatten()) {
            let same = |other: &&Value| {
                other["containerPort"] == port["containerPort"] && protocol(other) == protocol(port)
            };
            if port["containerPort"].is_u64() && !ports.iter().any(same) {
                ports.push(port);
            }
        }
    }
    ports
}

pub(super) fn protocol(port: &Value) -> &str {
    port["protocol"].as_str().unwrap_or("TCP")
}

/// Adds the port of a Service before a container's port: by name where it has one of its own, so
/// that the number may change.
pub(super) fn add_port(ports: &mut Vec<Value>, number: u64, target: &Value) {
    let (name, protocol) = (text(&target["name"]), protocol(target));
    let unnamed = name.is_empty() || ports.iter().any(|port| port["targetPort"] == name);
    let mut port = json!({
        "name": if unnamed { format!("{}-{number}", protocol.to_lowercase()) } else { name.to_owned() },
        "port": number, "protocol": protocol,
        "targetPort": if unnamed { target["containerPort"].clone() } else { Value::from(name) },
    });
    if let Some(application) = application(name) {
        port["appProtocol"] = Value::from(application);
    }
    ports.push(port);
}

/// The `appProtocol` that the name of a port tells (IANA service names, and Kubernetes' own for
/// HTTP/2 in clear text: KEP-3726).
fn application(name: &str) -> Option<&'static str> {
    Some(match name.split('-').next().unwrap_or_default() {
        "http" => "http",
        "https" => "https",
        "h2c" | "grpc" => "kubernetes.io/h2c",
        _ => return None,
    })
}
