//! The Ingress, or the route of a Gateway ([`route`]): to the client Service, for a host that is
//! granted.
//!
//! Nothing that a user wrote becomes an annotation: whoever may write StatefulSets alone would gain
//! what annotations mean to ingress controllers (CVE-2021-25742 and its successors). The name of an
//! issuer is taken from the configuration, where it has to be.

use serde_json::{Map, Value, json};

use super::{Companions, Labels, Role, manifest, route};
use crate::configuration::{Configuration, HostGrant};
use crate::intent::{Ingress, Intent, PortRef};
use crate::settings::text;

pub(super) fn desired(
    set: &Value,
    intent: &Intent,
    configuration: &Configuration,
    namespace: &Labels,
    companions: &mut Companions,
) {
    let role = if intent.gateway.is_some() { Role::Route } else { Role::Ingress };
    let Some(wanted) = &intent.ingress else {
        if let Some(gateway) = &intent.gateway {
            route::without_host(set, route::To { gateway, configuration, namespace }, companions);
        }
        return;
    };
    let Some(grant) = configuration.host(&wanted.host, namespace) else {
        let what = format!("stateward.dev/ingress-host: {} is not granted to this namespace", wanted.host);
        return companions.problem(
            role,
            what,
            "ask whoever runs stateward to add it to hosts of its configuration",
        );
    };
    let port = match port(companions, wanted.port.as_ref()) {
        Ok(port) => port,
        Err((what, remedy)) => return companions.problem(role, what, remedy),
    };
    if let Some(gateway) = &intent.gateway {
        let to = route::To { gateway, configuration, namespace };
        return route::with_host(set, wanted, &port, to, companions);
    }
    match ingress(set, wanted, grant, &port) {
        Ok(manifest) => companions.want(Role::Ingress, manifest),
        Err((what, remedy)) => companions.problem(Role::Ingress, what, remedy),
    }
}

fn ingress(
    set: &Value,
    wanted: &Ingress,
    grant: &HostGrant,
    port: &Value,
) -> Result<Value, (String, String)> {
    let name = text(&set["metadata"]["name"]);
    let granted = |key: &str, value: &str, known: &[String]| {
        let what = format!("stateward.dev/{key}: {value} is not granted for {}", wanted.host);
        let remedy = match known {
            [] => "take the annotation away, or ask whoever runs stateward to grant it".to_owned(),
            known => format!("write one of {}", known.join(", ")),
        };
        Err((what, remedy))
    };
    let mut spec = json!({
        "rules": [{"host": wanted.host, "http": {"paths": [{
            "path": wanted.path.as_deref().unwrap_or("/"), "pathType": "Prefix",
            "backend": {"service": {"name": name, "port": {"number": port["port"]}}},
        }]}}],
    });
    let class = wanted.class.as_ref().or(grant.ingress_classes.first());
    if let Some(class) = class {
        if !grant.ingress_classes.is_empty() && !grant.ingress_classes.contains(class) {
            return granted("ingress-class", class, &grant.ingress_classes);
        }
        spec["ingressClassName"] = Value::from(class.as_str());
    }
    // What cert-manager writes into has to be nobody else's.
    let own = wanted.cluster_issuer.as_ref().map(|_| format!("{name}-stateward-tls"));
    if let Some(secret) = own.as_ref().or(wanted.tls_secret.as_ref()) {
        spec["tls"] = json!([{"hosts": [wanted.host], "secretName": secret}]);
    }
    let mut manifest = manifest(set, Role::Ingress, name, Map::from_iter([("spec".to_owned(), spec)]));
    if let Some(issuer) = &wanted.cluster_issuer {
        let Some(granted_issuer) = grant.cluster_issuers.iter().find(|known| *known == issuer) else {
            return granted("ingress-cluster-issuer", issuer, &grant.cluster_issuers);
        };
        manifest["metadata"]["annotations"] = json!({"cert-manager.io/cluster-issuer": granted_issuer});
    }
    Ok(manifest)
}

