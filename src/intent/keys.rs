//! The one table of keys. A key that is not in it does not exist; one that is in it is parsed,
//! suggested, documented and in the schema.

use crate::intent::complaint::{Complaint, quote};
use crate::intent::parse::{Draft, Entry};
use crate::intent::{budget, environment, keep, ports, probe, revision, syntax, traffic, volume};
use crate::names::PREFIX;

/// A label or annotation that users write.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Without the prefix. `volume.<name>` stands for one key per name.
    pub name: &'static str,
    /// Whether a label or an annotation.
    pub on: On,
    /// A value that means something.
    pub example: &'static str,
    /// What may be written, in words that follow "write".
    pub grammar: &'static str,
    /// What it does, in one sentence.
    pub effect: &'static str,
    /// The native field (or object) that says the same.
    pub native: &'static str,
    /// A pattern for editors (ECMA 262). Matches all that is accepted, and more.
    pub pattern: &'static str,
    pub(crate) read: Read,
}

/// Puts the value of one entry into the draft.
pub(crate) type Read = fn(&mut Draft, &Entry<'_>) -> Result<(), Vec<Complaint>>;

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// In `metadata.annotations`.
    Annotation,
    /// In `metadata.labels`.
    Label,
}

impl On {
    /// `label` or `annotation`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Annotation => "annotation",
            Self::Label => "label",
        }
    }

    /// `metadata.labels` or `metadata.annotations`.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Annotation => "metadata.annotations",
            Self::Label => "metadata.labels",
        }
    }
}

impl Key {
    /// The key that `name` (without the prefix) is, wherever it stands, and the name behind the
    /// point of `volume.<name>`.
    #[must_use]
    pub fn find(name: &str) -> Option<(&'static Self, &str)> {
        KEYS.iter().find_map(|key| match key.name.split_once('<') {
            Some((head, _)) => name.strip_prefix(head).map(|rest| (key, rest)),
            None => (key.name == name).then_some((key, "")),
        })
    }

    /// With the prefix, as it is written.
    #[must_use]
    pub fn full(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }
}

fn put<T>(slot: &mut Option<T>, value: Result<T, impl Into<Vec<Complaint>>>) -> Result<(), Vec<Complaint>> {
    *slot = Some(value.map_err(Into::into)?);
    Ok(())
}

macro_rules! label {
    () => {
        "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
    };
}
macro_rules! subdomain {
    () => {
        "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
    };
}
macro_rules! port {
    () => {
        "[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?"
    };
}
macro_rules! size {
    () => {
        "\\+?[0-9]*\\.?[0-9]*([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?"
    };
}
/// A whole value, blanks around it allowed.
macro_rules! whole {
    ($($part:expr),+) => {
        concat!("^\\s*(", $($part),+, ")\\s*$")
    };
}
/// A comma-separated list.
macro_rules! list {
    ($($item:expr),+) => {
        concat!("^\\s*(", $($item),+, ")(\\s*,\\s*(", $($item),+, "))*\\s*$")
    };
}

const PROBE: &str = concat!(
    "^\\s*(none|exec\\s*:.*\\S.*|(tcp\\s*:\\s*",
    port!(),
    "|https?\\s*:\\s*",
    port!(),
    "\\s*(/[^;\\s]*)?|grpc\\s*:\\s*[0-9]{1,5}\\s*(/[^;\\s]+)?)",
    "(\\s*;\\s*(period|timeout|failures|delay)\\s*=\\s*\\+?[0-9]+)*)\\s*$"
);
const PROBE_GRAMMAR: &str = "`none` or one of tcp:PORT, http:PORT/PATH, https:PORT/PATH, grpc:PORT[/SERVICE], \
                             exec:COMMAND, then optionally `;period=`, `;timeout=`, `;delay=` (seconds) and `;failures=`";
const WISH: &str = whole!("latest|", subdomain!(), "\\s*@\\s*[a-z0-9]{1,40}");
const WISH_GRAMMAR: &str = "`latest` or profile@revision";

/// The one key that is also read by itself.
pub(crate) const MANAGED: Key = Key {
    name: "managed",
    on: On::Label,
    example: "true",
    grammar: "`true` or `false`, in quotation marks",
    effect: "Opts the StatefulSet in, or out; on a Namespace, all its StatefulSets.",
    native: "none",
    pattern: "^(true|false)$",
    read: |_, entry| Ok(managed(entry.text).map(drop)?),
};

