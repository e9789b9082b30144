//! Texts that are kept packed. Pure.
//!
//! What we keep of one kind differs in names and numbers, so each text is packed (LZ4) against the
//! first ones of ours.

use std::sync::{Arc, PoisonError, RwLock};

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};

/// Bytes that a dictionary has at most: each packing reads it.
const DICTIONARY: usize = 8 << 10;
/// A text of which more than one part in so many is left is like nothing in the dictionary.
const UNLIKE: usize = 4;

type Dictionary = Arc<Box<[u8]>>;

/// Packs texts that are alike.
#[derive(Debug, Default)]
pub(super) struct Packer {
    dictionary: RwLock<Dictionary>,
}

/// A text, packed.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    bytes: Box<[u8]>,
    /// What it was packed against.
    dictionary: Dictionary,
}

impl Packer {
    /// Packs a text. One that is `typical` is learnt from if it is like none before.
    pub(super) fn pack(&self, text: &str, typical: bool) -> Packed {
        let dictionary = Arc::clone(&self.dictionary.read().unwrap_or_else(PoisonError::into_inner));
        let packed = Packed::new(text, dictionary);
        if typical && packed.bytes.len() > text.len() / UNLIKE {
            self.learn(text);
        }
        packed
    }

    /// Takes a text into the dictionary, if there is room. What is packed already keeps the old one.
    fn learn(&self, text: &str) {
        let mut dictionary = self.dictionary.write().unwrap_or_else(PoisonError::into_inner);
        if dictionary.len() + text.len() <= DICTIONARY {
            *dictionary = Arc::new([&***dictionary, text.as_bytes()].concat().into());
        }
    }
}

impl Packed {
    fn new(text: &str, dictionary: Dictionary) -> Self {
        let bytes = compress_prepend_size_with_dict(text.as_bytes(), &dictionary);
        Self { bytes: bytes.into(), dictionary }
    }

    /// The text.
    pub(super) fn text(&self) -> String {
        // It was packed by us, so it can be unpacked.
        let text = decompress_size_prepended_with_dict(&self.bytes, &self.dictionary).unwrap_or_default();
        String::from_utf8(text).unwrap_or_default()
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.dictionary, &other.dictionary) {
            return self.bytes == other.bytes;
        }
        self.text() == other.text()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn service(name: &str) -> String {
        format!(
            r#"{{"kind":"Service","metadata":{{"labels":{{"app.kubernetes.io/managed-by":"stateward"}},"name":"{name}"}},"spec":{{"ports":[{{"name":"http","port":80,"protocol":"TCP"}}]}}}}"#
        )
    }

    proptest! {
        /// Whatever was packed before it.
        #[test]
        fn what_is_packed_comes_back(texts in vec((".{0,40}", 0..60_usize, any::<bool>()), 0..12)) {
            let packer = Packer::default();
            let texts = texts.into_iter().map(|(text, times, typical)| (service(&text.repeat(times)), typical));
            let texts: Vec<_> = texts.collect();
            let packed: Vec<_> = texts.iter().map(|(text, typical)| packer.pack(text, *typical)).collect();
            for ((text, _), packed) in texts.iter().zip(packed) {
                prop_assert_eq!(&packed.text(), text);
            }
        }
    }

    #[test]
    fn what_is_like_the_first_takes_little() {
        let packer = Packer::default();
        let (first, second) = (packer.pack(&service("first"), true), packer.pack(&service("second"), true));
        assert!(second.bytes.len() * UNLIKE < service("second").len(), "{}", second.bytes.len());
        assert!(second.bytes.len() * 2 < first.bytes.len());
    }

    #[test]
    fn what_is_not_typical_is_not_learnt() {
        let packer = Packer::default();
        packer.pack(&service("a"), false);
        assert!(packer.dictionary.read().unwrap().is_empty());
    }

    #[test]
    fn a_dictionary_ends_to_grow() {
        let packer = Packer::default();
        for number in 0..100_u32 {
            let unlike: String = (0..100_u32).map(|i| (number * 7919 + i * i * 31).to_string()).collect();
            packer.pack(&unlike, true);
        }
        let known = packer.dictionary.read().unwrap();
        assert!((DICTIONARY / 2..=DICTIONARY).contains(&known.len()), "{}", known.len());
    }

    #[test]
    fn texts_are_the_same_whatever_they_are_packed_against() {
        let packer = Packer::default();
        let [before, after] = [(); 2].map(|()| packer.pack(&service("a"), true));
        assert!(!Arc::ptr_eq(&before.dictionary, &after.dictionary));
        assert!(before == after && after == packer.pack(&service("a"), true));
        assert!(after != packer.pack(&service("b"), true) && before != packer.pack(&service("b"), true));
    }
}
