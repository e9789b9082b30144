use serde_json::json;

use super::*;
use crate::defaults;
use crate::engine::{Change, Decision, Engine, Offline};
use crate::expand;
use crate::intent::Intent;
use crate::settings::Settings;

#[test]
fn the_built_in_catalogue_loads() {
    let catalogue = Catalogue::built_in().unwrap();
    assert!(catalogue.latest(DEFAULT).is_some());
    assert_eq!(catalogue.for_image("mirror.corp/library/postgres:18").unwrap().name, "postgresql");
    assert!(catalogue.for_image("nginx").is_none());
}

#[test]
fn a_changed_profile_is_a_new_revision_and_the_old_one_stays() {
    let before = Catalogue::built_in().unwrap();
    let old = before.latest("postgresql").unwrap().revision.clone();
    let text = include_str!("postgresql.yaml").replace("Seconds: 120", "Seconds: 300");
    let after = before.with([("x", text.as_str())]).unwrap();
    assert_ne!(after.latest("postgresql").unwrap().revision, old);
    assert!(after.revision("postgresql", &old).is_some());
}

#[test]
fn words_for_people_make_no_revision() {
    let before = Catalogue::built_in().unwrap();
    let text = include_str!("postgresql.yaml").replace("one server", "a server");
    let after = before.clone().with([("x", text.as_str())]).unwrap();
    let revision = |c: &Catalogue| c.latest("postgresql").unwrap().revision.clone();
    assert_eq!(revision(&before), revision(&after));
}

#[test]
fn a_cycle_is_told() {
    let file = |name: &str, parent: &str| {
        format!(
            "apiVersion: stateward.dev/v1alpha1\nkind: StatefulSetProfile\nmetadata: {{name: {name}}}\n\
             spec: {{summary: x, extends: {parent}}}\n"
        )
    };
    let (a, b) = (file("a", "b"), file("b", "a"));
    let error = Catalogue::default().with([("a", a.as_str()), ("b", b.as_str())]).unwrap_err();
    assert_eq!(error.to_string(), "profile b: extends a, which leads back to itself");
}

/// The built-in profiles, and one of these fields that extends that of PostgreSQL.
fn with_ours(fields: &str) -> Catalogue {
    let text = format!(
        "{{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {{name: ours}},
          spec: {{summary: ours, extends: postgresql, match: {{images: [ours]}}, {fields}}}}}"
    );
    Catalogue::built_in().unwrap().with([("ours", text.as_str())]).unwrap()
}

/// What a set of it gets whose container has these fields.
fn injected(catalogue: &Catalogue, fields: &str) -> Vec<expand::Injection> {
    let set = format!(
        "{{metadata: {{name: db}}, spec: {{template: {{spec: {{containers: [{{name: db, image: 'ours:17', {fields}}}]}}}}}}}}"
    );
    let set: Value = serde_saphyr::from_str(&set).unwrap();
    let (intent, _) = Intent::parse(None, None);
    let settings = Settings::choose(&set, &intent, catalogue).unwrap();
    expand::expand(&set, &settings).injections
}

#[test]
fn what_a_profile_says_wins_over_its_parents_variants() {
    let catalogue = with_ours(
        "data: {mountPath: /elsewhere}, statefulSet: {spec: {template: {spec: {containers: [{name: $(main),
            securityContext: {runAsUser: 2000}, env: [{name: PGDATA, value: /elsewhere/pgdata}]}]}}}}",
    );
    let variant = catalogue.latest("ours").unwrap().variant(&["17", "debian"]);
    assert_eq!(variant.data.mount_path.as_deref(), Some("/elsewhere"));
    let told = |end: &str| {
        let offer = variant.offers.iter().find(|offer| offer.path.to_string().ends_with(end)).unwrap();
        (offer.value.clone(), offer.source.to_string(), offer.data)
    };
    assert_eq!(told("securityContext.runAsUser"), (json!(2000), "profile ours".to_owned(), true));
    assert_eq!(
        told("env[name=\"PGDATA\"].value"),
        (json!("/elsewhere/pgdata"), "profile ours".to_owned(), true)
    );
    // What it leaves to its parent's variants is said to be theirs.
    let (group, source, _) = told("securityContext.runAsGroup");
    assert_eq!((group, source.as_str()), (json!(999), "profile postgresql, variant debian"));
}

