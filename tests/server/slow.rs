//! Clients that are slow, silent or suddenly gone must not hold up others, nor stay.

use std::time::{Duration, Instant};

use stateward::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fixture::{Authority, Fixture, PATIENCE, post, until};

fn short() -> Limits {
    let short = Duration::from_millis(200);
    Limits { handshake: short, headers: short, body: short, ..Limits::default() }
}

/// Reads until the other side closes; what came before.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A close without TLS's farewell is an error to rustls and an end to us.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("never closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn silent_handshakes_end_in_time_and_hold_up_nobody() {
    let (fixture, authority) = (Fixture::new(short()), Authority::new());
    let running = fixture.serve(&authority).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(running.address()).await.unwrap());
    }
    let client = authority.client().build().unwrap();
    assert_eq!(post(&client, running.address(), "a").await.unwrap().status(), 200);
    for stream in &mut silent {
        rest(stream).await;
    }
    let counted = "tls_handshake_failures_total{reason=\"timeout\"} 100";
    until(|| fixture.metrics.encode().contains(counted)).await;
}

#[tokio::test]
async fn slow_headers_are_cut() {
    let (fixture, authority) = (Fixture::new(short()), Authority::new());
    let running = fixture.serve(&authority).await;
    let mut stream = authority.connect(running.address(), b"http/1.1").await.unwrap();
    let began = Instant::now();
    let dripping = async {
        for byte in b"POST /mutate HTTP/1.1\r\nhost: a\r\nx-long: ".iter().chain([b'a'; 1000].iter()) {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dripping).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "cut after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_kept_alive_connection_may_rest_longer_than_headers_may_take() {
    let (fixture, authority) = (Fixture::new(short()), Authority::new());
    let running = fixture.serve(&authority).await;
    let mut stream = authority.connect(running.address(), b"http/1.1").await.unwrap();
    for _ in 0..2 {
        stream.write_all(b"GET /mutate HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 405");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut remains = [0; 1024];
        assert!(stream.read(&mut remains).await.unwrap() > 0, "the rest of the answer, not the end");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let limits = Limits { idle: Duration::from_millis(200), ..short() };
    let (fixture, authority) = (Fixture::new(limits), Authority::new());
    let running = fixture.serve(&authority).await;
    for protocol in [&b"http/1.1"[..], b"h2"] {
        let mut stream = authority.connect(running.address(), protocol).await.unwrap();
        rest(&mut stream).await;
    }
}

#[tokio::test]
async fn a_half_sent_body_gets_an_answer_and_an_end() {
    let (fixture, authority) = (Fixture::new(short()), Authority::new());
    let running = fixture.serve(&authority).await;
    let mut stream = authority.connect(running.address(), b"http/1.1").await.unwrap();
    let head =
        "POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"{\"request\":").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn clients_that_vanish_leave_nothing_behind() {
    let (fixture, authority) = (Fixture::new(short()), Authority::new());
    let running = fixture.serve(&authority).await;
    for _ in 0..20 {
        let mut stream = authority.connect(running.address(), b"http/1.1").await.unwrap();
        let head = "POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        // Closed with an RST, in the middle of the body.
        stream.get_ref().0.set_zero_linger().unwrap();
    }
    until(|| {
        let text = fixture.metrics.encode();
        text.contains("stateward_connections 0") && text.contains("in_flight 0")
    })
    .await;
}

#[tokio::test]
async fn connections_above_the_cap_wait_for_a_place() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let (fixture, authority) = (Fixture::new(limits), Authority::new());
    let running = fixture.serve(&authority).await;
    let first = authority.connect(running.address(), b"http/1.1").await.unwrap();
    let _second = authority.connect(running.address(), b"http/1.1").await.unwrap();
    until(|| fixture.metrics.encode().contains("stateward_connections 2")).await;
    let client = authority.client().build().unwrap();
    let address = running.address();
    let third = tokio::spawn(async move { post(&client, address, "third").await });
    assert!(
        tokio::time::timeout(Duration::from_millis(100), async {
            while !third.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .is_err(),
        "there is no place yet"
    );
    drop(first);
    assert_eq!(third.await.unwrap().unwrap().status(), 200);
}
