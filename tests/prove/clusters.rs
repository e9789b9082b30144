//! The systems of which several pods are one cluster.

use crate::image::{Image, PLAIN};
use crate::proof::{System, cluster, single};

/// Where Debian has the Java that the images have elsewhere.
const JAVA: &str = "/usr/lib/jvm/java-21-openjdk-amd64/bin";

/// etcd-io/etcd: no user, no shell.
const ETCD: System = System {
    example: "etcd",
    tag: "gcr.io/etcd-development/etcd:v3.7.3",
    image: Image { server: "etcd", cmd: &["/usr/local/bin/etcd"], shell: false, ..PLAIN },
    write: "etcdctl --endpoints \"http://$address:2379\" put key \"$1\"",
    read: "etcdctl --endpoints \"http://$address:2379\" get key --print-value-only",
    durable: true,
    recovers: None,
    ends: &[0],
    // The peers in touch, and itself.
    members: "exec 3<>/dev/tcp/$address/2381; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3
              echo $(($(grep -c '^etcd_network_active_peers.* 1$' <&3) + 1))",
    memory: ("", 0),
};

/// nats-io/nats-docker: no user, no shell.
const NATS: System = System {
    example: "nats",
    tag: "nats:2.15",
    image: Image {
        server: "nats",
        entrypoint: &["/usr/local/bin/nats-server"],
        cmd: &["--config", "nats-server.conf"],
        shell: false,
        ..PLAIN
    },
    write: "nats --server $address kv add kept --storage file --replicas $replicas >/dev/null 2>&1 || true
            nats --server $address kv put kept key \"$1\"",
    read: "nats --server $address kv get kept key --raw",
    durable: true,
    recovers: None,
    ends: &[0],
    members: "exec 3<>/dev/tcp/$address/8222; printf 'GET /routez HTTP/1.0\\r\\n\\r\\n' >&3
              echo $(($(grep -o '\"remote_name\": *\"[^\"]*\"' <&3 | sort -u | wc -l) + 1))",
    memory: ("", 0),
};

/// 31z4/zookeeper-docker.
const ZOOKEEPER: System = System {
    example: "zookeeper",
    tag: "zookeeper:3.9",
    image: Image {
        server: "zookeeper",
        user: ("zookeeper", 1000, 1000),
        path: JAVA,
        env: &[
            ("ZOO_CONF_DIR", "/conf"),
            ("ZOO_DATA_DIR", "/data"),
            ("ZOO_DATA_LOG_DIR", "/datalog"),
            ("ZOO_LOG_DIR", "/logs"),
            ("ZOO_TICK_TIME", "2000"),
            ("ZOO_INIT_LIMIT", "5"),
            ("ZOO_SYNC_LIMIT", "2"),
            ("ZOO_AUTOPURGE_PURGEINTERVAL", "0"),
            ("ZOO_AUTOPURGE_SNAPRETAINCOUNT", "3"),
            ("ZOO_MAX_CLIENT_CNXNS", "60"),
            ("ZOO_STANDALONE_ENABLED", "true"),
            ("ZOO_ADMINSERVER_ENABLED", "true"),
        ],
        entrypoint: &["/docker-entrypoint.sh"],
        cmd: &["zkServer.sh", "start-foreground"],
        owned: &[("755", "/conf"), ("755", "/data"), ("755", "/datalog"), ("755", "/logs")],
        ..PLAIN
    },
    write: "printf 'create /key\\nset /key %s\\nget /key\\nquit\\n' \"$1\" |
            zkCli.sh -server 127.0.0.1:2181 2>/dev/null | grep -x \"$1\"",
    read: "zkCli.sh -server 127.0.0.1:2181 get /key 2>/dev/null | tail -1",
    durable: true,
    recovers: None,
    ends: &[0, 143],
    // One leader, and those that follow.
    members: "set=${HOSTNAME%-*}; leaders=0 followers=0
              for ordinal in 0 1 2; do
                exec 3<>/dev/tcp/$set-$ordinal.$set-headless/2181; printf srvr >&3
                case $(grep ^Mode <&3) in *leader) leaders=$((leaders + 1)) ;; *follower) followers=$((followers + 1)) ;; esac
              done; [ $leaders = 1 ]; echo $((leaders + followers))",
    memory: ("", 0),
};

