//! The manifests that the user names: files, directories and standard input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::split::Piece;
use self::tree::{Malformed, Places};

pub mod split;
pub mod tree;

/// More than any manifest holds (the API server takes 3 MiB an object), less than hurts.
const LIMIT: u64 = 64 << 20;

/// Which manifests to read.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct InputArgs {
    /// File or directory of manifests (.yaml, .yml, .json); - reads standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    pub files: Vec<PathBuf>,
    /// Read directories with all that is below them
    #[arg(short = 'R', long, requires = "files")]
    pub recursive: bool,
}

/// One file, cut into documents.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path, or `stdin`.
    pub name: String,
    /// All of its text.
    pub text: String,
    /// Its documents, in order.
    pub documents: Vec<Document>,
}

/// One document of a file.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it stands.
    pub piece: Piece,
    /// What it holds; null for comments alone.
    pub value: Value,
    /// Where its fields stand in the file.
    pub places: Places,
}

/// An object of a document: the document itself, or an item of its List.
#[derive(Debug)]
pub struct Item<'d> {
    /// Its index, if the document is a List.
    pub index: Option<usize>,
    /// The object.
    pub object: &'d Value,
    /// Where its fields stand.
    pub places: Places,
}

/// Manifests that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// No such file, or none that we may read.
    #[error("cannot read {name}: {source}")]
    Read {
        /// The path.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// A directory without manifests.
    #[error("{0}: no .yaml, .yml or .json file in this directory")]
    Empty(String),
    /// Larger than 64 MiB.
    #[error("{0}: larger than 64 MiB, which no manifest is")]
    TooLarge(String),
    /// Bytes that are no text.
    #[error("{0}: not UTF-8 text")]
    NotText(String),
    /// Text that is no YAML.
    #[error("{name}:{line}:{column}: {problem}")]
    Malformed {
        /// The path.
        name: String,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
}

impl InputArgs {
    /// Reads all that is named. All of it is read before anything is written, so that a broken
    /// file does not leave half an output behind.
    pub fn read(&self) -> Result<Vec<Source>, Vec<InputError>> {
        let mut sources = Vec::new();
        let mut errors = Vec::new();
        for file in &self.files {
            match self.paths(file) {
                Ok(paths) => {
                    for path in paths {
                        match Source::open(&path) {
                            Ok(source) => sources.push(source),
                            Err(error) => errors.push(error),
                        }
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(sources) } else { Err(errors) }
    }

    fn paths(&self, named: &Path) -> Result<Vec<PathBuf>, InputError> {
        if !named.is_dir() {
            return Ok(vec![named.to_owned()]);
        }
        let mut paths = Vec::new();
        walk(named, self.recursive, &mut paths)
            .map_err(|source| InputError::Read { name: named.display().to_string(), source })?;
        if paths.is_empty() {
            return Err(InputError::Empty(named.display().to_string()));
        }
        Ok(paths)
    }
}

/// Manifests in name order, those of a directory before those below it.
fn walk(directory: &Path, recursive: bool, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    let mut entries: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    let is_manifest = |path: &&PathBuf| {
        path.extension()
            .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
    };
    paths.extend(entries.iter().filter(|path| path.is_file()).filter(is_manifest).cloned());
    if recursive {
        // A link to a directory above would never end.
        for entry in entries.iter().filter(|entry| entry.is_dir() && !entry.is_symlink()) {
            walk(entry, recursive, paths)?;
        }
    }
    Ok(())
}

impl Source {
    fn open(path: &Path) -> Result<Self, InputError> {
        let stdin = path == Path::new("-");
        let name = if stdin { "stdin".to_owned() } else { path.display().to_string() };
        let mut bytes = Vec::new();
        let read = if stdin {
            io::stdin().lock().take(LIMIT + 1).read_to_end(&mut bytes)
        } else {
            fs::File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
        };
        if let Err(source) = read {
            return Err(InputError::Read { name, source });
        }
        if bytes.len() as u64 > LIMIT {
            return Err(InputError::TooLarge(name));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(name, text),
            Err(_) => Err(InputError::NotText(name)),
        }
    }

    /// Cuts `text` into documents and reads each.
    pub fn parse(name: String, text: String) -> Result<Self, InputError> {
        let json = split::json(&text);
        let is_json = json.is_some();
        let mut documents = Vec::new();
        for piece in json.unwrap_or_else(|| split::yaml(&text)) {
            match Document::read(&text, piece, is_json) {
                Ok(document) => documents.push(document),
                Err(error) => return Err(malformed(name, &text, error)),
            }
        }
        Ok(Self { name, text, documents })
    }

    /// Line and column of a byte, counted from 1, the column in characters.
    #[must_use]
    pub fn line_and_column(&self, at: usize) -> (usize, usize) {
        line_and_column(&self.text, at)
    }
}

impl Document {
    fn read(text: &str, piece: Piece, is_json: bool) -> Result<Self, Malformed> {
        let start = piece.body.start;
        let body = &text[piece.body.clone()];
        let (value, mut places) = match (tree::read(body), is_json) {
            (Ok(read), _) => read,
            // What JSON may hold and YAML may not, such as surrogate pairs: without places then.
            (Err(error), true) => match serde_json::from_str(body) {
                Ok(value) if !error.problem.contains("duplicate") => (value, Places::default()),
                _ => return Err(error.after(start)),
            },
            (Err(error), false) => return Err(explained(error, body).after(start)),
        };
        if !value.is_null() && !value.is_object() {
            let problem = "a manifest is a map with apiVersion and kind; this is none".to_owned();
            let at = start + body.len() - body.trim_start().len();
            return Err(Malformed { at, problem });
        }
        places.shift(start);
        Ok(Self { piece, value, places })
    }

    /// The StatefulSets in this document.
    #[must_use]
    pub fn statefulsets(&self) -> Vec<Item<'_>> {
        self.items_where(is_statefulset)
    }

    /// Such objects in this document.
    #[must_use]
    pub fn items_where(&self, is_meant: impl Fn(&Value) -> bool) -> Vec<Item<'_>> {
        if is_meant(&self.value) {
            let places = self.places.clone();
            return vec![Item { index: None, object: &self.value, places }];
        }
        let Some(items) = self.items() else {
            return Vec::new();
        };
        let ours = items.iter().enumerate().filter(|(_, item)| is_meant(item));
        ours.map(|(index, object)| Item {
            index: Some(index),
            object,
            places: self.places.below(&format!("items[{index}]")),
        })
        .collect()
    }

    /// The objects of this document: itself, or the items of its List.
    pub fn objects(&self) -> impl Iterator<Item = &Value> {
        let itself = self.items().is_none().then_some(&self.value);
        itself.into_iter().chain(self.items().into_iter().flatten())
    }

    /// The items of a List.
    #[must_use]
    pub fn items(&self) -> Option<&Vec<Value>> {
        let is_list = self.value.get("kind")?.as_str()?.ends_with("List");
        self.value.get("items")?.as_array().filter(|_| is_list)
    }

    /// The comments in front of the first field, such as the `# Source:` of a Helm chart.
    #[must_use]
    pub fn head<'t>(&self, text: &'t str) -> &'t str {
        let mut end = self.piece.body.start;
        for line in text[self.piece.body.clone()].split_inclusive('\n') {
            if !(line.trim().is_empty() || line.starts_with('#')) {
                break;
            }
            end += line.len();
        }
        &text[self.piece.whole.start..end]
    }
}

