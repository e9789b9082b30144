//! Data stays where it is: the same claim at the same path under the same user, or a refusal with
//! the steps.

use serde_json::{Value, json};

use crate::harness::{
    Client, Hook, Manifest, Place, Said, Snapshot, Space, app, cluster, forward, postgres, wait_for,
};
use crate::platform::dry_run;

/// All that decides whether a database finds its files.
#[derive(Debug, PartialEq)]
struct Data {
    claims: Value,
    mounts: Value,
    user: Value,
    group: Value,
    directory: Value,
}

impl Data {
    fn of(snapshot: &Snapshot) -> Self {
        let main = snapshot.container("postgres");
        Self {
            claims: snapshot.object["spec"]["volumeClaimTemplates"].clone(),
            mounts: main["volumeMounts"].clone(),
            user: main["securityContext"]["runAsUser"].clone(),
            group: snapshot.pod("/securityContext/fsGroup").clone(),
            directory: snapshot.item("postgres", "env", "name", "PGDATA").clone(),
        }
    }
}

/// A change that could lead a database away from its files, and what the refusal names if it is
/// one. `None`: it is admitted, and the data stays.
type Case = (&'static str, fn(Manifest) -> Manifest, Option<&'static [&'static str]>);

const CASES: &[Case] = &[
    ("storage-taken-away", |db| db.unannotate("storage"), None),
    ("storage-none", |db| db.annotate("storage", "none"), Some(&["stateward.dev/storage"])),
    (
        "storage-grown",
        |db| db.annotate("storage", "40Gi"),
        Some(&["stateward.dev/storage", "20Gi", "40Gi", "claim"]),
    ),
    ("storage-shrunk", |db| db.annotate("storage", "5Gi"), Some(&["stateward.dev/storage", "20Gi", "5Gi"])),
    (
        "mount-path",
        |db| db.annotate("mount-path", "/elsewhere"),
        Some(&["stateward.dev/mount-path", "/elsewhere"]),
    ),
    (
        "storage-class",
        |db| db.annotate("storage-class", "fast"),
        Some(&["stateward.dev/storage-class", "fast"]),
    ),
    (
        "new-volume",
        |db| db.annotate("volume.wal", "5Gi,path=/wal"),
        Some(&["stateward.dev/volume.wal", "claim"]),
    ),
    (
        "profile",
        |db| db.set("/metadata/labels/stateward.dev~1profile", json!("default")),
        Some(&["stateward.dev/profile", "profile-revision"]),
    ),
    (
        "older-major",
        |db| db.main("image", json!("postgres:17")),
        Some(&["containers[name=\"postgres\"].image", "postgres:17"]),
    ),
    (
        "alpine",
        |db| db.main("image", json!("postgres:18-alpine")),
        Some(&["containers[name=\"postgres\"].image", "alpine"]),
    ),
    ("minor", |db| db.main("image", json!("postgres:18.1")), None),
    ("other-registry", |db| db.main("image", json!("mirror.example.com/library/postgres:18")), None),
    (
        "main-container",
        |db| {
            db.set(
                "/spec/template/spec/containers",
                json!([
                    {"name": "postgres", "image": "postgres:18"},
                    {"name": "other", "image": "example.com/other:1"},
                ]),
            )
            .annotate("main-container", "other")
        },
        Some(&["main-container"]),
    ),
];

#[test]
fn with_client_side_apply() {
    data_stays(Client::Apply);
}

#[test]
fn with_server_side_apply() {
    data_stays(Client::ServerSide);
}

#[test]
fn with_replace() {
    data_stays(Client::Replace);
}

fn data_stays(client: Client) {
    let space = Space::new(&format!("data-{}", client.name()));
    let sets: Vec<_> = CASES.iter().map(|case| (case, postgres(case.0))).collect();
    for (_, manifest) in &sets {
        let _ = match client {
            Client::Replace => space.kubectl_with(&["create", "-f", "-"], &manifest.text()),
            _ => space.send(client, manifest),
        }
        .ok();
    }
    let mut failures = Vec::new();
    for ((name, change, refusal), manifest) in &sets {
        let before = space.snapshot(name);
        assert_eq!(before.pod("/containers/0/volumeMounts/0/mountPath"), "/var/lib/postgresql", "{name}");
        let said = space.send(client, &change(manifest.clone()));
        let after = space.snapshot(name);
        if Data::of(&before) != Data::of(&after) {
            failures.push(format!("{name}: {:?} became {:?}", Data::of(&before), Data::of(&after)));
        }
        match refusal {
            None if !said.success() => failures.push(format!("{name}: refused: {}", said.stderr)),
            Some(_) if said.success() => failures.push(format!("{name}: not refused")),
            Some(words) => {
                if let Some(word) = words.iter().find(|word| !said.stderr.contains(**word)) {
                    failures.push(format!("{name}: the refusal lacks {word:?}: {}", said.stderr));
                }
            }
            None => {}
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The user's own fields decide: whoever writes uid and path knows the image.
#[test]
fn another_variant_passes_with_the_fields_written() {
    let space = Space::new("own-variant");
    let before = space.create(Client::Apply, &postgres("db"));
    let written = postgres("db")
        .main("image", json!("postgres:18-alpine"))
        .main("securityContext", json!({"runAsUser": 999, "runAsGroup": 999}))
        .set("/spec/template/spec/securityContext", json!({"fsGroup": 999}));
    let _ = space.send(Client::Apply, &written).ok();
    let after = space.snapshot("db");
    assert_eq!(Data::of(&before), Data::of(&after));
    assert_eq!(after.container("postgres")["image"], "postgres:18-alpine");
}

/// A sidecar that is renamed is nobody's business; a main container takes its mounts along.
#[test]
fn a_renamed_main_container_takes_its_mounts_along() {
    let space = Space::new("renamed");
    let before = space.create(Client::Apply, &postgres("db"));
    let renamed = postgres("db").main("name", json!("database"));
    let _ = space.send(Client::Apply, &renamed).ok();
    let after = space.snapshot("db");
    assert_eq!(
        before.container("postgres")["volumeMounts"],
        after.container("database")["volumeMounts"],
        "the mounts stayed behind"
    );
    assert_eq!(after.pod("/containers").as_array().map(Vec::len), Some(1), "the old container stayed");
}

/// The catalogue that answers after the change has another path, uid and size for everything.
#[test]
fn after_deletion_the_ten_lines_find_the_same_data() {
    recreated("deleted", &["delete", "statefulset", "db"]);
}

#[test]
fn after_orphan_deletion_the_ten_lines_find_the_same_data() {
    recreated("orphaned", &["delete", "statefulset", "db", "--cascade=orphan"]);
}

fn recreated(name: &str, deletion: &[&str]) {
    let space = Space::labelled(name, &[(Place::Instead.label(), name)]);
    let hook = Hook::start(name, Place::Instead, "Fail", vec![forward(&cluster().stateward)]);
    hook.wait_asked(&space);
    let first = space.create(Client::Apply, &postgres("db"));
    wait_bound(&space);
    let changed = cluster()
        .replica(name, &["--profiles", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/changed")]);
    hook.answer(vec![forward(&changed)]);

    let _ = space.kubectl(deletion).ok();
    space.wait_gone("db");
    let second = space.create(Client::Apply, &postgres("db"));
    let (before, after) = (Data::of(&first), Data::of(&second));
    assert_eq!(before.mounts, after.mounts, "the path");
    assert_eq!((before.user, before.group), (after.user, after.group), "the user");
    assert_eq!(before.directory, after.directory, "the data directory");
    assert_eq!(before.claims[0]["metadata"]["name"], after.claims[0]["metadata"]["name"], "the claim");
}

/// Whatever class the namespace gives by now. Sizes are the claims' own.
#[test]
fn a_set_made_again_keeps_the_storage_class_of_its_claims() {
    let space = Space::new("class-kept");
    let set = app("a").annotate("storage", "1Gi").annotate("mount-path", "/data");
    let first = space.create(Client::Apply, &set);
    assert!(class(&first).is_null(), "nobody names one, and the cluster has one: {}", class(&first));
    wait_bound(&space);
    let two = set.replicas(2).annotate("storage", "2Gi");
    let said = made_again(&space, &two, "local");
    let told = "claim data-a-0 is of storage class local: further ones get local, not other as Namespace ";
    let size = "claim data-a-0 keeps its 1Gi; further ones get 2Gi, as stateward.dev/storage says: grow the claim itself, \
                or write 1Gi as stateward.dev/storage";
    let _ = said.mentions(&[told, "; for another one write stateward.dev/storage-class", size]);
    assert_eq!(class(&space.snapshot("a")), "local");
    wait_for("the second claim", || {
        let claims = space.list("/api/v1", "persistentvolumeclaims");
        let classes: Vec<_> = claims.iter().map(|claim| claim["spec"]["storageClassName"].clone()).collect();
        if classes == ["local", "local"] { Ok(()) } else { Err(format!("{classes:?}")) }
    });
    let _ = space.kubectl(&["rollout", "status", "statefulset/a", "--timeout=60s"]).ok();
    let status = space.stateward(&["status", "a", "--wait"]).ok();
    assert!(!status.stdout.contains("storage class"), "{status:?}");
    let explained = space.stateward(&["explain", "a"]).ok();
    assert!(explained.stdout.contains("claims that were there before the set"), "{explained:?}");
    // It is part of the set from now on, whatever the namespace says and whoever sends the ten lines.
    for change in [["annotate", "stateward.dev/upgrade-to=latest"], ["label", "mine=x"]] {
        let _ = space.kubectl(&[change[0], "statefulset", "a", change[1]]).ok().silent_about(&["class"]);
    }
    let _ = space.send(Client::Replace, &two).ok().silent_about(&["class"]);
    assert_eq!(class(&space.snapshot("a")), "local");
}

/// A claim without a class, for volumes that are made by hand.
#[test]
fn a_set_made_again_keeps_to_volumes_made_by_hand() {
    let space = Space::new("class-none");
    let (metadata, modes) = (json!({"name": space.name}), json!(["ReadWriteOnce"]));
    let claim = json!({"namespace": space.name, "name": "data-a-0"});
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata,
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": modes, "hostPath": {"path": "/nowhere"},
            "persistentVolumeReclaimPolicy": "Retain", "claimRef": claim},
    });
    space.as_admin("create", &volume);
    let requests = json!({"requests": {"storage": "1Gi"}});
    let spec = json!({"accessModes": modes, "resources": requests, "storageClassName": ""});
    let set = app("a")
        .annotate("storage", "1Gi")
        .annotate("mount-path", "/data")
        .set("/spec/volumeClaimTemplates", json!([{"metadata": {"name": "data"}, "spec": spec}]));
    space.create(Client::Apply, &set);
    wait_bound(&space);
    let unnamed = set.without("/spec/volumeClaimTemplates/0/spec/storageClassName");
    let said = made_again(&space, &unnamed, "");
    let told = "claim data-a-0 is of storage class \"\": further ones get \"\" and wait for volumes made by hand, not other";
    let _ = said.mentions(&[told]);
    assert_eq!(class(&space.snapshot("a")), "");
    let _ = space.as_admin_says(&["delete", "persistentvolume", &space.name, "--wait=false"]).ok();
}

/// The storage class of the set's claim template.
fn class(set: &Snapshot) -> Value {
    set.object["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"].clone()
}

/// Deletes the set and makes it again, as soon as the webhook knows that its namespace gives another class and
/// that its claim has this one.
fn made_again(space: &Space, set: &Manifest, class: &str) -> Said {
    let other = "stateward.dev/storage-class=other";
    let _ = space.kubectl(&["annotate", "namespace", &space.name, other]).ok();
    let _ = space.kubectl(&["delete", "statefulset", set.name(), "--cascade=orphan"]).ok();
    space.wait_gone(set.name());
    let known = |set: &Manifest, class: &str| {
        wait_for(&format!("the webhook to give {} the class {class:?}", set.name()), || {
            let said = dry_run(space, set).ok();
            let named = format!("\"storageClassName\": {class:?}");
            if said.stdout.contains(&named) { Ok(()) } else { Err(format!("{said:?}")) }
        });
    };
    known(&set.clone().named("another"), "other");
    known(set, class);
    space.send(Client::Apply, set).ok()
}

/// An upgrade to a revision that has the data elsewhere.
#[test]
fn an_upgrade_to_another_mount_is_refused_or_keeps_the_data() {
    let name = "upgrade-mount";
    let space = Space::labelled(name, &[(Place::Instead.label(), name)]);
    let hook = Hook::start(name, Place::Instead, "Fail", vec![forward(&cluster().stateward)]);
    hook.wait_asked(&space);
    let first = space.create(Client::Apply, &postgres("db"));
    let changed = cluster()
        .replica(name, &["--profiles", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/changed")]);
    hook.answer(vec![forward(&changed)]);
    for key in ["upgrade-to", "profile-revision"] {
        let annotation = format!("stateward.dev/{key}=latest");
        let said = space.kubectl(&["annotate", "statefulset", "db", "--overwrite", &annotation]);
        let after = space.snapshot("db");
        assert_eq!(Data::of(&first), Data::of(&after), "{key}: {}", said.stderr);
        if !said.success() {
            let _ = said.refused(&[&format!("stateward.dev/{key}"), "/elsewhere"]);
        }
    }
}

/// Our claim's mount stands beside the mounts of the user.
#[test]
fn a_mount_of_the_users_stays_beside_ours() {
    let space = Space::new("own-mount");
    let own = app("a")
        .annotate("storage", "1Gi")
        .annotate("mount-path", "/data")
        .main("volumeMounts", json!([{"name": "scratch", "mountPath": "/scratch"}]))
        .set("/spec/template/spec/volumes", json!([{"name": "scratch", "emptyDir": {}}]));
    let now = space.create(Client::Apply, &own);
    let mount = |path: &str| now.item("app", "volumeMounts", "mountPath", path)["name"].clone();
    assert_eq!(mount("/scratch"), "scratch");
    let claim = now.object["spec"]["volumeClaimTemplates"][0]["metadata"]["name"].clone();
    assert_eq!(mount("/data"), claim, "the claim is not mounted");
}

fn wait_bound(space: &Space) {
    wait_for("the claim to be bound", || {
        let claims = space.list("/api/v1", "persistentvolumeclaims");
        match claims.first() {
            Some(claim) if claim["status"]["phase"] == "Bound" => Ok(()),
            other => Err(format!("{:?}", other.map(|claim| &claim["status"]))),
        }
    });
}
