//! UPDATE: from a request to the two expansions whose difference is taken, and the refusals.

use std::sync::Arc;

use serde_json::Value;

use super::create::differences;
use super::warnings;
use super::{
    Admitted, Change, Decision, Engine, EngineError, finish, immutable, intent_of, new_faults, wish_text,
};
use crate::catalogue::Profile;
use crate::edit;
use crate::expand::update::{Merged, Update, is_immutable, merge};
use crate::expand::{Expansion, Family, Injection};
use crate::fault::{Fault, Reason};
use crate::hash;
use crate::image::Image;
use crate::intent::{Intent, RevisionWish};
use crate::names;
use crate::ownership::{self, Parts};
use crate::path::Path;
use crate::record::{Leaf, Read, Record};
use crate::settings::{self, Pin, Settings, image_of};
use crate::validate;

/// The requests' two objects with all that was read from them.
struct Request<'a> {
    before: &'a Value,
    /// As sent.
    sent: &'a Value,
    /// As sent, with what is immutable put back.
    after: Value,
    record: Record,
    /// Whether stateward looked after the set before this request.
    was_managed: bool,
    old_intent: Intent,
    intent: Intent,
    faults: Vec<Fault>,
    old_faults: Vec<Fault>,
    warnings: Vec<String>,
}

/// The three expansions, and the record that follows from the move of the pin, if any.
struct Expansions {
    old: Expansion,
    middle: Expansion,
    new: Expansion,
    record: Record,
    moved: bool,
}

impl Engine {
    pub(super) fn update(
        &self,
        change: Change,
        before: &Value,
        was_managed: bool,
    ) -> Result<Decision, EngineError> {
        let sent = change.after;
        let record = match Record::of(before) {
            Read::Newer => return carry_over(sent, before),
            Read::Known(record) => *record,
            Read::Absent => match self.adopt(before, sent) {
                Ok(record) => record,
                Err(faults) => {
                    return Ok(Decision::Refused {
                        faults,
                        warnings: Vec::new(),
                    });
                }
            },
        };
        if let Some(undone) = undo(before, sent, &record) {
            return self.undone(sent, undone);
        }
        let structure = new_faults(validate::structure(sent), &validate::structure(before));
        let mut request = Request::read(before, sent, record, was_managed);
        if !structure.is_empty() {
            request.faults.splice(0..0, structure);
            return Ok(request.refused());
        }
        let parts = ownership::before(before, &request.record);
        let parts_after = ownership::after(&request.after, before, &request.record);
        let Some(expansions) = self.expansions(&mut request, &parts, &parts_after) else {
            return Ok(request.refused());
        };
        let merged = merge(&Update {
            before,
            after: &request.after,
            record: &request.record,
            parts_before: &parts,
            parts_after: &parts_after,
            old: &expansions.old,
            middle: &expansions.middle,
            new: &expansions.new,
            leave: if request.record.adopted {
                stays_in_adopted
            } else {
                stays
            },
        });
        self.conclude(request, expansions, merged)
    }

    /// The record of a set that has none: older than us, or admitted while we were away. Empty, so
    /// that all its fields are the user's.
    fn adopt(&self, before: &Value, sent: &Value) -> Result<Record, Vec<Fault>> {
        let (intent, _) = intent_of(sent);
        let settings = Settings::choose(
            before,
            &Intent {
                profile: intent.profile,
                ..Intent::default()
            },
            &self.catalogue,
        )
        .or_else(|faults| {
            let asked =
                sent["metadata"]["labels"][names::PROFILE] != before["metadata"]["labels"][names::PROFILE];
            if asked {
                Err(faults)
            } else {
                Settings::choose(before, &Intent::default(), &self.catalogue)
            }
        })?;
        let mut record = Record::new(settings::text(&sent["metadata"]["name"]), settings.pin());
        record.adopted = true;
        record.wish = wish_text(sent);
        Ok(record)
    }

