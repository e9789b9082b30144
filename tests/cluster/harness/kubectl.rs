//! The real clients, as users call them.

use std::io::Write;
use std::process::{Command, Stdio};

use super::cluster;

/// A way of sending a whole manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// `kubectl apply`.
    Apply,
    /// `kubectl apply --server-side`.
    ServerSide,
    /// The same by another field manager that takes over what it names.
    SecondManager,
    /// `kubectl replace`.
    Replace,
}

impl Client {
    /// Those that keep what the manifest does not name.
    pub(crate) const APPLY: [Self; 2] = [Self::Apply, Self::ServerSide];
    /// All.
    pub(crate) const ALL: [Self; 4] = [Self::Apply, Self::ServerSide, Self::SecondManager, Self::Replace];

    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Apply => &["apply", "-f", "-"],
            Self::ServerSide => &["apply", "--server-side", "-f", "-"],
            Self::SecondManager => {
                &["apply", "--server-side", "--field-manager=second", "--force-conflicts", "-f", "-"]
            }
            Self::Replace => &["replace", "-f", "-"],
        }
    }

    /// A name for a set that this client looks after.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::ServerSide => "server-side",
            Self::SecondManager => "second-manager",
            Self::Replace => "replace",
        }
    }
}

/// What a command said.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Said {
    command: String,
    success: bool,
    code: Option<i32>,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained about.
    pub(crate) stderr: String,
}

impl Said {
    /// It succeeded.
    pub(crate) fn ok(self) -> Self {
        assert!(self.success, "`{}` failed:\n{}", self.command, self.stderr);
        self
    }

    /// Whether it succeeded.
    pub(crate) fn success(&self) -> bool {
        self.success
    }

    /// It ended with this exit code.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "`{}` said:\n{}{}", self.command, self.stdout, self.stderr);
        self
    }

    /// It was refused by us, with all of these words: a refusal for another reason is no proof.
    pub(crate) fn refused(self, words: &[&str]) -> Self {
        assert!(!self.success, "`{}` was not refused:\n{}{}", self.command, self.stdout, self.stderr);
        assert!(self.by_us(), "`{}` was refused by somebody else:\n{}", self.command, self.stderr);
        self.mentions(words)
    }

    /// Whether it was refused by us. kubectl shows the causes of a refusal and not who refused, but
    /// the API server has words of its own for its own.
    pub(crate) fn by_us(&self) -> bool {
        let its_own = [
            "Invalid value",
            "Required value",
            "Unsupported value",
            "Duplicate value",
            "Forbidden",
            "Not found",
        ];
        let one = self.stderr.contains("The StatefulSet \"") && self.stderr.contains("\" is invalid: ");
        // Of several objects in a file it says who.
        let refused = one || self.stderr.contains(".stateward.dev\" denied the request: StatefulSet ");
        !self.success && refused && !its_own.iter().any(|words| self.stderr.contains(words))
    }

    /// Its complaint holds all of these words.
    pub(crate) fn mentions(self, words: &[&str]) -> Self {
        for word in words {
            assert!(
                self.stderr.contains(word),
                "`{}` does not mention {word:?}:\n{}",
                self.command,
                self.stderr
            );
        }
        self
    }

    /// Its complaint holds none of these words.
    pub(crate) fn silent_about(self, words: &[&str]) -> Self {
        for word in words {
            assert!(!self.stderr.contains(word), "`{}` mentions {word:?}:\n{}", self.command, self.stderr);
        }
        self
    }
}

/// Runs one of the cluster's programs to its end as `identity`, with `stdin`.
pub(crate) fn run(
    program: &str,
    identity: &str,
    arguments: &[&str],
    stdin: &str,
    environment: &[(&str, &str)],
) -> Said {
    let cluster = cluster();
    let mut child = Command::new(cluster.bin.join(program))
        .args(arguments)
        .env("KUBECONFIG", cluster.kubeconfig(identity))
        // Caches and settings of the person who runs the tests stay theirs.
        .env("HOME", cluster.dir.join("home"))
        .env("TMPDIR", cluster.dir.join("home"))
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("{program}: {why}"));
    // One that fails early reads nothing, and what it says then is what the test looks at.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("its output");
    Said {
        command: format!("{program} {}", arguments.join(" ")),
        success: output.status.success(),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
