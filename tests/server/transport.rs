//! What the server speaks, and to whom.

use reqwest::{StatusCode, Version};
use stateward::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fixture::{Authority, Fixture, post, until};

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let (fixture, authority) = (Fixture::new(Limits::default()), Authority::new());
    let running = fixture.serve(&authority).await;
    for (client, version) in [
        (authority.client().http1_only(), Version::HTTP_11),
        (authority.client().http2_prior_knowledge(), Version::HTTP_2),
        (authority.client(), Version::HTTP_2),
    ] {
        let answer = post(&client.build().unwrap(), running.address(), "a").await.unwrap();
        assert_eq!((answer.status(), answer.version()), (StatusCode::OK, version));
        assert_eq!(answer.text().await.unwrap(), r#"{"uid":"a","endpoint":"Mutate"}"#);
    }
}

#[tokio::test]
async fn whoever_speaks_otherwise_is_counted_and_harms_nobody() {
    let (fixture, authority) = (Fixture::new(Limits::default()), Authority::new());
    let running = fixture.serve(&authority).await;
    let mut plain = TcpStream::connect(running.address()).await.unwrap();
    plain.write_all(b"GET /mutate HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let _ = plain.read_to_end(&mut Vec::new()).await;
    drop(TcpStream::connect(running.address()).await.unwrap());
    assert!(authority.connect(running.address(), b"spdy/3").await.is_err());
    let stranger = Authority::new().connect(running.address(), b"h2").await;
    assert!(stranger.is_err());
    for reason in ["not_tls", "disconnected", "incompatible", "rejected"] {
        let counted = format!("handshake_failures_total{{reason=\"{reason}\"}} 1");
        until(|| fixture.metrics.encode().contains(&counted)).await;
    }
    let client = authority.client().build().unwrap();
    assert_eq!(post(&client, running.address(), "a").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn the_admin_listener_tells_life_readiness_and_metrics() {
    let (fixture, authority) = (Fixture::new(Limits::default()), Authority::new());
    let running = fixture.serve(&authority).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let answer = client.get(format!("http://{}{path}", running.admin())).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    assert_eq!(get("/livez").await, (StatusCode::OK, "ok\n".to_owned()));
    assert_eq!(get("/readyz?verbose").await, (StatusCode::OK, "[+] certificates\nready\n".to_owned()));
    fixture.readiness.wait_for("namespaces", "waiting for the first list");
    let (status, text) = get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("[-] namespaces: waiting for the first list"), "{text}");
    assert_eq!(get("/livez").await.0, StatusCode::OK);
    assert!(get("/metrics").await.1.contains("stateward_certificate_expiry_timestamp_seconds"));
    assert_eq!(get("/mutate").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_413_reaches_a_client_that_announces_too_much() {
    let (fixture, authority) = (Fixture::new(Limits::default()), Authority::new());
    let running = fixture.serve(&authority).await;
    let mut stream = authority.connect(running.address(), b"http/1.1").await.unwrap();
    let head = "POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 20971520\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}
