//! Volume claim templates: what Kubernetes stores and what then never binds, or holds no data.

use std::collections::HashSet;

use super::place::Place;
use super::pod::Parts;
use super::resources::{fraction, read, shown};
use super::volumes::check_name;
use crate::fault::{Fault, Reason};

const ACCESS_MODES: [&str; 4] = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];

/// The name of a claim template.
pub(super) fn name<'a>(claim: &Place<'a>) -> Option<&'a str> {
    claim.field("metadata")?.text("name")
}

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    let mut names = HashSet::new();
    for claim in &parts.claims {
        check_name(&claim.field_or_null("metadata"), "name", &mut names, faults);
        if let Some(name) = name(claim) {
            check_use(parts, claim, name, faults);
        }
        check_modes(claim, faults);
        check_request(claim, faults);
    }
}

fn check_use(parts: &Parts, claim: &Place, name: &str, faults: &mut Vec<Fault>) {
    let named = |item: &Place| item.text("name") == Some(name);
    if parts.volumes.iter().any(named) {
        faults.push(claim.fault(
            Reason::Contradiction,
            format!("hides the volume of the same name, {name:?}"),
            "remove that volume from spec.template.spec.volumes, or rename it",
        ));
    }
    let used = parts.containers.iter().any(|container| {
        let place = &container.place;
        place.items("volumeMounts").iter().any(named) || place.items("volumeDevices").iter().any(named)
    });
    if !used {
        let example = match claim.field("spec").and_then(|spec| spec.text("volumeMode")) {
            Some("Block") => format!("volumeDevices: [{{name: {name}, devicePath: /dev/{name}}}]"),
            _ => format!("volumeMounts: [{{name: {name}, mountPath: /PATH}}]"),
        };
        faults.push(claim.fault(
            Reason::Missing,
            "no container mounts this claim: what is written would be lost with the container",
            format!("give the container that keeps data there {example}, or remove the template"),
        ));
    }
}

fn check_modes(claim: &Place, faults: &mut Vec<Fault>) {
    let spec = claim.field("spec");
    let modes = spec.as_ref().and_then(|spec| spec.raw("accessModes")?.as_array());
    let modes = modes.map(Vec::as_slice).unwrap_or_default();
    let at = claim.field_or_null("spec");
    let fault = |reason, problem: String, remedy: &str| at.fault_at("accessModes", reason, problem, remedy);
    if modes.is_empty() {
        faults.push(fault(
            Reason::Missing,
            "no access mode".to_owned(),
            "write accessModes: [ReadWriteOnce]",
        ));
    }
    for mode in modes {
        if !mode.as_str().is_some_and(|mode| ACCESS_MODES.contains(&mode)) {
            faults.push(fault(
                Reason::Invalid,
                format!("{mode} is not an access mode"),
                "write ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod",
            ));
        }
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        faults.push(fault(
            Reason::Contradiction,
            "ReadWriteOncePod stands together with others".to_owned(),
            "write accessModes: [ReadWriteOncePod], or leave it out",
        ));
    }
    let mode = spec.as_ref().and_then(|spec| spec.field("volumeMode"));
    if let Some(mode) = mode.filter(|mode| mode.value != "Filesystem" && mode.value != "Block") {
        faults.push(mode.fault(
            Reason::Invalid,
            format!("{} is not a volume mode", mode.value),
            "write Filesystem or Block",
        ));
    }
}

