//! What is due: a pure decision from the time and what is stored.

use time::{Duration, OffsetDateTime};

/// How long a CA lives.
pub const CA_LIFE: Duration = Duration::days(365);
/// How long a leaf lives.
pub const LEAF_LIFE: Duration = Duration::days(30);
/// How long a new CA is only announced before leaves are signed with it. Every replica looks each
/// ten seconds, so every configuration has it long before.
pub const OVERLAP: Duration = Duration::minutes(5);
/// Certificates begin this long before they are made, for clients whose clock is slow.
pub(super) const BACKDATE: Duration = Duration::hours(1);

/// The dates of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dates {
    pub(super) begins: OffsetDateTime,
    pub(super) expires: OffsetDateTime,
}

impl Dates {
    /// When it was made.
    fn made(self) -> OffsetDateTime {
        self.begins + BACKDATE
    }

    /// Two thirds of a life leave one third to notice that renewal fails.
    fn is_due(self, now: OffsetDateTime) -> bool {
        now >= self.begins + (self.expires - self.begins) * 2 / 3
    }

    pub(super) fn is_over(self, now: OffsetDateTime) -> bool {
        now >= self.expires
    }
}

/// What the plan needs to know of the stored leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeafState {
    pub(super) dates: Dates,
    /// Its key fits, a CA of the bundle signed it, and it names all that it should.
    pub(super) is_sound: bool,
    /// The CA that signs now signed it.
    pub(super) is_of_current_ca: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// Make a CA and put it before the others in the bundle.
    pub(super) new_ca: bool,
    /// Make a leaf, signed by the first CA of the bundle.
    pub(super) new_leaf: bool,
}

impl Plan {
    /// Decides on the CA that signs (`None`: absent or unusable) and the leaf (likewise).
    ///
    /// `NotBefore` plays no part: after a clock that was set back, certificates from the future are
    /// as good as others, and making new ones each time would never end.
    pub(super) fn decide(now: OffsetDateTime, ca: Option<Dates>, leaf: Option<LeafState>) -> Self {
        let ca = ca.filter(|ca| !ca.is_over(now));
        let new_ca = ca.is_none_or(|ca| ca.is_due(now));
        let Some(leaf) = leaf.filter(|leaf| leaf.is_sound && !leaf.dates.is_over(now)) else {
            // Nothing to serve: there is no gap to avoid.
            return Self { new_ca, new_leaf: true };
        };
        let announced = !new_ca && ca.is_some_and(|ca| now >= ca.made() + OVERLAP);
        let wanted = leaf.dates.is_due(now) || !leaf.is_of_current_ca;
        Self { new_ca, new_leaf: announced && wanted }
    }

    pub(super) fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Whether a CA that signs no more may leave the bundle: since `current` took over, every leaf that
/// it signed has expired, or it has itself.
pub(super) fn is_retired(now: OffsetDateTime, former: Dates, current: Dates) -> bool {
    former.is_over(now) || now >= current.made() + OVERLAP + LEAF_LIFE
}

/// The dates of a certificate made now; a leaf never outlives its CA.
pub(super) fn dates(now: OffsetDateTime, life: Duration, signer: Option<Dates>) -> Dates {
    let expires = now + life;
    Dates { begins: now - BACKDATE, expires: signer.map_or(expires, |ca| ca.expires.min(expires)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn ca(made_ago: Duration) -> Dates {
        dates(NOW - made_ago, CA_LIFE, None)
    }

    fn leaf(made_ago: Duration, is_of_current_ca: bool) -> LeafState {
        LeafState { dates: dates(NOW - made_ago, LEAF_LIFE, None), is_sound: true, is_of_current_ca }
    }

    fn plan(ca: Option<Dates>, leaf: Option<LeafState>) -> (bool, bool) {
        let plan = Plan::decide(NOW, ca, leaf);
        (plan.new_ca, plan.new_leaf)
    }

    #[test]
    fn the_first_look_makes_both() {
        assert_eq!(plan(None, None), (true, true));
    }

    #[test]
    fn fresh_certificates_are_left_alone() {
        assert_eq!(plan(Some(ca(Duration::days(1))), Some(leaf(Duration::days(1), true))), (false, false));
    }

    #[test]
    fn a_leaf_is_renewed_after_two_thirds_of_its_life() {
        let authority = Some(ca(Duration::days(40)));
        assert_eq!(plan(authority, Some(leaf(Duration::days(19), true))), (false, false));
        assert_eq!(plan(authority, Some(leaf(Duration::days(21), true))), (false, true));
    }

    #[test]
    fn a_new_ca_is_announced_before_it_signs() {
        let due = ca(Duration::days(250));
        assert_eq!(plan(Some(due), Some(leaf(Duration::days(1), true))), (true, false));
        assert_eq!(plan(Some(due), Some(leaf(Duration::days(29), true))), (true, false), "leaf still valid");
        assert_eq!(
            plan(Some(ca(Duration::minutes(4))), Some(leaf(Duration::days(29), false))),
            (false, false)
        );
        assert_eq!(plan(Some(ca(Duration::minutes(5))), Some(leaf(Duration::days(1), false))), (false, true));
    }

    #[test]
    fn what_cannot_be_served_is_replaced_at_once() {
        let fresh = Some(ca(Duration::minutes(1)));
        let unsound = LeafState { is_sound: false, ..leaf(Duration::days(1), true) };
        assert_eq!(plan(fresh, Some(unsound)), (false, true));
        assert_eq!(plan(fresh, Some(leaf(Duration::days(31), false))), (false, true));
        assert_eq!(plan(Some(ca(Duration::days(366))), Some(leaf(Duration::days(31), true))), (true, true));
    }

    #[test]
    fn a_clock_that_jumps_renews_at_once_or_waits() {
        let (authority, served) = (ca(Duration::ZERO), leaf(Duration::ZERO, true));
        let after = |days| Plan::decide(NOW + Duration::days(days), Some(authority), Some(served));
        assert!(after(-2).is_nothing(), "certificates from the future are no reason to mint");
        assert!(after(21).new_leaf && !after(21).new_ca);
        assert!(after(366).new_leaf && after(366).new_ca);
    }

    #[test]
    fn a_former_ca_stays_until_its_last_leaf_has_expired() {
        let former = ca(Duration::days(250));
        assert!(!is_retired(NOW, former, ca(Duration::days(29))));
        assert!(is_retired(NOW, former, ca(Duration::days(31))));
        assert!(is_retired(NOW, ca(Duration::days(366)), ca(Duration::days(1))));
    }
}
