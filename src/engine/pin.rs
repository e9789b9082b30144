//! What a set is pinned to, what moves the pin, and the expansions that follow.

use std::sync::Arc;

use serde_json::Value;

use super::update::{Both, Request};
use super::{Engine, data, intent_of, new_faults, warnings, wish_text};
use crate::catalogue::{Case, Profile};
use crate::expand::update::is_immutable;
use crate::expand::{Expansion, Injection, Source};
use crate::fault::{Fault, Reason};
use crate::image::Image;
use crate::intent::{Intent, RevisionWish};
use crate::names;
use crate::ownership::{self, Named};
use crate::path::Path;
use crate::record::Record;
use crate::settings::{self, Defaults, Pin, Settings, image_of};

/// The expansions of one update, and the record's pin and wish that follow from it.
pub(super) struct Expansions {
    pub(super) old: Arc<Expansion>,
    pub(super) middle: Arc<Expansion>,
    pub(super) new: Arc<Expansion>,
    pub(super) record: Record,
    /// Whether the pin moved.
    pub(super) moved: bool,
}

impl Engine {
    /// The record of a set that has none: older than us, or admitted while we were away. Empty, so
    /// that all its fields are the user's.
    pub(super) fn adopt(
        &self,
        before: &Value,
        sent: &Value,
        was_managed: bool,
    ) -> Result<Record, Vec<Fault>> {
        let profile = intent_of(sent).0.profile;
        let asked = profile.is_some() && profile != intent_of(before).0.profile;
        let intent = Intent { profile, ..Intent::default() };
        let settings = match Settings::choose(before, &intent, &self.catalogue) {
            Err(faults) if asked => return Err(faults),
            Err(_) => Settings::choose(before, &Intent::default(), &self.catalogue)?,
            Ok(settings) => settings,
        };
        let mut record = Record::new(settings::text(&sent["metadata"]["name"]), settings.pin());
        record.adopted = true;
        // A wish that comes with the label is part of what is adopted; one that comes later acts.
        record.wish = wish_text(if was_managed { before } else { sent });
        Ok(record)
    }

    /// Expands the old and the new object. Faults are noted in the request.
    pub(super) fn expansions(
        &self,
        request: &mut Request,
        parts: &Both,
        defaults: &dyn Fn() -> Defaults,
    ) -> Expansions {
        let old_intent = request.intent_before();
        let pin = &request.record.pin;
        let old = Settings::pinned(request.before, old_intent, pin, &self.catalogue);
        let middle = Settings::pinned(&request.after, old_intent, pin, &self.catalogue);
        let known = old.is_some() && middle.is_some();
        let (old, middle) = if let (Some(old), Some(middle)) = (old, middle) {
            // Intent and pin are the same; so is what comes of it, if the users' fields are.
            let same = old.name == middle.name && old.main == middle.main;
            let first = Arc::new((self.expand)(&parts.before.user, &old));
            if same && parts.before.user == parts.after.user {
                (Arc::clone(&first), first)
            } else {
                (first, Arc::new((self.expand)(&parts.after.user, &middle)))
            }
        } else {
            let held = Arc::new(held(request, parts));
            (Arc::clone(&held), held)
        };
        let record = request.record.clone();
        let mut expansions = Expansions { new: Arc::clone(&middle), old, middle, record, moved: false };
        let target = self.target(request).unwrap_or_else(|fault| {
            request.faults.push(fault);
            None
        });
        if let Some(profile) = &target {
            request.warnings.extend(self.passed_over(request, profile));
        }
        match target {
            Some(profile) => self.move_to((profile, defaults()), request, parts, &mut expansions),
            None if known => self.stay(request, parts, &mut expansions),
            None => {
                refuse_computing(request);
                expansions.new = Arc::clone(&expansions.old);
            }
        }
        data::keep(request, &expansions);
        expansions.record.wish = wish_text(request.sent).or(expansions.record.wish);
        let faults = expansions.new.faults.clone();
        request.faults.extend(new_faults(faults, || expansions.old.faults.clone()));
        expansions
    }

    /// The new expansion under the pin that the set has: the middle one, if the intent is the same.
    fn stay(&self, request: &mut Request, parts: &Both, expansions: &mut Expansions) {
        let pin = &request.record.pin;
        let Some(settings) = Settings::pinned(&request.after, &request.intent, pin, &self.catalogue) else {
            return;
        };
        if request.intent != *request.intent_before() {
            expansions.new = Arc::new((self.expand)(&parts.after.user, &settings));
        }
        let settings = self.check_variant(request, parts, settings, &expansions.new);
        expansions.record.pin = repinned(request, &settings);
    }

