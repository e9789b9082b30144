//! `updateStrategy`: what stands under `rollingUpdate` is for that type alone, and the API server refuses it
//! beside another.

use serde_json::Value;

use super::{Draft, Offered, is_api_default};
use crate::catalogue::offers;
use crate::edit;
use crate::path::Path;
use crate::union;

/// Why the user's strategy leaves no room for what is offered to another.
pub(super) fn crossed(draft: &Draft, offer: &Offered) -> Option<&'static str> {
    let strategy = Path::fields(&["spec", "updateStrategy"]);
    let (kind, rolling) = (strategy.field("type"), strategy.field("rollingUpdate"));
    if offer.path == kind && !union::is_rolling(&offer.value) {
        let written = rolling.lookup(draft.user).is_some_and(|block| !is_filled_in(&rolling, block));
        return written.then_some("you wrote rollingUpdate, which it leaves no room for");
    }
    let other = offer.path.starts_with(&rolling) && draft.user_value(&kind).is_some();
    other.then_some("you wrote another type, which it is not for")
}

/// Takes what the API server filled in for rolling updates out of a strategy of another type. It does so where
/// no type is written, before we say one; and nothing may stand there then. `ours` are the fields that we set
/// or have set: where none is of the strategy, it is the user's affair.
pub fn settle<'p>(object: &mut Value, mut ours: impl Iterator<Item = &'p Path>) {
    let strategy = Path::fields(&["spec", "updateStrategy"]);
    if !ours.any(|path| path.starts_with(&strategy)) {
        return;
    }
    let rolling = strategy.field("rollingUpdate");
    let other = strategy.field("type").lookup(object).is_some_and(|kind| !union::is_rolling(kind));
    if other && rolling.lookup(object).is_some_and(|block| is_filled_in(&rolling, block)) {
        edit::remove(object, &rolling);
    }
}

/// Whether there is nothing in the block but what the API server writes.
fn is_filled_in(rolling: &Path, block: &Value) -> bool {
    let is_empty =
        |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    offers::leaves(rolling, block).iter().all(|(path, value)| is_empty(value) || is_api_default(path, value))
}
