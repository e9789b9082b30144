//! Volumes of the pod template.

use std::collections::HashSet;

use super::names::{dns_label, not_a_label};
use super::place::Place;
use super::pod::Parts;
use crate::fault::{Fault, Reason};

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    let mut names = HashSet::new();
    for volume in &parts.volumes {
        check_name(volume, "name", &mut names, faults);
        check_source(volume, faults);
    }
}

/// A volume with no source at all becomes an `emptyDir`.
fn check_source(volume: &Place, faults: &mut Vec<Fault>) {
    let sources = volume.fields().filter(|(name, _)| *name != "name");
    let (names, sources): (Vec<&str>, Vec<Place>) = sources.unzip();
    match (names.as_slice(), sources.first()) {
        ([first, _, ..], _) => faults.push(volume.fault(
            Reason::Contradiction,
            format!("has {} sources: {}", names.len(), names.join(" and ")),
            format!("keep one, for example {first}, and make further volumes of the others"),
        )),
        (["configMap"], Some(source)) => source.require(&["name"], faults),
        (["hostPath"], Some(source)) => source.require(&["path"], faults),
        (["persistentVolumeClaim"], Some(source)) => source.require(&["claimName"], faults),
        (["secret"], Some(source)) => source.require(&["secretName"], faults),
        _ => {}
    }
}

/// Checks the name of a volume or of the `metadata` of a claim template.
pub(super) fn check_name<'a>(
    place: &Place<'a>,
    field: &str,
    names: &mut HashSet<&'a str>,
    faults: &mut Vec<Fault>,
) {
    let (reason, (problem, remedy)) = match place.text(field) {
        None => (
            Reason::Missing,
            ("no name".to_owned(), "write the name by which containers mount it".to_owned()),
        ),
        Some(name) if !dns_label(name) => (Reason::Invalid, not_a_label(name)),
        Some(name) if !names.insert(name) => (
            Reason::Duplicate,
            (format!("{name:?} is the name of another one too"), "give each a name of its own".to_owned()),
        ),
        Some(_) => return,
    };
    faults.push(place.fault_at(field, reason, problem, remedy));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_sources_are_checked() {
        let object = json!({"spec": {"template": {"spec": {"volumes": [
            {"name": "ok", "emptyDir": {}, "secret": null},
            {"name": "bare"},
            {"name": "certs", "secret": {"name": "tls"}},
            {"name": "two", "emptyDir": {}, "secret": {"secretName": "x"}},
            {"name": "ok", "emptyDir": {}},
            {"name": "My_Vol", "futureSource": {}},
            {"emptyDir": {}},
        ]}}}});
        let mut faults = Vec::new();
        check(&Parts::of(&object), &mut faults);
        let faults: Vec<String> =
            faults.iter().map(|f| f.to_string().replace("spec.template.spec.", "")).collect();
        assert_eq!(
            faults,
            [
                "volumes[name=\"certs\"].secret.secretName: no secretName; write it",
                "volumes[name=\"two\"]: has 2 sources: emptyDir and secret; keep one, for example emptyDir, \
                 and make further volumes of the others",
                "volumes[4].name: \"ok\" is the name of another one too; give each a name of its own",
                "volumes[name=\"My_Vol\"].name: \"My_Vol\" is not a DNS label; use at most 63 lower-case \
                 letters, digits and inner hyphens, for example \"my-vol\"",
                "volumes[6].name: no name; write the name by which containers mount it",
            ]
        );
    }
}
