//! The NetworkPolicy, where a profile asks for one: who may reach the pods is the platform's to say.

use serde_json::{Map, Value, json};

use super::{Companions, Role, manifest};
use crate::catalogue::Asked;
use crate::record::{Read, Record};
use crate::settings::text;

/// Stands for the selector of the set's own pods in a profile's rules.
const PODS: &str = "$(pods)";

pub(super) fn desired(set: &Value, asked: &Asked, companions: &mut Companions) {
    let Some(rules) = &asked.network_policy else { return };
    if matches!(Record::of(set), Read::Known(record) if record.adopted) {
        let why = "the set was there before it was managed, and a policy would cut off who reaches it now";
        return companions.withhold(Role::NetworkPolicy, why);
    }
    let selector = &set["spec"]["selector"];
    let mut spec = Map::from_iter([("podSelector".to_owned(), selector.clone())]);
    let mut types = Vec::new();
    for (direction, name) in [("ingress", "Ingress"), ("egress", "Egress")] {
        if let Some(list) = rules.get(direction) {
            spec.insert(direction.to_owned(), filled(list, selector));
            types.push(name);
        }
    }
    spec.insert("policyTypes".to_owned(), json!(types));
    let fields = Map::from_iter([("spec".to_owned(), Value::Object(spec))]);
    let name = text(&set["metadata"]["name"]);
    companions.want(Role::NetworkPolicy, manifest(set, Role::NetworkPolicy, name, fields));
}

/// Rules with the set's own pods where the profile means them, and with the protocols that the API
/// server would put in: its lists of rules are atomic, so they would look like a change.
fn filled(rules: &Value, selector: &Value) -> Value {
    match rules {
        Value::Array(items) => items.iter().map(|item| filled(item, selector)).collect(),
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("podSelector", Value::String(text)) if text == PODS => selector.clone(),
                    ("ports", Value::Array(ports)) => ports.iter().map(with_protocol).collect(),
                    _ => filled(value, selector),
                };
                (key.clone(), value)
            });
            Value::Object(fields.collect())
        }
        scalar => scalar.clone(),
    }
}

fn with_protocol(port: &Value) -> Value {
    let mut port = port.clone();
    if port.is_object() && port["protocol"].is_null() {
        port["protocol"] = Value::from("TCP");
    }
    port
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::companions::testing::set;
    use crate::names;
    use crate::settings::Pin;

    fn asked(rules: Value) -> Asked {
        Asked { network_policy: Some(rules), ..Asked::default() }
    }

    #[test]
    fn the_profiles_rules_hold_for_the_pods_of_the_set() {
        let rules = json!({"ingress": [
            {"from": [{"podSelector": "$(pods)"}]},
            {"from": [{"namespaceSelector": {}}], "ports": [{"port": "postgresql"}, {"port": 53, "protocol": "UDP"}]},
        ]});
        let mut companions = Companions::default();
        desired(&set(), &asked(rules), &mut companions);
        let pods = json!({"matchLabels": {"stateward.dev/statefulset": "db"}});
        assert_eq!(
            companions.wanted[0].manifest["spec"],
            json!({
                "podSelector": pods, "policyTypes": ["Ingress"],
                "ingress": [
                    {"from": [{"podSelector": pods}]},
                    {"from": [{"namespaceSelector": {}}], "ports": [
                        {"port": "postgresql", "protocol": "TCP"}, {"port": 53, "protocol": "UDP"},
                    ]},
                ],
            })
        );
    }

    #[test]
    fn who_reaches_an_adopted_set_still_does() {
        let record = Record { adopted: true, ..Record::new("db", Pin::parse("default@1234").unwrap()) };
        let mut set = set();
        set["metadata"]["annotations"][names::RECORD] = Value::from(record.to_text());
        let mut companions = Companions::default();
        desired(&set, &asked(json!({"ingress": []})), &mut companions);
        assert_eq!(companions.wanted, []);
        assert_eq!(companions.withheld[0].role, Role::NetworkPolicy);
    }
}
