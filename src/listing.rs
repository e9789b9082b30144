//! Watches whose lists end: kube's own wait for one for as long as the client does.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use kube::runtime::watcher::{Error, Event, Result};

/// For one page of a list. The API server lets a request wait for its turn for a quarter of a minute at most
/// (`--request-timeout`, by its default), and a page is short. The client has no time-out of its own.
pub(crate) const LIST: Duration = Duration::from_secs(30);

/// What `begin` follows, for ever. A list of which nothing comes within [`LIST`] is given up, and begins anew.
pub(crate) fn in_time<T, S>(begin: impl Fn() -> S + Send) -> impl Stream<Item = Result<Event<T>>> + Send
where
    T: Send,
    S: Stream<Item = Result<Event<T>>> + Send,
{
    let first = Box::pin(begin());
    stream::unfold((first, true, begin), async |(mut events, mut listing, begin)| {
        let next = events.next();
        let event = if listing { tokio::time::timeout(LIST, next).await.ok() } else { Some(next.await) };
        let event = if let Some(event) = event {
            event?
        } else {
            events = Box::pin(begin());
            let late = format!("no answer to a list within {} s", LIST.as_secs());
            Err(Error::InitialListFailed(kube::Error::Service(late.into())))
        };
        match event {
            Ok(Event::Init) => listing = true,
            Ok(Event::InitDone) => listing = false,
            _ => {}
        }
        Some((event, (events, listing, begin)))
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_list_that_stalls_begins_anew_and_a_watch_may_be_silent() {
        let times = AtomicUsize::new(0);
        // Seconds before each event of the first time, the second and all others; then nothing comes any more.
        let begin = || {
            let events: [(u64, Event<u8>); 3] =
                [(0, Event::Init), (29, Event::InitApply(1)), (29, Event::InitDone)];
            let some = events.into_iter().take(1 + times.fetch_add(1, Ordering::Relaxed));
            let events = stream::iter(some).then(async |(after, event)| {
                sleep(Duration::from_secs(after)).await;
                Ok(event)
            });
            events.chain(stream::pending())
        };
        let (mut events, began, mut told) = (pin!(in_time(begin)), Instant::now(), Vec::new());
        while let Ok(Some(event)) = timeout(Duration::from_hours(1), events.next()).await {
            let what = match event {
                Ok(Event::Init) => "begins",
                Ok(Event::InitApply(_)) => "object",
                Ok(_) => "done",
                Err(_) => "late",
            };
            told.push((began.elapsed().as_secs(), what));
        }
        assert_eq!(
            told,
            [
                (0, "begins"),
                (30, "late"),
                (30, "begins"),
                (59, "object"),
                (89, "late"),
                (89, "begins"),
                (118, "object"),
                (147, "done"),
            ]
        );
    }
}
