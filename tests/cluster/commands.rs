//! The commands that read a cluster, as a developer runs them.

use serde_json::{Value, json};

use crate::harness::{Client, Said, Space, app, cluster, postgres, wait_for};
use crate::platform::dry_run;

fn read(space: &Space, arguments: &[&str]) -> Value {
    let said = space.stateward(&[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&said.stdout).unwrap_or_else(|why| panic!("{why}: {}{}", said.stdout, said.stderr))
}

#[test]
fn adopt_says_what_the_label_then_does() {
    let space = Space::new("adopt-dry-run");
    let set = app("old")
        .without("/metadata/labels")
        .set("/spec/replicas", json!(2))
        .set("/spec/selector", json!({"matchLabels": {"app": "old"}}))
        .set("/spec/template/metadata/labels", json!({"app": "old"}));
    let before = space.create(Client::Apply, &set);
    let adoption = read(&space, &["adopt", "old", "--dry-run"])[0].clone();
    assert_eq!(adoption["restarts"], false, "{adoption:#}");
    assert_eq!(adoption["appear"], json!(["Service old", "PodDisruptionBudget old"]), "{adoption:#}");
    assert!(space.snapshot("old").record().is_none(), "a dry run adopted it");
    let command = adoption["command"].as_str().unwrap().strip_prefix("kubectl ").unwrap();
    let _ = space.kubectl(&command.split(' ').collect::<Vec<_>>()).ok();
    before.assert_unchanged(&space.snapshot("old"), "adopted");
    let adopted = space.snapshot("old");
    let record: Value = serde_json::from_str(&adopted.record().unwrap()).unwrap();
    assert_eq!(record["pin"], adoption["pin"]);
    let again = space.stateward(&["adopt", "old", "--dry-run"]);
    assert!(!again.success());
    let _ =
        again.mentions(&["StatefulSet old in namespace ", "is managed already; stateward status old -n "]);
    let said = space.stateward(&["adopt", "old"]);
    assert!(!said.success());
    let _ = said.mentions(&["adopt writes nothing: with --dry-run", "stateward.dev/managed=true"]);
    // One that was opted out already: the command still does what it says.
    let _ = space.kubectl(&["label", "statefulset/old", "--overwrite", "stateward.dev/managed=false"]).ok();
    let adoption = read(&space, &["adopt", "old", "--dry-run"])[0].clone();
    let command = adoption["command"].as_str().unwrap().strip_prefix("kubectl ").unwrap();
    let _ = space.kubectl(&command.split(' ').collect::<Vec<_>>()).ok();
    let _ = space.stateward(&["status", "old"]).silent_about(&["not managed"]);
}

#[test]
fn status_tells_claims_and_pods() {
    let space = Space::new("status");
    let _ = space.stateward(&["status"]).ok();
    space.create(Client::Apply, &postgres("db"));
    let _ = space.kubectl(&["rollout", "status", "statefulset/db", "--timeout=60s"]).ok();
    let status = read(&space, &["status", "db"])[0].clone();
    assert!(status["pin"].as_str().unwrap().starts_with("postgresql@"), "{status:#}");
    assert_eq!(status["pods"][0]["dns"], format!("db-0.db-headless.{}.svc", space.name));
    assert_eq!(
        (&status["claims"][0]["name"], &status["claims"][0]["phase"]),
        (&json!("data-db-0"), &json!("Bound"))
    );
    let _ = space.stateward(&["status", "other"]).mentions(&["no StatefulSet other in namespace status"]);
    let _ = space.kubectl(&["label", "statefulset/db", "stateward.dev/managed-"]).ok();
    let said = space.stateward(&["status", "db"]);
    let hint = format!("is not managed; stateward adopt db -n {} --dry-run", space.name);
    let _ = said.mentions(&[&hint]);
}

/// `status --wait`, by the configuration that the chart's ConfigMap holds.
fn wait(space: &Space, timeout: &str) -> Said {
    space.stateward(&["status", "db", "--wait", "--timeout", timeout, "-o", "json"])
}

fn problems(said: &Said) -> Value {
    let statuses: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|why| panic!("{why}: {said:?}"));
    statuses[0]["problems"].clone()
}

