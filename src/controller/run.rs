//! The process from arguments to exit code.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc::unbounded;
use kube::runtime::controller::{Action, Config, Error, applier};
use kube::{Api, Client};
use tokio::time::timeout;

use super::apply::Writer;
use super::args::ControllerArgs;
use super::lease::{Candidate, Leadership};
use super::profiles::Tender;
use super::quiet::Quiet;
use super::reconcile::{Context, reconcile};
use super::report::Teller;
use super::stores::Stores;
use super::wake::{Waiting, Wake};
use crate::catalogue::Catalogue;
use crate::companions::Kind;
use crate::platform::{ConfigurationError, Platform};
use crate::profiles::{self, Profiles};
use crate::server::{Readiness, Signals, StartError, connect, serve_admin, tell_ready, tls};
use crate::telemetry::{self, Metrics};

/// Reconciles at one time.
const CONCURRENCY: u16 = 16;
/// How long the release of the Lease may take at the end; then it expires.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// A read from the API server that brings nothing for so long is broken off; watches bring a
/// bookmark every minute. The client's own default is for ever.
const READ: Duration = Duration::from_secs(100);

/// Why the controller could not start, or ended otherwise than well.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// A fault that the webhook can have as well.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A configuration that cannot be used.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// No random numbers for the identity.
    #[error("the operating system gives no random numbers: {0}; name this replica with --identity")]
    Identity(getrandom::Error),
}

impl ControllerError {
    /// The exit code: 1 failed while running, 2 usage, 3 unreadable input, 4 cluster.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start(error) => error.exit_code(),
            Self::Configuration(_) => 3,
            Self::Identity(_) => 1,
        }
    }
}

/// Keeps companions until a signal ends it. SIGTERM and SIGINT release the Lease first.
///
/// # Errors
/// [`ControllerError`], which knows its exit code.
pub async fn run(args: ControllerArgs, catalogue: Catalogue) -> Result<(), ControllerError> {
    let mut signals = Signals::new()?;
    let metrics = Arc::new(Metrics::new());
    let _log = telemetry::init(args.log_level.as_deref(), metrics.log_lines_dropped.clone())
        .map_err(StartError::from)?;
    tls::install_provider();
    let profiles = Arc::new(Profiles::new(catalogue));
    profiles.tell_files();
    let readiness = Readiness::new();
    let mut platform = Platform::start(args.configuration.clone(), Arc::clone(&metrics))?;
    let client = connect(args.kubeconfig.as_deref(), Some(READ)).await?;
    let (admin, _serving) = serve_admin(args.admin_bind, &readiness, &metrics).await?;
    let identity = args.identity().map_err(ControllerError::Identity)?;
    tracing::info!(%admin, %identity, "listening");
    let leases = Api::namespaced(client.clone(), &args.lease_namespace());
    let mut candidate = Candidate::new(leases, args.lease_name.clone(), identity, readiness.clone());
    let replica = Replica {
        client,
        readiness: readiness.clone(),
        metrics,
        profiles,
        namespace: args.lease_namespace(),
        leadership: candidate.leadership(),
        resync: args.resync_period,
        retention: args.revision_retention,
        without: args.without.clone(),
    };
    let addresses = serde_json::json!({ "admin": admin });
    let tell = tell_ready(&readiness, args.ready_file.as_deref(), &addresses);
    tokio::select! {
        () = signals.next() => {}
        never = replica.take_turns(&mut candidate, &mut platform) => match never {},
        failed = async { match tell.await { Ok(()) => std::future::pending().await, Err(error) => error } } => {
            return Err(failed.into());
        }
    }
    tracing::info!("stopping");
    tokio::select! {
        _ = timeout(LAST_WORDS, candidate.release()) => Ok(()),
        () = signals.next() => Err(StartError::Interrupted.into()),
    }
}

/// What a replica needs for its work.
struct Replica {
    client: Client,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    profiles: Arc<Profiles>,
    namespace: String,
    leadership: Leadership,
    resync: Duration,
    retention: Duration,
    without: Vec<Kind>,
}

