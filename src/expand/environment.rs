//! Environment variables: identity in front, so that the user's `$(POD_NAME)` expands, and sources
//! of `envFrom` in front of the user's, so that the user's win.

use serde_json::{Value, json};

use super::{Draft, Family, Source};
use crate::intent::EnvFromKind;
use crate::names;
use crate::path::{ItemKey, Path, Step};
use crate::settings::text;
use crate::union::env_item;

pub(super) fn expand(draft: &mut Draft) {
    for offer in draft.offers(Family::Environment) {
        let item = env_item(&offer.path);
        if item.as_ref().is_some_and(|item| item.lookup(draft.user).is_some()) {
            // A variable is taken or left whole: value and valueFrom exclude each other.
            draft.withhold(offer.path, "you wrote it");
        } else if let Some(other) = item.and_then(|item| yields_to(draft, &item)) {
            draft.withhold(offer.path, format!("you wrote {other}, and the server takes one of both"));
        } else {
            draft.take(offer);
        }
    }
    for source in &draft.settings.intent.env_from {
        let field = match source.kind {
            EnvFromKind::ConfigMap => "configMapRef",
            EnvFromKind::Secret => "secretRef",
        };
        env_from(draft, field, &source.name, "env-from");
    }
    if !draft.settings.intent.generate_secret.is_empty() {
        env_from(draft, "secretRef", &generated_secret(&draft.settings.name), "generate-secret");
    }
}

/// The variable of the user's beside which the one at `item` may not stand.
fn yields_to(draft: &Draft, item: &Path) -> Option<String> {
    let Some(Step::Item(key)) = item.0.last() else { return None };
    let others = draft.settings.profile.yields.get(key.first()?)?;
    let mut written = draft.main_items("env").iter().map(|variable| text(&variable["name"]));
    written.find(|name| others.iter().any(|other| other == name)).map(str::to_owned)
}

/// The name of the Secret that `generate-secret` asks for.
#[must_use]
pub fn generated_secret(statefulset: &str) -> String {
    format!("{statefulset}-generated")
}

fn env_from(draft: &mut Draft, field: &'static str, name: &str, key: &str) {
    let path = draft.main().field("envFrom").item(ItemKey::text(field, name.to_owned()));
    let item: Value = json!({field: {"name": name}});
    draft.offer_leaf(path, item, &Source::Intent { key: format!("{}{key}", names::PREFIX).into() }, false);
}
