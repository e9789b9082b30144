//! Why a field is worth having: one sentence each, for `explain` and the reference.

use crate::path::{Path, Scalar, Step};

/// Fields, and why they matter. A field is written as its path without the names of containers
/// and claims; it stands for itself and for all below it, and the longest that fits is taken.
pub const REASONS: &[(&str, &str)] = &[
    // Identity.
    (
        "spec.selector",
        "required, and never to be changed once created; this one label is on nothing else, so that no \
         Deployment or chart can claim these pods",
    ),
    ("metadata.labels", "lets people and dashboards find what belongs together; never part of the selector"),
    (
        "template.metadata.labels[stateward.dev/statefulset]",
        "the selector looks for this label, so the pods have to carry it",
    ),
    (
        "spec.serviceName",
        "names the headless Service that gives each pod a stable DNS name; it cannot be added later",
    ),
    // Ports.
    (
        "containers.ports",
        "probes and Services refer to a port by its name, and people see what the pod serves",
    ),
    // Storage.
    (
        "spec.volumeClaimTemplates",
        "without a claim the data lives on the container's own disk and is gone with the pod; claim templates \
         cannot be added later",
    ),
    (
        "volumeMounts",
        "mounted where the image keeps its data; a path beside it would leave the data on the container's own disk",
    ),
    (
        "spec.persistentVolumeClaimRetentionPolicy",
        "keeps the claims when the set is scaled down or deleted, so that a mistake costs no data",
    ),
    // Probes.
    (
        "startupProbe",
        "holds the other probes back until the process is up; it has to outlast a recovery, or the kubelet kills \
         the server in the middle of one, for ever",
    ),
    (
        "readinessProbe",
        "traffic comes only when the server answers, and a rolling update waits for it before it takes the next pod",
    ),
    (
        "livenessProbe",
        "restarts a server that hangs; it is more patient than readiness, since a restart of a database is costly",
    ),
    // Resources.
    (
        "resources.requests",
        "the scheduler counts only what is requested; without a request the pod is the first to be evicted",
    ),
    (
        "resources.limits",
        "memory is limited to what is requested, so that this pod is not killed for a neighbour's growth",
    ),
    ("volumes", "a directory that the server writes to, and that need not last longer than its pod"),
    // Security.
    (
        "securityContext.fsGroupChangePolicy",
        "the default, Always, walks over every file at each start of the pod, which takes minutes on a large volume",
    ),
    (
        "securityContext.fsGroup",
        "a fresh volume belongs to root; this group makes it writable for the server",
    ),
    (
        "securityContext.runAsUser",
        "by number, since the kubelet cannot tell from a user's name that it is not root; it is the user whom the \
         image knows and whom the files belong to",
    ),
    ("securityContext.runAsGroup", "otherwise the group is root's, and new files belong to it"),
    (
        "securityContext.runAsNonRoot",
        "the kubelet refuses to start the container as root, whatever the image says",
    ),
    (
        "securityContext.allowPrivilegeEscalation",
        "no program in the container can gain more rights than it started with, setuid or not",
    ),
    ("securityContext.capabilities", "a server that binds a high port as its own user needs none of them"),
    (
        "securityContext.seccompProfile",
        "blocks the system calls that servers do not use; the restricted pod security standard demands it",
    ),
    ("securityContext.readOnlyRootFilesystem", "what gets in cannot leave anything behind"),
    (
        "automountServiceAccountToken",
        "the server does not speak to the API server, so a thief finds no token",
    ),
    // Scheduling.
    (
        "topologySpreadConstraints[kubernetes.io/hostname]",
        "one lost node should not take several replicas; soft, so that a small cluster still runs them",
    ),
    (
        "topologySpreadConstraints[topology.kubernetes.io/zone]",
        "one lost zone should not take several replicas; soft, and without effect where nodes have no zone",
    ),
    ("topologySpreadConstraints", "replicas in different places do not fail together"),
    (
        "affinity.podAntiAffinity",
        "says the same as the spread constraints to tools that look for anti-affinity",
    ),
    // Environment.
    (
        "env[POD_NAME]",
        "the pod's stable name, for the server's own identity; first, so that $(POD_NAME) works in yours",
    ),
    ("env[POD_NAMESPACE]", "for DNS names of peers; first, so that $(POD_NAMESPACE) works in yours"),
    ("env[POD_IP]", "the address to announce to peers; first, so that $(POD_IP) works in yours"),
    ("env[POD_INDEX]", "the pod's ordinal as a number, without cutting it out of the name"),
    (
        "env[PGDATA]",
        "a directory below the mount: initdb refuses one that is not empty, and a fresh ext4 volume holds lost+found",
    ),
    ("envFrom", "variables from a Secret or ConfigMap; yours stand behind it and win"),
    ("enableServiceLinks", "a Service named like the set would inject NAME_PORT variables that break images"),
    (
        "containers.args",
        "tells the server what follows from its memory, its data or its peers; a list of yours stands in place of \
         all of it",
    ),
    (
        "containers.command",
        "starts the server with what follows from its memory, its data or its peers; a list of yours stands in place \
         of all of it, and then args of ours are for you to see to",
    ),
    // Lifecycle.
    (
        "spec.podManagementPolicy",
        "starts the pods together: members that wait for each other never get ready one by one; it cannot be \
         changed later",
    ),
    (
        "terminationGracePeriodSeconds",
        "time for a clean shutdown; a kill before it is over costs a recovery at the next start",
    ),
    (
        "spec.updateStrategy",
        "how a change of the template reaches the pods: from the last ordinal down, one ready before the next",
    ),
    ("spec.minReadySeconds", "a pod that is ready for a moment only does not let the update go on"),
    ("spec.revisionHistoryLimit", "how many earlier templates stay, to roll back to"),
    ("lifecycle", "lets the server leave its cluster in order before it is stopped"),
];

