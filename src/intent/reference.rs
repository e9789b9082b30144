//! What is printed from the table of keys: README table, reference page, JSON schema for editors.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::intent::unknown::OURS;
use crate::intent::{KEYS, Key, On};
use crate::names::PREFIX;

const HEAD: &str = "\
# Labels and annotations

<!-- Printed from src/intent/keys.rs: edit there, then run the tests with STATEWARD_BLESS=1. -->

All keys begin with `stateward.dev/`. They stand in the `metadata` of a StatefulSet, never in its pod
template. Whoever prefers native fields writes those and needs no annotation: a field that you write
wins over everything here.

Every value is text, so numbers and `true` need quotation marks. Blanks around separators do not
matter. A value that is wrong, a key that nobody knows and two keys that contradict each other are
refused, all at once, with what to write instead. For completion and checks while typing, point your
editor at [annotations.schema.json](annotations.schema.json).

";

const TAIL: &str = "\
## Not together

- `storage: none` with `storage-class`, `access-mode` or `mount-path`
- `service: none` with `service-ports`
- `gateway` with `ingress-class`, `ingress-tls-secret` or `ingress-cluster-issuer`
- `gateway` or any other `ingress-*` without `ingress-host`
- `ingress-cluster-issuer` with `ingress-tls-secret`
- two volumes with one path, `mount-path` included

";

/// The table of all keys, for the README.
#[must_use]
pub fn markdown_table() -> String {
    let mut table = "| key | example | effect |\n| --- | --- | --- |\n".to_owned();
    for key in KEYS {
        let on = if key.on == On::Label { "label " } else { "" };
        let _ = writeln!(table, "| {on}`{}` | `{}` | {} |", key.name, written(key), key.effect);
    }
    table
}

/// The reference page, `docs/annotations.md`.
#[must_use]
pub fn markdown_page() -> String {
    let mut page = format!("{HEAD}{}\n", markdown_table());
    for (title, on) in [("Labels", On::Label), ("Annotations", On::Annotation)] {
        let _ = writeln!(page, "## {title}\n");
        for key in KEYS.iter().filter(|key| key.on == on) {
            section(&mut page, key);
        }
    }
    page.push_str(TAIL);
    page.push_str("## Written by stateward\n\n");
    for (full, on, what) in OURS {
        let _ = writeln!(page, "- {} `{full}`: {what}", on.word());
    }
    page
}

/// A JSON schema (draft 7, which editors know best) for the metadata of a StatefulSet. Keys under
/// our prefix that are not in the table are refused; everything else is let be.
#[must_use]
pub fn json_schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "StatefulSet with stateward.dev labels and annotations",
        "type": "object",
        "properties": {
            "metadata": {
                "type": "object",
                "properties": {
                    "labels": keys_schema(On::Label),
                    "annotations": keys_schema(On::Annotation),
                },
            },
        },
    })
}

fn section(page: &mut String, key: &Key) {
    let Key { name, on: _, example: _, grammar, effect, native, pattern: _, read: _ } = key;
    let example = name.replace("<name>", "wal");
    let _ = writeln!(
        page,
        "### `{name}`\n\n{effect}\n\n```yaml\n{PREFIX}{example}: {}\n```\n\n- Write {grammar}.\n- Natively: \
         {}.\n",
        written(key),
        native_words(native),
    );
}

/// As it stands in YAML.
fn written(key: &Key) -> String {
    match key.example {
        "true" => format!("{:?}", key.example),
        example => example.to_owned(),
    }
}

fn native_words(native: &str) -> String {
    match native {
        "none" => "there is no such field".to_owned(),
        path if !path.contains(' ') => format!("`{path}`"),
        words => words
            .split(' ')
            .map(|word| if word.contains('.') { format!("`{word}`") } else { word.to_owned() })
            .collect::<Vec<_>>()
            .join(" "),
    }
}

fn keys_schema(on: On) -> Value {
    let (mut properties, mut patterns) = (Map::new(), Map::new());
    for key in KEYS.iter().filter(|key| key.on == on) {
        let schema = json!({
            "type": "string",
            "description": format!("{} Write {}.", key.effect, key.grammar),
            "examples": [key.example],
            "pattern": key.pattern,
        });
        match key.name.split_once('<') {
            Some((head, _)) => patterns.insert(named(head), schema),
            None => properties.insert(key.full(), schema),
        };
    }
    for (full, _, what) in OURS.iter().filter(|(_, of, _)| *of == on) {
        properties.insert((*full).to_owned(), json!({"type": "string", "description": what}));
    }
    let mut names = vec![
        json!({"not": {"pattern": format!("^{}", escaped(PREFIX))}}),
        json!({"enum": properties.keys().collect::<Vec<_>>()}),
    ];
    names.extend(patterns.keys().map(|pattern| json!({"pattern": pattern})));
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": patterns,
        "propertyNames": {"anyOf": names},
    })
}

/// The pattern of `volume.<name>`.
fn named(head: &str) -> String {
    format!("^{}[a-z0-9]([-a-z0-9]{{0,61}}[a-z0-9])?$", escaped(&format!("{PREFIX}{head}")))
}

