//! Sets of manifests: what each would get if it were new, before and after.

use super::{Outlook, engines};
use crate::catalogue::cluster::Joined;
use crate::cli::input::{self, Document, Source};
use crate::cli::judge::Judge;
use crate::cli::known::Known;
use crate::cli::moves::{self, Move};
use crate::engine::{Admitted, Decision, EngineError};

/// Of each managed set.
pub(super) fn outlooks(
    sources: &[Source],
    namespace: &str,
    known: &Known,
    after: &Joined,
) -> Result<Vec<Outlook>, EngineError> {
    let (old, new) = engines(known, after);
    let (old, new) = (Judge::new(&old, sources, namespace), Judge::new(&new, sources, namespace));
    let mut outlooks = Vec::new();
    for item in sources.iter().flat_map(|source| &source.documents).flat_map(Document::statefulsets) {
        let mut moved = Move {
            namespace: input::namespace(item.object, namespace).to_owned(),
            name: input::name(item.object).to_owned(),
            ..Move::default()
        };
        let mut anew = Vec::new();
        match (old.create(item.object)?.decision, new.create(item.object)?.decision) {
            (Decision::Admitted(was), Decision::Admitted(is)) => compare(&mut moved, &was, *is),
            (Decision::Refused { .. }, Decision::Admitted(is)) => {
                anew.push(format!("is refused no more, and gets {}", is.pin));
            }
            (was, Decision::Refused { faults, .. }) => {
                let known = match was {
                    Decision::Refused { faults, .. } => faults,
                    Decision::Admitted(was) => {
                        moved.from = was.pin;
                        Vec::new()
                    }
                    Decision::Ignored | Decision::Unchanged { .. } => Vec::new(),
                };
                let news = faults.iter().filter(|fault| !known.iter().any(|old| old.same_as(fault)));
                moved.refused = news.map(ToString::to_string).collect();
            }
            (_, Decision::Ignored | Decision::Unchanged { .. }) => continue,
            (Decision::Ignored | Decision::Unchanged { .. }, Decision::Admitted(_)) => {}
        }
        outlooks.push(Outlook { moved, is_there: false, anew });
    }
    Ok(outlooks)
}

fn compare(moved: &mut Move, was: &Admitted, is: Admitted) {
    moved.fields = moves::fields(&was.result, &is.result, |path| {
        let found = is.injections.iter().find(|injection| injection.path == *path);
        found.map(|injection| injection.source.to_string()).unwrap_or_default()
    });
    moved.from.clone_from(&was.pin);
    moved.to = is.pin;
}
