//! Reads one YAML document as kubectl reads it, and remembers where each field stands.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

use crate::path::{self, ItemKey, Path, Step};

/// Where the fields of a document stand in its text, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(HashMap<String, Range<usize>>);

/// What is wrong with a text that is no YAML, and where in it.
#[derive(Debug)]
pub struct Malformed {
    /// The byte.
    pub at: usize,
    /// What is wrong.
    pub problem: String,
}

/// Reads `text`; `Value::Null` if it holds nothing but comments.
///
/// Scalars become what kubectl makes of them: `0644` is 420, `yes` is true, `1e3` is 1000. Unlike
/// there, a key that stands twice is an error. Budgets end the expansion of alias bombs.
pub fn read(text: &str) -> Result<(Value, Places), Malformed> {
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    let node: Node = serde_saphyr::from_str_with_options(text, options).map_err(|error| Malformed {
        at: error.location().map_or(0, |at| start(at, text)),
        problem: told(&error.without_snippet().to_string()),
    })?;
    let mut places = Places::default();
    let value = places.take(node, &Path::default(), text);
    Ok((value, places))
}

/// The reader's own message, without the place, which we show ourselves.
fn told(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let message = message.split('\n').next().unwrap_or(message);
    let message = message
        .strip_prefix("line ")
        .and_then(|rest| rest.split_once(": "))
        .map_or(message, |(_, rest)| rest);
    message.rsplit_once(" at line ").map_or(message, |(rest, _)| rest).to_owned()
}

/// The byte of a place that may be known by line and column alone.
fn start(at: Location, text: &str) -> usize {
    if let Some(range) = range(at, text) {
        return range.start;
    }
    let count = |number: u64| usize::try_from(number).unwrap_or(1).max(1) - 1;
    let mut lines = text.split_inclusive('\n');
    let before: usize = lines.by_ref().take(count(at.line())).map(str::len).sum();
    let line = lines.next().unwrap_or_default();
    before + line.char_indices().nth(count(at.column())).map_or(0, |(byte, _)| byte)
}

impl Places {
    /// Where `field` stands: a path, or the key of a label or annotation. What the document lacks
    /// is looked for where it would have to be added: at the nearest field around it.
    #[must_use]
    pub fn find(&self, field: &str) -> Range<usize> {
        let mut field = field.to_owned();
        loop {
            if let Some(range) = self.0.get(&field) {
                return range.clone();
            }
            match last_step(&field) {
                Some(at) => field.truncate(at),
                // A key of ours that is not there would be an annotation.
                None if field.contains('/') => "metadata.annotations".clone_into(&mut field),
                None => return self.0.get("kind").cloned().unwrap_or_default(),
            }
        }
    }

    /// Every place so much further on: for a document that does not begin its file.
    pub fn shift(&mut self, by: usize) {
        for range in self.0.values_mut() {
            *range = range.start + by..range.end + by;
        }
    }

    /// The places of what stands at `prefix`, as if that were the document.
    #[must_use]
    pub fn below(&self, prefix: &str) -> Self {
        let below = |(path, range): (&String, &Range<usize>)| {
            let rest = path.strip_prefix(prefix)?.strip_prefix('.')?;
            Some((rest.to_owned(), range.clone()))
        };
        let mut places = Self(self.0.iter().filter_map(below).collect());
        for kind in ["labels", "annotations"] {
            let keys = format!("metadata.{kind}[\"");
            let named = |(path, range): (&String, &Range<usize>)| {
                let key = path.strip_prefix(&keys)?.strip_suffix("\"]")?;
                Some((key.to_owned(), range.clone()))
            };
            let keys: Vec<_> = places.0.iter().filter_map(named).collect();
            places.0.extend(keys);
        }
        places
    }