#[test]
fn a_profile_may_add_a_container_with_probes_of_its_own() {
    let catalogue = with_ours(
        "statefulSet: {spec: {template: {spec: {containers: [{name: $(main)}, {name: exporter, image: 'exporter:1',
            readinessProbe: {httpGet: {path: /, port: 9187, scheme: HTTP}}}]}}}}",
    );
    let injected = injected(&catalogue, "readinessProbe: {tcpSocket: {port: 1}}");
    let paths: Vec<String> = injected.iter().map(|one| one.path.to_string()).collect();
    let has = |part: &str| paths.iter().any(|path| path.contains(part));
    assert!(
        has("[name=\"db\"].livenessProbe.tcpSocket") || has("[name=\"db\"].livenessProbe.exec"),
        "{paths:#?}"
    );
    assert!(!has("[name=\"db\"].readinessProbe"), "the user wrote that one: {paths:#?}");
    assert!(has("[name=\"exporter\"].readinessProbe.httpGet.port"), "{paths:#?}");
    assert!(has("[name=\"exporter\"].readinessProbe.periodSeconds"), "{paths:#?}");
}

#[test]
fn a_value_is_said_to_be_of_the_layer_that_holds_it() {
    let catalogue = with_ours("data: {size: 7Gi}, sizes: {tiny: {limits: {memory: 64Mi}}}");
    let sources = |fields: &str| {
        let injected = injected(&catalogue, fields);
        move |end: &str| {
            let of = injected.iter().find(|one| one.path.to_string().ends_with(end));
            of.unwrap_or_else(|| panic!("no {end}")).source.to_string()
        }
    };
    let source = sources("");
    assert_eq!(source("requests.storage"), "profile ours");
    assert_eq!(
        source("volumeMounts[mountPath=\"/var/lib/postgresql/data\"].name"),
        "profile postgresql, variant 17"
    );
    assert_eq!(source("limits.memory"), "profile postgresql");
    assert_eq!(source(".labelSelector"), "profile default");
    let read_only = sources("securityContext: {readOnlyRootFilesystem: true}");
    assert_eq!(read_only("volumeMounts[mountPath=\"/tmp\"].name"), "profile postgresql");
}

/// The profile that knows an image, and the case of each of its axes that the tag tells.
fn chosen<'c>(catalogue: &'c Catalogue, image: &str) -> Option<(&'c str, Vec<Option<&'c str>>)> {
    let profile = catalogue.for_image(image)?;
    let image = Image::parse(image);
    let case = |axis: &'c Axis| axis.cases.iter().find(|c| c.fits(&image)).map(|c| c.name.as_str());
    Some((&profile.name, profile.axes.iter().map(case).collect()))
}

#[test]
fn images_choose_the_profile_and_tags_the_variant() {
    let catalogue = Catalogue::built_in().unwrap();
    for (image, profile, cases) in [
        ("postgres:16.4-alpine3.20", "postgresql", &[Some("17"), Some("alpine")][..]),
        ("postgres:18-trixie", "postgresql", &[Some("18"), Some("debian")]),
        ("postgres:latest", "postgresql", &[None, Some("debian")]),
        ("postgres@sha256:00", "postgresql", &[None, None]),
        ("redis:8.2", "redis", &[Some("7"), Some("debian")]),
        ("public.ecr.aws/docker/library/redis:7.4-alpine3.21", "redis", &[Some("7"), Some("alpine")]),
        ("redis:6.2.21-bookworm", "redis", &[Some("6"), Some("debian")]),
        ("redis:alpine", "redis", &[None, Some("alpine")]),
        ("redis@sha256:00", "redis", &[None, None]),
        ("valkey/valkey:8.1.3-bookworm", "valkey", &[Some("debian")]),
        ("mirror.corp:5000/valkey/valkey:9-alpine", "valkey", &[Some("alpine")]),
        ("docker.io/library/memcached:1.6-alpine", "memcached", &[]),
        ("mariadb:11.8-ubi", "mariadb", &[Some("999")]),
        ("mirror.corp/dockerhub/library/mysql:8.4-oraclelinux9", "mysql", &[Some("999")]),
        ("mysql@sha256:00", "mysql", &[None]),
        ("mongo:8.0.13-noble", "mongodb", &[Some("6"), Some("999")]),
        ("mongo:5.0", "mongodb", &[Some("5"), Some("999")]),
        ("mongo:latest", "mongodb", &[None, Some("999")]),
        ("apache/kafka:4.1.0", "kafka", &[Some("1000")]),
        ("ghcr.io/apache/kafka-native:4.1.0", "kafka", &[Some("1000")]),
        ("public.ecr.aws/docker/library/zookeeper:3.9.4-jre-17", "zookeeper", &[Some("1000")]),
        ("hashicorp/consul:1.21-ubi", "consul", &[Some("100")]),
        ("gcr.io/etcd-development/etcd:v3.6.5", "etcd", &[Some("1000")]),
        ("quay.io/coreos/etcd:v3.5.21", "etcd", &[Some("1000")]),
        ("etcd-development/etcd@sha256:00", "etcd", &[None]),
        ("rabbitmq:4.1-management-alpine", "rabbitmq", &[Some("alpine")]),
        ("rabbitmq:management", "rabbitmq", &[Some("ubuntu")]),
        ("rabbitmq@sha256:00", "rabbitmq", &[None]),
        ("nats:2.12-scratch", "nats", &[Some("1000")]),
        ("nats:alpine", "nats", &[Some("1000")]),
        ("elasticsearch:9.1.4", "elasticsearch", &[Some("8"), Some("1000")]),
        (
            "docker.elastic.co/elasticsearch/elasticsearch:7.17.28",
            "elasticsearch",
            &[Some("7"), Some("1000")],
        ),
        ("opensearchproject/opensearch:3", "opensearch", &[Some("2"), Some("1000")]),
        ("opensearchproject/opensearch:1.3.20", "opensearch", &[Some("1"), Some("1000")]),
        ("opensearchproject/opensearch:latest", "opensearch", &[None, Some("1000")]),
        ("solr:9.10-slim", "solr", &[Some("9"), Some("8983")]),
        ("solr:10.0", "solr", &[Some("10"), Some("8983")]),
        ("solr:slim", "solr", &[None, Some("8983")]),
        ("cassandra:5.0-bookworm", "cassandra", &[Some("999")]),
    ] {
        assert_eq!(chosen(&catalogue, image), Some((profile, cases.to_vec())), "{image}");
    }
}

