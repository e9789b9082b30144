//! What a profile asks for beside its sets, judged as the API server would.

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use serde_json::{Value, json};

use super::{Tried, values};
use crate::catalogue::{Asked, Profile};
use crate::companions::{Companions, Role};
use crate::settings::text;
use crate::validate::labels::is_key;
use crate::validate::names::dns_label;
use crate::validate::ports::{bad_name, is_port};

const PORTS: &str = "spec.companions.headlessService.ports";
const POLICY: &str = "spec.companions.networkPolicy";
const MONITOR: &str = "spec.companions.serviceMonitor";

/// Looks at what depends on no set.
pub(super) fn judge(profile: &Profile, tried: &mut Tried) {
    let asked = &profile.companions;
    for (position, port) in asked.headless_service.ports.iter().enumerate() {
        if port.port == 0 {
            tried.fault(format!(
                "{PORTS}[{position}].port: 0 is not a port number; write one from 1 to 65535"
            ));
        }
        if port.name.len() > 63 || !dns_label(&port.name) {
            tried.fault(format!(
                "{PORTS}[{position}].name: {:?} is not a DNS label; use lower-case letters, digits and inner hyphens",
                port.name
            ));
        }
    }
    if let Some(rules) = &asked.network_policy {
        policy(rules, tried);
    }
    if let Some(monitor) = &asked.service_monitor {
        self::monitor(&Value::Object(monitor.clone()), tried);
    }
    for key in asked.service_account.iter().flat_map(|account| account.annotations.keys()) {
        if !is_key(&key.to_lowercase()) {
            tried.fault(format!(
                "spec.companions.serviceAccount.annotations: {key:?} is not a key; write one such as example.com/role"
            ));
        }
    }
    unfilled(
        "spec.companions",
        &json!({
            "networkPolicy": asked.network_policy, "serviceMonitor": asked.service_monitor,
            "serviceAccount": {"annotations": asked.service_account.as_ref().map(|account| &account.annotations)},
        }),
        tried,
    );
}

/// Looks at the Services beside a set.
pub(super) fn judge_services(beside: &Companions, tried: &mut Tried) {
    let services = beside.wanted.iter().filter(|one| matches!(one.role, Role::Headless | Role::Client));
    for service in services {
        let ports = service.manifest["spec"]["ports"].as_array().map_or(&[][..], Vec::as_slice);
        for (position, port) in ports.iter().enumerate() {
            let (before, name) = (&ports[..position], &port["name"]);
            if before.iter().any(|other| other["name"] == *name) {
                tried.fault(format!(
                    "{PORTS}: two ports of the Service {} would have the name {name}; give each a name of its own",
                    service.role
                ));
            }
        }
    }
}

/// Tells the ports that something names and that the set does not have.
pub(super) fn judge_ports(asked: &Asked, beside: &Companions, tried: &mut Tried) {
    let headless = beside.wanted.iter().find(|one| one.role == Role::Headless);
    let ports = headless.and_then(|one| one.manifest["spec"]["ports"].as_array()).into_iter().flatten();
    let known: Vec<&str> = ports.map(|port| text(&port["name"])).collect();
    let missing = |name: &str| !known.contains(&name);
    let said = |name: &str| {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        format!("no port is named {name:?} unless the set declares it; there are {known}")
    };
    let rules = asked.network_policy.as_ref().map(|rules| &rules["ingress"]);
    for (rule, position, port) in rules.into_iter().flat_map(|rules| listed(rules, "ports")) {
        if let Some(name) = port["port"].as_str().filter(|name| missing(name)) {
            tried.remark(format!("{POLICY}.ingress[{rule}].ports[{position}].port: {}", said(name)));
        }
    }
    let endpoints = asked.service_monitor.as_ref().and_then(|monitor| monitor.get("endpoints")?.as_array());
    for (position, endpoint) in endpoints.into_iter().flatten().enumerate() {
        if let Some(name) = endpoint["port"].as_str().filter(|name| missing(name)) {
            tried.remark(format!("{MONITOR}.endpoints[{position}].port: {}", said(name)));
        }
    }
    if asked.service_account.is_some() && !beside.wanted.iter().any(|one| one.role == Role::ServiceAccount) {
        tried.remark(
            "spec.companions.serviceAccount: is made for sets alone whose pods run as it; write serviceAccountName: \
             $(name) under statefulSet.spec.template.spec"
                .to_owned(),
        );
    }
}

fn policy(rules: &Value, tried: &mut Tried) {
    // The placeholder of the pods is the one text that may stand for a selector.
    let plain = rules.to_string().replace("\"podSelector\":\"$(pods)\"", "\"podSelector\":{}");
    let Ok(plain) = serde_json::from_str::<Value>(&plain) else { return };
    if let Ok(read) = serde_json::from_value::<NetworkPolicySpec>(plain.clone()) {
        let mut unknown = Vec::new();
        crate::catalogue::check::lost(POLICY, &plain, &json!(read), &mut unknown);
        for line in unknown {
            tried.remark(line);
        }
    }
    let mut faults = Vec::new();
    values::walk(POLICY, "networkPolicy", &plain, &mut faults);
    for fault in faults {
        tried.fault(fault.to_string());
    }
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (rule, position, port) in listed(&plain[direction], "ports") {
            policy_port(&format!("{POLICY}.{direction}[{rule}].ports[{position}]"), port, tried);
        }
        for (rule, position, peer) in listed(&plain[direction], peers) {
            policy_peer(&format!("{POLICY}.{direction}[{rule}].{peers}[{position}]"), peer, tried);
        }
    }
}

