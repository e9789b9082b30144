//! The end of the process loses no request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stateward::server::Limits;
use time::OffsetDateTime;

use super::fixture::{Authority, Fixture, post, until};

/// Clients of the drain under load.
const CLIENTS: usize = 12;

/// A server with a delay between the first signal and the end of accepting: long enough for each client that does
/// not rest, on a busy machine too, to hear once that its connection is to be closed.
async fn leaving_slowly(fixture: &Fixture, authority: &Authority) -> stateward::server::Running {
    let serving = fixture.serving();
    serving.replace(authority.pair(1));
    serving.check(OffsetDateTime::now_utc(), None);
    fixture.serve_with(&serving, Duration::from_secs(2)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_under_load_answers_everything() {
    let (fixture, authority) = (Fixture::new(Limits::default()), Authority::new());
    let running = leaving_slowly(&fixture, &authority).await;
    let (address, drain) = (running.address(), running.drain());
    let (answered, known) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let builder = authority.client();
            let client = if number % 2 == 0 { builder.http1_only() } else { builder.http2_prior_knowledge() };
            let (client, answered) = (client.build().unwrap(), Arc::clone(&answered));
            let known = Arc::clone(&known);
            tokio::spawn(async move {
                let mut is_known = false;
                loop {
                    match post(&client, address, "a").await {
                        Ok(answer) => {
                            assert_eq!(answer.status(), 200);
                            answered.fetch_add(1, Ordering::SeqCst);
                            if !std::mem::replace(&mut is_known, true) {
                                known.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                        // Nobody listens any more: where this client is not, nothing is lost.
                        Err(error) if error.is_connect() => return None,
                        Err(error) => return Some(format!("{error:?}")),
                    }
                }
            })
        })
        .collect();
    // Not so and so many answers: how long those take is the machine's affair.
    until(|| known.load(Ordering::SeqCst) == CLIENTS).await;
    drain.begin();
    until(|| !fixture.readiness.is_ready()).await;
    let at_signal = answered.load(Ordering::SeqCst);
    assert_eq!(running.finished().await, 0, "no connection was cut");
    assert!(answered.load(Ordering::SeqCst) > at_signal, "it served on after the signal");
    for client in clients {
        assert_eq!(client.await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_is_finished_and_the_connection_closed() {
    for (http2, close) in [(false, Some("close")), (true, None)] {
        let fixture = Fixture::new(Limits { inline_bytes: 0, ..Limits::default() });
        let authority = Authority::new();
        let running = leaving_slowly(&fixture, &authority).await;
        let builder = authority.client();
        let builder = if http2 { builder.http2_prior_knowledge() } else { builder.http1_only() };
        let (client, address) = (builder.build().unwrap(), running.address());
        let request = tokio::spawn(async move { post(&client, address, "block").await });
        fixture.until_blocked(1).await;
        running.drain().begin();
        let finished = tokio::spawn(running.finished());
        // The listener is gone, the request still runs.
        until(|| std::net::TcpStream::connect(address).is_err()).await;
        assert!(!finished.is_finished());
        fixture.gate.add_permits(1);
        let answer = request.await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
        let header = answer.headers().get("connection").map(|value| value.to_str().unwrap());
        assert_eq!(header, close);
        assert_eq!(finished.await.unwrap(), 0);
    }
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    let (fixture, authority) = (Fixture::new(Limits::default()), Authority::new());
    let running = fixture.serve(&authority).await;
    let _http1 = authority.connect(running.address(), b"http/1.1").await.unwrap();
    let client = authority.client().http2_prior_knowledge().build().unwrap();
    post(&client, running.address(), "a").await.unwrap();
    let kept = authority.client().http1_only().build().unwrap();
    post(&kept, running.address(), "a").await.unwrap();
    running.drain().begin();
    let end = tokio::time::timeout(Duration::from_secs(3), running.finished()).await;
    assert_eq!(end.expect("idle connections held the end up"), 0);
}
