//! Self-managed certificates: a CA and a leaf of our own, in one Secret, and caBundle.
//!
//! Every process looks every ten seconds, by the wall clock, and does what is due; there is no
//! leader. Two that act at once meet at the Secret's resourceVersion, and the loser takes what the
//! winner wrote. The order of a rotation (see [`plan`]) keeps every client able to verify every
//! replica at each moment:
//!
//! 1. a new CA joins the old one in the bundle, and the bundle goes into the configurations;
//! 2. after [`plan::OVERLAP`] a leaf of the new CA replaces the old leaf;
//! 3. the old CA leaves the bundle when no leaf of its can be valid any more.
//!
//! Deleting the Secret rotates the CA in just this way. To be rid of a CA whose key has leaked at
//! once, stop all replicas first.

mod bundle;
mod material;
mod plan;
mod secret;

use std::sync::Arc;
use std::time::Duration;

use kube::{Api, Client};
use time::OffsetDateTime;

use self::bundle::Bundle;
use self::material::Material;
pub use self::plan::{CA_LIFE, LEAF_LIFE, OVERLAP};
use self::secret::{SecretError, Vault};
use crate::server::tls::{Pair, Serving};
use crate::stores::said;
use crate::telemetry::{Metrics, Throttle};

/// How often to look. Clocks of a suspended machine jump, so what is due is asked anew each time.
const LOOK: Duration = Duration::from_secs(10);
/// For each call to the API server; the client has no time-out of its own.
const CALL: Duration = Duration::from_secs(10);

/// Tells the time; tests bring their own.
pub type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// What the keeper keeps, and where.
#[derive(Debug, Clone)]
pub struct KeeperSettings {
    /// The namespace of the Secret.
    pub namespace: String,
    /// Names and IP addresses that the leaf is valid for; the first is `<service>.<namespace>.svc`.
    pub names: Vec<String>,
    /// The name of both webhook configurations.
    pub webhook: String,
}

/// Makes the certificates, renews them, and sees to it that the API server trusts them.
pub struct Keeper {
    vault: Vault,
    bundle: Bundle,
    names: Vec<String>,
    serving: Arc<Serving>,
    clock: Clock,
    complaints: Throttle,
    /// What was stored when we looked last.
    known: Option<Material>,
}

/// Why a look did not end well. The certificate in use stays in use.
#[derive(Debug, thiserror::Error)]
enum KeeperError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the certificate in the Secret cannot be served: {0}")]
    Pair(#[from] crate::server::tls::PairError),
    #[error(transparent)]
    Bundle(#[from] bundle::BundleError),
}

impl Keeper {
    /// A keeper that works on the cluster of `client` and hands its certificates to `serving`.
    #[must_use]
    pub fn new(
        client: Client,
        settings: KeeperSettings,
        serving: Arc<Serving>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let KeeperSettings { namespace, names, webhook } = settings;
        Self {
            vault: Vault::new(Api::namespaced(client.clone(), &namespace), namespace),
            bundle: Bundle::new(client, webhook, metrics),
            names,
            serving,
            clock: Arc::new(OffsetDateTime::now_utc),
            complaints: Throttle::new(Duration::from_mins(1)),
            known: None,
        }
    }

    /// The same keeper, with another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Keeps for ever.
    pub async fn run(mut self) {
        loop {
            self.look_and_tell().await;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One look, with its result told to readiness, metrics and log.
    async fn look_and_tell(&mut self) {
        let trouble = self.look().await.err();
        if let Some(error) = &trouble {
            self.serving.failed();
            if self.complaints.pass().is_some() {
                tracing::warn!(%error, "failed to keep the certificates; trying again");
            }
        }
        // Once clients trust us, an API server that is away is no reason to turn them away.
        let trouble = trouble.filter(|_| !self.bundle.was_published()).map(|error| error.to_string());
        self.serving.check((self.clock)(), trouble.as_deref());
    }

    /// Brings Secret, configurations and served certificate in line, in this order: a leaf is
    /// served only after the bundle that verifies it has been offered to the API server.
    async fn look(&mut self) -> Result<(), KeeperError> {
        let material = self.vault.settle((self.clock)(), &self.names, self.known.as_ref()).await?;
        let published = self.bundle.publish(&material.bundle_pem()).await;
        self.serve(&material)?;
        self.known = Some(material);
        Ok(published?)
    }

    fn serve(&self, material: &Material) -> Result<(), KeeperError> {
        let pair = Pair::from_pem(material.leaf_pem().as_bytes(), material.leaf_key_pem().as_bytes())?;
        if !self.serving.serves(&pair) {
            self.serving.replace(pair);
        }
        Ok(())
    }
}
