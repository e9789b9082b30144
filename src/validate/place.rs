//! A value together with where it stands, so that a check can walk down and name what it finds.

use std::collections::HashSet;

use serde_json::Value;

use crate::fault::{Fault, Reason};
use crate::path::list_key;

/// A value of the object and its path as text. A value of an unexpected JSON type reads as absent:
/// the API server's decoder speaks of those before anyone else can.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    /// What stands there.
    pub(super) value: &'a Value,
    /// Where, for people: `spec.template.spec.containers[name="app"]`.
    pub(super) path: String,
}

impl<'a> Place<'a> {
    /// The object itself.
    pub(super) fn root(object: &'a Value) -> Self {
        Self { value: object, path: String::new() }
    }

    /// The path of a field, present or not.
    pub(super) fn at(&self, name: &str) -> String {
        if name.contains(['.', '/', '[', ' ']) || name.is_empty() {
            format!("{}[{name:?}]", self.path)
        } else if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// A field; `null` counts as absent.
    pub(super) fn field(&self, name: &str) -> Option<Self> {
        let value = self.raw(name)?;
        Some(Self { value, path: self.at(name) })
    }

    /// The field at the end of `names`.
    pub(super) fn descend(&self, names: &[&str]) -> Option<Self> {
        names.iter().try_fold(self.clone(), |here, name| here.field(name))
    }

    /// The value of a field; `null` counts as absent.
    pub(super) fn raw(&self, name: &str) -> Option<&'a Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    /// Whether the field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.raw(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.raw(name)?.as_i64()
    }

    /// The fields of a map, those that are `null` left out.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'a str, Self)> {
        self.value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()).map(
            |(name, value)| {
                let path = self.at(name);
                (name.as_str(), Self { value, path })
            },
        )
    }

    /// The items of the list in field `name`: by key, or by position where the key is missing or
    /// was there already.
    pub(super) fn items(&self, name: &str) -> Vec<Self> {
        let list = self.at(name);
        let mut seen = HashSet::new();
        let items = self.raw(name).and_then(Value::as_array);
        let items = items.map(Vec::as_slice).unwrap_or_default();
        items
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let key =
                    list_key(name).and_then(|kind| kind.of(value)).filter(|key| seen.insert(key.clone()));
                let path = match key {
                    Some(key) => format!("{list}{key}"),
                    None => format!("{list}[{index}]"),
                };
                Self { value, path }
            })
            .collect()
    }

    /// A fault of this place.
    pub(super) fn fault(
        &self,
        reason: Reason,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Fault {
        Fault::new(reason, self.path.clone(), problem, remedy)
    }

    /// A fault of a field, present or not.
    pub(super) fn fault_at(
        &self,
        name: &str,
        reason: Reason,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Fault {
        Fault::new(reason, self.at(name), problem, remedy)
    }

    /// Finds fault with a value, if there is one, that is none of `values`.
    pub(super) fn one_of(&self, name: &str, values: &[&str], faults: &mut Vec<Fault>) {
        let known = |value: &&Value| **value == "" || values.iter().any(|known| **value == *known);
        if let Some(value) = self.raw(name).filter(|value| !known(value)) {
            faults.push(self.fault_at(
                name,
                Reason::Invalid,
                format!("{value} is not known here"),
                format!("write {}", values.join(" or ")),
            ));
        }
    }

    /// Finds fault with the absence of these fields.
    pub(super) fn require(&self, names: &[&str], faults: &mut Vec<Fault>) {
        for name in names.iter().filter(|name| self.text(name).is_none()) {
            faults.push(self.fault_at(name, Reason::Missing, format!("no {name}"), "write it"));
        }
    }

    /// Finds fault with a number below `least`.
    pub(super) fn at_least(&self, name: &str, least: i64, faults: &mut Vec<Fault>) {
        if let Some(number) = self.number(name).filter(|number| *number < least) {
            faults.push(self.fault_at(
                name,
                Reason::Invalid,
                format!("{number} is below {least}"),
                format!("write {least} or more"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_without_a_key_of_their_own_go_by_position() {
        let object = json!({"containers": [{"name": "app"}, {"image": "x"}, {"name": "app"}]});
        let paths: Vec<_> =
            Place::root(&object).items("containers").into_iter().map(|item| item.path).collect();
        assert_eq!(paths, [r#"containers[name="app"]"#, "containers[1]", "containers[2]"]);
    }

    #[test]
    fn other_types_read_as_absent() {
        let object = json!({"spec": {"replicas": "3", "name": 4, "containers": {}}});
        let spec = Place::root(&object).field("spec").unwrap();
        assert_eq!(spec.number("replicas"), None);
        assert_eq!(spec.text("name"), None);
        assert!(spec.items("containers").is_empty());
        assert!(spec.descend(&["name", "deeper"]).is_none());
    }

    #[test]
    fn keys_with_dots_are_quoted() {
        let object = json!({});
        let labels = Place { value: &object, path: "labels".to_owned() };
        assert_eq!(labels.at("app.kubernetes.io/name"), r#"labels["app.kubernetes.io/name"]"#);
    }
}
