//! The controller beside the webhook, and what it says about a set.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::cluster::{control_plane, first_line, new_file};
use super::{block_on, wait_for};

/// What the platform grants, for the webhook too: to all namespaces, and to those of one team. The
/// quiet time is short, so that a test sees the end of it.
const CONFIGURATION: &str = "
breakGlass: {groups: [on-call]}
disruptionBudgets: {quietTime: 4s}
hosts:
- host: '*.example.com'
- {host: '*.limited.example.net', ingressClasses: [public], clusterIssuers: [ours]}
- {host: '*.shop.example.net', namespaces: &shop {matchLabels: {example.com/team: shop}}}
serviceClasses:
  internal: {type: LoadBalancer, namespaces: *shop}
  balanced:
    type: LoadBalancer
    annotations: {example.com/scheme: internal}
    loadBalancerSourceRanges: [10.0.0.0/8]
    externalTrafficPolicy: Local
  other: {type: LoadBalancer, loadBalancerClass: example.com/other}
  edge: {type: LoadBalancer, namespaces: {matchLabels: {example.com/team: edge}}}
gateways:
- gateway: infra/public
- {gateway: infra/internal, namespaces: *shop}
";

/// Writes the configuration to its file.
pub(crate) fn configuration(cluster: &Path) -> PathBuf {
    let file = cluster.join("configuration.yaml");
    fs::write(&file, CONFIGURATION).expect("the configuration");
    file
}

/// A running controller.
pub(crate) struct Controller {
    log: PathBuf,
    /// Host and port of its metrics.
    admin: String,
    process: Child,
}

impl Controller {
    /// Starts one, and waits until it is ready.
    pub(super) fn start(cluster: &Path, name: &str) -> Self {
        let log = cluster.join("logs").join(format!("{name}.log"));
        let configuration = configuration(cluster);
        let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/profiles");
        let told = log.with_extension("script.log");
        let mut process = Command::new(control_plane().join("controller"))
            .arg("--stop-on-eof")
            .arg("--cluster")
            .arg(cluster)
            .arg("--log")
            .arg(&log)
            .args(["--program", env!("CARGO_BIN_EXE_stateward"), "--"])
            .args(["--resync-period", "2s", "--log-level", "info,stateward::controller=debug"])
            .arg("--configuration")
            .arg(&configuration)
            .arg("--profiles")
            .arg(&profiles)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(new_file(&told))
            .spawn()
            .expect("tests/control-plane/controller");
        let line = first_line(&mut process);
        let Ok(report) = serde_json::from_str::<Value>(&line) else {
            panic!("the controller did not start:\n{}", fs::read_to_string(&told).unwrap_or_default());
        };
        Self { log, admin: report["admin"].as_str().unwrap_or_default().to_owned(), process }
    }

    /// Its metrics.
    pub(crate) fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.admin);
        block_on(async { reqwest::get(url).await.expect("an answer").text().await.expect("a text") })
    }

    /// What it wrote in a namespace: role and verb of each write.
    pub(crate) fn writes(&self, namespace: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.lines("wrote")
            .filter(|line| line["namespace"] == namespace)
            .map(|line| format!("{} {}", text(&line["did"]), text(&line["role"])))
            .collect()
    }

    /// How often it has looked at a set.
    fn looks(&self, namespace: &str, set: &str) -> usize {
        let name = format!("StatefulSet.v1.apps/{set}.{namespace}");
        // What it puts off while a set is new it may still do.
        let whole = |line: &Value| line["set"] == name.as_str() && line["outcome"] != "waiting";
        self.lines("reconciled").filter(whole).count()
    }

    /// Waits until it has looked at a set some times more: what it has not done then, it does not do.
    pub(crate) fn wait_looks(&self, namespace: &str, set: &str) {
        let enough = self.looks(namespace, set) + 3;
        wait_for("the controller to look at the set", || match self.looks(namespace, set) {
            looks if looks >= enough => Ok(()),
            looks => Err(format!("{looks} looks of {enough}")),
        });
    }

    /// The lines of its log with this message.
    fn lines(&self, message: &str) -> impl Iterator<Item = Value> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let message = message.to_owned();
        lines.into_iter().filter(move |line| line["message"] == message.as_str())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
