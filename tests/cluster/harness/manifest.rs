//! Manifests as a user writes them, and small changes to them.

use serde_json::{Value, json};

/// A manifest in somebody's folder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest(Value);

/// The main container of [`postgres`] and [`app`].
pub(crate) const MAIN: &str = "/spec/template/spec/containers/0";

/// The ten lines of PostgreSQL.
pub(crate) fn postgres(name: &str) -> Manifest {
    Manifest::yaml(
        r#"
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: NAME
  labels: {stateward.dev/managed: "true"}
  annotations: {stateward.dev/storage: 20Gi, stateward.dev/generate-secret: POSTGRES_PASSWORD}
spec:
  template:
    spec:
      containers:
      - {name: postgres, image: "postgres:18"}
"#,
    )
    .named(name)
}

/// An image that no profile knows, with a port and without data.
pub(crate) fn app(name: &str) -> Manifest {
    Manifest::yaml(
        r#"
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: NAME
  labels: {stateward.dev/managed: "true"}
spec:
  template:
    spec:
      containers:
      - name: app
        image: example.com/app:1
        ports: [{name: http, containerPort: 8080}]
"#,
    )
    .named(name)
}

impl Manifest {
    /// One document, as kubectl would read it.
    pub(crate) fn yaml(text: &str) -> Self {
        Self(serde_saphyr::from_str(text).expect("a manifest"))
    }

    /// The same under another name.
    pub(crate) fn named(self, name: &str) -> Self {
        self.set("/metadata/name", json!(name))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// With `value` at a JSON pointer; maps on the way are made.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Self {
        let mut place = &mut self.0;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            place = match step.parse::<usize>() {
                Ok(index) if place.is_array() => &mut place[index],
                _ => &mut place[step],
            };
        }
        *place = value;
        self
    }

    /// Without what is at a JSON pointer.
    pub(crate) fn without(mut self, pointer: &str) -> Self {
        let (parent, last) = pointer.rsplit_once('/').expect("a pointer");
        let last = last.replace("~1", "/").replace("~0", "~");
        match self.0.pointer_mut(parent) {
            Some(Value::Object(map)) => {
                map.remove(&last);
            }
            Some(Value::Array(list)) => {
                list.remove(last.parse().expect("an index"));
            }
            _ => {}
        }
        self
    }

    /// With something in the main container.
    pub(crate) fn main(self, field: &str, value: Value) -> Self {
        self.set(&format!("{MAIN}/{field}"), value)
    }

    /// With a `stateward.dev/` annotation.
    pub(crate) fn annotate(self, key: &str, value: &str) -> Self {
        self.set(&format!("/metadata/annotations/stateward.dev~1{key}"), json!(value))
    }

    /// Without a `stateward.dev/` annotation.
    pub(crate) fn unannotate(self, key: &str) -> Self {
        self.without(&format!("/metadata/annotations/stateward.dev~1{key}"))
    }

    /// With so many replicas, each for itself.
    pub(crate) fn replicas(self, count: i64) -> Self {
        let separate = count > 1 && self.0["metadata"]["labels"]["stateward.dev/managed"] == "true";
        let set = self.set("/spec/replicas", json!(count));
        if separate { set.annotate("acknowledge", "separate-replicas") } else { set }
    }

    /// The text that is sent.
    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }
}

impl From<Value> for Manifest {
    fn from(value: Value) -> Self {
        Self(value)
    }
}
