//! The record: what of a StatefulSet is ours, kept as an annotation on the object.
//!
//! It is our last-applied. Never in the pod template, where a change would restart pods. It
//! permits nothing: whoever forges one changes only whose fields of their own set are.

use serde_json::{Map, Value, json};

use crate::hash;
use crate::path::{ItemKey, Path, Scalar, Step};
use crate::settings::Pin;

/// The format that this code writes and reads.
pub const FORMAT: u64 = 1;

/// What we did to one StatefulSet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The set's name: a record on a set of another name was copied and counts for nothing.
    pub set: String,
    /// What the set is pinned to.
    pub pin: Pin,
    /// The last value of `profile-revision` that was acted upon.
    pub wish: Option<String>,
    /// Whether the set was there before us: an upgrade then brings everything.
    pub adopted: bool,
    /// The leaves that we injected.
    pub leaves: Vec<Leaf>,
    /// The structs and list items that we created; they go when they are left empty.
    pub created: Vec<Path>,
    /// Hashes of pod templates that this set had before, the newest last.
    pub templates: Vec<String>,
}

/// One leaf of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Where.
    pub path: Path,
    /// The hash of the value that we wrote: another value there is the user's.
    pub hash: String,
    /// Whether an Apply manager claims the field with the API's default, which counts as unset:
    /// such a claim does not make our value the user's.
    pub over_default: bool,
}

/// What an annotation holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// No record, or text that is none.
    Absent,
    /// A record of a later format: carried over as it is.
    Newer,
    /// A record.
    Known(Box<Record>),
}

impl Record {
    /// An empty record.
    #[must_use]
    pub fn new(set: &str, pin: Pin) -> Self {
        Self { set: set.to_owned(), pin, ..Self::default() }
    }

    /// Reads the annotation of `object`; a record of another set counts as absent.
    #[must_use]
    pub fn of(object: &Value) -> Read {
        let metadata = &object["metadata"];
        let Some(text) = metadata["annotations"][crate::names::RECORD].as_str() else {
            return Read::Absent;
        };
        match Self::parse(text) {
            Read::Known(record) if metadata["name"] != record.set.as_str() => Read::Absent,
            read => read,
        }
    }

    /// Reads a record. Anything malformed is no record: the annotation is open to every editor.
    #[must_use]
    pub fn parse(text: &str) -> Read {
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return Read::Absent;
        };
        match value["format"].as_u64() {
            Some(FORMAT) => {
                Self::from_value(&value).map_or(Read::Absent, |record| Read::Known(Box::new(record)))
            }
            Some(format) if format > FORMAT => Read::Newer,
            _ => Read::Absent,
        }
    }

    fn from_value(value: &Value) -> Option<Self> {
        let mut pin = Pin::parse(value["pin"].as_str()?)?;
        value["main"].as_str()?.clone_into(&mut pin.main);
        let mut record = Self::new(value["set"].as_str()?, pin);
        record.wish = value["wish"].as_str().map(str::to_owned);
        record.adopted = value["adopted"] == true;
        let templates = value["templates"].as_array();
        record.templates =
            templates.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        record.read_tree(&mut Vec::new(), &value["fields"]);
        Some(record)
    }

    fn read_tree(&mut self, path: &mut Vec<Step>, node: &Value) {
        match node {
            Value::String(mark) => self.read_leaf(path, mark),
            Value::Object(children) => {
                for (name, child) in children {
                    if name == "." {
                        self.created.push(Path::of(path));
                        if let Some(mark) = child.as_str() {
                            self.read_leaf(path, mark);
                        }
                    } else if let Some(step) = read_step(name) {
                        path.push(step);
                        self.read_tree(path, child);
                        path.pop();
                    }
                }
            }
            _ => {}
        }
    }

    fn read_leaf(&mut self, path: &[Step], mark: &str) {
        let hash = mark.trim_end_matches('!').to_owned();
        self.leaves.push(Leaf { path: Path::of(path), hash, over_default: mark.ends_with('!') });
    }

    /// The annotation's text: compact JSON, its paths folded into a tree as managedFields has it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut tree = Value::Object(Map::new());
        for path in &self.created {
            node(&mut tree, &path.0).entry(".").or_insert(Value::Bool(true));
        }
        for leaf in &self.leaves {
            let Some((last, parents)) = leaf.path.0.split_last() else { continue };
            let mark = Value::from(format!("{}{}", leaf.hash, if leaf.over_default { "!" } else { "" }));
            let (parent, last) = (node(&mut tree, parents), write_step(last));
            match parent.get_mut(&last) {
                Some(Value::Object(created)) => _ = created.insert(".".to_owned(), mark),
                _ => _ = parent.insert(last, mark),
            }
        }
        let mut value = json!({
            "format": FORMAT, "set": self.set, "pin": self.pin.to_string(), "main": self.pin.main,
        });
        // Not within json!, which copies what it is given.
        value["fields"] = tree;
        if let Some(wish) = &self.wish {
            value["wish"] = Value::from(wish.as_str());
        }
        if self.adopted {
            value["adopted"] = Value::Bool(true);
        }
        if !self.templates.is_empty() {
            value["templates"] = Value::from(self.templates.clone());
        }
        value.to_string()
    }

    /// Notes that `template` was replaced. At least as many are remembered as the API server keeps
    /// revisions to go back to.
    pub fn remember(&mut self, template: &Value, revision_history_limit: &Value) {
        let hash = hash::template(template);
        self.templates.retain(|known| *known != hash);
        self.templates.push(hash);
        let limit = revision_history_limit.as_u64().unwrap_or(10).clamp(10, 100);
        let keep = usize::try_from(limit).unwrap_or(10) + 1;
        let surplus = self.templates.len().saturating_sub(keep);
        self.templates.drain(..surplus);
    }
}

