//! A certificate from files, as a Secret volume provides them.
//!
//! The kubelet updates such a volume by renaming the symbolic link `..data` that both files lead
//! through. Watches on the files never hear of that, so the files are read again and again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::{Pair, PairError, Serving};

/// How often the files are read.
pub const POLL: Duration = Duration::from_secs(10);

/// Where the certificate and its key are.
#[derive(Debug, Clone)]
pub struct Files {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
}

/// Why files give no certificate to serve.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file that cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Files that are no pair.
    #[error("{certificate} and {key} are no usable pair: {source}")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: PairError,
    },
    /// A certificate of another time.
    #[error("the certificate in {path} is valid only from {begins} to {expires}")]
    Time {
        /// The certificate's file.
        path: PathBuf,
        /// `NotBefore`.
        begins: OffsetDateTime,
        /// `NotAfter`.
        expires: OffsetDateTime,
    },
}

impl FilesError {
    /// Whether waiting can help: a volume that is not filled yet, a certificate about to be renewed.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Read { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Pair { .. } => false,
            Self::Time { .. } => true,
        }
    }
}

impl Files {
    /// Reads both files and checks that they fit each other and the time.
    ///
    /// Small local files, read on the calling thread.
    ///
    /// # Errors
    /// [`FilesError`]; it names paths, never contents.
    pub fn load(&self, now: OffsetDateTime) -> Result<Pair, FilesError> {
        let chain = read(&self.certificate)?;
        let key = read(&self.key)?;
        let pair = Pair::from_pem(&chain, &key).map_err(|source| FilesError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })?;
        let (begins, expires) = (pair.begins(), pair.expires());
        if now < begins || now >= expires {
            return Err(FilesError::Time { path: self.certificate.clone(), begins, expires });
        }
        Ok(pair)
    }

    /// The first load, before anything listens. What may pass leaves the process waiting, not
    /// ready; what cannot is an error to start with.
    ///
    /// # Errors
    /// Files that are there and no pair.
    pub fn start(&self, serving: &Serving) -> Result<(), FilesError> {
        match self.load(OffsetDateTime::now_utc()) {
            Err(error) if !error.may_pass() => Err(error),
            loaded => {
                self.take(serving, loaded);
                Ok(())
            }
        }
    }

    /// Reads the files every `period`, for ever. On any fault the pair in use stays.
    pub async fn follow(self, serving: Arc<Serving>, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            self.take(&serving, self.load(OffsetDateTime::now_utc()));
        }
    }

    fn take(&self, serving: &Serving, loaded: Result<Pair, FilesError>) {
        let trouble = match loaded {
            Ok(pair) => {
                if !serving.serves(&pair) {
                    serving.replace(pair);
                }
                None
            }
            Err(error) => {
                serving.failed();
                tracing::warn!(%error, certificate = %self.certificate.display(), "keeping the certificate in use");
                Some(error.to_string())
            }
        };
        // Trouble with the files is no trouble for clients while a pair is in use.
        let trouble = trouble.filter(|_| serving.expires().is_none());
        serving.check(OffsetDateTime::now_utc(), trouble.as_deref());
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    std::fs::read(path).map_err(|source| FilesError::Read { path: path.to_owned(), source })
}
