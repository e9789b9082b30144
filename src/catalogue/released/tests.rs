use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

use super::super::{BUILT_IN, Catalogue, chain};
use super::*;
use crate::engine::{Change, Decision, Engine, Offline};
use crate::record::{Read, Record};

const FILE: &str = "src/catalogue/released.jsonl";

/// What each built-in profile holds now, by name and revision.
fn current() -> Vec<(String, String, Content)> {
    let catalogue = Catalogue::built_in().unwrap();
    let nothing = BTreeMap::new();
    let one = |profile: &Arc<Profile>| {
        let chain = chain(&profile.name, &catalogue.sources, &nothing).unwrap();
        (profile.name.clone(), profile.revision.clone(), Content::of(&chain))
    };
    catalogue.profiles().map(one).collect()
}

/// Appends what is missing with `STATEWARD_BLESS=1`, and never writes anything else.
#[test]
fn the_current_revision_of_each_is_among_them() {
    let released = Released::built_in();
    let current = current();
    assert_eq!(current.len(), BUILT_IN.len());
    let missing: Vec<_> =
        current.into_iter().filter(|(name, revision, _)| released.get(name, revision).is_none()).collect();
    let ids: Vec<String> = missing.iter().map(|(name, revision, _)| format!("{name}@{revision}")).collect();
    if std::env::var_os("STATEWARD_BLESS").is_some_and(|value| value == "1") {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        for (name, revision, content) in missing {
            writeln!(file, "{}", line(&name, &revision, content)).unwrap();
        }
        return;
    }
    assert!(
        ids.is_empty(),
        "built-in profiles have changed, and their revisions are not in {FILE}: {}. STATEWARD_BLESS=1 cargo test \
         appends them",
        ids.join(", ")
    );
}

#[test]
fn each_line_holds_the_revision_that_it_names() {
    let mut seen = std::collections::BTreeSet::new();
    for text in LINES.lines() {
        let whole: Whole = serde_json::from_str(text).unwrap();
        let id = format!("{}@{}", whole.profile, whole.revision);
        assert_eq!(whole.content.resolve().unwrap().id(), id);
        assert!(seen.insert(id), "{} is there twice", whole.revision);
    }
}

/// Sets are pinned to what any version ever had: a line that goes, or becomes another, takes away what
/// their fields are computed by.
#[test]
fn no_line_was_ever_taken_out_or_changed() {
    let git = |arguments: &[&str]| {
        let said = Command::new("git").arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(arguments).output();
        said.ok()
            .filter(|said| said.status.success())
            .map(|said| String::from_utf8_lossy(&said.stdout).into_owned())
    };
    if git(&["ls-files", FILE]).is_none_or(|known| known.is_empty()) {
        eprintln!("no history of git here: passed over");
        return;
    }
    // Merges against each of their parents, and what is not committed yet.
    let log = git(&["log", "--full-history", "-m", "--numstat", "--format=commit %h", "--", FILE]).unwrap();
    let now = git(&["diff", "--numstat", "HEAD", "--", FILE]).unwrap();
    let mut commit = "";
    for line in log.lines().chain(["commit of what is not committed yet"]).chain(now.lines()) {
        if let Some(name) = line.strip_prefix("commit ") {
            commit = name;
        } else if let Some(deleted) = line.split_whitespace().nth(1) {
            assert_eq!(deleted, "0", "{FILE} lost lines in {commit}: {line}");
        }
    }
}

/// PostgreSQL as some earlier version had it: its revision, and the line of it.
fn earlier() -> (String, String) {
    let text = include_str!("../postgresql.yaml").replace("Seconds: 120", "Seconds: 119");
    let catalogue = Catalogue::built_in().unwrap().with([("x", text.as_str())]).unwrap();
    let revision = catalogue.latest("postgresql").unwrap().revision.clone();
    let content = catalogue.content("postgresql", &revision).unwrap();
    let line = line("postgresql", &revision, content);
    (revision, line)
}