    /// An undo: the template as it is; what of ours it lacks is ours no longer.
    fn undone(&self, sent: &Value, record: Record) -> Result<Decision, EngineError> {
        let mut result = sent.clone();
        super::write_record(&mut result, &record.to_text());
        let (injections, withheld) = self.held(&result, &record);
        let admitted = Admitted {
            pin: record.pin.to_string(),
            injections,
            withheld,
            patch: json_patch::Patch::default(),
            warnings: vec!["taken as a rollback: the earlier pod template is used as it was".to_owned()],
            result,
        };
        finish(sent, admitted)
    }

    /// Expands old and new. `None`, with a fault noted, where that takes a revision that nobody
    /// knows.
    fn expansions(&self, request: &mut Request, parts: &Parts, parts_after: &Parts) -> Option<Expansions> {
        let mut record = request.record.clone();
        // A label on, also again: what is there stays, whatever the annotations beside it say.
        let old_intent = if request.was_managed {
            &request.old_intent
        } else {
            &request.intent
        };
        let old = Settings::pinned(request.before, old_intent, &record.pin, &self.catalogue);
        let middle = Settings::pinned(&request.after, old_intent, &record.pin, &self.catalogue);
        let (Some(old), Some(middle)) = (old, middle) else {
            return self.without_revision(request, parts, record);
        };
        let mut expansions = Expansions {
            old: (self.expand)(&parts.user, &old),
            middle: (self.expand)(&parts_after.user, &middle),
            new: Expansion::default(),
            record: record.clone(),
            moved: false,
        };
        let target = self.target(request)?;
        let mut new = Settings::pinned(&request.after, &request.intent, &record.pin, &self.catalogue)?;
        if let Some(profile) = target {
            new = self.moved(&new, profile, &request.after);
            expansions.moved = true;
            if request.record.adopted {
                (expansions.old, expansions.middle) = Default::default();
            }
        }
        expansions.new = (self.expand)(&parts_after.user, &new);
        self.keep_data(request, &expansions);
        if !request.record.adopted && !expansions.moved {
            new = self.check_variant(request, parts_after, new, &expansions.new);
        }
        record.pin = new.pin();
        record.adopted &= !expansions.moved;
        record.wish = wish_text(request.sent).or(record.wish);
        expansions.record = record;
        request
            .faults
            .extend(new_faults(expansions.new.faults.clone(), &expansions.old.faults));
        Some(expansions)
    }

    /// With a revision that nobody knows, what is ours stays; what needs computing is refused.
    fn without_revision(
        &self,
        request: &mut Request,
        parts: &Parts,
        mut record: Record,
    ) -> Option<Expansions> {
        let held = Expansion {
            injections: request
                .record
                .leaves
                .iter()
                .filter(|leaf| parts.ours.contains(&leaf.path))
                .filter_map(|leaf| {
                    let value = leaf.path.lookup(request.before)?.clone();
                    let source = crate::expand::Source::Profile {
                        name: record.pin.profile.clone(),
                    };
                    Some(Injection {
                        path: leaf.path.clone(),
                        value,
                        source,
                        data: false,
                    })
                })
                .collect(),
            ..Expansion::default()
        };
        let mut expansions = Expansions {
            old: held.clone(),
            middle: held.clone(),
            new: held,
            record: record.clone(),
            moved: false,
        };
        if let Some(profile) = self.target(request)? {
            let pin = Pin {
                revision: profile.revision.clone(),
                profile: profile.name.clone(),
                ..record.pin.clone()
            };
            let settings = Settings::pinned(&request.after, &request.intent, &pin, &self.catalogue)?;
            let settings = self.moved(&settings, profile, &request.after);
            expansions.new = (self.expand)(
                &ownership::after(&request.after, request.before, &record).user,
                &settings,
            );
            expansions.moved = true;
            record.pin = settings.pin();
            record.wish = wish_text(request.sent).or(record.wish);
            expansions.record = record;
            self.keep_data(request, &expansions);
            return Some(expansions);
        }
        if computes(&request.old_intent, &request.intent) {
            let problem = format!("the set is pinned to {}, which is not known here", record.pin);
            let remedy = format!("set the annotation {}: latest first", names::PROFILE_REVISION);
            let key = warnings::changed_keys(request.before, request.sent)
                .into_iter()
                .next();
            let key = key.unwrap_or_else(|| names::RECORD.to_owned());
            request
                .faults
                .push(Fault::new(Reason::NotFound, key, problem, remedy));
        } else {
            request.warnings.push(format!(
                "revision {} is not known here: all of its fields are kept",
                record.pin
            ));
        }
        Some(expansions)
    }

