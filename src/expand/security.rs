//! Security contexts and the service account token.
//!
//! A user id goes to the main container alone, never to the pod: sidecars know another image. What
//! the user set for the whole pod holds for the main container too.

use serde_json::Value;

use super::{Draft, Family};
use crate::path::Path;
use crate::settings::text;

pub(super) fn expand(draft: &mut Draft) {
    for offer in draft.offers(Family::Security) {
        if let Some(why) = obstacle(draft, &offer.path, &offer.value) {
            draft.withhold(offer.path, why);
        } else {
            draft.take(offer);
        }
    }
}

/// Why a value cannot stand beside what the user wrote, though the user did not write it.
fn obstacle(draft: &Draft, path: &Path, value: &Value) -> Option<&'static str> {
    let pod = draft.pod();
    let field = path.last_field()?;
    if pod["os"]["name"] == "windows" && field != "automountServiceAccountToken" {
        return Some("Windows pods know no such field");
    }
    if !path.starts_with(&draft.main()) {
        return None;
    }
    let (container, whole) = (&draft.main_container()["securityContext"], &pod["securityContext"]);
    if !whole[field].is_null() {
        return Some("you wrote it for the whole pod");
    }
    // A process that is meant to do more than a server's own user is left as it is.
    if container["privileged"] == true {
        return Some("you run it privileged");
    }
    let user =
        [container, whole].into_iter().map(|context| &context["runAsUser"]).find(|user| !user.is_null());
    let run_as = matches!(field, "runAsUser" | "runAsGroup" | "runAsNonRoot" | "drop");
    match user {
        Some(user) if run_as && *user == 0 => return Some("you run it as user 0"),
        // The group belongs to the user that the profile knows.
        Some(_) if field == "runAsGroup" => return Some("you run it as a user of your own"),
        _ => {}
    }
    // The API server refuses both together (validateSecurityContext in
    // pkg/apis/core/validation/validation.go).
    let added = container["capabilities"]["add"].as_array().into_iter().flatten().map(text);
    let admin = added.into_iter().any(|capability| matches!(capability, "SYS_ADMIN" | "CAP_SYS_ADMIN"));
    let escalates = field == "allowPrivilegeEscalation" && *value == false && admin;
    escalates.then_some("you add the capability SYS_ADMIN")
}
