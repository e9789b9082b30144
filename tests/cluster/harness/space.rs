//! A namespace of one test's own, and what is done in it.

use std::sync::atomic::{AtomicUsize, Ordering};

use kube::api::{GetParams, ListParams};
use kube::core::Request;
use serde_json::{Value, json};

use super::audit::assert_no_right_was_missing;
use super::kubectl::run;
use super::{Client, Manifest, Said, Snapshot, block_on, cluster, wait_for};

/// A namespace; it goes with this value.
pub(crate) struct Space {
    /// Its name.
    pub(crate) name: String,
}

impl Space {
    /// A namespace named for the test.
    pub(crate) fn new(test: &str) -> Self {
        Self::labelled(test, &[])
    }

    /// A namespace with labels.
    pub(crate) fn labelled(test: &str, labels: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{test}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
        });
        let _ = run("kubectl", "developer", &["create", "-f", "-"], &namespace.to_string(), &[]).ok();
        Self { name }
    }

    /// `kubectl`, in this namespace, as a person who deploys applications.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Said {
        self.kubectl_with(arguments, "")
    }

    /// `kubectl` with something on stdin.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], stdin: &str) -> Said {
        let all = [&["--namespace", &self.name], arguments].concat();
        run("kubectl", "developer", &all, stdin, &[])
    }

    /// `kubectl VERB -f` of an object, as who administers the cluster.
    pub(crate) fn as_admin(&self, verb: &str, object: &Value) {
        let arguments = ["--namespace", &self.name, verb, "-f", "-"];
        let _ = run("kubectl", "admin", &arguments, &object.to_string(), &[]).ok();
    }

    /// `kubectl`, in this namespace, as who administers the cluster.
    pub(crate) fn as_admin_says(&self, arguments: &[&str]) -> Said {
        self.as_admin_with(arguments, "")
    }

    /// The same with something on stdin.
    pub(crate) fn as_admin_with(&self, arguments: &[&str], stdin: &str) -> Said {
        run("kubectl", "admin", &[&["--namespace", &self.name], arguments].concat(), stdin, &[])
    }

    /// `kubectl drain`, for one pod of this namespace alone: the nodes are everybody's. The node takes
    /// pods again afterwards.
    pub(crate) fn drain(&self, pod: &str, seconds: u32) -> Said {
        let pods = self.list("/api/v1", "pods");
        let found = pods.iter().find(|one| one["metadata"]["name"] == pod).expect("the pod");
        let node = found["spec"]["nodeName"].as_str().expect("its node");
        let (selector, timeout) =
            (format!("statefulset.kubernetes.io/pod-name={pod},{}", self.own()), format!("{seconds}s"));
        let arguments =
            ["drain", node, "--pod-selector", &selector, "--delete-emptydir-data", "--timeout", &timeout];
        let said = run("kubectl", "admin", &arguments, "", &[]);
        let _ = run("kubectl", "admin", &["uncordon", node], "", &[]).ok();
        said
    }

    /// A label by which a test finds its own pods on a node.
    pub(crate) fn own(&self) -> String {
        format!("example.com/space={}", self.name)
    }

    /// `helm`, in this namespace.
    pub(crate) fn helm(&self, arguments: &[&str]) -> Said {
        run("helm", "developer", &[&["--namespace", &self.name], arguments].concat(), "", &[])
    }

    /// `stateward`, in this namespace.
    pub(crate) fn stateward(&self, arguments: &[&str]) -> Said {
        self.stateward_with(arguments, "")
    }

    /// `stateward` with something on stdin.
    pub(crate) fn stateward_with(&self, arguments: &[&str], stdin: &str) -> Said {
        let all = [arguments, &["--namespace", &self.name]].concat();
        run(env!("CARGO_BIN_EXE_stateward"), "developer", &all, stdin, &[])
    }

    /// `kubectl edit`, with a sed script as the person at the editor.
    pub(crate) fn edit(&self, set: &str, script: &str) -> Said {
        let editor = format!("sed -i.before -e '{script}'");
        let arguments = ["--namespace", &self.name, "edit", "statefulset", set];
        run("kubectl", "developer", &arguments, "", &[("KUBE_EDITOR", &editor)])
    }

    /// Sends a whole manifest.
    pub(crate) fn send(&self, client: Client, manifest: &Manifest) -> Said {
        self.kubectl_with(client.arguments(), &manifest.text())
    }

    /// Makes a set with this client and waits until its pods are ready. `replace` needs an object
    /// that is there, so what it looks after was made by `create`.
    pub(crate) fn create(&self, client: Client, manifest: &Manifest) -> Snapshot {
        let _ = match client {
            Client::Replace => self.kubectl_with(&["create", "-f", "-"], &manifest.text()),
            _ => self.send(client, manifest),
        }
        .ok();
        self.snapshot(manifest.name())
    }

    /// The set, if it exists.
    pub(crate) fn find(&self, set: &str) -> Option<Value> {
        let path = format!("/apis/apps/v1/namespaces/{}/statefulsets", self.name);
        let request = Request::new(path).get(set, &GetParams::default()).expect("a request");
        match block_on(cluster().client.request::<Value>(request)) {
            Ok(found) => Some(found),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(why) => panic!("reading {set}: {why}"),
        }
    }

    /// The set.
    pub(crate) fn get(&self, set: &str) -> Value {
        self.find(set).unwrap_or_else(|| panic!("no StatefulSet {set} in {}", self.name))
    }

    /// The namespace itself.
    pub(crate) fn namespace(&self) -> Value {
        let said = self.kubectl(&["get", "namespace", &self.name, "-o", "json"]).ok();
        serde_json::from_str(&said.stdout).expect("the namespace")
    }

    /// All objects of one kind: `/api/v1`, `pods`.
    pub(crate) fn list(&self, api: &str, resource: &str) -> Vec<Value> {
        let request = Request::new(format!("{api}/namespaces/{}/{resource}", self.name))
            .list(&ListParams::default())
            .expect("a request");
        let list: Value = block_on(cluster().client.request(request)).expect("a list");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// What is compared, once all pods run what the set says and are ready.
    pub(crate) fn snapshot(&self, set: &str) -> Snapshot {
        wait_for(&format!("{set} in {} to be ready", self.name), || Snapshot::take(self, set))
    }

    /// Waits until the set has gone.
    pub(crate) fn wait_gone(&self, set: &str) {
        wait_for(&format!("{set} in {} to go", self.name), || match self.find(set) {
            None => Ok(()),
            Some(object) => Err(object["metadata"].to_string()),
        });
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the end of the webhook's log:\n{}", cluster().stateward.log_tail(12));
        }
        // Not waited for: the namespace, too, goes with the cluster.
        let arguments = ["delete", "namespace", &self.name, "--wait=false"];
        let _ = run("kubectl", "developer", &arguments, "", &[]);
        if !std::thread::panicking() {
            assert_no_right_was_missing(&self.name);
        }
    }
}
