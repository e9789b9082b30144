//! Cuts a file into documents by text alone, as kubectl does, so that what we do not touch can be
//! written back byte for byte.

use std::ops::Range;

/// Where one document stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// All of it: the `---` line in front, if there is one, and comments included.
    pub whole: Range<usize>,
    /// What the YAML reader is given: without the `---` line.
    pub body: Range<usize>,
}

/// The documents of a YAML stream, the empty ones too: they may hold comments.
#[must_use]
pub fn yaml(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut whole = 0;
    let mut body = 0;
    let mut directives = true;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if is_separator(line) {
            // `%YAML` stands in front of the separator of its own document.
            if at > whole && !directives {
                pieces.push(Piece { whole: whole..at, body: body..at });
                whole = at;
            }
            body = if line[3..].trim().is_empty() || line[3..].trim_start().starts_with('#') {
                at + line.len()
            } else {
                at + 3
            };
            directives = false;
        } else if !line.trim_start_matches('\u{feff}').starts_with('%') {
            directives = false;
        }
        at += line.len();
    }
    if at > whole {
        pieces.push(Piece { whole: whole..at, body: body..at });
    }
    pieces
}

/// The values of a JSON stream; `None` if the text is none.
#[must_use]
pub fn json(text: &str) -> Option<Vec<Piece>> {
    let start = text.len() - text.trim_start_matches('\u{feff}').trim_start().len();
    if !text[start..].starts_with('{') {
        return None;
    }
    let mut pieces = Vec::new();
    let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<serde::de::IgnoredAny>();
    let mut from = 0;
    while let Some(value) = values.next() {
        value.ok()?;
        let to = start + values.byte_offset();
        let gap = text[from..to].len() - text[from..to].trim_start_matches('\u{feff}').trim_start().len();
        pieces.push(Piece { whole: from..to, body: from + gap..to });
        from = to;
    }
    if let Some(last) = pieces.last_mut() {
        last.whole.end = text.len();
    }
    Some(pieces)
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(text: &str) -> Vec<&str> {
        yaml(text).into_iter().map(|p| &text[p.body]).collect()
    }

    #[test]
    fn pieces_make_up_the_whole_file() {
        for text in [
            "",
            "a: 1",
            "---\na: 1\n---\n# none\n---\nb: 2\n",
            "# x\r\n---\r\na: 1\r\n--- # y\r\n",
            "---\n---\n",
        ] {
            let joined: String = yaml(text).into_iter().map(|p| &text[p.whole]).collect();
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn separators_need_a_line_of_their_own() {
        assert_eq!(bodies("a: |\n  ---\nb: ---x\n"), ["a: |\n  ---\nb: ---x\n"]);
        assert_eq!(bodies("---\na: 1\n---\nb: 2"), ["a: 1\n", "b: 2"]);
        assert_eq!(bodies("--- {a: 1}\n"), [" {a: 1}\n"]);
        assert_eq!(bodies("%YAML 1.1\n---\na: 1\n"), ["a: 1\n"]);
    }

    #[test]
    fn json_values_are_told_apart() {
        let text = "{\"a\":1}\n{\"b\":2}\n";
        let bodies: Vec<_> = json(text).unwrap().into_iter().map(|p| &text[p.body]).collect();
        assert_eq!(bodies, ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(json("{{ .Values.x }}"), None);
    }
}
