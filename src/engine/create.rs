//! CREATE: everything is injected, once; or nothing, where a record says that it was before.

use serde_json::Value;

use super::claims::Left;
use super::{Admitted, Change, Decision, Engine, EngineError, Facts, data, finish};
use crate::edit;
use crate::expand::{Expansion, Injection, strategy};
use crate::fault::{Fault, Reason};
use crate::hash;
use crate::intent::Intent;
use crate::names;
use crate::path::Path;
use crate::record::{Leaf, Read, Record};
use crate::settings::{Defaults, Pin, Settings, image_of, wish};
use crate::validate;

impl Engine {
    pub(super) fn create(&self, change: Change, facts: &dyn Facts) -> Result<Decision, EngineError> {
        let sent = change.after;
        let (intent, mut faults) =
            Intent::parse(sent["metadata"].get("labels"), sent["metadata"].get("annotations"));
        faults.extend(super::companion_faults(sent, &intent));
        let structure = validate::structure(sent);
        if !structure.is_empty() {
            // Without names nothing can be expanded; what is wrong all the same is said at once.
            faults.splice(0..0, structure);
            faults.extend(validate::incurable(sent));
            return Ok(refused(faults));
        }
        if let Some(record) = restored(sent) {
            return self.restore(sent, &record, faults);
        }
        let left = Left::of(change, facts);
        let mut settings = match self.settings(change, &intent, facts, &left) {
            Ok(settings) => settings,
            Err(more) => {
                faults.extend(more);
                faults.extend(validate::incurable(sent));
                return Ok(refused(faults));
            }
        };
        let expansion = (self.expand)(sent, &settings);
        settings.defaults.claims = left.taken(&expansion);
        faults.extend(self.unresolved(sent, &settings));
        faults.extend(expansion.faults.iter().cloned());
        let mut result = sent.clone();
        let record = apply(&mut result, &expansion, &settings, &intent, sent);
        edit::remove(&mut result, &Path::fields(&["metadata", "annotations", names::UPGRADE_TO]));
        super::add_invalid(&mut faults, as_sent(validate::object(&result), sent));
        let judge = self.judge(&settings.profile.name, &settings.main, &intent);
        faults.extend(judge.iter().flat_map(|judge| judge.faults(&result, None, left.is_pinned())));
        if !faults.is_empty() {
            return Ok(refused(faults));
        }
        super::write_record(&mut result, &record.to_text());
        let mut warnings = validate::warnings(&result);
        warnings.extend(judge.and_then(|judge| judge.unknown()));
        warnings.extend(self.passed_over_anew(sent, &intent, &settings.profile));
        warnings.extend(self.said_of_namespace(change, facts));
        warnings.extend(self.said_of_claims(change, &settings, &expansion, &left));
        let pin = record.pin.to_string();
        let admitted = Admitted {
            pin,
            injections: expansion.injections,
            withheld: expansion.withheld,
            patch: None,
            result,
            warnings,
        };
        finish(sent, admitted)
    }

    /// A restored backup: as it is, its record with it.
    fn restore(
        &self,
        sent: &Value,
        record: &Record,
        mut faults: Vec<Fault>,
    ) -> Result<Decision, EngineError> {
        faults.extend(validate::object(sent));
        if !faults.is_empty() {
            return Ok(refused(faults));
        }
        let (injections, withheld) = self.held(sent, record);
        let admitted = Admitted {
            pin: record.pin.to_string(),
            injections,
            withheld,
            patch: None,
            result: sent.clone(),
            warnings: validate::warnings(sent),
        };
        finish(sent, admitted)
    }

    /// The settings of a new set. Claims that a set of this name left behind know where their data
    /// is: their pin holds, unless the user asks for other defaults that keep the data where it is.
    fn settings(
        &self,
        change: Change,
        intent: &Intent,
        facts: &dyn Facts,
        left: &Left,
    ) -> Result<Settings, Vec<Fault>> {
        let sent = change.after;
        let given = Defaults::of(&facts.namespace_annotations(change.namespace));
        let defaults = Defaults { claims: left.classes(), ..given };
        let chosen = Settings::choose(sent, intent, &self.catalogue)?.with_defaults(defaults.clone());
        let name = chosen.name.as_str();
        let Some(pin) = left.pin() else {
            return Ok(chosen);
        };
        if pin.to_string() == chosen.pin().to_string() {
            return Ok(chosen);
        }
        let pinned = Settings::pinned(sent, intent, &pin, &self.catalogue);
        let Some(pinned) = pinned.map(|pinned| pinned.with_defaults(defaults)) else {
            return if wish(intent).is_some() { Ok(chosen) } else { Err(vec![forgotten(&pin, name)]) };
        };
        let differ = self.data_differences(sent, &pinned, &chosen);
        if differ.is_empty() {
            return Ok(if wish(intent).is_some() { chosen } else { pinned });
        }
        // An image that needs nothing else than the claims have, and no wish: newer defaults alone.
        let variant = data::cases_of_image(sent, &pinned);
        if wish(intent).is_none()
            && intent.profile.as_ref().is_none_or(|p| *p == pin.profile)
            && variant == pinned.cases
        {
            return Ok(pinned);
        }
        Err(vec![left_behind(sent, &chosen, &pin, &differ)])
    }

    /// The paths on which stored data depends and on which two settings differ.
    pub(super) fn data_differences(&self, user: &Value, one: &Settings, other: &Settings) -> Vec<Path> {
        let (one, other) = ((self.expand)(user, one), (self.expand)(user, other));
        differences(&one, &other).into_iter().filter(|(_, data)| *data).map(|(path, _)| path).collect()
    }

