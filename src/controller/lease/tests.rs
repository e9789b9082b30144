//! Two candidates and an API server that can be cut off from one of them.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::election::{DEADLINE, DURATION};
use super::*;

/// Keeps one Lease, as the API server would.
#[derive(Debug, Default)]
struct Server {
    lease: Mutex<Option<Value>>,
    writes: Mutex<u64>,
}

impl Server {
    fn answer(&self, method: &Method, body: &[u8]) -> (StatusCode, Value) {
        let mut lease = self.lease.lock().unwrap();
        let mut sent: Value = serde_json::from_slice(body).unwrap_or_default();
        let known = lease.as_ref().map(|lease| lease["metadata"]["resourceVersion"].clone());
        let fits = match *method {
            Method::GET => {
                return lease.clone().map_or_else(|| refused(404), |lease| (StatusCode::OK, lease));
            }
            Method::POST => known.is_none(),
            _ => known.as_ref() == Some(&sent["metadata"]["resourceVersion"]),
        };
        if !fits {
            return refused(409);
        }
        let mut writes = self.writes.lock().unwrap();
        *writes += 1;
        sent["metadata"]["resourceVersion"] = json!(writes.to_string());
        *lease = Some(sent.clone());
        (StatusCode::OK, sent)
    }

    fn holder(&self) -> String {
        let lease = self.lease.lock().unwrap();
        lease.as_ref().map_or(String::new(), |lease| {
            lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
        })
    }

    /// A candidate whose connection hangs while the switch is on.
    fn candidate(self: &Arc<Self>, identity: &str) -> (Candidate, Arc<AtomicBool>) {
        let cut = Arc::new(AtomicBool::new(false));
        let (server, switch) = (Arc::clone(self), Arc::clone(&cut));
        let service = tower::service_fn(move |request: Request<Body>| {
            let (server, switch) = (Arc::clone(&server), Arc::clone(&switch));
            async move {
                if switch.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                let (status, answer) = server.answer(&head.method, &body);
                let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
                *response.status_mut() = status;
                Ok::<_, kube::Error>(response)
            }
        });
        let leases = Api::namespaced(Client::new(service, "guard"), "guard");
        (Candidate::new(leases, "controller".into(), identity.into(), Readiness::new()), cut)
    }
}

fn refused(code: u16) -> (StatusCode, Value) {
    let reason = if code == 404 { "NotFound" } else { "Conflict" };
    let status =
        json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "no"});
    (StatusCode::from_u16(code).unwrap(), status)
}

/// Works whenever it may, for ever.
fn run(mut candidate: Candidate) -> (Leadership, tokio::task::JoinHandle<()>) {
    let leadership = candidate.leadership();
    let task = tokio::spawn(async move {
        loop {
            candidate.campaign().await;
            candidate.work(std::future::pending()).await;
        }
    });
    (leadership, task)
}

async fn until(what: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_mins(5), "it never came to it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cut_off_stops_before_the_next_begins() {
    let server = Arc::new(Server::default());
    let ((a, cut), (b, _)) = (server.candidate("a"), server.candidate("b"));
    let (a, _task_a) = run(a);
    until(|| a.holds()).await;
    let (b, _task_b) = run(b);
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(a.holds() && !b.holds(), "a claim that is renewed holds");
    cut.store(true, Ordering::SeqCst);
    let both = || assert!(!(a.holds() && b.holds()), "two are at work");
    let stopped = until(|| {
        both();
        !a.holds()
    });
    assert!(stopped.await <= DEADLINE);
    let taken = until(|| {
        both();
        b.holds()
    });
    assert!(taken.await <= DURATION + RETRY);
    assert_eq!(server.holder(), "b");
    // The one that was cut off comes back and waits.
    cut.store(false, Ordering::SeqCst);
    for _ in 0..1000 {
        both();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(b.holds() && server.holder() == "b");
}

#[tokio::test(start_paused = true)]
async fn the_work_is_dropped_with_the_claim_and_begins_anew() {
    let server = Arc::new(Server::default());
    let (mut a, cut) = server.candidate("a");
    a.campaign().await;
    cut.store(true, Ordering::SeqCst);
    let began = Instant::now();
    a.work(std::future::pending()).await;
    assert!(began.elapsed() <= DEADLINE, "{:?}", began.elapsed());
    assert!(!a.leadership().holds());
    cut.store(false, Ordering::SeqCst);
    a.campaign().await;
    assert!(a.leadership().holds());
}

#[tokio::test(start_paused = true)]
async fn a_clean_end_lets_the_next_one_in_at_once_and_a_deleted_lease_is_made_again() {
    let server = Arc::new(Server::default());
    let ((mut a, _), (b, _)) = (server.candidate("a"), server.candidate("b"));
    a.campaign().await;
    let (b, _task) = run(b);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!b.holds());
    a.release().await;
    assert!(!a.leadership().holds());
    assert!(until(|| b.holds()).await <= RETRY);
    *server.lease.lock().unwrap() = None;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(b.holds() && server.holder() == "b");
}