/// The items of a list within the items of another, with their positions.
fn listed<'v>(rules: &'v Value, list: &'static str) -> impl Iterator<Item = (usize, usize, &'v Value)> {
    let rules = rules.as_array().into_iter().flatten().enumerate();
    rules.flat_map(move |(rule, value)| {
        let items = value[list].as_array().into_iter().flatten().enumerate();
        items.map(move |(position, item)| (rule, position, item))
    })
}

fn policy_port(at: &str, port: &Value, tried: &mut Tried) {
    let (number, end) = (port["port"].as_i64(), port["endPort"].as_i64());
    match &port["port"] {
        Value::Number(given) if !number.is_some_and(is_port) => {
            tried.fault(format!("{at}.port: {given} is not a port number; write one from 1 to 65535"));
        }
        Value::String(name) => {
            if let Some(why) = bad_name(name) {
                tried.fault(format!("{at}.port: {name:?} {why}; write the name of a container's port"));
            }
        }
        _ => {}
    }
    if let Some(end) = end.filter(|end| !is_port(*end) || number.is_none_or(|number| number > *end)) {
        tried.fault(format!(
            "{at}.endPort: {end} ends no range that begins with port; write a number from port to 65535"
        ));
    }
    if let Some(protocol) = port["protocol"].as_str().filter(|one| !["TCP", "UDP", "SCTP"].contains(one)) {
        tried.fault(format!("{at}.protocol: {protocol:?} is not a protocol; write TCP, UDP or SCTP"));
    }
}

fn policy_peer(at: &str, peer: &Value, tried: &mut Tried) {
    let has = |field: &str| !peer[field].is_null();
    let selects = has("podSelector") || has("namespaceSelector");
    if has("ipBlock") && selects {
        tried.fault(format!("{at}: has ipBlock and a selector; make two entries of them"));
    } else if !has("ipBlock") && !selects {
        tried.fault(format!("{at}: names nobody; write podSelector, namespaceSelector or ipBlock"));
    }
    let block = &peer["ipBlock"];
    let except = block["except"].as_array().into_iter().flatten();
    for given in has("ipBlock").then_some(&block["cidr"]).into_iter().chain(except) {
        if !is_cidr(text(given)) {
            tried.fault(format!(
                "{at}.ipBlock: {given} is no range of addresses; write one such as 10.0.0.0/8"
            ));
        }
    }
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most) && (bits == "0" || !bits.starts_with(['0', '+']))
}

/// What the Prometheus operator's definition refuses of a ServiceMonitor, as far as profiles write it.
fn monitor(monitor: &Value, tried: &mut Tried) {
    let Some(endpoints) = monitor["endpoints"].as_array() else {
        let line = "write - port: NAME, of the port with the metrics";
        if monitor["endpoints"].is_null() {
            // A child may say which.
            tried.remark(format!("{MONITOR}.endpoints: are none, and none is made without; {line}"));
        } else {
            tried.fault(format!("{MONITOR}.endpoints: is no list; {line}"));
        }
        return;
    };
    for (position, endpoint) in endpoints.iter().enumerate() {
        let at = format!("{MONITOR}.endpoints[{position}]");
        if !endpoint.is_object() {
            tried.fault(format!("{at}: {endpoint} is no endpoint; write port: NAME"));
            continue;
        }
        if !endpoint["port"].is_null() && !endpoint["port"].is_string() {
            tried.fault(format!("{at}.port: {} is no name; write the name of a port", endpoint["port"]));
        }
        for field in ["interval", "scrapeTimeout"] {
            if !endpoint[field].is_null() && !endpoint[field].as_str().is_some_and(is_duration) {
                tried.fault(format!(
                    "{at}.{field}: {} is no duration; write one such as 30s",
                    endpoint[field]
                ));
            }
        }
    }
    if monitor.get("selector").is_some() {
        tried
            .remark(format!("{MONITOR}.selector: is always that of the set's headless Service; take it out"));
    }
}

/// A duration as Prometheus reads it: `30s`, `1m30s`, with its units in order and each once.
fn is_duration(text: &str) -> bool {
    if text == "0" {
        return true;
    }
    let mut rest = text;
    for unit in ["y", "w", "d", "h", "m", "s", "ms"] {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let behind = &rest[digits..];
        let unit_of = &behind[..behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len())];
        if digits > 0 && unit_of == unit {
            rest = &behind[unit.len()..];
        }
    }
    !text.is_empty() && rest.is_empty()
}

/// Tells the texts that look as if something were filled in.
fn unfilled(at: &str, value: &Value, tried: &mut Tried) {
    match value {
        Value::String(text) if text.contains("$(") && text != "$(pods)" => tried.remark(format!(
            "{at}: {text:?} stays as it is: of all placeholders only podSelector: $(pods) stands for something there"
        )),
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| unfilled(&format!("{at}.{name}"), value, tried));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(position, item)| unfilled(&format!("{at}[{position}]"), item, tried));
        }
        _ => {}
    }
}
