//! The ServiceMonitor of the Prometheus operator, where a profile asks for one.

use serde_json::{Map, Value, json};

use super::{Companions, Role, manifest};
use crate::catalogue::Asked;
use crate::names;
use crate::settings::text;

/// It finds the headless Service by our labels: that one has all ports, and each pod once.
pub(super) fn desired(set: &Value, asked: &Asked, companions: &mut Companions) {
    let Some(monitor) = &asked.service_monitor else { return };
    if !companions.wanted.iter().any(|companion| companion.role == Role::Headless) {
        let why = "the set has no headless Service of ours, by which the pods would be found";
        return companions.withhold(Role::Monitor, why);
    }
    let name = text(&set["metadata"]["name"]);
    let mut spec = monitor.clone();
    spec.insert(
        "selector".to_owned(),
        json!({"matchLabels": {names::STATEFULSET: name, names::COMPANION: Role::Headless.as_str()}}),
    );
    let fields = Map::from_iter([("spec".to_owned(), Value::Object(spec))]);
    companions.want(Role::Monitor, manifest(set, Role::Monitor, name, fields));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::companions::testing::set;

    #[test]
    fn it_finds_our_headless_service() {
        let monitor = json!({"endpoints": [{"port": "http-metrics"}]});
        let asked = Asked { service_monitor: monitor.as_object().cloned(), ..Asked::default() };
        let mut companions = Companions::default();
        desired(&set(), &asked, &mut companions);
        assert_eq!(companions.wanted, [], "without a headless Service");
        super::super::headless::desired(&set(), &asked, &mut companions);
        desired(&set(), &asked, &mut companions);
        let headless = &companions.wanted[0].manifest["metadata"]["labels"];
        let spec = &companions.wanted[1].manifest["spec"];
        assert_eq!(spec["endpoints"], monitor["endpoints"]);
        for (label, value) in spec["selector"]["matchLabels"].as_object().unwrap() {
            assert_eq!(headless[label], *value);
        }
    }
}
