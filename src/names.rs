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

/// Whether a claim is of this template of this set, by its name: `TEMPLATE-SET-ORDINAL`.
#[must_use]
pub fn is_claim_of(claim: &str, template: &str, set: &str) -> bool {
    let rest = claim.strip_prefix(template).and_then(|rest| rest.strip_prefix('-'));
    let ordinal = rest.and_then(|rest| rest.strip_prefix(set)).and_then(|rest| rest.strip_prefix('-'));
    ordinal.is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
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