/// Why the field at `path` matters; empty for a field that only its profile can explain.
#[must_use]
pub fn reason(path: &Path) -> &'static str {
    let subject = subject(path);
    let fits = |pattern: &str| {
        subject.match_indices(pattern).any(|(at, _)| {
            let before = subject[..at].chars().next_back();
            let after = subject[at + pattern.len()..].chars().next();
            matches!(before, None | Some('.')) && matches!(after, None | Some('.' | '['))
        })
    };
    let best = REASONS.iter().filter(|(pattern, _)| fits(pattern)).max_by_key(|(pattern, _)| pattern.len());
    best.map_or("", |(_, reason)| reason)
}

/// The path as the table has it: `template.spec.containers.env[POD_NAME].valueFrom`.
fn subject(path: &Path) -> String {
    let mut subject = String::new();
    let mut list = "";
    for step in path.0.iter() {
        match step {
            Step::Field(name) if name.contains(['.', '/']) => {
                subject.push('[');
                subject.push_str(name);
                subject.push(']');
            }
            Step::Field(name) => {
                if !subject.is_empty() {
                    subject.push('.');
                }
                subject.push_str(name);
                list = name;
            }
            Step::Item(key) if matches!(list, "env" | "topologySpreadConstraints") => {
                if let Some((_, Scalar::Text(name))) = key.0.first() {
                    subject.push('[');
                    subject.push_str(name);
                    subject.push(']');
                }
            }
            Step::Item(_) => {}
        }
    }
    subject
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Path {
        Path::fields(&["spec", "template", "spec", "containers"]).named("app")
    }

    #[test]
    fn the_longest_pattern_wins() {
        let label = Path::fields(&["spec", "template", "metadata", "labels", "stateward.dev/statefulset"]);
        assert!(reason(&label).contains("selector looks for"));
        let security = container().field("securityContext");
        assert!(reason(&security.field("fsGroupChangePolicy")).contains("Always"));
        assert!(reason(&security.field("fsGroup")).contains("writable"));
    }

    #[test]
    fn a_reason_holds_for_all_below_it() {
        let variable = container().field("env").named("POD_NAME").field("valueFrom").field("fieldRef");
        assert!(reason(&variable).contains("stable name"));
        assert!(reason(&container().field("startupProbe").field("exec")).contains("recovery"));
        assert_eq!(reason(&container().field("env").named("JAVA_OPTS")), "");
    }

    #[test]
    fn no_pattern_stands_twice() {
        let mut patterns: Vec<_> = REASONS.iter().map(|(pattern, _)| pattern).collect();
        patterns.sort_unstable();
        patterns.dedup();
        assert_eq!(patterns.len(), REASONS.len());
    }
}
