//! The route of a Gateway, of the kind that fits the port: HTTP, TLS that the pods end themselves, or
//! TCP.
//!
//! What the Gateway API defaults within its lists is written out: they are atomic, so it would
//! count as ours and look like a change.

use serde_json::{Map, Value, json};

use super::{Companions, GATEWAY, Kind, Labels, Role, ingress, manifest_of};
use crate::configuration::Configuration;
use crate::intent::{Gateway, Ingress};
use crate::settings::text;

/// The Gateway that is asked for, and what decides whether it may be.
#[derive(Clone, Copy)]
pub(super) struct To<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) configuration: &'a Configuration,
    /// The labels of the set's namespace.
    pub(super) namespace: &'a Labels,
}

/// A route for a host that is granted.
pub(super) fn with_host(set: &Value, wanted: &Ingress, port: &Value, to: To, companions: &mut Companions) {
    if !is_tls(port) {
        let path = wanted.path.as_deref().unwrap_or("/");
        let spec = json!({
            "hostnames": [wanted.host],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": path}}],
                "backendRefs": [backend(set, port)],
            }],
        });
        return attach(set, Kind::HttpRoute, spec, to, companions);
    }
    if let Some(path) = &wanted.path {
        let what = format!(
            "stateward.dev/ingress-path: {path} cannot be seen in TLS, which port {} speaks to the end",
            text(&port["name"])
        );
        let remedy = "take it away, or name a port that speaks HTTP by stateward.dev/ingress-port";
        return companions.problem(Role::Route, what, remedy);
    }
    let spec = json!({"hostnames": [wanted.host], "rules": [{"backendRefs": [backend(set, port)]}]});
    attach(set, Kind::TlsRoute, spec, to, companions);
}

/// A route without a host: for whatever speaks TCP.
pub(super) fn without_host(set: &Value, to: To, companions: &mut Companions) {
    let needs_host = |port: &Value| port["appProtocol"] == "http" || is_tls(port);
    match ingress::port(companions, None) {
        Ok(port) if needs_host(&port) => {
            let speaks = if is_tls(&port) { "TLS" } else { "HTTP" };
            let what = format!(
                "stateward.dev/gateway: port {} speaks {speaks}, and no host is named",
                text(&port["name"])
            );
            companions.problem(Role::Route, what, "add the annotation stateward.dev/ingress-host");
        }
        Ok(port) => {
            let spec = json!({"rules": [{"backendRefs": [backend(set, &port)]}]});
            attach(set, Kind::TcpRoute, spec, to, companions);
        }
        Err((what, remedy)) => companions.problem(Role::Route, what, remedy),
    }
}

/// Whether the pods speak TLS on a port of the Service, by its name: `https`, `tls-…`.
fn is_tls(port: &Value) -> bool {
    port["appProtocol"] == "https" || text(&port["name"]).split('-').next() == Some("tls")
}

/// Attaches a route to its Gateway, if that is granted.
fn attach(set: &Value, kind: Kind, mut spec: Value, to: To, companions: &mut Companions) {
    let own = text(&set["metadata"]["namespace"]);
    let at = (to.gateway.namespace.as_deref().unwrap_or(own), to.gateway.name.as_str());
    // One of the namespace's own too: whoever writes StatefulSets need not be whoever runs Gateways.
    if !to.configuration.is_gateway_granted(at, to.namespace) {
        let what = format!("stateward.dev/gateway: {}/{} is not granted to this namespace", at.0, at.1);
        let remedy = "ask whoever runs stateward to add it to gateways of its configuration";
        return companions.problem(Role::Route, what, remedy);
    }
    spec["parentRefs"] = json!([{"group": GATEWAY, "kind": "Gateway", "name": at.1, "namespace": at.0}]);
    let fields = Map::from_iter([("spec".to_owned(), spec)]);
    let manifest = manifest_of(set, Role::Route, kind, text(&set["metadata"]["name"]), fields);
    companions.want(Role::Route, manifest);
}

