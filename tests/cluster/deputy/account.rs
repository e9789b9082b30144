//! An account that may write StatefulSets alone, and what others have beside it.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Manifest, Said, Space, cluster, run, wait_for};

/// A namespace with an account that may write StatefulSets and read pods, and nothing else.
pub(super) struct Deputy {
    pub(super) space: Space,
    identity: String,
}

impl Deputy {
    pub(super) fn new(test: &str) -> Self {
        let space = Space::new(test);
        for object in [
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deputy"}}),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "deputy"},
                "rules": [
                    {"apiGroups": ["apps"], "resources": ["statefulsets", "statefulsets/scale"], "verbs": ["*"]},
                    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
                ],
            }),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": "deputy"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "deputy"},
                "subjects": [{"kind": "ServiceAccount", "name": "deputy", "namespace": space.name}],
            }),
        ] {
            space.as_admin("create", &object);
        }
        let identity = format!("deputy-{}", space.name);
        let arguments = ["--namespace", &space.name, "create", "token", "deputy"];
        let token = run("kubectl", "admin", &arguments, "", &[]).ok().stdout;
        let of_admin = fs::read_to_string(cluster().kubeconfig("admin")).unwrap();
        let line = of_admin.lines().find(|line| line.trim_start().starts_with("token:")).unwrap();
        let own = of_admin.replace(line, &format!("      token: {}", token.trim()));
        fs::write(cluster().kubeconfig(&identity), own).unwrap();
        Self { space, identity }
    }

    /// `kubectl` as the account.
    pub(super) fn kubectl(&self, arguments: &[&str], stdin: &str) -> Said {
        let all = [&["--namespace", &self.space.name], arguments].concat();
        run("kubectl", &self.identity, &all, stdin, &[])
    }

    pub(super) fn apply(&self, manifest: &Manifest) -> Said {
        self.kubectl(&["apply", "-f", "-"], &manifest.text())
    }

    /// Makes a set as the account does.
    pub(super) fn make(&self, manifest: &Manifest) {
        let _ = self.apply(manifest).ok();
    }

    /// Waits until the set's Events say this.
    pub(super) fn told(&self, set: &str, words: &str) {
        wait_for(&format!("{set} to be told {words:?}"), || {
            let said = self.space.kubectl(&["events", &format!("--for=statefulset/{set}")]).ok();
            said.stdout.contains(words).then_some(()).ok_or(said.stdout)
        });
    }

    /// Waits until an object is there.
    pub(super) fn wait(&self, kind: (&str, &str), name: &str) -> Value {
        wait_for(&format!("{} {name}", kind.1), || self.find(kind, name).ok_or_else(|| "absent".to_owned()))
    }

    pub(super) fn find(&self, (api, resource): (&str, &str), name: &str) -> Option<Value> {
        self.space.list(api, resource).into_iter().find(|object| object["metadata"]["name"] == name)
    }

    /// Waits until the controller has looked at the set some times more: what it has not done then, it
    /// does not do.
    pub(super) fn wait_looks(&self, set: &str) {
        cluster().controller.wait_looks(&self.space.name, set);
    }

    /// Somebody else's objects in the namespace; gives them as they are stored.
    pub(super) fn theirs(&self, objects: &[Value]) -> Vec<Value> {
        for object in objects {
            self.space.as_admin("create", object);
        }
        self.reread(objects)
    }

    pub(super) fn reread(&self, objects: &[Value]) -> Vec<Value> {
        let read = |object: &Value| {
            let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
            let path = ["--namespace", &self.space.name, "get", kind, name, "-o", "json"];
            let said = run("kubectl", "admin", &path, "", &[]).ok();
            let mut stored: Value = serde_json::from_str(&said.stdout).unwrap();
            // Kubernetes' own controllers fill it in.
            stored["status"].take();
            for volatile in ["resourceVersion", "managedFields"] {
                stored["metadata"][volatile].take();
            }
            stored
        };
        objects.iter().map(read).collect()
    }
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn service(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
}

pub(super) fn ingress(name: &str, host: &str) -> Value {
    let backend = json!({"service": {"name": "theirs", "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
        "spec": {"rules": [{"host": host, "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": backend}]}}]},
    })
}

pub(super) fn secret(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "stringData": {"POSTGRES_PASSWORD": "theirs"},
    })
}

pub(super) fn budget(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"maxUnavailable": 2, "selector": {"matchLabels": labels}},
    })
}

pub(super) fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
        "spec": {"podSelector": {}},
    })
}
