//! A certificate chain and the key that fits it.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::provider;

/// A chain and its key, checked against each other.
pub struct Pair {
    key: Arc<CertifiedKey>,
    begins: OffsetDateTime,
    expires: OffsetDateTime,
    serial: String,
}

/// What is wrong with a chain or a key.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// No certificate in the text.
    #[error("no PEM certificate in it")]
    NoCertificate,
    /// The first certificate cannot be read.
    #[error("the certificate is malformed")]
    Malformed,
    /// No private key in the text, or one of a kind that we do not know.
    #[error("no PEM private key in it that can be used")]
    NoKey,
    /// Key and certificate belong to different pairs.
    #[error("the key does not belong to the certificate")]
    Mismatch,
}

impl Pair {
    /// Reads a chain (leaf first) and a key, both PEM.
    ///
    /// # Errors
    /// [`PairError`], which never quotes the key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| PairError::Malformed)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| PairError::NoKey)?;
        let leaf = chain.first().ok_or(PairError::NoCertificate)?;
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| PairError::Malformed)?;
        let validity = parsed.validity();
        let (begins, expires) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
        let serial = parsed.raw_serial_as_string();
        let key = provider().key_provider.load_private_key(key).map_err(|_| PairError::NoKey)?;
        let key = CertifiedKey::new(chain, key);
        key.keys_match().map_err(|_| PairError::Mismatch)?;
        Ok(Self { key: Arc::new(key), begins, expires, serial })
    }

    /// What rustls signs handshakes with.
    #[must_use]
    pub fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// `NotBefore` of the leaf.
    #[must_use]
    pub fn begins(&self) -> OffsetDateTime {
        self.begins
    }

    /// `NotAfter` of the leaf.
    #[must_use]
    pub fn expires(&self) -> OffsetDateTime {
        self.expires
    }

    /// The leaf's serial number, in hexadecimal with colons.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Whether both show the same chain.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("serial", &self.serial)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
