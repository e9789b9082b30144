//! The selector, and the labels of the template that it must match.

use serde_json::Value;

use super::place::Place;
use super::pod::Parts;
use crate::fault::{Fault, Reason};
use crate::names::STATEFULSET;

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    let root = &parts.root;
    let selector = root.descend(&["spec", "selector"]);
    let way = ["spec", "template", "metadata", "labels"];
    let labels = way.into_iter().fold(root.clone(), |here, name| here.field_or_null(name));
    let foreign = check_owner(root, selector.as_ref(), &labels, faults);
    let Some(selector) = selector.filter(|selector| !is_empty(selector)) else {
        faults.push(Fault::new(
            Reason::Missing,
            "spec.selector",
            "no selector",
            "write matchLabels with labels that spec.template.metadata.labels has, for example \
             matchLabels: {app: orders-db}",
        ));
        return;
    };
    for (key, wanted) in selector.field("matchLabels").iter().flat_map(Place::fields) {
        if !(foreign && key == STATEFULSET) {
            check_label(key, &wanted, &labels, faults);
        }
    }
    for expression in selector.items("matchExpressions") {
        check_expression(&expression, &labels, faults);
    }
}

fn is_empty(selector: &Place) -> bool {
    let labels = selector.field("matchLabels");
    labels.is_none_or(|labels| labels.fields().next().is_none())
        && selector.items("matchExpressions").is_empty()
}

/// A manifest copied from another set would count that set's pods as its own in every Service and
/// budget. True if something names another set, so that nothing more is said of that label.
fn check_owner(root: &Place, selector: Option<&Place>, labels: &Place, faults: &mut Vec<Fault>) -> bool {
    let Some(name) = root.field("metadata").and_then(|metadata| metadata.text("name")) else {
        return false;
    };
    let selected = selector.and_then(|selector| selector.descend(&["matchLabels", STATEFULSET]));
    // Of a copied manifest both lines are wrong for one cause; the selector's is the graver.
    let line = [selected, labels.field(STATEFULSET)]
        .into_iter()
        .flatten()
        .find(|line| line.value.as_str().is_some_and(|other| other != name));
    let Some(line) = line else {
        return false;
    };
    faults.push(line.fault(
        Reason::Contradiction,
        format!("{} names another StatefulSet; this one is {name:?}", line.value),
        format!(
            "write {name:?} here, or remove the line and it is filled in; the same wherever else the \
             manifest has the label {STATEFULSET}"
        ),
    ));
    true
}

fn check_label(key: &str, wanted: &Place, labels: &Place, faults: &mut Vec<Fault>) {
    let Some(value) = wanted.value.as_str() else {
        let quoted = wanted.value.to_string();
        faults.push(wanted.fault(
            Reason::Invalid,
            format!("{quoted} is not text"),
            format!("put it in quotes: {quoted:?}"),
        ));
        return;
    };
    let (reason, has) = match labels.raw(key) {
        Some(found) if *found == value => return,
        Some(found) => (Reason::Contradiction, format!("the template has {found}")),
        None => (Reason::Missing, "the template lacks it".to_owned()),
    };
    faults.push(labels.fault_at(
        key,
        reason,
        format!("spec.selector wants {value:?}; {has}"),
        format!("write {key}: {value:?} into the labels of the template"),
    ));
}

fn check_expression(expression: &Place, labels: &Place, faults: &mut Vec<Fault>) {
    let Some(key) = expression.text("key") else {
        faults.push(expression.fault_at("key", Reason::Missing, "no key", "write the label's key"));
        return;
    };
    let values: Vec<&str> = expression
        .raw("values")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let found = labels.raw(key).and_then(Value::as_str);
    let operator = expression.text("operator").unwrap_or_default();
    if let Some(fault) = malformed(expression, operator, &values) {
        faults.push(fault);
        return;
    }
    let (holds, wanted, remedy) = match operator {
        "In" => (
            found.is_some_and(|found| values.contains(&found)),
            format!("one of {values:?}"),
            format!("write {key}: {:?} into the labels of the template", values[0]),
        ),
        "NotIn" => (
            found.is_none_or(|found| !values.contains(&found)),
            format!("none of {values:?}"),
            format!("give {key} another value in the labels of the template"),
        ),
        "Exists" => {
            (found.is_some(), "this label".to_owned(), format!("write {key} into the labels of the template"))
        }
        _ => (
            found.is_none(),
            "this label to be absent".to_owned(),
            format!("remove {key} from the labels of the template"),
        ),
    };
    if !holds {
        let (reason, has) = match found {
            Some(found) => (Reason::Contradiction, format!("the template has {found:?}")),
            None => (Reason::Missing, "the template lacks it".to_owned()),
        };
        let problem = format!("spec.selector wants {wanted}; {has}");
        faults.push(labels.fault_at(key, reason, problem, remedy));
    }
}

