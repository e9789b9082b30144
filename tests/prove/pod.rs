//! A pod on the node: an address and a host name of its own, its volumes, and one container at a time.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::container::Container;
use crate::image::{Image, here};
use crate::kubelet::{self, Identity, Process, User, list};
use crate::set::Set;
use crate::{PATIENCE, wait_for};

/// Addresses are given out once each, so that one that is remembered is wrong when its pod comes back.
static ADDRESSES: AtomicU16 = AtomicU16::new(0);

/// A pod of a set.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    set: &'a Set,
    image: &'a Image,
    identity: Identity,
    directory: TempDir,
    user: User,
    pause: Child,
    container: Option<Container>,
    starts: u32,
}

impl<'a> Pod<'a> {
    /// The pod of this ordinal, with volumes that are new and no container yet.
    pub(crate) fn create(set: &'a Set, image: &'a Image, ordinal: u32) -> Self {
        let directory = TempDir::new().unwrap();
        let user = User::of(set);
        let name = format!("{}-{ordinal}", set.name);
        let (pause, address) = pause(&name);
        let pod = Self {
            set,
            image,
            identity: Identity { name, ordinal, address },
            directory,
            user,
            pause,
            container: None,
            starts: 0,
        };
        for claim in &set.claims {
            pod.new_volume(claim);
        }
        pod.prepare();
        pod.learn(std::slice::from_ref(&pod.identity));
        pod
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        self.identity.address
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Starts what the pod says.
    pub(crate) fn start(&mut self) {
        let process = kubelet::process(self.set, self.image, &self.identity);
        self.run(process);
    }

    /// Starts a container that does nothing, in which probes have nothing to find.
    pub(crate) fn start_idle(&mut self) {
        let mut process = kubelet::process(self.set, self.image, &self.identity);
        process.command.clear();
        self.run(process);
        wait_for("a container", PATIENCE, || {
            assert!(self.has_ended().is_none(), "no container: {}", self.log());
            if self.log() == "idle\n" { Ok(()) } else { Err(self.log()) }
        });
    }

    fn run(&mut self, process: Process) {
        self.container = None;
        self.starts += 1;
        let log = self.directory.path().join(format!("log-{}", self.starts));
        let (directory, workdir) = (self.directory.path(), self.image.workdir);
        self.container = Some(Container::start(self.pause.id(), directory, self.user, process, workdir, log));
    }

    /// Takes the pod away, with its address and its empty directories, and makes it anew on the claims that it had.
    pub(crate) fn recreate(&mut self) {
        self.container = None;
        for volume in list(&self.set.pod["volumes"]) {
            let path = self.directory.path().join("volumes").join(volume["name"].as_str().unwrap());
            // It is there if the main container mounts it.
            if path.exists() {
                fs::remove_dir_all(&path).unwrap();
                self.directory_for_the_group(&path, 0o2777);
            }
        }
        let (pause, address) = pause(&self.identity.name);
        end(&mut self.pause);
        self.pause = pause;
        self.identity.address = address;
    }

    /// Runs a command in the container.
    pub(crate) fn exec(&self, command: &[&str], timeout: Duration) -> Result<String, String> {
        self.container.as_ref().ok_or("there is no container")?.exec(command, timeout)
    }

    /// Runs a script for bash, with the value as `$1`: in the container, or on the node where the image has no shell. There
    /// the image's programs are in `PATH`, the pod is at `$address`, and `$replicas` tells of how many it is one.
    pub(crate) fn script(&self, script: &str, value: &str) -> Result<String, String> {
        let words = ["/bin/bash", "-ec", script, "client", value];
        if self.image.shell {
            return self.exec(&words, PATIENCE);
        }
        let path = format!("{}/usr/local/bin:/usr/bin:/bin", self.directory.path().join("image").display());
        let address = self.identity.address.to_string();
        let run = Command::new("/usr/bin/timeout")
            .arg(PATIENCE.as_secs().to_string())
            .args(words)
            .env_clear()
            .envs([("PATH", path), ("address", address), ("replicas", self.set.replicas.to_string())])
            .env("HOME", self.directory.path())
            .output()
            .unwrap();
        let [printed, said] =
            [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        if run.status.success() {
            Ok(printed)
        } else {
            Err(format!("{script}: {}: {printed}{said}", run.status))
        }
    }

    /// Kills the server and all that it started.
    pub(crate) fn kill(&mut self) {
        self.container = None;
    }

    /// Asks the server to end, as a kubelet does, and gives how it did. `preStop` counts as time of grace.
    ///
    /// # Panics
    /// If it takes longer than its grace period.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, String) {
        let grace = Duration::from_secs(self.set.pod["terminationGracePeriodSeconds"].as_u64().unwrap());
        if let Some(command) = self.set.main["lifecycle"]["preStop"]["exec"]["command"].as_array() {
            let words: Vec<_> = command.iter().map(|word| word.as_str().unwrap()).collect();
            self.exec(&words, grace).expect("preStop succeeds");
        }
        let mut container = self.container.take().expect("a container");
        container.signal(self.image.stop);
        let status = wait_for("the server's end", grace, || container.ended().ok_or_else(|| container.log()));
        (status, container.log())
    }

    /// What the container has printed.
    pub(crate) fn log(&self) -> String {
        self.container.as_ref().map(Container::log).unwrap_or_default()
    }

    /// Whether it has ended of itself.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.container.as_mut()?.ended()
    }

