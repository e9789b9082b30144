//! Models of the clients: which object reaches the API server when a manifest is sent.

use serde_json::{Value, json};

use crate::merging::{Fields, fields, fields_v1, lookup, strategic, structured, take_out, three_way};
use crate::server::{Answer, Server};
use stateward::names::LAST_APPLIED;

/// How a manifest is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// `kubectl create`, then `kubectl replace`.
    Replace,
    /// `kubectl apply`.
    Apply,
    /// `kubectl apply --server-side --force-conflicts`.
    ServerApply,
}

/// A person with a manifest, and the cluster that it is sent to.
pub(crate) struct World {
    pub(crate) server: Server,
    /// What the one server-side applier owns.
    owned: Fields,
}

impl World {
    pub(crate) fn new(server: Server) -> Self {
        Self { server, owned: Fields::new() }
    }

    /// Sends a manifest; creates the set if it is not there.
    ///
    /// # Errors
    /// Admission broke a law.
    pub(crate) fn send(&mut self, client: Client, manifest: &Value) -> Result<Answer, String> {
        match client {
            Client::Replace => self.update(manifest.clone()),
            Client::Apply => self.apply(manifest),
            Client::ServerApply => self.server_apply(manifest),
        }
    }

    fn apply(&mut self, manifest: &Value) -> Result<Answer, String> {
        let mut new = manifest.clone();
        let text = manifest.to_string();
        strategic(&mut new, &json!({"metadata": {"annotations": {LAST_APPLIED: text}}}));
        if self.server.stored.is_null() {
            return self.update(new);
        }
        let mut object = self.server.stored.clone();
        let last = object["metadata"]["annotations"][LAST_APPLIED].as_str();
        let last = last.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        three_way(&last, &new, &mut object);
        self.update(object)
    }

    fn server_apply(&mut self, manifest: &Value) -> Result<Answer, String> {
        let named = fields(manifest);
        let mut object = self.server.stored.clone();
        if object.is_null() {
            object = manifest.clone();
        } else {
            structured(&mut object, manifest);
            // An item comes before its fields, and goes with all of them.
            for gone in self.owned.difference(&named) {
                take_out(&mut object, gone);
            }
        }
        // The API server keeps the annotation of a client-side apply up to date for this manager.
        if object["metadata"]["annotations"].get(LAST_APPLIED).is_some() {
            object["metadata"]["annotations"][LAST_APPLIED] = Value::from(manifest.to_string());
        }
        let before = std::mem::replace(&mut self.owned, named);
        let answer = self.write(object)?;
        if matches!(answer, Answer::Refused(_)) {
            self.owned = before;
        }
        Ok(answer)
    }

    /// A write that is no server-side apply: what it changes, the applier owns no longer.
    ///
    /// # Errors
    /// Admission broke a law.
    pub(crate) fn update(&mut self, object: Value) -> Result<Answer, String> {
        let before = self.owned.clone();
        let sent = crate::server::received(object);
        let stored = &self.server.stored;
        self.owned.retain(|path| match path.last() {
            Some(step) if step.starts_with("k:") => lookup(&sent, path).is_some(),
            _ => lookup(&sent, path) == lookup(stored, path),
        });
        let answer = self.write(sent)?;
        if matches!(answer, Answer::Refused(_)) {
            self.owned = before;
        }
        Ok(answer)
    }

    /// Changes the stored object in place, as `kubectl edit` or `patch` does.
    ///
    /// # Errors
    /// Admission broke a law.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Value)) -> Result<Answer, String> {
        let mut object = self.server.stored.clone();
        change(&mut object);
        self.update(object)
    }

    fn write(&mut self, mut object: Value) -> Result<Answer, String> {
        let entry = json!({
            "manager": "kubectl", "operation": "Apply", "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1", "fieldsV1": fields_v1(&self.owned),
        });
        object["metadata"]["managedFields"] =
            if self.owned.is_empty() { Value::Null } else { json!([entry]) };
        self.server.write(object)
    }
}