/// What merely has a like name: it keeps its data elsewhere, under another user, or has none.
const LOOK_ALIKES: &[&str] = &[
    "redis/redis-stack:7.4.0-v3",
    "redis/redis-stack-server:latest",
    "bitnami/redis:8.0",
    "bitnamilegacy/redis-cluster:7.2",
    "redislabs/redis:7.4",
    "oliver006/redis_exporter:v1.74.0",
    "rediscommander/redis-commander:latest",
    "valkey:8",
    "bitnami/valkey:8.1",
    "valkey/valkey-bundle:8.1",
    "mysql/mysql-server:8.0",
    "container-registry.oracle.com/mysql/community-server:8.4",
    "prom/mysqld-exporter:v0.17.2",
    "percona/percona-xtradb-cluster:8.0",
    "bitnami/mysql:9.4",
    "bitnami/mariadb-galera:11.8",
    "mariadb/maxscale:24.02",
    "mariadb-galera:11",
    "bitnami/memcached:1.6",
    "quay.io/prometheus/memcached-exporter:v0.15.3",
    "corp/memcached:1.6",
    "mongo-express:1.0",
    "bitnami/mongodb:8.0",
    "mongodb/mongodb-community-server:8.0-ubi9",
    "percona/percona-server-mongodb:8.0",
    "percona/mongodb_exporter:0.44",
    "bitnami/kafka:4.0",
    "confluentinc/cp-kafka:7.9.0",
    "quay.io/strimzi/kafka:0.47.0-kafka-4.0.0",
    "danielqsj/kafka-exporter:v1.9.0",
    "provectuslabs/kafka-ui:latest",
    "bitnami/zookeeper:3.9",
    "confluentinc/cp-zookeeper:7.9.0",
    "pravega/zookeeper:0.2.15",
    "hashicorp/consul-k8s-control-plane:1.8.0",
    "hashicorp/consul-enterprise:1.21-ent",
    "bitnami/consul:1.21",
    "registry.k8s.io/etcd:3.6.4-0",
    "bitnami/etcd:3.6",
    "bitnami/rabbitmq:4.1",
    "rabbitmqoperator/cluster-operator:2.16.0",
    "kbudde/rabbitmq-exporter:1.0.0",
    "natsio/nats-server-config-reloader:0.18.2",
    "natsio/prometheus-nats-exporter:0.17.3",
    "nats-streaming:0.25",
    "bitnami/nats:2.11",
    "docker.elastic.co/elasticsearch/elasticsearch-oss:7.10.2",
    "docker.elastic.co/eck/eck-operator:3.1.0",
    "bitnami/elasticsearch:9.1",
    "quay.io/prometheuscommunity/elasticsearch-exporter:v1.9.0",
    "opensearchproject/opensearch-dashboards:3",
    "opensearchproject/opensearch-operator:2.8.0",
    "bitnami/opensearch:3",
    "apache/solr-operator:v0.9.1",
    "bitnami/solr:9",
    "bitnami/cassandra:5.0",
    "k8ssandra/cass-operator:v1.27.0",
    "k8ssandra/cass-management-api:5.0.4",
    "scylladb/scylla:2025.3",
];

