//! Whether another size that a namespace gives would change a set.

use serde_json::Value;

use super::create::differences;
use super::{data, intent_of};
use crate::catalogue::Catalogue;
use crate::expand::expand;
use crate::expand::update::is_immutable;
use crate::ownership::{self, Named};
use crate::record::{Read, Record};
use crate::settings::{Defaults, Pin, Settings};

/// Whether an upgrade would make something else of a set than its pin does, were the defaults of its namespace
/// these: not where its user says a size, nor where its user wrote all that sizes differ in.
///
/// Of the set this takes the whole object, or as much as the user's resources and what the choice of settings
/// reads, without a record of fields.
#[must_use]
pub fn is_resized(set: &Value, pin: &Pin, today: &Defaults, catalogue: &Catalogue) -> bool {
    let (intent, _) = intent_of(set);
    let Some(pinned) = Settings::pinned(set, &intent, pin, catalogue) else { return false };
    // Most sets end here, where nothing has to be expanded.
    if intent.size.is_some() || today.size_in(&pinned.profile) == pin.defaults.size_in(&pinned.profile) {
        return false;
    }
    let Read::Known(record) = Record::of(set) else { return false };
    let user = ownership::before(set, &record, &Named::of(set)).user;
    let resized = pinned.clone().with_defaults(today.clone().brought_to(&pin.defaults));
    let leave = data::rule(&record);
    let differ = differences(&expand(&user, &pinned), &expand(&user, &resized)).into_iter();
    differ.into_iter().any(|(path, data)| !is_immutable(&path) && !leave(&path, data))
}
