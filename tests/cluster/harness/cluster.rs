//! The cluster and the stateward processes. All are children with a pipe as stdin, and end when it
//! does: also when this process is killed, for no destructor of a static ever runs.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

use super::controller::configuration;
use super::{Controller, block_on, wait_for};

/// The cluster that all tests of this binary share.
pub(crate) struct Cluster {
    /// Where its programs are: kubectl and helm.
    pub(crate) bin: PathBuf,
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// The file with what the platform grants.
    pub(crate) configuration: PathBuf,
    /// For reading what the tests compare; kubectl writes.
    pub(crate) client: kube::Client,
    /// The stateward that is registered for all namespaces but those with a hook of their own.
    pub(crate) stateward: Stateward,
    /// The controller, for all namespaces.
    pub(crate) controller: LazyLock<Controller, Box<dyn FnOnce() -> Controller + Send>>,
    /// The other end of its stdin.
    control_plane: Child,
}

/// A running stateward.
pub(crate) struct Stateward {
    /// Host and port of the webhook.
    pub(crate) address: String,
    /// Where its log goes.
    pub(crate) log: PathBuf,
    process: Child,
}

static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);

/// The cluster, started by whoever asks first.
pub(crate) fn cluster() -> &'static Cluster {
    &CLUSTER
}

/// Where the programs and scripts of the local Kubernetes are.
pub(super) fn control_plane() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane")
}

impl Cluster {
    fn start() -> Self {
        let built = Command::new(control_plane().join("build"))
            .stderr(Stdio::inherit())
            .output()
            .expect("tests/control-plane/build");
        assert!(built.status.success(), "the local Kubernetes was not built");
        let program = Path::new(String::from_utf8_lossy(&built.stdout).trim()).join("control-plane");

        let (process, report) = (1..=8)
            .find_map(|number| start_in(&program, &format!("cluster-{number}")))
            .expect("a directory that no other run is using");
        let dir = PathBuf::from(text(&report["dir"]));
        let kubeconfig = Path::new(text(&report["kubeconfigs"]["developer"])).to_owned();
        let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/profiles");
        let configuration = configuration(&dir);
        let arguments = ["--profiles", &profiles.to_string_lossy()];
        let stateward = Stateward::start(&dir, "webhook", &arguments, Some(&configuration));
        let of_controller = dir.clone();
        let start: Box<dyn FnOnce() -> Controller + Send> =
            Box::new(move || Controller::start(&of_controller, "controller"));
        let controller = LazyLock::new(start);
        if crate::CONTROLLER {
            LazyLock::force(&controller);
        }
        Self {
            bin: PathBuf::from(text(&report["bin"])),
            client: block_on(client(&kubeconfig)),
            controller,
            configuration,
            dir,
            stateward,
            control_plane: process,
        }
    }

    /// The kubeconfig of `identity`: `admin`, `developer`, or one that a test has written.
    pub(crate) fn kubeconfig(&self, identity: &str) -> PathBuf {
        self.dir.join("kubeconfig").join(format!("{identity}.yaml"))
    }

    /// Kills the API server and returns when another one answers, on the same data.
    #[allow(dead_code, reason = "not every target that has this harness does so")]
    pub(crate) fn crash_api_server(&self) {
        let count = || fs::read_to_string(self.dir.join("crashes")).unwrap_or_default();
        let before = count();
        let pid = self.control_plane.id().to_string();
        assert!(Command::new("kill").args(["-USR1", &pid]).status().expect("kill").success());
        wait_for("the API server to be back", || if count() == before { Err(String::new()) } else { Ok(()) });
    }

    /// Another stateward, not registered: a hook forwards to it.
    pub(crate) fn replica(&self, name: &str, arguments: &[&str]) -> Stateward {
        Stateward::start(&self.dir, name, arguments, None)
    }
}

/// Starts a cluster in a directory below the build directory, which an earlier run may have left.
/// `None` if a run that goes on at this moment has it.
fn start_in(program: &Path, name: &str) -> Option<(Child, Value)> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let log = root.join(format!("{name}.log"));
    let mut process = Command::new(program)
        .args(["up", "--stop-on-eof", "--data"])
        .arg(root.join(name))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(new_file(&log))
        .spawn()
        .expect("control-plane");
    let line = first_line(&mut process);
    if let Ok(report) = serde_json::from_str(&line) {
        return Some((process, report));
    }
    let said = fs::read_to_string(&log).unwrap_or_default();
    assert!(said.contains("is in use by a cluster"), "the cluster did not start:\n{said}");
    None
}

impl Stateward {
    /// Starts one. The one that is registered has the platform's configuration, and so has the chart's
    /// ConfigMap.
    fn start(cluster: &Path, name: &str, arguments: &[&str], configuration: Option<&Path>) -> Self {
        let log = cluster.join("logs").join(format!("{name}.log"));
        let mut command = Command::new(control_plane().join("webhook"));
        command.arg("--stop-on-eof").arg("--cluster").arg(cluster).arg("--log").arg(&log);
        command.args(["--program", env!("CARGO_BIN_EXE_stateward")]);
        match configuration {
            Some(file) => command.arg("--configuration").arg(file),
            None => command.arg("--replica"),
        };
        let told = log.with_extension("script.log");
        let mut process = command
            .arg("--")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(new_file(&told))
            .spawn()
            .expect("tests/control-plane/webhook");
        let line = first_line(&mut process);
        let Ok(report) = serde_json::from_str::<Value>(&line) else {
            panic!("stateward did not start:\n{}", fs::read_to_string(&told).unwrap_or_default());
        };
        Self { address: text(&report["address"]).to_owned(), log, process }
    }

    /// The end of its log.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

impl Drop for Stateward {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A client with the rights of whom the kubeconfig names.
pub(crate) async fn client(kubeconfig: &Path) -> kube::Client {
    // Several crates of the tests could choose another provider; the first choice holds.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let read = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    kube::Client::try_from(config.expect("a configuration")).expect("a client")
}

pub(super) fn first_line(process: &mut Child) -> String {
    static READERS: Mutex<Vec<BufReader<std::process::ChildStdout>>> = Mutex::new(Vec::new());
    let mut reader = BufReader::new(process.stdout.take().expect("a pipe"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    // Kept open: whoever prints into a closed pipe is killed.
    READERS.lock().expect("no panic while it was held").push(reader);
    line
}

pub(super) fn new_file(path: &Path) -> File {
    File::create(path).expect("a log file")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