#[test]
fn status_waits_until_all_is_well() {
    let space = Space::new("status-wait");
    let _ = space.send(Client::Apply, &postgres("db").replicas(3).annotate("service", "ClusterIP")).ok();
    let said = wait(&space, "90s").ok();
    assert_eq!(problems(&said), json!([]));
    let status: Value = serde_json::from_str(&said.stdout).unwrap();
    let status = &status[0];
    assert_eq!((&status["ready"], &status["disruptionsAllowed"]), (&json!(3), &json!(1)), "{status:#}");
    let states: Vec<_> = status["companions"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["there"; 4], "{status:#}");
    let endpoint = json!({
        "address": format!("db.{}.svc:5432", space.name), "port": "postgresql", "ready": 3, "by": "Service",
    });
    assert_eq!(status["endpoints"], json!([endpoint]), "{status:#}");
    // A change that has just been asked for is waited for: no pod of the old revision is left.
    let _ = space.kubectl(&["set", "image", "statefulset/db", "postgres=postgres:18.1"]).ok();
    let _ = wait(&space, "90s").ok();
    let current = space.get("db")["status"]["updateRevision"].clone();
    let pods = space.list("/api/v1", "pods");
    assert_eq!(pods.len(), 3);
    assert!(
        pods.iter().all(|pod| pod["metadata"]["labels"]["controller-revision-hash"] == current),
        "{pods:?}"
    );
    // So is what changes beside it, and what goes.
    let _ = space.kubectl(&["annotate", "statefulset/db", "stateward.dev/service-ports=6000:5432"]).ok();
    let status: Value = serde_json::from_str(&wait(&space, "90s").ok().stdout).unwrap();
    assert_eq!(status[0]["endpoints"][0]["address"], format!("db.{}.svc:6000", space.name));
    let none = "stateward.dev/disruption-budget=none";
    let _ = space.kubectl(&["annotate", "statefulset/db", none]).ok();
    let _ = wait(&space, "90s").ok();
    assert_eq!(space.list("/apis/policy/v1", "poddisruptionbudgets"), Vec::<Value>::new());
}

#[test]
fn status_says_what_is_missing_when_the_time_is_over() {
    let space = Space::new("status-late");
    let unready = "/spec/template/metadata/annotations";
    let set = postgres("db").set(unready, json!({"stateward.dev/test-unready": "true"}));
    let _ = space.send(Client::Apply, &set).ok();
    let said = wait(&space, "3s");
    assert!(!said.success());
    let missing = format!("0 of 1 pods are ready; kubectl describe pod -n {} db-0 says why", space.name);
    assert!(problems(&said).as_array().unwrap().contains(&json!(missing)), "{said:?}");
    let _ = said.mentions(&[&format!("not settled after 3 s: {}/db", space.name), "stands in the status"]);
    // While it waits, the pod becomes ready.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&space, "90s"));
        let _ = space.kubectl(&["annotate", "pod/db-0", "stateward.dev/test-unready-"]).ok();
        let said = waiting.join().unwrap().ok();
        assert_eq!(problems(&said), json!([]));
    });
    let said = space.stateward(&["status", "other", "--wait"]);
    assert!(!said.success());
    let _ = said.mentions(&["no StatefulSet other in namespace "]);
    let said = space.stateward(&["status", "db", "--timeout", "3s"]);
    assert!(!said.success());
    let _ = said.mentions(&["--wait"]);
}

#[test]
fn what_is_granted_is_read_from_the_cluster_unless_a_file_says_otherwise() {
    let space = Space::new("status-granted");
    let set = app("db").annotate("service", "other").annotate("ingress-host", "status-granted.example.com");
    let _ = space.send(Client::Apply, &set).ok();
    let balancer = format!(
        "Service db has no address of a load balancer yet; kubectl describe service -n {} db says why",
        space.name
    );
    wait_for("all but the load balancer", || {
        let found = read(&space, &["status", "db"])[0]["problems"].clone();
        if found == json!([balancer]) { Ok(()) } else { Err(found.to_string()) }
    });
    let status = read(&space, &["status", "db"])[0].clone();
    let addresses = status["endpoints"].as_array().unwrap().iter().map(|one| one["address"].clone());
    assert_eq!(
        addresses.collect::<Vec<_>>(),
        [json!(format!("db.{}.svc:8080", space.name)), json!("http://status-granted.example.com/")]
    );
    let nothing = cluster().dir.join("nothing.yaml");
    std::fs::write(&nothing, "hosts: []").unwrap();
    let told = read(&space, &["status", "db", "--configuration", &nothing.to_string_lossy()]);
    let problems = told[0]["problems"].to_string();
    assert!(problems.contains("status-granted.example.com is not granted to this namespace"), "{problems}");
    // Nor does a set lose what stands beside it where its manifests are printed.
    let manifests = space.stateward(&["eject", "db"]).ok().silent_about(&["is not among them"]).stdout;
    assert!(manifests.contains("kind: Ingress") && manifests.contains("type: LoadBalancer"), "{manifests}");
    let said = space.stateward(&["eject", "db", "--configuration", &nothing.to_string_lossy()]).ok();
    let _ = said.mentions(&["Service db is not among them", "Ingress db is not among them"]);
    std::fs::write(&nothing, "host: []").unwrap();
    let said = space.stateward(&["status", "db", "--configuration", &nothing.to_string_lossy()]);
    assert!(!said.success());
    let _ =
        said.mentions(&["nothing.yaml cannot be used:", "host: there is no such field; did you mean hosts?"]);
}

