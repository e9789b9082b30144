//! JSON text of what cannot fail to be written.

use serde::Serialize;

/// `value` as JSON, in room for so many bytes: to make room again and again takes longer than to write.
///
/// `value` consists of texts, numbers, flags, and maps with texts for keys; of anything else it gives what
/// was written before it.
pub(crate) fn written(value: &impl Serialize, room: usize) -> Vec<u8> {
    let mut json = Vec::with_capacity(room);
    _ = serde_json::to_writer(&mut json, value);
    json
}
