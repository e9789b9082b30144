use serde_json::json;

use super::*;

#[test]
fn items_are_found_by_key_wherever_they_stand() {
    let object = json!({"ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]});
    let key = list_key("ports").unwrap().of(&object["ports"][1]).unwrap();
    let path = Path::fields(&["ports"]).item(key);
    assert_eq!(path.to_string(), r#"ports[containerPort=53,protocol="TCP"]"#);
    assert_eq!(path.lookup(&object), Some(&object["ports"][1]));
}

#[test]
fn paths_are_followed_together_as_one_by_one() {
    let object = json!({"a": {"b": [1], "c": null}, "env": [{"name": "X", "value": "1"}]});
    let env = Path::fields(&["env"]);
    let x = env.named("X");
    let paths = [
        Path::fields(&["a"]),
        Path::fields(&["a", "b"]),
        Path::fields(&["a", "c"]),
        Path::fields(&["a", "b", "c"]),
        Path::fields(&["d", "e"]),
        x.field("value"),
        x.clone(),
        env.named("Y").field("value"),
        Path::fields(&["a", "b"]),
        Path::default(),
    ];
    let paths: Vec<&Path> = paths.iter().collect();
    let one_by_one: Vec<_> = paths.iter().map(|path| path.lookup(&object)).collect();
    assert_eq!(lookup_all(&object, &paths), one_by_one);
    assert_eq!(one_by_one.iter().flatten().count(), 6);
}

#[test]
fn common_names_are_sorted() {
    assert!(COMMON.is_sorted());
}

#[test]
fn keys_of_labels_are_quoted() {
    let path = Path::fields(&["metadata", "labels", "app.kubernetes.io/name"]);
    assert_eq!(path.to_string(), r#"metadata.labels["app.kubernetes.io/name"]"#);
}

#[test]
fn null_counts_as_absent() {
    let object = json!({"spec": {"selector": null}});
    assert_eq!(Path::fields(&["spec", "selector"]).lookup(&object), None);
    assert_eq!(Path::fields(&["spec", "selector", "matchLabels"]).lookup(&object), None);
}