/// docker-library/rabbitmq.
const RABBITMQ: System = System {
    example: "rabbitmq",
    tag: "rabbitmq:4.0",
    image: Image {
        server: "rabbitmq",
        user: ("rabbitmq", 999, 999),
        path: "/usr/lib/rabbitmq/bin",
        env: &[
            ("HOME", "/var/lib/rabbitmq"),
            ("RABBITMQ_DATA_DIR", "/var/lib/rabbitmq"),
            ("LANG", "C.UTF-8"),
            ("LC_ALL", "C.UTF-8"),
        ],
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["rabbitmq-server"],
        owned: &[("1777", "/var/lib/rabbitmq"), ("1777", "/etc/rabbitmq"), ("1777", "/var/log/rabbitmq")],
        ..PLAIN
    },
    write: "rabbitmqctl -q set_global_parameter kept \"\\\"$1\\\"\"",
    read: "rabbitmqctl -q eval 'io:format(\"~s\", [rabbit_runtime_parameters:value_global(kept)]).' | sed s/ok//",
    durable: true,
    recovers: None,
    ends: &[0],
    members: "rabbitmqctl -q eval 'length(rabbit_nodes:list_running()).'",
    memory: ("", 0),
};

/// apache/kafka, docker/jvm.
const KAFKA: System = System {
    example: "kafka",
    tag: "apache/kafka:4.1.0",
    image: Image {
        server: "kafka",
        user: ("appuser", 1000, 1000),
        path: JAVA,
        cmd: &["/usr/local/bin/run"],
        owned: &[("755", "/opt/kafka/config"), ("755", "/var/lib/kafka/data"), ("755", "/mnt/shared/config")],
        ..PLAIN
    },
    write: "here=$HOSTNAME.${HOSTNAME%-*}-headless:9092
            printf '%s\\n' \"$1\" | java -Xmx128m -cp '/opt/kafka/libs/*' org.apache.kafka.tools.ConsoleProducer \
              --bootstrap-server $here --topic kept --sync --producer-property acks=all",
    // The last of them, at the offset before the end of the only partition.
    read: "here=$HOSTNAME.${HOSTNAME%-*}-headless:9092; tools=org.apache.kafka.tools
           kafka() { java -Xmx128m -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' \"$@\" --bootstrap-server $here --topic kept; }
           end=$(kafka $tools.GetOffsetShell 2>/dev/null); end=${end##*:}
           kafka $tools.consumer.ConsoleConsumer --partition 0 --offset $((end - 1)) --max-messages 1 --timeout-ms 20000 \
             2>/dev/null",
    durable: true,
    recovers: None,
    ends: &[0, 143],
    members: "here=$HOSTNAME.${HOSTNAME%-*}-headless:9092
              java -Xmx128m -cp '/opt/kafka/libs/*' org.apache.kafka.tools.BrokerApiVersionsCommand \
                --bootstrap-server $here | grep -c '^[^ ].*(id: '",
    memory: ("", 0),
};

/// hashicorp/consul, of which Debian has an old one.
const CONSUL: System = System {
    example: "consul",
    tag: "hashicorp/consul:1.8",
    image: Image {
        server: "consul",
        user: ("consul", 100, 1000),
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["agent", "-dev", "-client", "0.0.0.0"],
        owned: &[("755", "/consul/data"), ("755", "/consul/config")],
        ..PLAIN
    },
    write: "consul kv put kept \"$1\"",
    read: "consul kv get kept",
    durable: true,
    recovers: None,
    // It says that it does not leave its cluster.
    ends: &[1],
    // Those that the leader knows, once as many are alive.
    members: "known=$(consul operator raft list-peers | grep -c ' \\(leader\\|follower\\) ')
              [ \"$(consul members | grep -c ' alive ')\" = \"$known\" ]; echo $known",
    memory: ("", 0),
};

#[test]
fn etcd() {
    single(&ETCD);
}

#[test]
fn etcd_cluster() {
    cluster(&ETCD);
}

#[test]
fn nats() {
    single(&NATS);
}

#[test]
fn nats_cluster() {
    cluster(&NATS);
}

#[test]
fn zookeeper() {
    single(&ZOOKEEPER);
}

#[test]
fn zookeeper_cluster() {
    cluster(&ZOOKEEPER);
}

#[test]
fn rabbitmq() {
    single(&RABBITMQ);
}

#[test]
fn rabbitmq_cluster() {
    cluster(&RABBITMQ);
}

#[test]
fn kafka() {
    single(&KAFKA);
}

#[test]
fn kafka_cluster() {
    cluster(&KAFKA);
}

#[test]
fn consul() {
    single(&CONSUL);
}

#[test]
fn consul_cluster() {
    cluster(&CONSUL);
}