#[test]
fn a_line_is_read_when_it_is_asked_for() {
    let (revision, line) = earlier();
    let text: &'static str = format!("{line}\nno line\n").leak();
    let released = Released::of(text);
    assert!(released.lines.get().is_none());
    assert!(released.get("postgresql", "0badc0de").is_none());
    assert!(released.line("postgresql", &revision).unwrap().profile.get().is_none());
    assert_eq!(released.get("postgresql", &revision).unwrap().id(), format!("postgresql@{revision}"));
    assert_eq!(released.all_of("postgresql").count(), 1);
    assert_eq!(released.all_of("redis").count(), 0);
    assert_eq!(released.content("postgresql", &revision).unwrap().layers.len(), 2);
    // Today's come from the files, and ask for none.
    let catalogue = Catalogue::built_in().unwrap().with_released(text);
    let today = catalogue.latest("postgresql").unwrap();
    assert!(catalogue.revision("postgresql", &today.revision).is_some());
    assert!(catalogue.released.lines.get().is_none());
    assert_eq!(catalogue.revisions("postgresql").count(), 2);
}

/// A set that an earlier version made is computed for by what it had, and moves when its owner says so.
#[test]
fn a_set_keeps_what_an_earlier_version_gave_it() {
    let set = serde_json::json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "db", "labels": {"stateward.dev/managed": "true"},
            "annotations": {"stateward.dev/generate-secret": "POSTGRES_PASSWORD"},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "postgres", "image": "postgres:18"}]}}},
    });
    let (revision, line) = earlier();
    let text = include_str!("../postgresql.yaml").replace("Seconds: 120", "Seconds: 119");
    let before = Engine::new(Catalogue::built_in().unwrap().with([("x", text.as_str())]).unwrap());
    let now = Engine::new(Catalogue::built_in().unwrap().with_released(line.leak()));
    let without = Engine::new(Catalogue::built_in().unwrap().with_released(""));
    let admit = |engine: &Engine, before: Option<&serde_json::Value>, after: &serde_json::Value| {
        engine.admit(Change { namespace: "shop", before, after }, &Offline).unwrap()
    };
    let result = |decision| match decision {
        Decision::Admitted(admitted) => admitted.result,
        other => panic!("{other:?}"),
    };
    let made = result(admit(&before, None, &set));
    let mut larger = made.clone();
    larger["metadata"]["annotations"]["stateward.dev/size"] = "large".into();
    let Decision::Refused { faults, .. } = admit(&without, Some(&made), &larger) else {
        panic!("computed by a revision that nobody knows")
    };
    assert!(faults[0].problem.contains("which is not known here"), "{faults:?}");

    let grown = result(admit(&now, Some(&made), &larger));
    let pod = |set: &serde_json::Value| set["spec"]["template"]["spec"].clone();
    assert_eq!(pod(&grown)["containers"][0]["resources"]["limits"]["memory"], "4Gi");
    assert_eq!(pod(&grown)["terminationGracePeriodSeconds"], 119);
    let Read::Known(record) = Record::of(&grown) else { panic!("no record") };
    assert_eq!(record.pin.revision, revision);
    let explained = now.explain(&grown).unwrap();
    assert!(explained.upgrade.iter().any(|field| field.value == 120), "{:?}", explained.upgrade);

    let moving = |set: &serde_json::Value, to: &str| {
        let mut set = set.clone();
        set["metadata"]["annotations"]["stateward.dev/upgrade-to"] = to.into();
        set
    };
    let moved = result(admit(&now, Some(&grown), &moving(&grown, "latest")));
    assert_eq!(pod(&moved)["terminationGracePeriodSeconds"], 120);
    let back = moving(&moved, &format!("postgresql@{revision}"));
    let back = result(admit(&now, Some(&moved), &back));
    assert_eq!(pod(&back)["terminationGracePeriodSeconds"], 119);
}
