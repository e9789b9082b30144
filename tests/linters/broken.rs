//! A set with one of each companion, and what can be broken of it.

use serde_json::{Value, json};

use crate::judges::Judge::{self, Kics, KubeLinter, KubeScore};
use crate::{Rendered, render};

/// What is broken, and which checks have to say so.
pub(crate) struct Break {
    pub(crate) name: &'static str,
    pub(crate) make: fn(&mut Vec<Value>),
    pub(crate) found_by: &'static [(Judge, &'static str)],
}

/// Hardened by its user, so that each of these things can be taken away again.
pub(crate) fn with_all_companions() -> Rendered {
    let manifest = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "search", "labels": {"stateward.dev/managed": "true", "stateward.dev/profile": "companions"},
            "annotations": {"stateward.dev/ingress-host": "search.example.com"}},
        "spec": {"replicas": 3, "template": {"spec": {"automountServiceAccountToken": false, "containers": [{
            "name": "search", "image": "example.com/search:4.2", "ports": [{"name": "http", "containerPort": 8080}],
            "livenessProbe": {"httpGet": {"path": "/livez", "port": "http"}},
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
            "securityContext": {"runAsNonRoot": true, "runAsUser": 20000, "runAsGroup": 20000,
                "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}}]}}}});
    let objects = render(&manifest).unwrap();
    let kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    let all = [
        "StatefulSet",
        "ServiceAccount",
        "Service",
        "Service",
        "PodDisruptionBudget",
        "Ingress",
        "NetworkPolicy",
        "ServiceMonitor",
    ];
    assert_eq!(kinds, all);
    Rendered { profile: "companions".to_owned(), main: "search".to_owned(), objects }
}

pub(crate) const BREAKS: &[Break] = &[
    Break {
        name: "a privileged container",
        make: |objects| main(objects)["securityContext"]["privileged"] = true.into(),
        found_by: &[(KubeScore, "container-security-context-privileged"), (Kics, "container_is_privileged")],
    },
    Break {
        name: "privilege escalation",
        make: |objects| main(objects)["securityContext"]["allowPrivilegeEscalation"] = true.into(),
        found_by: &[(Kics, "privilege_escalation_allowed")],
    },
    Break {
        name: "root",
        make: |objects| {
            main(objects)["securityContext"]["runAsNonRoot"] = false.into();
            main(objects)["securityContext"]["runAsUser"] = 0.into();
        },
        found_by: &[
            (KubeScore, "container-security-context-user-group-id"),
            (Kics, "containers_running_as_root"),
        ],
    },
    Break {
        name: "capabilities kept",
        make: |objects| main(objects)["securityContext"]["capabilities"] = Value::Null,
        found_by: &[
            (Kics, "net_raw_capabilities_not_being_dropped"),
            (Kics, "no_drop_capabilities_for_containers"),
        ],
    },
    Break {
        name: "a root file system to write to",
        make: |objects| main(objects)["securityContext"]["readOnlyRootFilesystem"] = false.into(),
        found_by: &[
            (KubeScore, "container-security-context-readonlyrootfilesystem"),
            (Kics, "root_container_not_mounted_as_read_only"),
        ],
    },
    Break {
        name: "no seccomp profile",
        make: |objects| pod(objects)["securityContext"]["seccompProfile"] = Value::Null,
        found_by: &[(Kics, "seccomp_profile_is_not_configured")],
    },
    Break {
        name: "the host's namespaces",
        make: |objects| {
            for field in ["hostIPC", "hostNetwork", "hostPID"] {
                pod(objects)[field] = true.into();
            }
        },
        found_by: &[
            (Kics, "shared_host_ipc_namespace"),
            (Kics, "shared_host_network_namespace"),
            (Kics, "shared_host_pid_namespace"),
        ],
    },
    Break {
        name: "a directory of the host",
        make: |objects| pod(objects)["volumes"] = json!([{"name": "etc", "hostPath": {"path": "/etc"}}]),
        found_by: &[(Kics, "workload_mounting_with_sensitive_os_directory")],
    },
    Break {
        name: "the socket of the container engine",
        make: |objects| {
            pod(objects)["volumes"] =
                json!([{"name": "engine", "hostPath": {"path": "/var/run/docker.sock"}}]);
        },
        found_by: &[(Kics, "docker_daemon_socket_is_exposed_to_containers")],
    },
    Break {
        name: "an unsafe sysctl",
        make: |objects| {
            pod(objects)["securityContext"]["sysctls"] = json!([{"name": "kernel.msgmax", "value": "65536"}]);
        },
        found_by: &[(Kics, "cluster_allows_unsafe_sysctls")],
    },
    Break {
        name: "a token that nobody needs",
        make: |objects| pod(objects)["automountServiceAccountToken"] = true.into(),
        found_by: &[(Kics, "service_account_token_automount_not_disabled")],
    },
    Break {
        name: "no limits",
        make: |objects| main(objects)["resources"]["limits"] = Value::Null,
        found_by: &[
            (KubeScore, "container-resources"),
            (Kics, "cpu_limits_not_set"),
            (Kics, "memory_limits_not_defined"),
        ],
    },
    Break {
        name: "no requests",
        make: |objects| main(objects)["resources"]["requests"] = Value::Null,
        found_by: &[
            (KubeScore, "container-resources"),
            (Kics, "cpu_requests_not_set"),
            (Kics, "memory_requests_not_defined"),
        ],
    },
    Break {
        name: "a tag that moves",
        make: |objects| main(objects)["image"] = "example.com/search:latest".into(),
        found_by: &[(KubeScore, "container-image-tag"), (Kics, "invalid_image")],
    },
    Break {
        name: "no probes",
        make: |objects| {
            main(objects)["livenessProbe"] = Value::Null;
            main(objects)["readinessProbe"] = Value::Null;
        },
        found_by: &[
            (KubeScore, "pod-probes"),
            (Kics, "liveness_probe_is_not_defined"),
            (Kics, "readiness_probe_is_not_configured"),
        ],
    },
    Break {
        name: "probes of a port that is not declared",
        make: |objects| {
            main(objects)["startupProbe"] = json!({"grpc": {"port": 9090}});
            main(objects)["readinessProbe"] = json!({"tcpSocket": {"port": "admin"}});
            main(objects)["livenessProbe"] = json!({"httpGet": {"port": 9090}});
        },
        found_by: &[
            (KubeLinter, "startup-port"),
            (KubeLinter, "readiness-port"),
            (KubeLinter, "liveness-port"),
        ],
    },
    Break {
        name: "a variable twice",
        make: |objects| {
            main(objects)["env"] = json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]);
        },
        found_by: &[(KubeScore, "environment-variable-key-duplication")],
    },
    Break {
        name: "a secret in the open",
        make: |objects| main(objects)["env"] = json!([{"name": "CLIENT_SECRET", "value": "hunter2"}]),
        found_by: &[(KubeLinter, "env-var-secret")],
    },
    Break {
        name: "the port of SSH",
        make: |objects| main(objects)["ports"] = json!([{"name": "http", "containerPort": 22}]),
        found_by: &[(KubeLinter, "ssh-port")],
    },
    Break {
        name: "no spreading",
        make: |objects| pod(objects)["affinity"] = Value::Null,
        found_by: &[
            (KubeScore, "statefulset-has-host-podantiaffinity"),
            (Kics, "statefulset_has_no_pod_anti_affinity"),
        ],
    },
    Break {
        name: "a selector of others' pods",
        make: |objects| {
            of(objects, "StatefulSet")["spec"]["selector"]["matchLabels"] = json!({"app": "other"});
        },
        found_by: &[
            (KubeScore, "statefulset-pod-selector-labels-match-template-metadata-labels"),
            (Kics, "service_does_not_target_pod"),
        ],
    },
    Break {
        name: "an API that is gone",
        make: |objects| of(objects, "StatefulSet")["apiVersion"] = "apps/v1beta2".into(),
        found_by: &[(KubeScore, "stable-version"), (Kics, "object_is_using_a_deprecated_api_version")],
    },
    Break {
        name: "the field of a ServiceAccount that is no more",
        make: |objects| pod(objects)["serviceAccount"] = "search".into(),
        found_by: &[(KubeLinter, "deprecated-service-account-field")],
    },
    Break {
        name: "no ServiceAccount",
        make: |objects| objects.retain(|object| object["kind"] != "ServiceAccount"),
        found_by: &[(KubeLinter, "non-existent-service-account")],
    },
    Break {
        name: "no headless Service",
        make: |objects| objects.retain(|object| object["spec"]["clusterIP"] != "None"),
        found_by: &[(KubeScore, "statefulset-has-servicename"), (Kics, "statefulset_without_service_name")],
    },
    Break {
        name: "a Service of others' pods",
        make: |objects| of(objects, "Service")["spec"]["selector"] = json!({"app": "other"}),
        found_by: &[(KubeScore, "service-targets-pod"), (Kics, "service_does_not_target_pod")],
    },
    Break {
        name: "a Service of a port that no container has",
        make: |objects| of(objects, "Service")["spec"]["ports"][0]["targetPort"] = "admin".into(),
        found_by: &[(Kics, "service_does_not_target_pod")],
    },
    Break {
        name: "a port on each node",
        make: |objects| of(objects, "Service")["spec"]["type"] = "NodePort".into(),
        found_by: &[(KubeScore, "service-type"), (Kics, "service_type_is_nodeport")],
    },
    Break {
        name: "a budget of others' pods",
        make: |objects| {
            of(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] = json!({"app": "other"});
        },
        found_by: &[
            (KubeScore, "statefulset-has-poddisruptionbudget"),
            (Kics, "statefulset_without_pod_disruption_budget"),
        ],
    },
    Break {
        name: "a budget without a number",
        make: |objects| of(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] = Value::Null,
        found_by: &[(KubeScore, "poddisruptionbudget-has-policy")],
    },
    Break {
        name: "a budget that lets none go",
        make: |objects| of(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] = 0.into(),
        found_by: &[(KubeLinter, "pdb-max-unavailable")],
    },
    Break {
        name: "a budget that wants all",
        make: |objects| of(objects, "PodDisruptionBudget")["spec"]["minAvailable"] = 3.into(),
        found_by: &[(KubeLinter, "pdb-min-available")],
    },
    Break {
        name: "a budget that does not say what of broken pods",
        make: |objects| {
            of(objects, "PodDisruptionBudget")["spec"]["unhealthyPodEvictionPolicy"] = Value::Null;
        },
        found_by: &[(KubeLinter, "pdb-unhealthy-pod-eviction-policy")],
    },
    Break {
        name: "an Ingress to no Service",
        make: |objects| {
            let path = &mut of(objects, "Ingress")["spec"]["rules"][0]["http"]["paths"][0];
            path["backend"]["service"]["name"] = "other".into();
        },
        found_by: &[(KubeScore, "ingress-targets-service")],
    },
    Break {
        name: "an Ingress of an API that is gone",
        make: |objects| of(objects, "Ingress")["apiVersion"] = "extensions/v1beta1".into(),
        found_by: &[(KubeScore, "stable-version"), (Kics, "object_is_using_a_deprecated_api_version")],
    },
    Break {
        name: "a NetworkPolicy of others' pods",
        make: |objects| {
            of(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"] = json!({"app": "other"});
        },
        found_by: &[
            (KubeScore, "networkpolicy-targets-pod"),
            (Kics, "network_policy_is_not_targeting_any_pod"),
        ],
    },
];

/// The last of a kind: of Services, the one for clients.
fn of<'a>(objects: &'a mut [Value], kind: &str) -> &'a mut Value {
    objects.iter_mut().rfind(|object| object["kind"] == kind).unwrap()
}

fn pod(objects: &mut [Value]) -> &mut Value {
    &mut of(objects, "StatefulSet")["spec"]["template"]["spec"]
}

fn main(objects: &mut [Value]) -> &mut Value {
    &mut pod(objects)["containers"][0]
}
