//! For how long nobody else's budget has selected the pods of a set. Pure, but for the memory.
//!
//! Two budgets on one pod make every eviction fail, so ours goes at once when another comes. It
//! comes back only after a quiet time: whoever replaces their budget deletes it for a moment.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When another budget was last seen, by set. A process that has just started has seen none.
#[derive(Debug)]
pub(super) struct Quiet<K>(Mutex<HashMap<K, Instant>>);

impl<K> Default for Quiet<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Quiet<K> {
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
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<K, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
}