    fn take(&mut self, node: Node, path: &Path, text: &str) -> Value {
        match node.kind {
            Kind::Scalar(value) => value,
            Kind::List(items) => {
                let items = items.into_iter().enumerate();
                Value::Array(items.map(|(index, item)| self.take_item(index, item, path, text)).collect())
            }
            Kind::Map(fields) => {
                let fields = fields.into_iter().map(|(key, node)| {
                    let path = path.field(key.name.clone());
                    // A scalar is shown itself; what spans lines is shown by its key.
                    let shown =
                        if matches!(node.kind, Kind::Scalar(Value::Null) | Kind::List(_) | Kind::Map(_)) {
                            key.at
                        } else {
                            node.at
                        };
                    self.remember(&path, range(shown, text).or_else(|| range(key.at, text)));
                    (key.name, self.take(node, &path, text))
                });
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// An item is known by its position and, where its list has keys, by its key.
    fn take_item(&mut self, index: usize, item: Node, path: &Path, text: &str) -> Value {
        let at = range(item.at, text);
        let mut below = Self::default();
        let value = below.take(item, &Path::default(), text);
        let key = path.last_field().and_then(path::list_key).and_then(|key| key.of(&value));
        let keyed = key.map(|key: ItemKey| path.then(Step::Item(key)).to_string());
        for prefix in [Some(format!("{path}[{index}]")), keyed].into_iter().flatten() {
            for (rest, range) in &below.0 {
                let dot = if rest.starts_with('[') { "" } else { "." };
                self.0.insert(format!("{prefix}{dot}{rest}"), range.clone());
            }
            if let Some(at) = &at {
                self.0.insert(prefix, at.clone());
            }
        }
        value
    }

    fn remember(&mut self, path: &Path, at: Option<Range<usize>>) {
        let Some(at) = at else { return };
        if let [Step::Field(metadata), Step::Field(kind), Step::Field(key)] = &*path.0
            && metadata == "metadata"
            && matches!(kind.as_ref(), "labels" | "annotations")
        {
            self.0.insert(key.clone().into_owned(), at.clone());
        }
        self.0.insert(path.to_string(), at);
    }
}

/// Where the last step of `path` begins; `None` if it is the only one.
fn last_step(path: &str) -> Option<usize> {
    let mut quoted = false;
    let mut depth = 0_usize;
    let mut last = None;
    for (at, char) in path.char_indices() {
        match char {
            '"' => quoted = !quoted,
            '[' if !quoted => {
                if depth == 0 {
                    last = Some(at);
                }
                depth += 1;
            }
            ']' if !quoted => depth = depth.saturating_sub(1),
            // Dots are common in the keys of labels, which stand alone and have no steps.
            '.' if !quoted && depth == 0 && !path.contains('/') => last = Some(at),
            '.' if !quoted && depth == 0 && path.contains('[') => last = Some(at),
            _ => {}
        }
    }
    last.filter(|at| *at > 0)
}

fn range(at: Location, text: &str) -> Option<Range<usize>> {
    let start = usize::try_from(at.span().byte_offset()?).ok()?;
    let length = usize::try_from(at.span().byte_len().unwrap_or(0)).ok()?;
    let end = start.checked_add(length)?.min(text.len());
    let shown = text.get(start..end)?;
    let line = shown.find('\n').map_or(shown, |newline| &shown[..newline]);
    Some(start..start + line.trim_end().len().max(1))
}

/// A value and where it stands.
struct Node {
    at: Location,
    kind: Kind,
}

enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

struct Key {
    at: Location,
    name: String,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self { at: referenced, kind: value })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Kind>::deserialize(deserializer)?;
        let name = match value {
            Kind::Scalar(Value::String(name)) => name,
            Kind::Scalar(Value::Bool(flag)) => flag.to_string(),
            Kind::Scalar(Value::Number(number)) => number.to_string(),
            Kind::Scalar(_) | Kind::List(_) | Kind::Map(_) => {
                return Err(D::Error::custom("a key must be text"));
            }
        };
        Ok(Self { at: referenced, name })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::from(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::from(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Kind, E> {
        match number(value) {
            Some(number) => Ok(Kind::Scalar(Value::Number(number))),
            None => Err(E::custom("a number must be finite")),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::from(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Kind::Map(fields))
    }
}

/// A whole number becomes an integer: kubectl sends JSON, and Go writes 1000.0 as 1000.
fn number(value: f64) -> Option<Number> {
    // Below 2^53 every whole number is exact, and its text is the integer's.
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        return format!("{value:.0}").parse::<i64>().ok().map(Number::from);
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests;
