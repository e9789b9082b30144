//! `keep` and `acknowledge`: what is as the user means it.

use crate::intent::complaint::{Complaint, distinct, items, nearest, quote, unless};
use crate::intent::syntax;

/// The fields whose API default counts as unset, unless `keep` names them. A probe stands for its
/// timings.
pub const KEEPABLE: [&str; 8] = [
    "podManagementPolicy",
    "terminationGracePeriodSeconds",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "readinessProbe",
    "livenessProbe",
    "startupProbe",
];

/// `podManagementPolicy,readinessProbe`.
pub(crate) fn fields(text: &str) -> Result<Vec<String>, Vec<Complaint>> {
    let fields = items(text, field)?;
    let bad = distinct(&fields, String::clone, |field| quote(field));
    unless(fields, bad)
}

/// `separate-replicas,no-password`. Which names there are, the profile knows.
pub(crate) fn refusals(text: &str) -> Result<Vec<String>, Vec<Complaint>> {
    let names = items(text, |item| syntax::label("name of a refusal", item))?;
    let bad = distinct(&names, String::clone, |name| quote(name));
    unless(names, bad)
}

fn field(item: &str) -> Result<String, Complaint> {
    if KEEPABLE.contains(&item) {
        return Ok(item.to_owned());
    }
    // Whoever writes the whole path means its last part.
    let last = item.rsplit('.').next().unwrap_or(item);
    let hint = nearest(last, KEEPABLE);
    Err(Complaint::invalid(format!("{} is no field that can be kept", quote(item))).remedy(hint.map_or_else(
        || format!("write one of: {}", KEEPABLE.join(", ")),
        |hint| format!("did you mean `{hint}`?"),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::testing::{bad, good};

    #[test]
    fn every_field_can_be_kept() {
        good("keep", &KEEPABLE);
        good("keep", &[&KEEPABLE.join(" , ")]);
    }

    #[test]
    fn others_are_refused() {
        bad(
            "keep",
            &[
                (
                    "podManagmentPolicy",
                    "\"podManagmentPolicy\" is no field that can be kept; did you mean `podManagementPolicy`?",
                ),
                (
                    "spec.updateStrategy",
                    "\"spec.updateStrategy\" is no field that can be kept; did you mean `updateStrategy`?",
                ),
                (
                    "replicas",
                    "\"replicas\" is no field that can be kept; write one of: podManagementPolicy, \
                     terminationGracePeriodSeconds, updateStrategy, revisionHistoryLimit, \
                     persistentVolumeClaimRetentionPolicy, readinessProbe, livenessProbe, startupProbe",
                ),
                ("startupProbe,startupProbe", "\"startupProbe\" stands twice; write it once"),
            ],
        );
    }
}
