//! UPDATE: from a request to the two expansions whose difference is taken, and the refusals.

use serde_json::Value;

use super::pin::Expansions;
use super::{
    Admitted, Change, Decision, Engine, EngineError, Facts, data, finish, immutable, intent_of, new_faults,
    warnings,
};
use crate::edit;
use crate::expand::Injection;
use crate::expand::update::{Merged, Update, merge};
use crate::fault::Fault;
use crate::hash;
use crate::intent::Intent;
use crate::names;
use crate::ownership::{self, Named, Parts};
use crate::path::Path;
use crate::record::{Read, Record};
use crate::settings::{self, Defaults};
use crate::validate;

/// A request's two objects, and what was read from them.
pub(super) struct Request<'a> {
    pub(super) before: &'a Value,
    /// As sent.
    pub(super) sent: &'a Value,
    /// As sent, with what is immutable put back.
    pub(super) after: Value,
    /// The record of `before`; an empty one where it has none.
    pub(super) record: Record,
    /// The record's text; `None` where `before` has none.
    pub(super) record_text: Option<&'a str>,
    /// Whether stateward looked after the set before this request.
    pub(super) was_managed: bool,
    pub(super) old_intent: Intent,
    pub(super) intent: Intent,
    /// What this request is refused for: nothing that was wrong before.
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<String>,
}

impl Engine {
    pub(super) fn update(
        &self,
        change: Change,
        before: &Value,
        was_managed: bool,
        facts: &dyn Facts,
    ) -> Result<Decision, EngineError> {
        match self.unchanged(before, change.after) {
            Some(pin) if was_managed => Ok(Decision::Unchanged { pin }),
            _ => self.changed(change, before, was_managed, facts),
        }
    }

    /// The pin of a set of which a request changes nothing that people write, where nothing is to be
    /// said of it: most requests are such ones, from tools that apply the same again and again and
    /// from controllers that write finalizers and owners.
    fn unchanged(&self, before: &Value, sent: &Value) -> Option<String> {
        let (old, new) = (&before["metadata"], &sent["metadata"]);
        let same = before["spec"] == sent["spec"]
            && ["name", "labels", "annotations"].iter().all(|field| old[field] == new[field])
            && ownership::managers(before).eq(ownership::managers(sent));
        if !same || !new["annotations"][names::UPGRADE_TO].is_null() {
            return None;
        }
        let pin = Record::pin_of(before)?;
        let known = self.catalogue.revision(&pin.profile, &pin.revision).is_some();
        (known && intent_of(sent).1.is_empty()).then(|| pin.to_string())
    }

    /// What becomes of a request that changes something.
    pub(super) fn changed(
        &self,
        change: Change,
        before: &Value,
        was_managed: bool,
        facts: &dyn Facts,
    ) -> Result<Decision, EngineError> {
        let sent = change.after;
        let text = before["metadata"]["annotations"][names::RECORD].as_str();
        let (record, record_text) = match Record::of(before) {
            Read::Newer => return carry_over(sent, before),
            Read::Known(record) => (*record, text),
            Read::Absent => match self.adopt(before, sent, was_managed) {
                Ok(record) => (record, None),
                Err(faults) => return Ok(Decision::Refused { faults, warnings: Vec::new() }),
            },
        };
        if let Some(record) = super::undo::record_of(before, sent, &record) {
            return self.undone(sent, &record);
        }
        let structure = new_faults(validate::structure(sent), || validate::structure(before));
        let mut request = Request::read(before, sent, record, record_text, was_managed);
        if !structure.is_empty() {
            request.faults.splice(0..0, structure);
            return Ok(request.refused());
        }
        let (old, new) = Named::of_both(before, sent);
        let parts = Both {
            before: ownership::before(before, &request.record, &old),
            after: ownership::after(&request.after, before, &request.record, &new),
        };
        let defaults = || Defaults::of(&facts.namespace_annotations(change.namespace));
        let expansions = self.expansions(&mut request, &parts, &defaults);
        let merged = merge(&Update {
            before,
            after: &request.after,
            record: &request.record,
            parts_before: &parts.before,
            parts_after: &parts.after,
            named: &new,
            old: &expansions.old,
            middle: &expansions.middle,
            new: &expansions.new,
            leave: data::rule(&request.record),
        });
        request.warnings.extend(self.said_of_namespace(change, facts));
        let pin = &expansions.record.pin;
        if let Some(judge) = self.judge(&pin.profile, &pin.main, &request.intent) {
            let refused = judge.faults(&merged.result, Some((before, &request.old_intent)), true);
            let unknown =
                judge.unknown().filter(|_| request.intent.acknowledge != request.old_intent.acknowledge);
            request.faults.extend(refused);
            request.warnings.extend(unknown);
        }
        conclude(request, expansions, merged)
    }
}

