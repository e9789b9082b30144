//! A real Kubernetes of this binary's own, whose API server calls a stateward beside it through the chart's Service.
//!
//! Pods run no containers there, so the process that answers runs on loopback, logged in as the service account of the
//! chart, and the chart's Service points to it. Everything else is as on any cluster.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::helm::programs;

/// Generous: a condition that holds ends the waiting at once.
const PATIENCE: Duration = Duration::from_secs(90);

/// A cluster. It ends with this value, or with this process.
pub(crate) struct Cluster {
    dir: PathBuf,
    process: Child,
    /// Kept open: whoever prints into a closed pipe is killed.
    _stdout: BufReader<ChildStdout>,
}

/// A running `stateward webhook`.
pub(crate) struct Webhook {
    shell: Child,
}

/// What a command said.
#[must_use]
pub(crate) struct Said {
    command: String,
    success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// It succeeded.
    pub(crate) fn ok(self) -> Self {
        assert!(self.success, "`{}` failed:\n{}{}", self.command, self.stdout, self.stderr);
        self
    }

    /// It failed, and said all of these words: a failure for another reason is no proof.
    pub(crate) fn refused(self, words: &[&str]) {
        assert!(!self.success, "`{}` succeeded:\n{}", self.command, self.stdout);
        for word in words {
            assert!(self.stderr.contains(word), "`{}` does not say {word:?}:\n{}", self.command, self.stderr);
        }
    }

    pub(crate) fn success(&self) -> bool {
        self.success
    }
}

impl Cluster {
    /// Starts one in a directory below the build directory, which an earlier run may have left.
    pub(crate) fn start() -> Self {
        let started = (1..=8).find_map(|number| Self::start_in(&format!("chart-cluster-{number}")));
        started.expect("a directory that no other run is using")
    }

    /// `None` if a run that goes on at this moment has the directory.
    fn start_in(name: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (dir, log) = (root.join(name), root.join(format!("{name}.log")));
        let mut process = Command::new(programs().join("control-plane"))
            .args(["up", "--stop-on-eof", "--data"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("control-plane");
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        if line.starts_with('{') {
            return Some(Self { dir, process, _stdout: stdout });
        }
        let _ = process.wait();
        let said = fs::read_to_string(&log).unwrap_or_default();
        assert!(said.contains("is in use by a cluster"), "the cluster did not start:\n{said}");
        None
    }

    /// The kubeconfig of `admin` or `developer`, or one that [`Self::log_in`] wrote.
    fn kubeconfig(&self, identity: &str) -> PathBuf {
        self.dir.join("kubeconfig").join(format!("{identity}.yaml"))
    }

    /// Runs kubectl or helm to its end as `identity`.
    pub(crate) fn run(&self, program: &str, identity: &str, arguments: &[&str], stdin: &str) -> Said {
        let mut child = Command::new(programs().join(program))
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig(identity))
            // Caches and settings of the person who runs the tests stay theirs.
            .env("HOME", self.dir.join("home"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("{program}: {why}"));
        // One that fails early reads nothing, and what it says then is what the test looks at.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            command: format!("{program} {}", arguments.join(" ")),
            success: output.status.success(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// kubectl as a person who deploys applications, in their namespace.
    pub(crate) fn developer(&self, arguments: &[&str], stdin: &str) -> Said {
        self.run("kubectl", "developer", &[&["--namespace", "shop"], arguments].concat(), stdin)
    }

    /// kubectl as a person who may everything.
    pub(crate) fn admin(&self, arguments: &[&str], stdin: &str) -> Said {
        self.run("kubectl", "admin", arguments, stdin)
    }

    /// An object as JSON; `None` if it is not there.
    pub(crate) fn find(&self, arguments: &[&str]) -> Option<Value> {
        let said = self.admin(&[&["get", "-o", "json"], arguments].concat(), "");
        if said.stderr.contains("(NotFound)") {
            return None;
        }
        Some(serde_json::from_str(&said.ok().stdout).unwrap())
    }

    /// An object, or a list of them, as JSON.
    pub(crate) fn get(&self, arguments: &[&str]) -> Value {
        self.find(arguments).unwrap_or_else(|| panic!("{arguments:?} is not there"))
    }

    /// Makes a kubeconfig for a `ServiceAccount`, as a pod of it would have one.
    pub(crate) fn log_in(&self, namespace: &str, account: &str) {
        let token = self.admin(&["--namespace", namespace, "create", "token", account], "").ok().stdout;
        let of_admin = fs::read_to_string(self.kubeconfig("admin")).unwrap();
        let line = of_admin.lines().find(|line| line.trim_start().starts_with("token:")).unwrap();
        let text = of_admin.replace(line, &format!("      token: {}", token.trim()));
        fs::write(self.kubeconfig(account), text).unwrap();
    }

    /// Runs `stateward webhook` as `account` and returns when it is ready.
    pub(crate) fn webhook(&self, account: &str, port: u16, arguments: &[&str]) -> Webhook {
        let (ready, log) = (self.dir.join("ready.json"), self.dir.join("logs/stateward.log"));
        let _ = fs::remove_file(&ready);
        // The shell ends what it runs when its stdin ends: also when this process is killed.
        let script = r#""$@" </dev/null & read -r _; kill $!; wait"#;
        let shell = Command::new("sh")
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_stateward"), "webhook", "--namespace", "guard"])
            .args([
                "--admin-bind",
                "127.0.0.1:0",
                "--shutdown-delay",
                "0",
                "--bind",
                &format!("127.0.0.1:{port}"),
            ])
            .arg("--kubeconfig")
            .arg(self.kubeconfig(account))
            .arg("--ready-file")
            .arg(&ready)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(File::create(&log).unwrap())
            .stderr(File::create(log.with_extension("errors.log")).unwrap())
            .spawn()
            .expect("sh");
        let webhook = Webhook { shell };
        wait_for("stateward to be ready", || {
            ready.exists().then_some(()).ok_or_else(|| fs::read_to_string(&log).unwrap_or_default())
        });
        webhook
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Asks until there is an answer.
///
/// # Panics
/// After [`PATIENCE`], with the last reason why not.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(Instant::now() < give_up, "gave up waiting for {what}: {why}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
