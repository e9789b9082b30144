//! One run of a container: from its start until it has ended.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::image::here;
use crate::kubelet::{Process, User};

/// A container that was started.
#[derive(Debug)]
pub(crate) struct Container {
    /// `unshare`, which waits for the first process of the container and ends as that ends.
    outer: Child,
    directory: PathBuf,
    user: User,
    environment: BTreeMap<String, String>,
    workdir: &'static str,
    log: PathBuf,
}

impl Container {
    /// Starts `process` in the namespaces of the process `pause`. The directory is as `container` wants it.
    pub(crate) fn start(
        pause: u32,
        directory: &Path,
        user: User,
        process: Process,
        workdir: &'static str,
        log: PathBuf,
    ) -> Self {
        let output = File::create(&log).unwrap();
        let numbers = [user.number, user.group, user.volumes].map(|number| number.to_string());
        let command = match process.command.as_slice() {
            [] => Vec::new(),
            command => {
                within(workdir).into_iter().map(str::to_owned).chain(command.iter().cloned()).collect()
            }
        };
        let outer = Command::new("/usr/bin/nsenter")
            .args(["--target", &pause.to_string(), "--net", "--uts", "--ipc", "--"])
            .args(["/usr/bin/unshare", "--mount", "--pid", "--fork", "--kill-child", "--"])
            .arg(here().join("container"))
            .arg(directory)
            .args(numbers)
            .args(command)
            .env_clear()
            .envs(&process.environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self { outer, directory: directory.to_owned(), user, environment: process.environment, workdir, log }
    }

    /// The first process of the container, as the node numbers it.
    fn first(&self) -> Option<u32> {
        let outer = self.outer.id();
        let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Runs a command in it, as its user, and gives what it printed; an error if it failed or took too long.
    pub(crate) fn exec(&self, command: &[&str], timeout: Duration) -> Result<String, String> {
        let first = self.first().ok_or("there is no container")?;
        let User { number, group, volumes } = self.user;
        let mut child = Command::new("/usr/bin/nsenter")
            .args(["--target", &first.to_string(), "--mount", "--net", "--uts", "--ipc", "--pid", "--"])
            .args(["/usr/bin/setpriv", "--no-new-privs", "/usr/sbin/chroot"])
            .args([format!("--userspec=+{number}:+{group}"), format!("--groups=+{volumes}")])
            .arg(self.directory.join("root"))
            .args(within(self.workdir))
            .args(command)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let give_up = Instant::now() + timeout;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > give_up => {
                    kill("KILL", &format!("-{}", child.id()));
                    child.wait().unwrap();
                    return Err(format!("{command:?} took longer than {timeout:?}"));
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let (mut printed, mut said) = (String::new(), String::new());
        child.stdout.unwrap().read_to_string(&mut printed).unwrap();
        child.stderr.unwrap().read_to_string(&mut said).unwrap();
        let shown = || format!("{command:?} ended with {status}: {printed}{said}");
        if status.success() { Ok(printed.trim().to_owned()) } else { Err(shown()) }
    }

    /// Sends its first process a signal, as a container runtime does.
    pub(crate) fn signal(&self, signal: &str) {
        if let Some(first) = self.first() {
            kill(signal, &first.to_string());
        }
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.outer.try_wait().unwrap()
    }

    /// What it has printed.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // `unshare` ends after the container; killed itself, it would leave the server dying behind our back.
        match self.first() {
            Some(first) => kill("KILL", &first.to_string()),
            None => _ = self.outer.kill(),
        }
        let _ = self.outer.wait();
    }
}

/// What starts a command in a directory other than `/`, to which `chroot` leads.
fn within(workdir: &'static str) -> Vec<&'static str> {
    if workdir == "/" { Vec::new() } else { vec!["/usr/bin/env", "-C", workdir] }
}

/// Without `unsafe` there is no call for it, so the program does it.
fn kill(signal: &str, target: &str) {
    Command::new("/usr/bin/kill").args(["-s", signal, "--", target]).status().unwrap();
}
