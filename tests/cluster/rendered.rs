//! What `render --companions` prints is what the controller applies, to the last field.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::harness::{Client, Manifest, Space, app, cluster, postgres};

/// Objects by kind and name.
type Objects = BTreeMap<String, Value>;

/// The companions that `stateward render` prints of a manifest.
fn rendered(space: &Space, manifest: &Manifest) -> Objects {
    let labels = space.namespace()["metadata"]["labels"].clone();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": space.name, "labels": labels}});
    let input = format!("{namespace}\n---\n{}", manifest.text());
    let configuration = cluster().configuration.display().to_string();
    let arguments = ["render", "-f", "-", "-o", "json", "--companions", "--configuration", &configuration];
    let printed = space.stateward_with(&arguments, &input).ok().stdout;
    let list: Value = serde_json::from_str(&printed).unwrap();
    let others = list["items"].as_array().unwrap().iter();
    let companions = others.filter(|object| !["Namespace", "StatefulSet"].contains(&text(&object["kind"])));
    companions.map(|object| (key(object), object.clone())).collect()
}

/// Everything in the namespace that carries the label of a companion, of whatever kind: what
/// stateward applied of each. A Secret was created with its values, and is named alone.
fn applied(space: &Space) -> Objects {
    let kinds = space.kubectl(&["api-resources", "--namespaced", "--verbs=list", "-o", "name"]).ok().stdout;
    let readable = kinds.lines().filter(|kind| !kind.contains("localsubjectaccessreviews"));
    let kinds = readable.collect::<Vec<_>>().join(",");
    let arguments = ["get", &kinds, "-l", "stateward.dev/companion", "-o", "json", "--show-managed-fields"];
    let list: Value = serde_json::from_str(&space.as_admin_says(&arguments).ok().stdout).unwrap();
    // Kubernetes copies the labels of a Service to its endpoints.
    let copies = ["Endpoints", "EndpointSlice"];
    let objects = list["items"].as_array().unwrap().iter();
    let objects = objects.filter(|live| !copies.contains(&text(&live["kind"])));
    objects.map(|live| (key(live), if live["kind"] == "Secret" { Value::Null } else { ours(live) })).collect()
}

/// The fields that stateward applied, as the API server keeps them, without what ties the object to
/// this very set.
fn ours(live: &Value) -> Value {
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    let mut entries =
        entries.iter().filter(|entry| entry["manager"] == "stateward" && entry["operation"] == "Apply");
    let (entry, more) = (entries.next().expect("something applied"), entries.next());
    assert_eq!(more, None, "applied under two versions");
    let mut object = named_by(&entry["fieldsV1"], live);
    let metadata = object["metadata"].as_object_mut().unwrap();
    let owners = metadata.remove("ownerReferences").expect("an owner");
    assert_eq!(owners.as_array().unwrap().len(), 1);
    metadata.insert("name".to_owned(), live["metadata"]["name"].clone());
    object["apiVersion"] = live["apiVersion"].clone();
    object["kind"] = live["kind"].clone();
    object
}

/// The part of `live` that a tree of `FieldsV1` names: fields (`f:`), and items of lists and sets by
/// their keys (`k:`) or values (`v:`).
fn named_by(fields: &Value, live: &Value) -> Value {
    let below = fields.as_object().unwrap();
    let names: Vec<(&String, &Value)> = below.iter().filter(|(name, _)| *name != ".").collect();
    if names.is_empty() {
        return live.clone();
    }
    let Value::Array(items) = live else {
        let field = |(name, fields): &(&String, &Value)| {
            let name = name.strip_prefix("f:").unwrap();
            (name.to_owned(), named_by(fields, &live[name]))
        };
        return Value::Object(names.iter().map(field).collect::<Map<_, _>>());
    };
    let is_named = |name: &str, item: &Value| {
        let (how, what) = name.split_once(':').unwrap();
        let what: Value = serde_json::from_str(what).unwrap();
        match how {
            "k" => what.as_object().unwrap().iter().all(|(field, value)| item[field] == *value),
            _ => what == *item,
        }
    };
    let named = items.iter().filter_map(|item| {
        let (_, fields) = names.iter().find(|(name, _)| is_named(name, item))?;
        Some(named_by(fields, item))
    });
    named.collect()
}

fn key(object: &Value) -> String {
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Applies the manifest, lets the controller do what it does, and compares; `secret` is the one thing
/// that is made and not printed. Gives the names.
fn assert_same(space: &Space, manifest: &Manifest, secret: Option<&str>) -> Vec<String> {
    let _ = space.send(Client::ServerSide, manifest).ok();
    space.snapshot(manifest.name());
    cluster().controller.wait_looks(&space.name, manifest.name());
    let mut expected = rendered(space, manifest);
    for object in expected.values_mut() {
        assert!(object["metadata"]["ownerReferences"].is_null(), "there is no set yet");
    }
    expected.extend(secret.map(|name| (format!("Secret {name}"), Value::Null)));
    let found = applied(space);
    let names: Vec<String> = expected.keys().cloned().collect();
    assert_eq!(names, found.keys().cloned().collect::<Vec<_>>(), "{}", manifest.text());
    for (name, object) in &found {
        assert_eq!(expected[name], *object, "{name} of {}", manifest.text());
    }
    names
}

#[test]
fn ten_lines() {
    let space = Space::new("rendered-ten-lines");
    let names = assert_same(&space, &postgres("db"), Some("db-generated"));
    assert_eq!(names, ["Secret db-generated", "Service db", "Service db-headless"]);
}

#[test]
fn three_replicas_with_a_service_name_of_ones_own() {
    let space = Space::new("rendered-three");
    let set = postgres("db")
        .replicas(3)
        .annotate("acknowledge", "no-password,separate-replicas")
        .unannotate("generate-secret")
        .set("/spec/serviceName", json!("peers"));
    let names = assert_same(&space, &set, None);
    assert_eq!(names, ["PodDisruptionBudget db", "Service db", "Service peers"]);
}

#[test]
fn a_load_balancer_an_ingress_and_mapped_ports() {
    let space = Space::new("rendered-outside");
    let set = app("web")
        .annotate("service", "balanced")
        .annotate("service-ports", "80:http")
        .annotate("ingress-host", "web-rendered.example.com")
        .annotate("ingress-path", "/api");
    let names = assert_same(&space, &set, None);
    assert_eq!(names, ["Ingress web", "Service web", "Service web-headless"]);
    // What goes is gone, and what changes is changed as printed.
    let set = set.unannotate("ingress-host").unannotate("ingress-path").annotate("service-ports", "81:http");
    assert_eq!(assert_same(&space, &set, None), ["Service web", "Service web-headless"]);
}

#[test]
fn a_class_that_is_granted_by_the_label_of_the_namespace() {
    let space = Space::labelled("rendered-edge", &[("example.com/team", "edge")]);
    let set =
        app("web").annotate("service", "edge").annotate("disruption-budget", "min-available=50%").replicas(4);
    let names = assert_same(&space, &set, None);
    assert_eq!(names, ["PodDisruptionBudget web", "Service web", "Service web-headless"]);
    let expected = rendered(&space, &set);
    assert_eq!(expected["Service web"]["spec"]["type"], "LoadBalancer");
}