    /// The faults of an image whose tag does not tell what the expansion depends on.
    fn unresolved(&self, user: &Value, settings: &Settings) -> Vec<Fault> {
        let mut faults = Vec::new();
        for axis in &settings.unresolved {
            let at = settings.profile.axes.iter().position(|other| other.name == axis.name);
            let first = (self.expand)(user, settings);
            let mut paths: Vec<Path> = Vec::new();
            for case in axis.cases.iter().skip(1) {
                let mut cases = settings.cases.clone();
                if let Some(slot) = at.and_then(|at| cases.get_mut(at)) {
                    slot.clone_from(&case.name);
                }
                let other = (self.expand)(user, &settings.with_cases(cases));
                for (path, data) in differences(&first, &other) {
                    if data && !paths.contains(&path) {
                        paths.push(path);
                    }
                }
            }
            if !paths.is_empty() {
                faults.push(untold(user, settings, axis, &paths));
            }
        }
        faults
    }
}

/// The record of an object that was ours before: it names this set, and all its leaves are there.
fn restored(sent: &Value) -> Option<Record> {
    let Read::Known(record) = Record::of(sent) else {
        return None;
    };
    let whole = record.leaves.iter().all(|leaf| leaf.path.lookup(sent).is_some());
    (whole && (record.adopted || !record.leaves.is_empty())).then_some(*record)
}

/// The paths on which two expansions differ, and whether stored data depends on them.
pub(super) fn differences(one: &Expansion, other: &Expansion) -> Vec<(Path, bool)> {
    let find = |expansion: &'_ Expansion, path: &Path| -> Option<Injection> {
        expansion.injections.iter().find(|i| i.path == *path).cloned()
    };
    let mut differ = Vec::new();
    let added = other.injections.iter().filter(|i| find(one, &i.path).is_none());
    for injection in one.injections.iter().chain(added) {
        let (a, b) = (find(one, &injection.path), find(other, &injection.path));
        if a.as_ref().map(|i| &i.value) != b.as_ref().map(|i| &i.value) {
            differ.push((injection.path.clone(), a.is_some_and(|i| i.data) || b.is_some_and(|i| i.data)));
        }
    }
    differ
}

/// Applies an expansion and gives the record of it.
fn apply(
    result: &mut Value,
    expansion: &Expansion,
    settings: &Settings,
    intent: &Intent,
    sent: &Value,
) -> Record {
    let mut record = Record::new(&settings.name, settings.pin());
    record.wish = super::wish_text(sent).filter(|_| intent.profile_revision.is_some());
    let named = crate::ownership::Named::of(sent);
    let injections = &expansion.injections;
    let leaves: Vec<(&Path, &Value)> = injections.iter().map(|one| (&one.path, &one.value)).collect();
    record.created = edit::set_all(result, &leaves);
    strategy::settle(result, leaves.iter().map(|(path, _)| *path));
    let leaf = |Injection { path, value, over_default, .. }: &Injection| {
        let over_default = *over_default && named.managed(path);
        Leaf { path: path.clone(), hash: hash::leaf(value), over_default }
    };
    record.leaves = injections.iter().map(leaf).collect();
    for (list, ours) in edit::lists_of(&record.created) {
        // One that is ours alone is in that order already.
        if !record.created.contains(&list) {
            edit::arrange(result, &list, &[], &ours, &ours);
        }
    }
    record
}

/// Faults of the result, told by the positions that items have in what was sent.
fn as_sent(mut faults: Vec<Fault>, sent: &Value) -> Vec<Fault> {
    if faults.is_empty() {
        return faults;
    }
    let own = validate::object(sent);
    for fault in &mut faults {
        let alike = |other: &&Fault| other.problem == fault.problem && other.remedy == fault.remedy;
        if !own.iter().any(|other| other == fault)
            && let Some(other) = own.iter().find(alike)
        {
            fault.field.clone_from(&other.field);
        }
    }
    faults
}

fn refused(faults: Vec<Fault>) -> Decision {
    Decision::Refused { faults, warnings: Vec::new() }
}

fn untold(
    user: &Value,
    settings: &Settings,
    axis: &crate::catalogue::profile::Axis,
    paths: &[Path],
) -> Fault {
    let at = crate::settings::containers_path().named(settings.main.clone()).field("image");
    let image = image_of(user, &settings.main);
    let problem = format!(
        "{image:?} does not tell the {} of {}, which decides {}",
        axis.name,
        settings.profile.name,
        data::listed(paths)
    );
    let remedy = format!("{}, or write these fields yourself", axis.unknown);
    Fault::new(Reason::Missing, at.to_string(), problem, remedy)
}

fn forgotten(pin: &Pin, name: &str) -> Fault {
    let problem = format!("claims of {name} are pinned to {pin}, which is not known here");
    let remedy =
        format!("add the annotation {}: latest, having looked where their data is", names::PROFILE_REVISION);
    Fault::new(Reason::Data, "metadata.name", problem, remedy)
}

fn left_behind(sent: &Value, chosen: &Settings, pin: &Pin, paths: &[Path]) -> Fault {
    let image = image_of(sent, &chosen.main);
    let problem = format!(
        "claims of {} hold data of {pin}, and {image:?} with {} would look for it elsewhere ({})",
        chosen.name,
        chosen.profile.id(),
        data::listed(paths)
    );
    let remedy = "use an image of the old kind and move the data with the database's own tools, write these \
                  fields yourself, choose another name, or delete the claims if their data is not needed";
    let at = crate::settings::containers_path().named(chosen.main.clone()).field("image");
    Fault::new(Reason::Data, at.to_string(), problem, remedy)
}
