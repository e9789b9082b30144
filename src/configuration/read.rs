//! A value of the configuration and where it stands. What is wrong is noted, and reads as absent.

use std::time::Duration;

use serde_json::Value;

use crate::fault::{Fault, Reason};

pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    fn below(&self, name: &str, value: &'a Value) -> Self {
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            path if name.contains(['.', '/']) => format!("{path}[{name:?}]"),
            path => format!("{path}.{name}"),
        };
        Self { value, path }
    }

    /// The value as it is.
    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    pub(super) fn fault(&self, problem: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault::new(Reason::Invalid, self.path.clone(), problem, remedy)
    }

    /// A field; `null` counts as absent.
    pub(super) fn field(&self, name: &str) -> Option<Self> {
        self.value.get(name).filter(|value| !value.is_null()).map(|value| self.below(name, value))
    }

    /// Finds fault with fields of other names.
    pub(super) fn know(&self, names: &[&str], faults: &mut Vec<Fault>) {
        if self.value.is_null() {
            return;
        }
        for (field, node) in self.entries(faults) {
            if names.contains(&field) {
                continue;
            }
            let near = names.iter().find(|name| strsim::damerau_levenshtein(name, field) <= 2);
            let remedy = match near {
                Some(near) => format!("did you mean {near}?"),
                None => format!("write one of {}", names.join(", ")),
            };
            faults.push(Fault::new(Reason::Unknown, node.path, "there is no such field", remedy));
        }
    }

    /// The fields of a map.
    pub(super) fn entries(&self, faults: &mut Vec<Fault>) -> Vec<(&'a str, Self)> {
        let Value::Object(map) = self.value else {
            faults.push(self.wrong("a map", "write fields and values"));
            return Vec::new();
        };
        map.iter().map(|(name, value)| (name.as_str(), self.below(name, value))).collect()
    }

    /// The items of a list.
    pub(super) fn items(&self, faults: &mut Vec<Fault>) -> Vec<Self> {
        let Value::Array(items) = self.value else {
            faults.push(self.wrong("a list", "write items"));
            return Vec::new();
        };
        let items = items.iter().enumerate();
        items.map(|(index, value)| Self { value, path: format!("{}[{index}]", self.path) }).collect()
    }

    /// The texts in a list at `name`; none where there is no such field.
    pub(super) fn texts(&self, name: &str, faults: &mut Vec<Fault>) -> Vec<String> {
        let items = self.field(name).map(|list| list.items(faults)).unwrap_or_default();
        items.iter().filter_map(|item| item.text(faults).map(str::to_owned)).collect()
    }

    pub(super) fn text(&self, faults: &mut Vec<Fault>) -> Option<&'a str> {
        if let Value::String(text) = self.value {
            return Some(text);
        }
        faults.push(self.wrong("text", "put it in quotation marks"));
        None
    }

    /// A text that is one of `known`.
    pub(super) fn one_of(&self, known: &[&'static str], faults: &mut Vec<Fault>) -> Option<&'static str> {
        let text = self.text(faults)?;
        let found = known.iter().find(|known| **known == text).copied();
        if found.is_none() {
            let (last, rest) = known.split_last()?;
            let list =
                if rest.is_empty() { (*last).to_owned() } else { format!("{} or {last}", rest.join(", ")) };
            faults.push(self.fault(format!("{text:?} is not known"), format!("write {list}")));
        }
        found
    }

    /// A length of time: `90s`, `10m`, `1h`.
    pub(super) fn duration(&self, faults: &mut Vec<Fault>) -> Option<Duration> {
        let text = self.text(faults)?;
        let parsed = text.char_indices().last().and_then(|(at, unit)| {
            let count: u64 = text[..at].parse().ok()?;
            let seconds = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                _ => return None,
            };
            count.checked_mul(seconds).map(Duration::from_secs)
        });
        if parsed.is_none() {
            faults.push(self.fault(format!("{text:?} is no length of time"), "write one as 90s, 10m or 1h"));
        }
        parsed
    }

    fn wrong(&self, wanted: &str, remedy: &str) -> Fault {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a map",
        };
        self.fault(format!("it is {found}, not {wanted}"), remedy)
    }
}