impl Replica {
    /// Waits for the Lease, works while it is ours, and begins anew.
    async fn take_turns(
        &self,
        candidate: &mut Candidate,
        platform: &mut Platform,
    ) -> std::convert::Infallible {
        loop {
            candidate.campaign().await;
            tracing::info!("this replica is at work now");
            self.metrics.controller.leader.set(1);
            candidate.work(Box::pin(self.work(platform))).await;
            self.metrics.controller.leader.set(0);
            Stores::rest(&self.readiness);
            profiles::rest(&self.readiness);
        }
    }

    /// Watches and reconciles for ever. Dropping it ends all of it: nothing here is spawned.
    async fn work(&self, platform: &mut Platform) {
        let (wake, woken) = unbounded();
        let writer_of_sets = kube::runtime::reflector::store::Writer::new(());
        let waiting = Arc::new(Waiting::new(Arc::clone(&self.metrics)));
        let known_sets = writer_of_sets.as_reader();
        let wake = Wake::new(known_sets.clone(), wake, Arc::clone(&waiting));
        let stores = Stores::new(wake, self.readiness.clone(), Arc::clone(&self.metrics), &self.without);
        let writer = Writer::new(self.client.clone(), self.leadership.clone(), Arc::clone(&self.metrics));
        let context = Arc::new(Context {
            stores: Arc::clone(&stores),
            teller: Teller::new(writer.clone(), Arc::clone(&self.metrics)),
            writer,
            profiles: Arc::clone(&self.profiles),
            configuration: Arc::clone(&platform.current),
            metrics: Arc::clone(&self.metrics),
            resync: self.resync,
            without: self.without.clone(),
            quiet: Quiet::default(),
            waiting,
            secrets: Mutex::new(HashMap::new()),
            failures: Mutex::new(HashMap::new()),
        });
        // What another replica has told in the meantime is not ours to count.
        context.teller.forget_all();
        let reconciles = async {
            // Before all stores are complete, an object that was not listed yet looks like none.
            self.readiness.until_ready().await;
            let queue = woken.map(Ok::<_, std::convert::Infallible>);
            let never = |_, _: &_, _| Action::await_change();
            let reconciles = applier(
                |object, context| Box::pin(reconcile(object, context)),
                never,
                Arc::clone(&context),
                known_sets,
                queue,
                Config::default().concurrency(CONCURRENCY),
            );
            let gone = reconciles.for_each(async |done| {
                if let Err(Error::ObjectNotFound(set)) = done {
                    let set = set.into_kind_unchecked(());
                    context.waiting.done(&set);
                    context.forget(&set);
                    // It came again while it was waiting, which has woken nobody.
                    if stores.set(&set).is_some() {
                        stores.wake(set);
                    }
                }
            });
            gone.await;
        };
        futures::join!(
            stores.follow(&self.client, writer_of_sets),
            platform.follow(|| stores.wake_all()),
            self.follow_profiles(&context),
            reconciles,
        );
    }

    /// Follows the profiles, keeps their revisions and tells what came of them, for ever.
    async fn follow_profiles(&self, context: &Context) {
        let stores = &context.stores;
        profiles::announce(&self.readiness);
        let tended = async {
            // Before all sets are listed, they cannot be counted.
            self.readiness.until_ready().await;
            let tender = Tender {
                profiles: &self.profiles,
                writer: &context.writer,
                namespace: &self.namespace,
                retention: self.retention,
            };
            tender.tend(|| stores.uses(&self.profiles)).await;
        };
        let mut revisions = self.profiles.revisions();
        let woken = async {
            // A set whose revision was not known may be one whose is.
            while revisions.changed().await.is_ok() {
                stores.wake_all();
            }
        };
        let all = (self.namespace.as_str(), profiles::shelf::ALL);
        let following = profiles::follow(&self.profiles, &self.client, all, &self.readiness);
        futures::join!(following, tended, woken);
    }
}
