//! One replica: the process, and what it says of itself.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::harness::{block_on, cluster, wait_for};

/// Quiet times of seconds, all hosts, and one Gateway.
const CONFIGURATION: &str = "{disruptionBudgets: {quietTime: 4s}, hosts: [{host: '*.example.com'}], \
                             gateways: [{gateway: infra/public}]}\n";

/// The shell ends what it runs when its stdin does: also when this process is killed. It tells the
/// process's id at its start and the exit code at its end.
const SHELL: &str = r#"
log=$1; shift
"$@" </dev/null >>"$log" 2>&1 & pid=$!
echo "$pid"
exec 3<&0
(read -r _ <&3; kill -KILL "$pid") & watcher=$!
wait "$pid"; code=$?
kill "$watcher"
echo "$code"
"#;

/// A running replica.
pub(crate) struct Replica {
    /// Its name in the Lease.
    pub(crate) name: &'static str,
    pub(super) log: PathBuf,
    admin: String,
    pid: String,
    shell: Child,
    said: BufReader<ChildStdout>,
}

impl Replica {
    /// Starts one that reaches the API server at `door`, and waits until it is ready.
    pub(crate) fn start(name: &'static str, door: SocketAddr) -> Self {
        let dir = &cluster().dir;
        let file = |end: &str| dir.join(format!("replica-{name}.{end}"));
        let (ready, kubeconfig, configuration) = (file("ready"), file("kubeconfig"), file("yaml"));
        let log = dir.join("logs").join(format!("replica-{name}.log"));
        let _ = fs::remove_file(&ready);
        fs::write(&kubeconfig, leading_to(door)).expect("a kubeconfig");
        fs::write(&configuration, CONFIGURATION).expect("a configuration");
        let mut shell = Command::new("sh")
            .args(["-c", SHELL, "sh"])
            .arg(&log)
            .args([env!("CARGO_BIN_EXE_stateward"), "controller", "--admin-bind", "127.0.0.1:0"])
            .args(["--identity", name, "--log-level", "info,stateward::controller=debug"])
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .arg("--configuration")
            .arg(&configuration)
            .arg("--ready-file")
            .arg(&ready)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(file("shell.log")).expect("a log file"))
            .spawn()
            .expect("sh");
        let mut said = BufReader::new(shell.stdout.take().expect("a pipe"));
        let pid = line(&mut said);
        let admin = wait_for("the replica to be ready", || {
            let told: Value = serde_json::from_str(&fs::read_to_string(&ready).unwrap_or_default())
                .map_err(|_| tail(&log, 12))?;
            Ok(told["admin"].as_str().expect("an address").to_owned())
        });
        Self { name, log, admin, pid, shell, said }
    }

    /// Sends a signal: `TERM`, `KILL`, `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.pid]).status().expect("kill");
        assert!(sent.success(), "there is no process {} any more", self.pid);
    }

    /// Whether it runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.shell.try_wait().expect("its state").is_none()
    }

    /// The exit code, once it has ended; more than 128 if it was killed.
    pub(crate) fn exit_code(&mut self) -> i32 {
        let code = line(&mut self.said).parse().expect("an exit code");
        let _ = self.shell.wait();
        code
    }

    /// What it answers at a path of its administration; nothing if it is busy or gone.
    pub(crate) fn admin(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.admin);
        block_on(async {
            let answer = async { reqwest::get(url).await?.error_for_status()?.text().await };
            answer.await.unwrap_or_default()
        })
    }

    /// Whether it is at work: it holds the Lease and its stores are complete.
    pub(crate) fn is_at_work(&self) -> bool {
        let ready = self.admin("/readyz");
        self.admin("/metrics").contains("stateward_controller_leader 1") && ready.contains("[+] services")
    }

    /// The lines of its log with this message.
    pub(crate) fn lines(&self, message: &str) -> Vec<Value> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["message"] == message).collect()
    }

    /// Waits until it has said this so often.
    pub(crate) fn wait_says(&self, message: &str, times: usize) {
        wait_for(&format!("{} to say {message:?}", self.name), || match self.lines(message).len() {
            said if said >= times => Ok(()),
            said => Err(format!("{said} times of {times}; its log ends:\n{}", tail(&self.log, 12))),
        });
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The controller's kubeconfig, with another server.
fn leading_to(door: SocketAddr) -> String {
    let text = fs::read_to_string(cluster().kubeconfig("stateward-controller")).expect("a kubeconfig");
    let line = text.lines().find(|line| line.trim_start().starts_with("server:")).expect("a server");
    let server = line.split_once("https").expect("an address").0;
    text.replace(line, &format!("{server}http://{door}"))
}

/// The end of a log.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let log = fs::read_to_string(log).unwrap_or_default();
    let all: Vec<&str> = log.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn line(reader: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    line.trim().to_owned()
}
