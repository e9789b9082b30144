//! What kube-linter asks by default and no other linter here does, under its names for it
//! (`docs/generated/checks.md` of stackrox/kube-linter). The other checks of its defaults are in
//! `docs/proved.md`, with who makes them.

use serde_json::Value;

use crate::Rendered;

/// The probes of a container and its check of their ports.
const PROBES: [(&str, &str); 3] = [
    ("startupProbe", "startup-port"),
    ("readinessProbe", "readiness-port"),
    ("livenessProbe", "liveness-port"),
];

/// The check, and what is wrong.
pub(crate) fn check(rendered: &Rendered) -> Vec<(&'static str, String)> {
    let of = |kind: &'static str| rendered.objects.iter().filter(move |object| object["kind"] == kind);
    let set = of("StatefulSet").next().unwrap();
    let pod = &set["spec"]["template"]["spec"];
    let main = list(&pod["containers"]).iter().find(|one| one["name"] == *rendered.main).unwrap();
    let mut found = Vec::new();
    if !pod["serviceAccount"].is_null() {
        found.push(("deprecated-service-account-field", "serviceAccount is set".to_owned()));
    }
    let account = pod["serviceAccountName"].as_str().unwrap_or("default");
    if account != "default" && !of("ServiceAccount").any(|one| one["metadata"]["name"] == account) {
        found.push(("non-existent-service-account", "serviceAccountName is of none".to_owned()));
    }
    container(main, &mut found);
    for budget in of("PodDisruptionBudget") {
        self::budget(&budget["spec"], set["spec"]["replicas"].as_u64().unwrap_or(1), &mut found);
    }
    found
}

fn container(main: &Value, found: &mut Vec<(&'static str, String)>) {
    let ports = list(&main["ports"]);
    if ports.iter().any(|port| port["containerPort"] == 22) {
        found.push(("ssh-port", "port 22 is declared".to_owned()));
    }
    for variable in list(&main["env"]) {
        let name = variable["name"].as_str().unwrap();
        if name.to_lowercase().contains("secret")
            && variable["value"].as_str().is_some_and(|value| !value.is_empty())
        {
            found.push(("env-var-secret", format!("{name} has a plain value")));
        }
    }
    for (probe, check) in PROBES {
        for handler in ["httpGet", "tcpSocket", "grpc"] {
            let port = &main[probe][handler]["port"];
            let declared = ports.iter().any(|one| one["containerPort"] == *port || one["name"] == *port);
            if !port.is_null() && !declared {
                found.push((check, "The port that it asks is not declared".to_owned()));
            }
        }
    }
}

fn budget(spec: &Value, replicas: u64, found: &mut Vec<(&'static str, String)>) {
    let most = &spec["maxUnavailable"];
    if *most == 0 || *most == "0%" {
        found.push(("pdb-max-unavailable", format!("maxUnavailable is {most}")));
    }
    let least = &spec["minAvailable"];
    if *least == "100%" || least.as_u64().is_some_and(|least| least >= replicas) {
        found.push(("pdb-min-available", format!("minAvailable is {least} of {replicas}")));
    }
    if spec["unhealthyPodEvictionPolicy"].is_null() {
        found.push(("pdb-unhealthy-pod-eviction-policy", "unhealthyPodEvictionPolicy is not set".to_owned()));
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
