use serde_json::json;

use super::*;
use crate::cli::judge::Judge;

fn rendered(args: &RenderArgs, text: &str) -> Report {
    let source = Source::parse("in.yaml".to_owned(), text.to_owned()).unwrap();
    let engine = Engine::built_in().unwrap();
    run(args, &[source], "default", &engine, &mut Painter::new(false)).unwrap()
}

fn args(output: Format, full: bool) -> RenderArgs {
    RenderArgs { output, full, ..RenderArgs::default() }
}

fn set(managed: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: x\n  labels:\n    stateward.dev/managed: \"{managed}\"\nspec:\n  template:\n    spec:\n      containers:\n      - image: {image} # this one\n        name: x\n  replicas: 3\n"
    )
}

#[test]
fn what_is_not_changed_keeps_its_bytes() {
    let unmanaged = set("false", "x:1");
    let text =
        format!("# top\r\nkind: Service\r\n---\n{unmanaged}---\n# end\n---\nkind: Secret\nmode:   0644");
    let report = rendered(&args(Format::Yaml, false), &text);
    assert_eq!((report.stdout.as_str(), report.exit), (text.as_str(), Exit::Fine));
}

#[test]
fn what_is_changed_keeps_its_head() {
    let text = format!("---\n# Source: db.yaml\n{}---\nkind: Service\n", set("true", "x:1"));
    let report = rendered(&args(Format::Yaml, false), &text);
    let lines: Vec<_> = report.stdout.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "---",
            "# Source: db.yaml",
            "apiVersion: apps/v1",
            "kind: StatefulSet",
            "metadata:",
            "  annotations:"
        ]
    );
    assert!(report.stdout.contains("\n        image: x:1\n"), "{}", report.stdout);
    assert!(report.stdout.contains("\n  serviceName: x-headless\n"), "{}", report.stdout);
    assert!(report.stdout.ends_with("---\nkind: Service\n"), "{}", report.stdout);
    assert!(!report.stdout.contains("revisionHistoryLimit"), "{}", report.stdout);
    let full = rendered(&args(Format::Yaml, true), &text);
    assert!(full.stdout.contains("revisionHistoryLimit: 10\n"), "{}", full.stdout);
}

#[test]
fn what_is_rendered_again_keeps_its_bytes() {
    let once = rendered(&args(Format::Yaml, false), &set("true", "memcached:1.6")).stdout;
    let twice = rendered(&args(Format::Yaml, false), &once).stdout;
    assert_eq!(twice, once);
}

#[test]
fn what_is_refused_is_not_printed() {
    let text = format!("kind: Service\n---\n{}---\nkind: Secret\n", set("true", "postgres:latest"));
    let report = rendered(&args(Format::Yaml, false), &text);
    assert_eq!((report.stdout.as_str(), report.exit), ("kind: Service\n---\nkind: Secret\n", Exit::Findings));
    for part in ["StatefulSet default/x: spec.template.spec", "in.yaml:13:16", "help:"] {
        assert!(report.stderr.contains(part), "{part}: {}", report.stderr);
    }
}

#[test]
fn items_of_a_list_are_rendered_in_it() {
    let indented = set("true", "x:1").replace('\n', "\n  ");
    let text = format!("apiVersion: v1\nkind: List\nitems:\n- kind: Service\n- {}\n", indented.trim_end());
    let report = rendered(&args(Format::Yaml, false), &text);
    let start = "apiVersion: v1\nitems:\n- kind: Service\n- apiVersion";
    assert!(report.stdout.starts_with(start), "{}", report.stdout);
    assert!(report.stdout.contains("\n    serviceName: x-headless\n"));
}

#[test]
fn json_holds_all_documents() {
    let text = format!("kind: Service\n---\n{}---\n# none\n", set("true", "x:1"));
    let report = rendered(&args(Format::Json, false), &text);
    let list: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(list["kind"], "List");
    assert_eq!(list["items"][0], json!({"kind": "Service"}));
    assert_eq!(list["items"][1]["spec"]["serviceName"], "x-headless");
}

/// What render prints, applied, is stored as the webhook would have stored what it was given.
#[test]
fn render_and_admission_agree() {
    let text = set("true", "memcached:1.6");
    let source = Source::parse("in.yaml".to_owned(), text.clone()).unwrap();
    let engine = Engine::built_in().unwrap();
    let Decision::Admitted(admitted) =
        Judge::new(&engine, &[], "default").create(&source.documents[0].value).unwrap().decision
    else {
        panic!("refused");
    };
    let report = rendered(&args(Format::Json, false), &text);
    let mut stored: Value = serde_json::from_str(&report.stdout).unwrap();
    assert!(stored["spec"].get("revisionHistoryLimit").is_none());
    defaults::apply(&mut stored);
    assert_eq!(stored, stored_form(&admitted));
}

#[test]
fn companions_are_printed_behind_their_set_and_once() {
    let all = RenderArgs { companions: true, ..RenderArgs::default() };
    let once = rendered(&all, &set("true", "x:1")).stdout;
    let kinds: Vec<_> = once.lines().filter(|line| line.starts_with("kind:")).collect();
    assert_eq!(kinds, ["kind: StatefulSet", "kind: Service", "kind: PodDisruptionBudget"]);
    assert_eq!(rendered(&all, &once).stdout, once);
}

#[test]
fn a_class_that_is_not_there_is_warned_of() {
    let all = RenderArgs { companions: true, ..RenderArgs::default() };
    let text = set("true", "memcached:1.6")
        .replace("  labels:", "  annotations: {stateward.dev/service: internal}\n  labels:");
    assert!(
        rendered(&all, &text)
            .stderr
            .contains("there is no service class \"internal\"; write one of ClusterIP")
    );
}

#[test]
fn a_secret_is_named_and_not_printed() {
    let all = RenderArgs { companions: true, ..RenderArgs::default() };
    let text = set("true", "memcached:1.6")
        .replace("  labels:", "  annotations: {stateward.dev/generate-secret: POSTGRES_PASSWORD}\n  labels:");
    let report = rendered(&all, &text);
    assert!(!report.stdout.contains("kind: Secret"), "{}", report.stdout);
    assert!(report.stderr.contains("-generated is not printed"), "{}", report.stderr);
    assert!(!rendered(&RenderArgs::default(), &text).stderr.contains("-generated"));
}