fn malformed(expression: &Place, operator: &str, values: &[&str]) -> Option<Fault> {
    match (operator, values.is_empty()) {
        ("In" | "NotIn", false) | ("Exists" | "DoesNotExist", true) => None,
        ("In" | "NotIn", true) => Some(expression.fault_at(
            "values",
            Reason::Missing,
            format!("{operator} without values"),
            "list at least one value",
        )),
        ("Exists" | "DoesNotExist", false) => Some(expression.fault_at(
            "values",
            Reason::Contradiction,
            format!("{operator} takes no values"),
            "remove values, or write operator: In",
        )),
        _ => Some(expression.fault_at(
            "operator",
            Reason::Invalid,
            format!("{operator:?} is not an operator"),
            "write In, NotIn, Exists or DoesNotExist",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(selector: &Value, labels: &Value) -> Vec<String> {
        let object = json!({
            "metadata": {"name": "billing-db"},
            "spec": {"selector": selector, "template": {"metadata": {"labels": labels}}},
        });
        let mut faults = Vec::new();
        check(&Parts::of(&object), &mut faults);
        faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn labels_that_match_pass() {
        let labels = json!({"app": "billing", "tier": "db", "other": "x"});
        assert!(faults(&json!({"matchLabels": {"app": "billing"}}), &labels).is_empty());
        let expressions = json!({"matchExpressions": [
            {"key": "app", "operator": "In", "values": ["orders", "billing"]},
            {"key": "tier", "operator": "NotIn", "values": ["web"]},
            {"key": "zone", "operator": "NotIn", "values": ["web"]},
            {"key": "other", "operator": "Exists"},
            {"key": "canary", "operator": "DoesNotExist", "values": []},
        ]});
        assert!(faults(&expressions, &labels).is_empty());
    }

    #[test]
    fn a_selector_is_needed() {
        let wanted = "spec.selector: no selector; write matchLabels with labels that \
                      spec.template.metadata.labels has, for example matchLabels: {app: orders-db}";
        for selector in [json!(null), json!({}), json!({"matchLabels": {}}), json!("app=x")] {
            assert_eq!(faults(&selector, &json!({"app": "x"})), [wanted]);
        }
    }

    #[test]
    fn each_label_that_does_not_match_is_named() {
        let selector = json!({"matchLabels": {"app": "billing", "app.kubernetes.io/part-of": "shop"}});
        assert_eq!(
            faults(&selector, &json!({"app": "biling"})),
            [
                "spec.template.metadata.labels.app: spec.selector wants \"billing\"; the template has \
                 \"biling\"; write app: \"billing\" into the labels of the template",
                "spec.template.metadata.labels[\"app.kubernetes.io/part-of\"]: spec.selector wants \
                 \"shop\"; the template lacks it; write app.kubernetes.io/part-of: \"shop\" into the \
                 labels of the template"
            ]
        );
    }

    #[test]
    fn expressions_count_too() {
        let selector = json!({"matchExpressions": [
            {"key": "app", "operator": "In", "values": ["orders"]},
            {"key": "app", "operator": "DoesNotExist"},
            {"key": "app", "operator": "Is", "values": ["x"]},
            {"key": "app", "operator": "In"},
            {"key": "app", "operator": "Exists", "values": ["x"]},
        ]});
        assert_eq!(
            faults(&selector, &json!({"app": "billing"})),
            [
                "spec.template.metadata.labels.app: spec.selector wants one of [\"orders\"]; the template \
                 has \"billing\"; write app: \"orders\" into the labels of the template",
                "spec.template.metadata.labels.app: spec.selector wants this label to be absent; the \
                 template has \"billing\"; remove app from the labels of the template",
                "spec.selector.matchExpressions[2].operator: \"Is\" is not an operator; write In, NotIn, \
                 Exists or DoesNotExist",
                "spec.selector.matchExpressions[3].values: In without values; list at least one value",
                "spec.selector.matchExpressions[4].values: Exists takes no values; remove values, or \
                 write operator: In"
            ]
        );
    }

    #[test]
    fn a_copied_manifest_is_told_by_its_selector() {
        let both = json!({STATEFULSET: "orders-db"});
        let wanted = "spec.selector.matchLabels[\"stateward.dev/statefulset\"]: \"orders-db\" names another \
                      StatefulSet; this one is \"billing-db\"; write \"billing-db\" here, or remove the \
                      line and it is filled in; the same wherever else the manifest has the label \
                      stateward.dev/statefulset";
        assert_eq!(faults(&json!({"matchLabels": both}), &both), [wanted]);
        assert_eq!(faults(&json!({"matchLabels": both}), &json!({})), [wanted]);
        let only_label =
            faults(&json!({"matchLabels": {"app": "x"}}), &json!({"app": "x", STATEFULSET: "a"}));
        assert_eq!(only_label.len(), 1);
        assert!(
            only_label[0].starts_with("spec.template.metadata.labels[\"stateward.dev/statefulset\"]: \"a\"")
        );
    }
}
