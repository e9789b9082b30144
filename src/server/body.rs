//! Reads a request's body within the bounds of size, time and memory.

use std::ops::Deref;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::Limits;
use super::rejection::Rejection;

/// A body in memory, with its share of what all bodies may hold.
pub(super) struct Held {
    bytes: Buffer,
    _share: Option<OwnedSemaphorePermit>,
}

/// One frame is used as it came; only a body of several is copied together, once.
enum Buffer {
    Frame(Bytes),
    Joined(Vec<u8>),
}

impl Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Buffer::Frame(frame) => frame,
            Buffer::Joined(bytes) => bytes,
        }
    }
}

/// Reads the body. A length announced above the limit is refused before a byte is read; without
/// one the limit holds as the bytes come.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
    memory: &Arc<Semaphore>,
) -> Result<Held, Rejection> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limits.body_bytes) {
        return Err(Rejection::TooLarge(limits.body_bytes));
    }
    let reading = collect(body, announced.unwrap_or_default(), limits.body_bytes, memory);
    tokio::time::timeout(limits.body, reading).await.unwrap_or(Err(Rejection::SlowBody))
}

async fn collect(
    body: Body,
    announced: usize,
    limit: usize,
    memory: &Arc<Semaphore>,
) -> Result<Held, Rejection> {
    let mut share: Option<OwnedSemaphorePermit> = None;
    let mut bytes = Buffer::Frame(Bytes::new());
    let mut frames = body.into_data_stream();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|_| Rejection::Aborted)?;
        let length = match &bytes {
            Buffer::Frame(first) => first.len(),
            Buffer::Joined(joined) => joined.len(),
        } + frame.len();
        if length > limit {
            return Err(Rejection::TooLarge(limit));
        }
        take_share(&mut share, memory, length)?;
        bytes = match bytes {
            Buffer::Frame(first) if first.is_empty() => Buffer::Frame(frame),
            Buffer::Frame(first) => {
                let mut joined = Vec::with_capacity(announced.max(length));
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&frame);
                Buffer::Joined(joined)
            }
            Buffer::Joined(mut joined) => {
                joined.extend_from_slice(&frame);
                Buffer::Joined(joined)
            }
        };
    }
    Ok(Held { bytes, _share: share })
}

/// Enlarges the share to cover `length` bytes. Hundreds of large bodies at once are shed rather
/// than held: the process would be killed for its memory, with every request in it.
fn take_share(
    share: &mut Option<OwnedSemaphorePermit>,
    memory: &Arc<Semaphore>,
    length: usize,
) -> Result<(), Rejection> {
    let missing = length.div_ceil(1024) - share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    if missing == 0 {
        return Ok(());
    }
    let count = u32::try_from(missing).map_err(|_| Rejection::Busy)?;
    let more = Arc::clone(memory).try_acquire_many_owned(count).map_err(|_| Rejection::Busy)?;
    match share {
        Some(share) => share.merge(more),
        None => *share = Some(more),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(sizes: &[usize]) -> Body {
        let frames: Vec<_> =
            sizes.iter().map(|&size| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; size]))).collect();
        Body::from_stream(futures::stream::iter(frames))
    }

    async fn collected(sizes: &[usize], limit: usize, kib: usize) -> Result<usize, Rejection> {
        let memory = Arc::new(Semaphore::new(kib));
        let held = collect(frames(sizes), 0, limit, &memory).await.map(|held| held.len());
        assert_eq!(memory.available_permits(), kib, "the share is given back");
        held
    }

    #[tokio::test]
    async fn bodies_of_any_number_of_frames_come_whole() {
        for sizes in [&[][..], &[10], &[10, 20], &[1, 2, 3, 4000]] {
            assert_eq!(collected(sizes, 10_000, 10).await.unwrap(), sizes.iter().sum::<usize>());
        }
    }

    #[tokio::test]
    async fn size_and_memory_are_bounded() {
        assert!(matches!(collected(&[5, 6], 10, 10).await, Err(Rejection::TooLarge(10))));
        assert!(matches!(collected(&[1024, 1024, 1], 10_000, 2).await, Err(Rejection::Busy)));
    }
}
