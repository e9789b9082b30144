//! A user's value replaces ours while it is there, and ours is back when it goes, byte for byte.

use serde_json::{Value, json};

use crate::harness::{Client, MAIN, Manifest, Snapshot, Space, postgres};

/// Something that the user sets for a while.
struct Case {
    name: &'static str,
    set: fn(Manifest) -> Manifest,
    /// While it is set.
    holds: fn(&Snapshot) -> Result<(), String>,
}

const CASES: &[Case] = &[
    Case {
        name: "another-handler",
        set: |db| db.main("readinessProbe", json!({"tcpSocket": {"port": 5432}})),
        holds: |now| {
            let probe = &now.container("postgres")["readinessProbe"];
            expect("the user's handler", &probe["tcpSocket"]["port"], &json!(5432))?;
            expect("our handler", &probe["exec"], &Value::Null)
        },
    },
    Case {
        name: "value-over-value-from",
        set: |db| db.main("env", json!([{"name": "POD_NAME", "value": "fixed"}])),
        holds: |now| {
            expect(
                "POD_NAME",
                now.item("postgres", "env", "name", "POD_NAME"),
                &json!({
                    "name": "POD_NAME", "value": "fixed",
                }),
            )
        },
    },
    Case {
        name: "grace-period",
        set: |db| db.set("/spec/template/spec/terminationGracePeriodSeconds", json!(90)),
        holds: |now| expect("the grace period", now.pod("/terminationGracePeriodSeconds"), &json!(90)),
    },
    Case {
        name: "hard-spread",
        set: |db| db.set("/spec/template/spec/topologySpreadConstraints", json!([spread("DoNotSchedule")])),
        holds: |now| {
            expect("the constraints over hosts", &over_hosts(now), &json!([spread("DoNotSchedule")]))
        },
    },
    Case {
        name: "soft-spread",
        set: |db| db.set("/spec/template/spec/topologySpreadConstraints", json!([spread("ScheduleAnyway")])),
        holds: |now| {
            expect("the constraints over hosts", &over_hosts(now), &json!([spread("ScheduleAnyway")]))
        },
    },
    Case {
        name: "env-from",
        set: |db| db.main("envFrom", json!([{"secretRef": {"name": "mine"}}])),
        holds: |now| {
            let sources = &now.container("postgres")["envFrom"];
            let has = |name: &str| {
                sources.as_array().is_some_and(|all| all.iter().any(|one| one["secretRef"]["name"] == name))
            };
            (has("mine") && has("env-from-generated")).then_some(()).ok_or(format!("envFrom is {sources}"))
        },
    },
    Case {
        name: "sidecar-first",
        set: |db| {
            let main = json!({"name": "postgres", "image": "postgres:18"});
            db.set("/spec/template/spec/containers", json!([sidecar(), main]))
        },
        holds: |now| {
            let probe = &now.container("metrics")["readinessProbe"];
            expect("the sidecar's probe", probe, &Value::Null)?;
            let command = &now.container("postgres")["readinessProbe"]["exec"]["command"][0];
            expect("the main container's probe", command, &json!("pg_isready"))
        },
    },
    Case {
        name: "limit-below-our-request",
        set: |db| db.main("resources", json!({"limits": {"memory": "256Mi"}})),
        holds: |now| {
            let resources = &now.container("postgres")["resources"];
            expect("the limit", &resources["limits"]["memory"], &json!("256Mi"))?;
            let request = resources["requests"]["memory"].as_str();
            matches!(request, None | Some("256Mi")).then_some(()).ok_or(format!("requests {request:?}"))
        },
    },
    Case {
        name: "security-context",
        set: |db| db.set("/spec/template/spec/securityContext", json!({"fsGroup": 4321})),
        holds: |now| expect("fsGroup", now.pod("/securityContext/fsGroup"), &json!(4321)),
    },
    Case {
        name: "own-port",
        set: |db| db.main("ports", json!([{"name": "metrics", "containerPort": 9187}])),
        holds: |now| {
            let port = now.item("postgres", "ports", "name", "metrics");
            expect("the user's port", &port["containerPort"], &json!(9187))
        },
    },
];

#[test]
fn with_client_side_apply() {
    set_and_drop(Client::Apply);
}

