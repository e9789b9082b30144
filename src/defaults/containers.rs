//! Defaults of containers.

use serde_json::{Map, Value, json};

use super::{existing, fill, fill_plain, items};

pub(super) fn apply(container: &mut Map<String, Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let policy = pull_policy(image);
    fill_plain(container, "imagePullPolicy", json!(policy));
    fill_plain(container, "terminationMessagePath", json!("/dev/termination-log"));
    fill_plain(container, "terminationMessagePolicy", json!("File"));
    fill(container, "resources", json!({}));
    for port in items(container, "ports") {
        fill_plain(port, "protocol", json!("TCP"));
    }
    for variable in items(container, "env") {
        if let Some(from) = existing(variable, "valueFrom") {
            field_ref(from);
            if let Some(key) = existing(from, "fileKeyRef") {
                fill(key, "optional", json!(false));
            }
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = existing(container, probe) {
            apply_to_probe(probe);
        }
    }
    if let Some(lifecycle) = existing(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = existing(lifecycle, hook) {
                http_get(hook);
            }
        }
    }
}

/// The version of the field that a `fieldRef` in `map` refers to.
pub(super) fn field_ref(map: &mut Map<String, Value>) {
    if let Some(reference) = existing(map, "fieldRef") {
        fill_plain(reference, "apiVersion", json!("v1"));
    }
}

/// `Always` for an image without a version. One that names no image at all is pulled if absent: the
/// API server, too, leaves that fault to validation.
pub(super) fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image
        .split_once('@')
        .map_or((image, None), |(name, d)| (name, Some(d)));
    let last = name.rsplit('/').next().unwrap_or(name);
    let tag = last.split_once(':').map(|(_, tag)| tag);
    match (tag, digest) {
        (Some("latest"), _) => "Always",
        (None, None) if is_reference(name) => "Always",
        _ => "IfNotPresent",
    }
}

/// Whether `name`, which has neither tag nor digest, can be an image's: parts in lower case, a host
/// perhaps first. (`distribution/reference`, short of the last detail.)
fn is_reference(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    let host = parts.len() > 1 && (parts[0].contains(['.', ':']) || parts[0] == "localhost");
    let path = if host { &parts[1..] } else { &parts[..] };
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let inner = |b: u8| edge(b) || matches!(b, b'.' | b'_' | b'-');
    path.iter().all(|part| {
        let bytes = part.as_bytes();
        bytes.iter().copied().all(inner)
            && bytes.first().copied().is_some_and(edge)
            && bytes.last().copied().is_some_and(edge)
    })
}

fn apply_to_probe(probe: &mut Map<String, Value>) {
    http_get(probe);
    if let Some(grpc) = existing(probe, "grpc") {
        fill(grpc, "service", json!(""));
    }
    for (field, value) in [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ] {
        fill_plain(probe, field, json!(value));
    }
}

fn http_get(handler: &mut Map<String, Value>) {
    if let Some(get) = existing(handler, "httpGet") {
        fill_plain(get, "path", json!("/"));
        fill_plain(get, "scheme", json!("HTTP"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(mut container: Value) -> Value {
        apply(container.as_object_mut().unwrap());
        container
    }

    #[test]
    fn images_without_a_version_are_always_pulled() {
        for (image, policy) in [
            ("postgres", "Always"),
            ("postgres:latest", "Always"),
            ("postgres:18", "IfNotPresent"),
            ("example.com:5000/library/postgres", "Always"),
            ("example.com:5000/library/postgres:18", "IfNotPresent"),
            ("postgres@sha256:0123", "IfNotPresent"),
            ("postgres:18@sha256:0123", "IfNotPresent"),
            ("postgres:latest@sha256:0123", "Always"),
            ("", "IfNotPresent"),
            ("Postgres", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }

    #[test]
    fn everything_of_a_container_is_filled_in() {
        let container = json!({
            "name": "app", "image": "app:1",
            "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
            "env": [
                {"name": "A", "value": "x"},
                {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "C", "valueFrom": {"fileKeyRef": {"key": "k"}}},
            ],
            "livenessProbe": {"grpc": {"port": 1}, "timeoutSeconds": 0, "periodSeconds": 5},
            "readinessProbe": {"httpGet": {"port": 80, "path": ""}},
            "lifecycle": {"preStop": {"httpGet": {"port": 80, "path": "/stop"}}, "postStart": null},
        });
        assert_eq!(
            applied(container),
            json!({
                "name": "app", "image": "app:1",
                "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}],
                "env": [
                    {"name": "A", "value": "x"},
                    {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}},
                    {"name": "C", "valueFrom": {"fileKeyRef": {"key": "k", "optional": false}}},
                ],
                "livenessProbe": {
                    "grpc": {"port": 1, "service": ""}, "timeoutSeconds": 1, "periodSeconds": 5,
                    "successThreshold": 1, "failureThreshold": 3,
                },
                "readinessProbe": {
                    "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1,
                    "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
                },
                "lifecycle": {
                    "preStop": {"httpGet": {"port": 80, "path": "/stop", "scheme": "HTTP"}}, "postStart": null,
                },
                "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "resources": {},
            })
        );
    }
}
