//! What is wrong with one profile by itself, beyond what its schema refuses.

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::Value;

use super::profile::ProfileSpec;
use crate::quantity::Quantity;

/// What keeps a profile from being used, each with its field and what to write instead.
#[must_use]
pub fn faults(spec: &ProfileSpec) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, set) in statefulsets(spec) {
        if !set["spec"]["replicas"].is_null() {
            faults.push(format!(
                "{at}.spec.replicas: a profile sets no replicas; take it out, and say under refuse which counts are wrong"
            ));
        }
        if !set["metadata"].is_null() {
            faults.push(format!(
                "{at}.metadata: a profile says nothing of the set itself; write it under spec.template"
            ));
        }
        for field in ["selector", "serviceName"] {
            if !set["spec"][field].is_null() {
                faults.push(format!("{at}.spec.{field}: it follows from the set's name; take it out"));
            }
        }
        if let Some(at) = nameless(&at, set) {
            faults.push(format!("{at}: a container has no name; write $(main) for the main one"));
        }
    }
    for (class, amounts) in &spec.sizes {
        for kind in ["requests", "limits"] {
            for (resource, amount) in amounts[kind].as_object().into_iter().flatten() {
                let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
                if let Err(why) = Quantity::parse(&text) {
                    faults.push(format!(
                        "spec.sizes.{class}.{kind}.{resource}: {text:?}: {why}; write 500m or 1Gi"
                    ));
                }
            }
        }
    }
    if let Some(Err(why)) = spec.data.size.as_deref().map(Quantity::parse) {
        faults.push(format!("spec.data.size: {why}; write a size such as 10Gi"));
    }
    if let Some(path) = spec.data.mount_path.as_ref().filter(|path| !path.starts_with('/')) {
        faults.push(format!("spec.data.mountPath: {path:?} is not absolute; begin it with /"));
    }
    faults
}

/// Fields of its StatefulSet that this version of stateward does not know: a typing error, or newer
/// than it. They are set all the same.
#[must_use]
pub fn unknown_fields(spec: &ProfileSpec) -> Vec<String> {
    let mut unknown = Vec::new();
    for (at, set) in statefulsets(spec) {
        match serde_json::from_value::<StatefulSet>(set.clone()) {
            Ok(read) => lost(&at, set, &serde_json::json!(read), &mut unknown),
            Err(error) => unknown.push(format!("{at}: {error}")),
        }
    }
    unknown
}

/// The partial StatefulSets of a profile and where each stands.
fn statefulsets(spec: &ProfileSpec) -> Vec<(String, &Value)> {
    let cases = spec.variants.iter().enumerate().flat_map(|(axis, variant)| {
        let cases = variant.cases.iter().enumerate();
        cases.map(move |(case, one)| {
            (format!("spec.variants[{axis}].cases[{case}].statefulSet"), &one.stateful_set)
        })
    });
    let all = std::iter::once(("spec.statefulSet".to_owned(), &spec.stateful_set)).chain(cases);
    all.filter(|(_, set)| !set.is_null()).collect()
}

fn nameless(at: &str, set: &Value) -> Option<String> {
    ["containers", "initContainers"].into_iter().find_map(|list| {
        let containers = set["spec"]["template"]["spec"][list].as_array()?;
        let position = containers.iter().position(|container| !container["name"].is_string())?;
        Some(format!("{at}.spec.template.spec.{list}[{position}].name"))
    })
}

/// Fields of `written` that `read` has not kept.
fn lost(at: &str, written: &Value, read: &Value, unknown: &mut Vec<String>) {
    match written {
        Value::Object(map) => {
            for (field, value) in map {
                // Null and empty maps say nothing that could be kept.
                let empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                match read.get(field) {
                    _ if empty => {}
                    Some(read) => lost(&format!("{at}.{field}"), value, read, unknown),
                    None => {
                        unknown
                            .push(format!("{at}.{field} is no field that this version of stateward knows"));
                    }
                }
            }
        }
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                lost(&format!("{at}[{position}]"), item, &read[position], unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> ProfileSpec {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn all_faults_are_told() {
        let spec = spec(
            "{summary: x, sizes: {small: {limits: {memory: 1GB}, requests: {cpu: 2}}}, data: {size: big, mountPath: data},
              statefulSet: {metadata: {name: x}, spec: {replicas: 3, template: {spec: {containers: [{image: x}]}}}}}",
        );
        let found = faults(&spec);
        let starts = [
            "spec.statefulSet.spec.replicas: ",
            "spec.statefulSet.metadata: ",
            "spec.statefulSet.spec.template.spec.containers[0].name: ",
            "spec.sizes.small.limits.memory: \"1GB\": ",
            "spec.data.size: ",
            "spec.data.mountPath: \"data\" is not absolute",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (fault, start) in found.iter().zip(starts) {
            assert!(fault.starts_with(start), "{fault}");
        }
    }

    #[test]
    fn unknown_fields_are_told_where_they_stand() {
        let spec = spec(
            "{summary: x, statefulSet: {spec: {template: {spec: {hostNetwrk: true, containers: [
                {name: $(main), readinessProbe: {tcpSocket: {port: $(port)}}, securityContext: {runAsUsr: 1}}]}}}}}",
        );
        assert_eq!(
            unknown_fields(&spec),
            [
                "spec.statefulSet.spec.template.spec.containers[0].securityContext.runAsUsr is no field that this \
                 version of stateward knows",
                "spec.statefulSet.spec.template.spec.hostNetwrk is no field that this version of stateward knows",
            ]
        );
    }

    #[test]
    fn the_built_in_ones_are_without() {
        for (name, spec) in &super::super::Catalogue::built_in().unwrap().sources {
            assert_eq!((faults(spec), unknown_fields(spec)), (vec![], vec![]), "{name}");
        }
    }
}
