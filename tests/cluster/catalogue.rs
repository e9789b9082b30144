//! The profiles, each tried with its example: a set with all that stands beside it, which no client's
//! second request restarts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use stateward::catalogue::{Catalogue, DEFAULT};

use crate::cases::{Case, REPLICAS, cases};
use crate::harness::{Client, Space, postgres, wait_for};

/// An example, and what there is to be when it was applied.
struct Example {
    file: &'static str,
    claims: &'static [&'static str],
    services: [&'static str; 2],
    budgets: &'static [&'static str],
    secrets: &'static [&'static str],
}

const EXAMPLES: [Example; 17] = [
    Example {
        file: "postgresql",
        claims: &["data-orders-db-0"],
        services: ["orders-db", "orders-db-headless"],
        budgets: &[],
        secrets: &["orders-db-generated"],
    },
    Example {
        file: "mysql",
        claims: &["data-shop-db-0"],
        services: ["shop-db", "shop-db-headless"],
        budgets: &[],
        secrets: &["shop-db-generated"],
    },
    Example {
        file: "mariadb",
        claims: &["data-wiki-db-0"],
        services: ["wiki-db", "wiki-db-headless"],
        budgets: &[],
        secrets: &["wiki-db-generated"],
    },
    Example {
        file: "redis",
        claims: &["data-sessions-0"],
        services: ["sessions", "sessions-headless"],
        budgets: &[],
        secrets: &["sessions-generated"],
    },
    Example {
        file: "valkey",
        claims: &["data-queue-0"],
        services: ["queue", "queue-headless"],
        budgets: &[],
        secrets: &[],
    },
    Example {
        file: "memcached",
        claims: &[],
        services: ["page-cache", "page-cache-headless"],
        budgets: &["page-cache"],
        secrets: &[],
    },
    Example {
        file: "mongodb",
        claims: &["data-products-db-0"],
        services: ["products-db", "products-db-headless"],
        budgets: &[],
        secrets: &["products-db-generated"],
    },
    Example {
        file: "kafka",
        claims: &["data-events-0", "data-events-1", "data-events-2"],
        services: ["events", "events-headless"],
        budgets: &["events"],
        secrets: &[],
    },
    Example {
        file: "zookeeper",
        claims: &["data-coordination-0", "data-coordination-1", "data-coordination-2"],
        services: ["coordination", "coordination-headless"],
        budgets: &["coordination"],
        secrets: &[],
    },
    Example {
        file: "consul",
        claims: &["data-discovery-0", "data-discovery-1", "data-discovery-2"],
        services: ["discovery", "discovery-headless"],
        budgets: &["discovery"],
        secrets: &[],
    },
    Example {
        file: "etcd",
        claims: &["data-settings-0", "data-settings-1", "data-settings-2"],
        services: ["settings", "settings-headless"],
        budgets: &["settings"],
        secrets: &[],
    },
    Example {
        file: "rabbitmq",
        claims: &["data-jobs-0", "data-jobs-1", "data-jobs-2"],
        services: ["jobs", "jobs-headless"],
        budgets: &["jobs"],
        secrets: &["jobs-generated"],
    },
    Example {
        file: "nats",
        claims: &["data-messages-0", "data-messages-1", "data-messages-2"],
        services: ["messages", "messages-headless"],
        budgets: &["messages"],
        secrets: &[],
    },
    Example {
        file: "elasticsearch",
        claims: &["data-full-text-0", "data-full-text-1", "data-full-text-2"],
        services: ["full-text", "full-text-headless"],
        budgets: &["full-text"],
        secrets: &[],
    },
    Example {
        file: "opensearch",
        claims: &["data-logs-0", "data-logs-1", "data-logs-2"],
        services: ["logs", "logs-headless"],
        budgets: &["logs"],
        secrets: &["logs-generated"],
    },
    Example {
        file: "solr",
        claims: &["data-site-search-0", "data-site-search-1"],
        services: ["site-search", "site-search-headless"],
        budgets: &["site-search"],
        secrets: &[],
    },
    Example {
        file: "cassandra",
        claims: &["data-telemetry-0", "data-telemetry-1", "data-telemetry-2"],
        services: ["telemetry", "telemetry-headless"],
        budgets: &["telemetry"],
        secrets: &[],
    },
];