    /// The new expansion under another revision. An adopted set gets everything, as if it had
    /// never been expanded, which it was not.
    fn move_to(
        &self,
        (profile, defaults): (Arc<Profile>, Defaults),
        request: &Request,
        parts: &Both,
        expansions: &mut Expansions,
    ) {
        let pin = &request.record.pin;
        let defaults = defaults.brought_to(&pin.defaults);
        let settings = moved(&request.after, &request.intent, pin, profile).with_defaults(defaults);
        if request.record.adopted {
            (expansions.old, expansions.middle) = Default::default();
        }
        expansions.new = Arc::new((self.expand)(&parts.after.user, &settings));
        expansions.record.pin = repinned(request, &settings);
        expansions.record.adopted = false;
        expansions.moved = true;
    }

    /// The revision that this request moves the pin to, if any.
    fn target(&self, request: &Request) -> Result<Option<Arc<Profile>>, Fault> {
        let record = &request.record;
        let acts = stands_anew(request);
        let wish = match (&request.intent.upgrade_to, &request.intent.profile_revision) {
            // One that was stored while we were away is no wish of this request.
            (Some(once), _) if request.old_intent.upgrade_to.as_ref() != Some(once) => {
                Some((names::UPGRADE_TO, once))
            }
            (_, Some(wish)) if acts => Some((names::PROFILE_REVISION, wish)),
            _ => None,
        };
        let label = request.intent.profile.as_deref();
        let Some((key, wish)) = wish else {
            let relabelled = request.was_managed && request.old_intent.profile.as_deref() != label;
            return match label {
                Some(label) if relabelled && label != record.pin.profile => {
                    Err(self.relabelled_alone(label, record, wish_text(request.sent).as_deref()))
                }
                _ => Ok(None),
            };
        };
        let profile = label.unwrap_or(&record.pin.profile);
        self.find(key, wish, profile).map(Some).map_err(|fault| self.held_by_pin(fault, profile, &record.pin))
    }

    /// A fault of a move, where it is the set's own profile that is gone or has a fault: the set may wait for
    /// it, and the defaults of any other one are not its own.
    fn held_by_pin(&self, fault: Fault, profile: &str, pin: &Pin) -> Fault {
        if profile != pin.profile || self.catalogue.latest(profile).is_some() {
            return fault;
        }
        let again =
            if self.catalogue.fault_of(profile).is_some() { "mend it" } else { "apply the profile again" };
        Fault { remedy: format!("{again}; until then the set stays at {pin}"), ..fault }
    }

    /// The fault of another label on a pinned set whose wish is `standing`.
    fn relabelled_alone(&self, label: &str, record: &Record, standing: Option<&str>) -> Fault {
        let pin = &record.pin;
        if self.catalogue.latest(label).is_none() {
            let unknown = settings::unknown_profile(label, &self.catalogue);
            let remedy =
                format!("put the label back, since the set is pinned to {pin}; else {}", unknown.remedy);
            return Fault { remedy, ..unknown };
        }
        let problem =
            format!("the set is pinned to {pin}: its profile changes only together with its revision");
        // A wish that was acted upon acts no more.
        let acted = [standing, record.wish.as_deref()].contains(&Some("latest"));
        let key = if acted { names::UPGRADE_TO } else { names::PROFILE_REVISION };
        let remedy = format!("add the annotation {key}: latest to move, or put the label back");
        Fault::new(Reason::Contradiction, names::PROFILE, problem, remedy)
    }

    /// The warning of a standing wish that comes together with one for once, which goes before it: it
    /// counts as told, so that it does not act behind somebody's back with a later request.
    fn passed_over(&self, request: &Request, target: &Profile) -> Option<String> {
        let once = request.intent.upgrade_to.as_ref()?;
        let standing = request.intent.profile_revision.as_ref().filter(|_| stands_anew(request))?;
        let same = self.means(standing, target);
        (request.old_intent.upgrade_to.as_ref() != Some(once) && !same)
            .then(|| twice(&wish_text(request.sent).unwrap_or_default()))
    }

    /// The same of a new set.
    pub(super) fn passed_over_anew(&self, sent: &Value, intent: &Intent, target: &Profile) -> Option<String> {
        intent.upgrade_to.as_ref()?;
        let standing = intent.profile_revision.as_ref()?;
        (!self.means(standing, target)).then(|| twice(&wish_text(sent).unwrap_or_default()))
    }

    /// Whether a standing wish asks for what another one brought.
    fn means(&self, standing: &RevisionWish, target: &Profile) -> bool {
        let meant = self.find(names::PROFILE_REVISION, standing, &target.name);
        meant.is_ok_and(|meant| meant.revision == target.revision)
    }

    fn find(&self, key: &str, wish: &RevisionWish, profile: &str) -> Result<Arc<Profile>, Fault> {
        if let Some(latest) = self.catalogue.latest(profile) {
            return settings::wished(key, wish, latest, &self.catalogue);
        }
        // A profile may be gone while its revisions are known.
        let kept = match wish {
            RevisionWish::Exact { profile: wished, revision } if wished == profile => {
                self.catalogue.revision(profile, revision)
            }
            _ => None,
        };
        kept.map(Arc::clone).ok_or_else(|| settings::unknown_profile(profile, &self.catalogue))
    }

