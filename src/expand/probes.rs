//! Startup, readiness and liveness probes.
//!
//! A probe that the user wrote is left whole: handler and timings belong together. One of whose
//! handler nothing is left but timings (server-side apply leaves those behind) gets ours.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::ports::first_tcp;
use super::{Draft, Family, Offered, Source};
use crate::fault::{Fault, Reason};
use crate::intent::{Handler, Intent, PortRef, Probe};
use crate::names;
use crate::union::{PROBES, TIMINGS, handler, has_handler, is_handler, probe_of};

pub(super) fn expand(draft: &mut Draft) {
    let main = draft.main();
    let mut of_main = PROBES.map(|_| Vec::new());
    let mut others = Vec::new();
    for offer in draft.offers(Family::Probes) {
        let of = |name: &&str| probe_of(&offer.path).is_some_and(|(probe, _)| probe == *name);
        match PROBES.iter().position(of).filter(|_| offer.path.starts_with(&main)) {
            Some(at) => of_main[at].push(offer),
            None => others.push(offer),
        }
    }
    for (name, offers) in PROBES.into_iter().zip(of_main) {
        let (key, intent) = wanted(&draft.settings.intent, name);
        let source = Source::Intent { key: format!("{}{key}", names::PREFIX).into() };
        match intent {
            Some(Probe::None) => {
                draft.withhold(draft.main().field(name), format!("{source} is none"));
                contradict(draft, name, &source);
            }
            _ if handler(&draft.main_container()[name]).is_some() => {
                draft.withhold(draft.main().field(name), "you wrote it");
            }
            Some(Probe::Check { .. }) => check(draft, name, offers, intent.as_ref(), &source),
            None => profile(draft, name, offers),
        }
    }
    for offer in others {
        if has_handler(draft.user, &offer.path) == Some(true) {
            draft.withhold(offer.path, "you wrote it");
        } else {
            draft.take(offer);
        }
    }
}

fn wanted(intent: &Intent, name: &str) -> (&'static str, Option<Probe>) {
    match name {
        "startupProbe" => ("startup-probe", intent.startup_probe.clone()),
        "readinessProbe" => ("readiness-probe", intent.readiness_probe.clone()),
        _ => ("liveness-probe", intent.liveness_probe.clone()),
    }
}

/// Timings that the user wrote for a probe that there is not to be: taking them out would lose them,
/// and without a handler they are illegal. What the API server fills in does not count.
fn contradict(draft: &mut Draft, name: &'static str, source: &Source) {
    let probe = &draft.main_container()[name];
    let filled_in = |field: &str, value: &Value| {
        value.is_null()
            || is_handler(field)
            || TIMINGS.iter().any(|(timing, default)| *timing == field && value == default)
    };
    let written = probe.as_object().into_iter().flatten().find(|(field, value)| !filled_in(field, value));
    if let (None, Some((field, value))) = (handler(probe), written) {
        let path = draft.main().field(name);
        let problem = format!("{source} is none, and {field}: {value} is written for that probe");
        let remedy = format!("remove {name} from the container, or take the annotation away");
        draft.fault(Fault::new(Reason::Contradiction, path.to_string(), problem, remedy));
    }
}

/// The profile's probe, its `$(port)` filled in.
fn profile(draft: &mut Draft, name: &'static str, offers: Vec<Offered>) {
    let wants_port = offers.iter().any(|offer| *offer.value == "$(port)");
    let port = first_tcp(draft);
    if wants_port && port.is_none() {
        draft.withhold(draft.main().field(name), "the container declares no TCP port");
        return;
    }
    for mut offer in offers {
        if let (true, Some(port)) = (*offer.value == "$(port)", &port) {
            offer.value = Cow::Borrowed(port);
        }
        draft.take(offer);
    }
}

/// The user's handler, with the profile's timings where the user names none.
fn check(
    draft: &mut Draft,
    name: &'static str,
    offers: Vec<Offered>,
    probe: Option<&Probe>,
    source: &Source,
) {
    let Some(Probe::Check { handler, period, timeout, failures, delay }) = probe else {
        return;
    };
    let path = draft.main().field(name);
    let mut said = handler_value(handler);
    for (field, value) in [
        ("initialDelaySeconds", delay),
        ("periodSeconds", period),
        ("timeoutSeconds", timeout),
        ("failureThreshold", failures),
    ] {
        if let Some(value) = value {
            said.insert(field.to_owned(), Value::from(*value));
        }
    }
    let said = Value::Object(said);
    draft.offer(&path, &said, source, false);
    let timings = offers.into_iter().filter(|offer| matches!(probe_of(&offer.path), Some((_, None))));
    for offer in timings {
        if offer.path.last_field().is_some_and(|field| said.get(field).is_none()) {
            draft.take(offer);
        }
    }
    for (field, value) in TIMINGS {
        let path = path.field(field);
        if !draft.injections().iter().any(|injection| injection.path == path) {
            draft.offer_leaf(path, Value::from(value), source, false);
        }
    }
}

/// A handler as the API server stores it, its defaults filled in.
fn handler_value(handler: &Handler) -> Map<String, Value> {
    let port = |port: &PortRef| match port {
        PortRef::Name(name) => Value::from(name.as_str()),
        PortRef::Number(number) => Value::from(*number),
    };
    let (name, value) = match handler {
        Handler::Exec(command) => ("exec", json!({"command": command})),
        Handler::Grpc(number, service) => {
            ("grpc", json!({"port": number, "service": service.clone().unwrap_or_default()}))
        }
        Handler::Http { port: at, path, tls } => (
            "httpGet",
            json!({"path": path, "port": port(at), "scheme": if *tls { "HTTPS" } else { "HTTP" }}),
        ),
        Handler::Tcp(at) => ("tcpSocket", json!({"port": port(at)})),
    };
    Map::from_iter([(name.to_owned(), value)])
}
