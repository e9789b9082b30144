//! Writes: everything that the controller does to the cluster. Client required.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{DeleteParams, GetParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, Request};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::dereference::is_managed;
use super::lease::Leadership;
use super::plan::{Act, Step};
use super::secret;
use crate::companions::Labels;
use crate::names;
use crate::settings::text;
use crate::stores::said;
use crate::telemetry::{Metrics, Write};

/// For each call; the client has no time-out of its own.
const CALL: Duration = Duration::from_secs(10);
/// A `resourceVersion` with which server-side apply makes an object, and never changes one that is
/// there: no object has it, so the API server answers 409.
const NEW: &str = "1";

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// The API server refused.
    #[error("failed to {verb} {kind}: {}", said(source))]
    Call { verb: &'static str, kind: &'static str, source: kube::Error },
    /// No answer.
    #[error("the API server did not answer within {CALL:?} when asked to {verb} {kind}")]
    Timeout { verb: &'static str, kind: &'static str },
    /// The set is not the one for which this was planned.
    #[error("the set has changed in the meantime")]
    Stale,
    /// Another replica is at work.
    #[error("the Lease is no longer ours")]
    Deposed,
    /// The claims know another password.
    #[error("{0}")]
    Claimed(String),
    /// No random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl WriteError {
    /// The answer's code; 0 where there was none.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Call { source: kube::Error::Api(status), .. } => status.code,
            _ => 0,
        }
    }

    /// Whether this is no fault: what we knew was old, and the watches are about to tell the news.
    pub(super) fn is_passing(&self) -> bool {
        let terminating = match self {
            Self::Call { source: kube::Error::Api(status), .. } => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                // Of a kind that is about to go, the API server has no word but this.
                causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
                    || status.message.contains("custom resource definition is terminating")
            }
            _ => false,
        };
        terminating || matches!(self, Self::Stale | Self::Deposed) || matches!(self.code(), 404 | 409 | 410)
    }
}

/// Writes companions as the field manager `stateward`.
#[derive(Clone)]
pub(super) struct Writer {
    client: Client,
    leadership: Leadership,
    metrics: Arc<Metrics>,
}

impl Writer {
    pub(super) fn new(client: Client, leadership: Leadership, metrics: Arc<Metrics>) -> Self {
        Self { client, leadership, metrics }
    }

    /// Does one step for `set`; `namespace` are the labels of its namespace, `resource` is how the
    /// cluster serves the step's kind. Gives whether something was written.
    pub(super) async fn execute(
        &self,
        set: &Value,
        namespace: &Labels,
        step: &Step,
        resource: &ApiResource,
    ) -> Result<bool, WriteError> {
        let own = text(&set["metadata"]["namespace"]);
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), own, resource);
        let kind = step.kind.as_str();
        match &step.act {
            Act::Create(manifest) => {
                let mut manifest = manifest.clone();
                manifest["metadata"]["resourceVersion"] = json!(NEW);
                self.apply("create", kind, &api, &manifest, false).await?;
            }
            Act::Apply(manifest) => self.apply("apply", kind, &api, manifest, true).await?,
            Act::Adopt(manifest) => {
                self.confirm(set, namespace, Some(true)).await?;
                self.apply("apply", kind, &api, manifest, true).await?;
            }
            Act::Delete { name, uid, version, sure } => {
                if !sure {
                    self.confirm(set, namespace, None).await?;
                }
                let state = (Some(uid.clone()), Some(version.clone()));
                let preconditions = Preconditions { uid: state.0, resource_version: state.1 };
                let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
                self.write("delete", kind, api.delete(name, &params)).await?;
            }
            Act::HandBack { manifest, to } => {
                if to.is_none() {
                    self.confirm(set, namespace, Some(false)).await?;
                }
                self.apply("release", kind, &api, manifest, false).await?;
            }
            Act::Secret(manifest) => return secret::make(self, set, manifest).await,
        }
        Ok(true)
    }

    async fn apply(
        &self,
        verb: &'static str,
        kind: &'static str,
        api: &Api<DynamicObject>,
        manifest: &Value,
        force: bool,
    ) -> Result<(), WriteError> {
        let params = PatchParams { force, ..PatchParams::apply(names::MANAGER) };
        let name = text(&manifest["metadata"]["name"]);
        let patch = Patch::Apply(manifest);
        self.write(verb, kind, api.patch(name, &params, &patch)).await.map(|_| ())
    }

    /// Looks whether the set is there, is still the one that we know, and is managed as `managed`
    /// says: a watch may be behind, and what is done on its word cannot always be undone.
    async fn confirm(
        &self,
        set: &Value,
        namespace: &Labels,
        managed: Option<bool>,
    ) -> Result<(), WriteError> {
        let metadata = &set["metadata"];
        let path = format!("/apis/apps/v1/namespaces/{}/statefulsets", text(&metadata["namespace"]));
        let request = Request::new(path).get(text(&metadata["name"]), &GetParams::default());
        let failed = |source| WriteError::Call { verb: "get", kind: "StatefulSet", source };
        let request = request.map_err(|error| failed(kube::Error::BuildRequest(error)))?;
        let answer = self.ask("get", "StatefulSet", self.client.request::<Value>(request)).await;
        let current = match answer {
            Err(error) if error.code() == 404 => return Err(WriteError::Stale),
            answer => answer?,
        };
        let same = current["metadata"]["uid"] == metadata["uid"]
            && current["metadata"]["deletionTimestamp"].is_null()
            && managed.is_none_or(|managed| is_managed(&current, namespace) == Some(managed));
        if same { Ok(()) } else { Err(WriteError::Stale) }
    }

    /// A read, within its time.
    pub(super) async fn ask<T>(
        &self,
        verb: &'static str,
        kind: &'static str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, WriteError> {
        let answer = tokio::time::timeout(CALL, request).await;
        let answer = answer.map_err(|_| WriteError::Timeout { verb, kind })?;
        answer.map_err(|source| WriteError::Call { verb, kind, source })
    }

    /// A write, within its time, counted, and only while the Lease is ours.
    pub(super) async fn write<T>(
        &self,
        verb: &'static str,
        kind: &'static str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, WriteError> {
        if !self.leadership.holds() {
            return Err(WriteError::Deposed);
        }
        let answer = self.ask(verb, kind, request).await;
        let result = match &answer {
            Ok(_) => "ok",
            Err(error) if error.code() == 409 => "conflict",
            Err(_) => "failed",
        };
        self.metrics.controller.writes.get_or_create(&Write { kind, verb, result }).inc();
        answer
    }

    /// The client, for what is not written by server-side apply.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

/// The kind of the sets, for references to them.
pub(super) fn reference(set: &Value) -> k8s_openapi::api::core::v1::ObjectReference {
    let metadata = &set["metadata"];
    let field = |name: &str| metadata[name].as_str().map(str::to_owned);
    k8s_openapi::api::core::v1::ObjectReference {
        api_version: Some(<StatefulSet as k8s_openapi::Resource>::API_VERSION.to_owned()),
        kind: Some(<StatefulSet as k8s_openapi::Resource>::KIND.to_owned()),
        namespace: field("namespace"),
        name: field("name"),
        uid: field("uid"),
        ..k8s_openapi::api::core::v1::ObjectReference::default()
    }
}
