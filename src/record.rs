//! The record: what of a StatefulSet is ours, kept as an annotation on the object.
//!
//! It is our last-applied. Never in the pod template, where a change would restart pods. It
//! permits nothing: whoever forges one changes only whose fields of their own set are.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

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
        let mut fields = Node::default();
        for path in &self.created {
            fields.at(&path.0).created = true;
        }
        for leaf in &self.leaves {
            fields.at(&leaf.path.0).leaf = Some(leaf);
        }
        let text = Text {
            format: FORMAT,
            set: &self.set,
            pin: self.pin.to_string(),
            main: &self.pin.main,
            fields,
            wish: self.wish.as_deref(),
            adopted: self.adopted,
            templates: &self.templates,
        };
        // Texts, numbers and maps with texts for keys: nothing that could fail.
        serde_json::to_string(&text).unwrap_or_default()
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

/// A record as it is written.
#[derive(Serialize)]
struct Text<'r> {
    format: u64,
    set: &'r str,
    pin: String,
    main: &'r str,
    fields: Node<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wish: Option<&'r str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    adopted: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    templates: &'r [String],
}

/// One step of the paths of a record, folded into a tree.
#[derive(Default)]
struct Node<'r> {
    created: bool,
    leaf: Option<&'r Leaf>,
    below: Vec<(&'r Step, Node<'r>)>,
}

impl<'r> Node<'r> {
    /// The node at `path` below this one, made if absent.
    fn at(&mut self, path: &'r [Step]) -> &mut Self {
        path.iter().fold(self, |node, step| {
            let found = node.below.iter().position(|(other, _)| *other == step);
            let at = found.unwrap_or_else(|| {
                node.below.push((step, Node::default()));
                node.below.len() - 1
            });
            &mut node.below[at].1
        })
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mark = self.leaf.map(|leaf| format!("{}{}", leaf.hash, if leaf.over_default { "!" } else { "" }));
        if let (Some(mark), false) = (&mark, self.created) {
            return serializer.serialize_str(mark);
        }
        let mut map = serializer.serialize_map(None)?;
        match mark {
            Some(mark) => map.serialize_entry(".", &mark)?,
            None if self.created => map.serialize_entry(".", &true)?,
            None => {}
        }
        for (step, node) in &self.below {
            map.serialize_entry(&write_step(step), node)?;
        }
        map.end()
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
    use serde_json::json;

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
