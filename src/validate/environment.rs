//! Environment variables and where they come from.

use std::collections::HashSet;

use serde_json::Value;

use super::place::Place;
use super::pod::containers;
use crate::fault::{Fault, Reason};

pub(super) fn check(root: &Place, faults: &mut Vec<Fault>) {
    for container in containers(root) {
        let mut names = HashSet::new();
        for variable in container.place.items("env") {
            check_name(&variable, &mut names, faults);
            check_value(&variable, faults);
        }
        for source in container.place.items("envFrom") {
            check_source(&source, faults);
        }
    }
}

fn check_name<'a>(variable: &Place<'a>, names: &mut HashSet<&'a str>, faults: &mut Vec<Fault>) {
    let Some(name) = variable.text("name") else {
        faults.push(variable.fault_at("name", Reason::Missing, "no name", "write the variable's name"));
        return;
    };
    if name.contains('=') {
        faults.push(variable.fault_at(
            "name",
            Reason::Invalid,
            format!("{name:?} contains an equals sign"),
            "write the name alone, and the value into value",
        ));
    }
    if !names.insert(name) {
        faults.push(variable.fault_at(
            "name",
            Reason::Duplicate,
            format!("{name:?} is set twice in this container"),
            "remove one of the two; the last would count, and server-side apply refuses both",
        ));
    }
}

fn check_value(variable: &Place, faults: &mut Vec<Fault>) {
    if let Some(value @ (Value::Number(_) | Value::Bool(_))) = variable.raw("value") {
        faults.push(variable.fault_at(
            "value",
            Reason::Invalid,
            format!("{value} is not text"),
            format!("put it in quotes: \"{value}\""),
        ));
    }
    let Some(from) = variable.field("valueFrom") else {
        return;
    };
    let sources: Vec<&str> = from.fields().map(|(name, _)| name).collect();
    let (reason, problem, remedy) = match (variable.text("value"), sources.as_slice()) {
        (Some(value), _) => (
            Reason::Contradiction,
            format!("stands beside value {value:?}"),
            "keep either value or valueFrom",
        ),
        (None, []) => (
            Reason::Missing,
            "names no source".to_owned(),
            "write one of fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef",
        ),
        (None, [_]) => return,
        (None, sources) => (
            Reason::Contradiction,
            format!("has {} sources: {}", sources.len(), sources.join(" and ")),
            "keep one of them",
        ),
    };
    faults.push(from.fault(reason, problem, remedy));
}

fn check_source(source: &Place, faults: &mut Vec<Fault>) {
    let sources = source.fields().filter(|(name, _)| *name != "prefix").count();
    let (reason, problem) = match sources {
        0 => (Reason::Missing, "names no source".to_owned()),
        1 => return,
        number => (Reason::Contradiction, format!("has {number} sources")),
    };
    faults.push(source.fault(reason, problem, "write one of configMapRef, secretRef"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(container: &Value) -> Vec<String> {
        let object = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
        let mut faults = Vec::new();
        check(&Place::root(&object), &mut faults);
        let strip = |f: &Fault| f.to_string().replace("spec.template.spec.containers[0].", "");
        faults.iter().map(strip).collect()
    }

    #[test]
    fn ordinary_variables_pass() {
        let container = json!({
            "env": [
                {"name": "A", "value": ""},
                {"name": "B"},
                {"name": "my.var-1", "value": "x"},
                {"name": "C", "value": "", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}, "secretKeyRef": null}},
                {"name": "D", "valueFrom": {"futureRef": {}}},
            ],
            "envFrom": [{"prefix": "X_", "secretRef": {"name": "db"}}],
        });
        assert_eq!(faults(&container), [""; 0]);
    }

    #[test]
    fn names_are_there_and_unique() {
        let container = json!({"env": [
            {"name": "PGDATA", "value": "/a"}, {"name": "PGDATA", "value": "/b"}, {"value": "x"}, {"name": "A=B"},
        ]});
        assert_eq!(
            faults(&container),
            [
                "env[1].name: \"PGDATA\" is set twice in this container; remove one of the two; the last \
                 would count, and server-side apply refuses both",
                "env[2].name: no name; write the variable's name",
                "env[name=\"A=B\"].name: \"A=B\" contains an equals sign; write the name alone, and the \
                 value into value",
            ]
        );
    }

    #[test]
    fn a_variable_has_one_source() {
        let container = json!({"env": [
            {"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "B", "valueFrom": {}},
            {"name": "C", "valueFrom": {"fieldRef": {}, "secretKeyRef": {}}},
            {"name": "PORT", "value": 5432},
        ]});
        assert_eq!(
            faults(&container),
            [
                "env[name=\"A\"].valueFrom: stands beside value \"x\"; keep either value or valueFrom",
                "env[name=\"B\"].valueFrom: names no source; write one of fieldRef, resourceFieldRef, \
                 configMapKeyRef, secretKeyRef",
                "env[name=\"C\"].valueFrom: has 2 sources: fieldRef and secretKeyRef; keep one of them",
                "env[name=\"PORT\"].value: 5432 is not text; put it in quotes: \"5432\"",
            ]
        );
    }

    #[test]
    fn env_from_has_one_source() {
        let container = json!({"envFrom": [
            {"prefix": "A_"}, {"configMapRef": {"name": "a"}, "secretRef": {"name": "a"}},
        ]});
        assert_eq!(
            faults(&container),
            [
                "envFrom[0]: names no source; write one of configMapRef, secretRef",
                "envFrom[configMapRef=\"a\"]: has 2 sources; write one of configMapRef, secretRef",
            ]
        );
    }
}