    /// The revision that this request moves the pin to, if any; `None` outside, with a fault noted,
    /// where it may not.
    fn target(&self, request: &mut Request) -> Option<Option<Arc<Profile>>> {
        let record = &request.record;
        let standing = wish_text(request.sent);
        let news = standing.is_some() && standing != record.wish && request.was_managed;
        let wish = match (&request.intent.upgrade_to, &request.intent.profile_revision) {
            (Some(once), _) => Some((names::UPGRADE_TO, once.clone())),
            (None, Some(wish)) if news => Some((names::PROFILE_REVISION, wish.clone())),
            _ => None,
        };
        let label = request.intent.profile.clone();
        let picked = label.clone().unwrap_or_else(|| record.pin.profile.clone());
        let label_changed = request.old_intent.profile != request.intent.profile;
        if wish.is_none()
            && label.is_some()
            && label_changed
            && picked != record.pin.profile
            && request.was_managed
        {
            let problem = format!(
                "the set is pinned to {}: its profile changes only with its revision",
                record.pin
            );
            let remedy = format!(
                "add the annotation {}: latest to move, or put the label back",
                names::PROFILE_REVISION
            );
            request
                .faults
                .push(Fault::new(Reason::Contradiction, names::PROFILE, problem, remedy));
            return Some(None);
        }
        let Some((key, wish)) = wish else {
            return Some(None);
        };
        match self.find(key, &wish, &picked, label.is_some()) {
            Ok(profile) => Some(Some(profile)),
            Err(fault) => {
                request.faults.push(fault);
                Some(None)
            }
        }
    }

    fn find(
        &self,
        key: &str,
        wish: &RevisionWish,
        picked: &str,
        by_label: bool,
    ) -> Result<Arc<Profile>, Fault> {
        let latest = self.catalogue.latest(picked).ok_or_else(|| {
            let remedy = format!("pick one that there is with the label {}", names::PROFILE);
            let at = if by_label { names::PROFILE } else { key };
            Fault::new(
                Reason::NotFound,
                at,
                format!("there is no profile {picked:?}"),
                remedy,
            )
        })?;
        settings::wished(key, wish, latest, &self.catalogue)
    }

    /// Settings moved to another revision: the same cases where it has them, else those of the image.
    fn moved(&self, settings: &Settings, profile: Arc<Profile>, object: &Value) -> Settings {
        let image = Image::parse(image_of(object, &settings.main));
        let mut cases = Vec::new();
        for axis in &profile.axes {
            let pinned = axis.cases.iter().find(|case| settings.cases.contains(&case.name));
            let case = pinned.or_else(|| axis.cases.iter().find(|case| case.fits(&image)));
            cases.extend(case.or(axis.cases.first()).map(|case| case.name.clone()));
        }
        Settings {
            profile,
            ..settings.clone()
        }
        .with_cases(cases)
    }

    /// Refuses what settings would do to data, or says that it is not done.
    fn keep_data(&self, request: &mut Request, expansions: &Expansions) {
        if request.record.adopted {
            return;
        }
        let differ: Vec<Path> = differences(&expansions.middle, &expansions.new)
            .into_iter()
            .filter(|(path, data)| stays(path, *data))
            .map(|(path, _)| path)
            .collect();
        if !differ.is_empty() {
            let (faults, warning) = warnings::data(request.before, request.sent, &differ, expansions.moved);
            request.faults.extend(faults);
            request.warnings.extend(warning);
        }
    }

