//! A responder that does as its request says, a CA, and clients.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use stateward::admission::{Answer, Endpoint, ReviewError, Summary};
use stateward::server::tls::{Pair, Serving, install_provider, provider};
use stateward::server::{Limits, Readiness, Respond, Running, Settings, Webhook};
use stateward::telemetry::Metrics;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Answers as told: `panic` panics, `block` waits for a permit, `fault` is a fault of ours, `child` lacks a
/// parent that is heard of just then, `orphan` one that is not; what is no JSON object with a uid is refused as
/// the real one would.
pub(crate) struct Obedient {
    /// Permits for `block`.
    pub(crate) gate: Arc<Semaphore>,
    /// How many `block` requests have begun.
    pub(crate) blocked: Arc<AtomicUsize>,
    /// Counts up when a parent is heard of.
    parents: watch::Sender<u64>,
}

impl Obedient {
    pub(crate) fn new(gate: Arc<Semaphore>, blocked: Arc<AtomicUsize>) -> Self {
        Self { gate, blocked, parents: watch::Sender::new(0) }
    }
}

impl Respond for Obedient {
    fn answer(&self, endpoint: Endpoint, body: &[u8]) -> Result<Answer, ReviewError> {
        let review: serde_json::Value =
            serde_json::from_slice(body).map_err(|error| ReviewError::NotJson(error.to_string()))?;
        let uid = review["request"]["uid"].as_str().unwrap_or_default();
        let mut lacks_parent = uid == "orphan";
        match uid {
            "" => return Err(ReviewError::NotReview("request.uid is missing".to_owned())),
            "panic" => panic!("poison: a secret value"),
            "fault" => return Err(ReviewError::Engine(stateward::engine::EngineError::Differs)),
            "block" => {
                self.blocked.fetch_add(1, Ordering::SeqCst);
                while self.gate.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_err() {
                    std::thread::park_timeout(Duration::from_millis(2));
                }
            }
            "child" if *self.parents.borrow() == 0 => {
                lacks_parent = true;
                self.parents.send_modify(|known| *known += 1);
            }
            _ => {}
        }
        let outcome = if lacks_parent { "refused" } else { "unchanged" };
        let summary = Summary { operation: "CREATE", outcome, lacks_parent, ..Summary::default() };
        let body = format!("{{\"uid\":{uid:?},\"endpoint\":\"{endpoint:?}\"}}").into_bytes();
        Ok(Answer { body, summary })
    }

    fn profile_changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.parents.subscribe())
    }
}

/// A server with everything that a test may want to look at.
pub(crate) struct Fixture {
    pub(crate) webhook: Arc<Webhook>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Readiness,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) blocked: Arc<AtomicUsize>,
    pub(crate) limits: Limits,
}

impl Fixture {
    pub(crate) fn new(limits: Limits) -> Self {
        install_provider();
        let metrics = Arc::new(Metrics::new());
        let (gate, blocked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let responder = Arc::new(Obedient::new(Arc::clone(&gate), Arc::clone(&blocked)));
        let webhook = Webhook::new(responder, limits.clone(), Arc::clone(&metrics));
        Self { webhook, metrics, readiness: Readiness::new(), gate, blocked, limits }
    }

    /// Serves on loopback with the certificate of `authority`.
    pub(crate) async fn serve(&self, authority: &Authority) -> Running {
        let serving = self.serving();
        serving.replace(authority.pair(1));
        serving.check(OffsetDateTime::now_utc(), None);
        self.serve_with(&serving, Duration::ZERO).await
    }

    pub(crate) fn serving(&self) -> Arc<Serving> {
        Serving::new(Arc::clone(&self.metrics), self.readiness.clone())
    }

    pub(crate) async fn serve_with(&self, serving: &Arc<Serving>, shutdown_delay: Duration) -> Running {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = Settings { bind: any, admin_bind: any, limits: self.limits.clone(), shutdown_delay };
        stateward::server::start(settings, &self.webhook, serving, &self.readiness).await.unwrap()
    }

    /// Waits until so many blocking evaluations run.
    pub(crate) async fn until_blocked(&self, number: usize) {
        until(|| self.blocked.load(Ordering::SeqCst) >= number).await;
    }
}

/// Waits for a condition that other tasks bring about.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the condition never came true");
}

/// A CA of the test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let certificate = params.self_signed(&key).unwrap();
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Self { issuer: Issuer::new(params, key), der, pem }
    }

    /// A leaf for loopback with this serial number: certificate and key, PEM.
    pub(crate) fn leaf(&self, serial: u8, days: i64) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(&[serial]));
        params.not_before = OffsetDateTime::now_utc() - time::Duration::days(10);
        params.not_after = OffsetDateTime::now_utc() + time::Duration::days(days);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub(crate) fn pair(&self, serial: u8) -> Pair {
        let (chain, key) = self.leaf(serial, 1);
        Pair::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    pub(crate) fn client(&self) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.pem.as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([root]).no_proxy().timeout(PATIENCE)
    }

    /// A raw TLS connection that offers `protocol`.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        protocol: &[u8],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// Fills a directory as the kubelet fills a Secret volume: files that are links through `..data`,
/// which is swapped by one rename.
pub(crate) fn publish(volume: &Path, version: &str, certificate: &str, key: &str) {
    let directory = volume.join(format!("..{version}"));
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("tls.crt"), certificate).unwrap();
    std::fs::write(directory.join("tls.key"), key).unwrap();
    let draft = volume.join("..data_tmp");
    std::os::unix::fs::symlink(format!("..{version}"), &draft).unwrap();
    std::fs::rename(&draft, volume.join("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        let link = volume.join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(format!("..data/{name}"), link).unwrap();
        }
    }
}

pub(crate) fn review(uid: &str) -> String {
    serde_json::json!({ "request": { "uid": uid } }).to_string()
}

pub(crate) async fn post(
    client: &reqwest::Client,
    address: SocketAddr,
    uid: &str,
) -> reqwest::Result<reqwest::Response> {
    let request = client.post(format!("https://{address}/mutate?timeout=5s"));
    request.header("content-type", "application/json").body(review(uid)).send().await
}