fn named(objects: &[Value], is: impl Fn(&Value) -> bool) -> Vec<String> {
    let objects = objects.iter().filter(|object| is(object));
    let mut names: Vec<_> =
        objects.map(|object| object["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

/// Waits until there is what is meant to be, and nothing besides.
fn wait_complete(space: &Space, example: &Example) {
    let bound = |claim: &Value| claim["status"]["phase"] == "Bound";
    let ours = |object: &Value| !object["metadata"]["labels"]["stateward.dev/companion"].is_null();
    let expected: [&[&str]; 4] = [example.claims, &example.services, example.budgets, example.secrets];
    wait_for(&format!("all of {}", example.file), || {
        let found = [
            named(&space.list("/api/v1", "persistentvolumeclaims"), bound),
            named(&space.list("/api/v1", "services"), ours),
            named(&space.list("/apis/policy/v1", "poddisruptionbudgets"), ours),
            named(&space.list("/api/v1", "secrets"), ours),
        ];
        if found.iter().zip(expected).all(|(found, expected)| found == expected) {
            Ok(())
        } else {
            Err(format!("{found:?} instead of {expected:?}"))
        }
    });
}

#[test]
fn every_systems_example_runs_and_is_left_alone() {
    for example in &EXAMPLES {
        let space = Space::new(&format!("catalogue-{}", example.file));
        let file = format!("{}/examples/{}.yaml", env!("CARGO_MANIFEST_DIR"), example.file);
        let text = std::fs::read_to_string(&file).expect("the example");
        assert!(
            text.lines().filter(|line| !line.starts_with('#')).count() <= 10,
            "more than ten lines: {text}"
        );
        let _ = space.kubectl(&["apply", "-f", &file]).ok();
        let set = named(&space.list("/apis/apps/v1", "statefulsets"), |_| true).concat();
        let before = space.snapshot(&set);
        let record = before.record_text().expect("a record");
        assert!(record.contains(&format!("{}@", example.file)), "another profile: {record}");
        wait_complete(&space, example);
        for verb in ["apply", "replace"] {
            let _ = space.kubectl(&[verb, "-f", &file]).ok();
            before.assert_unchanged(&space.snapshot(&set), &format!("{}: {verb}", example.file));
            wait_complete(&space, example);
        }
    }
}

/// Redis 6 is looked at otherwise than Redis 8, and keeps its data alike: it may move on. Alpine's user
/// is another.
#[test]
fn an_upgrade_is_held_up_by_another_user_and_not_by_another_probe() {
    let space = Space::new("catalogue-upgrade");
    let redis = |tag: &str| postgres("db").main("image", json!(format!("redis:{tag}")));
    let probe =
        |set: &Value| set["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["exec"].clone();
    let before = space.create(Client::Apply, &redis("6.2"));
    assert_eq!(probe(&before.object), json!({"command": ["redis-cli", "ping"]}));
    let _ = space.send(Client::Apply, &redis("8.2-alpine")).refused(&["runAsGroup", "fsGroup"]);
    let _ = space.send(Client::Apply, &redis("8.2")).ok();
    let after = space.snapshot("db");
    assert_eq!(before.immutable, after.immutable);
    let changed: Vec<_> = before.template_changes(&after).into_iter().collect();
    assert_eq!(changed, ["spec.containers[postgres].image"]);
    let _ = space.send(Client::Apply, &redis("8.2")).ok();
    after.assert_unchanged(&space.snapshot("db"), "applied again");
}

/// Each profile in each of its variants, with one, three and five replicas: legal, or refused by us for
/// the number.
#[test]
fn every_variant_is_legal_with_one_three_and_five_replicas() {
    // Any pod that Pod Security's strictest level would refuse is warned of.
    let space = Space::labelled("catalogue-variants", &[("pod-security.kubernetes.io/warn", "restricted")]);
    let mut refused: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for Case { profile, main, manifest } in cases(&Catalogue::built_in().unwrap()) {
        for replicas in REPLICAS {
            let mut manifest = manifest.clone();
            manifest["spec"]["replicas"] = json!(replicas);
            let said = space.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &manifest.to_string());
            if said.success() {
                let names_it = said.stderr.contains(&format!("{main:?}"));
                let loose = said.stderr.contains("would violate PodSecurity") && names_it;
                assert_eq!(loose, profile == DEFAULT, "{profile}, container {main}: {said:?}");
                let never = refused.get(&profile).is_some_and(|counts| counts.contains(&replicas));
                assert!(!never, "{profile} in another variant is refused with {replicas}");
            } else {
                assert!(replicas > 1 && said.by_us(), "{profile}, container {main}: {said:?}");
                let _ = said.mentions(&["spec.replicas"]);
                refused.entry(profile.clone()).or_default().insert(replicas);
            }
        }
    }
    let servers_alone: Vec<&str> = refused.keys().map(String::as_str).collect();
    assert_eq!(
        servers_alone,
        ["mariadb", "mongodb", "mysql", "postgresql", "redis", "valkey"],
        "{refused:?}"
    );
    assert!(refused.values().all(|counts| counts.iter().eq(&[3, 5])), "{refused:?}");
}