    /// An image that needs another variant: refused, unless the user wrote what differs.
    fn check_variant(
        &self,
        request: &mut Request,
        parts_after: &Parts,
        settings: Settings,
        expansion: &Expansion,
    ) -> Settings {
        let needed = self.variant_of(&request.after, &settings);
        let image = image_of(&request.after, &settings.main);
        if needed == settings.cases || image_of(request.before, &request.record.pin.main) == image {
            return settings;
        }
        let other = settings.with_cases(needed);
        let differ: Vec<Path> = differences(expansion, &(self.expand)(&parts_after.user, &other))
            .into_iter()
            .filter(|(path, data)| *data && Family::of(path) != Family::Identity)
            .map(|(path, _)| path)
            .collect();
        if differ.is_empty() {
            return other;
        }
        let old = image_of(request.before, &request.record.pin.main).to_owned();
        request
            .faults
            .push(warnings::variant(&old, image, &settings, &differ));
        settings
    }

    /// The refusals of the result, its record and its warnings.
    fn conclude(
        &self,
        mut request: Request,
        expansions: Expansions,
        merged: Merged,
    ) -> Result<Decision, EngineError> {
        let Expansions {
            record, new, moved, ..
        } = expansions;
        let Merged {
            mut result,
            leaves,
            created,
            restored,
        } = merged;
        let invalid = validate::object(&result);
        if !invalid.is_empty() {
            request
                .faults
                .extend(new_faults(invalid, &validate::object(request.before)));
        }
        if !request.faults.is_empty() {
            return Ok(request.refused());
        }
        let mut record = Record {
            leaves,
            created,
            ..record
        };
        let (old_template, template) = (&request.before["spec"]["template"], &result["spec"]["template"]);
        if hash::canonical(old_template) != hash::canonical(template) {
            record.remember(old_template, &result["spec"]["revisionHistoryLimit"]);
            request
                .warnings
                .extend(warnings::restart(request.before, &result));
        }
        request.warnings.extend(warnings::kept(&restored));
        edit::remove(
            &mut result,
            &Path::fields(&["metadata", "annotations", names::UPGRADE_TO]),
        );
        // The text as it is unless something changed: a repeat must not write.
        let text = match Record::of(request.before) {
            Read::Known(old) if *old == record => {
                settings::text(&request.before["metadata"]["annotations"][names::RECORD]).to_owned()
            }
            _ => record.to_text(),
        };
        super::write_record(&mut result, &text);
        let held: Vec<Injection> = new
            .injections
            .into_iter()
            .filter(|injection| record.leaves.iter().any(|leaf| leaf.path == injection.path))
            .collect();
        if moved {
            request.warnings.push(format!("moved to {}", record.pin));
        }
        let admitted = Admitted {
            pin: record.pin.to_string(),
            injections: held,
            withheld: new.withheld,
            patch: json_patch::Patch::default(),
            result,
            warnings: request.warnings,
        };
        finish(request.sent, admitted)
    }

    /// What a move to the latest revision would set on a live object, and which revision that is.
    pub(super) fn upgrade_of(&self, object: &Value, record: &Record) -> (Vec<Injection>, String) {
        let Some(latest) = self.catalogue.latest(&record.pin.profile) else {
            return Default::default();
        };
        let (intent, _) = intent_of(object);
        let parts = ownership::before(object, record);
        let pinned = Settings::pinned(object, &intent, &record.pin, &self.catalogue);
        let latest_pin = Pin {
            revision: latest.revision.clone(),
            ..record.pin.clone()
        };
        let Some(settings) = Settings::pinned(object, &intent, &latest_pin, &self.catalogue) else {
            return (Vec::new(), latest.id());
        };
        let settings = self.moved(&settings, Arc::clone(latest), object);
        let old = match pinned {
            Some(pinned) if !record.adopted => (self.expand)(&parts.user, &pinned),
            _ => Expansion::default(),
        };
        let leave = if record.adopted { stays_in_adopted } else { stays };
        let new = (self.expand)(&parts.user, &settings);
        let value = |path: &Path| old.injections.iter().find(|i| i.path == *path).map(|i| &i.value);
        let differ = new.injections.iter().filter(|i| value(&i.path) != Some(&i.value));
        let upgrade = differ
            .filter(|i| !is_immutable(&i.path) && !leave(&i.path, i.data))
            .cloned()
            .collect();
        (upgrade, latest.id())
    }
}

