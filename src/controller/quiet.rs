//! For how long nobody else's budget has selected the pods of a set. Pure, but for the memory.
//!
//! Two budgets on one pod make every eviction fail, so ours goes at once when another comes. It
//! comes back only after a quiet time: whoever replaces their budget deletes it for a moment. A
//! replica that takes over knows nothing of that moment, so it goes by what it finds.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When another budget was last seen, by set.
#[derive(Debug)]
pub(super) struct Quiet<K> {
    seen: Mutex<HashMap<K, Instant>>,
    /// The sets that were looked at once.
    known: Mutex<HashSet<K>>,
}

impl<K> Default for Quiet<K> {
    fn default() -> Self {
        Self { seen: Mutex::default(), known: Mutex::default() }
    }
}

impl<K: Eq + Hash + Clone> Quiet<K> {
    /// Notes how a set is found. Where at the first look the budget alone is missing of what we keep
    /// beside it, another may have been there a moment ago.
    pub(super) fn found(&self, set: &K, budget_alone_is_missing: bool) {
        let first = self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(set.clone());
        if first && budget_alone_is_missing {
            self.disturbed(set);
        }
    }

    /// Notes that another budget is there now.
    pub(super) fn disturbed(&self, set: &K) {
        self.seen().insert(set.clone(), Instant::now());
    }

    /// How much of the quiet `time` is left; `None` when it is over.
    pub(super) fn left(&self, set: &K, time: Duration) -> Option<Duration> {
        let mut seen = self.seen();
        let passed = seen.get(set)?.elapsed();
        if passed >= time {
            seen.remove(set);
        }
        time.checked_sub(passed).filter(|left| !left.is_zero())
    }

    /// Forgets a set that is gone.
    pub(super) fn forget(&self, set: &K) {
        self.seen().remove(set);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(set);
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<K, Instant>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_starts_anew_with_each_disturbance() {
        let (quiet, time) = (Quiet::default(), Duration::from_secs(10));
        assert_eq!(quiet.left(&"db", time), None, "never disturbed");
        quiet.disturbed(&"db");
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(quiet.left(&"db", time), Some(Duration::from_secs(4)));
        quiet.disturbed(&"db");
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(quiet.left(&"db", time), Some(Duration::from_secs(1)));
        assert_eq!(quiet.left(&"other", time), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(quiet.left(&"db", time), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_over_waits_where_the_budget_alone_is_missing() {
        let (quiet, time) = (Quiet::default(), Duration::from_secs(10));
        for (set, missing) in [("yielded", true), ("new", false)] {
            quiet.found(&set, missing);
        }
        assert_eq!((quiet.left(&"yielded", time), quiet.left(&"new", time)), (Some(time), None));
        tokio::time::advance(time).await;
        quiet.found(&"yielded", true);
        assert_eq!(quiet.left(&"yielded", time), None, "only the first look is without knowledge");
        quiet.found(&"new", true);
        assert_eq!(quiet.left(&"new", time), None, "it was scaled up since");
    }
}
