//! The rest: command and arguments, hooks, grace period, pod management.
//!
//! What belongs together is taken or left together: arguments are those of a command, a hook has one
//! handler, and a partition is one of rolling updates.

use super::{Draft, Family, strategy};
use crate::path::Path;

pub(super) fn expand(draft: &mut Draft) {
    let main = draft.main();
    let written = |draft: &Draft, path: &Path| path.lookup(draft.user).is_some_and(|value| !value.is_null());
    let has_command = draft.main_container()["command"].as_array().is_some_and(|words| !words.is_empty());
    let hooks = ["postStart", "preStop"].map(|hook| main.field("lifecycle").field(hook));
    for offer in draft.offers(Family::Lifecycle) {
        if has_command && offer.path == main.field("args") {
            draft.withhold(offer.path, "you wrote command, which these are not for");
        } else if hooks.iter().any(|hook| offer.path.starts_with(hook) && written(draft, hook)) {
            draft.withhold(offer.path, "you wrote it");
        } else if let Some(why) = strategy::crossed(draft, &offer) {
            draft.withhold(offer.path, why);
        } else {
            draft.take(offer);
        }
    }
}