impl<'a> Request<'a> {
    fn read(before: &'a Value, sent: &'a Value, record: Record, was_managed: bool) -> Self {
        let (old_intent, old_faults) = intent_of(before);
        let (intent, faults) = intent_of(sent);
        let mut after = sent.clone();
        immutable::restore(before, &mut after, &record, &intent.keep);
        let mut faults_left = new_faults(faults.clone(), &old_faults);
        faults_left.extend(immutable::edits(before, &after));
        let old: Vec<Fault> = faults.into_iter().filter(|f| !faults_left.contains(f)).collect();
        let warnings = old
            .iter()
            .map(|fault| warnings::line(&fault.to_string()))
            .collect();
        Self {
            before,
            sent,
            after,
            record,
            was_managed,
            old_intent,
            intent,
            faults: faults_left,
            old_faults: old,
            warnings,
        }
    }

    fn refused(self) -> Decision {
        let faults = new_faults(self.faults, &self.old_faults);
        if faults.is_empty() {
            Decision::Ignored
        } else {
            Decision::Refused {
                faults,
                warnings: self.warnings,
            }
        }
    }
}

/// What no settings may change once a set exists: where its data is.
fn stays(path: &Path, data: bool) -> bool {
    let claim = is_immutable(path) && Family::of(path) == Family::Storage && !in_metadata(path);
    data || claim
}

/// In an adopted set, whose image runs as it ran before us, also as whom it runs.
fn stays_in_adopted(path: &Path, data: bool) -> bool {
    stays(path, data) || is_immutable(path) || matches!(Family::of(path), Family::Security | Family::Storage)
}

fn in_metadata(path: &Path) -> bool {
    path.0
        .iter()
        .any(|step| matches!(step, crate::path::Step::Field(field) if field == "metadata"))
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
        ..intent.clone()
    };
    core(old) != core(new)
}

/// A record of a later format: all of ours is carried over, whatever it is.
fn carry_over(sent: &Value, before: &Value) -> Result<Decision, EngineError> {
    let mut result = sent.clone();
    let none = Record::new(
        "",
        Pin {
            profile: String::new(),
            revision: String::new(),
            cases: Vec::new(),
            main: String::new(),
        },
    );
    immutable::restore(before, &mut result, &none, &[]);
    let text = settings::text(&before["metadata"]["annotations"][names::RECORD]).to_owned();
    super::write_record(&mut result, &text);
    let warning = "the record was written by a newer stateward: all of its fields are kept";
    let admitted = Admitted {
        pin: String::new(),
        injections: Vec::new(),
        withheld: Vec::new(),
        patch: json_patch::Patch::default(),
        warnings: vec![warning.to_owned()],
        result,
    };
    finish(sent, admitted)
}

/// The record after an undo, if this request is one: nothing but the template differs, and it is
/// one that the set had.
fn undo(before: &Value, sent: &Value, record: &Record) -> Option<Record> {
    let template = &sent["spec"]["template"];
    if *template == before["spec"]["template"] || !record.templates.contains(&hash::template(template)) {
        return None;
    }
    let rest = |object: &Value| {
        let mut object = object.clone();
        for path in [
            &["spec", "template"][..],
            &["status"],
            &["metadata", "managedFields"],
            &["metadata", "generation"],
            &["metadata", "resourceVersion"],
        ] {
            edit::remove(
                &mut object,
                &Path(
                    path.iter()
                        .map(|f| crate::path::Step::Field((*f).into()))
                        .collect(),
                ),
            );
        }
        hash::canonical(&object)
    };
    if rest(before) != rest(sent) {
        return None;
    }
    let mut record = record.clone();
    record.leaves = std::mem::take(&mut record.leaves)
        .into_iter()
        .filter_map(|leaf| {
            let hash = hash::leaf(leaf.path.lookup(sent)?);
            Some(Leaf { hash, ..leaf })
        })
        .collect();
    record.created.retain(|path| path.lookup(sent).is_some());
    record.remember(&before["spec"]["template"], &sent["spec"]["revisionHistoryLimit"]);
    Some(record)
}