/// `oldObject` and the new object, each taken apart into the user's fields and ours.
pub(super) struct Both {
    pub(super) before: Parts,
    pub(super) after: Parts,
}

impl<'a> Request<'a> {
    fn read(
        before: &'a Value,
        sent: &'a Value,
        record: Record,
        record_text: Option<&'a str>,
        was_managed: bool,
    ) -> Self {
        let (old_intent, mut old_faults) = intent_of(before);
        let (intent, mut faults) = intent_of(sent);
        old_faults.extend(super::companion_faults(before, &old_intent));
        faults.extend(super::companion_faults(sent, &intent));
        old_faults.extend(settings::unknown_main(before, &old_intent));
        faults.extend(settings::unknown_main(sent, &intent));
        let mut after = sent.clone();
        immutable::restore(before, &mut after, &record, &intent.keep);
        let (stale, mut faults): (Vec<_>, Vec<_>) =
            faults.into_iter().partition(|fault| old_faults.iter().any(|old| old.same_as(fault)));
        faults.extend(immutable::edits(before, &after));
        let warnings = stale.iter().map(|fault| warnings::line(&fault.to_string())).collect();
        Self { before, sent, after, record, record_text, was_managed, old_intent, intent, faults, warnings }
    }

    /// The intent to compare with. The label put on, also again: what is there stays, whatever
    /// annotations come with it.
    pub(super) fn intent_before(&self) -> &Intent {
        if self.was_managed { &self.old_intent } else { &self.intent }
    }

    fn refused(self) -> Decision {
        Decision::Refused { faults: self.faults, warnings: self.warnings }
    }
}

/// The refusals of the result, its record and its warnings.
fn conclude(mut request: Request, expansions: Expansions, merged: Merged) -> Result<Decision, EngineError> {
    let Expansions { record, new, moved, .. } = expansions;
    let Merged { mut result, leaves, created, restored } = merged;
    let before = request.before;
    let invalid = new_faults(validate::object(&result), || validate::object(before));
    super::add_invalid(&mut request.faults, invalid);
    if !request.faults.is_empty() {
        return Ok(request.refused());
    }
    let mut record = Record { leaves, created, ..record };
    let (template, new_template) = (&before["spec"]["template"], &result["spec"]["template"]);
    if !hash::same(template, new_template) {
        record.remember(template, &result["spec"]["revisionHistoryLimit"]);
        request.warnings.extend(warnings::restart(before, &result));
    }
    request.warnings.extend(warnings::kept(&restored));
    if moved {
        let how = if record.pin == request.record.pin { "is at" } else { "moved to" };
        request.warnings.push(format!(
            "{} {how} {}",
            settings::text(&result["metadata"]["name"]),
            record.pin
        ));
    }
    edit::remove(&mut result, &Path::fields(&["metadata", "annotations", names::UPGRADE_TO]));
    // As it stands unless something changed: a repeat must not write.
    let standing = request.record_text.filter(|_| record == request.record);
    super::write_record(&mut result, &standing.map_or_else(|| record.to_text(), str::to_owned));
    let injections: Vec<Injection> = new
        .injections
        .iter()
        .filter(|injection| record.leaves.iter().any(|leaf| leaf.path == injection.path))
        .cloned()
        .collect();
    let admitted = Admitted {
        pin: record.pin.to_string(),
        injections,
        withheld: new.withheld.clone(),
        patch: None,
        result,
        warnings: request.warnings,
    };
    finish(request.sent, admitted)
}

/// A record of a later format: all of ours is carried over, whatever it is.
fn carry_over(sent: &Value, before: &Value) -> Result<Decision, EngineError> {
    let mut result = sent.clone();
    immutable::restore(before, &mut result, &Record::default(), &[]);
    super::write_record(&mut result, settings::text(&before["metadata"]["annotations"][names::RECORD]));
    let warning = "the record was written by a newer stateward: its fields are left as they are sent";
    let admitted = Admitted { result, warnings: vec![warning.to_owned()], ..Admitted::default() };
    finish(sent, admitted)
}