fn check_request(claim: &Place, faults: &mut Vec<Fault>) {
    let Some(request) = claim.descend(&["spec", "resources", "requests", "storage"]) else {
        faults.push(Fault::new(
            Reason::Missing,
            format!("{}.resources.requests.storage", claim.at("spec")),
            "no size",
            "write the size, for example storage: 20Gi",
        ));
        return;
    };
    match read(&request) {
        Ok(size) if !size.is_positive() => faults.push(request.fault(
            Reason::Invalid,
            format!("{} is no size", shown(request.value)),
            "write a size above zero, for example storage: 20Gi",
        )),
        Ok(size) if !size.is_whole() => faults.push(fraction(&request)),
        Ok(_) => {}
        Err(fault) => faults.push(fault),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(claims: &Value) -> Vec<String> {
        let pod = json!({
            "containers": [{"name": "app", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "initContainers": [{"name": "init", "volumeDevices": [{"name": "raw", "devicePath": "/dev/raw"}]}],
            "volumes": [{"name": "config", "emptyDir": {}}],
        });
        let object = json!({"spec": {"volumeClaimTemplates": claims, "template": {"spec": pod}}});
        let mut faults = Vec::new();
        check(&Parts::of(&object), &mut faults);
        let strip = |f: &Fault| f.to_string().replace("spec.volumeClaimTemplates", "");
        faults.iter().map(strip).collect()
    }

    fn claim(name: &str, modes: &Value, size: &Value) -> Value {
        let spec = json!({"accessModes": modes, "resources": {"requests": {"storage": size}}});
        json!({"metadata": {"name": name}, "spec": spec})
    }

    #[test]
    fn ordinary_claims_pass() {
        let rwo = json!(["ReadWriteOnce"]);
        let claims = json!([claim("data", &rwo, &json!("20Gi")), claim("raw", &rwo, &json!(1024))]);
        assert_eq!(faults(&claims), [""; 0]);
    }

    #[test]
    fn one_that_nobody_mounts_keeps_nothing() {
        let claims = json!([claim("wal", &json!(["ReadWriteOnce"]), &json!("1Gi"))]);
        assert_eq!(
            faults(&claims),
            ["[name=\"wal\"]: no container mounts this claim: what is written would be lost with the \
                 container; give the container that keeps data there volumeMounts: [{name: wal, mountPath: \
                 /PATH}], or remove the template"]
        );
    }

    #[test]
    fn one_that_hides_a_volume_is_told() {
        let claims = json!([claim("config", &json!(["ReadWriteOnce"]), &json!("1Gi"))]);
        assert_eq!(
            faults(&claims)[0],
            "[name=\"config\"]: hides the volume of the same name, \"config\"; remove that volume from \
             spec.template.spec.volumes, or rename it"
        );
    }

    #[test]
    fn names_are_labels_and_unique() {
        let rwo = json!(["ReadWriteOnce"]);
        let claims = json!([
            claim("data", &rwo, &json!("1Gi")), claim("data", &rwo, &json!("2Gi")), claim("my_data", &rwo, &json!("1Gi")),
            {"spec": claim("", &rwo, &json!("1Gi"))["spec"]},
        ]);
        let faults = faults(&claims);
        assert_eq!(
            faults[0],
            "[1].metadata.name: \"data\" is the name of another one too; give each a name of its own"
        );
        assert!(faults[1].starts_with("[name=\"my_data\"].metadata.name: \"my_data\" is not a DNS label"));
        assert_eq!(faults[3], "[3].metadata.name: no name; write the name by which containers mount it");
    }

    #[test]
    fn access_modes_are_checked() {
        assert_eq!(
            faults(&json!([
                claim("data", &json!([]), &json!("1Gi")),
                claim("raw", &json!(["RWO", "ReadWriteOncePod"]), &json!("1Gi"))
            ])),
            [
                "[name=\"data\"].spec.accessModes: no access mode; write accessModes: [ReadWriteOnce]",
                "[name=\"raw\"].spec.accessModes: \"RWO\" is not an access mode; write ReadWriteOnce, \
                 ReadOnlyMany, ReadWriteMany or ReadWriteOncePod",
                "[name=\"raw\"].spec.accessModes: ReadWriteOncePod stands together with others; write \
                 accessModes: [ReadWriteOncePod], or leave it out",
            ]
        );
    }

    #[test]
    fn sizes_are_checked() {
        let rwo = json!(["ReadWriteOnce"]);
        let size = |size: Value| faults(&json!([claim("data", &rwo, &size)])).join("\n");
        let field = "[name=\"data\"].spec.resources.requests.storage";
        let absent = "no size; write the size, for example storage: 20Gi";
        assert_eq!(size(json!(null)), format!("{field}: {absent}"));
        let zero = "write a size above zero, for example storage: 20Gi";
        assert_eq!(size(json!("0")), format!("{field}: 0 is no size; {zero}"));
        assert_eq!(size(json!("-1Gi")), format!("{field}: -1Gi is no size; {zero}"));
        assert_eq!(size(json!("20GB")), format!("{field}: \"20GB\" is not a quantity; write 20Gi"));
        assert!(size(json!("100m")).contains("is not a whole number of bytes"));
    }

    #[test]
    fn volume_modes_are_checked() {
        let mut raw = claim("data", &json!(["ReadWriteOnce"]), &json!("1Gi"));
        raw["spec"]["volumeMode"] = json!("block");
        assert_eq!(
            faults(&json!([raw])),
            ["[name=\"data\"].spec.volumeMode: \"block\" is not a volume mode; write Filesystem or Block"]
        );
    }
}