/// Every key, in the order of the reference page.
pub static KEYS: &[Key] = &[
    MANAGED,
    Key {
        name: "profile",
        on: On::Label,
        example: "postgresql",
        grammar: "the name of a profile",
        effect: "Picks the profile; without it the main container's image decides, else `default`.",
        native: "none",
        pattern: whole!(subdomain!()),
        read: |draft, entry| put(&mut draft.intent.profile, revision::profile(entry.text)),
    },
    Key {
        name: "profile-revision",
        on: On::Annotation,
        example: "latest",
        grammar: WISH_GRAMMAR,
        effect: "Moves to this revision of the profile when the value changes; taking it away moves nothing.",
        native: "none",
        pattern: WISH,
        read: |draft, entry| put(&mut draft.intent.profile_revision, revision::wish(entry.text)),
    },
    Key {
        name: "upgrade-to",
        on: On::Annotation,
        example: "postgresql@5f3c9a12",
        grammar: WISH_GRAMMAR,
        effect: "Moves to this revision of the profile once; it is taken out again by the request that carries it.",
        native: "none",
        pattern: WISH,
        read: |draft, entry| put(&mut draft.intent.upgrade_to, revision::wish(entry.text)),
    },
    Key {
        name: "main-container",
        on: On::Annotation,
        example: "app",
        grammar: "the name of a container",
        effect: "Names the container that the rest speaks of; else kubectl's default container, else the one whose \
                 image a profile knows, else the first.",
        native: "spec.template.metadata.annotations[\"kubectl.kubernetes.io/default-container\"]",
        pattern: whole!(label!()),
        read: |draft, entry| {
            let name = syntax::label("name of a container", entry.text);
            put(&mut draft.intent.main_container, name)
        },
    },
    Key {
        name: "storage",
        on: On::Annotation,
        example: "20Gi",
        grammar: "a size, or `none` for no data volume",
        effect: "Sets the size of the data volume, which is claimed for each pod and mounted where the profile or \
                 `mount-path` says.",
        native: "spec.volumeClaimTemplates[].spec.resources.requests.storage",
        pattern: whole!("none|", size!()),
        read: |draft, entry| put(&mut draft.intent.storage, volume::storage(entry.text)),
    },
    Key {
        name: "storage-class",
        on: On::Annotation,
        example: "fast",
        grammar: "the name of a StorageClass",
        effect: "Sets the storage class of the data volume; else it is that of claims that are there, the Namespace's, or \
                 the cluster's default.",
        native: "spec.volumeClaimTemplates[].spec.storageClassName",
        pattern: whole!(subdomain!()),
        read: |draft, entry| {
            let class = syntax::subdomain("storage class", entry.text);
            put(&mut draft.intent.storage_class, class)
        },
    },
    Key {
        name: "access-mode",
        on: On::Annotation,
        example: "ReadWriteOncePod",
        grammar: "`ReadWriteOnce`, `ReadWriteOncePod` or `ReadWriteMany`",
        effect: "Sets the access mode of the data volume; else `ReadWriteOnce`.",
        native: "spec.volumeClaimTemplates[].spec.accessModes",
        pattern: whole!("ReadWriteOnce|ReadWriteOncePod|ReadWriteMany"),
        read: |draft, entry| put(&mut draft.intent.access_mode, volume::access_mode(entry.text)),
    },
    Key {
        name: "mount-path",
        on: On::Annotation,
        example: "/var/lib/app",
        grammar: "an absolute path",
        effect: "Says where the main container mounts the data volume; else the profile knows.",
        native: "spec.template.spec.containers[].volumeMounts[].mountPath",
        pattern: "^\\s*/[^:]+$",
        read: |draft, entry| put(&mut draft.intent.mount_path, syntax::mount_path(entry.text)),
    },
    Key {
        name: "volume.<name>",
        on: On::Annotation,
        example: "100Gi,class=fast,path=/wal,access=ReadWriteOnce",
        grammar: "a size and a path, optionally class and access, separated by commas",
        effect: "Adds a volume claim of this name and mounts it in the main container.",
        native: "spec.volumeClaimTemplates[] and spec.template.spec.containers[].volumeMounts[]",
        pattern: concat!(
            "^\\s*",
            size!(),
            "(\\s*,\\s*(class\\s*=\\s*",
            subdomain!(),
            "|path\\s*=\\s*/[^:,]+|access\\s*=\\s*ReadWrite(Once|OncePod|Many)))+\\s*$"
        ),
        read: |draft, entry| {
            let (name, volume) = volume::volume(entry.rest, entry.text)?;
            draft.intent.volumes.insert(name, volume);
            Ok(())
        },
    },
    Key {
        name: "ports",
        on: On::Annotation,
        example: "postgres=5432,dns=53/UDP",
        grammar: "name=number[/protocol], separated by commas",
        effect: "Declares ports of the main container, where it declares none itself.",
        native: "spec.template.spec.containers[].ports",
        pattern: list!(port!(), "\\s*=\\s*[0-9]{1,5}(\\s*/\\s*(TCP|UDP|SCTP))?"),
        read: |draft, entry| put(&mut draft.intent.ports, ports::list(entry.text)),
    },
    Key {
        name: "readiness-probe",
        on: On::Annotation,
        example: "http:8080/healthz;period=10;timeout=5",
        grammar: PROBE_GRAMMAR,
        effect: "Decides when a pod gets traffic; `none` turns the profile's probe off.",
        native: "spec.template.spec.containers[].readinessProbe",
        pattern: PROBE,
        read: |draft, entry| put(&mut draft.intent.readiness_probe, probe::parse(entry.text)),
    },
    Key {
        name: "liveness-probe",
        on: On::Annotation,
        example: "exec:pg_isready;period=10",
        grammar: PROBE_GRAMMAR,
        effect: "Decides when a container is restarted; `none` turns the profile's probe off.",
        native: "spec.template.spec.containers[].livenessProbe",
        pattern: PROBE,
        read: |draft, entry| put(&mut draft.intent.liveness_probe, probe::parse(entry.text)),
    },
    Key {
        name: "startup-probe",
        on: On::Annotation,
        example: "tcp:5432;failures=60",
        grammar: PROBE_GRAMMAR,
        effect: "Holds the other probes back until the container has started; `none` turns the profile's probe off.",
        native: "spec.template.spec.containers[].startupProbe",
        pattern: PROBE,
        read: |draft, entry| put(&mut draft.intent.startup_probe, probe::parse(entry.text)),
    },
    Key {
        name: "size",
        on: On::Annotation,
        example: "small",
        grammar: "the name of a size of the profile",
        effect: "Picks requests and limits of the main container out of the sizes that the profile defines.",
        native: "spec.template.spec.containers[].resources",
        pattern: whole!(label!()),
        read: |draft, entry| put(&mut draft.intent.size, syntax::label("name of a size", entry.text)),
    },
    Key {
        name: "env-from",
        on: On::Annotation,
        example: "secret/db,configmap/app",
        grammar: "secret/NAME and configmap/NAME, separated by commas",
        effect: "Takes all keys of these Secrets and ConfigMaps into the main container's environment.",
        native: "spec.template.spec.containers[].envFrom",
        pattern: list!("(secret|configmap)\\s*/\\s*", subdomain!()),
        read: |draft, entry| {
            draft.intent.env_from = environment::from(entry.text)?;
            Ok(())
        },
    },
    Key {
        name: "generate-secret",
        on: On::Annotation,
        example: "POSTGRES_PASSWORD",
        grammar: "names of environment variables, separated by commas",
        effect: "Makes a Secret `NAME-generated` with a random value for each key, once, and takes it into the main \
                 container's environment.",
        native: "a Secret of your own and spec.template.spec.containers[].envFrom",
        pattern: list!("[A-Za-z_][A-Za-z0-9_]*"),
        read: |draft, entry| {
            draft.intent.generate_secret = environment::secret_keys(entry.text)?;
            Ok(())
        },
    },
    Key {
        name: "service",
        on: On::Annotation,
        example: "internal",
        grammar: "the name of a service class, or `none`",
        effect: "Picks the class of the client Service; `none` means that there is none.",
        native: "a Service of your own",
        pattern: whole!("[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"),
        read: |draft, entry| put(&mut draft.intent.service, traffic::service(entry.text)),
    },
    Key {
        name: "service-ports",
        on: On::Annotation,
        example: "80:http",
        grammar: "port:container-port (number or name), separated by commas",
        effect: "Sets the ports of the client Service; else it has those of the container.",
        native: "spec.ports of a Service of your own",
        pattern: list!("[0-9]{1,5}\\s*:\\s*", port!()),
        read: |draft, entry| {
            draft.intent.service_ports = ports::of_service(entry.text)?;
            Ok(())
        },
    },
    Key {
        name: "ingress-host",
        on: On::Annotation,
        example: "search.example.com",
        grammar: "one host name",
        effect: "Makes an Ingress for this host, or with `gateway` a route.",
        native: "an Ingress of your own",
        pattern: whole!("(\\*\\.)?", subdomain!()),
        read: |draft, entry| put(&mut draft.ingress.host, syntax::host(entry.text)),
    },
    Key {
        name: "ingress-class",
        on: On::Annotation,
        example: "nginx",
        grammar: "the name of an IngressClass",
        effect: "Sets the class of the Ingress; else the cluster's default.",
        native: "spec.ingressClassName of an Ingress of your own",
        pattern: whole!(subdomain!()),
        read: |draft, entry| {
            let class = syntax::subdomain("name of an IngressClass", entry.text);
            put(&mut draft.ingress.class, class)
        },
    },
    Key {
        name: "ingress-path",
        on: On::Annotation,
        example: "/search",
        grammar: "a path that begins with a slash",
        effect: "Sets the path below which requests come to this set; else `/`.",
        native: "spec.rules[].http.paths[].path of an Ingress of your own",
        pattern: "^\\s*/[^\\s?#\\\\]*\\s*$",
        read: |draft, entry| put(&mut draft.ingress.path, traffic::path(entry.text)),
    },
    Key {
        name: "ingress-port",
        on: On::Annotation,
        example: "http",
        grammar: "the number or the name of a port of the container",
        effect: "Sets the port behind the Ingress or route; else the one that speaks HTTP, else the only one.",
        native: "spec.rules[].http.paths[].backend of an Ingress of your own",
        pattern: whole!(port!()),
        read: |draft, entry| put(&mut draft.ingress.port, syntax::port_ref(entry.text)),
    },
    Key {
        name: "ingress-tls-secret",
        on: On::Annotation,
        example: "search-tls",
        grammar: "the name of a Secret",
        effect: "Makes the Ingress speak TLS with the certificate in this Secret.",
        native: "spec.tls[].secretName of an Ingress of your own",
        pattern: whole!(subdomain!()),
        read: |draft, entry| {
            let name = syntax::subdomain("name of a Secret", entry.text);
            put(&mut draft.ingress.tls_secret, name)
        },
    },
    Key {
        name: "ingress-cluster-issuer",
        on: On::Annotation,
        example: "letsencrypt",
        grammar: "the name of a ClusterIssuer of cert-manager",
        effect: "Makes the Ingress speak TLS with a certificate that cert-manager keeps, in Secret `NAME-stateward-tls`.",
        native: "metadata.annotations[\"cert-manager.io/cluster-issuer\"] of an Ingress of your own",
        pattern: whole!(subdomain!()),
        read: |draft, entry| {
            let name = syntax::subdomain("name of a ClusterIssuer", entry.text);
            put(&mut draft.ingress.cluster_issuer, name)
        },
    },
    Key {
        name: "gateway",
        on: On::Annotation,
        example: "infra/public",
        grammar: "[namespace/]name of a Gateway",
        effect: "Makes a route on this Gateway, instead of an Ingress: an HTTPRoute for `ingress-host`, else a TCPRoute.",
        native: "an HTTPRoute or TCPRoute of your own",
        pattern: whole!("(", label!(), "\\s*/\\s*)?", subdomain!()),
        read: |draft, entry| put(&mut draft.intent.gateway, traffic::gateway(entry.text)),
    },
    Key {
        name: "disruption-budget",
        on: On::Annotation,
        example: "max-unavailable=1",
        grammar: "max-unavailable=N or min-available=N, a count or a percentage, or `none`",
        effect: "Says how many pods a drain may take away at a time; else one.",
        native: "a PodDisruptionBudget of your own",
        pattern: whole!("none|(max-unavailable|min-available)\\s*=\\s*[0-9]+\\s*%?"),
        read: |draft, entry| put(&mut draft.intent.disruption_budget, budget::parse(entry.text)),
    },
    Key {
        name: "keep",
        on: On::Annotation,
        example: "podManagementPolicy",
        grammar: "one or more of podManagementPolicy, terminationGracePeriodSeconds, updateStrategy, \
                  revisionHistoryLimit, persistentVolumeClaimRetentionPolicy, readinessProbe, livenessProbe, \
                  startupProbe, separated by commas; a probe stands for its timings",
        effect: "Says that these fields are as you mean them, though they equal the API's default and so look unset.",
        native: "none",
        pattern: list!(
            "podManagementPolicy|terminationGracePeriodSeconds|updateStrategy|revisionHistoryLimit|",
            "persistentVolumeClaimRetentionPolicy|readinessProbe|livenessProbe|startupProbe"
        ),
        read: |draft, entry| {
            draft.intent.keep = keep::fields(entry.text)?;
            Ok(())
        },
    },
    Key {
        name: "acknowledge",
        on: On::Annotation,
        example: "separate-replicas",
        grammar: "names of refusals, as the refusal gives them, separated by commas",
        effect: "Says that you mean what the profile refuses: replicas that form no cluster, a missing password.",
        native: "none",
        pattern: list!(label!()),
        read: |draft, entry| {
            draft.intent.acknowledge = keep::refusals(entry.text)?;
            Ok(())
        },
    },
    Key {
        name: "break-glass",
        on: On::Annotation,
        example: "INC-4711: restore by hand",
        grammar: "the reason, in words",
        effect: "Lets this one change of a set pass in spite of a refusal, not expanded, where the platform's \
                 configuration names you under breakGlass.",
        native: "none",
        pattern: "\\S",
        read: |draft, entry| {
            draft.intent.break_glass = Some(entry.text.to_owned());
            Ok(())
        },
    },
];

/// What the label `managed` says.
pub(crate) fn managed(text: &str) -> Result<bool, Complaint> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Complaint::invalid(format!("{} is neither \"true\" nor \"false\"", quote(text)))
            .remedy("write \"true\" to opt in or \"false\" to opt out, in quotation marks")),
    }
}