fn backend(set: &Value, port: &Value) -> Value {
    json!({
        "group": "", "kind": "Service", "name": set["metadata"]["name"], "port": port["port"], "weight": 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::companions::testing::{desired_by, set};

    const GRANTS: &str = "
hosts: [{host: '*.shop.example.com'}]
gateways: [{gateway: infra/public}]
";

    fn route(set: &Value, annotations: &Value) -> Result<Value, String> {
        let configuration = Configuration::parse(GRANTS).unwrap();
        let mut all = json!({"stateward.dev/gateway": "infra/public"});
        all.as_object_mut().unwrap().extend(annotations.as_object().unwrap().clone());
        let companions = desired_by(&configuration, set, &all);
        let made = companions.wanted.iter().find(|companion| companion.role == Role::Route);
        let problems = companions.problems.iter().map(|p| format!("{}; {}", p.what, p.remedy));
        made.map(|c| c.manifest.clone()).ok_or_else(|| problems.collect())
    }

    fn named(port: &str) -> Value {
        let mut set = set();
        set["spec"]["template"]["spec"]["containers"] = json!([
            {"name": "db", "image": "db:1", "ports": [{"name": port, "containerPort": 8443}]},
        ]);
        set
    }

    #[test]
    fn http_goes_by_host_and_path() {
        let route = route(&set(), &json!({"stateward.dev/ingress-host": "db.shop.example.com"})).unwrap();
        assert_eq!(
            (&route["apiVersion"], &route["kind"]),
            (&json!("gateway.networking.k8s.io/v1"), &json!("HTTPRoute"))
        );
        assert_eq!(
            route["spec"],
            json!({
                "parentRefs": [{"group": GATEWAY, "kind": "Gateway", "name": "public", "namespace": "infra"}],
                "hostnames": ["db.shop.example.com"],
                "rules": [{
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [{"group": "", "kind": "Service", "name": "db", "port": 9187, "weight": 1}],
                }],
            })
        );
    }

    #[test]
    fn tls_goes_by_host_alone() {
        let host = json!({"stateward.dev/ingress-host": "db.shop.example.com"});
        for port in ["https", "tls-db"] {
            let route = route(&named(port), &host).unwrap();
            assert_eq!(
                (&route["kind"], &route["spec"]["hostnames"][0]),
                (&json!("TLSRoute"), &host["stateward.dev/ingress-host"])
            );
            assert!(route["spec"]["rules"][0]["matches"].is_null());
        }
        let mut path = host;
        path["stateward.dev/ingress-path"] = json!("/api");
        assert_eq!(
            route(&named("https"), &path).unwrap_err(),
            "stateward.dev/ingress-path: /api cannot be seen in TLS, which port https speaks to the end; take it away, \
             or name a port that speaks HTTP by stateward.dev/ingress-port"
        );
    }

    #[test]
    fn without_a_host_it_is_tcp() {
        let tcp = route(&set(), &json!({"stateward.dev/service-ports": "5432:postgresql"})).unwrap();
        assert_eq!(tcp["kind"], "TCPRoute");
        assert_eq!(tcp["spec"]["rules"][0]["backendRefs"][0]["port"], 5432);
        for (port, speaks) in [("http", "HTTP"), ("https", "TLS")] {
            let error = route(&named(port), &json!({})).unwrap_err();
            assert!(error.contains(&format!("port {port} speaks {speaks}, and no host is named")), "{error}");
        }
    }

    #[test]
    fn a_gateway_of_another_namespace_has_to_be_granted() {
        let ports = |gateway: &str| json!({"stateward.dev/gateway": gateway, "stateward.dev/service-ports": "5432:postgresql"});
        let error = route(&set(), &ports("infra/internal")).unwrap_err();
        assert!(error.starts_with("stateward.dev/gateway: infra/internal is not granted"), "{error}");
        let error = route(&set(), &ports("own")).unwrap_err();
        assert!(error.starts_with("stateward.dev/gateway: shop/own is not granted"), "{error}");
        assert!(route(&set(), &ports("infra/public")).is_ok());
    }
}