/// The port of the client Service that is meant: the one that is named, else the one that speaks
/// HTTP, else the only one.
pub(super) fn port(companions: &Companions, wanted: Option<&PortRef>) -> Result<Value, (String, String)> {
    let client = companions.wanted.iter().find(|companion| companion.role == Role::Client);
    let Some(ports) = client.and_then(|client| client.manifest["spec"]["ports"].as_array()) else {
        let what = "there is no client Service of ours to send requests to";
        return Err((what.to_owned(), "let it be made, or make the Ingress or route yourself".to_owned()));
    };
    let names = || ports.iter().map(|port| text(&port["name"])).collect::<Vec<_>>().join(", ");
    let found = match wanted {
        Some(PortRef::Name(name)) => ports.iter().find(|port| port["name"] == name.as_str()),
        Some(PortRef::Number(number)) => {
            ports.iter().find(|port| port["port"] == *number || port["targetPort"] == *number)
        }
        None if ports.len() == 1 => ports.first(),
        None => ports.iter().find(|port| port["appProtocol"] == "http"),
    };
    found.cloned().ok_or_else(|| match wanted {
        Some(_) => (
            "stateward.dev/ingress-port: the client Service has no such port".to_owned(),
            format!("write one of {}", names()),
        ),
        None => (
            "the client Service has several ports, and none of them is named http".to_owned(),
            format!("add the annotation stateward.dev/ingress-port, one of {}", names()),
        ),
    })
}

#[cfg(test)]
mod tests {
    use crate::companions::testing::{desired_by, set};
    use serde_json::json;

    use super::*;

    const GRANTS: &str = "
serviceClasses: {}
hosts:
- {host: '*.shop.example.com', ingressClasses: [public, private], clusterIssuers: [letsencrypt]}
gateways:
- {gateway: infra/public}
";

    fn outside(annotations: &Value) -> Result<Value, String> {
        let configuration = Configuration::parse(GRANTS).unwrap();
        let companions = desired_by(&configuration, &set(), annotations);
        let made = companions.wanted.iter().find(|c| matches!(c.role, Role::Ingress | Role::Route));
        let problems = companions.problems.iter().map(|p| format!("{}; {}", p.what, p.remedy));
        made.map(|c| c.manifest.clone()).ok_or_else(|| problems.collect())
    }

    #[test]
    fn an_ingress_leads_to_the_client_service() {
        let ingress = outside(&json!({
            "stateward.dev/ingress-host": "db.shop.example.com", "stateward.dev/ingress-path": "/api",
            "stateward.dev/ingress-cluster-issuer": "letsencrypt",
        }))
        .unwrap();
        assert_eq!(
            ingress["spec"],
            json!({
                "ingressClassName": "public",
                "rules": [{"host": "db.shop.example.com", "http": {"paths": [{
                    "path": "/api", "pathType": "Prefix",
                    "backend": {"service": {"name": "db", "port": {"number": 9187}}},
                }]}}],
                "tls": [{"hosts": ["db.shop.example.com"], "secretName": "db-stateward-tls"}],
            })
        );
        assert_eq!(
            ingress["metadata"]["annotations"],
            json!({"cert-manager.io/cluster-issuer": "letsencrypt"})
        );
    }

    #[test]
    fn what_is_not_granted_is_told() {
        let host = |more: Value| {
            let mut annotations = json!({"stateward.dev/ingress-host": "db.shop.example.com"});
            annotations.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            outside(&annotations).unwrap_err()
        };
        assert_eq!(
            host(json!({"stateward.dev/ingress-host": "db.example.com"})),
            "stateward.dev/ingress-host: db.example.com is not granted to this namespace; ask whoever runs stateward \
             to add it to hosts of its configuration"
        );
        assert_eq!(
            host(json!({"stateward.dev/ingress-class": "other"})),
            "stateward.dev/ingress-class: other is not granted for db.shop.example.com; write one of public, private"
        );
        assert!(
            host(json!({"stateward.dev/ingress-cluster-issuer": "other"}))
                .contains("write one of letsencrypt")
        );
        assert!(
            host(json!({"stateward.dev/ingress-port": "web"}))
                .ends_with("write one of postgresql, http-metrics")
        );
        assert!(host(json!({"stateward.dev/service": "none"})).contains("no client Service"));
    }
}
