//! The platform's configuration from its file, read again when it changes: for the webhook, the
//! controller and the commands alike.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::task::JoinHandle;

use crate::companions::Labels;
use crate::configuration::Configuration;
use crate::engine::{Facts, Held};
use crate::telemetry::Metrics;

/// How often the file is read: the kubelet swaps a symbolic link, of which a watch on the file does
/// not hear.
const POLL: Duration = Duration::from_secs(5);

/// A file that gives no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It has faults.
    #[error("{} cannot be used:\n  {}", .path.display(), .faults.join("\n  "))]
    Faults {
        /// The file.
        path: PathBuf,
        /// What is wrong, each with its path in the file.
        faults: Vec<String>,
    },
}

/// The configuration in a file; the default without one.
///
/// # Errors
/// A file that cannot be read or has faults.
pub fn read(file: Option<&Path>) -> Result<Configuration, ConfigurationError> {
    file.map_or_else(|| Ok(Configuration::default()), |path| parse(path, &read_text(path)?))
}

/// The configuration in use.
pub(crate) struct Platform {
    file: Option<PathBuf>,
    /// What the file held when it was last looked at.
    text: Option<String>,
    /// What was last said of it, so that it is not said again every few seconds.
    complaint: Option<String>,
    pub(crate) current: Arc<ArcSwap<Configuration>>,
    metrics: Arc<Metrics>,
}

impl Platform {
    /// Reads the file, if there is one to read. At the start there is no last good configuration to
    /// go on with.
    ///
    /// # Errors
    /// A file that cannot be read or has faults.
    pub(crate) fn start(file: Option<PathBuf>, metrics: Arc<Metrics>) -> Result<Self, ConfigurationError> {
        let text = file.as_deref().map(read_text).transpose()?;
        let configuration = match (&file, &text) {
            (Some(path), Some(text)) => parse(path, text)?,
            _ => Configuration::default(),
        };
        let current = Arc::new(ArcSwap::from_pointee(configuration));
        Ok(Self { file, text, complaint: None, current, metrics })
    }

    /// The same for whom a fault in the file must not keep from starting: it is told, and the file is
    /// looked at again. Gives the configuration too, if there is a good one already.
    pub(crate) fn start_anyway(file: PathBuf, metrics: Arc<Metrics>) -> (Self, Option<Arc<Configuration>>) {
        let current = Arc::default();
        let mut platform = Self { file: Some(file), text: None, complaint: None, current, metrics };
        let good = platform.look().then(|| platform.current.load_full());
        (platform, good)
    }

    /// Reads the file again and again, and calls `changed` when there is another configuration. What
    /// is wrong with it is logged once, and the last good one stays.
    pub(crate) async fn follow(&mut self, changed: impl Fn()) {
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
        let read = read_text(path);
        if let (Ok(text), Some(known)) = (&read, &self.text)
            && text == known
        {
            return false;
        }
        // One that could not be read is news when it comes back, the same or not.
        self.text = read.as_ref().ok().cloned();
        let read = read.and_then(|text| parse(path, &text));
        let faults = match &read {
            Ok(_) => 0,
            Err(ConfigurationError::Faults { faults, .. }) => faults.len(),
            Err(ConfigurationError::Read { .. }) => 1,
        };
        self.metrics.controller.configuration_faults.set(i64::try_from(faults).unwrap_or(i64::MAX));
        match read {
            Ok(configuration) => {
                self.complaint = None;
                self.current.store(Arc::new(configuration));
                tracing::info!(file = %path.display(), "another configuration is in use");
                true
            }
            Err(error) => {
                let complaint = error.to_string();
                if self.complaint.as_ref() != Some(&complaint) {
                    tracing::error!(%error, "the configuration is not used, and the last good one, if any, stays");
                    self.complaint = Some(complaint);
                }
                false
            }
        }
    }
}

/// What is known of the cluster, and the configuration as soon as there is a good one.
struct Configured {
    facts: Arc<dyn Facts>,
    configuration: Arc<ArcSwapOption<Configuration>>,
}

impl Facts for Configured {
    fn namespace_labels(&self, namespace: &str) -> Labels {
        self.facts.namespace_labels(namespace)
    }

    fn namespace_annotations(&self, namespace: &str) -> Labels {
        self.facts.namespace_annotations(namespace)
    }

    fn claim_pin(&self, namespace: &str, statefulset: &str) -> Option<String> {
        self.facts.claim_pin(namespace, statefulset)
    }

    fn claims(&self, namespace: &str, statefulset: &str) -> BTreeMap<String, Held> {
        self.facts.claims(namespace, statefulset)
    }

    fn configuration(&self) -> Option<Arc<Configuration>> {
        self.configuration.load_full()
    }
}

/// Adds the configuration in `file` to what is known, and follows it for as long as the task runs. A
/// file that is missing or has faults keeps nobody from starting: admission must come up, and all
/// that it does without a configuration is to say nothing of what it grants.
pub(crate) fn configured(
    facts: Arc<dyn Facts>,
    file: PathBuf,
    metrics: Arc<Metrics>,
) -> (Arc<dyn Facts>, JoinHandle<()>) {
    let (mut platform, good) = Platform::start_anyway(file, metrics);
    let configuration = Arc::new(ArcSwapOption::new(good));
    let (current, shown) = (Arc::clone(&platform.current), Arc::clone(&configuration));
    let following =
        tokio::spawn(async move { platform.follow(|| shown.store(Some(current.load_full()))).await });
    (Arc::new(Configured { facts, configuration }), following)
}

fn read_text(path: &Path) -> Result<String, ConfigurationError> {
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

    fn quiet(platform: &Platform) -> u64 {
        platform.current.load().quiet_time.as_secs()
    }

    #[test]
    fn the_last_good_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("configuration.yaml");
        assert!(Platform::start(Some(file.clone()), Arc::default()).is_err(), "no file");
        std::fs::write(&file, "disruptionBudgets: {quietTime: 7s}").unwrap();
        let mut platform = Platform::start(Some(file.clone()), Arc::default()).unwrap();
        let faults = |platform: &Platform| platform.metrics.controller.configuration_faults.get();
        assert_eq!((platform.look(), quiet(&platform)), (false, 7));
        std::fs::write(&file, "disruptionBudgets: {quietTime: soon}\nhost: []").unwrap();
        assert_eq!((platform.look(), quiet(&platform), faults(&platform)), (false, 7, 2));
        std::fs::remove_file(&file).unwrap();
        assert_eq!((platform.look(), quiet(&platform), faults(&platform)), (false, 7, 1));
        std::fs::write(&file, "disruptionBudgets: {quietTime: 8s}").unwrap();
        assert_eq!((platform.look(), quiet(&platform), faults(&platform)), (true, 8, 0));
        assert!(!platform.look(), "nothing new");
    }

    #[test]
    fn who_must_start_starts_without_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("configuration.yaml");
        let (mut platform, good) = Platform::start_anyway(file.clone(), Arc::default());
        assert!(good.is_none());
        assert!(
            platform.complaint.as_ref().unwrap().contains("configuration.yaml"),
            "{:?}",
            platform.complaint
        );
        std::fs::write(&file, "disruptionBudgets: {quietTime: soon}").unwrap();
        assert!(!platform.look());
        std::fs::write(&file, "disruptionBudgets: {quietTime: 7s}").unwrap();
        assert_eq!((platform.look(), quiet(&platform)), (true, 7));
        let (_, good) = Platform::start_anyway(file, Arc::default());
        assert_eq!(good.unwrap().quiet_time.as_secs(), 7);
    }
}
