//! The process from arguments to exit code.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::WebhookArgs;
use super::client::client;
use super::tls::files::FilesError;
use super::tls::{Serving, files, install_provider};
use super::{Limits, Readiness, Respond, Running, Settings, Webhook};
use crate::certificates::{Keeper, KeeperSettings};
use crate::engine::{Facts, Offline};
use crate::names;
use crate::platform;
use crate::profiles::{self, Profiles};
use crate::stores::Stores;
use crate::telemetry::{self, LogError, Metrics};

/// Why the webhook could not start, or ended otherwise than well.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that cannot be listened on.
    #[error("cannot listen on {address} ({flag}): {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The argument that named it.
        flag: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// Certificate files that are there and unusable.
    #[error(transparent)]
    Certificates(#[from] FilesError),
    /// No way to the cluster.
    #[error("cannot reach the cluster: {0}")]
    Cluster(String),
    /// A second signal.
    #[error("ended at once by a second signal")]
    Interrupted,
    /// A log level that is none.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The file for the addresses cannot be written.
    #[error("cannot write {path}: {source}")]
    ReadyFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No threads to run on.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] std::io::Error),
    /// No handlers for signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] std::io::Error),
    /// The server ended by a fault of its own.
    #[error("the server stopped unexpectedly")]
    Stopped,
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {source}")]
    Tls {
        /// What rustls says.
        source: rustls::Error,
    },
    /// Arguments that contradict each other.
    #[error("{0}")]
    Usage(String),
}

impl StartError {
    /// The exit code: 1 failed while running, 2 usage, 3 unreadable input, 4 cluster.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Bind { .. }
            | Self::Interrupted
            | Self::ReadyFile { .. }
            | Self::Runtime(_)
            | Self::Signals(_)
            | Self::Stopped
            | Self::Tls { .. } => 1,
            Self::Log(_) | Self::Usage(_) => 2,
            Self::Certificates(_) => 3,
            Self::Cluster(_) => 4,
        }
    }
}

/// Serves until a signal ends it, with the cluster's profiles in `profiles`. `build` makes the responder
/// from what is known of the cluster.
///
/// A first SIGTERM or SIGINT drains, a second one ends the process at once.
///
/// # Errors
/// [`StartError`], which knows its exit code.
pub async fn run(
    args: WebhookArgs,
    profiles: Arc<Profiles>,
    build: impl FnOnce(Arc<dyn Facts>) -> Arc<dyn Respond>,
) -> Result<(), StartError> {
    let mut signals = Signals::new()?;
    let metrics = Arc::new(Metrics::new());
    let _log = telemetry::init(args.log_level.as_deref(), metrics.log_lines_dropped.clone())?;
    install_provider();
    profiles.tell_files();
    let readiness = Readiness::new();
    let client =
        if args.without_cluster { None } else { Some(connect(args.kubeconfig.as_deref(), None).await?) };
    let serving = Serving::new(Arc::clone(&metrics), readiness.clone());
    let facts: Arc<dyn Facts> = match &client {
        Some(client) => Stores::watch(client, &readiness, &metrics),
        None => Arc::new(Offline),
    };
    if let Some(client) = client.clone() {
        let (readiness, namespace) = (readiness.clone(), args.own_namespace());
        // Before anyone asks whether all is ready.
        profiles::announce(&readiness);
        tokio::spawn(async move {
            profiles::follow(&profiles, &client, (&namespace, names::PROFILE), &readiness).await;
        });
    }
    let (facts, following) = match &args.configuration {
        Some(file) => {
            let (facts, task) = platform::configured(facts, file.clone(), Arc::clone(&metrics));
            (facts, Some(task))
        }
        None => (facts, None),
    };
    let certificates = certificates(&args, client, &serving, &metrics)?;
    let webhook = Webhook::new(build(facts), Limits::default(), Arc::clone(&metrics));
    let settings = Settings {
        bind: args.bind,
        admin_bind: args.admin_bind,
        limits: Limits::default(),
        shutdown_delay: args.shutdown_delay,
    };
    let running = super::start(settings, &webhook, &serving, &readiness).await?;
    let outcome = serve(running, &readiness, args.ready_file.as_deref(), &mut signals).await;
    certificates.abort();
    if let Some(following) = following {
        following.abort();
    }
    outcome
}

