//! Annotations mean what they say: adding, changing or removing one changes exactly that, and what
//! restarts pods is announced.

use crate::harness::{Client, Manifest, Said, Snapshot, Space, app, postgres};

/// An annotation with two values, and where in the template it shows.
struct Case {
    key: &'static str,
    of: fn(&str) -> Manifest,
    values: [&'static str; 2],
    /// Every path that changes starts with one of these.
    may_change: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        key: "size",
        of: postgres,
        values: ["small", "large"],
        // PostgreSQL takes a share of the memory.
        may_change: &["spec.containers[postgres].resources", "spec.containers[postgres].args"],
    },
    Case {
        key: "readiness-probe",
        of: postgres,
        values: ["tcp:5432", "http:8080/ready;period=7"],
        may_change: &["spec.containers[postgres].readinessProbe"],
    },
    Case {
        key: "liveness-probe",
        of: postgres,
        values: ["none", "exec:true;failures=9"],
        may_change: &["spec.containers[postgres].livenessProbe"],
    },
    Case {
        key: "startup-probe",
        of: app,
        values: ["grpc:9090", "none"],
        may_change: &["spec.containers[app].startupProbe"],
    },
    Case {
        key: "env-from",
        of: postgres,
        values: ["secret/one", "secret/one,configmap/two"],
        may_change: &["spec.containers[postgres].envFrom"],
    },
    Case {
        key: "ports",
        of: portless,
        values: ["web=8080", "web=8080,admin=9090"],
        // The default profile asks the first declared port, so its probes come with a port.
        may_change: &[
            "spec.containers[app].ports",
            "spec.containers[app].startupProbe",
            "spec.containers[app].readinessProbe",
        ],
    },
];

#[test]
fn with_client_side_apply() {
    add_change_remove(Client::Apply);
}

#[test]
fn with_server_side_apply() {
    add_change_remove(Client::ServerSide);
}

#[test]
fn with_replace() {
    add_change_remove(Client::Replace);
}

fn add_change_remove(client: Client) {
    let space = Space::new(&format!("annotations-{}", client.name()));
    let sets: Vec<_> = CASES.iter().map(|case| (case, (case.of)(case.key))).collect();
    for (_, manifest) in &sets {
        let _ = match client {
            Client::Replace => space.kubectl_with(&["create", "-f", "-"], &manifest.text()),
            _ => space.send(client, manifest),
        }
        .ok();
    }
    for (case, manifest) in &sets {
        let first = space.snapshot(case.key);
        let mut before = first.clone();
        for value in case.values {
            let said = space.send(client, &manifest.clone().annotate(case.key, value)).ok();
            let after = space.snapshot(case.key);
            assert_only(case, &before, &after, &format!("{} {value}", case.key));
            announced(said);
            before = after;
        }
        announced(space.send(client, manifest).ok());
        let last = space.snapshot(case.key);
        assert_eq!(
            first.template,
            last.template,
            "without {} again: {:?}",
            case.key,
            first.template_changes(&last)
        );
    }
}

/// `kubectl annotate` is the third way to write one.
#[test]
fn with_kubectl_annotate() {
    let space = Space::new("annotate");
    let first = space.create(Client::Apply, &postgres("db"));
    let annotate = |what: &str| space.kubectl(&["annotate", "statefulset", "db", "--overwrite", what]);
    announced(annotate("stateward.dev/size=large").ok());
    let cpu = space.snapshot("db").container("postgres")["resources"]["requests"]["cpu"].clone();
    assert_eq!(cpu, "2", "the size large was not taken");
    announced(annotate("stateward.dev/size-").ok());
    assert_eq!(first.template, space.snapshot("db").template);
    // A misspelt key is refused with the one that was meant.
    let _ = annotate("stateward.dev/sise=large").refused(&["stateward.dev/sise", "stateward.dev/size"]);
}

/// What depends on nothing in the template, or is for companions, restarts nothing.
#[test]
fn annotations_for_companions_restart_nothing() {
    let space = Space::new("companions");
    let before = space.create(Client::Apply, &postgres("db"));
    for what in [
        "stateward.dev/disruption-budget=max-unavailable=1",
        "stateward.dev/service=ClusterIP",
        "stateward.dev/ingress-host=db.example.com",
        "stateward.dev/keep=podManagementPolicy",
    ] {
        let said = space.kubectl(&["annotate", "statefulset", "db", what]).ok();
        let _ = said.silent_about(&["restarts"]);
        before.assert_unchanged(&space.snapshot("db"), what);
    }
}

fn portless(name: &str) -> Manifest {
    app(name).without("/spec/template/spec/containers/0/ports")
}

fn assert_only(case: &Case, before: &Snapshot, after: &Snapshot, what: &str) {
    let changed = before.template_changes(after);
    assert!(!changed.is_empty(), "{what} changed nothing");
    let others: Vec<_> = changed
        .iter()
        .filter(|path| !case.may_change.iter().any(|prefix| path.starts_with(prefix)))
        .collect();
    assert!(others.is_empty(), "{what} changed {others:?} too");
    assert_eq!(before.immutable, after.immutable, "{what} changed an immutable field");
}

fn announced(said: Said) {
    let _ = said.mentions(&["Warning: ", "restarts 1 pod"]);
}
