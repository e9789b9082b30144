//! A profile tried on sets such as people write: what Kubernetes would refuse of each of them, or of what
//! stands beside them, is told before there are any.
//!
//! A value that is wrong is the profile's fault. What is absent may be what every set brings, so that it is
//! remarked on and refuses nothing.

mod beside;
mod placeholders;
mod values;
mod volumes;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::offers::Offer;
use super::profile::ProfileSpec;
use super::{Axis, Profile, check};
use crate::companions::{self, Labels};
use crate::configuration::Configuration;
use crate::expand::{self, Expansion, Injection, Source, Withheld};
use crate::fault::{Fault, Reason};
use crate::intent::{Intent, Storage};
use crate::path::{Path, Scalar, Step};
use crate::settings::{Settings, containers_path};
use crate::union::PROBES;
use crate::{defaults, edit, names, validate};

/// The name of the stand-in's main container: one that no profile gives to another.
const MAIN: &str = "main-of-the-stand-in";
/// As many variants are tried in all their combinations; beyond that each case is tried once.
const MOST: usize = 16;
/// As many verdicts are remembered.
const REMEMBERED: usize = 1024;
/// The hooks of a container.
const HOOKS: [&str; 2] = ["postStart", "preStop"];

/// What came of trying a profile. Each line begins with the field of the profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tried {
    /// What makes every set refused, or what is to stand beside it.
    pub(super) faults: Vec<String>,
    /// What does so unless the set itself has what is missing, and what is likely not meant.
    pub(super) remarks: Vec<String>,
}

/// Verdicts by profile and revision: whatever matters to them makes another revision. An edit of one
/// profile tries no other anew. Whether images pick it is no part of a revision.
#[derive(Debug, Default)]
pub(super) struct Trials(Mutex<BTreeMap<(String, String, bool), Arc<Tried>>>);

impl Trials {
    /// How many verdicts are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The verdict on a profile that these layers make, the weakest first.
    pub(super) fn of(&self, profile: &Profile, chain: &[(&str, &ProfileSpec)]) -> Arc<Tried> {
        let key = (profile.name.clone(), profile.revision.clone(), profile.images.is_empty());
        // Nothing that holds the lock can leave it half done.
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tried) = known().get(&key) {
            return Arc::clone(tried);
        }
        let (faults, remarks) = chain.last().map_or_else(Default::default, |(_, own)| check::keys(own));
        let mut tried = guarded(|| tried(profile, chain));
        tried.faults.splice(0..0, faults);
        tried.remarks.splice(0..0, remarks);
        let tried = Arc::new(tried);
        let mut all = known();
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(key, Arc::clone(&tried));
        tried
    }
}

/// A trial that ends by a fault of ours tells so: it must not take down who hears of a profile.
fn guarded(trial: impl FnOnce() -> Tried) -> Tried {
    let remark = "spec: it could not be tried on sets, which is a fault of stateward's; please report it";
    std::panic::catch_unwind(AssertUnwindSafe(trial))
        .unwrap_or_else(|_| Tried { remarks: vec![remark.to_owned()], ..Tried::default() })
}

/// Tries a profile: in its variants, with one replica and with three, and in each of its sizes.
fn tried(profile: &Profile, chain: &[(&str, &ProfileSpec)]) -> Tried {
    let shared = Arc::new(profile.clone());
    let mut tried = Tried { remarks: profile.idle.clone(), ..Tried::default() };
    let variants = combinations(&profile.axes);
    let plain = variants.iter().flat_map(|cases| [(cases, 1, None), (cases, 3, None)]);
    let sized = profile.sizes.keys().map(|size| (&variants[0], 1, Some(size)));
    for (cases, replicas, size) in plain.chain(sized) {
        Trial::new(&shared, cases, replicas, size).judge(&mut tried);
    }
    for axis in &profile.axes {
        for case in axis.cases.iter().filter(|case| case.is_idle()) {
            tried.remark(format!(
                "spec.variants: case {} of {} is taken for no image; write majorFrom, majorTo, tagContains or otherwise: \
                 true",
                case.name, axis.name
            ));
        }
    }
    beside::judge(profile, &mut tried);
    placeholders::judge_peers(profile, &mut tried);
    volumes::judge(profile, chain, &mut tried);
    tried
}

