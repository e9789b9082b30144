//! Mounts: of volumes that exist, each at a place of its own.

use std::collections::HashMap;

use super::claims;
use super::place::Place;
use super::pod::Parts;
use crate::fault::{Fault, Reason};

/// What can be mounted, by name: whether it is a block device, where that is known.
type Volumes<'a> = HashMap<&'a str, Option<bool>>;

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    let volumes = volumes(parts);
    let windows = parts.on_windows();
    for container in &parts.containers {
        let mut paths: HashMap<&str, &str> = HashMap::new();
        for mount in container.place.items("volumeMounts") {
            check_volume(&mount, &volumes, false, faults);
            check_path(&mount, "mountPath", windows, &mut paths, faults);
            check_sub_path(&mount, faults);
        }
        for device in container.place.items("volumeDevices") {
            check_volume(&device, &volumes, true, faults);
            check_path(&device, "devicePath", windows, &mut paths, faults);
        }
    }
}

/// Claim templates hide volumes of the same name, so they come last.
fn volumes<'a>(parts: &Parts<'a>) -> Volumes<'a> {
    let mut volumes = Volumes::new();
    for volume in &parts.volumes {
        if let Some(name) = volume.text("name") {
            // The claim that it refers to may be of either mode.
            let claim = volume.has("persistentVolumeClaim") || volume.has("ephemeral");
            volumes.insert(name, (!claim).then_some(false));
        }
    }
    for claim in &parts.claims {
        if let Some(name) = claims::name(claim) {
            let mode = claim.field("spec").and_then(|spec| spec.text("volumeMode"));
            volumes.insert(name, Some(mode == Some("Block")));
        }
    }
    volumes
}

fn check_volume(mount: &Place, volumes: &Volumes, device: bool, faults: &mut Vec<Fault>) {
    let fault = match mount.text("name") {
        None => mount.fault_at("name", Reason::Missing, "no name", "write the name of a volume"),
        Some(name) => match volumes.get(name) {
            None => mount.fault_at(
                "name",
                Reason::NotFound,
                format!("no volume and no claim template is named {name:?}"),
                known(volumes, name),
            ),
            Some(Some(block)) if *block != device => wrong_mode(mount, name, device),
            Some(_) => return,
        },
    };
    faults.push(fault);
}

fn known(volumes: &Volumes, name: &str) -> String {
    let mut names: Vec<&str> = volumes.keys().copied().collect();
    names.sort_unstable();
    let add = format!("add {name:?} to volumes or volumeClaimTemplates");
    if names.is_empty() { add } else { format!("{add}, or mount one of {}", names.join(", ")) }
}

fn wrong_mode(mount: &Place, name: &str, device: bool) -> Fault {
    let (problem, remedy) = if device {
        (
            format!("{name:?} is a file system, not a block device"),
            format!("write volumeMounts: [{{name: {name}, mountPath: /PATH}}], or volumeMode: Block"),
        )
    } else {
        (
            format!("{name:?} is a block device (volumeMode: Block) and cannot be mounted"),
            format!(
                "write volumeDevices: [{{name: {name}, devicePath: /dev/{name}}}], or volumeMode: Filesystem"
            ),
        )
    };
    mount.fault(Reason::Contradiction, problem, remedy)
}

fn check_path<'a>(
    mount: &Place<'a>,
    field: &str,
    windows: bool,
    paths: &mut HashMap<&'a str, &'a str>,
    faults: &mut Vec<Fault>,
) {
    let Some(path) = mount.text(field) else {
        let remedy = "write an absolute path in the container, for example /data";
        faults.push(mount.fault_at(field, Reason::Missing, format!("no {field}"), remedy));
        return;
    };
    let problem = if !windows && !path.starts_with('/') {
        Some(format!("{path:?} does not begin with /"))
    } else if !windows && path.contains(':') {
        Some(format!("{path:?} contains a colon"))
    } else {
        None
    };
    if let Some(problem) = problem {
        let remedy = format!("write an absolute path without colons, for example {:?}", absolute(path));
        faults.push(mount.fault_at(field, Reason::Invalid, problem, remedy));
    }
    let name = mount.text("name").unwrap_or_default();
    if let Some(other) = paths.insert(path.trim_end_matches('/'), name) {
        faults.push(mount.fault_at(
            field,
            Reason::Duplicate,
            format!("{path:?} is mounted twice in this container, by {other:?} and {name:?}"),
            "give each mount a path of its own",
        ));
    }
}

fn absolute(path: &str) -> String {
    format!("/{}", path.trim_start_matches(['.', '/']).replace(':', "-"))
}

