//! The Secret that holds CA and leaf.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;
use time::OffsetDateTime;

use super::material::{Material, MintError};
use super::{CALL, said};
use crate::names::{MANAGED_BY, MANAGER};

/// The name of the Secret.
pub(super) const NAME: &str = "stateward-certificates";
/// Tries to write before the next look: each loss means that somebody else has just written.
const TRIES: usize = 5;

/// Keys of the Secret; those of the leaf are the ones of every TLS Secret.
const BUNDLE: &str = "ca.crt";
const AUTHORITY_KEY: &str = "ca.key";
const LEAF: &str = "tls.crt";
const LEAF_KEY: &str = "tls.key";

/// The Secret, wherever it stands.
pub(super) struct Vault {
    secrets: Api<Secret>,
    namespace: String,
}

/// Why the Secret could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("failed to {verb} Secret {namespace}/{NAME}: {}", said(source))]
    Call { verb: &'static str, namespace: String, source: kube::Error },
    #[error(
        "Secret {0}/{NAME} lacks the label {MANAGED_BY}={MANAGER}, so it is not ours to write: \
         delete it, or give --tls-cert-file"
    )]
    Foreign(String),
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error("the API server did not answer within {CALL:?}")]
    Timeout,
    #[error("others kept writing Secret {0}/{NAME} at the same time")]
    Contended(String),
}

impl Vault {
    pub(super) fn new(secrets: Api<Secret>, namespace: String) -> Self {
        Self { secrets, namespace }
    }

    /// Reads the Secret and does what is due. Who loses a race reads what the winner wrote.
    ///
    /// If it is gone, `known` tells what it held: the CA is made anew, as whoever deleted the Secret
    /// wanted, while the leaf that replicas still serve stays verifiable.
    pub(super) async fn settle(
        &self,
        now: OffsetDateTime,
        names: &[String],
        known: Option<&Material>,
    ) -> Result<Material, SecretError> {
        for _ in 0..TRIES {
            let stored = self.call("get", self.secrets.get_opt(NAME)).await?;
            if let Some(secret) = &stored
                && !is_ours(secret)
            {
                return Err(SecretError::Foreign(self.namespace.clone()));
            }
            let before = stored.as_ref().map(read);
            let lost = || known.map(Material::without_authority_key);
            let base = before.clone().or_else(lost);
            let material = Material::brought_up_to_date(base.as_ref(), now, names)?;
            if before.as_ref() == Some(&material) {
                return Ok(material);
            }
            if self.write(stored.as_ref(), &material).await? {
                return Ok(material);
            }
        }
        Err(SecretError::Contended(self.namespace.clone()))
    }

    /// Whether we won.
    async fn write(&self, stored: Option<&Secret>, material: &Material) -> Result<bool, SecretError> {
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let secret = filled(stored, material);
        let written = match stored {
            Some(_) => self.call("update", self.secrets.replace(NAME, &params, &secret)).await,
            None => self.call("create", self.secrets.create(&params, &secret)).await,
        };
        match written {
            Ok(_) => Ok(true),
            Err(SecretError::Call { source: kube::Error::Api(status), .. }) if status.code == 409 => {
                Ok(false)
            }
            // Deleted between our read and our write.
            Err(SecretError::Call { source: kube::Error::Api(status), verb: "update", .. })
                if status.code == 404 =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn call<T>(
        &self,
        verb: &'static str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, SecretError> {
        let answer = tokio::time::timeout(CALL, call).await.map_err(|_| SecretError::Timeout)?;
        let namespace = self.namespace.clone();
        answer.map_err(|source| SecretError::Call { verb, namespace, source })
    }
}

fn is_ours(secret: &Secret) -> bool {
    secret.metadata.labels.as_ref().and_then(|labels| labels.get(MANAGED_BY)).is_some_and(|by| by == MANAGER)
}

fn read(secret: &Secret) -> Material {
    let text = |key| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.as_slice());
        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
    };
    Material::stored(&text(BUNDLE), &text(AUTHORITY_KEY), &text(LEAF), &text(LEAF_KEY))
}

/// The Secret with `material` in it. The metadata of a stored one stays, and with it the
/// resourceVersion that decides races.
fn filled(stored: Option<&Secret>, material: &Material) -> Secret {
    let bundle = material.bundle_pem();
    let parts = [
        (BUNDLE, bundle.as_str()),
        (AUTHORITY_KEY, material.authority_key_pem()),
        (LEAF, material.leaf_pem()),
        (LEAF_KEY, material.leaf_key_pem()),
    ];
    let data = parts.map(|(key, text)| (key.to_owned(), ByteString(text.as_bytes().to_vec())));
    let fresh = || ObjectMeta {
        name: Some(NAME.to_owned()),
        labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), MANAGER.to_owned())])),
        ..ObjectMeta::default()
    };
    let mut metadata = stored.map_or_else(fresh, |secret| secret.metadata.clone());
    metadata.managed_fields = None;
    let type_ = stored.and_then(|secret| secret.type_.clone()).unwrap_or_else(|| "Opaque".to_owned());
    Secret { metadata, data: Some(BTreeMap::from(data)), type_: Some(type_), ..Secret::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_keeps_its_metadata_and_gives_back_what_was_put_in() {
        let names = ["stateward.guard.svc".to_owned()];
        let now = OffsetDateTime::UNIX_EPOCH;
        let material = Material::brought_up_to_date(None, now, &names).unwrap();
        let mut first = filled(None, &material);
        assert!(is_ours(&first) && read(&first) == material);
        first.metadata.resource_version = Some("7".to_owned());
        let again = filled(Some(&first), &material);
        assert_eq!(again.metadata.resource_version.as_deref(), Some("7"));
        assert!(!is_ours(&Secret::default()));
    }
}
