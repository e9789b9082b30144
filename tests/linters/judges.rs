//! Those who judge, and what each says in its own words.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::{Rendered, kube_linter, linters, run};

/// What kube-score gives where nothing is to be said.
const PERFECT: u64 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Judge {
    KubeScore,
    Kics,
    /// Not the program, which the module proxy of Go does not serve: see `kube_linter`.
    KubeLinter,
}

/// Something that one of them said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Said {
    pub(crate) judge: Judge,
    pub(crate) check: String,
    pub(crate) what: String,
}

/// What all of them say of each, in its order.
pub(crate) fn judge(rendered: &[Rendered]) -> Vec<BTreeSet<Said>> {
    let linters = linters();
    let of_kics = kics(&linters, rendered);
    let judged = rendered.iter().zip(of_kics).map(|(one, mut said)| {
        said.extend(kube_score(&linters, one));
        let ours = kube_linter::check(one).into_iter();
        said.extend(ours.map(|(check, what)| Said {
            judge: Judge::KubeLinter,
            check: check.to_owned(),
            what,
        }));
        said
    });
    judged.collect()
}

fn kube_score(linters: &Path, rendered: &Rendered) -> Vec<Said> {
    let mut command = Command::new(linters.join("kube-score"));
    command.args(["score", "--output-format", "json", "--kubernetes-version", "v1.33", "-"]);
    let documents: Vec<String> = rendered.objects.iter().map(Value::to_string).collect();
    let output = run(&mut command, documents.join("\n---\n").as_bytes());
    let objects: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert!(objects.iter().any(|object| object["type_meta"]["kind"] == "StatefulSet"), "nothing was judged");
    // A path may name anything: a container, a path of an Ingress.
    let names = rendered.objects.iter().filter_map(|object| {
        let containers = object["spec"]["template"]["spec"]["containers"].as_array()?;
        Some(containers.iter().map(|container| &container["name"]))
    });
    let others: Vec<_> = names.flatten().filter(|name| **name != *rendered.main).collect();
    let mut said = Vec::new();
    for check in objects.iter().flat_map(|object| object["checks"].as_array().unwrap()) {
        if check["skipped"] == true || check["grade"].as_u64().unwrap() >= PERFECT {
            continue;
        }
        let id = check["check"]["id"].as_str().unwrap();
        let comments = check["comments"].as_array().unwrap();
        assert!(!comments.is_empty(), "{check}");
        let meant = comments.iter().filter(|one| !others.contains(&&one["path"]));
        said.extend(meant.map(|one| Said {
            judge: Judge::KubeScore,
            check: id.to_owned(),
            what: one["summary"].as_str().unwrap().to_owned(),
        }));
    }
    said
}

/// All in one process, which compiles the queries first.
fn kics(linters: &Path, rendered: &[Rendered]) -> Vec<BTreeSet<Said>> {
    #[derive(Deserialize)]
    struct Report {
        queries: usize,
        findings: Vec<Vec<Finding>>,
    }
    #[derive(Deserialize)]
    struct Finding {
        query: String,
        kind: String,
        key: String,
    }
    let lists: Vec<_> = rendered.iter().map(|one| &one.objects).collect();
    let output = run(&mut Command::new(linters.join("kics")), &serde_json::to_vec(&lists).unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    let there = fs::read_dir(linters.join("kics-queries")).unwrap().count();
    assert_eq!(report.queries, there, "each query is asked, since it leaves out what it cannot read");
    let said = rendered.iter().zip(report.findings).map(|(one, findings)| {
        let findings = findings.into_iter().filter_map(|finding| {
            let place = place(&finding.key, &one.main)?;
            let what = format!("{} {place}", finding.kind).trim_end().to_owned();
            Some(Said { judge: Judge::Kics, check: finding.query, what })
        });
        findings.collect()
    });
    said.collect()
}

/// Where in an object, without the names of the object and of its main container, and without values,
/// which KICS does not put in braces: none where it is another container. `metadata.name={{db}}.spec.template.spec.containers.name={{main}}.image` as KICS writes it.
fn place(key: &str, main: &str) -> Option<String> {
    let mut parts = Vec::new();
    let mut within = "";
    for part in split(key) {
        let (field, name) = part.split_once('=').map_or((part, None), |(field, name)| (field, Some(name)));
        let bare = name.and_then(|name| name.strip_prefix("{{")?.strip_suffix("}}"));
        match (within, field, bare.or(name)) {
            ("metadata", "name", Some(_)) => drop(parts.pop()),
            ("containers", "name", Some(name)) if name != main => return None,
            ("containers", "name", Some(_)) => {}
            _ => parts.push(bare.map_or(field.to_owned(), |name| format!("{field}={name}"))),
        }
        within = field;
    }
    Some(parts.join("."))
}

/// At dots, save for those between braces.
fn split(key: &str) -> Vec<&str> {
    let (mut parts, mut from, mut deep) = (Vec::new(), 0, 0_i32);
    for (at, character) in key.char_indices() {
        match character {
            '{' => deep += 1,
            '}' => deep -= 1,
            '.' if deep == 0 => {
                parts.push(&key[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&key[from..]);
    parts
}

#[test]
fn a_place_names_no_object_and_no_container() {
    let of = |key| place(key, "main");
    let container = "metadata.name={{db}}.spec.template.spec.containers.name={{main}}.image";
    assert_eq!(of(container).as_deref(), Some("spec.template.spec.containers.image"));
    assert_eq!(of("metadata.name={{db}}.spec.template.spec.containers.name={{exporter}}.image"), None);
    assert_eq!(of("metadata.name={{db}}").as_deref(), Some(""));
    let port = "metadata.name={{a.b}}.spec.ports.port={{80}}";
    assert_eq!(of(port).as_deref(), Some("spec.ports.port=80"));
    assert_eq!(of("metadata.name=db.spec.runAsUser=100").as_deref(), Some("spec.runAsUser"));
}
