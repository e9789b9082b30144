//! Container ports: the user's, else the annotation's, else the profile's.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Draft, Family, Source};
use crate::names;
use crate::path::{ItemKey, Scalar};
use crate::settings::{containers, text};

pub(super) fn expand(draft: &mut Draft) {
    let offers = draft.offers(Family::Ports);
    let list = draft.main().field("ports");
    if !draft.main_items("ports").is_empty() {
        if draft.settings.intent.ports.is_some() {
            draft.withhold(list, "the container declares ports of its own");
        } else {
            draft.withhold_all(&offers, "the container declares ports of its own");
        }
        return;
    }
    let Some(ports) = &draft.settings.intent.ports else {
        for offer in offers {
            let taken = offer.value.as_str().is_some_and(|name| others_have(draft, name));
            if taken {
                draft.withhold(offer.path, "another container has a port of this name");
            } else {
                draft.take(offer);
            }
        }
        return;
    };
    let source = Source::Intent { key: format!("{}ports", names::PREFIX).into() };
    for port in ports {
        let key = ItemKey(Arc::new([
            ("containerPort".into(), Scalar::Number(port.number.into())),
            ("protocol".into(), Scalar::Text(port.protocol.into())),
        ]));
        let item = json!({"containerPort": port.number, "protocol": port.protocol, "name": port.name});
        draft.offer(&list.item(key), &item, &source, false);
    }
}

/// Whether another container declares a port of this name: named targets of Services would be
/// ambiguous.
fn others_have(draft: &Draft, name: &str) -> bool {
    containers(draft.user)
        .iter()
        .filter(|container| container["name"] != draft.settings.main)
        .flat_map(|container| container["ports"].as_array().map_or(&[][..], Vec::as_slice))
        .any(|port| text(&port["name"]) == name)
}

/// The first TCP port of the main container, by name where it has one; the user's or ours.
pub(super) fn first_tcp(draft: &Draft) -> Option<Value> {
    let is_tcp = |port: &&Value| matches!(text(&port["protocol"]), "" | "TCP");
    if let Some(port) = draft.main_items("ports").iter().find(is_tcp) {
        let name = Some(&port["name"]).filter(|name| !text(name).is_empty());
        return name.or(Some(&port["containerPort"])).filter(|port| !port.is_null()).cloned();
    }
    let list = draft.main().field("ports");
    draft.injections().iter().find_map(|injection| {
        let key = injection.path.0.get(list.0.len())?;
        let crate::path::Step::Item(key) = key else {
            return None;
        };
        let tcp = key.0.iter().any(|(_, value)| matches!(value, Scalar::Text(t) if t == "TCP"));
        let named = injection.path.last_field() == Some("name");
        (injection.path.starts_with(&list) && tcp && named).then(|| injection.value.clone())
    })
}
