//! The Secret with generated values: made once, never read, never overwritten. Client required.
//!
//! `create` is the only verb that the controller has on Secrets, so it cannot know whether one is
//! there but by trying.

use base64_simd::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::Value;

use super::apply::{WriteError, Writer};
use crate::intent::Intent;
use crate::names;
use crate::settings::text;

/// Random bytes of one value: 32 characters in base64url, more than anybody can guess.
const BYTES: usize = 24;

/// For how long a claim counts as one that no pod has used yet, for want of the Secret.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// Makes the Secret that `manifest` describes, if there is none. Gives whether it was made.
pub(super) async fn make(writer: &Writer, set: &Value, manifest: &Value) -> Result<bool, WriteError> {
    let namespace = text(&set["metadata"]["namespace"]);
    if let Some(claim) = written_claim(writer, set, namespace).await? {
        let secret = text(&manifest["metadata"]["name"]);
        let what = format!(
            "Secret {secret} is not made: claim {claim} was there before, so its data may know another \
             password"
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
    Ok(URL_SAFE_NO_PAD.encode_to_string(bytes))
}

/// A claim of the set, or of one of its name before it, on which something may have been written.
async fn written_claim(writer: &Writer, set: &Value, namespace: &str) -> Result<Option<String>, WriteError> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(writer.client().clone(), namespace);
    let list =
        writer.ask("list", "PersistentVolumeClaim", claims.list_metadata(&ListParams::default())).await?;
    let written = list.items.into_iter().find(|claim| is_written(&claim.metadata, set, Timestamp::now()));
    Ok(written.and_then(|claim| claim.metadata.name))
}

/// Whether a claim is the set's and may hold data: it is older than the set, or so old that pods
/// would have used it. Its own claims appear in the moment in which its Secret is made.
fn is_written(claim: &ObjectMeta, set: &Value, now: Timestamp) -> bool {
    let metadata = &set["metadata"];
    let (name, of) = (claim.name.as_deref().unwrap_or_default(), text(&metadata["name"]));
    let templates = set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    let labels = claim.labels.as_ref().and_then(|labels| labels.get(names::STATEFULSET));
    let ours = labels.is_some_and(|label| label == of)
        || templates.into_iter().any(|one| names::is_claim_of(name, text(&one["metadata"]["name"]), of));
    let Some(claimed) = claim.creation_timestamp.as_ref().map(|time| time.0).filter(|_| ours) else {
        return false;
    };
    let born: Option<Timestamp> = text(&metadata["creationTimestamp"]).parse().ok();
    born.is_some_and(|born| claimed < born) || now.duration_since(claimed) > FRESH
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_long_safe_and_never_the_same() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{one}");
    }

    #[test]
    fn a_claim_with_data_is_told_from_one_that_was_just_made() {
        let time = |minutes: i64| Timestamp::from_second(1_800_000_000 + 60 * minutes).unwrap();
        let set = json!({
            "metadata": {"name": "db", "creationTimestamp": time(0).to_string()},
            "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]},
        });
        let written = |name: &str, made: i64, now: i64| {
            let claim = ObjectMeta {
                name: Some(name.to_owned()),
                creation_timestamp: Some(Time(time(made))),
                ..ObjectMeta::default()
            };
            is_written(&claim, &set, time(now))
        };
        assert!(!written("data-db-0", 0, 1), "made with the set");
        assert!(written("data-db-0", -1, 0), "older than the set");
        assert!(written("data-db-0", 0, 6), "the Secret was deleted, or nobody was there to make it");
        for of_another in ["data-db-x-0", "other-db-0", "data-db-", "data-db-one"] {
            assert!(!written(of_another, -9, 9), "{of_another}");
        }
    }
}
