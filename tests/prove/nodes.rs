//! The systems whose pods are nodes of one cluster, all alike, that keep several copies of their data.

use crate::image::{Image, PLAIN};
use crate::proof::{System, cluster, single};

/// Where Debian has the Java that the images have elsewhere.
const JAVA: &str = "/usr/lib/jvm/java-21-openjdk-amd64";

/// The disk is the machine's, and may be rather full.
const ANY_DISK: (&str, &str) = ("cluster.routing.allocation.disk.threshold_enabled", "false");

/// A document, on all members but one at least.
const INDEX: &str = "curl -sSf -XPUT '127.0.0.1:9200/kept/_doc/1?refresh=true' \
                     -H 'Content-Type: application/json' -d \"{\\\"value\\\":\\\"$1\\\"}\"";

/// Once there is a copy: who is ready may still open its shards.
const GET: &str = "curl -sSf -o /dev/null '127.0.0.1:9200/_cluster/health/kept?wait_for_status=yellow&timeout=25s'
                   curl -sSf '127.0.0.1:9200/kept/_doc/1?filter_path=_source.value' | sed 's/.*:\"\\(.*\\)\".*/\\1/'";

/// Once each shard has its copy: before that, the one member that has it must not be lost.
const NODES: &str =
    "curl -sSf -o /dev/null '127.0.0.1:9200/_cluster/health?wait_for_status=green&timeout=25s'
                     curl -sSf '127.0.0.1:9200/_cat/nodes?h=name' | wc -l";

/// opensearch-project/opensearch-build, without plugins. The profile says what is to be written where nodes have the
/// usual `vm.max_map_count`.
pub(crate) const OPENSEARCH: System = System {
    example: "opensearch",
    tag: "opensearchproject/opensearch:3.2.0",
    image: Image {
        server: "opensearch",
        user: ("opensearch", 1000, 1000),
        env: &[("JAVA_HOME", JAVA), ("node.store.allow_mmap", "false"), ANY_DISK],
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["opensearch"],
        workdir: "/usr/share/opensearch",
        owned: &[
            ("775", "/usr/share/opensearch"),
            ("775", "/usr/share/opensearch/config"),
            ("775", "/usr/share/opensearch/data"),
            ("775", "/usr/share/opensearch/logs"),
        ],
        ..PLAIN
    },
    write: INDEX,
    read: GET,
    durable: true,
    recovers: None,
    ends: &[0, 143],
    members: NODES,
    memory: ("", 0),
};

/// elastic/elasticsearch, distribution/docker. It sizes its heap by the memory of the container, which is not limited
/// here, so it is told.
pub(crate) const ELASTICSEARCH: System = System {
    example: "elasticsearch",
    tag: "elasticsearch:9.1.4",
    image: Image {
        server: "elasticsearch",
        user: ("elasticsearch", 1000, 1000),
        env: &[
            ("ELASTIC_CONTAINER", "true"),
            ("ES_JAVA_HOME", JAVA),
            ("ES_JAVA_OPTS", "-Des.total_memory_bytes=2147483648"),
            ("node.store.allow_mmap", "false"),
            ANY_DISK,
        ],
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["eswrapper"],
        workdir: "/usr/share/elasticsearch",
        owned: &[
            ("775", "/usr/share/elasticsearch/config"),
            ("775", "/usr/share/elasticsearch/data"),
            ("775", "/usr/share/elasticsearch/logs"),
        ],
        ..PLAIN
    },
    ..OPENSEARCH
};

/// docker-library/cassandra.
const CASSANDRA: System = System {
    example: "cassandra",
    tag: "cassandra:5.0",
    image: Image {
        server: "cassandra",
        user: ("cassandra", 999, 999),
        path: "/usr/lib/jvm/java-17-openjdk-amd64/bin",
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["cassandra", "-f"],
        owned: &[("1777", "/etc/cassandra"), ("1777", "/var/lib/cassandra"), ("1777", "/var/log/cassandra")],
        ..PLAIN
    },
    // It acknowledges before its commit log is synced (`commitlog_sync: periodic`, every ten seconds), and does not
    // replay what comes behind the last sync, though a kill leaves it in the file.
    write: "kept 1 \"$1\" && nodetool flush kept",
    read: "cql 'select value from kept.kept where key = 1'",
    durable: true,
    recovers: None,
    ends: &[0, 143],
    members: "nodetool status | grep -c '^UN '",
    memory: ("", 0),
};

#[test]
fn opensearch() {
    single(&OPENSEARCH);
}

#[test]
fn opensearch_cluster() {
    cluster(&OPENSEARCH);
}

#[test]
fn elasticsearch() {
    single(&ELASTICSEARCH);
}

#[test]
fn elasticsearch_cluster() {
    cluster(&ELASTICSEARCH);
}

#[test]
fn cassandra() {
    single(&CASSANDRA);
}

#[test]
fn cassandra_cluster() {
    cluster(&System { write: "kept 3 \"$1\"", ..CASSANDRA });
}
