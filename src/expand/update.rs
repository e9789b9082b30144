//! UPDATE: the difference of two expansions.
//!
//! The running code expands the user's fields twice: as `oldObject` has them, and as the request
//! has them. A path on which both agree keeps what `oldObject` has, value or absence; only a path
//! on which they differ is set or withdrawn. So whatever changed in between without the user's
//! doing (our code, a hand edit while we were away, an undo, the label off and on) changes
//! nothing. `docs/updates.md` tells the scenario behind each rule.

use foldhash::{HashMap, HashSet, HashSetExt};

use serde_json::Value;

use super::{Expansion, Family, Injection, is_api_default, strategy};
use crate::edit;
use crate::hash;
use crate::ownership::{Named, Parts};
use crate::path::{ItemKey, Path, Step};
use crate::record::{Leaf, Record};
use crate::union::{env_item, handler, has_handler, remnants};

/// What an update is computed from.
#[derive(Debug)]
pub struct Update<'a> {
    /// `oldObject`.
    pub before: &'a Value,
    /// The new object, what is immutable restored.
    pub after: &'a Value,
    /// The record of `oldObject`.
    pub record: &'a Record,
    /// `oldObject` taken apart.
    pub parts_before: &'a Parts,
    /// The new object taken apart.
    pub parts_after: &'a Parts,
    /// What the user names in the new object.
    pub named: &'a Named,
    /// The old user's fields under the old settings.
    pub old: &'a Expansion,
    /// The new user's fields under the old settings: what differs from `new` is the settings' doing.
    pub middle: &'a Expansion,
    /// The new user's fields under the new settings.
    pub new: &'a Expansion,
    /// Paths that this update leaves alone, whatever the expansions say.
    pub leave: fn(&Path, bool) -> bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Merged {
    /// The object as it is to be stored, its record not yet written.
    pub result: Value,
    /// The leaves that are ours now.
    pub leaves: Vec<Leaf>,
    /// The maps and items that are ours now.
    pub created: Vec<Path>,
    /// Leaves of ours that the request lacks, and that were put back.
    pub restored: Vec<Path>,
}

/// What is to become of one path.
enum Fate {
    /// Ours as it stands.
    Keep,
    /// Not ours, or no longer: stays as the request has it.
    Leave,
    /// Ours, and to be put back as `oldObject` has it.
    Restore,
    /// Ours from now on, with this value.
    Set(Value),
    /// Ours no longer, and to be taken out.
    Withdraw,
}

/// Whether the API server lets this path change after creation only in parts or not at all.
#[must_use]
pub fn is_immutable(path: &Path) -> bool {
    match &*path.0 {
        [Step::Field(spec), Step::Field(field), ..] if spec == "spec" => matches!(
            field.as_ref(),
            "podManagementPolicy" | "selector" | "serviceName" | "volumeClaimTemplates"
        ),
        _ => false,
    }
}

/// Computes an update; see the module's head.
#[must_use]
pub fn merge(update: &Update) -> Merged {
    let expansions = Wanted::of(update);
    let named = update.named;
    let leaves = &update.record.leaves;
    let mut merged = Merged {
        result: update.after.clone(),
        leaves: Vec::with_capacity(leaves.len() + 4),
        created: update.record.created.clone(),
        restored: Vec::new(),
    };
    let mut recorded = HashSet::with_capacity(leaves.len());
    for (at, leaf) in leaves.iter().enumerate() {
        recorded.insert(&leaf.path);
        let ours = Ours { before: update.parts_before.ours[at], after: update.parts_after.ours[at] };
        let fate = update.fate(&leaf.path, ours, &expansions);
        merged.carry_out(update, &leaf.path, fate, Some(leaf));
    }
    let further = [update.new, update.old].into_iter().flat_map(|expansion| &expansion.injections);
    for Injection { path, .. } in further {
        if recorded.insert(path) {
            let fate = update.fate(path, Ours::default(), &expansions);
            merged.carry_out(update, path, fate, None);
        }
    }
    update.untangle(&mut merged.result);
    let ours = merged.leaves.iter().chain(leaves).map(|leaf| &leaf.path);
    strategy::settle(&mut merged.result, ours);
    if update.sweep(&mut merged.result) {
        let result = &merged.result;
        merged.leaves.retain(|leaf| leaf.path.lookup(result).is_some());
    }
    let created = std::mem::take(&mut merged.created);
    let created = created.into_iter().filter(|path| !named.names_struct(path));
    // What was left empty before, while we were away, stays: taking it out would restart pods.
    let (hollow, created): (Vec<_>, Vec<_>) =
        created.partition(|path| edit::is_left_empty(update.before, path));
    merged.created = edit::prune(&mut merged.result, created);
    merged.created.extend(hollow.into_iter().filter(|path| path.lookup(&merged.result).is_some()));
    update.arrange(&mut merged);
    merged
}

