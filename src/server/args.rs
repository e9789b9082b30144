//! The arguments of `stateward webhook`. Each can also come from the environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::limits::parse_duration;
use super::tls::files::Files;

/// Where a pod finds the name of its own namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// Where stateward lives if nobody says otherwise.
const DEFAULT_NAMESPACE: &str = "stateward-system";

/// Arguments of the webhook.
#[derive(Debug, Clone, Args)]
pub struct WebhookArgs {
    /// Address of the webhook (HTTPS); port 0 takes any free port
    #[arg(long, env = "STATEWARD_BIND", default_value = "0.0.0.0:9443", value_name = "ADDRESS:PORT")]
    pub bind: SocketAddr,

    /// Address of /livez, /readyz and /metrics (HTTP)
    #[arg(long, env = "STATEWARD_ADMIN_BIND", default_value = "0.0.0.0:8080", value_name = "ADDRESS:PORT")]
    pub admin_bind: SocketAddr,

    /// PEM file with the serving certificate and its chain, read again when it changes
    #[arg(long, env = "STATEWARD_TLS_CERT_FILE", value_name = "FILE", requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,

    /// PEM file with the private key of the certificate
    #[arg(long, env = "STATEWARD_TLS_KEY_FILE", value_name = "FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,

    /// Make and renew the certificates ourselves, in a Secret, and write caBundle
    #[arg(long, env = "STATEWARD_SELF_MANAGED_CERTIFICATES")]
    #[arg(conflicts_with_all = ["tls_cert_file", "tls_key_file", "without_cluster"])]
    pub self_managed_certificates: bool,

    /// Further name or IP address for the self-managed certificate; repeatable
    #[arg(long = "certificate-name", env = "STATEWARD_CERTIFICATE_NAMES", value_name = "NAME")]
    #[arg(value_delimiter = ',')]
    pub certificate_names: Vec<String>,

    /// Namespace that stateward runs in; default: the pod's own, else stateward-system
    #[arg(long, env = "STATEWARD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// Service through which the API server calls the webhook
    #[arg(long, env = "STATEWARD_SERVICE_NAME", default_value = "stateward", value_name = "NAME")]
    pub service_name: String,

    /// Name of both webhook configurations
    #[arg(long, env = "STATEWARD_WEBHOOK_NAME", default_value = "stateward", value_name = "NAME")]
    pub webhook_name: String,

    /// Kubeconfig file; default: $KUBECONFIG, ~/.kube/config, or the pod's service account
    #[arg(long, env = "STATEWARD_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Ask no cluster for anything: no stores, certificates from files; for development
    #[arg(long, env = "STATEWARD_WITHOUT_CLUSTER")]
    pub without_cluster: bool,

    /// Directory with profiles to know besides the built-in ones
    #[arg(long, env = "STATEWARD_PROFILES", value_name = "DIR")]
    pub profiles: Option<PathBuf>,

    /// YAML file with what the platform grants, read again when it changes: that of the controller
    #[arg(long, env = "STATEWARD_CONFIGURATION", value_name = "FILE")]
    pub configuration: Option<PathBuf>,

    /// How long to serve on after SIGTERM, until nobody sends requests here any more
    #[arg(long, env = "STATEWARD_SHUTDOWN_DELAY", default_value = "10s", value_name = "DURATION")]
    #[arg(value_parser = duration)]
    pub shutdown_delay: Duration,

    /// File to write the real addresses to, as JSON, once ready
    #[arg(long, env = "STATEWARD_READY_FILE", value_name = "FILE")]
    pub ready_file: Option<PathBuf>,

    /// What to log: error, warn, info, debug, trace, or a filter such as stateward=debug
    #[arg(long, env = "STATEWARD_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<String>,
}

impl WebhookArgs {
    /// The certificate's files, unless the certificates are ours.
    #[must_use]
    pub fn files(&self) -> Option<Files> {
        let (certificate, key) = (self.tls_cert_file.clone()?, self.tls_key_file.clone()?);
        Some(Files { certificate, key })
    }

    /// These arguments with certificates of our own making, unless files are named.
    #[must_use]
    pub fn self_managed(self) -> Self {
        let self_managed_certificates = self.files().is_none();
        Self { self_managed_certificates, ..self }
    }

    /// The namespace that stateward runs in.
    #[must_use]
    pub fn own_namespace(&self) -> String {
        own_namespace(self.namespace.as_deref())
    }
}

/// The namespace that is named, else that of the pod, else the one of a usual installation.
pub(crate) fn own_namespace(named: Option<&str>) -> String {
    let from_pod = || {
        let name =
            std::env::var("POD_NAMESPACE").or_else(|_| std::fs::read_to_string(NAMESPACE_FILE)).ok()?;
        let name = name.trim();
        (!name.is_empty()).then(|| name.to_owned())
    };
    named.map(str::to_owned).or_else(from_pod).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())
}

/// Reads a length of time, for clap.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a number with a unit, for example 10s or 500ms".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;

    fn parse(line: &str) -> Result<WebhookArgs, clap::Error> {
        let command = WebhookArgs::augment_args(Command::new("webhook"));
        let matches = command.try_get_matches_from(format!("webhook {line}").split_whitespace())?;
        WebhookArgs::from_arg_matches(&matches)
    }

    #[test]
    fn certificates_come_from_files_or_from_ourselves() {
        assert!(parse("--tls-cert-file a --tls-key-file b").unwrap().files().is_some());
        assert!(parse("--self-managed-certificates").unwrap().files().is_none());
        for wrong in [
            "--tls-cert-file a",
            "--tls-key-file b",
            "--self-managed-certificates --tls-cert-file a --tls-key-file b",
            "--self-managed-certificates --without-cluster",
            "--self-managed-certificates --shutdown-delay soon",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn names_repeat_and_times_have_units() {
        let args = parse(
            "--self-managed-certificates --certificate-name localhost --certificate-name 127.0.0.1 \
             --shutdown-delay 0 --namespace guard",
        )
        .unwrap();
        assert_eq!(args.certificate_names, ["localhost", "127.0.0.1"]);
        assert_eq!((args.shutdown_delay, args.own_namespace().as_str()), (Duration::ZERO, "guard"));
    }
}
