//! Texts that many objects have in common, each kept once.

use std::collections::HashSet;
use std::sync::Arc;

/// The texts in use.
#[derive(Debug, Default)]
pub(super) struct Shared(HashSet<Arc<str>>);

impl Shared {
    /// The text, as others have it too.
    pub(super) fn take(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }

    /// Takes back what [`Shared::take`] gave; what nobody else has is forgotten.
    pub(super) fn give_back(&mut self, text: Arc<str>) {
        // One is the set's own, one the caller's.
        if Arc::strong_count(&text) == 2 {
            self.0.remove(&text);
        }
        drop(text);
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_as_long_as_somebody_has_it() {
        let mut shared = Shared::default();
        let (one, other) = (shared.take("fast"), shared.take("fast"));
        assert!(Arc::ptr_eq(&one, &other) && shared.len() == 1);
        shared.give_back(one);
        assert_eq!(shared.len(), 1);
        shared.give_back(other);
        assert_eq!(shared.len(), 0);
    }
}