/// The variants of a profile, each as the cases of its axes.
pub(super) fn combinations(axes: &[Axis]) -> Vec<Vec<String>> {
    let axes: Vec<Vec<&String>> =
        axes.iter().map(|axis| axis.cases.iter().map(|case| &case.name).collect()).collect();
    let axes: Vec<_> = axes.into_iter().filter(|cases| !cases.is_empty()).collect();
    let count = axes.iter().try_fold(1_usize, |count, cases| count.checked_mul(cases.len()));
    if count.is_none_or(|count| count > MOST) {
        let longest = axes.iter().map(Vec::len).max().unwrap_or(1);
        return (0..longest)
            .map(|at| axes.iter().map(|cases| cases[at % cases.len()].clone()).collect())
            .collect();
    }
    axes.iter().fold(vec![Vec::new()], |all, cases| {
        let with = |some: &Vec<String>, case: &&String| [some.as_slice(), &[String::clone(case)]].concat();
        all.iter().flat_map(|some| cases.iter().map(move |case| with(some, case))).collect()
    })
}

/// One set of a profile.
struct Trial {
    settings: Settings,
    expansion: Expansion,
    /// The set as its author writes it.
    bare: Value,
    /// The same as it reaches us, with what the API server fills in.
    sent: Value,
    /// The set, expanded.
    set: Value,
}

impl Trial {
    fn new(profile: &Arc<Profile>, cases: &[String], replicas: u64, size: Option<&String>) -> Self {
        let bare = stand_in(profile, replicas);
        let mut sent = bare.clone();
        defaults::apply(&mut sent);
        let mut set = sent.clone();
        let mut intent = Intent { size: size.cloned(), ..Intent::default() };
        let settings = |intent: &Intent| {
            Settings::new(&set, intent, MAIN.to_owned(), Arc::clone(profile), cases.to_vec())
        };
        let mut chosen = settings(&intent);
        let data = &chosen.variant.data;
        if data.mount_path.is_some() && data.size.is_none() {
            // As whoever needs a size writes it.
            intent.storage = Some(Storage::Size("1Gi".to_owned()));
            chosen = settings(&intent);
        }
        let expansion = expand::expand(&set, &chosen);
        for Injection { path, value, .. } in &expansion.injections {
            // What has no place is among what was withheld.
            _ = edit::set(&mut set, path, value.clone());
        }
        expand::strategy::settle(&mut set, expansion.injections.iter().map(|one| &one.path));
        Self { settings: chosen, expansion, bare, sent, set }
    }

    fn judge(&self, tried: &mut Tried) {
        let of_annotations = |fault: &&Fault| !fault.field.starts_with(names::PREFIX);
        let expanded = self.expansion.faults.iter().filter(of_annotations).cloned();
        let mut faults: Vec<Fault> = expanded.chain(validate::structure(&self.set)).collect();
        faults.extend(validate::object(&self.set));
        for fault in values::faults(&self.set) {
            if !faults.iter().any(|other| other.field == fault.field) {
                faults.push(fault);
            }
        }
        for fault in &faults {
            let place = self.place(&fault.field);
            let Fault { field, problem, remedy, reason } = fault;
            let brought = match reason {
                Reason::NotFound => true,
                // One without images may be a parent, whose children say the rest.
                Reason::Missing => {
                    self.settings.profile.images.is_empty() || !self.is_half_said(field, &faults)
                }
                _ => false,
            };
            if brought {
                tried.remark(format!(
                    "{place}: {problem}, and a set that does not bring it is refused; {remedy}"
                ));
            } else {
                tried.fault(format!("{place}: {problem}, and each set of it would be refused; {remedy}"));
            }
        }
        self.judge_offers(tried);
        placeholders::judge(self, tried);
        let labels = Labels::new();
        let beside = companions::desired(&self.set, &self.settings, &Configuration::default(), &labels);
        beside::judge_services(&beside, tried);
        beside::judge_ports(&self.settings.profile.companions, &beside, tried);
    }

