//! The names that stateward writes into a cluster: labels, annotations, field manager.
//!
//! Each is part of what users and other tools rely on: never rename one that was released.

/// Prefix of every label and annotation that is ours.
pub const PREFIX: &str = "stateward.dev/";
/// Label: `"true"` opts a StatefulSet (or, on a Namespace, all its sets) in, `"false"` out.
pub const MANAGED: &str = "stateward.dev/managed";
/// Label: the profile that the user picks.
pub const PROFILE: &str = "stateward.dev/profile";
/// Label on pods and claims, and the one entry of the selector that we inject: the set's name.
pub const STATEFULSET: &str = "stateward.dev/statefulset";
/// Annotation: the record of what we injected. Ours; a user's edit of it is undone.
pub const RECORD: &str = "stateward.dev/expansion";
/// Annotation on each claim template that we inject, and so on its claims: the pin of the set.
pub const PIN: &str = "stateward.dev/pin";
/// Annotation: a standing wish to move to a revision of the profile.
pub const PROFILE_REVISION: &str = "stateward.dev/profile-revision";
/// Annotation: a wish to move once, consumed by the request that carries it.
pub const UPGRADE_TO: &str = "stateward.dev/upgrade-to";
/// Annotation: why a change is to pass that is refused.
pub const BREAK_GLASS: &str = "stateward.dev/break-glass";

/// Label of a companion: what it is for (`headless`, `client`, `budget`, …).
pub const COMPANION: &str = "stateward.dev/companion";

/// Annotation: the host of a set's Ingress or route.
pub const INGRESS_HOST: &str = "stateward.dev/ingress-host";

/// Whether a claim is of this template of this set, by its name.
#[must_use]
pub fn is_claim_of(claim: &str, template: &str, set: &str) -> bool {
    claim_parts(claim, set).is_some_and(|(of, _)| of == template)
}

/// The template and the ordinal of a set's claim, whose name is `TEMPLATE-SET-ORDINAL`.
#[must_use]
pub fn claim_parts<'c>(claim: &'c str, set: &str) -> Option<(&'c str, u32)> {
    let (rest, ordinal) = claim.rsplit_once('-')?;
    let template = rest.strip_suffix(set)?.strip_suffix('-')?;
    Some((template, ordinal.parse().ok()?))
}

/// A storage class for people: the one that stands for none, and no provisioning, is an empty text.
#[must_use]
pub fn class_shown(class: &str) -> &str {
    if class.is_empty() { "\"\"" } else { class }
}

/// Where `kubectl apply` keeps the manifest that it sent last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotation on a pod template that names the container which `kubectl` means by default.
pub const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Label of what we made ourselves, with [`MANAGER`] as its value.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label of what belongs to our installation, with [`MANAGER`] as its value; a chart sets this one,
/// since `managed-by` is Helm's there.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
/// Our field manager, and our value of the labels above.
pub const MANAGER: &str = "stateward";
/// How the names of our entries in a webhook configuration end.
pub const WEBHOOK_SUFFIX: &str = "stateward.dev";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claims_name_is_taken_apart_from_its_end() {
        assert_eq!(claim_parts("data-db-10", "db"), Some(("data", 10)));
        assert_eq!(claim_parts("data-a-b-0", "b"), Some(("data-a", 0)));
        for claim in ["data-db", "data-db-x", "datadb-0", "data-db-0-1", "db-0"] {
            assert_eq!(claim_parts(claim, "db"), None, "{claim}");
        }
        assert!(is_claim_of("data-a-b-0", "data", "a-b") && !is_claim_of("data-a-b-0", "data", "b"));
    }
}
