//! The process as a whole, without a cluster.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Command, FromArgMatches};
use stateward::server::{Respond, StartError, WebhookArgs, run};
use tokio::sync::Semaphore;

use super::fixture::{Authority, Obedient, PATIENCE, post, publish, until};

fn args(volume: &Path, more: &[&str]) -> WebhookArgs {
    let command = WebhookArgs::augment_args(Command::new("webhook"));
    let file = |name| volume.join(name).display().to_string();
    let mut line = vec!["webhook".to_owned(), "--without-cluster".to_owned()];
    line.extend([
        "--tls-cert-file".to_owned(),
        file("tls.crt"),
        "--tls-key-file".to_owned(),
        file("tls.key"),
    ]);
    line.extend(["--admin-bind".to_owned(), "127.0.0.1:0".to_owned()]);
    line.extend(more.iter().map(ToString::to_string));
    WebhookArgs::from_arg_matches(&command.get_matches_from(line)).unwrap()
}

fn obedient() -> Arc<dyn Respond> {
    Arc::new(Obedient::new(Arc::new(Semaphore::new(0)), Arc::default()))
}

async fn failed(args: WebhookArgs) -> StartError {
    let ended = tokio::time::timeout(PATIENCE, run(args, Arc::default(), |_| obedient())).await;
    ended.expect("it kept running").unwrap_err()
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let authority = Authority::new();
    let volume = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.leaf(1, 1);
    publish(volume.path(), "v1", &certificate, &key);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = failed(args(volume.path(), &["--bind", &address])).await;
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn unreadable_certificates_end_the_start() {
    let volume = tempfile::tempdir().unwrap();
    publish(volume.path(), "v1", "garbage", "garbage");
    let error = failed(args(volume.path(), &["--bind", "127.0.0.1:0"])).await;
    assert_eq!(error.exit_code(), 3);
}

#[tokio::test]
async fn a_wrong_log_level_is_a_usage_error() {
    let volume = tempfile::tempdir().unwrap();
    let error = failed(args(volume.path(), &["--log-level", "stateward=loud"])).await;
    assert_eq!(error.exit_code(), 2);
}

#[tokio::test]
async fn the_ready_file_holds_the_real_addresses() {
    let authority = Authority::new();
    let volume = tempfile::tempdir().unwrap();
    let ready = volume.path().join("ready.json");
    let file = ready.display().to_string();
    let process = tokio::spawn(run(
        args(volume.path(), &["--bind", "127.0.0.1:0", "--ready-file", &file]),
        Arc::default(),
        |facts| {
            assert!(facts.namespace_labels("default").is_empty());
            obedient()
        },
    ));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(
        !ready.exists() && !process.is_finished(),
        "not ready without certificates, and waiting for them"
    );
    process.abort();
    let (certificate, key) = authority.leaf(1, 1);
    publish(volume.path(), "v1", &certificate, &key);
    let process = tokio::spawn(run(
        args(volume.path(), &["--bind", "127.0.0.1:0", "--ready-file", &file]),
        Arc::default(),
        |_| obedient(),
    ));
    until(|| ready.exists()).await;
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    let address = told["address"].as_str().unwrap().parse().unwrap();
    let client = authority.client().build().unwrap();
    assert_eq!(post(&client, address, "a").await.unwrap().status(), 200);
    assert!(told["admin"].as_str().unwrap().starts_with("127.0.0.1:"));
    process.abort();
}

#[tokio::test]
async fn a_configuration_that_is_missing_keeps_nobody_from_starting() {
    starts_without(None).await;
}

#[tokio::test]
async fn a_configuration_with_a_fault_keeps_nobody_from_starting() {
    starts_without(Some("serviceClass: {}")).await;
}

/// It starts with this in place of a good configuration, says so, and takes a good one up.
async fn starts_without(faulty: Option<&str>) {
    let authority = Authority::new();
    let volume = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.leaf(1, 1);
    publish(volume.path(), "v1", &certificate, &key);
    let path = |name: &str| volume.path().join(name).display().to_string();
    let (ready, file) = (path("ready.json"), path("platform.yaml"));
    if let Some(text) = faulty {
        std::fs::write(&file, text).unwrap();
    }
    let line = ["--bind", "127.0.0.1:0", "--ready-file", &ready, "--configuration", &file];
    let (tell, told) = tokio::sync::oneshot::channel();
    let process = tokio::spawn(run(args(volume.path(), &line), Arc::default(), |facts| {
        tell.send(facts).map_err(|_| "nobody listens").unwrap();
        obedient()
    }));
    let facts = told.await.unwrap();
    assert!(facts.configuration().is_none());
    until(|| Path::new(&ready).exists()).await;
    let addresses: serde_json::Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    let metrics = format!("http://{}/metrics", addresses["admin"].as_str().unwrap());
    let faults = async || {
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        text.lines().find_map(|line| line.strip_prefix("stateward_configuration_faults ").map(str::to_owned))
    };
    assert_eq!(faults().await.as_deref(), Some("1"));
    std::fs::write(&file, "serviceClasses: {public: {type: LoadBalancer}}").unwrap();
    until(|| facts.configuration().is_some()).await;
    let configuration = facts.configuration().unwrap();
    assert!(configuration.service_class(Some("public"), &BTreeMap::new()).is_ok());
    assert_eq!(faults().await.as_deref(), Some("0"));
    process.abort();
}
