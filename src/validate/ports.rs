//! Container ports: numbers, protocols and names.

use std::collections::HashSet;

use super::place::Place;
use super::pod::{Parts, Role};
use crate::fault::{Fault, Reason};

/// Whether `number` can be a port.
pub(crate) fn is_port(number: i64) -> bool {
    (1..=65535).contains(&number)
}

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    let mut taken = HashSet::new();
    for container in &parts.containers {
        let mut here = Declared::default();
        for port in container.place.items("ports") {
            here.check(&port, &taken, faults);
        }
        // An init container that has ended gives its names back.
        if container.role != Role::Init {
            taken.extend(here.names);
        }
    }
}

/// What one container has declared so far.
#[derive(Default)]
struct Declared<'a> {
    numbers: HashSet<(i64, &'a str)>,
    names: HashSet<&'a str>,
}

impl<'a> Declared<'a> {
    fn check(&mut self, port: &Place<'a>, elsewhere: &HashSet<&'a str>, faults: &mut Vec<Fault>) {
        let protocol = port.text("protocol").unwrap_or("TCP");
        if !["TCP", "UDP", "SCTP"].contains(&protocol) {
            faults.push(port.fault_at(
                "protocol",
                Reason::Invalid,
                format!("{protocol:?} is not a protocol"),
                "write TCP, UDP or SCTP",
            ));
        }
        check_number(port, "containerPort", faults);
        if port.number("hostPort") != Some(0) && port.has("hostPort") {
            check_number(port, "hostPort", faults);
        }
        let name = port.text("name");
        if let Some(number) = port.number("containerPort")
            && !self.numbers.insert((number, protocol))
        {
            faults.push(port.fault(
                Reason::Duplicate,
                format!("{number}/{protocol} is declared twice in this container"),
                "remove one of the two",
            ));
        } else if let Some(name) = name {
            self.check_name(port, name, elsewhere, faults);
        }
        self.names.extend(name);
    }

    fn check_name(&self, port: &Place, name: &str, elsewhere: &HashSet<&str>, faults: &mut Vec<Fault>) {
        let (reason, problem, remedy) = if let Some(why) = bad_name(name) {
            (
                Reason::Invalid,
                format!("{name:?} {why}"),
                "use at most 15 lower-case letters, digits and inner hyphens, with at least one letter",
            )
        } else if self.names.contains(name) {
            (
                Reason::Duplicate,
                format!("{name:?} is the name of another port of this container too"),
                "give each port a name of its own",
            )
        } else if elsewhere.contains(name) {
            (
                Reason::Duplicate,
                format!("{name:?} is the name of a port of another container too; a Service takes either"),
                "give each port of the pod a name of its own",
            )
        } else {
            return;
        };
        faults.push(port.fault_at("name", reason, problem, remedy));
    }
}

fn check_number(port: &Place, field: &str, faults: &mut Vec<Fault>) {
    let problem = match (port.raw(field), port.number(field)) {
        (_, Some(number)) if is_port(number) => return,
        (Some(value), _) => format!("{value} is not a port number"),
        (None, _) => format!("no {field}"),
    };
    let reason = if port.has(field) { Reason::Invalid } else { Reason::Missing };
    faults.push(port.fault_at(field, reason, problem, "write a number from 1 to 65535"));
}

/// Why `name` cannot name a port (an IANA service name, RFC 6335).
pub(crate) fn bad_name(name: &str) -> Option<&'static str> {
    if name.len() > 15 {
        Some("has more than 15 characters")
    } else if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        Some("has characters other than lower-case letters, digits and hyphens")
    } else if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        Some("has no letter")
    } else if name.starts_with('-') || name.ends_with('-') {
        Some("begins or ends with a hyphen")
    } else if name.contains("--") {
        Some("has two hyphens in a row")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(pod: &Value) -> Vec<String> {
        let object = json!({"spec": {"template": {"spec": pod}}});
        let mut faults = Vec::new();
        check(&Parts::of(&object), &mut faults);
        let strip = |f: &Fault| f.to_string().replace("spec.template.spec.containers", "");
        faults.iter().map(strip).collect()
    }

    fn ports(ports: &Value) -> Vec<String> {
        faults(&json!({"containers": [{"name": "app", "ports": ports}]}))
    }

    #[test]
    fn one_number_for_two_protocols_is_fine() {
        let dns = json!([
            {"name": "dns-tcp", "containerPort": 53},
            {"name": "dns", "containerPort": 53, "protocol": "UDP", "hostPort": 0},
        ]);
        assert!(ports(&dns).is_empty());
    }

    #[test]
    fn numbers_are_checked() {
        assert_eq!(
            ports(&json!([{"containerPort": 70000}, {"name": "x"}, {"containerPort": "http"}])),
            [
                "[name=\"app\"].ports[containerPort=70000,protocol=\"TCP\"].containerPort: 70000 is not a \
                 port number; write a number from 1 to 65535",
                "[name=\"app\"].ports[1].containerPort: no containerPort; write a number from 1 to 65535",
                "[name=\"app\"].ports[containerPort=\"http\",protocol=\"TCP\"].containerPort: \"http\" is \
                 not a port number; write a number from 1 to 65535"
            ]
        );
        assert!(ports(&json!([{"containerPort": 1, "hostPort": 65536}]))[0].contains(".hostPort: 65536 is"));
        assert!(
            ports(&json!([{"containerPort": 1, "protocol": "tcp"}]))[0].contains("\"tcp\" is not a protocol")
        );
    }

    #[test]
    fn a_port_declared_twice_is_said_once() {
        assert_eq!(
            ports(&json!([{"name": "pg", "containerPort": 5432}, {"name": "pg", "containerPort": 5432}])),
            ["[name=\"app\"].ports[1]: 5432/TCP is declared twice in this container; remove one of the \
              two"]
        );
    }

    #[test]
    fn names_are_unique_in_the_pod() {
        let pod = json!({"containers": [
            {"name": "app", "ports": [{"name": "http", "containerPort": 80}, {"name": "http", "containerPort": 81}]},
            {"name": "log", "ports": [{"name": "http", "containerPort": 82}]},
        ], "initContainers": [{"name": "init", "ports": [{"name": "setup", "containerPort": 80}]}]});
        assert_eq!(
            faults(&pod),
            [
                "[name=\"app\"].ports[containerPort=81,protocol=\"TCP\"].name: \"http\" is the name of \
                 another port of this container too; give each port a name of its own",
                "[name=\"log\"].ports[containerPort=82,protocol=\"TCP\"].name: \"http\" is the name of a \
                 port of another container too; a Service takes either; give each port of the pod a name \
                 of its own"
            ]
        );
    }

    #[test]
    fn names_follow_the_rules() {
        for (name, why) in [
            ("client-interface", "has more than 15 characters"),
            ("Http", "has characters other than lower-case letters, digits and hyphens"),
            ("8080", "has no letter"),
            ("-http", "begins or ends with a hyphen"),
            ("a--b", "has two hyphens in a row"),
        ] {
            assert_eq!(
                ports(&json!([{"name": name, "containerPort": 1}])),
                [format!(
                    "[name=\"app\"].ports[containerPort=1,protocol=\"TCP\"].name: {name:?} {why}; use at \
                     most 15 lower-case letters, digits and inner hyphens, with at least one letter"
                )]
            );
        }
        assert!(ports(&json!([{"name": "client-12345678", "containerPort": 1}])).is_empty());
    }
}