#[test]
fn with_server_side_apply() {
    set_and_drop(Client::ServerSide);
}

fn set_and_drop(client: Client) {
    let space = Space::new(&format!("takeover-{}", client.name()));
    let sets: Vec<_> = CASES.iter().map(|case| (case, postgres(case.name))).collect();
    for (_, manifest) in &sets {
        let _ = space.send(client, manifest).ok();
    }
    let mut failures = Vec::new();
    for (case, manifest) in &sets {
        let first = space.snapshot(case.name);
        let said = space.send(client, &(case.set)(manifest.clone()));
        if !said.success() {
            failures.push(format!("{}: setting it was refused: {}", case.name, said.stderr));
            continue;
        }
        let during = space.snapshot(case.name);
        if let Err(why) = (case.holds)(&during) {
            failures.push(format!("{}: while set, {why}", case.name));
        }
        let said = space.send(client, manifest);
        let after = space.snapshot(case.name);
        if after.template != first.template {
            let left = first.template_changes(&after);
            failures.push(format!("{}: afterwards differs {left:?}\n{}", case.name, said.stderr));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Claim templates cannot be set and dropped: a set has its own beside ours from the start.
#[test]
fn a_claim_template_of_the_users_beside_ours() {
    let space = Space::new("own-claim");
    let wal = json!([{
        "metadata": {"name": "wal"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}},
    }]);
    let without =
        |name: &str| postgres(name).main("volumeMounts", json!([{"name": "wal", "mountPath": "/wal"}]));
    for client in Client::ALL {
        let manifest = without(client.name()).set("/spec/volumeClaimTemplates", wal.clone());
        let before = space.create(client, &manifest);
        let claims = before.object["spec"]["volumeClaimTemplates"].as_array().map(Vec::len);
        assert_eq!(claims, Some(2), "{client:?}: ours and theirs");

        let _ = space.send(client, &manifest).ok();
        before.assert_unchanged(&space.snapshot(client.name()), &format!("{client:?} of the same"));

        let _ = space.send(client, &manifest.clone().main("image", json!("postgres:18.1"))).ok();
        let after = space.snapshot(client.name());
        assert_eq!(before.immutable, after.immutable, "{client:?} with another image");

        // Left out of the manifest, it is restored like every immutable field.
        let _ = space.send(client, &without(client.name()).main("image", json!("postgres:18.1"))).ok();
        after.assert_unchanged(&space.snapshot(client.name()), &format!("{client:?} without the claims"));
    }
}

/// What we and the user say alike is the user's once an apply manager names it.
#[test]
fn a_value_equal_to_ours_is_the_users_once_named() {
    let space = Space::new("equal-value");
    for client in Client::APPLY {
        let manifest = postgres(client.name());
        let before = space.create(client, &manifest);
        let request = before.container("postgres")["resources"]["requests"]["cpu"].clone();
        let named = manifest.set(&format!("{MAIN}/resources/requests/cpu"), request.clone());
        let _ = space.send(client, &named).ok();
        before.assert_unchanged(&space.snapshot(client.name()), &format!("{client:?} naming our value"));

        let _ = space.send(client, &named.annotate("size", "large")).ok();
        let after = space.snapshot(client.name());
        let kept = &after.container("postgres")["resources"]["requests"]["cpu"];
        assert_eq!(*kept, request, "{client:?}: the size took over what the user wrote");
    }
}

/// A user's constraint for hosts, for a key that has one of ours.
fn spread(when_unsatisfiable: &str) -> Value {
    json!({
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": when_unsatisfiable,
        "labelSelector": {"matchLabels": {"team": "search"}}, "nodeTaintsPolicy": "Honor",
    })
}

fn over_hosts(now: &Snapshot) -> Value {
    let all = now.pod("/topologySpreadConstraints").as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|each| each["topologyKey"] == "kubernetes.io/hostname").collect()
}

fn sidecar() -> Value {
    json!({"name": "metrics", "image": "example.com/exporter:1", "ports": [{"containerPort": 9187}]})
}

fn expect(what: &str, is: &Value, wanted: &Value) -> Result<(), String> {
    (is == wanted).then_some(()).ok_or_else(|| format!("{what} is {is}, not {wanted}"))
}
