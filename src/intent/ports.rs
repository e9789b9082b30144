//! `ports` and `service-ports`.

use crate::intent::complaint::{Complaint, distinct, items, quote, unless};
use crate::intent::{Port, ServicePort, syntax};

/// The protocols that a port may have.
const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// `postgres=5432,dns=53/UDP`.
pub(crate) fn list(text: &str) -> Result<Vec<Port>, Vec<Complaint>> {
    let ports = items(text, port)?;
    let mut bad =
        distinct(&ports, |port| port.name.clone(), |port| format!("the port name {}", quote(&port.name)));
    bad.extend(distinct(
        &ports,
        |port| (port.number, port.protocol),
        |port| format!("port {}/{}", port.number, port.protocol),
    ));
    unless(ports, bad)
}

/// `80:http,443:8443`.
pub(crate) fn of_service(text: &str) -> Result<Vec<ServicePort>, Vec<Complaint>> {
    let ports = items(text, service_port)?;
    let bad = distinct(&ports, |port| port.port, |port| format!("service port {}", port.port));
    unless(ports, bad)
}

fn port(item: &str) -> Result<Port, Complaint> {
    let Some((name, number)) = item.split_once('=') else {
        return Err(Complaint::invalid(format!("{} has no `name=`", quote(item))));
    };
    let (number, protocol) = number.split_once('/').unwrap_or((number, "TCP"));
    Ok(Port {
        name: syntax::port_name(name.trim())?,
        number: syntax::port_number(number.trim())?,
        protocol: syntax::one_of("protocol", protocol.trim(), PROTOCOLS)?,
    })
}

fn service_port(item: &str) -> Result<ServicePort, Complaint> {
    let Some((port, target)) = item.split_once(':') else {
        return Err(Complaint::invalid(format!(
            "{} does not say which container port is behind it",
            quote(item)
        )));
    };
    Ok(ServicePort { port: syntax::port_number(port.trim())?, target: syntax::port_ref(target.trim())? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::PortRef;
    use crate::intent::testing::{bad, good};

    #[test]
    fn ports_in_the_order_written() {
        let port = |name: &str, number, protocol| Port { name: name.to_owned(), number, protocol };
        assert_eq!(
            list("postgres = 5432 , dns=53/UDP,dns-tcp=53 / TCP").unwrap(),
            [port("postgres", 5432, "TCP"), port("dns", 53, "UDP"), port("dns-tcp", 53, "TCP")]
        );
        good("ports", &["a=1", "http=80,https=443", " a = 1 , b = 2/SCTP "]);
    }

    #[test]
    fn ports_refused() {
        const WRITE: &str =
            "write name=number[/protocol], separated by commas, for example `postgres=5432,dns=53/UDP`";
        bad(
            "ports",
            &[
                ("5432", &format!("\"5432\" has no `name=`; {WRITE}")),
                ("dns=53/udp", "\"udp\" is no protocol; write `UDP`"),
                ("dns=53/ICMP", "\"ICMP\" is no protocol; write one of: TCP, UDP, SCTP"),
                ("a=0", &format!("\"0\" is no port number from 1 to 65535; {WRITE}")),
                (
                    "My_SQL=3306",
                    "\"My_SQL\" is no port name: lower-case letters, digits and single `-`, at most 15, with at \
                     least one letter; write `my-sql`",
                ),
                ("a=1,a=2", "the port name \"a\" stands twice; write it once"),
                ("a=1,b=1/TCP", "port 1/TCP stands twice; write it once"),
                ("a=1,", "\"a=1,\" has an empty item; write one comma between two items"),
            ],
        );
    }

    #[test]
    fn service_ports_to_container_ports() {
        const WRITE: &str =
            "write port:container-port (number or name), separated by commas, for example `80:http`";
        assert_eq!(
            of_service("80:http, 443 : 8443").unwrap(),
            [
                ServicePort { port: 80, target: PortRef::Name("http".to_owned()) },
                ServicePort { port: 443, target: PortRef::Number(8443) },
            ]
        );
        good("service-ports", &["80:80", " 80 : http , 81:a-b"]);
        bad(
            "service-ports",
            &[
                ("80", &format!("\"80\" does not say which container port is behind it; {WRITE}")),
                ("http:80", &format!("\"http\" is no port number from 1 to 65535; {WRITE}")),
                ("80:a,80:b", "service port 80 stands twice; write it once"),
            ],
        );
    }
}
