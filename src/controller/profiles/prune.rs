//! Kept revisions that nothing uses: marked, withdrawn, and after that deleted. By the leader alone.
//!
//! None that a set needs is lost on the way. What is marked is still known to all webhooks, so a set may
//! be pinned to it; the controller hears of it, and takes the mark off. What is withdrawn webhooks do not
//! find, so none pins a set to it from the moment that its watch has told; the object stays for as long
//! as that and a review in flight can take, and comes back if a set turns up after all. Only then, when
//! sets and claims that the API server lists anew do not have it either, it is deleted: by uid and
//! resourceVersion, so that nothing has happened to it since. A crash in between leaves what
//! the next leader goes on from.
//!
//! Times are those of the leader's clock: one that is wrong by a day makes it a day earlier or later. A time
//! from the future, or on a copy of the object from a backup, counts for nothing: it all begins anew.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::DynamicObject;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::uses::Uses;
use crate::catalogue::cluster::Joined;
use crate::controller::apply::{WriteError, Writer};
use crate::names;
use crate::profiles::shelf::{Note, Shelved, Since};

/// How long a revision is withdrawn before it is deleted, unless it is not kept even so long without
/// use: longer than a watch is behind and a review takes.
const WITHDRAWN: Duration = Duration::from_mins(10);
/// Objects in one page of a list, without their specs.
const PAGE: u32 = 500;

/// Kept revisions by the names of their objects.
pub(super) type Shelf = BTreeMap<String, Arc<Shelved>>;

/// What is done to a kept revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Note(Note),
    Delete,
}

/// Does what is due. `retention` is how long a revision is kept without use; zero is for ever.
pub(super) async fn prune(
    writer: &Writer,
    api: &Api<DynamicObject>,
    shelf: &Shelf,
    (joined, uses): (&Joined, &Uses),
    retention: Duration,
) {
    let mut acts = decide(shelf, joined, uses, (Timestamp::now(), retention));
    if acts.iter().any(|(_, act)| matches!(act, Act::Delete | Act::Note(Note::Withdrawn))) {
        let listed = match list(writer).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(%error, "cannot look which revisions of profiles are used; none is deleted");
                return;
            }
        };
        acts = decide(shelf, joined, &uses.clone().and(listed), (Timestamp::now(), retention));
    }
    for (name, act) in acts {
        let Some(shelved) = shelf.get(name) else { continue };
        let (profile, revision) = (&shelved.kept.profile, &shelved.kept.revision);
        match execute(writer, api, (name, shelved), act).await {
            Ok(()) => tell(profile, revision, act),
            // It is another one than we saw: the watch is about to tell.
            Err(error) if error.is_passing() => {}
            Err(error) => tracing::warn!(profile, revision, %error, "cannot tidy up a kept revision"),
        }
    }
}

fn tell(profile: &str, revision: &str, act: Act) {
    match act {
        Act::Note(Note::Unused) => tracing::debug!(profile, revision, "no set uses a kept revision"),
        Act::Note(Note::Used) => tracing::info!(profile, revision, "a kept revision is used again"),
        Act::Note(Note::Withdrawn) => {
            tracing::info!(profile, revision, "withdrew a kept revision that no set uses");
        }
        Act::Delete => tracing::info!(profile, revision, "deleted a kept revision that no set uses"),
    }
}

/// What is to be done to which. `retention` is zero where nothing is to go.
fn decide<'s>(
    shelf: &'s Shelf,
    joined: &Joined,
    uses: &Uses,
    (now, retention): (Timestamp, Duration),
) -> Vec<(&'s str, Act)> {
    // A set whose record nobody here can read may need any of them.
    let retention = if uses.unread { Duration::ZERO } else { retention };
    let acts = shelf.iter().filter_map(|(name, shelved)| {
        let (profile, revision) = (shelved.kept.profile.as_str(), shelved.kept.revision.as_str());
        let current = joined.catalogue.latest(profile).is_some_and(|latest| latest.revision == revision);
        // A profile says what it once said, and waits for its revision.
        let wanted =
            joined.unkept.iter().any(|unkept| unkept.profile == profile && unkept.revision == revision);
        let needed = current || wanted || uses.has(profile, revision);
        Some((name.as_str(), judge(shelved, needed, now, retention)?))
    });
    acts.collect()
}

/// What is to be done to one.
fn judge(shelved: &Shelved, needed: bool, now: Timestamp, retention: Duration) -> Option<Act> {
    let state = &shelved.state;
    if needed || retention.is_zero() {
        let back = state.withdrawn.is_so() || (needed && state.unused.is_so());
        return back.then_some(Act::Note(Note::Used));
    }
    let (since, anew, after, next) = if state.withdrawn.is_so() {
        (state.withdrawn, Note::Used, WITHDRAWN.min(retention), Act::Delete)
    } else {
        (state.unused, Note::Unused, retention, Act::Note(Note::Withdrawn))
    };
    match since {
        Since::Time(since) if since <= now => {
            let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
            (now.duration_since(since) >= after).then_some(next)
        }
        _ => Some(Act::Note(anew)),
    }
}

async fn execute(
    writer: &Writer,
    api: &Api<DynamicObject>,
    (name, shelved): (&str, &Shelved),
    act: Act,
) -> Result<(), WriteError> {
    const KIND: &str = "ControllerRevision";
    match act {
        Act::Note(note) => {
            let params =
                PatchParams { field_manager: Some(names::MANAGER.to_owned()), ..PatchParams::default() };
            let patch = Patch::Merge(note.patch(shelved, Timestamp::now()));
            writer.write("note", KIND, api.patch(name, &params, &patch)).await.map(|_| ())
        }
        Act::Delete => {
            let seen = (Some(shelved.state.uid.clone()), Some(shelved.state.version.clone()));
            let preconditions = Preconditions { uid: seen.0, resource_version: seen.1 };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            writer.write("delete", KIND, api.delete(name, &params)).await.map(|_| ())
        }
    }
}

/// What all sets and claims use, as the API server has them now: a watch may be behind, and which claims
/// sets left behind it does not tell. Listed when something is to go, which is seldom.
async fn list(writer: &Writer) -> Result<Uses, WriteError> {
    let mut uses = Uses::default();
    let all = ListParams::default();
    pages::<StatefulSet>(writer, "StatefulSet", all, |set| {
        uses.take_set(&json!({"metadata": set}));
    })
    .await?;
    let ours = ListParams::default().labels(names::STATEFULSET);
    let take = |claim: &ObjectMeta| uses.take_claim(&json!({"metadata": claim}));
    pages::<PersistentVolumeClaim>(writer, "PersistentVolumeClaim", ours, take).await?;
    Ok(uses)
}

async fn pages<K>(
    writer: &Writer,
    kind: &'static str,
    params: ListParams,
    mut take: impl FnMut(&ObjectMeta),
) -> Result<(), WriteError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api = Api::<K>::all(writer.client().clone());
    let mut params = params.limit(PAGE);
    loop {
        let page = writer.ask("list", kind, api.list_metadata(&params)).await?;
        page.items.iter().for_each(|one| take(&one.metadata));
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
