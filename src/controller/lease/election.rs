//! Who may write: the state of an election by a Lease. Pure; the time is handed in.
//!
//! The rules are client-go's: whether another's claim has expired is judged by the local time at
//! which its record was last seen to change, so that clocks that differ do no harm, and a claim of
//! ours ends for us well before it ends for the others.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// For how long a claim holds.
pub(super) const DURATION: Duration = Duration::from_secs(15);
/// For how long we believe in a claim of ours after the last renewal was sent.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// The pause between two looks.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// One candidate's view.
#[derive(Debug)]
pub(super) struct Election {
    identity: String,
    /// The record that was seen last, and when it was first seen like that.
    observed: Option<(LeaseSpec, Instant)>,
    /// When the request that won or renewed the claim was sent.
    held: Option<Instant>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Move {
    /// Write this record.
    Claim(Box<LeaseSpec>),
    /// The claim of the named one holds.
    Wait(String),
}

impl Election {
    /// A candidate of this name, which no other has.
    pub(super) fn new(identity: String) -> Self {
        Self { identity, observed: None, held: None }
    }

    /// What to do about the Lease as it was read at `now`; `None` where there is none.
    pub(super) fn judge(&mut self, lease: Option<&Lease>, now: Instant, time: Timestamp) -> Move {
        let seen = lease.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        if self.observed.as_ref().is_none_or(|(before, _)| *before != seen) {
            self.observed = Some((seen.clone(), now));
        }
        let since = self.observed.as_ref().map_or(now, |(_, since)| *since);
        let holder = seen.holder_identity.clone().unwrap_or_default();
        let ours = holder == self.identity;
        if !ours {
            // Somebody else has it, whatever we thought.
            self.held = None;
        }
        if !holder.is_empty() && !ours && now < since + duration(&seen) {
            return Move::Wait(holder);
        }
        Move::Claim(Box::new(self.record(&seen, ours, time)))
    }

    fn record(&self, seen: &LeaseSpec, ours: bool, time: Timestamp) -> LeaseSpec {
        let transitions = seen.lease_transitions.unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(seconds(DURATION)),
            renew_time: Some(MicroTime(time)),
            acquire_time: seen.acquire_time.clone().filter(|_| ours).or(Some(MicroTime(time))),
            lease_transitions: Some(if ours { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        }
    }

    /// The claim was written by a request that was sent at `sent`.
    pub(super) fn won(&mut self, sent: Instant) {
        self.held = Some(sent);
    }

    /// We act no more, whatever the record says.
    pub(super) fn lose(&mut self) {
        self.held = None;
    }

    /// Until when we may act; `None` if we may not.
    pub(super) fn until(&self) -> Option<Instant> {
        self.held.map(|held| held + DEADLINE)
    }

    /// The record with which the claim is given up, so that another need not wait.
    pub(super) fn released(&mut self, seen: &LeaseSpec, time: Timestamp) -> Option<LeaseSpec> {
        self.held = None;
        let ours = seen.holder_identity.as_deref() == Some(&self.identity);
        ours.then(|| LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(time)),
            ..seen.clone()
        })
    }
}

/// For how long a record holds by its own word; by ours where it says nothing sensible.
fn duration(seen: &LeaseSpec) -> Duration {
    let said = seen.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    said.filter(|seconds| (1..=3600).contains(seconds)).map_or(DURATION, Duration::from_secs)
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn lease(spec: LeaseSpec) -> Lease {
        Lease { spec: Some(spec), ..Lease::default() }
    }

    fn claimed(election: &mut Election, lease: Option<&Lease>, now: Instant) -> LeaseSpec {
        match election.judge(lease, now, time()) {
            Move::Claim(record) => *record,
            Move::Wait(holder) => panic!("waits for {holder}"),
        }
    }

    #[test]
    fn what_is_free_is_claimed() {
        let now = Instant::now();
        for free in [None, Some(Lease::default()), Some(lease(LeaseSpec::default()))] {
            let mut election = Election::new("a".into());
            let record = claimed(&mut election, free.as_ref(), now);
            assert_eq!(record.holder_identity.as_deref(), Some("a"));
            assert_eq!((record.lease_transitions, record.lease_duration_seconds), (Some(1), Some(15)));
            assert_eq!(election.until(), None, "not before the API server has said so");
            election.won(now);
            assert_eq!(election.until(), Some(now + DEADLINE));
        }
    }

    #[test]
    fn a_claim_that_is_renewed_holds_for_ever_and_one_that_is_not_expires() {
        let mut now = Instant::now();
        let (mut other, mut ours) = (Election::new("b".into()), Election::new("a".into()));
        let mut held = lease(claimed(&mut other, None, now));
        for renewal in 1..20 {
            assert_eq!(ours.judge(Some(&held), now, time()), Move::Wait("b".into()));
            now += Duration::from_secs(10);
            let renewed = Timestamp::from_second(1_800_000_000 + 10 * renewal).unwrap();
            held.spec.as_mut().unwrap().renew_time = Some(MicroTime(renewed));
        }
        // Seen anew at this moment, whatever time the record names.
        assert_eq!(ours.judge(Some(&held), now, time()), Move::Wait("b".into()));
        now += Duration::from_secs(14);
        assert_eq!(ours.judge(Some(&held), now, time()), Move::Wait("b".into()));
        now += Duration::from_secs(1);
        assert_eq!(claimed(&mut ours, Some(&held), now).lease_transitions, Some(2));
    }

    #[test]
    fn a_clock_that_is_wrong_by_years_and_a_holder_without_a_time_change_nothing() {
        let now = Instant::now();
        for renew_time in [None, Timestamp::from_second(0).ok(), Timestamp::from_second(4_000_000_000).ok()] {
            let foreign = lease(LeaseSpec {
                holder_identity: Some("b".into()),
                renew_time: renew_time.map(MicroTime),
                ..LeaseSpec::default()
            });
            let mut election = Election::new("a".into());
            assert_eq!(election.judge(Some(&foreign), now, time()), Move::Wait("b".into()));
            claimed(&mut election, Some(&foreign), now + DURATION);
        }
    }

    #[test]
    fn we_stop_before_the_others_may_start() {
        assert!(DEADLINE + RETRY < DURATION);
        let now = Instant::now();
        let mut ours = Election::new("a".into());
        let record = claimed(&mut ours, None, now);
        ours.won(now);
        let mut other = Election::new("b".into());
        let seen = lease(record);
        assert_eq!(other.judge(Some(&seen), now, time()), Move::Wait("a".into()));
        let end = ours.until().unwrap();
        assert_eq!(other.judge(Some(&seen), end, time()), Move::Wait("a".into()));
        // Another that took it is believed at once.
        let taken = lease(claimed(&mut other, Some(&seen), now + DURATION));
        assert_eq!(ours.judge(Some(&taken), end, time()), Move::Wait("b".into()));
        assert_eq!(ours.until(), None);
    }

    #[test]
    fn a_release_lets_the_next_one_in_at_once() {
        let now = Instant::now();
        let mut ours = Election::new("a".into());
        let record = claimed(&mut ours, None, now);
        ours.won(now);
        let mut other = Election::new("b".into());
        assert_eq!(other.judge(Some(&lease(record.clone())), now, time()), Move::Wait("a".into()));
        let released = ours.released(&record, time()).unwrap();
        assert_eq!(ours.until(), None);
        let record = claimed(&mut other, Some(&lease(released)), now);
        assert_eq!(ours.released(&record, time()), None, "what is another's is not ours to release");
    }
}
