//! What must be in place before the process may be sent requests.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use tokio::sync::watch;

/// The list of what the process waits for. Each part reports on its own line of `/readyz`.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    /// By part: `None` when ready, else why not.
    parts: Arc<watch::Sender<BTreeMap<&'static str, Option<String>>>>,
}

impl Readiness {
    /// Nothing to wait for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that `part` is not ready, and why.
    pub fn wait_for(&self, part: &'static str, why: impl Into<String>) {
        let why = Some(why.into());
        self.parts.send_if_modified(|parts| {
            let changed = parts.get(part) != Some(&why);
            if changed {
                parts.insert(part, why);
            }
            changed
        });
    }

    /// Says that `part` is ready.
    pub fn ready(&self, part: &'static str) {
        self.parts.send_if_modified(|parts| parts.insert(part, None) != Some(None));
    }

    /// Whether `part` is not ready.
    #[must_use]
    pub fn waits_for(&self, part: &'static str) -> bool {
        self.parts.borrow().get(part).is_some_and(Option::is_some)
    }

    /// Whether every part is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.parts.borrow().values().all(Option::is_none)
    }

    /// Waits until every part is ready.
    pub async fn until_ready(&self) {
        // The sender lives in self, so the wait cannot fail.
        let mut parts = self.parts.subscribe();
        let _ = parts.wait_for(|parts| parts.values().all(Option::is_none)).await;
    }

    /// One line per part, as `/readyz` shows it.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = String::new();
        for (part, why) in self.parts.borrow().iter() {
            let _ = match why {
                None => writeln!(text, "[+] {part}"),
                Some(why) => writeln!(text, "[-] {part}: {why}"),
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_part_must_be_ready_and_says_why_it_is_not() {
        let readiness = Readiness::new();
        readiness.wait_for("certificates", "no pair loaded");
        readiness.ready("namespaces");
        assert!(!readiness.is_ready());
        assert_eq!(readiness.report(), "[-] certificates: no pair loaded\n[+] namespaces\n");
        readiness.ready("certificates");
        readiness.until_ready().await;
        readiness.wait_for("process", "draining");
        assert!(!readiness.is_ready());
    }
}
