//! Certificates from files, changed as a Secret volume changes them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use stateward::server::tls::Serving;
use stateward::server::tls::files::Files;
use stateward::server::{Limits, Running};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::fixture::{Authority, Fixture, post, publish, until};

const POLL: Duration = Duration::from_millis(20);

fn files(volume: &Path) -> Files {
    Files { certificate: volume.join("tls.crt"), key: volume.join("tls.key") }
}

async fn followed(fixture: &Fixture, volume: &Path) -> (Running, Arc<Serving>) {
    let serving = fixture.serving();
    files(volume).start(&serving).unwrap();
    tokio::spawn(files(volume).follow(Arc::clone(&serving), POLL));
    (fixture.serve_with(&serving, Duration::ZERO).await, serving)
}

/// The serial number that a new connection is shown.
async fn serial(authority: &Authority, running: &Running) -> u8 {
    let stream = authority.connect(running.address(), b"http/1.1").await.unwrap();
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    *leaf.raw_serial().last().unwrap()
}

async fn until_serial(authority: &Authority, running: &Running, expected: u8) {
    let wait = async {
        while serial(authority, running).await != expected {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3), wait).await.expect("the certificate was never served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_under_load_fails_no_request() {
    let (fixture, authority) = (Fixture::new(Limits::default()), Authority::new());
    let volume = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.leaf(1, 1);
    publish(volume.path(), "v1", &certificate, &key);
    let (running, _) = followed(&fixture, volume.path()).await;
    let (address, stop) = (running.address(), Arc::new(AtomicBool::new(false)));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            // Half of them keep their connection, half shake hands for every request.
            let builder = authority.client();
            let builder = if number % 2 == 0 { builder.pool_max_idle_per_host(0) } else { builder };
            let client = builder.http1_only().build().unwrap();
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(post(&client, address, "a").await.unwrap().status(), 200);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 2..=5u8 {
        let seen = answered.load(Ordering::SeqCst);
        let (certificate, key) = authority.leaf(round, 1);
        publish(volume.path(), &format!("v{round}"), &certificate, &key);
        until_serial(&authority, &running, round).await;
        until(|| answered.load(Ordering::SeqCst) > seen + 50).await;
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_bad_pair_keeps_the_old_one_and_a_good_one_heals() {
    let (fixture, authority) = (Fixture::new(Limits::default()), Authority::new());
    let volume = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.leaf(1, 1);
    publish(volume.path(), "v1", &certificate, &key);
    let (running, _) = followed(&fixture, volume.path()).await;
    let (other, other_key) = authority.leaf(2, 1);
    let (expired, expired_key) = authority.leaf(3, -1);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bad = [(&*other, &*key), (garbage, &*key), ("", ""), (&*expired, &*expired_key)];
    for (number, (certificate, key)) in bad.into_iter().enumerate() {
        let before = failures(&fixture);
        publish(volume.path(), &format!("bad{number}"), certificate, key);
        until(|| failures(&fixture) > before + 1).await;
        assert_eq!(serial(&authority, &running).await, 1);
        assert!(fixture.readiness.is_ready(), "clients are served all the same");
    }
    publish(volume.path(), "good", &other, &other_key);
    until_serial(&authority, &running, 2).await;
}

fn failures(fixture: &Fixture) -> u64 {
    let text = fixture.metrics.encode();
    let line = text.lines().find(|line| line.contains("certificate_reload_total{result=\"failed\"}"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn absent_or_expired_files_mean_not_ready_until_they_are_there() {
    let authority = Authority::new();
    for expired in [false, true] {
        let fixture = Fixture::new(Limits::default());
        let volume = tempfile::tempdir().unwrap();
        if expired {
            let (certificate, key) = authority.leaf(1, -1);
            publish(volume.path(), "v1", &certificate, &key);
        }
        let (running, _) = followed(&fixture, volume.path()).await;
        let report = fixture.readiness.report();
        assert!(report.starts_with("[-] certificates: "), "{report}");
        assert!(report.contains("tls.crt"), "it names the file: {report}");
        assert!(authority.connect(running.address(), b"http/1.1").await.is_err());
        let counted = "handshake_failures_total{reason=\"no_certificate\"} 1";
        until(|| fixture.metrics.encode().contains(counted)).await;
        let (certificate, key) = authority.leaf(2, 1);
        publish(volume.path(), "v2", &certificate, &key);
        until_ready(&fixture).await;
        assert_eq!(serial(&authority, &running).await, 2);
    }
}

async fn until_ready(fixture: &Fixture) {
    until(|| fixture.readiness.is_ready()).await;
}

#[tokio::test]
async fn files_that_are_no_pair_fail_the_start_with_their_names() {
    let (fixture, authority) = (Fixture::new(Limits::default()), Authority::new());
    let ((certificate, _), (_, key)) = (authority.leaf(1, 1), authority.leaf(2, 1));
    for (certificate, key, expected) in [
        (&*certificate, &*key, "does not belong"),
        ("garbage", &*key, "no PEM certificate"),
        (&*certificate, "", "key"),
    ] {
        let volume = tempfile::tempdir().unwrap();
        publish(volume.path(), "v1", certificate, key);
        let error = files(volume.path()).start(&fixture.serving()).unwrap_err().to_string();
        assert!(error.contains("tls.crt") && error.contains(expected), "{error}");
    }
}
