//! Short hashes of JSON values that do not depend on how the value was written down.

use std::fmt::Write;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

/// `value` as JSON with sorted keys and without nulls: the API server writes fields in another
/// order than we do, and servers up to 1.33 write `creationTimestamp: null`.
#[must_use]
pub fn canonical(value: &Value) -> String {
    // As long as most leaves are at most: to grow takes longer than to write.
    let mut text = String::with_capacity(64);
    write(value, &mut text);
    text
}

/// Whether two values are the same but for nulls in their maps: whether [`canonical`] writes them
/// alike.
#[must_use]
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => same_fields(one, other, &[]),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        _ => one == other,
    }
}

/// Whether two maps are the same but for nulls, the fields `but` left aside.
#[must_use]
pub fn same_fields(one: &Map<String, Value>, other: &Map<String, Value>, but: &[&str]) -> bool {
    let counts = |(field, value): &(&String, &Value)| !value.is_null() && !but.contains(&field.as_str());
    let (mut one, mut other) = (one.iter().filter(counts), other.iter().filter(counts));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some((field, value)), Some((beside, against))) if field == beside && same(value, against) => {}
            _ => return false,
        }
    }
}

/// Thirty-two bits: enough to see that a leaf was edited. Nobody is kept out by it: a forged record
/// gains nothing.
#[must_use]
pub fn leaf(value: &Value) -> u32 {
    let hash = xxh3_64(canonical(value).as_bytes()) >> 32;
    u32::try_from(hash).unwrap_or_default()
}

/// Sixteen hex digits: tells one pod template from another.
#[must_use]
pub fn template(value: &Value) -> String {
    format!("{:016x}", xxh3_64(canonical(value).as_bytes()))
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            text.push('{');
            // Sorted: the map is.
            for (index, (key, value)) in map.iter().filter(|(_, value)| !value.is_null()).enumerate() {
                if index > 0 {
                    text.push(',');
                }
                string(key, text);
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::String(value) => string(value, text),
        // Writing to a String cannot fail.
        scalar => _ = write!(text, "{scalar}"),
    }
}

/// Writes a JSON string: escaped, so that no two values are written alike.
pub fn string(value: &str, text: &mut String) {
    if value.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        _ = write!(text, "{}", Value::from(value));
    } else {
        text.push('"');
        text.push_str(value);
        text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_and_nulls_do_not_count() {
        let written = json!({"b": [1, {"d": null, "c": "x"}], "a": null});
        let stored = json!({"b": [1, {"c": "x"}]});
        assert_eq!(leaf(&written), leaf(&stored));
        assert_eq!(canonical(&written), r#"{"b":[1,{"c":"x"}]}"#);
        assert!(same(&written, &stored) && !same(&json!({"a": 1}), &json!({"a": 1, "b": 2})));
    }

    #[test]
    fn values_that_differ_are_told_apart() {
        assert_ne!(canonical(&json!({"a": "x\",\"b\":\"y"})), canonical(&json!({"a": "x", "b": "y"})));
        assert_ne!(leaf(&json!(1)), leaf(&json!("1")));
    }

    #[test]
    fn fractions_are_read_as_they_were_written() {
        let text = "[3.333333333333333e+39,0.1]";
        let number: Value = serde_json::from_str(text).unwrap();
        assert_eq!(canonical(&number), text);
    }
}
