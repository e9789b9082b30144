//! Requests and limits.

use serde_json::Value;

use super::place::Place;
use super::pod::Parts;
use crate::fault::{Fault, Reason};
use crate::quantity::Quantity;

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    let of_pod = parts.pod.as_ref().and_then(|pod| pod.field("resources"));
    let of_containers = parts.containers.iter().filter_map(|container| container.place.field("resources"));
    for resources in of_pod.into_iter().chain(of_containers) {
        check_block(&resources, faults);
    }
}

fn check_block(resources: &Place, faults: &mut Vec<Fault>) {
    let limits = amounts(resources, "limits", faults);
    for (name, place, request) in amounts(resources, "requests", faults) {
        let limit = limits.iter().find(|(limited, ..)| *limited == name);
        if let Some((_, limit_place, limit)) = limit
            && request > *limit
        {
            let (text, limit) = (shown(place.value), shown(limit_place.value));
            faults.push(place.fault(
                Reason::Contradiction,
                format!("requests {text}, above the limit of {limit}"),
                format!("request at most {limit}, or raise the limit to {text}"),
            ));
        }
    }
}

/// The amounts that can be read; a fault for each that cannot.
fn amounts<'a>(
    resources: &Place<'a>,
    field: &'a str,
    faults: &mut Vec<Fault>,
) -> Vec<(&'a str, Place<'a>, Quantity)> {
    let block = resources.field(field);
    let mut found = Vec::new();
    for (name, place) in block.iter().flat_map(Place::fields) {
        if let Some(fault) = unknown_name(name, &place) {
            faults.push(fault);
            continue;
        }
        match read(&place) {
            Ok(amount) if amount.is_negative() => faults.push(place.fault(
                Reason::Invalid,
                format!("{} is negative", shown(place.value)),
                "write 0 or more, or remove it",
            )),
            Ok(amount) if in_bytes(name) && !amount.is_whole() => faults.push(fraction(&place)),
            Ok(amount) => found.push((name, place, amount)),
            Err(fault) => faults.push(fault),
        }
    }
    found
}

/// Names without a slash are Kubernetes' own; others are for devices and unknown to us.
fn unknown_name(name: &str, place: &Place) -> Option<Fault> {
    const OWN: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
    if OWN.contains(&name) || name.starts_with("hugepages-") || name.contains('/') {
        return None;
    }
    let near = OWN.into_iter().find(|own| strsim::damerau_levenshtein(own, name) <= 2);
    let remedy = match near {
        Some(near) => format!("write {near}"),
        None if name == "storage" => {
            "write ephemeral-storage, or ask for storage in a claim template".to_owned()
        }
        None => format!("write one of {}", OWN.join(", ")),
    };
    Some(place.fault(Reason::Invalid, format!("{name:?} is not a resource of containers"), remedy))
}

/// The quantity at `place`, or what is wrong with it.
pub(super) fn read(place: &Place) -> Result<Quantity, Fault> {
    let text = shown(place.value);
    let amount = match place.value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    };
    amount.ok_or_else(|| {
        let remedy = match corrected(&text) {
            Some(better) => format!("write {better}"),
            None => "write a number with a unit, for example 500m, 2, 512Mi or 20Gi".to_owned(),
        };
        place.fault(Reason::Invalid, format!("{text:?} is not a quantity"), remedy)
    })
}

/// The fault of an amount that is not a whole number of bytes: `m` taken for mega.
pub(super) fn fraction(place: &Place) -> Fault {
    let text = shown(place.value);
    let remedy = match text.strip_suffix('m') {
        Some(number) => format!("write {number}Mi"),
        None => "write a whole number of bytes, for example 512Mi".to_owned(),
    };
    place.fault(
        Reason::Invalid,
        format!("{text:?} is not a whole number of bytes (m means thousandths)"),
        remedy,
    )
}

/// `20GB`, `20 Gi`, `20gi` as they were meant.
fn corrected(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "kb" | "ki" | "kib" => "Ki",
        "mb" | "mi" | "mib" => "Mi",
        "g" | "gb" | "gi" | "gib" => "Gi",
        "t" | "tb" | "ti" | "tib" => "Ti",
        _ => return None,
    };
    (!number.is_empty()).then(|| format!("{number}{unit}"))
}

fn in_bytes(name: &str) -> bool {
    ["memory", "storage", "ephemeral-storage"].contains(&name) || name.starts_with("hugepages-")
}

/// A quantity as it was written.
pub(super) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(resources: &Value) -> Vec<String> {
        let containers = json!([{"name": "app", "resources": resources}]);
        let object = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        let mut faults = Vec::new();
        check(&Parts::of(&object), &mut faults);
        let strip =
            |f: &Fault| f.to_string().replace("spec.template.spec.containers[name=\"app\"].resources.", "");
        faults.iter().map(strip).collect()
    }

    #[test]
    fn ordinary_amounts_pass() {
        let resources = json!({
            "requests": {"cpu": "500m", "memory": "1Gi", "ephemeral-storage": 1024},
            "limits": {"cpu": 0.5, "memory": "1024Mi", "example.com/gpu": "1"},
        });
        assert_eq!(faults(&resources), [""; 0]);
        assert_eq!(faults(&json!({"requests": "1Gi", "limits": null, "claims": [{"name": "x"}]})), [""; 0]);
    }

    #[test]
    fn a_request_above_its_limit_is_refused() {
        assert_eq!(
            faults(
                &json!({"requests": {"cpu": "2", "memory": "2Gi"}, "limits": {"cpu": "1500m", "memory": "2Gi"}})
            ),
            ["requests.cpu: requests 2, above the limit of 1500m; request at most 1500m, or raise the \
              limit to 2"]
        );
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        assert_eq!(
            faults(
                &json!({"requests": {"memory": "2GB", "cpu": "half"}, "limits": {"cpu": "-1", "memory": {}}})
            ),
            [
                "limits.cpu: -1 is negative; write 0 or more, or remove it",
                "limits.memory: \"{}\" is not a quantity; write a number with a unit, for example 500m, 2, \
                 512Mi or 20Gi",
                "requests.cpu: \"half\" is not a quantity; write a number with a unit, for example 500m, 2, \
                 512Mi or 20Gi",
                "requests.memory: \"2GB\" is not a quantity; write 2Gi",
            ]
        );
    }

    #[test]
    fn names_are_known() {
        assert_eq!(
            faults(&json!({"requests": {"memmory": "1Gi", "storage": "1Gi", "disk": "1Gi"}})),
            [
                "requests.disk: \"disk\" is not a resource of containers; write one of cpu, memory, \
                 ephemeral-storage",
                "requests.memmory: \"memmory\" is not a resource of containers; write memory",
                "requests.storage: \"storage\" is not a resource of containers; write ephemeral-storage, or \
                 ask for storage in a claim template",
            ]
        );
    }

    #[test]
    fn thousandths_of_bytes_are_refused() {
        assert_eq!(
            faults(&json!({"limits": {"memory": "512m", "cpu": "512m"}})),
            ["limits.memory: \"512m\" is not a whole number of bytes (m means thousandths); write 512Mi"]
        );
    }
}