#[test]
fn what_is_ejected_and_applied_is_handed_back_and_restarts_nothing() {
    let space = Space::new("eject");
    let before = space.create(Client::Apply, &postgres("db"));
    let manifests = space.stateward(&["eject", "db"]).ok().mentions(&["apply them"]).stdout;
    assert!(
        manifests.contains("kind: Service") && !manifests.contains("stateward.dev/expansion"),
        "{manifests}"
    );
    let _ = space.kubectl_with(&["apply", "-f", "-"], &manifests).ok();
    let after = space.snapshot("db");
    before.assert_not_restarted(&after, "ejected");
    // Nobody looks after it any more: a field of ours that goes is gone.
    let gone = r#"[{"op": "remove", "path": "/spec/template/spec/terminationGracePeriodSeconds"}]"#;
    let _ = space.kubectl(&["patch", "statefulset", "db", "--type=json", "-p", gone]).ok();
    assert_eq!(space.get("db")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 30);
    let _ = space.stateward(&["eject", "db"]).mentions(&["StatefulSet db in namespace ", "is not managed"]);
}

/// The class of claims that are there is theirs for good, and whose manifest names another one has two.
#[test]
fn claims_of_another_class_than_those_to_come_are_told() {
    let space = Space::new("status-class");
    let set = postgres("db").annotate("storage", "1Gi");
    space.create(Client::Apply, &set);
    let _ = space.stateward(&["status", "db", "--wait"]).ok();
    let other = set.clone().annotate("storage-class", "other");
    let _ = space.kubectl(&["delete", "statefulset", "db", "--cascade=orphan"]).ok();
    space.wait_gone("db");
    let warned = "claim data-db-0 keeps its storage class local; further ones get other, as stateward.dev/storage-class says";
    wait_for("the webhook to know of the claim", || {
        let said = dry_run(&space, &other).ok();
        if said.stderr.contains(warned) { Ok(()) } else { Err(format!("{said:?}")) }
    });
    let _ = space.send(Client::Apply, &other).ok().mentions(&[warned]);
    let said = space.stateward(&["status", "db", "--wait"]).ok();
    let note = "data-db-0 (local) is of another storage class than other, which claims to come get: ";
    assert!(said.stdout.contains(note), "{said:?}");
    // As the note has it.
    let _ = space.kubectl(&["delete", "statefulset", "db", "--cascade=orphan"]).ok();
    space.wait_gone("db");
    let same = set.annotate("storage-class", "local");
    let _ = space.send(Client::Apply, &same).ok().silent_about(&["claim data-db-0"]);
    let status = read(&space, &["status", "db", "--wait"])[0].clone();
    assert_eq!(
        (&status["notes"], &status["claims"][0]["class"]),
        (&json!([]), &json!("local")),
        "{status:#}"
    );
}

#[test]
fn a_selector_that_cannot_be_read_is_a_matter_of_usage() {
    let space = Space::new("selector");
    for more in [&[][..], &["--dry-run"]] {
        let said = space
            .stateward(&[&["upgrade", "-l", "team in shop"], more].concat())
            .exits(2)
            .silent_about(&["Status {"]);
        let _ = said.mentions(&[
            "error: --selector: unable to parse",
            "; write it as for kubectl: team=shop, tier!=test or ",
        ]);
    }
    let _ = space.stateward(&["upgrade", "-l", "team in (shop)"]).exits(0);
}
