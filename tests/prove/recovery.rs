//! That an update waits for copies of data: a node that comes back is ready when it has its own, and no sooner; from then
//! on it is, whatever others do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::nodes::{ELASTICSEARCH, OPENSEARCH};
use crate::pod::Pod;
use crate::probe::Probe;
use crate::proof::{System, learn, one_cluster, pause, probes, start_all, write};
use crate::set::Set;
use crate::{PATIENCE, wait_for};

/// For a start, the copies, and the minute in which none is on its way.
const LONG: Duration = Duration::from_mins(6);

/// So slowly that the eight MiB below take a while.
const SLOWLY: &str = "curl -sSf -XPUT 127.0.0.1:9200/_cluster/settings -H 'Content-Type: application/json' \
                      -d '{\"persistent\":{\"indices.recovery.max_bytes_per_sec\":\"400kb\"}}'";

/// An index with a copy on each node, of random text, which cannot be compressed, and is not searched.
const FILL: &str = "json='Content-Type: application/json' at=127.0.0.1:9200/missed
    curl -sSf -XPUT $at -H \"$json\" \
      -d '{\"settings\":{\"number_of_replicas\":2},\"mappings\":{\"enabled\":false}}'
    for _ in {1..100}; do
      printf '{\"index\":{}}\\n{\"value\":\"%s\"}\\n' \"$(head -c 60000 /dev/urandom | base64 -w 0)\"
    done >/tmp/bulk
    curl -sSf -o /dev/null $at/_bulk -H 'Content-Type: application/x-ndjson' --data-binary @/tmp/bulk
    curl -sSf -XPOST $at/_flush";

/// An index with more copies than nodes.
const TOO_MANY: &str = "curl -sSf -XPUT 127.0.0.1:9200/unplaced -H 'Content-Type: application/json' \
                        -d '{\"settings\":{\"number_of_replicas\":3}}'";

/// The elected one has a star.
const ELECTED: &str = "curl -sSf '127.0.0.1:9200/_cat/nodes?h=m,name' | sed -n 's/^\\* *//p'";

fn health(pod: &Pod) -> Result<Value, String> {
    let health = pod.script("curl -sSf 127.0.0.1:9200/_cluster/health", "")?;
    serde_json::from_str(&health).map_err(|error| format!("{health}: {error}"))
}

/// How many copies are not there.
fn missing(health: &Value) -> u64 {
    ["unassigned_shards", "initializing_shards"].iter().map(|field| health[field].as_u64().unwrap()).sum()
}

/// Waits until the pod is ready, and gives how often it was not while the cluster, of which it was a member, missed
/// copies.
fn ready_after(pod: &Pod, other: &Pod) -> u32 {
    let [startup, readiness, _] = probes(pod.main());
    let give_up = Instant::now() + LONG;
    let ask = |probe: &Option<Probe>| probe.as_ref().unwrap().ask(pod);
    wait_for("its start", LONG, || ask(&startup));
    let mut waited = 0;
    loop {
        let before = health(other);
        match ask(&readiness) {
            Ok(()) => return waited,
            Err(why) => assert!(Instant::now() < give_up, "not ready: {why}\n{before:?}\n{}", pod.log()),
        }
        let member = |health: &&Value| health["number_of_nodes"] == 3;
        waited += u32::from(before.as_ref().ok().filter(member).is_some_and(|health| missing(health) > 0));
        pause();
    }
}

fn waits_for_copies(system: &System) {
    let set = Set::expanded(system.example, system.tag, 3);
    let mut pods: Vec<Pod> = (0..3).map(|ordinal| Pod::create(&set, &system.image, ordinal)).collect();
    start_all(&mut pods);
    one_cluster(&pods, system);
    write(&pods[0], system, "one");
    pods[0].script(SLOWLY, "").unwrap();

    // Much is stored while one is away.
    pods[2].kill();
    pods[2].recreate();
    wait_for("the loss to be known", PATIENCE, || match health(&pods[0])? {
        health if health["number_of_nodes"] == 2 => pods[0].script(FILL, ""),
        health => Err(health.to_string()),
    });
    learn(&pods);
    pods[2].start();
    let waited = ready_after(&pods[2], &pods[0]);
    let now = health(&pods[0]).unwrap();
    assert_eq!(missing(&now), 0, "ready while copies were missing: {now}");
    assert!(waited > 0, "the copies were there at once, so that nothing was seen");

    // Another one is lost, though not the elected one: while there is none, no node is ready.
    let elected = pods[2].script(ELECTED, "").unwrap();
    let lost = usize::from(elected == pods[0].identity().name);
    pods[lost].kill();
    let stay = |pods: &[Pod]| {
        for pod in pods.iter().filter(|pod| pod.identity().name != pods[lost].identity().name) {
            let [_, readiness, _] = probes(pod.main());
            readiness.unwrap().ask(pod).unwrap_or_else(|why| panic!("not ready for another's loss: {why}"));
        }
    };
    wait_for("the loss to be known", PATIENCE, || match health(&pods[2])? {
        health if missing(&health) > 0 => Ok(()),
        health => {
            stay(&pods);
            Err(health.to_string())
        }
    });
    stay(&pods);

    // It comes back to copies that nobody can hold.
    pods[2].script(TOO_MANY, "").unwrap();
    pods[lost].recreate();
    learn(&pods);
    pods[lost].start();
    ready_after(&pods[lost], &pods[2]);
    let now = health(&pods[2]).unwrap();
    assert_eq!((missing(&now), &now["initializing_shards"]), (1, &Value::from(0)), "{now}");
}

