//! caBundle in the two webhook configurations.
//!
//! The field is ours alone: no chart renders it. Everything else in a configuration belongs to
//! whoever installed it, so the patch names single fields and tests what they stand beside.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{CALL, said};
use crate::names::{MANAGED_BY, MANAGER, NAME_LABEL, WEBHOOK_SUFFIX};
use crate::telemetry::{Metrics, ReloadResult};

/// Tries to write before the next look.
const TRIES: usize = 5;

/// Keeps caBundle of both configurations.
pub(super) struct Bundle {
    mutating: Api<MutatingWebhookConfiguration>,
    validating: Api<ValidatingWebhookConfiguration>,
    name: String,
    metrics: Arc<Metrics>,
    /// By kind, what was said last of a configuration that is left alone: said once, not each time.
    said: BTreeMap<&'static str, Skip>,
    published: bool,
}

/// Why caBundle could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum BundleError {
    #[error("failed to {verb} {kind} {name}: {}", said(source))]
    Call { verb: &'static str, kind: &'static str, name: String, source: kube::Error },
    #[error("the API server did not answer within {CALL:?}")]
    Timeout,
    #[error("others kept changing {kind} {name} at the same time")]
    Contended { kind: &'static str, name: String },
}

impl BundleError {
    /// Whether the object was another one than the patch was made for: the API server calls a
    /// failed `test` operation 422, and a lost race 409.
    fn is_conflict(&self) -> bool {
        match self {
            Self::Call { source: kube::Error::Api(status), verb: "patch", .. } => {
                matches!(status.code, 409 | 422)
            }
            _ => false,
        }
    }
}

/// Why a configuration is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skip {
    Absent,
    Foreign,
}

/// What the two kinds have in common.
trait Configuration: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned {
    const KIND: &'static str;
    fn entries(&self) -> Vec<(&str, &WebhookClientConfig)>;
}

impl Configuration for MutatingWebhookConfiguration {
    const KIND: &'static str = "MutatingWebhookConfiguration";

    fn entries(&self) -> Vec<(&str, &WebhookClientConfig)> {
        self.webhooks.iter().flatten().map(|hook| (hook.name.as_str(), &hook.client_config)).collect()
    }
}

impl Configuration for ValidatingWebhookConfiguration {
    const KIND: &'static str = "ValidatingWebhookConfiguration";

    fn entries(&self) -> Vec<(&str, &WebhookClientConfig)> {
        self.webhooks.iter().flatten().map(|hook| (hook.name.as_str(), &hook.client_config)).collect()
    }
}

impl Bundle {
    pub(super) fn new(client: Client, name: String, metrics: Arc<Metrics>) -> Self {
        Self {
            mutating: Api::all(client.clone()),
            validating: Api::all(client),
            name,
            metrics,
            said: BTreeMap::new(),
            published: false,
        }
    }

    /// Whether all went well once.
    pub(super) fn was_published(&self) -> bool {
        self.published
    }

    /// Writes `pem` where it is not what the configurations say, be it ours of yesterday or
    /// somebody's edit.
    pub(super) async fn publish(&mut self, pem: &str) -> Result<(), BundleError> {
        let mutating = self.keep(&self.mutating.clone(), pem).await;
        let validating = self.keep(&self.validating.clone(), pem).await;
        mutating.and(validating)?;
        self.published = true;
        Ok(())
    }

    async fn keep<K: Configuration>(&mut self, api: &Api<K>, pem: &str) -> Result<(), BundleError> {
        for _ in 0..TRIES {
            let Some(found) = self.call::<K, _>("get", api.get_opt(&self.name)).await? else {
                self.skip(K::KIND, Skip::Absent);
                return Ok(());
            };
            if !is_ours(found.meta()) {
                self.skip(K::KIND, Skip::Foreign);
                return Ok(());
            }
            self.said.remove(K::KIND);
            let Some(operations) = patch(found.meta(), &found.entries(), pem) else {
                return Ok(());
            };
            match self.write(api, operations).await {
                // Changed since we read it, perhaps by another replica to what we want.
                Err(error) if error.is_conflict() => {}
                written => {
                    let result = if written.is_ok() { "replaced" } else { "failed" };
                    self.metrics.bundle_writes.get_or_create(&ReloadResult { result }).inc();
                    return written;
                }
            }
        }
        Err(BundleError::Contended { kind: K::KIND, name: self.name.clone() })
    }