async fn serve(
    running: Running,
    readiness: &Readiness,
    ready_file: Option<&Path>,
    signals: &mut Signals,
) -> Result<(), StartError> {
    let drain = running.drain();
    let addresses = serde_json::json!({ "address": running.address(), "admin": running.admin() });
    let mut finished = std::pin::pin!(running.finished());
    tokio::select! {
        _ = &mut finished => return Err(StartError::Stopped),
        () = signals.next() => {}
        told = tell_ready(readiness, ready_file, &addresses) => {
            told?;
            tokio::select! {
                _ = &mut finished => return Err(StartError::Stopped),
                () = signals.next() => {}
            }
        }
    }
    drain.begin();
    tokio::select! {
        cut = &mut finished => if cut == usize::MAX { Err(StartError::Stopped) } else { Ok(()) },
        () = signals.next() => Err(StartError::Interrupted),
    }
}

/// Says that the process is ready, in the log and in the file that a script waits for.
pub(crate) async fn tell_ready(
    readiness: &Readiness,
    file: Option<&Path>,
    addresses: &serde_json::Value,
) -> Result<(), StartError> {
    readiness.until_ready().await;
    tracing::info!(%addresses, "ready");
    let Some(path) = file else { return Ok(()) };
    let failed = |source| StartError::ReadyFile { path: path.to_owned(), source };
    // Whoever waits for the file must never read half of it.
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    std::fs::write(&draft, addresses.to_string()).map_err(failed)?;
    std::fs::rename(&draft, path).map_err(failed)
}

/// A client for the cluster that the kubeconfig names, else the one around us. `read` bounds the
/// silence of the API server while it sends an answer.
pub(crate) async fn connect(
    kubeconfig: Option<&Path>,
    read: Option<Duration>,
) -> Result<kube::Client, StartError> {
    let failed = |error: &dyn std::error::Error| StartError::Cluster(error.to_string());
    let mut config = match kubeconfig {
        None => kube::Config::infer().await.map_err(|error| failed(&error))?,
        Some(path) => {
            let file = kube::config::Kubeconfig::read_from(path).map_err(|error| failed(&error))?;
            let options = kube::config::KubeConfigOptions::default();
            kube::Config::from_custom_kubeconfig(file, &options).await.map_err(|error| failed(&error))?
        }
    };
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = read;
    client(config).map_err(|error| failed(&error))
}

/// Loads the certificate, or sees to it that there will be one, and keeps it fresh.
fn certificates(
    args: &WebhookArgs,
    client: Option<kube::Client>,
    serving: &Arc<Serving>,
    metrics: &Arc<Metrics>,
) -> Result<tokio::task::JoinHandle<()>, StartError> {
    if let Some(files) = args.files() {
        files.start(serving)?;
        return Ok(tokio::spawn(files.follow(Arc::clone(serving), files::POLL)));
    }
    let usage = |text: &str| StartError::Usage(text.to_owned());
    let client = client.ok_or_else(|| usage("without a cluster, give --tls-cert-file and --tls-key-file"))?;
    if !args.self_managed_certificates {
        return Err(usage("give --tls-cert-file and --tls-key-file, or --self-managed-certificates"));
    }
    let namespace = args.own_namespace();
    let service = &args.service_name;
    let mut names = vec![format!("{service}.{namespace}.svc")];
    names.extend(args.certificate_names.iter().cloned());
    let settings = KeeperSettings { namespace, names, webhook: args.webhook_name.clone() };
    let keeper = Keeper::new(client, settings, Arc::clone(serving), Arc::clone(metrics));
    Ok(tokio::spawn(keeper.run()))
}

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, StartError> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(StartError::Signals)?,
            interrupt: signal(SignalKind::interrupt()).map_err(StartError::Signals)?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
