//! Keys that cannot be meant together.
//!
//! Judged by which keys are there, not by what they parsed to: a host that is misspelt is no
//! missing host.

use std::collections::BTreeMap;

use crate::fault::{Fault, Reason};
use crate::intent::parse::Draft;
use crate::intent::{Storage, Volume};
use crate::names::PREFIX;

/// All contradictions of a draft.
pub(crate) fn all(draft: &Draft) -> Vec<Fault> {
    let mut faults = storage(draft);
    faults.extend(service(draft));
    faults.extend(ingress(draft));
    faults.extend(paths(draft.intent.mount_path.as_deref(), &draft.intent.volumes));
    faults
}

fn storage(draft: &Draft) -> Vec<Fault> {
    if draft.intent.storage != Some(Storage::None) {
        return Vec::new();
    }
    ["storage-class", "access-mode", "mount-path"]
        .into_iter()
        .filter(|key| draft.has(key))
        .map(|key| clash(key, "storage", "is `none`, so there is no data volume"))
        .collect()
}

fn service(draft: &Draft) -> Option<Fault> {
    let none = draft.intent.service.as_deref() == Some("none");
    (none && draft.has("service-ports"))
        .then(|| clash("service-ports", "service", "is `none`, so there is no client Service"))
}

fn ingress(draft: &Draft) -> Vec<Fault> {
    let mut faults = Vec::new();
    if draft.has("gateway") {
        for key in ["ingress-class", "ingress-tls-secret", "ingress-cluster-issuer"] {
            if draft.has(key) {
                faults.push(clash(key, "gateway", "makes a route, and no Ingress"));
            }
        }
    } else if draft.has("ingress-cluster-issuer") && draft.has("ingress-tls-secret") {
        // It would write into a Secret that whoever writes StatefulSets alone may not write.
        let why = "has cert-manager keep a certificate, in a Secret of its own";
        faults.push(clash("ingress-tls-secret", "ingress-cluster-issuer", why));
    }
    if !draft.has("ingress-host") {
        let dependent =
            ["ingress-class", "ingress-path", "ingress-port", "ingress-tls-secret", "ingress-cluster-issuer"];
        let without = dependent.into_iter().filter(|key| draft.has(key));
        let why = |key: &str| match key {
            "ingress-path" => "there is no path without a host",
            _ => "there is no Ingress without a host",
        };
        faults.extend(without.map(|key| lacks(key, "ingress-host", why(key))));
    }
    faults
}

fn paths(mount_path: Option<&str>, volumes: &BTreeMap<String, Volume>) -> Vec<Fault> {
    let mut holders: BTreeMap<&str, String> = BTreeMap::new();
    holders.extend(mount_path.map(|path| (path, "mount-path".to_owned())));
    let mut faults = Vec::new();
    for (name, volume) in volumes {
        let key = format!("volume.{name}");
        match holders.get(volume.path.as_str()) {
            Some(holder) => faults.push(Fault::new(
                Reason::Contradiction,
                format!("{PREFIX}{key}"),
                format!("{PREFIX}{holder} has the same path {:?}", volume.path),
                "give each volume a path of its own",
            )),
            None => drop(holders.insert(&volume.path, key)),
        }
    }
    faults
}

fn clash(key: &str, other: &str, why: &str) -> Fault {
    Fault::new(
        Reason::Contradiction,
        format!("{PREFIX}{key}"),
        format!("{PREFIX}{other} {why}"),
        "take one of the two away",
    )
}

fn lacks(key: &str, other: &str, why: &str) -> Fault {
    Fault::new(
        Reason::Contradiction,
        format!("{PREFIX}{key}"),
        format!("it needs {PREFIX}{other}: {why}"),
        format!("add {PREFIX}{other}, or take this one away"),
    )
}

#[cfg(test)]
mod tests {
    use crate::fault::Reason;
    use crate::intent::testing::intent;

    /// Each of `annotations` contradicts as `expected` says.
    fn contradict(annotations: &[(&str, &str)], expected: &[&str]) {
        let (_, faults) = intent(annotations);
        assert!(faults.iter().all(|fault| fault.reason == Reason::Contradiction));
        let said: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn no_storage_and_what_it_would_be_like() {
        contradict(
            &[("storage", "none"), ("storage-class", "fast"), ("mount-path", "/data")],
            &[
                "stateward.dev/storage-class: stateward.dev/storage is `none`, so there is no data volume; take one \
                 of the two away",
                "stateward.dev/mount-path: stateward.dev/storage is `none`, so there is no data volume; take one of \
                 the two away",
            ],
        );
        contradict(&[("storage-class", "fast"), ("access-mode", "ReadWriteMany")], &[]);
    }

    #[test]
    fn no_service_and_its_ports() {
        contradict(
            &[("service", "none"), ("service-ports", "80:http")],
            &[
                "stateward.dev/service-ports: stateward.dev/service is `none`, so there is no client Service; take \
               one of the two away",
            ],
        );
    }

    #[test]
    fn routes_are_no_ingresses_and_hosts_are_needed() {
        contradict(
            &[("gateway", "infra/public"), ("ingress-host", "a.b"), ("ingress-class", "nginx")],
            &[
                "stateward.dev/ingress-class: stateward.dev/gateway makes a route, and no Ingress; take one of the two \
               away",
            ],
        );
        contradict(
            &[("gateway", "infra/public"), ("ingress-path", "/api")],
            &[
                "stateward.dev/ingress-path: it needs stateward.dev/ingress-host: there is no path without a host; add \
               stateward.dev/ingress-host, or take this one away",
            ],
        );
        // What speaks TCP has no host.
        contradict(&[("gateway", "infra/public")], &[]);
        contradict(
            &[("ingress-host", "a.b"), ("ingress-cluster-issuer", "le"), ("ingress-tls-secret", "x")],
            &[
                "stateward.dev/ingress-tls-secret: stateward.dev/ingress-cluster-issuer has cert-manager keep a \
               certificate, in a Secret of its own; take one of the two away",
            ],
        );
    }

    #[test]
    fn one_path_for_one_volume() {
        contradict(
            &[
                ("mount-path", "/data"),
                ("volume.a", "1Gi,path=/data/"),
                ("volume.b", "1Gi,path=/wal"),
                ("volume.c", "1Gi,path=/wal"),
            ],
            &[
                "stateward.dev/volume.a: stateward.dev/mount-path has the same path \"/data\"; give each volume a \
                 path of its own",
                "stateward.dev/volume.c: stateward.dev/volume.b has the same path \"/wal\"; give each volume a path \
                 of its own",
            ],
        );
    }

    #[test]
    fn two_wishes_are_none() {
        contradict(&[("profile-revision", "latest"), ("upgrade-to", "latest")], &[]);
    }

    #[test]
    fn a_misspelt_host_is_no_missing_host() {
        let (_, faults) = intent(&[("ingress-host", "A!"), ("ingress-class", "nginx")]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].field, "stateward.dev/ingress-host");
    }
}
