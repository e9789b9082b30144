//! An expansion in the making: what is offered, against what the user wrote.

use std::borrow::Cow;

use serde_json::Value;

use super::{Expansion, Family, Injection, Source, Withheld};
use crate::catalogue::offers;
use crate::fault::Fault;
use crate::path::{Path, Scalar, Step};
use crate::settings::{Settings, containers_path};
use crate::union::TIMINGS;

/// The user's object and what has been added to it so far.
pub struct Draft<'a> {
    /// The user's fields: the object without what is ours.
    pub user: &'a Value,
    /// The settings.
    pub settings: &'a Settings,
    pod: &'a Value,
    main: Path,
    main_container: Option<&'a Value>,
    expansion: Expansion,
}

/// How many steps it is to the pod's part of the template.
const POD: usize = 3;

/// More than most sets get beside what the profile lists: identity, claims and their mounts, spreading.
const OF_NO_OFFER: usize = 32;

/// What the profile offers to this set: the main container named, placeholders filled in.
pub struct Offered<'a> {
    /// Where.
    pub path: Path,
    /// What.
    pub value: Cow<'a, Value>,
    /// From which layer.
    pub source: &'a Source,
    /// Whether stored data depends on it.
    pub data: bool,
}

impl<'a> Draft<'a> {
    /// Nothing added yet.
    #[must_use]
    pub fn new(user: &'a Value, settings: &'a Settings) -> Self {
        let main = containers_path().named(settings.main.clone());
        let pod = &user["spec"]["template"]["spec"];
        let injections = Vec::with_capacity(settings.variant.offers.len() + OF_NO_OFFER);
        let expansion = Expansion { injections, ..Expansion::default() };
        Self { user, settings, pod, main_container: main.lookup(user), main, expansion }
    }

    /// What came of it.
    #[must_use]
    pub fn finish(self) -> Expansion {
        self.expansion
    }

    /// The pod's part of the template as the user wrote it.
    #[must_use]
    pub fn pod(&self) -> &'a Value {
        self.pod
    }

    /// The path of the main container.
    #[must_use]
    pub fn main(&self) -> Path {
        self.main.clone()
    }

    /// The main container as the user wrote it.
    #[must_use]
    pub fn main_container(&self) -> &'a Value {
        const NONE: &Value = &Value::Null;
        self.main_container.unwrap_or(NONE)
    }

    /// The items that the user has in `list` of the main container.
    #[must_use]
    pub fn main_items(&self, list: &str) -> &'a [Value] {
        self.main_container()[list].as_array().map_or(&[], Vec::as_slice)
    }

    /// The profile's offers of one family, the main container named and placeholders filled in; those
    /// that cannot be filled in are withheld.
    #[must_use]
    pub fn offers(&mut self, family: Family) -> Vec<Offered<'a>> {
        let settings = self.settings;
        let offers = settings.variant.offers.iter().filter(|offer| offer.family == family);
        let mut filled = Vec::with_capacity(offers.clone().count());
        for offer in offers {
            let path = self.named(&offer.path);
            match self.fill(&offer.value) {
                Ok(value) => filled.push(Offered { path, value, source: &offer.source, data: offer.data }),
                Err(why) => self.withhold(path, why),
            }
        }
        filled
    }

    /// The path of an offer, with the main container's name.
    fn named(&self, path: &Path) -> Path {
        if !path.0.iter().any(is_main) {
            return path.clone();
        }
        let main = self.main.0.last();
        let step = |step| main.filter(|_| is_main(step)).unwrap_or(step);
        Path(path.0.iter().map(step).cloned().collect())
    }

    /// The user's value at `path`, unless it is as good as unsaid: an API default on the list of
    /// [`is_api_default`] that the user does not `keep`.
    #[must_use]
    pub fn user_value(&self, path: &Path) -> Option<&'a Value> {
        let value = path.lookup(self.user)?;
        (!is_api_default(path, value) || self.kept(path)).then_some(value)
    }

    /// Adds each leaf of `value` that the user has not written. Gives whether any was added.
    pub fn offer(&mut self, path: &Path, value: &Value, source: &Source, data: bool) -> bool {
        self.offer_by(path, value, |_| source, data)
    }

    /// The same, where the source of a leaf goes by its last field.
    pub fn offer_by<'s>(
        &mut self,
        path: &Path,
        value: &Value,
        source: impl Fn(&str) -> &'s Source,
        data: bool,
    ) -> bool {
        let mut any = false;
        for (leaf, value) in offers::leaves(path, value) {
            let source = source(leaf.last_field().unwrap_or_default());
            any |= self.offer_leaf(leaf, value, source, data);
        }
        any
    }

    /// Adds what the profile offers, unless the user has written it.
    pub fn take(&mut self, offer: Offered) -> bool {
        self.add(offer.path, offer.value, offer.source, offer.data)
    }

    /// Adds one leaf, unless the user has written it.
    pub fn offer_leaf(&mut self, path: Path, value: Value, source: &Source, data: bool) -> bool {
        self.add(path, Cow::Owned(value), source, data)
    }

    fn add(&mut self, path: Path, value: Cow<Value>, source: &Source, data: bool) -> bool {
        let why = if self.kept(&path) {
            format!("{}keep says that it is as you mean it", crate::names::PREFIX)
        } else {
            match self.users(&path) {
                Err(obstacle) => format!("{obstacle} is no map"),
                Ok(Some(value)) if !is_api_default(&path, value) => "you wrote it".to_owned(),
                Ok(there) => {
                    // Of some fifty: to hash them all takes longer than to compare their ends.
                    let new = !self.expansion.injections.iter().any(|other| other.path == path);
                    if new {
                        let (value, source) = (value.into_owned(), source.clone());
                        let over_default = there.is_some();
                        self.expansion.injections.push(Injection { path, value, source, data, over_default });
                    }
                    return new;
                }
            }
        };
        self.withhold(path, why);
        false
    }

    /// Notes that something is not added.
    pub fn withhold(&mut self, path: Path, why: impl Into<String>) {
        self.expansion.withheld.push(Withheld { path, why: why.into() });
    }

    /// Notes that none of `offers` is added.
    pub fn withhold_all(&mut self, offers: &[Offered], why: &str) {
        for offer in offers {
            self.withhold(offer.path.clone(), why);
        }
    }

    /// Notes a fault.
    pub fn fault(&mut self, fault: Fault) {
        self.expansion.faults.push(fault);
    }

    /// What has been added so far.
    #[must_use]
    pub fn injections(&self) -> &[Injection] {
        &self.expansion.injections
    }

    /// What stands at `path`: the user's value, else ours.
    #[must_use]
    pub fn effective(&self, path: &Path) -> Option<Value> {
        let ours = || self.expansion.injections.iter().find(|i| i.path == *path).map(|i| i.value.clone());
        self.user_value(path).cloned().or_else(ours)
    }

    /// The value at `path` in what the user wrote, `null` counting as absent; else the first step on the way
    /// there where it has something that is neither map nor list.
    fn users(&self, path: &Path) -> Result<Option<&'a Value>, Path> {
        // Most paths lead into the pod, and most of these into the main container, which have been looked up.
        let to_pod = &self.main.0[..POD];
        let (from, start) = match self.main_container {
            Some(main) if path.starts_with(&self.main) => (main, self.main.0.len()),
            _ if path.0.starts_with(to_pod) && self.pod.is_object() => (self.pod, POD),
            _ => (self.user, 0),
        };
        users(from, path, start)
    }

    fn kept(&self, path: &Path) -> bool {
        let keep = &self.settings.intent.keep;
        !keep.is_empty()
            && path.0.iter().any(|step| matches!(step, Step::Field(f) if keep.iter().any(|k| k == f)))
            && (crate::union::probe_of(path).is_none() || is_timing(path))
    }
}

