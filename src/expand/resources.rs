//! Requests and limits of the main container, from a size class.
//!
//! Never a request above a limit; where the user set a limit and no request, the pod's own default
//! (request = limit) holds and nothing is added.

use serde_json::Value;

use super::{Draft, Source};
use crate::fault::{Fault, Reason};
use crate::names;
use crate::quantity::Quantity;

pub(super) fn expand(draft: &mut Draft) {
    let settings = draft.settings;
    let key = format!("{}size", names::PREFIX);
    let of_namespace = settings.defaults.own_size_in(&settings.profile);
    let (class, source) = match (&settings.intent.size, of_namespace, &settings.profile.size) {
        (Some(size), ..) => (size, Source::Intent { key: key.as_str().into() }),
        (None, Some(size), _) => (size, Source::Namespace { key: key.as_str().into() }),
        (None, None, Some(size)) => (size, settings.profile.layer_of(&format!("sizes.{size}"))),
        (None, None, None) => return,
    };
    let Some(resources) = settings.profile.sizes.get(class) else {
        let known: Vec<&str> = settings.profile.sizes.keys().map(String::as_str).collect();
        let problem = format!("profile {} has no size {class:?}", settings.profile.name);
        let remedy = format!("write one of {}", known.join(", "));
        draft.fault(Fault::new(Reason::NotFound, key, problem, remedy));
        return;
    };
    for (other, own) in [("limits", "requests"), ("requests", "limits")] {
        let offered = resources[own].as_object();
        for (resource, amount) in offered.into_iter().flatten() {
            let path = draft.main().field("resources").field(own).field(resource.clone());
            let users = draft.main_container()["resources"][other].get(resource).and_then(amount_of);
            if let Some(why) = obstacle(own, amount, users) {
                draft.withhold(path, why);
            } else {
                draft.offer_leaf(path, amount.clone(), &source, false);
            }
        }
    }
}

/// Why `amount` cannot stand as `own` beside the user's value of the other kind.
fn obstacle(own: &str, amount: &Value, users: Option<Quantity>) -> Option<String> {
    let users = users?;
    if own == "requests" {
        return Some("you set a limit and no request, which then equals the limit".to_owned());
    }
    let ours = amount_of(amount)?;
    (users > ours).then(|| "your request is above it".to_owned())
}

fn amount_of(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    }
}