fn node<'t>(tree: &'t mut Value, path: &[Step]) -> &'t mut Map<String, Value> {
    let mut here = tree;
    for step in path {
        here = &mut here[write_step(step)];
    }
    if !here.is_object() {
        *here = Value::Object(Map::new());
    }
    match here {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

fn write_step(step: &Step) -> String {
    match step {
        Step::Field(name) => name.to_string(),
        Step::Item(key) => format!("k:{}", key_json(key)),
    }
}

/// An item's keys as managedFields writes them: JSON with sorted keys.
#[must_use]
pub fn key_json(key: &ItemKey) -> String {
    let mut keys: Vec<_> = key.0.iter().collect();
    keys.sort();
    let mut text = String::from("{");
    for (index, (field, value)) in keys.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        hash::string(field, &mut text);
        text.push(':');
        match value {
            Scalar::Number(number) => text.push_str(&number.to_string()),
            Scalar::Text(value) => hash::string(value, &mut text),
        }
    }
    text.push('}');
    text
}

fn read_step(name: &str) -> Option<Step> {
    let Some(key) = name.strip_prefix("k:") else {
        return Some(Step::named(name));
    };
    let Value::Object(map) = serde_json::from_str(key).ok()? else {
        return None;
    };
    let mut keys = Vec::with_capacity(map.len());
    for (field, value) in map {
        let Step::Field(field) = Step::named(&field) else { return None };
        keys.push((field, Scalar::read(&value)?));
    }
    Some(Step::Item(ItemKey(keys)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let mut pin = Pin::parse("postgresql@5f3c9a12/18,debian").unwrap();
        pin.main = "postgres".to_owned();
        let mut record = Record::new("db", pin);
        let container = crate::settings::containers_path().named("postgres");
        let item = container.field("env").named("POD_NAME");
        let port = ItemKey(vec![
            ("containerPort".into(), Scalar::Number(5432)),
            ("protocol".into(), Scalar::Text("TCP".into())),
        ]);
        record.created = vec![item.clone(), container.field("ports").item(port.clone())];
        let leaf = |path: Path, over_default| Leaf { path, hash: "0123abcd".into(), over_default };
        record.leaves = vec![
            leaf(item.field("valueFrom").field("fieldRef"), false),
            leaf(container.field("ports").item(port), false),
            leaf(Path::fields(&["spec", "template", "spec", "terminationGracePeriodSeconds"]), true),
        ];
        record.wish = Some("latest".into());
        record
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut written = record();
        let Read::Known(mut read) = Record::parse(&written.to_text()) else { panic!("a record") };
        for record in [&mut written, read.as_mut()] {
            record.leaves.sort_by(|a, b| a.path.cmp(&b.path));
            record.created.sort();
        }
        assert_eq!(*read, written);
    }

    #[test]
    fn text_that_is_no_record_counts_as_none() {
        for text in ["", "{}", "[]", "{\"format\":1}", "{\"format\":1,\"pin\":\"x\"}", "{\"format\":\"1\"}"] {
            assert_eq!(Record::parse(text), Read::Absent, "{text}");
        }
        assert_eq!(Record::parse("{\"format\":2}"), Read::Newer);
    }

    #[test]
    fn a_record_of_another_set_counts_as_none() {
        let object = |name: &str| {
            let annotations = json!({crate::names::RECORD: record().to_text()});
            json!({"metadata": {"name": name, "annotations": annotations}})
        };
        assert!(matches!(Record::of(&object("db")), Read::Known(_)));
        assert_eq!(Record::of(&object("copy")), Read::Absent);
    }

    #[test]
    fn as_many_templates_are_remembered_as_there_are_revisions() {
        let mut record = record();
        for number in 0..40 {
            record.remember(&json!({"n": number}), &json!(20));
        }
        assert_eq!(record.templates.len(), 21);
        assert_eq!(record.templates[20], hash::template(&json!({"n": 39})));
    }
}