fn is_timing(path: &Path) -> bool {
    path.last_field().is_some_and(|field| TIMINGS.iter().any(|(name, _)| *name == field))
}

/// Whether `value` at `path` counts as unsaid, because the API server fills it in before admission
/// (`pkg/apis/apps/v1/defaults.go`, `pkg/apis/core/v1/defaults.go`) and a profile may well want
/// another. The list is short on purpose, and documented; `keep` overrides it.
#[must_use]
pub fn is_api_default(path: &Path, value: &Value) -> bool {
    // As many as the longest path below, and one more to tell longer ones.
    let mut fields = [""; 7];
    let names = path.0.iter().filter_map(|step| match step {
        Step::Field(name) => Some(name.as_ref()),
        Step::Item(_) => None,
    });
    let count = fields.iter_mut().zip(names).map(|(field, name)| *field = name).count();
    match &fields[..count] {
        ["spec", "podManagementPolicy"] => value == "OrderedReady",
        ["spec", "serviceName"] => value == "",
        ["spec", "revisionHistoryLimit"] => value == 10,
        ["spec", "updateStrategy", "type"] => value == "RollingUpdate",
        ["spec", "updateStrategy", "rollingUpdate", "partition"] => value == 0,
        ["spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted" | "whenScaled"] => value == "Retain",
        ["spec", "template", "spec", "terminationGracePeriodSeconds"] => value == 30,
        ["spec", "template", "spec", "containers", probe, timing] => {
            crate::union::PROBES.contains(probe)
                && TIMINGS.iter().any(|(name, default)| name == timing && value == default)
        }
        _ => false,
    }
}

/// Whether a step of an offer's path is into the main container, whatever its name.
fn is_main(step: &Step) -> bool {
    let Step::Item(key) = step else { return false };
    matches!(&*key.0, [(field, Scalar::Text(name))] if field == "name" && name == "$(main)")
}

/// Follows `path` from its step `start` on, where `here` is.
fn users<'v>(mut here: &'v Value, path: &Path, start: usize) -> Result<Option<&'v Value>, Path> {
    let mut list = "";
    for (index, step) in path.0.iter().enumerate().skip(start) {
        let next = step.follow(here, list).filter(|value| !value.is_null());
        let Some(next) = next else { return Ok(None) };
        (here, list) = (next, step.list(list));
        let last = index + 1 == path.0.len();
        if !last && !here.is_object() && !here.is_array() {
            return Err(Path::of(&path.0[..=index]));
        }
    }
    Ok(Some(here))
}
