//! What the object is and what it is called.

use super::place::Place;
use super::pod::Parts;
use crate::fault::{Fault, Reason};

/// A pod's label `controller-revision-hash` is the set's name, a hyphen and a hash of up to 10
/// characters; label values have at most 63.
const LONGEST_NAME: usize = 52;

/// Whether `text` is a DNS label (RFC 1123): at most 63 of `a-z`, `0-9` and inner hyphens.
pub(crate) fn dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// What is wrong with a name that must be a DNS label; said alike wherever one is asked for.
pub(crate) fn not_a_label(name: &str) -> (String, String) {
    let remedy = "use at most 63 lower-case letters, digits and inner hyphens";
    let remedy = match label_like(name) {
        Some(better) => format!("{remedy}, for example {better:?}"),
        None => remedy.to_owned(),
    };
    (format!("{name:?} is not a DNS label"), remedy)
}

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    kind(&parts.root, faults);
    let Some(metadata) = parts.root.field("metadata") else {
        faults.push(nameless());
        return;
    };
    match (metadata.text("name"), metadata.text("generateName")) {
        (Some(name), _) => set_name(&metadata, name, faults),
        (None, Some(prefix)) => faults.push(metadata.fault_at(
            "generateName",
            Reason::Invalid,
            format!(
                "{prefix:?} without a name: selector, labels and Services are named after the set, \
                 and a generated name is not known until later"
            ),
            "write metadata.name instead",
        )),
        (None, None) => faults.push(nameless()),
    }
}

fn kind(root: &Place, faults: &mut Vec<Fault>) {
    for (field, wanted) in [("kind", "StatefulSet"), ("apiVersion", "apps/v1")] {
        let problem = match root.raw(field) {
            Some(value) if *value == wanted => continue,
            Some(value) => format!("{value} is not {wanted:?}"),
            None => format!("no {field}"),
        };
        faults.push(root.fault_at(field, Reason::Invalid, problem, format!("write {field}: {wanted}")));
    }
}

fn nameless() -> Fault {
    Fault::new(Reason::Missing, "metadata.name", "no name", "write a name, for example name: orders-db")
}

fn set_name(metadata: &Place, name: &str, faults: &mut Vec<Fault>) {
    if name.len() > LONGEST_NAME {
        faults.push(metadata.fault_at(
            "name",
            Reason::Invalid,
            format!(
                "{name:?} has {} characters; its pods could not be made, for their label \
                 controller-revision-hash is this name, a hyphen and a hash of 10 characters and may \
                 have 63 in all",
                name.chars().count()
            ),
            format!("choose a name of at most {LONGEST_NAME} characters"),
        ));
    }
    if let Some(why) = no_service_name(name) {
        let mut remedy = "use lower-case letters, digits and inner hyphens, a letter first".to_owned();
        if let Some(better) = service_name_like(name) {
            remedy = format!("{remedy}, for example {better:?}");
        }
        faults.push(metadata.fault_at(
            "name",
            Reason::Invalid,
            format!("{name:?} {why}, and a Service of this name is made, which may not"),
            remedy,
        ));
    }
}

/// Why `name`, its length aside, cannot be a Service's (RFC 1035 label: up to Kubernetes 1.35 a
/// Service's name must begin with a letter).
fn no_service_name(name: &str) -> Option<&'static str> {
    let first = name.chars().next()?;
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.contains('.') {
        Some("contains a dot")
    } else if name.contains(|c: char| c.is_ascii_uppercase()) {
        Some("has upper-case letters")
    } else if !name.chars().all(inner) {
        Some("has characters other than letters, digits and hyphens")
    } else if !first.is_ascii_lowercase() {
        Some("does not begin with a letter")
    } else if name.ends_with('-') {
        Some("ends with a hyphen")
    } else {
        None
    }
}

/// The nearest legal Service name, for a remedy.
fn service_name_like(name: &str) -> Option<String> {
    let label = label_like(name)?;
    let mut name =
        if label.starts_with(|c: char| c.is_ascii_digit()) { format!("set-{label}") } else { label };
    name.truncate(LONGEST_NAME);
    Some(name.trim_end_matches('-').to_owned())
}

/// The nearest DNS label, for a remedy.
pub(super) fn label_like(name: &str) -> Option<String> {
    let legal = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    let mut label: String = name.chars().map(legal).collect();
    label.truncate(63);
    let label = label.trim_matches('-');
    (!label.is_empty()).then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(object: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        check(&Parts::of(object), &mut faults);
        faults.iter().map(Fault::to_string).collect()
    }

    fn named(name: &str) -> Vec<String> {
        faults(&json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}}))
    }

    #[test]
    fn ordinary_names_pass() {
        assert!(named("orders-db").is_empty());
        assert!(named(&"a".repeat(52)).is_empty());
    }

    #[test]
    fn a_name_of_53_characters_would_never_start_a_pod() {
        let name = "a".repeat(53);
        assert_eq!(
            named(&name),
            [format!(
                "metadata.name: {name:?} has 53 characters; its pods could not be made, for their label \
                 controller-revision-hash is this name, a hyphen and a hash of 10 characters and may have \
                 63 in all; choose a name of at most 52 characters"
            )]
        );
    }

    #[test]
    fn a_name_must_do_for_a_service() {
        assert_eq!(
            named("3db"),
            ["metadata.name: \"3db\" does not begin with a letter, and a Service of this name is made, \
              which may not; use lower-case letters, digits and inner hyphens, a letter first, for \
              example \"set-3db\""]
        );
        assert!(named("orders.db")[0].contains("contains a dot"));
        assert!(named("orders.db")[0].ends_with("for example \"orders-db\""));
        assert!(named("Orders")[0].contains("has upper-case letters"));
        assert!(named("orders_db")[0].contains("has characters other than"));
        assert!(named("orders-")[0].contains("ends with a hyphen"));
        assert!(named("é")[0].ends_with("a letter first"));
    }

    #[test]
    fn a_generated_name_is_refused() {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"generateName": "web-", "name": ""}
        });
        assert_eq!(
            faults(&object),
            ["metadata.generateName: \"web-\" without a name: selector, labels and Services are named \
              after the set, and a generated name is not known until later; write metadata.name instead"]
        );
    }

    #[test]
    fn other_kinds_are_refused() {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
        assert_eq!(faults(&object), ["kind: \"Deployment\" is not \"StatefulSet\"; write kind: StatefulSet"]);
        let old = json!({"apiVersion": "apps/v1beta2", "kind": "StatefulSet", "metadata": {}});
        assert_eq!(
            faults(&old),
            [
                "apiVersion: \"apps/v1beta2\" is not \"apps/v1\"; write apiVersion: apps/v1",
                "metadata.name: no name; write a name, for example name: orders-db"
            ]
        );
        assert_eq!(faults(&json!(7)).len(), 3);
    }
}
