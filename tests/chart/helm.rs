//! The real helm, as it renders the chart.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use stateward::cli::input::Source;

/// The names of the value sets.
pub(crate) const SETS: &[&str] = &["default", "cert-manager", "given", "controller-off", "everything"];

/// The namespace that is installed into; another one than anybody would choose by default.
pub(crate) const NAMESPACE: &str = "guard";

/// A directory with the programs of the local Kubernetes, helm among them.
static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
    let built = Command::new(root().join("tests/control-plane/build"))
        .stderr(Stdio::inherit())
        .output()
        .expect("tests/control-plane/build");
    assert!(built.status.success(), "the local Kubernetes was not built");
    PathBuf::from(String::from_utf8_lossy(&built.stdout).trim())
});

/// A directory with the programs of the local Kubernetes, helm among them.
pub(crate) fn programs() -> &'static Path {
    &PROGRAMS
}

/// What came of a rendering: the files by their path below `templates`.
pub(crate) type Rendering = BTreeMap<String, String>;

/// The checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The chart.
pub(crate) fn chart() -> PathBuf {
    root().join("charts/stateward")
}

/// The file of a value set.
pub(crate) fn values(set: &str) -> PathBuf {
    root().join("tests/chart/values").join(format!("{set}.yaml"))
}

/// Runs helm to its end. What it prints, or what it complains about.
pub(crate) fn helm(arguments: &[&str]) -> Result<String, String> {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(programs().join("helm"))
        .args(arguments)
        // Settings of the person who runs the tests stay theirs, and no cluster is near.
        .env("HOME", home.path())
        .env("KUBECONFIG", home.path().join("none"))
        .output()
        .expect("helm");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stdout) + &text(&output.stderr))
    }
}

/// Renders the chart for the oldest Kubernetes that it supports.
pub(crate) fn render(arguments: &[&str]) -> Result<Rendering, String> {
    let out = tempfile::tempdir().unwrap();
    let (chart, directory) = (chart(), out.path());
    let fixed = ["template", "platform", &chart.to_string_lossy(), "--namespace", NAMESPACE];
    let more = ["--kube-version", "1.33.0", "--output-dir", &directory.to_string_lossy()];
    helm(&[&fixed[..], &more, arguments].concat())?;
    let mut rendering = Rendering::new();
    collect(&directory.join("stateward/templates"), "", &mut rendering);
    Ok(rendering)
}

/// Renders the chart with a value set.
pub(crate) fn render_set(set: &str) -> Rendering {
    render(&["--values", &values(set).to_string_lossy()]).unwrap_or_else(|why| panic!("{set}: {why}"))
}

/// Renders the chart with `--set` and each of these.
pub(crate) fn render_with(settings: &[&str]) -> Result<Rendering, String> {
    let arguments: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    render(&arguments)
}

/// The objects of a rendering.
pub(crate) fn objects(rendering: &Rendering) -> Vec<Value> {
    rendering.iter().flat_map(|(file, text)| documents(file, text)).collect()
}

/// The documents of a YAML file that are not empty.
pub(crate) fn documents(file: &str, text: &str) -> Vec<Value> {
    let source = Source::parse(file.to_owned(), text.to_owned());
    let documents = source.unwrap_or_else(|why| panic!("{file}: {why}")).documents;
    documents.into_iter().map(|document| document.value).filter(|value| !value.is_null()).collect()
}

/// The one object of this kind and name.
pub(crate) fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// All objects of this kind.
pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// Files below `directory` that hold more than white space.
fn collect(directory: &Path, prefix: &str, into: &mut Rendering) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), into);
        } else {
            into.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}