fn escaped(text: &str) -> String {
    text.replace('.', "\\.")
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::LazyLock;
    use std::{env, fs};

    use jsonschema::Validator;
    use proptest::prelude::*;

    use super::*;
    use crate::fault::Reason;
    use crate::intent::Intent;
    use crate::intent::testing::{good, intent};

    const BEGIN: &str = "<!-- annotations:begin -->";
    const END: &str = "<!-- annotations:end -->";

    /// Compares a committed file with what the code prints; writes it with `STATEWARD_BLESS=1`.
    fn committed(file: &str, printed: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        if env::var_os("STATEWARD_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, printed).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == printed, "{file} is stale: run the tests with STATEWARD_BLESS=1");
    }

    #[test]
    fn the_page_is_as_printed() {
        committed("docs/annotations.md", &markdown_page());
    }

    #[test]
    fn the_schema_is_as_printed() {
        let schema = serde_json::to_string_pretty(&json_schema()).unwrap();
        committed("docs/annotations.schema.json", &format!("{schema}\n"));
    }

    #[test]
    fn the_readme_has_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let Ok(readme) = fs::read_to_string(path) else {
            return;
        };
        let (head, rest) = readme.split_once(BEGIN).unwrap_or_else(|| panic!("README.md lacks {BEGIN}"));
        let (_, tail) = rest.split_once(END).unwrap_or_else(|| panic!("README.md lacks {END}"));
        committed("README.md", &format!("{head}{BEGIN}\n\n{}\n{END}{tail}", markdown_table()));
    }

    #[test]
    fn every_example_is_accepted() {
        for key in KEYS {
            good(&key.name.replace("<name>", "wal"), &[key.example]);
        }
    }

    #[test]
    fn every_key_says_something() {
        let host = [("ingress-host", "a.example.com")];
        for key in KEYS.iter().filter(|key| key.on == On::Annotation) {
            let name = key.name.replace("<name>", "wal");
            let said = [host[0], (name.as_str(), key.example)];
            assert_ne!(intent(&said).0, intent(&host).0, "{name}");
        }
        let label = json!({"stateward.dev/profile": "a"});
        assert_ne!(Intent::parse(Some(&label), None).0, Intent::default());
    }

    #[test]
    fn no_key_stands_twice_and_no_cell_breaks_the_table() {
        for (index, key) in KEYS.iter().enumerate() {
            assert!(KEYS[index + 1..].iter().all(|other| other.name != key.name), "{}", key.name);
            for cell in [key.example, key.effect] {
                assert!(!cell.contains(['|', '\n']), "{cell}");
            }
            assert!(key.effect.ends_with('.') && !key.grammar.ends_with('.'), "{}", key.name);
        }
    }

    #[test]
    fn the_schema_refuses_what_is_unknown_and_lets_others_be() {
        let schema = jsonschema::draft7::new(&json_schema()).unwrap();
        let set = |labels: Value, annotations: Value| {
            schema.is_valid(&json!({"metadata": {"labels": labels, "annotations": annotations}, "spec": {}}))
        };
        let examples: Map<_, _> = KEYS
            .iter()
            .filter(|key| key.on == On::Annotation)
            .map(|key| (key.full().replace("<name>", "wal"), json!(key.example)))
            .collect();
        assert!(set(json!({"stateward.dev/managed": "true", "app": "x"}), Value::Object(examples)));
        assert!(set(json!({}), json!({"stateward.dev/expansion": "{}", "stateward-dev/x": "y"})));
        assert!(!set(json!({"stateward.dev/storage": "1Gi"}), json!({})));
        assert!(!set(json!({}), json!({"stateward.dev/managed": "true"})));
        assert!(!set(json!({}), json!({"stateward.dev/storge": "1Gi"})));
        assert!(!set(json!({}), json!({"stateward.dev/volume.A": "1Gi,path=/a"})));
        assert!(!set(json!({}), json!({"stateward.dev/storage": "10GB"})));
        assert!(!set(json!({}), json!({"stateward.dev/storage": 20})));
    }

    proptest! {
        /// Editors never complain about what we accept: each example with a few letters put in.
        #[test]
        fn patterns_match_whatever_is_accepted(
            index in 0..KEYS.len(),
            slips in prop::collection::vec((any::<prop::sample::Index>(), "[ ,;:=/.%+0-9a-zA-Z*_'-]"), 0..4),
        ) {
            static PATTERNS: LazyLock<Vec<Validator>> = LazyLock::new(|| {
                let pattern = |key: &Key| jsonschema::draft7::new(&json!({"pattern": key.pattern})).unwrap();
                KEYS.iter().map(pattern).collect()
            });
            let key = &KEYS[index];
            let mut text = key.example.to_owned();
            for (at, letter) in &slips {
                text.insert_str(at.index(text.len() + 1), letter);
            }
            let name = key.name.replace("<name>", "wal");
            let said = [("ingress-host", "a.example.com"), (name.as_str(), text.as_str())];
            let full = format!("{PREFIX}{name}");
            let (_, faults) = intent(&said);
            let refused = faults.iter().any(|f| f.field == full && f.reason != Reason::Contradiction);
            prop_assert!(refused || PATTERNS[index].is_valid(&json!(text)), "{} {:?}", key.name, text);
        }
    }
}
