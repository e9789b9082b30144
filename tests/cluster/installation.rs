//! The README's commands install the chart: here, where it is installed already, they leave it as it is.

use std::fs;

use crate::harness::{cluster, run};

/// The commands of a section of the README: what stands indented there.
fn commands(section: &str) -> Vec<String> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, rest) = readme.split_once(&format!("\n## {section}\n")).expect("the section");
    let text = rest.split("\n## ").next().unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect()
}

#[test]
fn the_commands_of_the_readme_work_as_written() {
    cluster();
    let commands = commands("In production");
    assert_eq!(commands.len(), 2, "{commands:?}");
    for command in commands {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(arguments[0], "helm", "{command}");
        let said = run("helm", "admin", &arguments[1..], "", &[]).ok();
        assert!(said.stdout.contains("STATUS: deployed"), "{}", said.stdout);
    }
}