/// Whether a leaf is ours.
#[derive(Debug, Clone, Copy, Default)]
struct Ours {
    before: bool,
    after: bool,
}

/// What the three expansions want, by path.
struct Wanted<'a> {
    old: HashMap<&'a Path, &'a Injection>,
    /// `None` where it is the old one.
    middle: Option<HashMap<&'a Path, &'a Injection>>,
    /// `None` where it is the middle one.
    new: Option<HashMap<&'a Path, &'a Injection>>,
}

impl<'a> Wanted<'a> {
    fn of(update: &Update<'a>) -> Self {
        let by_path =
            |expansion: &'a Expansion| expansion.injections.iter().map(|one| (&one.path, one)).collect();
        let differs = |one: &'a Expansion, other| (!std::ptr::eq(one, other)).then(|| by_path(one));
        Self {
            old: by_path(update.old),
            middle: differs(update.middle, update.old),
            new: differs(update.new, update.middle),
        }
    }

    fn at(&self, path: &Path) -> [Option<&'a Injection>; 3] {
        let old = self.old.get(path).copied();
        let middle = self.middle.as_ref().map_or(old, |middle| middle.get(path).copied());
        [old, middle, self.new.as_ref().map_or(middle, |new| new.get(path).copied())]
    }
}

impl Update<'_> {
    fn fate(&self, path: &Path, ours: Ours, wanted: &Wanted) -> Fate {
        if is_immutable(path) {
            // Also where the user says the same meanwhile: when they leave it out again, it has to be put back.
            return if path.lookup(self.after).is_some() { Fate::Keep } else { Fate::Leave };
        }
        // What was so before, done while we were away, is no cause.
        if displaced(path, &self.parts_after.user) && !displaced(path, &self.parts_before.user) {
            return if ours.after { Fate::Withdraw } else { Fate::Leave };
        }
        let [old, middle, new] = wanted.at(path);
        let [old_value, middle_value, new_value] = [old, middle, new].map(|i| i.map(|i| &i.value));
        let data = [old, middle, new].into_iter().flatten().any(|injection| injection.data);
        // What settings would do to where data is was refused or warned of before.
        let stays = middle_value != new_value && (self.leave)(path, data);
        if stays || old_value == new_value {
            return match ours {
                Ours { before: false, .. } => Fate::Leave,
                Ours { after: true, .. } => Fate::Keep,
                Ours { after: false, .. } => self.standing(path),
            };
        }
        match new_value {
            Some(value) => Fate::Set(value.clone()),
            // Whatever stands beside it now, the data under a mount is not taken away.
            None if ours.after && data && is_mount(path) => Fate::Keep,
            None if ours.after => Fate::Withdraw,
            None => Fate::Leave,
        }
    }

    /// The fate of a leaf of ours that nobody asked to change, and that is no longer as we set it.
    fn standing(&self, path: &Path) -> Fate {
        match path.lookup(self.after) {
            None if self.has_room(path) => Fate::Restore,
            Some(value) if is_api_default(path, value) => Fate::Restore,
            None | Some(_) => Fate::Leave,
        }
    }

    /// Whether the items of the user's that `path` leads through are still there: what was in a
    /// container that is gone is gone with it.
    fn has_room(&self, path: &Path) -> bool {
        (1..path.0.len()).filter(|end| matches!(path.0[end - 1], Step::Item(_))).all(|end| {
            let item = Path::of(&path.0[..end]);
            self.record.created.contains(&item) || item.lookup(self.after).is_some()
        })
    }

    /// Takes out what server-side apply leaves of a probe whose handler it removed: timings that
    /// the API server filled in, with which it would then refuse the object. Gives whether there was
    /// any.
    fn sweep(&self, result: &mut Value) -> bool {
        let mut swept = false;
        for container in crate::settings::containers(self.before) {
            let Some(name) = container["name"].as_str() else {
                continue;
            };
            let at = crate::settings::containers_path().named(name.to_owned());
            for probe in crate::union::PROBES {
                let path = at.field(probe);
                let (Some(had), Some(now)) = (handler(&container[probe]), path.lookup(result)) else {
                    continue;
                };
                if handler(now).is_none() {
                    swept |= edit::remove(result, &path).is_some();
                } else if remnants(now).any(|remnant| remnant == had) {
                    swept |= edit::remove(result, &path.field(had)).is_some();
                }
            }
        }
        swept
    }

    /// Takes our half out of a spread constraint that client-side apply merged into one of the
    /// user's: it merges by `topologyKey` alone, labels of both selectors together.
    fn untangle(&self, result: &mut Value) {
        let list = Path::fields(&["spec", "template", "spec", "topologySpreadConstraints"]);
        let applied = &*self.named.last_applied;
        let theirs = edit::keys_of(applied, &list).into_iter().map(|key| list.item(key));
        for item in theirs {
            let key = |path: &Path| match path.0.last() {
                Some(Step::Item(key)) => key.first().map(str::to_owned),
                _ => None,
            };
            let into_ours =
                self.record.created.iter().any(|p| {
                    p.0.split_last().is_some_and(|(_, above)| list.is(above)) && key(p) == key(&item)
                });
            if let (true, Some(value)) =
                (into_ours && item.lookup(self.after).is_some(), item.lookup(applied))
            {
                edit::set(result, &item, value.clone());
            }
        }
    }

    /// Puts the items that are ours where they belong. One in which we only made something is the user's.
    fn arrange(&self, merged: &mut Merged) {
        for (list, ours) in edit::lists_of(&merged.created) {
            if is_immutable(&list) {
                continue;
            }
            let wanted = item_keys(self.new.injections.iter().map(|injection| &injection.path), &list);
            // One that was the user's comes to where it would be if it had been ours all the time.
            let mut before = edit::keys_of(self.before, &list);
            before.retain(|key| !ours.contains(key) || self.record.created.contains(&list.item(key.clone())));
            edit::arrange(&mut merged.result, &list, &before, &wanted, &ours);
        }
    }
}

