//! A profile's partial StatefulSet as a list of offered leaves, layers merged.

use serde_json::{Map, Value};

use crate::expand::{Family, Source};
use crate::path::{Path, Step, list_key};
use crate::union::{PROBES, TIMINGS, is_rolling, probe_of, probe_steps};

/// A leaf that a profile would set.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Where; the main container is named `$(main)`.
    pub path: Path,
    /// What.
    pub value: Value,
    /// From which layer.
    pub source: Source,
    /// Whether stored data depends on it.
    pub data: bool,
    /// What part of the expansion it belongs to, by its path.
    pub family: Family,
}

/// Structs that the API server takes or leaves whole (`structType=atomic`, `mapType=atomic` in
/// Kubernetes' types): one leaf each.
const ATOMIC: &[&str] = &[
    "configMapKeyRef",
    "configMapRef",
    "fieldRef",
    "labelSelector",
    "nodeSelector",
    "resourceFieldRef",
    "secretKeyRef",
    "secretRef",
    "selector",
];

/// The leaves of `value`, which stands at `path`: scalars, unkeyed lists, atomic structs and empty
/// maps. The fields that are an item's keys are part of its path and no leaves.
#[must_use]
pub fn leaves(path: &Path, value: &Value) -> Vec<(Path, Value)> {
    // Room for what most values hold, and are deep.
    let mut found = Vec::with_capacity(16);
    let mut steps = Vec::with_capacity(path.0.len() + 8);
    steps.extend_from_slice(&path.0);
    collect(&mut steps, value, &mut found);
    found
}

fn collect(path: &mut Vec<Step>, value: &Value, found: &mut Vec<(Path, Value)>) {
    let name = match path.last() {
        Some(Step::Field(name)) => name.as_ref(),
        _ => "",
    };
    match value {
        Value::Object(_) if matches!(path.last(), Some(Step::Item(_))) => collect_item(path, value, found),
        Value::Object(map) if !map.is_empty() && !ATOMIC.contains(&name) => collect_map(path, map, found),
        Value::Array(items) if let Some(list) = list_key(name) => {
            for item in items {
                if let Some(key) = list.of(item) {
                    path.push(Step::Item(key));
                    collect_item(path, item, found);
                    path.pop();
                }
            }
        }
        _ => found.push((Path::of(path), value.clone())),
    }
}

fn collect_map(path: &mut Vec<Step>, map: &Map<String, Value>, found: &mut Vec<(Path, Value)>) {
    for (field, value) in map {
        path.push(Step::named(field));
        collect(path, value, found);
        path.pop();
    }
}

fn collect_item(path: &mut Vec<Step>, item: &Value, found: &mut Vec<(Path, Value)>) {
    let before = found.len();
    if let Value::Object(map) = item {
        collect_map(path, map, found);
    }
    let Some(Step::Item(key)) = path.last() else {
        return;
    };
    let keys = found.split_off(before);
    let rest: Vec<_> = keys.into_iter().filter(|(leaf, _)| !is_key(path, key, leaf)).collect();
    if rest.is_empty() {
        // An item of keys alone is a leaf itself, or nothing would say that it is there.
        found.push((Path::of(path), item.clone()));
    }
    found.extend(rest);
}

fn is_key(item: &[Step], key: &crate::path::ItemKey, leaf: &Path) -> bool {
    match &leaf.0[item.len()..] {
        [Step::Field(field)] => key.0.iter().any(|(name, _)| name == field),
        [Step::Field(metadata), Step::Field(name)] => metadata == "metadata" && name == "name",
        _ => false,
    }
}

