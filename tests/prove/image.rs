//! What an official image holds beside the programs of its server, which the pod does not say.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An image's configuration, as its Dockerfile has it, and the packages that stand for its files.
#[derive(Debug)]
pub(crate) struct Image {
    /// What `servers` calls it.
    pub(crate) server: &'static str,
    /// The user whom the image makes, and the numbers of that user and its group.
    pub(crate) user: (&'static str, u32, u32),
    /// `ENV`, beside `PATH`.
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// Searched before the usual directories.
    pub(crate) path: &'static str,
    /// `ENTRYPOINT`; one of the name `docker-entrypoint.sh` is the stand-in in `images`.
    pub(crate) entrypoint: &'static [&'static str],
    /// `CMD`.
    pub(crate) cmd: &'static [&'static str],
    /// `WORKDIR`.
    pub(crate) workdir: &'static str,
    /// `STOPSIGNAL`.
    pub(crate) stop: &'static str,
    /// Whether it has one, and the client's programs.
    pub(crate) shell: bool,
    /// Directories that it gives its user, with their modes.
    pub(crate) owned: &'static [(&'static str, &'static str)],
}

/// What most images have.
pub(crate) const PLAIN: Image = Image {
    server: "",
    user: ("nobody", 65534, 65534),
    env: &[],
    path: "",
    entrypoint: &[],
    cmd: &[],
    workdir: "/",
    stop: "TERM",
    shell: true,
    owned: &[],
};

impl Image {
    /// The directory with its files, installed if need be.
    pub(crate) fn files(&self) -> PathBuf {
        let servers = here().join("servers");
        let run = Command::new(servers).arg(self.server).stderr(Stdio::inherit()).output().unwrap();
        assert!(run.status.success(), "{} was not installed", self.server);
        PathBuf::from(String::from_utf8(run.stdout).unwrap().trim_end())
    }

    /// The directory with what stands for the image's own scripts, where there is one.
    pub(crate) fn scripts(&self) -> Option<PathBuf> {
        Some(here().join("images").join(self.server)).filter(|directory| directory.is_dir())
    }

    /// `PATH` and the rest of `ENV`.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let path = if self.path.is_empty() { usual.to_owned() } else { format!("{}:{usual}", self.path) };
        let set = self.env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        [("PATH".to_owned(), path), ("HOME".to_owned(), "/".to_owned())].into_iter().chain(set).collect()
    }
}

/// The directory of this test.
pub(crate) fn here() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/prove"))
}
