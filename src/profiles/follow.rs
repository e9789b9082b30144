//! Watches a cluster's profiles and kept revisions.

use std::sync::Arc;

use futures::{Stream, StreamExt};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Error, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client};

use super::{Known, Profiles, object};
use crate::listing;
use crate::server::Readiness;
use crate::stores::said;

/// Parts of `/readyz`.
const PROFILES: &str = "statefulsetprofiles";
const REVISIONS: &str = "controllerrevisions";
/// Events that are taken in at once.
const BATCH: usize = 256;
/// How long the API server may keep a watch open; it sends a bookmark every minute.
const WATCH: u32 = 290;

/// How profiles are addressed.
pub(crate) fn profiles() -> ApiResource {
    let kind = GroupVersionKind::gvk("stateward.dev", "v1alpha1", "StatefulSetProfile");
    ApiResource::from_gvk_with_plural(&kind, PROFILES)
}

/// How kept revisions are addressed.
pub(crate) fn revisions() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("apps", "v1", "ControllerRevision"), REVISIONS)
}

/// Which of the two something is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Profiles,
    Revisions,
}

impl Of {
    fn part(self) -> &'static str {
        match self {
            Self::Profiles => PROFILES,
            Self::Revisions => REVISIONS,
        }
    }
}

/// Says that both are waited for.
pub(crate) fn announce(readiness: &Readiness) {
    for part in [PROFILES, REVISIONS] {
        readiness.wait_for(part, "not listed yet");
    }
}

/// Waits for them no longer.
pub(crate) fn rest(readiness: &Readiness) {
    for part in [PROFILES, REVISIONS] {
        if readiness.waits_for(part) {
            readiness.ready(part);
        }
    }
}

/// Follows both for ever. `readiness` waits, once [`announce`]d, until each was listed: before that, a new set would
/// get other defaults than its platform's. A cluster that does not serve profiles has none. Of the revisions those with
/// this label are known: `stateward.dev/profile`, or `shelf::ALL` for who looks after them.
pub(crate) async fn follow(
    profiles: &Profiles,
    client: &Client,
    (namespace, label): (&str, &str),
    readiness: &Readiness,
) {
    let given = Api::<DynamicObject>::all_with(client.clone(), &self::profiles());
    let kept = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &revisions());
    let ours = watcher::Config::default().labels(label);
    let both = futures::stream::select(
        events(given, watcher::Config::default()).map(|event| (Of::Profiles, event)),
        events(kept, ours).map(|event| (Of::Revisions, event)),
    );
    let mut batches = std::pin::pin!(both.ready_chunks(BATCH));
    let (mut listing, mut complete) = ((Vec::new(), Vec::new()), Vec::new());
    while let Some(batch) = batches.next().await {
        profiles.update(|known| {
            let mut changed = false;
            for (of, event) in batch {
                let listed = match of {
                    Of::Profiles => &mut listing.0,
                    Of::Revisions => &mut listing.1,
                };
                match take(known, of, event, listed) {
                    Taken::List => {
                        changed = true;
                        complete.push(of.part());
                    }
                    Taken::Object => changed = true,
                    Taken::Nothing => {}
                }
            }
            changed
        });
        // Not before the catalogue holds what was listed.
        complete.drain(..).for_each(|part| readiness.ready(part));
    }
}

fn events(
    api: Api<DynamicObject>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Event<DynamicObject>, Error>> + Send {
    listing::in_time(move || watch::watcher(api.clone(), config.clone().timeout(WATCH))).default_backoff()
}

/// What an event was.
enum Taken {
    /// The end of a list.
    List,
    /// One object's.
    Object,
    /// Nothing that changes what is known.
    Nothing,
}

/// Takes in one event.
fn take(
    known: &mut Known,
    of: Of,
    event: Result<Event<DynamicObject>, Error>,
    listed: &mut Vec<DynamicObject>,
) -> Taken {
    match event {
        Ok(Event::Init) => listed.clear(),
        Ok(Event::InitApply(object)) => listed.push(object),
        Ok(Event::InitDone) => {
            known.forget(of);
            listed.drain(..).for_each(|object| known.put(of, &object));
            return Taken::List;
        }
        Ok(Event::Apply(object)) => {
            known.put(of, &object);
            return Taken::Object;
        }
        Ok(Event::Delete(object)) => {
            known.remove(of, &object::name(&object));
            return Taken::Object;
        }
        Err(error) if of == Of::Profiles && is_unserved(&error) => {
            known.forget(of);
            return Taken::List;
        }
        Err(error) => {
            let error = cause(&error);
            tracing::warn!(of = of.part(), error, "lost touch with the API server; what is known stays");
        }
    }
    Taken::Nothing
}

impl Known {
    fn forget(&mut self, of: Of) {
        match of {
            Of::Profiles => self.profiles.clear(),
            Of::Revisions => {
                self.revisions.clear();
                self.unread.clear();
            }
        }
    }

    fn put(&mut self, of: Of, object: &DynamicObject) {
        match of {
            Of::Profiles => {
                let name = object::name(object);
                self.profiles.extend(object::profile(object).map(|profile| (name, profile)));
            }
            Of::Revisions => self.put_revision(object),
        }
    }

    /// Notes a kept revision.
    pub(super) fn put_revision(&mut self, object: &DynamicObject) {
        let name = object::name(object);
        if let Some(shelved) = object::shelved(object) {
            self.revisions.insert(name, Arc::new(shelved));
        } else {
            tracing::warn!(name, "a kept revision cannot be read: a later version of stateward wrote it");
            self.unread.insert(name);
        }
    }

    fn remove(&mut self, of: Of, name: &str) {
        match of {
            Of::Profiles => _ = self.profiles.remove(name),
            Of::Revisions => {
                self.revisions.remove(name);
                self.unread.remove(name);
            }
        }
    }
}

/// Whether the cluster does not know the kind.
fn is_unserved(error: &Error) -> bool {
    matches!(error, Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404)
}

fn cause(error: &Error) -> String {
    match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
            said(error)
        }
        Error::WatchError(status) => status.message.clone(),
        Error::NoResourceVersion => error.to_string(),
    }
}
