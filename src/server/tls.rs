//! TLS: the certificate in use, and how it changes without a connection noticing.

pub mod files;
pub(super) mod handshake;
mod pair;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use tokio_rustls::TlsAcceptor;

pub use self::pair::{Pair, PairError};
use super::readiness::Readiness;
use crate::telemetry::{Metrics, ReloadResult};

/// The line of `/readyz` that tells of the certificate.
pub const PART: &str = "certificates";

/// The certificate in use. Handshakes read it without a lock; a change concerns later handshakes
/// only, so no connection is dropped.
pub struct Serving {
    pair: ArcSwapOption<Pair>,
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("expires", &self.expires()).finish_non_exhaustive()
    }
}

impl Serving {
    /// No certificate yet: handshakes fail, and the process is not ready.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, readiness: Readiness) -> Arc<Self> {
        readiness.wait_for(PART, "no certificate has been loaded yet");
        Arc::new(Self { pair: ArcSwapOption::empty(), metrics, readiness })
    }

    /// Serves `pair` from now on. Readiness is the caller's to declare: see [`Self::check`].
    pub fn replace(&self, pair: Pair) {
        tracing::info!(serial = pair.serial(), expires = %pair.expires(), "serving a new certificate");
        self.metrics.certificate_expiry.set(pair.expires().unix_timestamp());
        self.pair.store(Some(Arc::new(pair)));
        self.metrics.certificate_reloads.get_or_create(&ReloadResult { result: "replaced" }).inc();
    }

    /// Counts a change that failed; the certificate in use stays.
    pub fn failed(&self) {
        self.metrics.certificate_reloads.get_or_create(&ReloadResult { result: "failed" }).inc();
    }

    /// Whether this very pair is in use.
    #[must_use]
    pub fn serves(&self, pair: &Pair) -> bool {
        self.pair.load().as_ref().is_some_and(|served| served.same_as(pair))
    }

    /// When the certificate in use expires.
    #[must_use]
    pub fn expires(&self) -> Option<OffsetDateTime> {
        self.pair.load().as_ref().map(|pair| pair.expires())
    }

    /// Declares the certificate ready, or not ready because of `trouble` or its age.
    pub fn check(&self, now: OffsetDateTime, trouble: Option<&str>) {
        match (self.expires(), trouble) {
            (Some(expires), _) if expires <= now => {
                self.readiness.wait_for(PART, format!("the certificate expired at {expires}"));
            }
            (Some(_), None) => self.readiness.ready(PART),
            (_, Some(trouble)) => self.readiness.wait_for(PART, trouble),
            (None, None) => self.readiness.wait_for(PART, "no certificate has been loaded yet"),
        }
    }

    /// What turns TCP connections into TLS connections that show this certificate.
    ///
    /// # Errors
    /// Only if the provider lacked the protocol versions that we ask for.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pair.load().as_ref().map(|pair| pair.key())
    }
}

/// The cryptography in use, named everywhere: with two providers compiled in, rustls's guess fails
/// at run time.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Makes [`provider`] the process's default, for clients that ask for none.
pub fn install_provider() {
    // An error says that one is installed already, by a test or a second call.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
