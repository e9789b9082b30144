//! Unions of the pod template: of their members, one is set or none.

use serde_json::Value;

use crate::path::{Path, Step};

/// The probes of a container.
pub const PROBES: [&str; 3] = ["startupProbe", "readinessProbe", "livenessProbe"];

/// The timings that the API server fills into a probe (`pkg/apis/core/v1/defaults.go`).
pub const TIMINGS: [(&str, i64); 4] =
    [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)];

/// The handlers of a probe, each with the field without which it is none.
const HANDLERS: [(&str, &str); 4] =
    [("exec", "command"), ("grpc", "port"), ("httpGet", "port"), ("tcpSocket", "port")];

/// The probe that `path` lies in and the handler below it, if it is part of one.
#[must_use]
pub fn probe_of(path: &Path) -> Option<(&str, Option<&str>)> {
    let at = probe_at(path)?;
    let Step::Field(probe) = &path.0[at] else {
        return None;
    };
    let handler = match path.0.get(at + 1) {
        Some(Step::Field(field)) if HANDLERS.iter().any(|(name, _)| name == field) => Some(field.as_ref()),
        _ => None,
    };
    Some((probe, handler))
}

/// Whether `user` has a handler of the probe that `path` lies in; `None` where it lies in none.
#[must_use]
pub fn has_handler(user: &Value, path: &Path) -> Option<bool> {
    let probe = Path::of(probe_steps(path)?);
    Some(probe.lookup(user).is_some_and(|probe| handler(probe).is_some()))
}

/// The steps to the probe that `path` lies in, the container's among them.
#[must_use]
pub fn probe_steps(path: &Path) -> Option<&[Step]> {
    Some(&path.0[..=probe_at(path)?])
}

fn probe_at(path: &Path) -> Option<usize> {
    path.0.iter().position(|step| matches!(step, Step::Field(f) if PROBES.contains(&f.as_ref())))
}

/// The handler that `probe` has complete, if any. A handler without its required field, which
/// server-side apply leaves when it owns a neighbour alone, does not count.
#[must_use]
pub fn handler(probe: &Value) -> Option<&'static str> {
    HANDLERS.iter().find(|(name, required)| is_complete(&probe[name], required)).map(|(name, _)| *name)
}

/// Whether a field of a probe is a handler.
#[must_use]
pub fn is_handler(field: &str) -> bool {
    HANDLERS.iter().any(|(name, _)| *name == field)
}

/// The handlers that `probe` has in part: what server-side apply leaves of one whose required field
/// it took out, with what the API server had filled in.
pub fn remnants(probe: &Value) -> impl Iterator<Item = &'static str> {
    let partly =
        |(name, required): &&(&str, &str)| probe[name].is_object() && !is_complete(&probe[name], required);
    HANDLERS.iter().filter(partly).map(|(name, _)| *name)
}

/// Whether a handler has its required field. A port that was taken out comes as 0: the API server
/// writes the field always.
fn is_complete(handler: &Value, required: &str) -> bool {
    let value = &handler[required];
    !value.is_null() && *value != 0
}

/// Whether an update strategy of this type is the one that `rollingUpdate` is for.
#[must_use]
pub fn is_rolling(kind: &Value) -> bool {
    kind == "RollingUpdate"
}

/// Whether `path` is a member of a union of `env` (value, valueFrom); gives the item's length.
#[must_use]
pub fn env_item(path: &Path) -> Option<Path> {
    let at = path.0.iter().position(|step| matches!(step, Step::Field(f) if f == "env"))?;
    matches!(path.0.get(at + 1), Some(Step::Item(_))).then(|| Path::of(&path.0[..at + 2]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_handler_without_its_port_is_a_remnant() {
        let probe = json!({"httpGet": {"path": "/", "port": 0, "scheme": "HTTP"}, "tcpSocket": {"port": "db"}, "exec": {}});
        assert_eq!(handler(&probe), Some("tcpSocket"));
        assert_eq!(remnants(&probe).collect::<Vec<_>>(), ["exec", "httpGet"]);
    }
}
