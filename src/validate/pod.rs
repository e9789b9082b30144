//! The pod template's containers, sorted by how they run.

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

/// The spec of the pod template.
pub(super) fn spec<'a>(root: &Place<'a>) -> Option<Place<'a>> {
    root.descend(&["spec", "template", "spec"])
}

/// All containers, those of `containers` first.
pub(super) fn containers<'a>(root: &Place<'a>) -> Vec<Container<'a>> {
    let Some(spec) = spec(root) else {
        return Vec::new();
    };
    let main = spec.items("containers").into_iter().map(|place| Container { place, role: Role::Main });
    let init = spec.items("initContainers").into_iter().map(|place| {
        let role = match place.text("restartPolicy") {
            Some("Always") => Role::Sidecar,
            _ => Role::Init,
        };
        Container { place, role }
    });
    main.chain(init).collect()
}

/// Whether the pods run on Windows, where paths look otherwise.
pub(super) fn on_windows(root: &Place) -> bool {
    spec(root).is_some_and(|spec| {
        let os = spec.raw("os").and_then(|os| os.get("name"));
        let node = spec.raw("nodeSelector").and_then(|node| node.get("kubernetes.io/os"));
        [os, node].into_iter().flatten().any(|name| *name == "windows")
    })
}
