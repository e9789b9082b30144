//! A StatefulSet as the webhook would store it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stateward::catalogue::Catalogue;
use stateward::defaults;
use stateward::engine::{Change, Decision, Engine, Offline};

/// What one needs of a set to run its pods.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) replicas: u32,
    /// Whether all pods are started at once, and not each when the one before is ready.
    pub(crate) parallel: bool,
    /// `spec.template.spec`.
    pub(crate) pod: Value,
    /// The main container.
    pub(crate) main: Value,
    /// Names of the claim templates.
    pub(crate) claims: Vec<String>,
    /// The generated Secret, as the controller would make it.
    pub(crate) secret: BTreeMap<String, String>,
}

impl Set {
    /// `examples/NAME.yaml` with `image` for its main container and so many replicas, expanded.
    ///
    /// # Panics
    /// If it is refused.
    pub(crate) fn expanded(example: &str, image: &str, replicas: u32) -> Self {
        Self::admitted(example, replicas, &json!({"image": image}))
    }

    /// One replica whose main container may not write to its root, where the profile knows what the image writes to.
    ///
    /// # Panics
    /// If it is refused.
    pub(crate) fn on_a_read_only_root(example: &str, image: &str) -> Option<Self> {
        Catalogue::built_in().unwrap().for_image(image)?.scratch.as_ref()?;
        let read_only = json!({"readOnlyRootFilesystem": true});
        Some(Self::admitted(example, 1, &json!({"image": image, "securityContext": read_only})))
    }

    /// With these fields in the main container.
    fn admitted(example: &str, replicas: u32, container: &Value) -> Self {
        let path = format!("{}/examples/{example}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut manifest: Value = serde_saphyr::from_str(&text).unwrap();
        manifest["spec"]["replicas"] = json!(replicas);
        json_patch::merge(&mut manifest["spec"]["template"]["spec"]["containers"][0], container);
        defaults::apply(&mut manifest);
        let change = Change { namespace: "default", before: None, after: &manifest };
        let decision = Engine::built_in().unwrap().admit(change, &Offline).unwrap();
        let Decision::Admitted(admitted) = decision else {
            panic!("{example} is not admitted: {decision:#?}")
        };
        Self::of(&admitted.result, replicas)
    }

    fn of(set: &Value, replicas: u32) -> Self {
        let spec = &set["spec"];
        let pod = spec["template"]["spec"].clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        assert!(list(&pod["initContainers"]).is_empty(), "init containers are not run here");
        let wanted =
            set["metadata"]["annotations"]["stateward.dev/generate-secret"].as_str().unwrap_or_default();
        let keys = wanted.split(',').filter(|key| !key.is_empty());
        Self {
            name: text(&set["metadata"]["name"]),
            service: text(&spec["serviceName"]),
            replicas,
            parallel: spec["podManagementPolicy"] == "Parallel",
            main: pod["containers"][0].clone(),
            claims: list(&spec["volumeClaimTemplates"])
                .iter()
                .map(|claim| text(&claim["metadata"]["name"]))
                .collect(),
            secret: keys.map(|key| (key.to_owned(), "Qx7fK2mZp9Lw4Tn8Rb6V".to_owned())).collect(),
            pod,
        }
    }
}
