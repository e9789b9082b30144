//! Unions of the pod template: of their members, one is set or none.

use serde_json::Value;

use crate::path::{Path, Step};

/// The probes of a container.
pub const PROBES: [&str; 3] = ["startupProbe", "readinessProbe", "livenessProbe"];

/// The handlers of a probe, each with the field without which it is none.
const HANDLERS: [(&str, &str); 4] =
    [("exec", "command"), ("grpc", "port"), ("httpGet", "port"), ("tcpSocket", "port")];

/// The probe that `path` lies in and the handler below it, if it is part of one.
#[must_use]
pub fn probe_of(path: &Path) -> Option<(&str, Option<&str>)> {
    let at = path.0.iter().position(|step| matches!(step, Step::Field(f) if PROBES.contains(&f.as_ref())))?;
    let Step::Field(probe) = &path.0[at] else {
        return None;
    };
    let handler = match path.0.get(at + 1) {
        Some(Step::Field(field)) if HANDLERS.iter().any(|(name, _)| name == field) => Some(field.as_ref()),
        _ => None,
    };
    Some((probe, handler))
}

/// The handler that `probe` has complete, if any. A handler without its required field, which
/// server-side apply leaves when it owns a neighbour alone, does not count.
#[must_use]
pub fn handler(probe: &Value) -> Option<&'static str> {
    HANDLERS.iter().find_map(|(name, required)| {
        probe.get(name)?.get(required).filter(|value| !value.is_null()).map(|_| *name)
    })
}

/// Whether `path` is a member of a union of `env` (value, valueFrom); gives the item's length.
#[must_use]
pub fn env_item(path: &Path) -> Option<Path> {
    let at = path.0.iter().position(|step| matches!(step, Step::Field(f) if f == "env"))?;
    matches!(path.0.get(at + 1), Some(Step::Item(_))).then(|| Path::of(&path.0[..at + 2]))
}
