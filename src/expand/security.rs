//! Security contexts and the service account token.
//!
//! A user id goes to the main container alone, never to the pod: sidecars know another image. What
//! the user set for the whole pod holds for the main container too.

use serde_json::Value;

use super::{Draft, Family};
use crate::path::Path;
use crate::settings::text;

pub(super) fn expand(draft: &mut Draft) {
    for offer in draft.offers(|path| Family::of(path) == Family::Security) {
        if let Some(why) = obstacle(draft, &offer.path, &offer.value) {
            draft.withhold(offer.path, why);
        } else {
            draft.offer_leaf(offer.path, offer.value, &offer.source, offer.data);
        }
    }
}

/// Why a value cannot stand beside what the user wrote, though the user did not write it.
fn obstacle(draft: &Draft, path: &Path, value: &Value) -> Option<&'static str> {
    let pod = &draft.user["spec"]["template"]["spec"];
    let container = &draft.main_container()["securityContext"];
    let pod_context = &pod["securityContext"];
    let field = path.last_field()?;
    if pod["os"]["name"] == "windows" && field != "automountServiceAccountToken" {
        return Some("Windows pods know no such field");
    }
    let in_container = path.starts_with(&draft.main());
    if in_container && !pod_context[field].is_null() {
        return Some("you wrote it for the whole pod");
    }
    if field == "runAsNonRoot" && *value == true {
        let root = |context: &Value| context["runAsUser"] == 0;
        if root(container) || (container["runAsUser"].is_null() && root(pod_context)) {
            return Some("you run it as user 0");
        }
    }
    // The API server refuses both together (validateSecurityContext in
    // pkg/apis/core/validation/validation.go).
    if field == "allowPrivilegeEscalation" && *value == false {
        let adds_admin = container["capabilities"]["add"].as_array().into_iter().flatten();
        if adds_admin.map(text).any(|capability| matches!(capability, "SYS_ADMIN" | "CAP_SYS_ADMIN")) {
            return Some("you add the capability SYS_ADMIN");
        }
        if container["privileged"] == true {
            return Some("you run it privileged");
        }
    }
    None
}
