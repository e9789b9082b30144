//! Writes a record's text: its paths folded into a tree, as managedFields has them.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{FORMAT, Leaf, Record, write_key};
use crate::json;
use crate::path::{Path, Step};
use crate::settings::Defaults;

/// A record as it is written.
#[derive(Serialize)]
struct Text<'r> {
    format: u64,
    set: &'r str,
    pin: String,
    main: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    formed: Option<u64>,
    #[serde(skip_serializing_if = "Defaults::is_empty")]
    namespace: &'r Defaults,
    fields: Branch<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wish: Option<&'r str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    adopted: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    templates: &'r [String],
}

pub(super) fn record(record: &Record) -> String {
    let tree = Tree::of(record);
    let text = Text {
        format: FORMAT,
        set: &record.set,
        pin: record.pin.to_string(),
        main: &record.pin.main,
        formed: record.pin.formed,
        namespace: &record.pin.defaults,
        fields: Branch { tree: &tree, at: ROOT },
        wish: record.wish.as_deref(),
        adopted: record.adopted,
        templates: &record.templates,
    };
    String::from_utf8(json::written(&text, 4096)).unwrap_or_default()
}

/// The paths of a record, those that begin alike together: its nodes in one list, since there are some
/// hundred and fifty.
struct Tree<'r> {
    nodes: Vec<Node<'r>>,
    /// The path that was asked for last, and the nodes on it: neighbours begin alike.
    last: &'r [Step],
    way: Vec<usize>,
}

/// One step of some paths. Others are told by their places in the list; [`ROOT`], which is below none,
/// stands for none.
#[derive(Default)]
struct Node<'r> {
    step: Option<&'r Step>,
    created: bool,
    leaf: Option<&'r Leaf>,
    /// The first one below it.
    first: usize,
    /// The last one below it.
    last: usize,
    /// The next one below the same.
    next: usize,
}

const ROOT: usize = 0;

impl<'r> Tree<'r> {
    fn of(record: &'r Record) -> Self {
        let mut nodes = Vec::with_capacity(2 * (record.leaves.len() + record.created.len()));
        nodes.push(Node::default());
        let mut tree = Self { nodes, last: &[], way: vec![ROOT] };
        for path in &record.created {
            tree.at(path).created = true;
        }
        for leaf in &record.leaves {
            tree.at(&leaf.path).leaf = Some(leaf);
        }
        tree
    }

    /// The node at `path`, made if absent.
    fn at(&mut self, path: &'r Path) -> &mut Node<'r> {
        let alike = self.last.iter().zip(path.0.iter()).take_while(|(one, other)| one == other).count();
        self.last = &path.0;
        self.way.truncate(alike + 1);
        let mut at = self.way[alike];
        for step in &path.0[alike..] {
            at = self.below(at, step);
            self.way.push(at);
        }
        &mut self.nodes[at]
    }

    fn below(&mut self, parent: usize, step: &'r Step) -> usize {
        let found = self.children(parent).find(|(_, node)| node.step == Some(step)).map(|(at, _)| at);
        found.unwrap_or_else(|| self.add(parent, step))
    }

    fn add(&mut self, parent: usize, step: &'r Step) -> usize {
        let at = self.nodes.len();
        self.nodes.push(Node { step: Some(step), ..Node::default() });
        match self.nodes[parent].last {
            ROOT => self.nodes[parent].first = at,
            last => self.nodes[last].next = at,
        }
        self.nodes[parent].last = at;
        at
    }

    /// Those below a node, in the order in which they were added, with their places.
    fn children(&self, parent: usize) -> impl Iterator<Item = (usize, &Node<'r>)> {
        let place = |at: usize| (at != ROOT).then_some(at);
        let places =
            std::iter::successors(place(self.nodes[parent].first), move |at| place(self.nodes[*at].next));
        places.map(|at| (at, &self.nodes[at]))
    }
}

/// A node and what is below it.
struct Branch<'t> {
    tree: &'t Tree<'t>,
    at: usize,
}

impl Serialize for Branch<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let node = &self.tree.nodes[self.at];
        let mark = node.leaf.map(Mark::of);
        if let (Some(mark), false) = (&mark, node.created) {
            return mark.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        match mark {
            Some(mark) => map.serialize_entry(".", &mark)?,
            None if node.created => map.serialize_entry(".", &true)?,
            None => {}
        }
        for (at, node) in self.tree.children(self.at) {
            let name = node.step.map(write_step).unwrap_or_default();
            map.serialize_entry(&name, &Branch { tree: self.tree, at })?;
        }
        map.end()
    }
}

/// How the record notes a leaf: eight hex digits, and an exclamation mark where it is over a default.
struct Mark([u8; 9], usize);

impl Mark {
    fn of(leaf: &Leaf) -> Self {
        // Digit by digit: the formatter takes ten times as long, for each of some fifty leaves.
        let mut text = *b"00000000!";
        for (digit, shift) in text.iter_mut().zip((0..8).rev()) {
            *digit = b"0123456789abcdef"[(leaf.hash >> (4 * shift) & 0xf) as usize];
        }
        Self(text, if leaf.over_default { 9 } else { 8 })
    }
}

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.0[..self.1]).unwrap_or_default())
    }
}

fn write_step(step: &Step) -> Cow<'_, str> {
    match step {
        Step::Field(name) => Cow::Borrowed(name),
        Step::Item(key) => {
            // As long as most keys are at most: to grow takes longer than to write.
            let mut text = String::with_capacity(96);
            text.push_str("k:");
            write_key(key, &mut text);
            Cow::Owned(text)
        }
    }
}
