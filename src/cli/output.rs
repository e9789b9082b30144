//! What goes to standard output: YAML and JSON that every reader reads the same.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

/// `-o` of the commands that print objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Documents separated by `---`.
    #[default]
    Yaml,
    /// One object, or a List of them.
    Json,
}

/// An object cannot be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("failed to write YAML")]
pub struct OutputError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// `value` as a YAML document, fields sorted as kubectl prints them, that a reader of YAML 1.1 and one of 1.2
/// read the same: `"0644"`, `"yes"`, `"1:30"` and `"~"` are quoted, whole numbers have no point.
pub fn yaml(value: &Value) -> Result<String, OutputError> {
    let options = serde_saphyr::ser_options! { min_fold_chars: usize::MAX, folded_wrap_chars: usize::MAX };
    let text = serde_saphyr::to_string_with_options(&Plain(value), options)
        .map_err(|error| OutputError(Box::new(error)))?;
    Ok(if text.ends_with('\n') { text } else { text + "\n" })
}

/// `value` as indented JSON, with a line end.
#[must_use]
pub fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The objects as JSON: alone, or in a List if there are more.
#[must_use]
pub fn json_list(mut objects: Vec<Value>) -> String {
    match objects.len() {
        0 => String::new(),
        1 => json(&objects.remove(0)),
        _ => json(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects})),
    }
}

/// Writes whole numbers as integers, which `serde_json` does not.
struct Plain<'v>(&'v Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&Plain(item))?;
                }
                seq.end()
            }
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key, &Plain(value))?;
                }
                map.end()
            }
            Value::Number(number) => match number.as_f64() {
                // Below 2^53 every whole number is exact.
                Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9.0e15 => {
                    match format!("{float:.0}").parse::<i64>() {
                        Ok(integer) => serializer.serialize_i64(integer),
                        Err(_) => number.serialize(serializer),
                    }
                }
                _ => number.serialize(serializer),
            },
            scalar => scalar.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::input::tree;

    #[test]
    fn strings_that_look_like_something_else_are_quoted() {
        for text in [
            "0644",
            "012",
            "yes",
            "on",
            "n",
            "y",
            "Off",
            "1:30",
            "~",
            "null",
            "",
            "1e3",
            "1_000",
            "0x1F",
            "0b1",
            ".inf",
            "2001-01-01",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "|",
            ">",
            "'",
            "\"",
            " a",
            "a ",
            "true",
            "-",
            "?",
            "=",
            "<<",
            "---",
            "...",
        ] {
            let written = yaml(&json!({"a": text})).unwrap();
            assert!(written.starts_with("a: \"") || written.starts_with("a: '"), "{text:?}: {written}");
            assert_eq!(tree::read(&written).unwrap().0, json!({"a": text}), "{written}");
        }
    }

    #[test]
    fn plain_words_stay_plain() {
        for text in [
            "postgres:17.5",
            "20Gi",
            "$(POD_NAME)",
            "exec:pg_isready -h 127.0.0.1",
            "500m",
            "app.kubernetes.io/name",
        ] {
            assert_eq!(yaml(&json!({"a": text})).unwrap(), format!("a: {text}\n"));
        }
    }

    #[test]
    fn long_lines_are_not_folded_and_lines_are_kept() {
        let long = "word ".repeat(60) + "end";
        for text in
            [long.as_str(), "one\ntwo\n", "one\ntwo", "one\n\n", "  led\nby\n", "tab\there\n", "a\r\nb\n"]
        {
            let written = yaml(&json!({"a": {"b": [text]}})).unwrap();
            assert_eq!(tree::read(&written).unwrap().0, json!({"a": {"b": [text]}}), "{written}");
            assert!(text != long || written.lines().count() == 3, "{written}");
        }
    }

    #[test]
    fn keys_are_sorted_and_numbers_keep_their_kind() {
        let value = json!({"z": 1.0, "a": 0.5, "m": {"empty": {}, "none": [], "yes": null}, "big": 9_007_199_254_740_993_i64});
        let written = yaml(&value).unwrap();
        assert_eq!(
            written,
            "a: 0.5\nbig: 9007199254740993\nm:\n  empty: {}\n  none: []\n  \"yes\": null\nz: 1\n"
        );
    }

    #[test]
    fn several_objects_become_a_list() {
        assert_eq!(json_list(vec![json!({"a": 1})]), "{\n  \"a\": 1\n}\n");
        assert!(json_list(vec![json!({}), json!({})]).contains("\"kind\": \"List\""));
    }
}
