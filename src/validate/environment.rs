//! Environment variables and where they come from.

use std::collections::HashSet;

use serde_json::Value;

use super::place::Place;
use super::pod::Parts;
use crate::fault::{Fault, Reason};

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    for container in &parts.containers {
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
    if name.contains('=') || !name.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        faults.push(variable.fault_at(
            "name",
            Reason::Invalid,
            format!("{name:?} is not a variable's name"),
            "use ASCII letters, digits and underscores; an equals sign cannot be part of it",
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
        (None, [source]) => return check_reference(&from, source, faults),
        (None, sources) => (
            Reason::Contradiction,
            format!("has {} sources: {}", sources.len(), sources.join(" and ")),
            "keep one of them",
        ),
    };
    faults.push(from.fault(reason, problem, remedy));
}

/// A reference without a name or a key cannot be followed.
fn check_reference(from: &Place, source: &str, faults: &mut Vec<Fault>) {
    let needed: &[&str] = match source {
        "configMapKeyRef" | "secretKeyRef" => &["name", "key"],
        "fieldRef" => &["fieldPath"],
        "resourceFieldRef" => &["resource"],
        _ => &[],
    };
    if let Some(reference) = from.field(source) {
        reference.require(needed, faults);
    }
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
        check(&Parts::of(&object), &mut faults);
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
                "env[name=\"A=B\"].name: \"A=B\" is not a variable's name; use ASCII letters, digits and \
                 underscores; an equals sign cannot be part of it",
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
    fn references_are_whole() {
        let container = json!({"env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "", "key": "k"}}},
            {"name": "B", "valueFrom": {"fieldRef": {}}},
        ]});
        assert_eq!(
            faults(&container),
            [
                "env[name=\"A\"].valueFrom.secretKeyRef.name: no name; write it",
                "env[name=\"B\"].valueFrom.fieldRef.fieldPath: no fieldPath; write it",
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
