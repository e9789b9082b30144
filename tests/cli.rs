//! The binary: exit codes, streams, and readers that go away.

#![allow(clippy::unwrap_used, reason = "clippy knows functions marked as tests alone")]

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

const GOOD: &str = "tests/golden/ten-postgres-lines/input.yaml";
const PROFILE: &str = "tests/cluster/profiles/parallel.yaml";
const BAD: &str = "tests/golden/latest-tag-refused/input.yaml";

fn stateward(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stateward"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    stateward(arguments).output().unwrap()
}

#[test]
fn exit_codes_say_how_it_went() {
    let cases: [(&[&str], i32); 19] = [
        (&["render", "-f", GOOD], 0),
        (&["render", "-f", BAD], 1),
        (&["lint", "-f", GOOD], 0),
        (&["lint", "-f", BAD], 1),
        (&["explain", "-f", BAD], 1),
        (&["render"], 2),
        (&["rendre"], 2),
        (&["explain", "deployment", "db"], 2),
        (&["render", "-f", "no-such-file"], 3),
        (&["explain", "db", "--kubeconfig", "no-such-file"], 4),
        (&["lint", "-f", PROFILE], 0),
        (&["profiles", "--offline"], 0),
        (&["profiles", "no-such-profile", "--offline"], 4),
        (&["preview", "-f", PROFILE, GOOD], 0),
        (&["preview", "-f", GOOD, GOOD], 2),
        (&["upgrade"], 2),
        (&["upgrade", "db", "--to", "no revision"], 2),
        (&["diff", "db", "--kubeconfig", "no-such-file"], 4),
        (&["--help"], 0),
    ];
    for (arguments, code) in cases {
        let output = output(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert_eq!(said.is_empty(), code == 0 || arguments[0] == "lint", "{arguments:?}: {said}");
    }
}

#[test]
fn standard_input_is_read() {
    let mut child =
        stateward(&["render", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"kind: Service # ours not\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"kind: Service # ours not\n");
}

#[test]
fn colours_are_for_terminals_or_by_demand() {
    assert!(!output(&["lint", "-f", BAD]).stdout.contains(&0x1b));
    let forced = stateward(&["lint", "-f", BAD]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(forced.stdout.contains(&0x1b));
}

/// As `stateward render | head -1` does, with more text than a pipe holds.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("many.yaml");
    std::fs::write(&file, "kind: Service\n---\n".repeat(5_000)).unwrap();
    let mut child = stateward(&["render", "-f", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// What would stand in the cluster once all of a folder is applied.
#[test]
fn a_folder_is_judged_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    write(
        "namespace.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {stateward.dev/managed: 'true'}, annotations: \
         {stateward.dev/size: huge}}\n",
    );
    let profile = "apiVersion: stateward.dev/v1alpha1\nkind: StatefulSetProfile\nmetadata: {name: redis}\nspec: {summary: \
                   ours, extends: redis, sizes: {huge: {limits: {memory: 77Gi}}}}\n";
    write("profile.yaml", profile);
    write(
        "set.yaml",
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\nspec: {template: {spec: \
         {containers: [{name: db, image: 'redis:8'}]}}}\n",
    );
    let path = folder.path().to_str().unwrap();
    // Named twice, it is the same profile, and no parent of itself.
    let cases: [&[&str]; 4] = [
        &["render", "-f", path],
        &["explain", "-f", path],
        &["render", "-f", path, "--profiles", path],
        &["explain", "-f", path, "--profiles", path],
    ];
    for arguments in cases {
        let output = output(arguments);
        let said = String::from_utf8_lossy(&output.stdout);
        let set = said.split("name: redis").last().unwrap();
        assert!(output.status.success() && set.contains("77Gi"), "{arguments:?}: {output:?}");
    }
    assert!(output(&["lint", "-f", path]).status.success());
    assert!(output(&["lint", "-f", path, "--profiles", path]).status.success());
    // One that would be refused is passed over, and that is told.
    write("profile.yaml", &profile.replace("memory: 77Gi", "memory: much"));
    for command in ["render", "explain"] {
        let output = output(&[command, "-f", path]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("error: StatefulSetProfile redis: spec.sizes.huge.limits.memory: "), "{said}");
        assert!(said.contains("the sets here are judged without it"), "{said}");
    }
    let linted = output(&["lint", "-f", path]);
    let said = String::from_utf8_lossy(&linted.stdout).into_owned();
    assert!(!linted.status.success() && said.contains("spec.sizes.huge.limits.memory"), "{said}");
}

/// Nobody else judges them. Neither server gets as far as to need a cluster.
#[test]
fn faults_of_profiles_in_files_are_logged_by_both_servers() {
    let folder = tempfile::tempdir().unwrap();
    let profile = "apiVersion: stateward.dev/v1alpha1\nkind: StatefulSetProfile\nmetadata: {name: queue}\nspec: {summary: \
                   ours, extends: default, data: {mountPath: data}}\n";
    std::fs::write(folder.path().join("profile.yaml"), profile).unwrap();
    let path = folder.path().to_str().unwrap();
    for command in ["webhook", "controller"] {
        let output = output(&[command, "--profiles", path, "--kubeconfig", "no-such-file"]);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let said =
            [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert!(said.contains("a profile of --profiles has a fault"), "{said}");
        assert!(said.contains("spec.data.mountPath: \\\"data\\\" is not absolute"), "{said}");
    }
}
