//! Probes.

use super::handlers;
use super::place::Place;
use super::pod::{Parts, Role};
use crate::fault::{Fault, Reason};

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    for container in &parts.containers {
        for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
            let Some(probe) = container.place.field(kind) else {
                continue;
            };
            if container.role == Role::Init {
                faults.push(not_for_init(&probe));
            } else {
                handlers::check(&probe, &container.place, &["exec", "httpGet", "tcpSocket", "grpc"], faults);
                check_timings(&probe, kind, faults);
            }
        }
    }
}

/// The fault of a field that makes sense only in a container that stays.
pub(super) fn not_for_init(place: &Place) -> Fault {
    place.fault(
        Reason::Contradiction,
        "an init container that runs to its end cannot have this",
        "remove it, or make the container a sidecar with restartPolicy: Always",
    )
}

fn check_timings(probe: &Place, kind: &str, faults: &mut Vec<Fault>) {
    probe.at_least("initialDelaySeconds", 0, faults);
    for field in ["periodSeconds", "timeoutSeconds", "failureThreshold"] {
        probe.at_least(field, 1, faults);
    }
    match (kind, probe.number("successThreshold")) {
        ("readinessProbe", _) => probe.at_least("successThreshold", 1, faults),
        (_, None | Some(1)) => {}
        (_, Some(number)) => faults.push(probe.fault_at(
            "successThreshold",
            Reason::Invalid,
            format!("{number} is not 1, which is all that a {kind} may have"),
            "remove it",
        )),
    }
    if kind == "readinessProbe" && probe.has("terminationGracePeriodSeconds") {
        faults.push(probe.fault_at(
            "terminationGracePeriodSeconds",
            Reason::Contradiction,
            "a readinessProbe never ends a container",
            "remove it, or put it into the livenessProbe",
        ));
    } else {
        probe.at_least("terminationGracePeriodSeconds", 1, faults);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(field: &str, probe: &Value) -> Vec<String> {
        let ports = json!([{"name": "http", "containerPort": 8080}, {"name": "rpc", "containerPort": 9090}]);
        let object = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "app", "ports": ports, field: probe},
            {"name": "log", "ports": [{"name": "other", "containerPort": 1}]},
        ]}}}});
        let mut faults = Vec::new();
        check(&Parts::of(&object), &mut faults);
        let strip = |f: &Fault| f.to_string().replace("spec.template.spec.containers[name=\"app\"].", "");
        faults.iter().map(strip).collect()
    }

    #[test]
    fn ordinary_probes_pass() {
        for probe in [
            json!({"exec": {"command": ["pg_isready"]}, "periodSeconds": 5}),
            json!({"httpGet": {"port": "http", "path": "/"}, "successThreshold": 1}),
            json!({"tcpSocket": {"port": 5432}, "initialDelaySeconds": 0}),
            json!({"grpc": {"port": 9090}, "terminationGracePeriodSeconds": 5}),
            json!({"udpSocket": {"port": 5432}}),
        ] {
            assert!(faults("livenessProbe", &probe).is_empty(), "{probe}");
        }
        assert!(
            faults("readinessProbe", &json!({"exec": {"command": ["x"]}, "successThreshold": 2})).is_empty()
        );
    }

    #[test]
    fn a_probe_has_one_handler() {
        assert_eq!(
            faults("readinessProbe", &json!({"periodSeconds": 5})),
            ["readinessProbe: no handler; write one of exec, httpGet, tcpSocket, grpc"]
        );
        assert_eq!(
            faults(
                "readinessProbe",
                &json!({"tcpSocket": {"port": 1}, "httpGet": {"port": 1}, "exec": null})
            ),
            ["readinessProbe: has 2 handlers: httpGet and tcpSocket; keep one, for example httpGet"]
        );
        assert_eq!(
            faults("readinessProbe", &json!({"exec": {}})),
            ["readinessProbe.exec.command: no command; write the command as a list, for example \
              command: [pg_isready]"]
        );
    }

    #[test]
    fn named_ports_are_those_of_the_same_container() {
        assert_eq!(
            faults("startupProbe", &json!({"tcpSocket": {"port": "other"}})),
            ["startupProbe.tcpSocket.port: no port of this container is named \"other\"; write the \
              number, or the name of a port of this container: http, rpc"]
        );
        assert_eq!(
            faults("startupProbe", &json!({"httpGet": {"port": "8080"}})),
            ["startupProbe.httpGet.port: \"8080\" is text, and so the name of a port, and names need a \
              letter; write 8080 without quotes"]
        );
    }

    #[test]
    fn numbers_of_ports_are_checked() {
        let remedy = "write a number from 1 to 65535 or the name of a port of this container";
        assert_eq!(
            faults("startupProbe", &json!({"tcpSocket": {"port": 65536}})),
            [format!("startupProbe.tcpSocket.port: 65536 is not a port number; {remedy}")]
        );
        for missing in [json!({}), json!({"port": 0}), json!({"port": ""})] {
            assert_eq!(
                faults("startupProbe", &json!({"httpGet": missing})),
                [format!("startupProbe.httpGet.port: no port; {remedy}")]
            );
        }
        assert_eq!(
            faults("startupProbe", &json!({"grpc": {"port": "rpc"}})),
            ["startupProbe.grpc.port: \"rpc\" is a name, and a gRPC probe takes none; write 9090"]
        );
    }

    #[test]
    fn timings_are_checked() {
        assert_eq!(
            faults(
                "livenessProbe",
                &json!({
                    "tcpSocket": {"port": 1}, "initialDelaySeconds": -1, "periodSeconds": 0,
                    "successThreshold": 2, "terminationGracePeriodSeconds": 0,
                })
            ),
            [
                "livenessProbe.initialDelaySeconds: -1 is below 0; write 0 or more",
                "livenessProbe.periodSeconds: 0 is below 1; write 1 or more",
                "livenessProbe.successThreshold: 2 is not 1, which is all that a livenessProbe may have; \
                 remove it",
                "livenessProbe.terminationGracePeriodSeconds: 0 is below 1; write 1 or more",
            ]
        );
        assert_eq!(
            faults("readinessProbe", &json!({"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 5})),
            ["readinessProbe.terminationGracePeriodSeconds: a readinessProbe never ends a container; \
              remove it, or put it into the livenessProbe"]
        );
    }

    #[test]
    fn init_containers_have_none_unless_they_stay() {
        let pod = |restart: &str| {
            json!({"spec": {"template": {"spec": {"initContainers": [
                {"name": "log", "restartPolicy": restart, "startupProbe": {"tcpSocket": {"port": 1}}},
            ]}}}})
        };
        let mut faults = Vec::new();
        check(&Parts::of(&pod("Always")), &mut faults);
        assert!(faults.is_empty());
        check(&Parts::of(&pod("")), &mut faults);
        assert_eq!(
            faults[0].to_string(),
            "spec.template.spec.initContainers[name=\"log\"].startupProbe: an init container that runs to \
             its end cannot have this; remove it, or make the container a sidecar with restartPolicy: Always"
        );
    }
}
