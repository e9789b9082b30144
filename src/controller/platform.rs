//! The platform's configuration from its file, read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::configuration::Configuration;
use crate::telemetry::Metrics;

/// How often the file is read: the kubelet swaps a symbolic link, of which a watch on the file does
/// not hear.
const POLL: Duration = Duration::from_secs(5);

/// A file that gives no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It has faults.
    #[error("{path} cannot be used:\n{}", .faults.join("\n"))]
    Faults {
        /// The file.
        path: PathBuf,
        /// What is wrong, each with its path in the file.
        faults: Vec<String>,
    },
}

/// The configuration in use.
pub(super) struct Platform {
    file: Option<PathBuf>,
    text: String,
    pub(super) current: Arc<ArcSwap<Configuration>>,
    metrics: Arc<Metrics>,
}

impl Platform {
    /// Reads the file, if there is one to read. At the start there is no last good configuration to
    /// go on with.
    ///
    /// # Errors
    /// A file that cannot be read or has faults.
    pub(super) fn start(file: Option<PathBuf>, metrics: Arc<Metrics>) -> Result<Self, ConfigurationError> {
        let text = file.as_deref().map(read).transpose()?.unwrap_or_default();
        let configuration = match &file {
            Some(path) => parse(path, &text)?,
            None => Configuration::default(),
        };
        Ok(Self { file, text, current: Arc::new(ArcSwap::from_pointee(configuration)), metrics })
    }

    /// Reads the file again and again, and calls `changed` when there is another configuration. What
    /// is wrong with it is logged once, and the last good one stays.
    pub(super) async fn follow(&mut self, changed: impl Fn()) {
        loop {
            tokio::time::sleep(POLL).await;
            if self.look() {
                changed();
            }
        }
    }

    /// Whether there is another configuration.
    fn look(&mut self) -> bool {
        let Some(path) = &self.file else { return false };
        let text = match read(path) {
            Ok(text) if text == self.text => return false,
            Ok(text) => text,
            // A volume that is being swapped; what stays wrong shows at the next start.
            Err(error) => {
                tracing::warn!(%error, "the last good configuration stays in use");
                return false;
            }
        };
        let parsed = parse(path, &text);
        self.text = text;
        let faults = match &parsed {
            Err(ConfigurationError::Faults { faults, .. }) => faults.len(),
            _ => 0,
        };
        self.metrics.controller.configuration_faults.set(i64::try_from(faults).unwrap_or(i64::MAX));
        match parsed {
            Ok(configuration) => {
                self.current.store(Arc::new(configuration));
                tracing::info!(file = %path.display(), "another configuration is in use");
                true
            }
            Err(error) => {
                tracing::error!(%error, "the last good configuration stays in use");
                false
            }
        }
    }
}

fn read(path: &Path) -> Result<String, ConfigurationError> {
    std::fs::read_to_string(path).map_err(|source| ConfigurationError::Read { path: path.to_owned(), source })
}

fn parse(path: &Path, text: &str) -> Result<Configuration, ConfigurationError> {
    Configuration::parse(text).map_err(|faults| ConfigurationError::Faults {
        path: path.to_owned(),
        faults: faults.iter().map(ToString::to_string).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("configuration.yaml");
        let quiet = |platform: &Platform| platform.current.load().quiet_time.as_secs();
        assert!(Platform::start(Some(file.clone()), Arc::default()).is_err(), "no file");
        std::fs::write(&file, "disruptionBudgets: {quietTime: 7s}").unwrap();
        let mut platform = Platform::start(Some(file.clone()), Arc::default()).unwrap();
        assert_eq!((platform.look(), quiet(&platform)), (false, 7));
        std::fs::write(&file, "disruptionBudgets: {quietTime: soon}").unwrap();
        assert_eq!((platform.look(), quiet(&platform)), (false, 7));
        assert_eq!(platform.metrics.controller.configuration_faults.get(), 1);
        std::fs::remove_file(&file).unwrap();
        assert_eq!((platform.look(), quiet(&platform)), (false, 7));
        std::fs::write(&file, "disruptionBudgets: {quietTime: 8s}").unwrap();
        assert_eq!((platform.look(), quiet(&platform)), (true, 8));
        assert_eq!(platform.metrics.controller.configuration_faults.get(), 0);
    }
}