/// Puts the leaves of a stronger layer over those of the weaker ones.
///
/// `null` takes away what is at or below its path. A probe's handler is a union: a stronger one
/// drives the weaker one out, and the weaker one's timings stay where the stronger has none. So do an
/// update strategy's type and what is for another type. With `data`, stored data depends on what the layer sets, where that is of a kind to matter to it.
pub fn merge(offers: &mut Vec<Offer>, layer: &Value, source: &Source, data: bool) {
    if layer.is_null() {
        return;
    }
    for (path, value) in leaves(&Path::default(), layer) {
        if value.is_null() {
            offers.retain(|offer| !offer.path.starts_with(&path));
            continue;
        }
        if is_handler(&path) {
            let probe = probe_steps(&path);
            offers.retain(|offer| {
                probe_steps(&offer.path) != probe || !is_handler(&offer.path) || offer.source == *source
            });
        }
        if let Some(crossed) = other_strategy(&path, &value) {
            offers.retain(|offer| offer.source == *source || !crossed(offer));
        }
        let data = data && is_about_data(&path);
        if let Some(offer) = offers.iter_mut().find(|offer| offer.path == path) {
            offer.value = value;
            offer.source = source.clone();
            offer.data |= data;
        } else {
            let family = Family::of(&path);
            offers.push(Offer { path, value, source: source.clone(), data, family });
        }
    }
}

/// What of an update strategy leaves no room for this: of rolling updates the type of others, and the reverse.
fn other_strategy(path: &Path, value: &Value) -> Option<fn(&Offer) -> bool> {
    fn part(path: &Path) -> Option<&str> {
        match &path.0[..] {
            [Step::Field(spec), Step::Field(strategy), Step::Field(part), ..] => {
                (spec == "spec" && strategy == "updateStrategy").then_some(part)
            }
            _ => None,
        }
    }
    let of_others = |offer: &Offer| part(&offer.path) == Some("type") && !is_rolling(&offer.value);
    match part(path)? {
        "type" if !is_rolling(value) => Some(|offer| part(&offer.path) == Some("rollingUpdate")),
        "rollingUpdate" => Some(of_others),
        _ => None,
    }
}

fn is_handler(path: &Path) -> bool {
    matches!(probe_of(path), Some((_, Some(_))))
}

/// Whether stored data may depend on what is at `path`: where it is mounted, whose it is, and what
/// the server is told, as against where and how the pod runs.
fn is_about_data(path: &Path) -> bool {
    let told = |step: &Step| matches!(step, Step::Field(field) if field == "command" || field == "args");
    matches!(Family::of(path), Family::Storage | Family::Security | Family::Environment)
        || (probe_of(path).is_none() && path.0.iter().any(told))
}

