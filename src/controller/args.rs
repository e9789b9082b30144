//! The arguments of `stateward controller`. Each can also come from the environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use k8s_openapi::jiff::SignedDuration;

use crate::companions::Kind;
use crate::server::{duration, own_namespace};

/// Arguments of the controller.
#[derive(Debug, Clone, Args)]
pub struct ControllerArgs {
    /// YAML file with what the platform grants, read again when it changes
    #[arg(long, env = "STATEWARD_CONFIGURATION", value_name = "FILE")]
    pub configuration: Option<PathBuf>,

    /// Address of /livez, /readyz and /metrics (HTTP); port 0 takes any free port
    #[arg(long, env = "STATEWARD_ADMIN_BIND", default_value = "0.0.0.0:8080", value_name = "ADDRESS:PORT")]
    pub admin_bind: SocketAddr,

    /// Namespace of the Lease; default: the pod's own, else stateward-system
    #[arg(long, env = "STATEWARD_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// Name of the Lease by which one of several replicas is at work
    #[arg(long, env = "STATEWARD_LEASE_NAME", default_value = "stateward-controller", value_name = "NAME")]
    pub lease_name: String,

    /// Name of this replica in the Lease; default: the host's name and a random part
    #[arg(long, env = "STATEWARD_IDENTITY", value_name = "NAME")]
    pub identity: Option<String>,

    /// Directory with profiles to know besides the built-in ones: those that the webhook has
    #[arg(long, env = "STATEWARD_PROFILES", value_name = "DIR")]
    pub profiles: Option<PathBuf>,

    /// Kinds not to keep, and to do without a right to, as the API server names them in the plural
    #[arg(long, env = "STATEWARD_WITHOUT", value_name = "KINDS", value_delimiter = ',')]
    #[arg(value_parser = kind)]
    pub without: Vec<Kind>,

    /// How often to look at a set that nothing happened to
    #[arg(long, env = "STATEWARD_RESYNC_PERIOD", default_value = "10m", value_name = "DURATION")]
    #[arg(value_parser = duration)]
    pub resync_period: Duration,

    /// How long a revision of a profile is kept that no set uses and no profile says; 0s is for ever
    #[arg(long, env = "STATEWARD_REVISION_RETENTION", default_value = "720h", value_name = "DURATION")]
    #[arg(value_parser = retention)]
    pub revision_retention: Duration,

    /// Kubeconfig file; default: $KUBECONFIG, ~/.kube/config, or the pod's service account
    #[arg(long, env = "STATEWARD_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// File to write the real address to, as JSON, once ready
    #[arg(long, env = "STATEWARD_READY_FILE", value_name = "FILE")]
    pub ready_file: Option<PathBuf>,

    /// What to log: error, warn, info, debug, trace, or a filter such as stateward=debug
    #[arg(long, env = "STATEWARD_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// A kind that the controller can do without: not those by which sets are reached and drained.
fn kind(text: &str) -> Result<Kind, String> {
    let can = |kind: &Kind| !matches!(kind, Kind::Service | Kind::PodDisruptionBudget);
    let known = || Kind::ALL.into_iter().filter(can);
    known().find(|kind| kind.plural() == text).ok_or_else(|| {
        let known: Vec<&str> = known().map(Kind::plural).collect();
        format!("write one of {}", known.join(", "))
    })
}

/// Longer than other durations may be.
fn retention(text: &str) -> Result<Duration, String> {
    let read = text.parse::<SignedDuration>().ok().and_then(|read| Duration::try_from(read).ok());
    read.ok_or_else(|| "write hours, minutes or seconds, for example 720h; 0s is for ever".to_owned())
}

impl ControllerArgs {
    /// The namespace of the Lease.
    #[must_use]
    pub fn lease_namespace(&self) -> String {
        own_namespace(self.lease_namespace.as_deref())
    }

    /// A name that no other replica has.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn identity(&self) -> Result<String, getrandom::Error> {
        if let Some(name) = &self.identity {
            return Ok(name.clone());
        }
        let host = hostname::get().ok().and_then(|name| name.into_string().ok());
        Ok(format!("{}_{:08x}", host.as_deref().unwrap_or("unknown"), getrandom::u32()?))
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;

    fn parse(line: &str) -> Result<ControllerArgs, clap::Error> {
        let command = ControllerArgs::augment_args(Command::new("controller"));
        let matches = command.try_get_matches_from(format!("controller {line}").split_whitespace())?;
        ControllerArgs::from_arg_matches(&matches)
    }

    #[test]
    fn replicas_have_names_of_their_own() {
        let args = parse("").unwrap();
        assert_ne!(args.identity().unwrap(), args.identity().unwrap());
        assert_eq!(parse("--identity a").unwrap().identity().unwrap(), "a");
        assert_eq!(
            (args.lease_name.as_str(), args.resync_period),
            ("stateward-controller", Duration::from_mins(10))
        );
        assert_eq!(parse("--lease-namespace guard").unwrap().lease_namespace(), "guard");
        assert!(parse("--resync-period often").is_err());
    }

    #[test]
    fn revisions_are_kept_for_as_long_as_is_said() {
        let read = |line: &str| parse(line).map(|args| args.revision_retention);
        assert_eq!(read("").unwrap(), Duration::from_hours(720));
        assert_eq!(read("--revision-retention 1h30m").unwrap(), Duration::from_mins(90));
        assert_eq!(read("--revision-retention 0s").unwrap(), Duration::ZERO);
        for wrong in ["soon", "-1h", "30"] {
            let why = read(&format!("--revision-retention={wrong}")).unwrap_err().to_string();
            assert!(why.contains("for example 720h"), "{why}");
        }
    }

    #[test]
    fn what_it_can_do_without_is_named() {
        let without = parse("--without ingresses,secrets").unwrap().without;
        assert_eq!(without, [Kind::Ingress, Kind::Secret]);
        let error = parse("--without services").unwrap_err().to_string();
        assert!(error.contains("write one of ingresses, networkpolicies"), "{error}");
    }
}
