//! The decisions one by one, then whole lives against a scripted API server.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Mutex;

use axum::http::{Request, Response};
use kube::client::Body;
use kube::core::Status;
use serde_json::{Value, json};

use super::*;
use crate::stores::namespaces::Namespaces;

fn feed() -> Feed {
    let (readiness, metrics) = (Readiness::new(), Arc::new(Metrics::new()));
    let feed = Feed { store: "namespaces", labels: None, readiness, metrics };
    feed.announce();
    feed
}

fn answered(code: u16) -> Broken {
    Broken::List(kube::Error::Api(Status::failure("no", "No").with_code(code).boxed()))
}

#[test]
fn an_absent_kind_is_empty_and_a_forbidden_one_is_not_ready() {
    let (feed, memory) = (feed(), Namespaces::default());
    let forbidden = answered(403).absent_or_forbidden().unwrap();
    feed.explain(&forbidden, &memory);
    let report = feed.readiness.report();
    assert!(report.contains("may not list namespaces"), "{report}");
    feed.explain(&answered(404).absent_or_forbidden().unwrap(), &memory);
    assert!(feed.readiness.is_ready());
    assert_eq!(answered(500).absent_or_forbidden(), None);
}

#[test]
fn what_was_ready_stays_ready() {
    let (feed, memory) = (feed(), Namespaces::default());
    feed.readiness.ready(feed.store);
    feed.heard(&memory);
    feed.explain(&Refusal::Forbidden { verb: "watch" }, &memory);
    assert!(feed.readiness.is_ready());
}

/// One answer of the scripted API server.
enum Answer {
    /// A list at this version, of these namespaces.
    List(&'static str, &'static [&'static str]),
    /// Events, after which the watch ends.
    Events(Vec<Value>),
    /// An error.
    Refused(u16),
    /// Accepted, and never answered.
    Silence,
}

/// An API server that plays a script and tells what it was asked; at its end it falls silent.
fn scripted(script: Vec<Answer>) -> (Client, Arc<Mutex<Vec<String>>>) {
    let script = Arc::new(Mutex::new(VecDeque::from(script)));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let service = tower::service_fn(move |request: Request<Body>| {
        log.lock().unwrap().push(request.uri().to_string());
        let answer = script.lock().unwrap().pop_front().unwrap_or(Answer::Silence);
        async move { Ok::<_, Infallible>(play(answer).await) }
    });
    (Client::new(service, "default"), asked)
}

async fn play(answer: Answer) -> Response<Body> {
    let (status, text) = match answer {
        Answer::List(version, names) => {
            let items: Vec<Value> = names.iter().map(|name| namespace(name, "1")).collect();
            let list = json!({ "kind": "NamespaceList", "apiVersion": "v1",
                "metadata": { "resourceVersion": version }, "items": items });
            (200, list.to_string())
        }
        Answer::Events(events) => {
            let lines: Vec<String> = events.iter().map(Value::to_string).collect();
            (200, lines.join("\n") + "\n")
        }
        Answer::Refused(code) => {
            (code, json!({ "kind": "Status", "code": code, "message": "no", "reason": "No" }).to_string())
        }
        Answer::Silence => std::future::pending().await,
    };
    Response::builder().status(status).body(Body::from(text.into_bytes())).unwrap()
}

fn namespace(name: &str, version: &str) -> Value {
    json!({ "kind": "Namespace", "apiVersion": "v1",
        "metadata": { "name": name, "resourceVersion": version, "labels": { "team": name } },
        "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" } })
}

fn event(kind: &str, object: &Value) -> Value {
    json!({ "type": kind, "object": object })
}

/// Follows the script until the memory holds `expected`, and gives back what was asked.
async fn followed(script: Vec<Answer>, expected: &[&str]) -> (Feed, Vec<String>) {
    let (feed, memory) = (feed(), Arc::new(Namespaces::default()));
    let (client, asked) = scripted(script);
    let following = tokio::spawn(follow(client, feed.clone(), Arc::clone(&memory)));
    let holds =
        || memory.len() == expected.len() && expected.iter().all(|name| !memory.labels(name).is_empty());
    let wait = async {
        while !holds() || !feed.readiness.is_ready() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_hours(1), wait).await.expect("it never came to hold this");
    following.abort();
    let asked = asked.lock().unwrap().clone();
    (feed, asked)
}

#[tokio::test(start_paused = true)]
async fn events_are_followed_and_a_watch_goes_on_where_it_ended() {
    let bookmark = json!({ "kind": "Namespace", "apiVersion": "v1",
        "metadata": { "resourceVersion": "9" } });
    let script = vec![
        Answer::List("5", &["shop", "lab"]),
        Answer::Events(vec![
            event("ADDED", &namespace("new", "6")),
            event("DELETED", &namespace("lab", "7")),
            event("BOOKMARK", &bookmark),
        ]),
        Answer::Events(vec![event("ADDED", &namespace("last", "10"))]),
    ];
    let (_, asked) = followed(script, &["shop", "new", "last"]).await;
    assert!(asked.iter().all(|uri| uri.starts_with("/api/v1/namespaces?")), "{asked:?}");
    assert!(asked[1].contains("resourceVersion=5") && asked[2].contains("resourceVersion=9"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn history_that_is_gone_means_a_new_list() {
    let gone = json!({ "kind": "Status", "code": 410, "message": "too old", "reason": "Expired" });
    let script = vec![
        Answer::List("5", &["shop"]),
        Answer::Events(vec![event("ERROR", &gone)]),
        Answer::List("8", &["lab"]),
    ];
    followed(script, &["lab"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_or_never_answers_is_asked_again() {
    let script = vec![
        Answer::Silence,
        Answer::Refused(500),
        Answer::Refused(403),
        Answer::List("5", &["shop"]),
        Answer::Silence,
        Answer::Refused(429),
        Answer::List("9", &["lab"]),
    ];
    followed(script, &["lab"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_served_is_empty_until_it_is() {
    let (feed, _) = followed(vec![Answer::Refused(404)], &[]).await;
    assert!(feed.readiness.is_ready());
    followed(vec![Answer::Refused(404), Answer::List("5", &["shop"])], &["shop"]).await;
}
