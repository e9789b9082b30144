//! The Secret with generated values: made once, never read, never overwritten. Client required.
//!
//! `create` is the only verb that the controller has on Secrets, so it cannot know whether one is
//! there but by trying.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::Value;

use super::apply::{WriteError, Writer};
use crate::intent::Intent;
use crate::names;
use crate::settings::text;

/// Random bytes of one value: 32 characters in base64url, more than anybody can guess.
const BYTES: usize = 24;

/// Makes the Secret that `manifest` describes, if there is none. Gives whether it was made.
pub(super) async fn make(writer: &Writer, set: &Value, manifest: &Value) -> Result<bool, WriteError> {
    let namespace = text(&set["metadata"]["namespace"]);
    if let Some(claim) = older_claim(writer, set, namespace).await? {
        let secret = text(&manifest["metadata"]["name"]);
        let what = format!(
            "Secret {secret} is not made: claim {claim} is older than the set, so its data may know \
             another password"
        );
        return Err(WriteError::Claimed(what));
    }
    let mut secret = manifest.clone();
    for key in keys(set) {
        secret["stringData"][key] = Value::from(random()?);
    }
    let failed =
        |source| WriteError::Call { verb: "create", kind: "Secret", source: kube::Error::SerdeError(source) };
    let secret: Secret = serde_json::from_value(secret).map_err(failed)?;
    let params = PostParams { field_manager: Some(names::MANAGER.to_owned()), ..PostParams::default() };
    let secrets: Api<Secret> = Api::namespaced(writer.client().clone(), namespace);
    match writer.write("create", "Secret", secrets.create(&params, &secret)).await {
        Ok(_) => Ok(true),
        Err(error) if is_there(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A 409 with this reason; a quota that is being changed answers 409 too.
fn is_there(error: &WriteError) -> bool {
    let WriteError::Call { source: kube::Error::Api(status), .. } = error else { return false };
    status.code == 409 && status.reason == "AlreadyExists"
}

/// The keys that the set asks for.
fn keys(set: &Value) -> Vec<String> {
    let metadata = &set["metadata"];
    Intent::parse(metadata.get("labels"), metadata.get("annotations")).0.generate_secret
}

fn random() -> Result<String, WriteError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(WriteError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A claim of a set of this name that was there before this set.
async fn older_claim(writer: &Writer, set: &Value, namespace: &str) -> Result<Option<String>, WriteError> {
    let metadata = &set["metadata"];
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(writer.client().clone(), namespace);
    let params = ListParams::default().labels(&format!("{}={}", names::STATEFULSET, text(&metadata["name"])));
    let list = writer.ask("list", "PersistentVolumeClaim", claims.list_metadata(&params)).await?;
    let born: Option<Timestamp> = text(&metadata["creationTimestamp"]).parse().ok();
    let older = list.items.into_iter().find(|claim| {
        let claimed = claim.metadata.creation_timestamp.as_ref().map(|time| time.0);
        matches!((claimed, born), (Some(claimed), Some(born)) if claimed < born)
    });
    Ok(older.and_then(|claim| claim.metadata.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_long_safe_and_never_the_same() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{one}");
    }
}
