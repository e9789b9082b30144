use std::fmt::Write;

use serde_json::json;

use super::*;

fn value(text: &str) -> Value {
    read(text).unwrap().0
}

/// Measured with kubectl 1.32.
#[test]
fn scalars_are_what_kubectl_makes_of_them() {
    for (yaml, expected) in [
        ("0644", json!(420)),
        ("-0644", json!(-420)),
        ("012", json!(10)),
        ("089", json!(89)),
        ("0o644", json!(420)),
        ("yes", json!(true)),
        ("on", json!(true)),
        ("y", json!(true)),
        ("n", json!(false)),
        ("Off", json!(false)),
        ("1_000", json!(1000)),
        ("0x1F", json!(31)),
        ("0b11", json!(3)),
        ("1e3", json!(1000)),
        ("1.0", json!(1)),
        ("0.5", json!(0.5)),
        ("2001-01-01", json!("2001-01-01")),
        ("1:30", json!("1:30")),
        ("~", json!(null)),
        ("null", json!(null)),
        ("", json!(null)),
        ("\"0644\"", json!("0644")),
        ("!!str 123", json!("123")),
        ("!!int \"3\"", json!(3)),
        ("v1.2.3", json!("v1.2.3")),
        ("1.2.3", json!("1.2.3")),
        ("9007199254740993", json!(9_007_199_254_740_993_i64)),
    ] {
        assert_eq!(value(&format!("a: {yaml}\n"))["a"], expected, "{yaml}");
    }
}

#[test]
fn keys_become_text() {
    assert_eq!(value("1: a\nyes: b\n1.5: c\n"), json!({"1": "a", "true": "b", "1.5": "c"}));
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let text = "base: &b {p: 1, q: 2}\nother:\n  <<: *b\n  q: 3\nsame: *b\n";
    assert_eq!(
        value(text),
        json!({"base": {"p": 1, "q": 2}, "other": {"p": 1, "q": 3}, "same": {"p": 1, "q": 2}})
    );
}

#[test]
fn marks_and_line_ends_of_windows_are_read() {
    assert_eq!(value("\u{feff}a: 1\r\nb: two\r\n"), json!({"a": 1, "b": "two"}));
    assert_eq!(value("# nothing\n"), json!(null));
    assert_eq!(value("a: 1\n...\n"), json!({"a": 1}));
}

#[test]
fn what_is_no_yaml_is_an_error_at_its_place() {
    for (text, at, word) in [
        ("a: 1\nb: 2\na: 3\n", 10, "duplicate"),
        ("a:\n\tb: 1\n", 3, "tab"),
        ("a: .inf\n", 3, "finite"),
        ("a: {{ .Values.x }}\n", 3, ""),
        ("{a: 1}: b\n", 0, ""),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.problem.to_lowercase().contains(word), "{text:?}: {}", error.problem);
        assert!(error.at >= at, "{text:?}: {} at {}", error.problem, error.at);
    }
}

#[test]
fn bombs_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = [format!("*a{}", level - 1).as_str(); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    assert!(read(&bomb).is_err());
    assert!(read(&format!("a: {}", "[".repeat(20_000))).is_err());
}

fn found<'t>(text: &'t str, field: &str) -> &'t str {
    &text[read(text).unwrap().1.find(field)]
}

#[test]
fn fields_are_found_by_key_and_by_position() {
    let text = "kind: StatefulSet\nspec:\n  template:\n    spec:\n      containers:\n      - name: app\n        image: 'postgres:17'\n        ports:\n        - containerPort: 53\n";
    let containers = "spec.template.spec.containers";
    assert_eq!(found(text, &format!("{containers}[name=\"app\"].image")), "'postgres:17'");
    assert_eq!(found(text, &format!("{containers}[0].image")), "'postgres:17'");
    assert_eq!(
        found(
            text,
            &format!("{containers}[name=\"app\"].ports[containerPort=53,protocol=\"TCP\"].containerPort")
        ),
        "53"
    );
    assert_eq!(found(text, containers), "containers");
}

#[test]
fn keys_of_labels_and_annotations_are_found_alone() {
    let text = "kind: X\nmetadata:\n  annotations:\n    stateward.dev/storage: a lot\n    stateward.dev/volume.wal: \"1\"\n";
    assert_eq!(found(text, "stateward.dev/storage"), "a lot");
    assert_eq!(found(text, "stateward.dev/volume.wal"), "\"1\"");
    assert_eq!(found(text, "metadata.annotations[\"stateward.dev/storage\"]"), "a lot");
    assert_eq!(found(text, "stateward.dev/size"), "annotations");
}

#[test]
fn what_is_missing_is_shown_at_the_nearest_field() {
    let text = "kind: StatefulSet\nmetadata:\n  name: x\nspec:\n  replicas: 3\n";
    assert_eq!(found(text, "spec.template.spec.containers[name=\"app\"].image"), "spec");
    assert_eq!(found(text, "status.replicas"), "StatefulSet");
    assert_eq!(found(text, "stateward.dev/storage"), "metadata");
}

#[test]
fn json_is_read_as_yaml_is() {
    let text = "{\"a\": {\"b\": 1.0, \"c\": \"x\\/y\"}}";
    assert_eq!(value(text), json!({"a": {"b": 1, "c": "x/y"}}));
    assert_eq!(found(text, "a.c"), "\"x\\/y\"");
}