#[test]
fn look_alikes_are_not_taken() {
    let catalogue = Catalogue::built_in().unwrap();
    for image in LOOK_ALIKES {
        assert_eq!(chosen(&catalogue, image), None, "{image}");
    }
}

/// What the restricted Pod Security standard asks of a pod, and what stands in for a kubelet that cannot
/// tell from a user's name that it is not root.
#[test]
fn every_system_is_restricted_and_runs_as_a_number() {
    let catalogue = Catalogue::built_in().unwrap();
    for profile in catalogue.profiles().filter(|profile| profile.name != DEFAULT) {
        let most = profile.axes.iter().map(|axis| axis.cases.len()).max().unwrap_or(1);
        for nth in 0..most {
            let nth = |axis: &Axis| axis.cases[nth.min(axis.cases.len() - 1)].name.clone();
            let cases: Vec<String> = profile.axes.iter().map(nth).collect();
            let cases: Vec<&str> = cases.iter().map(String::as_str).collect();
            let offers = profile.variant(&cases).offers;
            let told = |field: &str| {
                let mut found = offers.iter().filter(|offer| offer.path.last_field() == Some(field));
                found.next().map(|offer| offer.value.clone())
            };
            for (field, value) in [
                ("runAsNonRoot", json!(true)),
                ("drop", json!(["ALL"])),
                ("allowPrivilegeEscalation", json!(false)),
                ("automountServiceAccountToken", json!(false)),
            ] {
                assert_eq!(told(field), Some(value), "{} {cases:?}: {field}", profile.name);
            }
            let seccomp = offers.iter().find(|offer| offer.path.to_string().contains("seccompProfile"));
            assert_eq!(seccomp.map(|offer| &offer.value), Some(&json!("RuntimeDefault")), "{}", profile.name);
            let user = told("runAsUser").and_then(|user| user.as_u64());
            assert!(user.is_some_and(|user| user > 0), "{} {cases:?}: {user:?}", profile.name);
        }
    }
}

/// A set of an image that is to have so many replicas, and what its profile wants said.
fn several(image: &str, replicas: u64) -> Value {
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "team", "labels": {"stateward.dev/managed": "true"},
            "annotations": {"stateward.dev/generate-secret": "RABBITMQ_ERLANG_COOKIE,RABBITMQ_DEFAULT_PASS"}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "db", "image": image,
            "env": [{"name": "xpack.security.enabled", "value": "false"},
                {"name": "DISABLE_SECURITY_PLUGIN", "value": "true"}, {"name": "ZK_HOST", "value": "zk"}]}]}}},
    });
    defaults::apply(&mut set);
    set
}

/// Whether growing from three to five restarts the three; without an acknowledgement it is refused where
/// the system itself would have to be told first.
#[test]
fn growing_writes_anew_what_it_has_to_and_nothing_else() {
    let engine = Engine::built_in().unwrap();
    let admit = |before: Option<&Value>, after: &Value| {
        engine.admit(Change { namespace: "team", before, after }, &Offline).unwrap()
    };
    let stored = |before: Option<&Value>, after: &Value| match admit(before, after) {
        Decision::Admitted(admitted) => admitted.result,
        other => panic!("{other:?}"),
    };
    for (image, refused, restarts) in [
        ("cassandra:5.0", false, false),
        ("hashicorp/consul:1.21", false, true),
        ("elasticsearch:9.1.4", false, false),
        ("coreos/etcd:v3.6.5", true, false),
        ("apache/kafka:4.1.0", true, false),
        ("nats:2.12", true, false),
        ("opensearchproject/opensearch:3", false, false),
        ("rabbitmq:4.1", false, true),
        ("solr:9.10", false, false),
        ("zookeeper:3.9", true, false),
    ] {
        let three = stored(None, &several(image, 3));
        let mut five = three.clone();
        five["spec"]["replicas"] = json!(5);
        if refused {
            let Decision::Refused { faults, .. } = admit(Some(&three), &five) else {
                panic!("{image}: not refused");
            };
            assert!(faults[0].to_string().contains("acknowledge: scaled"), "{image}: {faults:?}");
            five["metadata"]["annotations"]["stateward.dev/acknowledge"] = json!("scaled");
        }
        let result = stored(Some(&three), &five);
        let restarted = result["spec"]["template"] != three["spec"]["template"];
        assert_eq!(restarted, restarts, "{image}: {:#}", result["spec"]["template"]["spec"]["containers"]);
    }
}
