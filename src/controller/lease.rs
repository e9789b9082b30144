//! One of several replicas works: the one that holds a Lease.
//!
//! The published crates for it were passed over: the one for this version of kube goes on believing
//! in its claim while the API server is out of reach, and compares clocks of different machines.

mod election;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use tokio::time::Instant;

use self::election::{Election, Move, RETRY};
use crate::names::MANAGER;
use crate::server::Readiness;
use crate::stores::said;

/// For each call to the API server; the client has no time-out of its own.
const CALL: Duration = Duration::from_secs(5);

/// Whether this replica may write now. Asked right before each write: a process that was stopped for
/// minutes must not finish what it was about to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Leadership(Arc<Mutex<Option<Instant>>>);

impl Leadership {
    /// Whether a write that is sent now is ours to send.
    pub(super) fn holds(&self) -> bool {
        self.until().is_some_and(|until| Instant::now() < until)
    }

    fn until(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, until: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Runs for a Lease.
pub(super) struct Candidate {
    leases: Api<Lease>,
    name: String,
    election: Election,
    leadership: Leadership,
    readiness: Readiness,
}

/// The part of `/readyz` that waits for a first look at the Lease. A replica that waits for its turn
/// is ready.
const PART: &str = "lease";

/// Why a look at the Lease came to nothing.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("failed to {verb} the Lease: {}", said(source))]
    Call { verb: &'static str, source: kube::Error },
    #[error("the API server did not answer within {CALL:?}")]
    Timeout,
}

impl Candidate {
    /// A candidate for the Lease of this name.
    pub(super) fn new(leases: Api<Lease>, name: String, identity: String, readiness: Readiness) -> Self {
        readiness.wait_for(PART, "not looked at yet");
        let election = Election::new(identity);
        Self { leases, name, election, leadership: Leadership::default(), readiness }
    }

    /// What says whether this replica may write.
    pub(super) fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Waits until the Lease is ours.
    pub(super) async fn campaign(&mut self) {
        let mut rival = None;
        while self.leadership.until().is_none() {
            match self.look().await {
                Ok(None) => return,
                Ok(Some(holder)) => {
                    if rival.as_ref() != Some(&holder) {
                        tracing::info!(%holder, "another replica is at work; waiting");
                        rival = Some(holder);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot campaign; trying again");
                    self.readiness.wait_for(PART, error.to_string());
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Does `work` for as long as the Lease is ours, and drops it when that ends.
    pub(super) async fn work(&mut self, work: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = self.keep() => tracing::warn!("lost the Lease: the work stops here"),
            () = work => {}
        }
        self.election.lose();
        self.leadership.set(None);
    }

    /// Renews until the claim has ended.
    async fn keep(&mut self) {
        while let Some(until) = self.leadership.until() {
            let renewed = async {
                tokio::time::sleep(RETRY).await;
                match self.look().await {
                    Ok(None) => {}
                    Ok(Some(holder)) => tracing::warn!(%holder, "another replica has taken the Lease"),
                    Err(error) => tracing::warn!(%error, "cannot renew the Lease; trying again"),
                }
            };
            if tokio::time::timeout_at(until, renewed).await.is_err() {
                return;
            }
        }
    }

    /// One look at the Lease, and a claim where it is free or ours. Gives the holder if that is
    /// another one.
    async fn look(&mut self) -> Result<Option<String>, LeaseError> {
        let lease = call("get", self.leases.get_opt(&self.name)).await?;
        let sent = Instant::now();
        let holder = match self.election.judge(lease.as_ref(), sent, Timestamp::now()) {
            Move::Wait(holder) => Some(holder),
            Move::Claim(record) => {
                if self.write(lease, *record).await? {
                    self.election.won(sent);
                    None
                } else {
                    Some("somebody who was faster".to_owned())
                }
            }
        };
        self.leadership.set(self.election.until());
        self.readiness.ready(PART);
        Ok(holder)
    }

    /// Whether the record was written; another's write in between is no error.
    async fn write(&self, lease: Option<Lease>, record: LeaseSpec) -> Result<bool, LeaseError> {
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let written = if let Some(lease) = lease {
            // With the resourceVersion that was read: whoever wrote since then wins.
            let lease = Lease { spec: Some(record), ..lease };
            call("update", self.leases.replace(&self.name, &params, &lease)).await
        } else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(record) };
            call("create", self.leases.create(&params, &lease)).await
        };
        match written {
            Ok(_) => Ok(true),
            Err(LeaseError::Call { source: kube::Error::Api(status), .. })
                if matches!(status.code, 404 | 409) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the Lease up, so that another replica need not wait until it expires.
    pub(super) async fn release(&mut self) {
        self.leadership.set(None);
        let released = async {
            let lease = call("get", self.leases.get_opt(&self.name)).await?;
            let seen = lease.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
            match self.election.released(&seen, Timestamp::now()) {
                Some(record) => self.write(lease, record).await,
                None => Ok(false),
            }
        };
        match released.await {
            Ok(true) => tracing::info!("released the Lease"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "could not release the Lease; it expires"),
        }
    }
}

async fn call<T>(
    verb: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, LeaseError> {
    let answer = tokio::time::timeout(CALL, request).await.map_err(|_| LeaseError::Timeout)?;
    answer.map_err(|source| LeaseError::Call { verb, source })
}

#[cfg(test)]
mod tests;
