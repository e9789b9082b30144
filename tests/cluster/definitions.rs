//! The kinds that only some clusters serve. They come and go for the whole cluster, so one test at a time
//! has them, or counts on their absence.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::harness::run;

static TURN: Mutex<()> = Mutex::new(());

/// The turn of one test, at whose beginning none of the kinds is there.
pub(crate) struct Definitions {
    files: Vec<String>,
    _turn: MutexGuard<'static, ()>,
}

impl Definitions {
    /// Waits for the turn.
    pub(crate) fn turn() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let crd = "config/crd/standard/gateway.networking.k8s.io_";
        let routes = ["httproutes", "tlsroutes", "tcproutes"].map(|plural| format!("{crd}{plural}.yaml"));
        let mut files = named("sigs.k8s.io/gateway-api", &routes.each_ref().map(String::as_str));
        let monitors = "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml";
        files.extend(named("github.com/prometheus-operator/prometheus-operator", &[monitors]));
        let files = files.iter().map(|file| format!("--filename={}", file.display())).collect();
        let definitions = Self { files, _turn: turn };
        // One that failed leaves them there.
        definitions.remove();
        definitions
    }

    /// They are served from now on.
    pub(crate) fn install(&self) {
        self.kubectl(&["apply", "--server-side"]);
    }

    /// They are gone.
    pub(crate) fn remove(&self) {
        self.kubectl(&["delete", "--ignore-not-found"]);
    }

    fn kubectl(&self, arguments: &[&str]) {
        let files = self.files.iter().map(String::as_str);
        let all: Vec<&str> = arguments.iter().copied().chain(files).collect();
        let _ = run("kubectl", "admin", &all, "", &[]).ok();
    }
}

impl Drop for Definitions {
    fn drop(&mut self) {
        // A second panic would end the whole run.
        if !std::thread::panicking() {
            self.remove();
        }
    }
}

/// Files of a Go module that is pinned beside the local Kubernetes.
fn named(module: &str, files: &[&str]) -> Vec<PathBuf> {
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane/crds");
    let answer = Command::new("go")
        .args(["mod", "download", "-json", module])
        .current_dir(crds)
        .env("GOFLAGS", "-mod=mod")
        .output()
        .expect("go");
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "go mod download {module}: {said}");
    let told: Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    let dir = PathBuf::from(told["Dir"].as_str().expect("a directory"));
    files.iter().map(|file| dir.join(file)).collect()
}
