//! A value together with where it stands, so that a check can walk down and name what it finds.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::fmt::Write;
use std::rc::Rc;

use serde_json::Value;

use crate::fault::{Fault, Reason};
use crate::path::{ItemKey, list_key, write_field};

/// A value of the object and the way to it. A value of an unexpected JSON type reads as absent: the
/// API server's decoder speaks of those before anyone else can.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    /// What stands there.
    pub(super) value: &'a Value,
    /// How to get there; none for the object itself.
    way: Option<Rc<Way<'a>>>,
}

/// The last step to a place and those before it: put into words only where something is wrong.
#[derive(Debug)]
struct Way<'a> {
    before: Option<Rc<Self>>,
    step: Step<'a>,
}

#[derive(Debug)]
enum Step<'a> {
    /// The field of this name.
    Field(&'a str),
    /// The item at this position of a list.
    Item(Rc<List<'a>>, usize),
}

/// A list, with the keys of its items once somebody asks for them.
#[derive(Debug)]
struct List<'a> {
    name: &'a str,
    items: &'a [Value],
    keys: OnceCell<Vec<Option<ItemKey>>>,
}

impl List<'_> {
    /// The key of an item; `None` if it has none, or an earlier one has it.
    fn key(&self, at: usize) -> Option<&ItemKey> {
        let keys = self.keys.get_or_init(|| {
            let mut seen = HashSet::new();
            let key = |item| list_key(self.name)?.of(item).filter(|key| seen.insert(key.clone()));
            self.items.iter().map(key).collect()
        });
        keys.get(at)?.as_ref()
    }
}

impl Step<'_> {
    /// For people, behind the steps before it.
    fn write(&self, text: &mut String) {
        // Writing to a String cannot fail.
        match self {
            Self::Field("") => text.push_str("[\"\"]"),
            Self::Field(name) => {
                let first = text.is_empty();
                _ = write_field(text, name, first);
            }
            Self::Item(list, at) => match list.key(*at) {
                Some(key) => _ = write!(text, "{key}"),
                None => _ = write!(text, "[{at}]"),
            },
        }
    }
}

impl<'a> Place<'a> {
    /// The object itself.
    pub(super) fn root(object: &'a Value) -> Self {
        Self { value: object, way: None }
    }

    /// Where this is, for people: `spec.template.spec.containers[name="app"]`.
    pub(super) fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut way = self.way.as_ref();
        while let Some(Way { before, step }) = way.map(Rc::as_ref) {
            steps.push(step);
            way = before.as_ref();
        }
        let mut text = String::new();
        steps.into_iter().rev().for_each(|step| step.write(&mut text));
        text
    }

    /// The path of a field, present or not.
    pub(super) fn at(&self, name: &str) -> String {
        let mut text = self.path();
        Step::Field(name).write(&mut text);
        text
    }

    /// A field; `null` counts as absent.
    pub(super) fn field(&self, name: &'a str) -> Option<Self> {
        Some(self.then(Step::Field(name), self.raw(name)?))
    }

    /// A field, `null` if it is absent.
    pub(super) fn field_or_null(&self, name: &'a str) -> Self {
        self.then(Step::Field(name), self.raw(name).unwrap_or(&Value::Null))
    }

    fn then(&self, step: Step<'a>, value: &'a Value) -> Self {
        Self { value, way: Some(Rc::new(Way { before: self.way.clone(), step })) }
    }

    /// The field at the end of `names`.
    pub(super) fn descend(&self, names: &[&'a str]) -> Option<Self> {
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
        let fields = self.value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        fields.map(|(name, value)| (name.as_str(), self.then(Step::Field(name), value)))
    }

    /// The items of the list in field `name`: by key, or by position where the key is missing or
    /// was there already.
    pub(super) fn items(&self, name: &'a str) -> Vec<Self> {
        let items = self.raw(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if items.is_empty() {
            return Vec::new();
        }
        let here = self.field_or_null(name);
        let list = Rc::new(List { name, items, keys: OnceCell::new() });
        let item = |(at, value)| here.then(Step::Item(Rc::clone(&list), at), value);
        items.iter().enumerate().map(item).collect()
    }

    /// A fault of this place.
    pub(super) fn fault(
        &self,
        reason: Reason,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Fault {
        Fault::new(reason, self.path(), problem, remedy)
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
            Place::root(&object).items("containers").into_iter().map(|item| item.path()).collect();
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
        let labels = Place::root(&object).field_or_null("labels");
        assert_eq!(labels.at("app.kubernetes.io/name"), r#"labels["app.kubernetes.io/name"]"#);
    }
}
