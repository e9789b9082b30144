//! Defaults of volumes and of claims.

use serde_json::{Map, Value, json};

use super::containers::references;
use super::{child_of, existing, fill, fill_plain, items, pull};

pub(super) fn apply(volume: &mut Map<String, Value>) {
    // Any other field is a source, perhaps one of a newer Kubernetes.
    if volume.iter().all(|(field, value)| field == "name" || value.is_null()) {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for source in ["configMap", "downwardAPI", "projected", "secret"] {
        if let Some(source) = existing(volume, source) {
            fill(source, "defaultMode", json!(0o644));
        }
    }
    if let Some(path) = existing(volume, "hostPath") {
        fill(path, "type", json!(""));
    }
    if let Some(downward) = existing(volume, "downwardAPI") {
        items(downward, "items").for_each(references);
    }
    if let Some(projected) = existing(volume, "projected") {
        items(projected, "sources").for_each(apply_to_projection);
    }
    if let Some(image) = existing(volume, "image") {
        let policy = pull::policy(image.get("reference").and_then(Value::as_str).unwrap_or_default());
        fill_plain(image, "pullPolicy", json!(policy));
    }
    if let Some(template) = existing(volume, "ephemeral").and_then(|e| existing(e, "volumeClaimTemplate")) {
        fill(template, "metadata", json!({}));
        apply_to_claim_spec(template);
    }
    apply_to_old_kinds(volume);
}

/// A claim template of the set.
pub(super) fn apply_to_claim(claim: &mut Map<String, Value>) {
    // Written so by the API server whatever was there.
    claim.insert("apiVersion".to_owned(), json!("v1"));
    claim.insert("kind".to_owned(), json!("PersistentVolumeClaim"));
    fill(claim, "metadata", json!({}));
    apply_to_claim_spec(claim);
    if let Some(status) = child_of(claim, "status") {
        fill_plain(status, "phase", json!("Pending"));
    }
}

fn apply_to_claim_spec(claim: &mut Map<String, Value>) {
    if let Some(spec) = child_of(claim, "spec") {
        fill(spec, "resources", json!({}));
        fill(spec, "volumeMode", json!("Filesystem"));
    }
}

fn apply_to_projection(source: &mut Map<String, Value>) {
    if let Some(token) = existing(source, "serviceAccountToken") {
        fill(token, "expirationSeconds", json!(3600));
    }
    if let Some(downward) = existing(source, "downwardAPI") {
        items(downward, "items").for_each(references);
    }
}

/// Kinds of volumes that drivers have replaced and the API still has.
fn apply_to_old_kinds(volume: &mut Map<String, Value>) {
    for (kind, field, value) in [
        ("azureDisk", "cachingMode", "ReadWrite"),
        ("azureDisk", "fsType", "ext4"),
        ("azureDisk", "kind", "Shared"),
        ("iscsi", "iscsiInterface", "default"),
        ("rbd", "keyring", "/etc/ceph/keyring"),
        ("rbd", "pool", "rbd"),
        ("rbd", "user", "admin"),
        ("scaleIO", "fsType", "xfs"),
        ("scaleIO", "storageMode", "ThinProvisioned"),
    ] {
        if let Some(source) = existing(volume, kind) {
            fill_plain(source, field, json!(value));
        }
    }
    if let Some(disk) = existing(volume, "azureDisk") {
        fill(disk, "readOnly", json!(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(mut value: Value, with: fn(&mut Map<String, Value>)) -> Value {
        with(value.as_object_mut().unwrap());
        value
    }

    #[test]
    fn a_volume_without_a_source_is_an_empty_directory() {
        assert_eq!(
            applied(json!({"name": "tmp", "secret": null}), apply),
            json!({"name": "tmp", "secret": null, "emptyDir": {}})
        );
        let future = json!({"name": "tmp", "futureSource": {}});
        assert_eq!(applied(future.clone(), apply), future);
    }

    #[test]
    fn sources_are_filled_in() {
        for (given, wanted) in [
            (json!({"configMap": {"name": "x"}}), json!({"configMap": {"name": "x", "defaultMode": 420}})),
            (json!({"secret": {"defaultMode": 0}}), json!({"secret": {"defaultMode": 0}})),
            (json!({"hostPath": {"path": "/x"}}), json!({"hostPath": {"path": "/x", "type": ""}})),
            (
                json!({"downwardAPI": {"items": [{"fieldRef": {"fieldPath": "x"}}]}}),
                json!({"downwardAPI": {
                    "items": [{"fieldRef": {"fieldPath": "x", "apiVersion": "v1"}}], "defaultMode": 420,
                }}),
            ),
            (
                json!({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"secret": {}}]}}),
                json!({"projected": {"defaultMode": 420, "sources": [
                    {"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}, {"secret": {}},
                ]}}),
            ),
            (
                json!({"image": {"reference": "models"}}),
                json!({"image": {"reference": "models", "pullPolicy": "Always"}}),
            ),
            (
                json!({"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}),
                json!({"ephemeral": {"volumeClaimTemplate": {
                    "metadata": {}, "spec": {"resources": {}, "volumeMode": "Filesystem"},
                }}}),
            ),
            (json!({"iscsi": {"lun": 0}}), json!({"iscsi": {"lun": 0, "iscsiInterface": "default"}})),
        ] {
            assert_eq!(applied(given, apply), wanted);
        }
    }

    #[test]
    fn claims_are_filled_in() {
        let claim =
            json!({"metadata": {"name": "data"}, "spec": {"volumeMode": "Block"}, "status": {"phase": ""}});
        assert_eq!(
            applied(claim, apply_to_claim),
            json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
                "spec": {"volumeMode": "Block", "resources": {}}, "status": {"phase": "Pending"},
            })
        );
    }
}