fn check_sub_path(mount: &Place, faults: &mut Vec<Fault>) {
    if mount.text("subPath").is_some() && mount.text("subPathExpr").is_some() {
        faults.push(mount.fault_at(
            "subPathExpr",
            Reason::Contradiction,
            "stands beside subPath",
            "keep one of the two",
        ));
    }
    for field in ["subPath", "subPathExpr"] {
        let Some(path) = mount.text(field) else {
            continue;
        };
        let problem = if path.starts_with('/') {
            format!("{path:?} is absolute")
        } else if path.split(['/', '\\']).any(|part| part == "..") {
            format!("{path:?} contains \"..\"")
        } else {
            continue;
        };
        let remedy = "write a path within the volume, for example data";
        faults.push(mount.fault_at(field, Reason::Invalid, problem, remedy));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(container: &Value) -> Vec<String> {
        let claims = json!([
            {"metadata": {"name": "data"}}, {"metadata": {"name": "raw"}, "spec": {"volumeMode": "Block"}},
        ]);
        let volumes = json!([
            {"name": "config", "configMap": {"name": "x"}}, {"name": "old", "persistentVolumeClaim": {"claimName": "x"}},
        ]);
        let object = json!({"spec": {"volumeClaimTemplates": claims, "template": {"spec": {
            "volumes": volumes, "containers": [container],
        }}}});
        let mut faults = Vec::new();
        check(&Parts::of(&object), &mut faults);
        let strip = |f: &Fault| f.to_string().replace("spec.template.spec.containers[0].", "");
        faults.iter().map(strip).collect()
    }

    fn mounts(mounts: &Value) -> Vec<String> {
        let faults = faults(&json!({"volumeMounts": mounts}));
        faults.iter().map(|f| f.replace("volumeMounts", "")).collect()
    }

    #[test]
    fn ordinary_mounts_pass() {
        let container = json!({
            "volumeMounts": [
                {"name": "data", "mountPath": "/data"},
                {"name": "data", "mountPath": "/wal", "subPath": "a..b/wal"},
                {"name": "config", "mountPath": "/etc/app"},
                {"name": "old", "mountPath": "/old"},
            ],
            "volumeDevices": [{"name": "raw", "devicePath": "/dev/raw"}],
        });
        assert_eq!(faults(&container), [""; 0]);
    }

    #[test]
    fn a_mount_needs_its_volume() {
        assert_eq!(
            mounts(&json!([{"name": "dat", "mountPath": "/data"}, {"mountPath": "/x"}])),
            [
                "[mountPath=\"/data\"].name: no volume and no claim template is named \"dat\"; add \"dat\" \
                 to volumes or volumeClaimTemplates, or mount one of config, data, old, raw",
                "[mountPath=\"/x\"].name: no name; write the name of a volume",
            ]
        );
    }

    #[test]
    fn paths_are_unique_whatever_the_slash() {
        assert_eq!(
            mounts(
                &json!([{"name": "data", "mountPath": "/data"}, {"name": "config", "mountPath": "/data/"}])
            ),
            ["[mountPath=\"/data/\"].mountPath: \"/data/\" is mounted twice in this container, by \
              \"data\" and \"config\"; give each mount a path of its own"]
        );
    }

    #[test]
    fn paths_are_absolute() {
        assert_eq!(
            mounts(&json!([
                {"name": "data", "mountPath": "./data"}, {"name": "data", "mountPath": "/a:ro"}, {"name": "data"},
            ])),
            [
                "[mountPath=\"./data\"].mountPath: \"./data\" does not begin with /; write an absolute path \
                 without colons, for example \"/data\"",
                "[mountPath=\"/a:ro\"].mountPath: \"/a:ro\" contains a colon; write an absolute path without \
                 colons, for example \"/a-ro\"",
                "[2].mountPath: no mountPath; write an absolute path in the container, for example /data",
            ]
        );
    }

    #[test]
    fn windows_has_its_own_paths() {
        let object = json!({"spec": {"template": {"spec": {
            "os": {"name": "windows"}, "volumes": [{"name": "data"}],
            "containers": [{"volumeMounts": [{"name": "data", "mountPath": "C:\\data"}]}],
        }}}});
        let mut faults = Vec::new();
        check(&Parts::of(&object), &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn sub_paths_stay_within_the_volume() {
        assert_eq!(
            mounts(&json!([
                {"name": "data", "mountPath": "/a", "subPath": "/data"},
                {"name": "data", "mountPath": "/b", "subPathExpr": "$(POD_NAME)/../x"},
                {"name": "data", "mountPath": "/c", "subPath": "a", "subPathExpr": "b"},
            ])),
            [
                "[mountPath=\"/a\"].subPath: \"/data\" is absolute; write a path within the volume, for \
                 example data",
                "[mountPath=\"/b\"].subPathExpr: \"$(POD_NAME)/../x\" contains \"..\"; write a path within \
                 the volume, for example data",
                "[mountPath=\"/c\"].subPathExpr: stands beside subPath; keep one of the two",
            ]
        );
    }

    #[test]
    fn block_devices_are_not_mounted() {
        let container = json!({
            "volumeMounts": [{"name": "raw", "mountPath": "/raw"}],
            "volumeDevices": [{"name": "data", "devicePath": "/dev/data"}, {"name": "old", "devicePath": "/dev/old"}],
        });
        assert_eq!(
            faults(&container),
            [
                "volumeMounts[mountPath=\"/raw\"]: \"raw\" is a block device (volumeMode: Block) and cannot \
                 be mounted; write volumeDevices: [{name: raw, devicePath: /dev/raw}], or volumeMode: \
                 Filesystem",
                "volumeDevices[devicePath=\"/dev/data\"]: \"data\" is a file system, not a block device; \
                 write volumeMounts: [{name: data, mountPath: /PATH}], or volumeMode: Block",
            ]
        );
    }
}