impl Merged {
    fn carry_out(&mut self, update: &Update, path: &Path, fate: Fate, recorded: Option<&Leaf>) {
        let over_default = || {
            update.named.managed(path) && path.lookup(update.after).is_some_and(|v| is_api_default(path, v))
        };
        match (fate, recorded) {
            (Fate::Keep, Some(leaf)) => self.leaves.push(leaf.clone()),
            (Fate::Restore, Some(leaf)) => {
                if path.lookup(update.after).is_none() {
                    self.restored.push(path.clone());
                }
                if let Some(value) = path.lookup(update.before)
                    && self.put(path, value.clone())
                {
                    let over_default = leaf.over_default || over_default();
                    self.leaves.push(Leaf { over_default, ..leaf.clone() });
                }
            }
            (Fate::Set(value), recorded) => {
                let hash = hash::leaf(&value);
                if self.put(path, value) {
                    // Whoever manages a default still does when ours changes from one value to another.
                    let over_default = recorded.is_some_and(|leaf| leaf.over_default) || over_default();
                    self.leaves.push(Leaf { path: path.clone(), hash, over_default });
                }
            }
            (Fate::Withdraw, _) => _ = edit::remove(&mut self.result, path),
            (Fate::Keep | Fate::Restore, None) | (Fate::Leave, _) => {}
        }
    }

    /// Sets a value; no if something on the way is neither map nor list.
    fn put(&mut self, path: &Path, value: Value) -> bool {
        let Some(created) = edit::set(&mut self.result, path, value) else {
            return false;
        };
        for created in created {
            if !self.created.contains(&created) {
                self.created.push(created);
            }
        }
        true
    }
}

fn is_mount(path: &Path) -> bool {
    path.0.iter().any(|step| matches!(step, Step::Field(field) if field == "volumeMounts"))
}

/// Whether the user's own fields leave no room for ours at `path`: the other member of a union, a
/// spread constraint for the same topology key, an anti-affinity.
fn displaced(path: &Path, user: &Value) -> bool {
    if let Some(written) = has_handler(user, path) {
        return written;
    }
    if let Some(item) = env_item(path) {
        return item.lookup(user).is_some();
    }
    if Family::of(path) != Family::Scheduling {
        return false;
    }
    match path.0.get(4) {
        Some(Step::Item(key)) => {
            let users = user["spec"]["template"]["spec"]["topologySpreadConstraints"].as_array();
            users.into_iter().flatten().any(|c| Some(crate::settings::text(&c["topologyKey"])) == key.first())
        }
        Some(Step::Field(field)) if field == "podAntiAffinity" => {
            let users = user["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"].as_object();
            users.is_some_and(|map| !map.is_empty())
        }
        _ => false,
    }
}

/// The keys of the items of `list` that `paths` go to or through, each once.
fn item_keys<'p>(paths: impl Iterator<Item = &'p Path>, list: &Path) -> Vec<ItemKey> {
    let mut seen = HashSet::new();
    paths
        .filter(|path| path.starts_with(list))
        .filter_map(|path| match path.0.get(list.0.len()) {
            Some(Step::Item(key)) => Some(key.clone()),
            _ => None,
        })
        .filter(|key| seen.insert(key.clone()))
        .collect()
}