#[test]
fn elasticsearch_recovery() {
    waits_for_copies(&ELASTICSEARCH);
}

#[test]
fn opensearch_recovery() {
    waits_for_copies(&OPENSEARCH);
}

/// What a server answers to the probe, and whether that makes ready.
const ANSWERS: &[(&str, bool)] = &[
    (r#"200 {"status":"green","number_of_data_nodes":3,"#, true),
    (r#"200 {"status":"yellow","number_of_data_nodes":1,"initializing_shards":0,"#, true),
    (r#"200 {"status":"yellow","number_of_data_nodes":1,"initializing_shards":2,"#, false),
    (r#"200 {"status":"red","number_of_data_nodes":1,"initializing_shards":0,"#, false),
    (r#"200 {"status":"yellow","number_of_data_nodes":3,"initializing_shards":1,"#, false),
    // Not for a minute yet.
    (
        r#"200 {"status":"yellow","number_of_data_nodes":3,"initializing_shards":0,"delayed_unassigned_shards":0,"number_of_in_flight_fetch":0,"#,
        false,
    ),
    ("503 no master", false),
    // Passwords that it does not know, and a protocol that it does not speak: the open port has to do.
    ("401 no", true),
    ("", true),
    // It hangs.
    ("-", false),
];

/// Without passwords, and with one that needs quoting.
#[test]
fn answers_of_nodes() {
    let set = Set::expanded("elasticsearch", ELASTICSEARCH.tag, 1);
    let mut pod = Pod::create(&set, &ELASTICSEARCH.image, 0);
    pod.start_idle();
    let script = set.main["readinessProbe"]["exec"]["command"][2].as_str().unwrap();
    let password = r#"a"b\ c"#;
    let node = "10.88.0.1";
    let served = TcpListener::bind((node, 9200)).unwrap();
    served.set_nonblocking(false).unwrap();
    for (answer, ready) in ANSWERS {
        std::thread::scope(|scope| {
            let server = scope.spawn(|| serve(&served, answer));
            let [name, port, password] = [
                format!("HOSTNAME={node}"),
                "readiness.port=9200".to_owned(),
                format!("ELASTIC_PASSWORD={password}"),
            ];
            let asked = pod.exec(&["env", &name, &port, &password, "bash", "-c", script], PATIENCE);
            // Ends the server.
            TcpStream::connect((node, 9200)).unwrap().write_all(b"end\r\n\r\n").unwrap();
            let seen = server.join().unwrap();
            assert_eq!(asked.is_ok(), *ready, "{answer}: {asked:?}");
            let header = "Authorization: Basic ZWxhc3RpYzphImJcIGM=";
            assert!(answer.is_empty() || seen.contains(header), "{answer}: {seen}");
        });
        pod.exec(&["bash", "-c", "rm -f /tmp/ready-* /tmp/quiet-*"], PATIENCE).unwrap();
    }
    let other = Set::expanded("opensearch", OPENSEARCH.tag, 1);
    let rest = |script: &str| script.split_once('\n').unwrap().1.to_owned();
    let other = other.main["readinessProbe"]["exec"]["command"][2].as_str().unwrap();
    assert_eq!(rest(script), rest(other), "OpenSearch's is the same, but for its first line");
}

/// Answers all connections so until one says that it is the end, and gives what was asked.
fn serve(listener: &TcpListener, answer: &str) -> String {
    let mut seen = String::new();
    let mut held = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut bytes = Vec::new();
        let mut byte = [0];
        // The whole of a request, or what is no request at all.
        while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            bytes.push(byte[0]);
            if bytes.first().is_some_and(|first| !first.is_ascii_alphabetic()) {
                break;
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if text.starts_with("end") {
            break;
        }
        seen += &text;
        match answer.split_once(' ') {
            _ if answer == "-" => held.push(stream),
            Some((status, body)) if !bytes.is_empty() => {
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            }
            _ => {}
        }
    }
    seen
}
