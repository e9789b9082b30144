//! What a set that was made a moment ago has not got yet. Pure.
//!
//! The controller leaves a set's first seconds to whoever made it, who may be about to make its Services too.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::settings::text;

/// How old a set is for which it is too early to ask whether the controller runs: several times what the controller
/// takes.
const AGE: SignedDuration = SignedDuration::from_secs(10);

/// How old a set is that was just made, in seconds; `None` where it is older, or no clock was read.
pub(super) fn age(set: &Value, now: Option<Timestamp>) -> Option<u64> {
    let age = since(set, now)?;
    // A clock may be somewhat behind the API server's.
    (age.abs() < AGE).then(|| age.as_secs().try_into().unwrap_or(0))
}

/// How long a set is still new; `None` where it is not.
pub(in crate::cli) fn left(set: &Value, now: Option<Timestamp>) -> Option<Duration> {
    age(set, now)?;
    Duration::try_from(AGE - since(set, now)?).ok().filter(|left| !left.is_zero())
}

fn since(set: &Value, now: Option<Timestamp>) -> Option<SignedDuration> {
    let made: Timestamp = text(&set["metadata"]["creationTimestamp"]).parse().ok()?;
    Some(now?.duration_since(made))
}

/// What is said of a set that is this old and lacks these.
pub(super) fn told(age: u64, missing: &[String]) -> Option<String> {
    let (last, others) = missing.split_last()?;
    let all = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    let come = if others.is_empty() { "comes" } else { "come" };
    Some(format!("it was made {age} s ago: {all} {come} within seconds"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-05-01T{time}Z").parse().unwrap()
    }

    fn set() -> Value {
        json!({"metadata": {"creationTimestamp": "2026-05-01T12:00:00Z"}})
    }

    #[test]
    fn a_set_is_new_for_ten_seconds() {
        let new = |now: Option<Timestamp>| (age(&set(), now), left(&set(), now).map(|left| left.as_secs()));
        assert_eq!(new(Some(at("12:00:00"))), (Some(0), Some(10)));
        assert_eq!(new(Some(at("12:00:03.5"))), (Some(3), Some(6)));
        assert_eq!(new(Some(at("12:00:10"))), (None, None));
        assert_eq!(new(Some(at("11:59:58"))), (Some(0), Some(12)), "a clock that is behind");
        assert_eq!(new(Some(at("11:59:30"))), (None, None), "a clock that is wrong");
        assert_eq!(new(None), (None, None), "no clock");
        assert_eq!(age(&json!({}), Some(at("12:00:00"))), None);
    }

    #[test]
    fn what_comes_is_named() {
        let told = |missing: &[&str]| {
            let missing: Vec<String> = missing.iter().map(|&one| one.to_owned()).collect();
            told(3, &missing).unwrap_or_default()
        };
        assert_eq!(told(&[]), "");
        assert_eq!(told(&["Service db"]), "it was made 3 s ago: Service db comes within seconds");
        assert_eq!(
            told(&["Service db-headless", "Service db", "PodDisruptionBudget db"]),
            "it was made 3 s ago: Service db-headless, Service db and PodDisruptionBudget db come within seconds"
        );
    }
}