/// Completes probes with the timings that the API server would fill in, so that what is stored is
/// what was recorded.
pub fn complete(offers: &mut Vec<Offer>) {
    let mut probes: Vec<(Path, Source)> = Vec::new();
    for name in PROBES {
        for offer in offers.iter() {
            let Some(probe) = probe_steps(&offer.path) else { continue };
            let is_new = || probes.iter().all(|(known, _)| known.0[..] != *probe);
            if probe.last() == Some(&Step::named(name)) && is_new() {
                probes.push((Path::of(probe), offer.source.clone()));
            }
        }
    }
    for (probe, source) in probes {
        for (field, default) in TIMINGS {
            let path = probe.field(field);
            if !offers.iter().any(|offer| offer.path == path) {
                let (value, source) = (Value::from(default), source.clone());
                offers.push(Offer { path, value, source, data: false, family: Family::Probes });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile(name: &str) -> Source {
        Source::Profile { name: name.into() }
    }

    fn shown(offers: &[Offer]) -> Vec<String> {
        offers.iter().map(|o| format!("{} = {} ({})", o.path, o.value, o.source)).collect()
    }

    #[test]
    fn a_stronger_handler_drives_the_weaker_one_out_and_keeps_its_timings() {
        let mut offers = Vec::new();
        let probe = |handler: Value| json!({"containers": [{"name": "$(main)", "readinessProbe": handler}]});
        merge(
            &mut offers,
            &probe(json!({"tcpSocket": {"port": 1}, "periodSeconds": 7})),
            &profile("a"),
            false,
        );
        merge(&mut offers, &probe(json!({"exec": {"command": ["x"]}})), &profile("b"), false);
        assert_eq!(
            shown(&offers),
            [
                r#"containers[name="$(main)"].readinessProbe.periodSeconds = 7 (profile a)"#,
                r#"containers[name="$(main)"].readinessProbe.exec.command = ["x"] (profile b)"#,
            ]
        );
    }

    #[test]
    fn what_is_for_another_strategy_does_not_come_over() {
        let strategy = |strategy: Value| json!({"spec": {"updateStrategy": strategy}});
        let rolling = strategy(json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}));
        let on_delete = strategy(json!({"type": "OnDelete"}));
        let two = strategy(json!({"rollingUpdate": {"partition": 2}}));
        let of = |layers: &[&Value]| {
            let mut offers = Vec::new();
            for (layer, name) in layers.iter().zip(["a", "b"]) {
                merge(&mut offers, layer, &profile(name), false);
            }
            shown(&offers)
        };
        let (kind, partition) = ("spec.updateStrategy.type", "spec.updateStrategy.rollingUpdate.partition");
        assert_eq!(of(&[&rolling, &on_delete]), [format!(r#"{kind} = "OnDelete" (profile b)"#)]);
        assert_eq!(of(&[&on_delete, &two]), [format!("{partition} = 2 (profile b)")]);
        let both =
            [format!(r#"{kind} = "RollingUpdate" (profile a)"#), format!("{partition} = 2 (profile b)")];
        let mut merged = of(&[&rolling, &two]);
        merged.sort_by_key(|line| !line.contains("type"));
        assert_eq!(merged, both);
        // Within one layer it is a fault, and is told.
        assert_eq!(of(&[&strategy(json!({"type": "OnDelete", "rollingUpdate": {"partition": 2}}))]).len(), 2);
    }

    #[test]
    fn a_probe_of_another_container_is_another_probe() {
        let mut offers = Vec::new();
        let container = |name: &str, handler: Value| json!({"name": name, "readinessProbe": handler});
        let main = container("$(main)", json!({"tcpSocket": {"port": 1}}));
        merge(&mut offers, &json!({"containers": [main]}), &profile("a"), false);
        let exporter = container("exporter", json!({"httpGet": {"port": 9}}));
        merge(&mut offers, &json!({"containers": [exporter]}), &profile("b"), false);
        complete(&mut offers);
        let shown = shown(&offers);
        let of = |container: &str| shown.iter().filter(|line| line.contains(container)).count();
        assert!(shown[0].contains("tcpSocket.port = 1"), "{shown:#?}");
        assert_eq!((of("$(main)"), of("exporter")), (5, 5), "a handler and four timings each: {shown:#?}");
    }

    #[test]
    fn data_depends_on_whose_and_where_it_is_and_on_what_the_server_is_told() {
        let mut offers = Vec::new();
        let main = json!({
            "name": "$(main)", "args": ["--dir=/data"], "securityContext": {"runAsUser": 999},
            "env": [{"name": "DIR", "value": "/data"}], "volumeMounts": [{"mountPath": "/data", "name": "data"}],
            "readinessProbe": {"exec": {"command": ["x"]}}, "resources": {"requests": {"cpu": "1"}},
        });
        let pod = json!({"containers": [main], "nodeSelector": {"kubernetes.io/arch": "amd64"}});
        merge(&mut offers, &pod, &profile("a"), true);
        let data: Vec<_> = offers.iter().filter(|offer| offer.data).map(|o| o.path.to_string()).collect();
        let main = |path: &str| format!(r#"containers[name="$(main)"].{path}"#);
        assert_eq!(
            data,
            [
                main("args"),
                main(r#"env[name="DIR"].value"#),
                main("securityContext.runAsUser"),
                main(r#"volumeMounts[mountPath="/data"].name"#),
            ]
        );
    }

    #[test]
    fn null_takes_away_what_the_parent_has() {
        let mut offers = Vec::new();
        merge(&mut offers, &json!({"a": {"b": 1, "c": 2}}), &profile("a"), false);
        merge(&mut offers, &json!({"a": {"b": null}}), &profile("b"), false);
        assert_eq!(shown(&offers), ["a.c = 2 (profile a)"]);
    }

    #[test]
    fn keys_are_no_leaves_but_an_item_of_keys_alone_is_one() {
        let object = json!({"ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2}]});
        let found: Vec<_> = leaves(&Path::default(), &object).iter().map(|(p, _)| p.to_string()).collect();
        assert_eq!(
            found,
            [r#"ports[containerPort=1,protocol="TCP"].name"#, r#"ports[containerPort=2,protocol="TCP"]"#]
        );
    }
}
