//! Where the set can be reached.

use serde_json::{Value, json};

use crate::cli::world::World;
use crate::companions::neighbours::{is_ours, selects};
use crate::companions::{Companions, Role};
use crate::record::Record;
use crate::settings::{containers, text};

/// The addresses that lead to the pods: of Services for clients, whosever they are, with the number of
/// pods behind each; of load balancers; and of the set's own Ingress.
pub(super) fn endpoints(set: &Value, world: &World, problems: &mut Vec<String>) -> Vec<Value> {
    let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
    let leads_here = |service: &&Value| {
        service["spec"]["clusterIP"] != "None" && selects(&service["spec"]["selector"], set)
    };
    let mut lines = Vec::new();
    for service in world.within("Service", namespace).filter(leads_here) {
        let service_name = text(&service["metadata"]["name"]);
        let ready = ready(service_name, namespace, world);
        for port in service["spec"]["ports"].as_array().into_iter().flatten() {
            let address = format!("{service_name}.{namespace}.svc:{}", port["port"]);
            lines.push(json!({"address": address, "port": port["name"], "ready": ready, "by": "Service"}));
        }
        lines.extend(outside(service));
        if is_ours(service, name) {
            problems.extend(unreached(set, service, ready));
        }
    }
    let ingress = world
        .within("Ingress", namespace)
        .find(|ingress| ingress["metadata"]["name"] == name && is_ours(ingress, name));
    lines.extend(ingress.map(|ingress| {
        let (rule, scheme) =
            (&ingress["spec"]["rules"][0], if ingress["spec"]["tls"].is_null() { "http" } else { "https" });
        let path = text(&rule["http"]["paths"][0]["path"]);
        json!({"address": format!("{scheme}://{}{path}", text(&rule["host"])), "by": "Ingress"})
    }));
    lines
}

/// What keeps clients of our Service from the pods.
fn unreached(set: &Value, service: &Value, behind: Option<usize>) -> Vec<String> {
    let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&service["metadata"]["name"]));
    let mut problems = Vec::new();
    let ready = set["status"]["readyReplicas"].as_u64().unwrap_or(0);
    if let Some(behind) = behind.filter(|behind| (*behind as u64) < ready) {
        problems.push(format!(
            "Service {name} leads to {behind} of {ready} ready pods; if that lasts, compare its selector with the labels of \
             the pods: kubectl describe service -n {namespace} {name}"
        ));
    }
    if service["spec"]["type"] == "LoadBalancer" && balancers(service).is_empty() {
        problems.push(format!(
            "Service {name} has no address of a load balancer yet; kubectl describe service -n {namespace} {name} says why"
        ));
    }
    problems
}

/// How many pods a Service sends to; `None` where that could not be read.
fn ready(service: &str, namespace: &str, world: &World) -> Option<usize> {
    world.known("EndpointSlice")?;
    let slices = world
        .within("EndpointSlice", namespace)
        .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == service);
    let endpoints = slices.flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    // One pod has an endpoint in each family of addresses.
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != false);
    let mut pods: Vec<&str> = ready.map(|endpoint| text(&endpoint["targetRef"]["name"])).collect();
    pods.sort_unstable();
    pods.dedup();
    Some(pods.len())
}

/// The addresses of a Service from outside the cluster.
fn outside(service: &Value) -> Vec<Value> {
    let mut lines = Vec::new();
    for port in service["spec"]["ports"].as_array().into_iter().flatten() {
        for balancer in balancers(service) {
            let address = format!("{balancer}:{}", port["port"]);
            lines.push(json!({"address": address, "port": port["name"], "by": "load balancer"}));
        }
        if service["spec"]["type"] == "NodePort" && port["nodePort"].is_u64() {
            let address = format!("NODE:{}", port["nodePort"]);
            lines.push(json!({"address": address, "port": port["name"], "by": "every node"}));
        }
    }
    lines
}

fn balancers(service: &Value) -> Vec<&str> {
    let given = service["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    given.filter_map(|one| one["ip"].as_str().or_else(|| one["hostname"].as_str())).collect()
}

/// How to reach the set from where the command runs: by its client Service, else the first pod.
pub(super) fn port_forward(set: &Value, settled: &Companions) -> Option<String> {
    let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
    let client = settled.wanted.iter().find(|companion| companion.role == Role::Client);
    let main = Record::pin_of(set).map(|pin| pin.main);
    let (mut mains, others): (Vec<_>, Vec<_>) =
        containers(set).iter().partition(|container| container["name"].as_str() == main.as_deref());
    mains.extend(others);
    let (target, port) = if let Some(client) = client {
        let ports = client.manifest["spec"]["ports"].as_array()?;
        let declared = mains.first().and_then(|main| main["ports"].as_array());
        let leads_to_main = |port: &&Value| {
            let mut declared = declared.into_iter().flatten();
            declared.any(|one| [&one["name"], &one["containerPort"]].contains(&&port["targetPort"]))
        };
        // Sidecars have ports, too, and may stand first.
        let port = ports.iter().find(leads_to_main).or(ports.first())?;
        (format!("service/{}", client.name()), &port["port"])
    } else {
        let port = mains.into_iter().find_map(|container| container["ports"].get(0))?;
        (format!("pod/{name}-0"), &port["containerPort"])
    };
    let port = port.as_u64()?;
    // Below 1024 only root may listen.
    let here = if port < 1024 { format!("{}:", port + 8000) } else { String::new() };
    Some(format!("kubectl port-forward -n {namespace} {target} {here}{port}"))
}
