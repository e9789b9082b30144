//! A StatefulSet taken apart: its containers by how they run, its volumes and claim templates.

use serde_json::Value;

use super::place::Place;

/// How a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// One of `containers`.
    Main,
    /// An init container with `restartPolicy: Always`: it stays, and may have probes.
    Sidecar,
    /// An init container that runs to its end.
    Init,
}

/// A container and how it runs.
#[derive(Debug)]
pub(super) struct Container<'a> {
    /// The container.
    pub(super) place: Place<'a>,
    /// How it runs.
    pub(super) role: Role,
}

/// What checks look at, found once for all of them.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// The object itself.
    pub(super) root: Place<'a>,
    /// The spec of the pod template.
    pub(super) pod: Option<Place<'a>>,
    /// All containers, those of `containers` first.
    pub(super) containers: Vec<Container<'a>>,
    /// The volumes of the pod.
    pub(super) volumes: Vec<Place<'a>>,
    /// The claim templates.
    pub(super) claims: Vec<Place<'a>>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(object: &'a Value) -> Self {
        let root = Place::root(object);
        let spec = root.field("spec");
        let pod = spec.as_ref().and_then(|spec| spec.descend(&["template", "spec"]));
        let items = |of: &Option<Place<'a>>, list| of.as_ref().map(|of| of.items(list)).unwrap_or_default();
        let main = items(&pod, "containers").into_iter().map(|place| Container { place, role: Role::Main });
        let init = items(&pod, "initContainers").into_iter().map(|place| {
            let role = match place.text("restartPolicy") {
                Some("Always") => Role::Sidecar,
                _ => Role::Init,
            };
            Container { place, role }
        });
        Self {
            containers: main.chain(init).collect(),
            volumes: items(&pod, "volumes"),
            claims: items(&spec, "volumeClaimTemplates"),
            root,
            pod,
        }
    }

    /// Whether the pods run on Windows, where paths look otherwise.
    pub(super) fn on_windows(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| {
            let os = pod.raw("os").and_then(|os| os.get("name"));
            let node = pod.raw("nodeSelector").and_then(|node| node.get("kubernetes.io/os"));
            [os, node].into_iter().flatten().any(|name| *name == "windows")
        })
    }
}