    async fn write<K: Configuration>(&self, api: &Api<K>, operations: Value) -> Result<(), BundleError> {
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        // Operations made by ourselves always read back as a patch; if not, it is an empty one.
        let operations = serde_json::from_value(operations).unwrap_or_default();
        let patch = Patch::Json::<()>(operations);
        self.call::<K, _>("patch", api.patch(&self.name, &params, &patch)).await?;
        tracing::info!(kind = K::KIND, name = self.name, "wrote caBundle");
        Ok(())
    }

    fn skip(&mut self, kind: &'static str, skip: Skip) {
        if self.said.insert(kind, skip) == Some(skip) {
            return;
        }
        let name = &self.name;
        match skip {
            Skip::Absent => tracing::warn!(kind, name, "does not exist, so the API server will not call us"),
            Skip::Foreign => tracing::warn!(
                kind,
                name,
                "left alone: it carries neither {NAME_LABEL}={MANAGER} nor {MANAGED_BY}={MANAGER}"
            ),
        }
    }

    async fn call<K: Configuration, T>(
        &self,
        verb: &'static str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, BundleError> {
        let answer = tokio::time::timeout(CALL, call).await.map_err(|_| BundleError::Timeout)?;
        let (kind, name) = (K::KIND, self.name.clone());
        answer.map_err(|source| BundleError::Call { verb, kind, name, source })
    }
}

fn is_ours(metadata: &ObjectMeta) -> bool {
    let labels = metadata.labels.as_ref();
    [NAME_LABEL, MANAGED_BY]
        .iter()
        .any(|key| labels.and_then(|labels| labels.get(*key)).is_some_and(|value| value == MANAGER))
}

/// The operations that set caBundle in our entries, `None` if all say `pem` already. They apply to
/// this very version of the object only: positions mean nothing in another.
fn patch(metadata: &ObjectMeta, entries: &[(&str, &WebhookClientConfig)], pem: &str) -> Option<Value> {
    let set = |position: usize| {
        let path = format!("/webhooks/{position}/clientConfig/caBundle");
        json!({ "op": "add", "path": path, "value": base64(pem) })
    };
    let differs = |config: &WebhookClientConfig| {
        config.ca_bundle.as_ref().is_none_or(|bundle| bundle.0 != pem.as_bytes())
    };
    let mut operations: Vec<Value> = entries
        .iter()
        .enumerate()
        .filter(|(_, (name, config))| name.ends_with(WEBHOOK_SUFFIX) && differs(config))
        .map(|(position, _)| set(position))
        .collect();
    if operations.is_empty() {
        return None;
    }
    let version = &metadata.resource_version;
    operations.insert(0, json!({ "op": "test", "path": "/metadata/resourceVersion", "value": version }));
    Some(Value::Array(operations))
}

/// The bundle as the API writes bytes.
fn base64(pem: &str) -> Value {
    serde_json::to_value(k8s_openapi::ByteString(pem.as_bytes().to_vec())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn config(bundle: Option<&str>) -> WebhookClientConfig {
        let ca_bundle = bundle.map(|text| ByteString(text.as_bytes().to_vec()));
        WebhookClientConfig { ca_bundle, ..WebhookClientConfig::default() }
    }

    #[test]
    fn only_our_entries_that_differ_are_patched() {
        let metadata = ObjectMeta { resource_version: Some("5".to_owned()), ..ObjectMeta::default() };
        let (cleared, foreign, right) = (config(None), config(Some("x")), config(Some("CA")));
        let entries = [
            ("other.example.com", &foreign),
            ("mutate.stateward.dev", &cleared),
            ("b.stateward.dev", &right),
        ];
        let operations = patch(&metadata, &entries, "CA").unwrap();
        let expected = json!([
            { "op": "test", "path": "/metadata/resourceVersion", "value": "5" },
            { "op": "add", "path": "/webhooks/1/clientConfig/caBundle", "value": "Q0E=" },
        ]);
        assert_eq!(operations, expected);
        assert_eq!(patch(&metadata, &entries[2..], "CA"), None);
    }

    #[test]
    fn a_configuration_is_ours_by_label() {
        let labelled = |key: &str| ObjectMeta {
            labels: Some(BTreeMap::from([(key.to_owned(), MANAGER.to_owned())])),
            ..ObjectMeta::default()
        };
        assert!(is_ours(&labelled(NAME_LABEL)) && is_ours(&labelled(MANAGED_BY)));
        assert!(!is_ours(&labelled("app")) && !is_ours(&ObjectMeta::default()));
    }
}
