//! The Secret with generated values. Its values are made where it is written, from the operating
//! system's generator: nothing here knows them, and nobody reads them back.

use serde_json::{Map, Value};

use super::{Companions, Role, manifest};
use crate::expand::generated_secret;
use crate::intent::Intent;
use crate::settings::text;

pub(super) fn desired(set: &Value, intent: &Intent, companions: &mut Companions) {
    if intent.generate_secret.is_empty() {
        return;
    }
    let name = generated_secret(text(&set["metadata"]["name"]));
    let kind = Map::from_iter([("type".to_owned(), Value::from("Opaque"))]);
    let mut manifest = manifest(set, Role::Secret, &name, kind);
    // The data that was written with these values stays when the set goes, and so do they.
    if let Some(metadata) = manifest["metadata"].as_object_mut() {
        metadata.remove("ownerReferences");
    }
    companions.want(Role::Secret, manifest);
}

#[cfg(test)]
mod tests {
    use crate::companions::testing::{desired, set};
    use serde_json::json;

    use super::*;

    #[test]
    fn it_has_no_owner_and_no_values() {
        let companions = desired(&set(), &json!({"stateward.dev/generate-secret": "POSTGRES_PASSWORD"}));
        let secret = companions.wanted.iter().find(|c| c.role == Role::Secret).unwrap();
        assert_eq!(secret.name(), "db-generated");
        assert_eq!(secret.manifest["metadata"].get("ownerReferences"), None);
        assert_eq!((secret.manifest.get("data"), secret.manifest.get("stringData")), (None, None));
        assert!(desired(&set(), &json!({})).wanted.iter().all(|c| c.role != Role::Secret));
    }
}