    /// Tells what is offered and neither set nor withheld: no part of the expansion looks at it.
    fn judge_offers(&self, tried: &mut Tried) {
        let Expansion { injections, withheld, .. } = &self.expansion;
        for offer in &self.settings.variant.offers {
            let taken = injections.iter().any(|one| is_of(offer, one))
                || withheld
                    .iter()
                    .any(|one| reaches(&offer.path, &one.path) || reaches(&one.path, &offer.path));
            let place = || self.settings.profile.place_of(offer);
            if !taken {
                let of_main = offer.path.starts_with(&containers_path().named("$(main)").field("resources"));
                let remedy = if of_main {
                    "requests and limits of the main container stand under sizes"
                } else {
                    "take it out"
                };
                tried.remark(format!("{}: no set gets it; {remedy}", place()));
            } else if withheld
                .iter()
                .any(|one| reaches(&offer.path, &one.path) && self.is_filled_in(offer, one))
            {
                tried.remark(format!(
                    "{}: no set gets it: the API server has filled in its own by then, which counts as the user's; \
                     take it out",
                    place()
                ));
            }
        }
    }

    /// Whether what is missing at `field` belongs to what is the profile's or the user's as a whole, so that
    /// no set adds to it: a reference, a handler, a claim that the profile mounts itself. What the claim of
    /// the data lacks may come from annotations.
    fn is_half_said(&self, field: &str, faults: &[Fault]) -> bool {
        if let Some((claim, missing)) = field.split_once("].spec.")
            && claim.starts_with("spec.volumeClaimTemplates[")
        {
            let claim = format!("{claim}]");
            let data = self.settings.variant.data.claim.as_deref().unwrap_or("data");
            let is_data = claim.ends_with(&format!("[name={data:?}]"));
            // Of one that is not mounted, that is the fault.
            let is_mounted = !faults.iter().any(|fault| fault.field == claim);
            return is_mounted && !is_data && matches!(missing, "accessModes" | "resources.requests.storage");
        }
        let mut steps = field.rsplitn(3, '.');
        let (Some(missing), Some(_), Some(around)) = (steps.next(), steps.next(), steps.next()) else {
            return false;
        };
        let is_in = |name: &str| around.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
        match missing {
            "command" | "port" => PROBES.into_iter().chain(HOOKS).any(is_in),
            "fieldPath" | "key" | "name" | "resource" => is_in("valueFrom"),
            _ => false,
        }
    }

    /// Whether an offer is withheld because of what the API server fills in, and says something else.
    fn is_filled_in(&self, offer: &Offer, withheld: &Withheld) -> bool {
        let path = &withheld.path;
        let stands = path.lookup(&self.sent).filter(|_| path.lookup(&self.bare).is_none());
        stands.is_some_and(|value| *value != offer.value)
    }

    /// The field of the profile that `field` of the set comes from.
    fn place(&self, field: &str) -> String {
        let stand_in = format!("name={MAIN:?}");
        let shown = field.replace(&stand_in, "name=\"$(main)\"");
        let Some(injection) = self.injection(field) else { return format!("spec.statefulSet.{shown}") };
        if !self.settings.variant.offers.iter().any(|offer| is_of(offer, injection)) {
            return self.apart(&injection.path);
        }
        self.settings.profile.place_by(&injection.source, &shown)
    }

    /// The injection that says what stands at `field`: around it, or else within it, or beside it in the same
    /// item. Of several, one of the profile's own: what its parents say was fit without it.
    fn injection(&self, field: &str) -> Option<&Injection> {
        let all: Vec<_> = self.expansion.injections.iter().map(|one| (one, one.path.to_string())).collect();
        let around = all.iter().filter(|(_, path)| begins(field, path)).max_by_key(|(_, path)| path.len());
        // What is missing and the keys of an item are no leaves: those nearest to them tell where it comes from.
        let item = field.rsplit_once("].").map_or(field.len(), |(item, _)| item.len() + 1);
        let parts = std::iter::successors(Some(field), |part| Some(part.rsplit_once('.')?.0))
            .take_while(|part| part.len() >= item);
        let within = |part| {
            let found = || all.iter().filter(|(_, path)| begins(path, part));
            found().find(|(one, _)| self.is_own(&one.source)).or_else(|| found().next())
        };
        around.or_else(|| parts.into_iter().find_map(within)).map(|(one, _)| *one)
    }

    /// Whether the profile says it itself, and none of its parents.
    fn is_own(&self, source: &Source) -> bool {
        matches!(source, Source::Variant { profile: name, .. } | Source::Profile { name }
            if **name == *self.settings.profile.name)
    }

