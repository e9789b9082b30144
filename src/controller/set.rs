//! A StatefulSet as the controller keeps it. Pure.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DynamicObject;
use kube::runtime::reflector::ObjectRef;
use serde_json::Value;

use super::packed::{Packed, Packer};
use super::trim;
use crate::names;

/// A set: its name, and the rest as packed text.
#[derive(Debug, Clone)]
pub(super) struct Set {
    /// Name and namespace, and nothing else.
    metadata: ObjectMeta,
    manifest: Packed,
    wants_host: bool,
}

/// A set, as the queue names it.
pub(super) type SetRef = ObjectRef<Set>;

/// The reference to a set.
pub(super) fn set_ref(namespace: &str, name: &str) -> SetRef {
    ObjectRef::new(name).within(namespace)
}

impl Set {
    /// What is kept of `object`.
    pub(super) fn new(object: DynamicObject, packer: &Packer) -> Self {
        let metadata = ObjectMeta {
            name: object.metadata.name.clone(),
            namespace: object.metadata.namespace.clone(),
            ..ObjectMeta::default()
        };
        let manifest = trim::set(object);
        let annotations = &manifest["metadata"]["annotations"];
        let expanded = !annotations[names::RECORD].is_null();
        Self {
            metadata,
            wants_host: !annotations[names::INGRESS_HOST].is_null(),
            manifest: packer.pack(&manifest.to_string(), expanded),
        }
    }

    /// As a manifest, of which there is no more than companions depend on.
    pub(super) fn manifest(&self) -> Value {
        // It was written by us, so it can be read.
        serde_json::from_str(&self.manifest.text()).unwrap_or_default()
    }

    /// Whether two states of a set are the same to us: its status has changed, most often.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.manifest == other.manifest
    }

    /// Whether it asks for a host.
    pub(super) fn wants_host(&self) -> bool {
        self.wants_host
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its namespace.
    pub(super) fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }
}

/// The queue takes what is an object by its type: a name without one, as of other kinds, would carry
/// the kind in five texts each time.
impl Resource for Set {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        StatefulSet::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        StatefulSet::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        StatefulSet::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        StatefulSet::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(packer: &Packer, change: impl FnOnce(&mut Value)) -> Set {
        let mut object = json!({
            "metadata": {
                "name": "db", "namespace": "shop", "uid": "u-1", "resourceVersion": "1", "generation": 1,
                "annotations": {"note": "theirs"},
            },
            "spec": {"replicas": 3, "template": {}},
            "status": {"readyReplicas": 1},
        });
        change(&mut object);
        Set::new(serde_json::from_value(object).unwrap(), packer)
    }

    #[test]
    fn what_companions_do_not_depend_on_is_no_change() {
        let packer = Packer::default();
        let before = kept(&packer, |_| ());
        let same = |change: fn(&mut Value)| before.is_same(&kept(&packer, change));
        assert!(same(|set| set["status"]["readyReplicas"] = json!(3)));
        assert!(same(|set| set["metadata"]["resourceVersion"] = json!("2")));
        assert!(same(|set| set["metadata"]["annotations"]["note"] = json!("another")));
        assert!(!same(|set| set["spec"]["replicas"] = json!(1)));
        assert!(!same(|set| set["metadata"]["uid"] = json!("u-2")));
        assert!(!same(|set| set["metadata"]["labels"] = json!({names::MANAGED: "false"})));
        assert!(!same(|set| set["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z")));
    }

    #[test]
    fn a_set_is_named_and_read_as_it_was() {
        let packer = Packer::default();
        let set = kept(&packer, |set| {
            set["metadata"]["annotations"] = json!({names::INGRESS_HOST: "a.example.com"});
        });
        assert!(set.wants_host() && !kept(&packer, |_| ()).wants_host());
        assert_eq!(ObjectRef::from_obj(&set), set_ref("shop", "db"));
        assert_eq!(ObjectRef::from_obj(&set).to_string(), "StatefulSet.v1.apps/db.shop");
        let manifest = set.manifest();
        assert_eq!((&manifest["kind"], &manifest["spec"]["replicas"]), (&json!("StatefulSet"), &json!(3)));
        assert_eq!(manifest["metadata"]["uid"], "u-1");
    }
}
