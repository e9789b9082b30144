//! What a new set waits for: whoever made it may be about to make its Services too. Pure.
//!
//! `kubectl apply` of a file looks for each object and creates it if it is not there. What we make between
//! the two fails it with `AlreadyExists`, and it never looks again.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::plan::{Act, Step};
use crate::settings::text;

/// How old a set is before we make what its user may be about to make. Times of creation have whole
/// seconds, so that it is at least one.
const AGE: SignedDuration = SignedDuration::from_secs(2);

/// How long a set is still new; `None` when it is not. A clock behind the API server's makes none new.
pub(super) fn left(set: &Value, now: Timestamp) -> Option<Duration> {
    let born: Timestamp = text(&set["metadata"]["creationTimestamp"]).parse().ok()?;
    let age = now.duration_since(born);
    if age.is_negative() {
        return None;
    }
    Duration::try_from(AGE - age).ok().filter(|left| !left.is_zero())
}

/// Whether a step can wait until the set is new no more.
pub(super) fn can_wait(step: &Step) -> bool {
    matches!(step.act, Act::Create(_)) && !step.role.is_needed_to_start()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::companions::{Kind, Role};

    #[test]
    fn a_set_is_new_for_two_seconds() {
        let set = json!({"metadata": {"creationTimestamp": "2026-05-01T12:00:00Z"}});
        let left = |at: &str| left(&set, format!("2026-05-01T{at}Z").parse().unwrap());
        assert_eq!(left("12:00:00"), Some(Duration::from_secs(2)));
        assert_eq!(left("12:00:01.750"), Some(Duration::from_millis(250)));
        assert_eq!(left("12:00:02"), None);
        assert_eq!(left("12:00:30"), None);
        assert_eq!(left("11:59:59"), None, "a clock that is behind");
        assert_eq!(super::left(&json!({}), Timestamp::now()), None);
    }

    #[test]
    fn what_pods_need_to_start_and_what_is_there_do_not_wait() {
        let step = |role, act| Step { role, kind: Kind::Service, act };
        assert!(can_wait(&step(Role::Headless, Act::Create(json!({})))));
        assert!(can_wait(&step(Role::Budget, Act::Create(json!({})))));
        assert!(!can_wait(&step(Role::Client, Act::Apply(json!({})))));
        assert!(!can_wait(&step(Role::Secret, Act::Secret(json!({})))));
        for role in [Role::ServiceAccount, Role::NetworkPolicy] {
            assert!(!can_wait(&step(role, Act::Create(json!({})))), "{role}");
        }
    }
}