    /// The main container as the pod says it.
    pub(crate) fn main(&self) -> &'a Value {
        &self.set.main
    }

    /// Writes what names lead to these pods, as the kubelet and the cluster's DNS do together. Their search domains let
    /// a pod leave out the namespace and what follows.
    pub(crate) fn learn(&self, pods: &[Identity]) {
        let service = &self.set.service;
        let mut hosts = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
        for Identity { name, address, .. } in pods {
            let own = if *name == self.identity.name { name.as_str() } else { "" };
            let full = format!("{name}.{service}.default.svc");
            let line = format!(
                "{address} {full}.cluster.local {full} {name}.{service}.default {name}.{service} {own}"
            );
            writeln!(hosts, "{line}").unwrap();
            writeln!(hosts, "{address} {service}.default.svc.cluster.local {service}").unwrap();
        }
        // In place, since the container has this very file.
        fs::write(self.directory.path().join("hosts"), hosts).unwrap();
    }

    /// A volume as a kubelet hands it over: with `lost+found`, root's, and for the group of the pod.
    fn new_volume(&self, name: &str) {
        let path = self.directory.path().join("volumes").join(name);
        for (path, mode) in [(&path, 0o2775), (&path.join("lost+found"), 0o2770)] {
            self.directory_for_the_group(path, mode);
        }
    }

    fn directory_for_the_group(&self, path: &Path, mode: u32) {
        fs::create_dir_all(path).unwrap();
        chown(path, None, Some(self.user.volumes)).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// Writes what `container` reads.
    fn prepare(&self) {
        let directory = self.directory.path();
        let Image { user: (name, user, group), owned, .. } = self.image;
        for empty in ["layer", "root"] {
            fs::create_dir(directory.join(empty)).unwrap();
        }
        symlink(self.image.files(), directory.join("image")).unwrap();
        let lines = |lines: Vec<String>| lines.concat();
        fs::write(
            directory.join("owned"),
            lines(owned.iter().map(|(mode, path)| format!("{mode}\t{path}\n")).collect()),
        )
        .unwrap();
        let passwd = format!("root:x:0:0:root:/root:/bin/sh\n{name}:x:{user}:{group}::/:/usr/sbin/nologin\n");
        fs::write(directory.join("passwd"), passwd).unwrap();
        fs::write(directory.join("group"), format!("root:x:0:\n{name}:x:{group}:\n")).unwrap();
        fs::write(directory.join("resolv.conf"), "").unwrap();
        fs::write(directory.join("hostname"), format!("{}\n", self.identity.name)).unwrap();
        fs::write(directory.join("hosts"), "").unwrap();
        fs::write(directory.join("mounts"), lines(self.mounts())).unwrap();
        if self.set.main["securityContext"]["readOnlyRootFilesystem"] == true {
            fs::write(directory.join("read-only"), "").unwrap();
        }
    }

    fn mounts(&self) -> Vec<String> {
        let directory = self.directory.path();
        let line = |source: PathBuf, target: &str, mode| format!("{}\t{target}\t{mode}\n", source.display());
        let files = ["passwd", "group", "resolv.conf", "hostname", "hosts"];
        let mut mounts: Vec<_> =
            files.iter().map(|file| line(directory.join(file), &format!("/etc/{file}"), "rw")).collect();
        mounts.extend(self.image.scripts().map(|scripts| line(scripts, "/usr/local/bin", "ro")));
        for mount in list(&self.set.main["volumeMounts"]) {
            let name = mount["name"].as_str().unwrap();
            let source = directory.join("volumes").join(name);
            if !source.exists() {
                let volume = list(&self.set.pod["volumes"]).iter().find(|volume| volume["name"] == name);
                assert!(
                    volume.is_some_and(|volume| volume["emptyDir"].is_object()),
                    "the volume {name} is not known here"
                );
                self.directory_for_the_group(&source, 0o2777);
            }
            let source = match mount["subPath"].as_str() {
                None => source,
                // The kubelet makes it with the mode of the volume's root (`doSafeMakeDir` in pkg/volume/util/subpath).
                Some(path) => {
                    self.directory_for_the_group(&source.join(path), 0o2775);
                    source.join(path)
                }
            };
            let mode = if mount["readOnly"] == true { "ro" } else { "rw" };
            mounts.push(line(source, mount["mountPath"].as_str().unwrap(), mode));
        }
        mounts
    }
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- what {} printed last ---\n{}", self.identity.name, self.log());
        }
        self.container = None;
        end(&mut self.pause);
    }
}

/// Holds the network of a pod, with an address that no pod had before.
fn pause(pod: &str) -> (Child, Ipv4Addr) {
    let bridge = std::env::var("STATEWARD_NODE").expect("run this by `make prove`: it needs a node");
    let number = ADDRESSES.fetch_add(1, Ordering::Relaxed);
    let [high, low] = (number + 2).to_be_bytes();
    let address = Ipv4Addr::new(10, 88, high, low);
    let mut pause = Command::new("/usr/bin/unshare")
        .args(["--net", "--uts", "--ipc", "--"])
        .arg(here().join("pause"))
        .args([pod, &address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(pause.stdout.take().unwrap()).lines();
    let mut expect = |word: &str| assert_eq!(said.next().unwrap().unwrap(), word);
    expect("waiting");
    let (device, namespace) = (format!("pod{number}"), pause.id().to_string());
    let ip = |words: &str| {
        let run = Command::new("ip").args(words.split(' ')).status().unwrap();
        assert!(run.success(), "ip {words}");
    };
    ip(&format!("link add {device} type veth peer name eth0 netns {namespace}"));
    ip(&format!("link set {device} master {bridge} up"));
    pause.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    expect("ready");
    (pause, address)
}

/// It ends when its input does.
fn end(pause: &mut Child) {
    drop(pause.stdin.take());
    pause.wait().unwrap();
}