    /// What a move to the latest revision would set on a live object whose namespace gives `defaults` today,
    /// and which revision that is.
    pub(super) fn upgrade_of(
        &self,
        object: &Value,
        record: &Record,
        defaults: Defaults,
    ) -> (Vec<Injection>, String) {
        let Some(latest) = self.catalogue.latest(&record.pin.profile) else { return Default::default() };
        let (intent, _) = intent_of(object);
        let user = ownership::before(object, record, &Named::of(object)).user;
        let old = match Settings::pinned(object, &intent, &record.pin, &self.catalogue) {
            Some(pinned) if !record.adopted => (self.expand)(&user, &pinned),
            _ => Expansion::default(),
        };
        let settings = moved(object, &intent, &record.pin, Arc::clone(latest));
        let new = (self.expand)(&user, &settings.with_defaults(defaults.brought_to(&record.pin.defaults)));
        let value = |path: &Path| old.injections.iter().find(|i| i.path == *path).map(|i| &i.value);
        let leave = data::rule(record);
        let upgrade = new.injections.iter().filter(|i| {
            value(&i.path) != Some(&i.value) && !is_immutable(&i.path) && !leave(&i.path, i.data)
        });
        (upgrade.cloned().collect(), latest.id())
    }
}

/// The pin under new settings. The main container stays the one of the creation while it is there:
/// an annotation that names another one moves the profile, and taken away gives it back.
fn repinned(request: &Request, settings: &Settings) -> Pin {
    let main = settings::pinned_main(&request.after, &Intent::default(), &request.record.pin);
    Pin { main, ..settings.pin() }
}

/// What stands in for the expansion of a revision that nobody knows: what of ours is there.
fn held(request: &Request, parts: &Both) -> Expansion {
    let source = Source::Profile { name: request.record.pin.profile.as_str().into() };
    let ours = request.record.leaves.iter().zip(&parts.before.ours).filter(|(_, ours)| **ours);
    let injections = ours
        .filter_map(|(leaf, _)| {
            let value = leaf.path.lookup(request.before)?.clone();
            let (path, over_default) = (leaf.path.clone(), leaf.over_default);
            Some(Injection { path, value, source: source.clone(), data: false, over_default })
        })
        .collect();
    Expansion { injections, ..Expansion::default() }
}

/// With a revision that nobody knows, what is ours stays, and what needs computing is refused.
fn refuse_computing(request: &mut Request) {
    let pin = &request.record.pin;
    if !computes(&request.old_intent, &request.intent) {
        request.warnings.push(format!(
            "revision {pin} is not known here: all of its fields are kept; {}: latest moves it to one that is",
            names::PROFILE_REVISION
        ));
        return;
    }
    let problem = format!("the set is pinned to {pin}, which is not known here");
    let remedy = format!("set the annotation {}: latest first", names::PROFILE_REVISION);
    let key = warnings::changed_keys(request.before, request.sent).into_iter().next();
    let key = key.unwrap_or_else(|| names::RECORD.to_owned());
    request.faults.push(Fault::new(Reason::NotFound, key, problem, remedy));
}

/// Whether a change of intent needs the profile: what only concerns companions does not.
fn computes(old: &Intent, new: &Intent) -> bool {
    let core = |intent: &Intent| Intent {
        profile: None,
        profile_revision: None,
        upgrade_to: None,
        service: None,
        service_ports: Vec::new(),
        ingress: None,
        gateway: None,
        disruption_budget: None,
        acknowledge: Vec::new(),
        break_glass: None,
        ..intent.clone()
    };
    core(old) != core(new)
}

/// Whether a standing wish comes with this request that was not acted upon.
fn stands_anew(request: &Request) -> bool {
    let standing = wish_text(request.sent);
    let brought = standing != wish_text(request.before);
    brought && standing.is_some() && standing != request.record.wish && request.was_managed
}

/// The warning of two wishes at once.
fn twice(standing: &str) -> String {
    warnings::line(&format!(
        "{} goes before {}: {standing}, which counts as followed and moves nothing now or later; for that revision \
         write {}: {standing}",
        names::UPGRADE_TO,
        names::PROFILE_REVISION,
        names::UPGRADE_TO
    ))
}

/// Settings under another revision: the same cases where it has them, since the data was made with
/// those, else the ones of the image.
fn moved(object: &Value, intent: &Intent, pin: &Pin, profile: Arc<Profile>) -> Settings {
    let main = settings::pinned_main(object, intent, pin);
    let image = Image::parse(image_of(object, &main));
    let cases = profile.axes.iter().filter_map(|axis| {
        let pinned = |case: &&Case| pin.cases.contains(&case.name);
        let fits = |case: &&Case| case.fits(&image);
        let case = axis.cases.iter().find(pinned).or_else(|| axis.cases.iter().find(fits));
        case.or(axis.cases.first()).map(|case| case.name.clone())
    });
    let cases = cases.collect();
    Settings::new(object, intent, main, profile, cases).formed_as(pin)
}
