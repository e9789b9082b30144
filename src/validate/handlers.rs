//! What a probe or a lifecycle hook does: exactly one thing, on a port that the container has.

use serde_json::Value;

use super::place::Place;
use super::ports::is_port;
use crate::fault::{Fault, Reason};

/// Checks the handler in `place`, a probe or hook of `container`, that may be of these `kinds`.
pub(super) fn check(place: &Place, container: &Place, kinds: &[&str], faults: &mut Vec<Fault>) {
    let found: Vec<Place> = kinds.iter().filter_map(|kind| place.field(kind)).collect();
    let names: Vec<&str> = kinds.iter().copied().filter(|kind| place.has(kind)).collect();
    // A field that is an object and that we do not know may be a handler of a newer Kubernetes.
    let unknown = place.fields().any(|(_, field)| field.value.is_object()) && found.is_empty();
    match names.as_slice() {
        [] if unknown => {}
        [] => faults.push(place.fault(
            Reason::Missing,
            "no handler",
            format!("write one of {}", kinds.join(", ")),
        )),
        [_] => {}
        [first, ..] => faults.push(place.fault(
            Reason::Contradiction,
            format!("has {} handlers: {}", names.len(), names.join(" and ")),
            format!("keep one, for example {first}"),
        )),
    }
    for (kind, handler) in names.iter().zip(&found) {
        match *kind {
            "exec" => check_command(handler, faults),
            "grpc" => check_grpc_port(handler, container, faults),
            "httpGet" | "tcpSocket" => check_port(handler, container, faults),
            _ => {}
        }
    }
}

fn check_command(exec: &Place, faults: &mut Vec<Fault>) {
    let command = exec.raw("command").and_then(Value::as_array);
    if command.is_none_or(Vec::is_empty) {
        faults.push(exec.fault_at(
            "command",
            Reason::Missing,
            "no command",
            "write the command as a list, for example command: [pg_isready]",
        ));
    }
}

fn check_port(handler: &Place, container: &Place, faults: &mut Vec<Fault>) {
    let fault = match handler.raw("port") {
        Some(Value::Number(number)) if number.as_i64().is_some_and(is_port) => return,
        Some(Value::String(name)) if number_of(container, name).is_some() => return,
        Some(Value::String(name)) if !name.is_empty() => unknown_name(handler, container, name),
        Some(Value::Number(number)) if number.as_i64() != Some(0) => handler.fault_at(
            "port",
            Reason::Invalid,
            format!("{number} is not a port number"),
            "write a number from 1 to 65535 or the name of a port of this container",
        ),
        _ => handler.fault_at(
            "port",
            Reason::Missing,
            "no port",
            "write a number from 1 to 65535 or the name of a port of this container",
        ),
    };
    faults.push(fault);
}

fn unknown_name(handler: &Place, container: &Place, name: &str) -> Fault {
    if name.parse::<u16>().is_ok_and(|number| number > 0) {
        return handler.fault_at(
            "port",
            Reason::Invalid,
            format!("{name:?} is text, and so the name of a port, and names need a letter"),
            format!("write {name} without quotes"),
        );
    }
    let names: Vec<&str> = container.items("ports").iter().filter_map(|port| port.text("name")).collect();
    let remedy = match names.as_slice() {
        [] => format!("name a port of this container {name:?}, or write the number"),
        names => format!("write the number, or the name of a port of this container: {}", names.join(", ")),
    };
    handler.fault_at("port", Reason::NotFound, format!("no port of this container is named {name:?}"), remedy)
}

fn check_grpc_port(grpc: &Place, container: &Place, faults: &mut Vec<Fault>) {
    let (reason, problem) = match grpc.raw("port") {
        Some(value) if value.as_i64().is_some_and(is_port) => return,
        Some(Value::String(name)) => {
            (Reason::Invalid, format!("{name:?} is a name, and a gRPC probe takes none"))
        }
        Some(value) if value.as_i64() != Some(0) => {
            (Reason::Invalid, format!("{value} is not a port number"))
        }
        _ => (Reason::Missing, "no port".to_owned()),
    };
    let number = grpc.text("port").and_then(|name| number_of(container, name));
    let remedy = match number {
        Some(number) => format!("write {number}"),
        None => "write a number from 1 to 65535".to_owned(),
    };
    faults.push(grpc.fault_at("port", reason, problem, remedy));
}

/// The number of the container's port of this name: names mean ports of the same container.
fn number_of(container: &Place, name: &str) -> Option<i64> {
    let ports = container.items("ports");
    let port = ports.iter().find(|port| port.text("name") == Some(name))?;
    port.number("containerPort")
}
