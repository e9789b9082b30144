//! Reads a record's text in one pass, without a tree of values in between.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Head, Leaf, Record};
use crate::path::{ItemKey, Path, Scalar, Step};

/// The parts that are not in [`Head`].
#[derive(Deserialize)]
struct Rest {
    #[serde(default)]
    wish: Option<String>,
    #[serde(default)]
    adopted: bool,
    #[serde(default)]
    templates: Vec<String>,
    #[serde(default)]
    fields: Fields,
}

/// The tree of paths, taken apart.
#[derive(Default)]
struct Fields {
    leaves: Vec<Leaf>,
    created: Vec<Path>,
}

pub(super) fn record(text: &str) -> Option<Record> {
    let head: Head = serde_json::from_str(text).ok()?;
    let rest: Rest = serde_json::from_str(text).ok()?;
    Some(Record {
        set: head.set.clone().into_owned(),
        pin: head.pin()?,
        wish: rest.wish,
        adopted: rest.adopted,
        leaves: rest.fields.leaves,
        created: rest.fields.created,
        templates: rest.templates,
    })
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Self::default();
        Branch { path: &mut Vec::new(), fields: &mut fields }.deserialize(deserializer)?;
        Ok(fields)
    }
}

/// A node of the tree: its path so far, and where to put what is found.
struct Branch<'r> {
    path: &'r mut Vec<Step>,
    fields: &'r mut Fields,
}

impl Branch<'_> {
    fn leaf(&mut self, mark: &str) {
        self.fields.leaves.extend(Leaf::read(Path::of(self.path), mark));
    }
}

impl<'de> DeserializeSeed<'de> for Branch<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// What is no node is passed over.
impl<'de> Visitor<'de> for Branch<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a mark or a map")
    }

    fn visit_str<E: Error>(mut self, mark: &str) -> Result<(), E> {
        self.leaf(mark);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut children: A) -> Result<(), A::Error> {
        while let Some(name) = children.next_key::<Cow<str>>()? {
            if name == "." {
                self.fields.created.push(Path::of(self.path));
                if let Value::String(mark) = children.next_value()? {
                    self.leaf(&mark);
                }
            } else if let Some(step) = step(&name) {
                self.path.push(step);
                let below = Branch { path: &mut *self.path, fields: &mut *self.fields };
                children.next_value_seed(below)?;
                self.path.pop();
            } else {
                children.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
}

fn step(name: &str) -> Option<Step> {
    match name.strip_prefix("k:") {
        None => Some(Step::named(name)),
        Some(key) => read_key(key).map(Step::Item),
    }
}

/// Reads an item's keys as managedFields writes them.
#[must_use]
pub fn read_key(json: &str) -> Option<ItemKey> {
    serde_json::from_str::<Key>(json).ok().map(|Key(key)| key)
}

/// The keys of an item; those that are no scalars make it none.
struct Key(ItemKey);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the keys of an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Key, A::Error> {
        let mut keys = Vec::with_capacity(2);
        while let Some(field) = fields.next_key::<Cow<str>>()? {
            let Step::Field(field) = Step::named(&field) else { continue };
            let value = Scalar::take(fields.next_value()?).ok_or_else(|| A::Error::custom("no scalar"))?;
            keys.push((field, value));
        }
        keys.sort_unstable();
        Ok(Key(ItemKey(keys.into())))
    }
}
