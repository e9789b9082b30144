//! The record: what of a StatefulSet is ours, kept as an annotation on the object.
//!
//! It is our last-applied. Never in the pod template, where a change would restart pods. It
//! permits nothing: whoever forges one changes only whose fields of their own set are.

mod read;
mod write;

pub use self::read::read_key;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::hash;
use crate::path::{ItemKey, Path, Scalar};
use crate::settings::{Defaults, Pin};

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
    pub hash: u32,
    /// Whether an Apply manager claims the field with the API's default, which counts as unset:
    /// such a claim does not make our value the user's.
    pub over_default: bool,
}

impl Leaf {
    /// Reads a mark; `None` for one that we never write.
    fn read(path: Path, mark: &str) -> Option<Self> {
        let (hash, over_default) = mark.strip_suffix('!').map_or((mark, false), |hash| (hash, true));
        let hash = u32::from_str_radix(hash, 16).ok()?;
        Some(Self { path, hash, over_default })
    }
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

    /// What the record of `object` says it is pinned to, without reading its fields.
    #[must_use]
    pub fn pin_of(object: &Value) -> Option<Pin> {
        let metadata = &object["metadata"];
        let text = metadata["annotations"][crate::names::RECORD].as_str()?;
        let head: Head = serde_json::from_str(text).ok()?;
        let known = head.format == FORMAT && metadata["name"] == *head.set;
        known.then(|| head.pin()).flatten()
    }

    /// A record without its fields, from its text: for who asks for the pin and no more. `None` for what
    /// is no record.
    #[must_use]
    pub fn head_of(text: &str) -> Option<String> {
        let head: Head = serde_json::from_str(text).ok().filter(|head: &Head| head.format == FORMAT)?;
        let record = Self { set: head.set.clone().into_owned(), pin: head.pin()?, ..Self::default() };
        Some(Self { adopted: head.adopted, ..record }.to_text())
    }

    /// Reads a record. Anything malformed is no record: the annotation is open to every editor.
    #[must_use]
    pub fn parse(text: &str) -> Read {
        match serde_json::from_str::<Format>(text) {
            Ok(Format { format: FORMAT }) => {
                read::record(text).map_or(Read::Absent, |record| Read::Known(Box::new(record)))
            }
            Ok(Format { format }) if format > FORMAT => Read::Newer,
            _ => Read::Absent,
        }
    }

    /// The annotation's text: compact JSON, its paths folded into a tree as managedFields has it.
    #[must_use]
    pub fn to_text(&self) -> String {
        write::record(self)
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

/// The one field that every format has.
#[derive(Deserialize)]
struct Format {
    format: u64,
}

/// A record's first fields.
#[derive(Deserialize)]
struct Head<'t> {
    format: u64,
    #[serde(borrow)]
    set: Cow<'t, str>,
    #[serde(borrow)]
    pin: Cow<'t, str>,
    #[serde(borrow)]
    main: Cow<'t, str>,
    #[serde(default)]
    formed: Option<u64>,
    #[serde(default)]
    namespace: Defaults,
    #[serde(default)]
    adopted: bool,
}

impl Head<'_> {
    fn pin(&self) -> Option<Pin> {
        let main = self.main.clone().into_owned();
        let defaults = self.namespace.clone();
        Some(Pin { main, formed: self.formed, defaults, ..Pin::parse(&self.pin)? })
    }
}

/// Writes an item's keys as managedFields has them: JSON with sorted keys.
pub fn write_key(key: &ItemKey, text: &mut String) {
    let mut keys: Vec<_> = key.0.iter().collect();
    keys.sort();
    text.push('{');
    for (index, (field, value)) in keys.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        hash::string(field, text);
        text.push(':');
        match value {
            Scalar::Number(number) => text.push_str(&number.to_string()),
            Scalar::Text(value) => hash::string(value, text),
        }
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn record() -> Record {
        let mut pin = Pin::parse("postgresql@5f3c9a12/18,debian").unwrap();
        pin.main = "postgres".to_owned();
        let mut record = Record::new("db", pin);
        let container = crate::settings::containers_path().named("postgres");
        let item = container.field("env").named("POD_NAME");
        let port = ItemKey(Arc::new([
            ("containerPort".into(), Scalar::Number(5432)),
            ("protocol".into(), Scalar::Text("TCP".into())),
        ]));
        record.created = vec![item.clone(), container.field("ports").item(port.clone())];
        let leaf = |path: Path, over_default| Leaf { path, hash: 0x0123_abcd, over_default };
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
