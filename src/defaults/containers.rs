//! Defaults of containers.

use serde_json::{Map, Value, json};

use super::{existing, fill, fill_plain, items, pull};

pub(super) fn apply(container: &mut Map<String, Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let policy = pull::policy(image);
    fill_plain(container, "imagePullPolicy", json!(policy));
    fill_plain(container, "terminationMessagePath", json!("/dev/termination-log"));
    fill_plain(container, "terminationMessagePolicy", json!("File"));
    fill(container, "resources", json!({}));
    for port in items(container, "ports") {
        fill_plain(port, "protocol", json!("TCP"));
    }
    for variable in items(container, "env") {
        if let Some(from) = existing(variable, "valueFrom") {
            references(from);
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

/// References in `map` to fields and resources of the pod.
pub(super) fn references(map: &mut Map<String, Value>) {
    if let Some(field) = existing(map, "fieldRef") {
        fill_plain(field, "apiVersion", json!("v1"));
    }
    if let Some(resource) = existing(map, "resourceFieldRef") {
        fill(resource, "divisor", json!("0"));
    }
}

fn apply_to_probe(probe: &mut Map<String, Value>) {
    http_get(probe);
    if let Some(grpc) = existing(probe, "grpc") {
        fill(grpc, "service", json!(""));
    }
    for (field, value) in crate::union::TIMINGS {
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
    fn everything_of_a_container_is_filled_in() {
        let container = json!({
            "name": "app", "image": "app:1",
            "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
            "env": [
                {"name": "A", "value": "x"},
                {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "C", "valueFrom": {"fileKeyRef": {"key": "k"}}},
                {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
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
                    {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}},
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