    /// The field of what no part of a StatefulSet says: sizes and data.
    fn apart(&self, path: &Path) -> String {
        let resources = containers_path().named(MAIN).field("resources");
        if path.starts_with(&resources) {
            let intent = self.settings.intent.size.as_ref();
            let class = intent.or(self.settings.profile.size.as_ref()).map_or("", String::as_str);
            let rest = path.0[resources.0.len()..].iter().filter_map(|step| match step {
                Step::Field(field) => Some(field.as_ref()),
                Step::Item(_) => None,
            });
            return format!("spec.sizes.{class}.{}", rest.collect::<Vec<_>>().join("."));
        }
        if let Some(at) = self.spread_at(path) {
            return format!("spec.spread[{at}]");
        }
        let data = path.0.iter().any(|step| match step {
            Step::Field(field) => matches!(field.as_ref(), "volumeClaimTemplates" | "volumeMounts"),
            Step::Item(_) => false,
        });
        if data { "spec.data".to_owned() } else { "spec".to_owned() }
    }
}

impl Trial {
    /// Which key of `spread` makes the constraint at `path`.
    fn spread_at(&self, path: &Path) -> Option<usize> {
        let is_list = |step: &Step| matches!(step, Step::Field(name) if name == "topologySpreadConstraints");
        let at = path.0.iter().position(is_list)?;
        let Some(Step::Item(key)) = path.0.get(at + 1) else { return None };
        let is_of = |topology: &String| {
            key.0.iter().any(|(_, value)| *value == Scalar::Text(topology.clone().into()))
        };
        self.settings.profile.spread.iter().position(is_of)
    }
}

impl Tried {
    fn fault(&mut self, line: String) {
        if !self.faults.contains(&line) {
            self.faults.push(line);
        }
    }

    fn remark(&mut self, line: String) {
        if !self.remarks.contains(&line) {
            self.remarks.push(line);
        }
    }
}

impl Profile {
    /// The field of the profile that makes an offer.
    pub(super) fn place_of(&self, offer: &Offer) -> String {
        self.place_by(&offer.source, &offer.path.to_string())
    }

    fn place_by(&self, source: &Source, shown: &str) -> String {
        match source {
            Source::Variant { profile, variant } if **profile == *self.name => {
                let (axis, case) = self.case_at(variant);
                format!("spec.variants[{axis}].cases[{case}].statefulSet.{shown}")
            }
            Source::Variant { profile, .. } | Source::Profile { name: profile }
                if **profile != *self.name =>
            {
                format!("spec.extends: profile {profile}: statefulSet.{shown}")
            }
            _ => format!("spec.statefulSet.{shown}"),
        }
    }

    /// Where the case of this name stands among the variants of its layer.
    fn case_at(&self, name: &str) -> (usize, usize) {
        let layers = self.varied.iter().map(|layer| &self.axes[layer.axes.clone()]);
        let all = layers.rev().flat_map(|axes| axes.iter().enumerate());
        let at = |(axis, found): (usize, &Axis)| {
            Some((axis, found.cases.iter().position(|case| case.name == name)?))
        };
        all.into_iter().find_map(at).unwrap_or_default()
    }
}

/// A set of ten lines of this profile. It declares a port where the profile does not.
fn stand_in(profile: &Profile, replicas: u64) -> Value {
    let of_main = containers_path().named("$(main)").field("ports");
    let declares = profile.offers.iter().any(|offer| offer.path.starts_with(&of_main))
        || profile.varied.iter().any(|layer| !layer.stateful_set.is_null());
    let image = profile.images.first().map_or("example.com/stand-in", String::as_str);
    let mut main = json!({"name": MAIN, "image": format!("{image}:1")});
    if !declares {
        main["ports"] = json!([{"containerPort": 8080, "protocol": "TCP"}]);
    }
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "stand-in", "namespace": "stand-in"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [main]}}},
    })
}

fn is_of(offer: &Offer, injection: &Injection) -> bool {
    offer.source == injection.source && reaches(&offer.path, &injection.path)
}

/// Whether `path` is that of an offer, or below it; either may have the main container's own name.
fn reaches(offer: &Path, path: &Path) -> bool {
    let is_main =
        |step: &Step| matches!(step, Step::Item(key) if matches!(key.first(), Some("$(main)" | MAIN)));
    offer.0.len() <= path.0.len()
        && offer
            .0
            .iter()
            .zip(path.0.iter())
            .all(|(one, other)| one == other || (is_main(one) && is_main(other)))
}

/// Whether `field` is `path` or below it.
fn begins(field: &str, path: &str) -> bool {
    field.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests;