/// Whether `object` is an `apps/v1` StatefulSet.
#[must_use]
pub fn is_statefulset(object: &Value) -> bool {
    object.get("apiVersion").is_some_and(|version| version == "apps/v1")
        && object.get("kind").is_some_and(|kind| kind == "StatefulSet")
}

/// The namespace that `object` names, else `fallback`.
#[must_use]
pub fn namespace<'o>(object: &'o Value, fallback: &'o str) -> &'o str {
    let named = object.pointer("/metadata/namespace").and_then(Value::as_str);
    named.filter(|name| !name.is_empty()).unwrap_or(fallback)
}

/// The name of `object`, that which it wants one made from, or `?`.
#[must_use]
pub fn name(object: &Value) -> &str {
    let named = |field| object.pointer(field).and_then(Value::as_str);
    named("/metadata/name").or_else(|| named("/metadata/generateName")).unwrap_or("?")
}

/// A template of Helm or Jinja is the most common thing that is no YAML.
fn explained(error: Malformed, body: &str) -> Malformed {
    let Some(at) = body.find("{{") else { return error };
    let problem = "this is a template, no manifest; render it first and pass the output (helm template … | stateward … -f -)";
    Malformed { at, problem: problem.to_owned() }
}

fn malformed(name: String, text: &str, error: Malformed) -> InputError {
    let (line, column) = line_and_column(text, error.at);
    InputError::Malformed { name, line, column, problem: error.problem }
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line..].chars().count() + 1)
}

impl Malformed {
    fn after(self, start: usize) -> Self {
        Self { at: self.at + start, problem: self.problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Source, InputError> {
        Source::parse("file.yaml".to_owned(), text.to_owned())
    }

    #[test]
    fn places_count_from_the_top_of_the_file() {
        let source = parse("# one\n---\na: 1\n---\nkind: StatefulSet\nspec: {replicas: 3}\n").unwrap();
        let at = source.documents[2].places.find("spec.replicas");
        assert_eq!(&source.text[at.clone()], "3");
        assert_eq!(source.line_and_column(at.start), (6, 18));
    }

    #[test]
    fn items_of_a_list_have_their_own_places() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- kind: Service\n- apiVersion: apps/v1\n  kind: StatefulSet\n  metadata:\n    annotations:\n      stateward.dev/storage: 1Gi\n";
        let source = parse(text).unwrap();
        let items = source.documents[0].statefulsets();
        assert_eq!(items.len(), 1);
        assert_eq!(&text[items[0].places.find("stateward.dev/storage")], "1Gi");
    }

    #[test]
    fn errors_name_file_line_and_column() {
        let cases = [
            ("a: 1\n---\nb: 1\nb: 2\n", "file.yaml:4:1: "),
            ("a: 1\n---\nname: {{ .Values.name }}\n", "file.yaml:3:7: this is a template"),
            ("---\nplain text\n", "file.yaml:2:1: a manifest is a map"),
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn comments_in_front_are_kept() {
        let source = parse("---\n# Source: db.yaml\n\na: 1 # one\n").unwrap();
        assert_eq!(source.documents[0].head(&source.text), "---\n# Source: db.yaml\n\n");
    }

    #[test]
    fn directories_are_read_in_name_order() {
        let root = tempfile::tempdir().unwrap();
        for file in ["b.yaml", "a.yml", "c.txt"] {
            fs::write(root.path().join(file), "a: 1\n").unwrap();
        }
        fs::create_dir(root.path().join("0")).unwrap();
        fs::write(root.path().join("0/d.json"), "{}").unwrap();
        let names = |recursive| {
            let args = InputArgs { files: vec![root.path().to_owned()], recursive };
            let sources = args.read().unwrap();
            let names = sources.iter().map(|s| s.name.rsplit('/').next().unwrap().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["a.yml", "b.yaml"]);
        assert_eq!(names(true), ["a.yml", "b.yaml", "d.json"]);
    }
}
