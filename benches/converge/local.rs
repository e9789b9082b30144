//! The local Kubernetes, and stateward's processes beside it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

const STATEWARD: &str = env!("CARGO_BIN_EXE_stateward");

/// The cluster with the webhook.
pub(crate) struct Local {
    dir: PathBuf,
    webhook: Process,
    _control_plane: Process,
}

/// A script or program that ends with its stdin.
pub(crate) struct Process {
    child: Child,
    /// What it said when it was ready.
    said: Value,
    /// The process that is measured: the child itself, or the one that it runs.
    pid: u32,
}

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Time of processors.
    pub(crate) cpu: Duration,
    /// Memory now.
    pub(crate) resident_mib: u64,
    /// The most that it was.
    pub(crate) peak_mib: u64,
}

impl Local {
    /// Starts it, and stops what would make pods.
    pub(crate) fn start() -> Self {
        let built = Command::new(scripts().join("build")).stderr(Stdio::inherit()).output().expect("build");
        let bin = PathBuf::from(String::from_utf8_lossy(&built.stdout).trim());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("converge");
        let mut up = Command::new(bin.join("control-plane"));
        up.args(["up", "--stop-on-eof", "--data"]).arg(&dir);
        let control_plane = Process::start(up, "control-plane");
        let webhook = Process::start(script(&dir, "webhook", &[]), "stateward");
        let manager = find(control_plane.child.id(), "kube-controller");
        let stopped = Command::new("kill").args(["-STOP", &manager.to_string()]).status();
        assert!(stopped.is_ok_and(|status| status.success()), "cannot stop the controller manager");
        Self { dir, webhook, _control_plane: control_plane }
    }

    /// The file by which this identity logs in.
    pub(crate) fn kubeconfig(&self, identity: &str) -> PathBuf {
        self.dir.join("kubeconfig").join(format!("{identity}.yaml"))
    }

    /// A client of this identity.
    pub(crate) async fn client(&self, identity: &str) -> Client {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig(identity)).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a configuration");
        Client::try_from(config).expect("a client")
    }

    /// Starts a controller.
    pub(crate) fn controller(&self, arguments: &[&str]) -> Process {
        Process::start(script(&self.dir, "controller", arguments), "stateward")
    }

    /// Starts another webhook, which is asked nothing.
    pub(crate) fn replica(&self) -> Process {
        let mut command = Command::new(scripts().join("webhook"));
        command.args(["--stop-on-eof", "--replica", "--program", STATEWARD, "--cluster"]).arg(&self.dir);
        command.arg("--log").arg(self.dir.join("logs/replica.log"));
        Process::start(command, "stateward")
    }

    /// What the webhook has used.
    pub(crate) fn webhook_usage(&self) -> Usage {
        self.webhook.usage()
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane")
}

fn script(dir: &Path, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(scripts().join(name));
    command.arg("--stop-on-eof").arg("--cluster").arg(dir).args(["--program", STATEWARD]);
    command.arg("--log").arg(dir.join("logs").join(format!("{name}.log"))).arg("--").args(arguments);
    command
}

impl Process {
    fn start(mut command: Command, measured: &str) -> Self {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("converge-{measured}.log"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let Ok(said) = serde_json::from_str(&line) else {
            panic!("it did not start:\n{}", fs::read_to_string(&log).unwrap_or_default());
        };
        let pid = if measured == "stateward" { find(child.id(), measured) } else { child.id() };
        Self { child, said, pid }
    }

    /// Its metrics.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.said["admin"].as_str().expect("an address"));
        reqwest::get(url).await.expect("an answer").text().await.expect("a text")
    }

    /// Waits until its metrics are so.
    pub(crate) async fn wait(&self, is: impl Fn(&str) -> bool) {
        while !is(&self.metrics().await) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What it has used.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.pid).expect("a process")
    }
}

impl Usage {
    /// Of a process (`proc_pid_stat(5)`: time in steps of 10 ms); `None` where it has ended.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
        let ticks: u64 =
            [11, 12].map(|field: usize| fields[field].parse::<u64>().expect("a number")).iter().sum();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let mib = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
            Some(kib / 1024)
        };
        let (resident_mib, peak_mib) = (mib("VmRSS:")?, mib("VmHWM:")?);
        Some(Self { cpu: Duration::from_millis(10 * ticks), resident_mib, peak_mib })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The process below `parent` whose name begins so.
fn find(parent: u32, name: &str) -> u32 {
    let mut below = vec![parent];
    while let Some(pid) = below.pop() {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if comm.starts_with(name) {
            return pid;
        }
        // Each thread has the children that it started.
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            below.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    panic!("no process {name} below {parent}");
}
