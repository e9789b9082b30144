//! Changes to raw JSON at list-key paths: what is not named stays as it is.

use serde_json::{Map, Value};

use crate::path::{ItemKey, Path, Step, list_key, position};

/// Sets the value at `path`, creating maps, lists and items on the way; an item that is new goes
/// to the end of its list. Gives the maps and items that were created, outermost first, or `None`,
/// having perhaps created some, where something on the way is neither map, list nor absent.
pub fn set(object: &mut Value, path: &Path, value: Value) -> Option<Vec<Path>> {
    let mut created = Vec::new();
    let mut here = object;
    let mut list = "";
    for (index, step) in path.0.iter().enumerate() {
        let last = index + 1 == path.0.len();
        match step {
            Step::Field(name) => {
                let map = here.as_object_mut()?;
                let next = map.entry(name.as_ref()).or_insert(Value::Null);
                if next.is_null() && !last {
                    let is_list = matches!(path.0.get(index + 1), Some(Step::Item(_)));
                    *next = if is_list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
                    created.push(Path::of(&path.0[..=index]));
                }
                here = next;
                list = name;
            }
            Step::Item(key) => {
                let items = here.as_array_mut()?;
                let at = position(list, items, key).unwrap_or_else(|| {
                    items.push(new_item(list, key));
                    created.push(Path::of(&path.0[..=index]));
                    items.len() - 1
                });
                here = &mut items[at];
            }
        }
    }
    *here = value;
    Some(created)
}

/// Sets values at paths, as [`set`] does one by one; neighbours that begin alike are followed together
/// as far as that goes. Gives the maps and items that were created, in the order of their creation.
pub fn set_all(object: &mut Value, leaves: &[(&Path, &Value)]) -> Vec<Path> {
    let mut created = Vec::with_capacity(leaves.len());
    set_below(object, "", leaves, 0, &mut created);
    created
}

fn set_below(
    here: &mut Value,
    list: &str,
    leaves: &[(&Path, &Value)],
    depth: usize,
    created: &mut Vec<Path>,
) {
    for alike in leaves.chunk_by(|(one, _), (other, _)| one.0.get(depth) == other.0.get(depth)) {
        let path = alike[0].0;
        if depth > 0 && depth < path.0.len() && here.is_null() {
            let is_list = matches!(path.0[depth], Step::Item(_));
            *here = if is_list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
            created.push(Path::of(&path.0[..depth]));
        }
        match (path.0.get(depth), &mut *here) {
            (None, here) => *here = alike[alike.len() - 1].1.clone(),
            (Some(Step::Field(name)), Value::Object(map)) => {
                if let Some(next) = map.get_mut(name.as_ref()) {
                    set_below(next, name, alike, depth + 1, created);
                } else {
                    let mut next = Value::Null;
                    set_below(&mut next, name, alike, depth + 1, created);
                    map.insert(name.clone().into_owned(), next);
                }
            }
            (Some(Step::Item(key)), Value::Array(items)) => {
                let at = position(list, items, key).unwrap_or_else(|| {
                    items.push(new_item(list, key));
                    created.push(Path::of(&path.0[..=depth]));
                    items.len() - 1
                });
                set_below(&mut items[at], list, alike, depth + 1, created);
            }
            _ => {}
        }
    }
}

fn new_item(list: &str, key: &ItemKey) -> Value {
    let mut item = Map::new();
    if let Some(list) = list_key(list) {
        list.write(key, &mut item);
    }
    Value::Object(item)
}

/// Takes the value at `path` out, if it is there.
pub fn remove(object: &mut Value, path: &Path) -> Option<Value> {
    let (_, parents) = path.0.split_last()?;
    take_last(lookup_mut(object, parents)?, path)
}

/// Takes out what the last step of `path` leads to from what stands before it.
fn take_last(parent: &mut Value, path: &Path) -> Option<Value> {
    match path.0.last()? {
        Step::Field(name) => parent.as_object_mut()?.remove(name.as_ref()),
        Step::Item(key) => {
            let items = parent.as_array_mut()?;
            Some(items.remove(position(path.last_field()?, items, key)?))
        }
    }
}

/// Takes the values at `paths` out, those that are there. Neighbours that begin alike are followed
/// together as far as that goes.
pub fn remove_all(object: &mut Value, paths: &[&Path]) {
    take_below(object, "", paths, 0);
}

fn take_below(here: &mut Value, list: &str, paths: &[&Path], depth: usize) {
    for alike in paths.chunk_by(|one, other| one.0.get(depth) == other.0.get(depth)) {
        let ends = alike.iter().any(|path| path.0.len() == depth + 1);
        match (alike[0].0.get(depth), &mut *here) {
            (Some(Step::Field(name)), Value::Object(map)) => {
                if ends {
                    map.remove(name.as_ref());
                } else if let Some(next) = map.get_mut(name.as_ref()) {
                    take_below(next, name, alike, depth + 1);
                }
            }
            (Some(Step::Item(key)), Value::Array(items)) => match position(list, items, key) {
                Some(at) if ends => _ = items.remove(at),
                Some(at) => take_below(&mut items[at], list, alike, depth + 1),
                None => {}
            },
            _ => {}
        }
    }
}

/// Takes out those of `created` in which nothing is left: empty maps, empty lists, items of keys
/// alone. Gives those that stay, in their order.
pub fn prune(object: &mut Value, mut created: Vec<Path>) -> Vec<Path> {
    // Inner ones first, so that an outer one may be empty by then.
    let mut inner_first: Vec<usize> = (0..created.len()).collect();
    inner_first.sort_by_key(|at| std::cmp::Reverse(created[*at].0.len()));
    let mut stays = vec![false; created.len()];
    for at in inner_first {
        let path = &created[at];
        let Some((last, parents)) = path.0.split_last() else { continue };
        let Some(parent) = lookup_mut(object, parents) else { continue };
        let list = path.last_field().unwrap_or_default();
        match last.follow(parent, list).filter(|value| !value.is_null()) {
            Some(value) if is_empty(path, value) => _ = take_last(parent, path),
            found => stays[at] = found.is_some(),
        }
    }
    let mut stays = stays.into_iter();
    created.retain(|_| stays.next().unwrap_or(true));
    created
}

/// Whether there is nothing in the map, list or item at `path`; no if there is none.
#[must_use]
pub fn is_left_empty(object: &Value, path: &Path) -> bool {
    path.lookup(object).is_some_and(|value| is_empty(path, value))
}

fn is_empty(path: &Path, value: &Value) -> bool {
    match (path.0.last(), value) {
        (Some(Step::Item(key)), Value::Object(map)) => map.iter().all(|(field, value)| match value {
            // Where a claim template has its key.
            Value::Object(inner) => field == "metadata" && inner.keys().all(|field| field == "name"),
            _ => key.0.iter().any(|(name, _)| name == field),
        }),
        (_, Value::Object(map)) => map.is_empty(),
        (Some(Step::Field(name)), Value::Array(items)) => list_key(name).is_some() && items.is_empty(),
        _ => false,
    }
}

/// Moves those items of the list at `list` that are `ours` to where they belong, and no other:
/// beside the neighbours that they had `before`; a new one beside its neighbours in `wanted`, the
/// order in which expansion gives them, else to the front or the end.
pub fn arrange(object: &mut Value, list: &Path, before: &[ItemKey], wanted: &[ItemKey], ours: &[ItemKey]) {
    let Some(name) = list.last_field() else { return };
    let Some(kind) = list_key(name) else { return };
    let Some(items) = lookup_mut(object, &list.0).and_then(Value::as_array_mut) else {
        return;
    };
    let keys: Vec<Option<ItemKey>> = items.iter().map(|item| kind.of(item)).collect();
    let is_ours = |key: &Option<ItemKey>| key.as_ref().is_some_and(|key| ours.contains(key));
    let mut order: Vec<usize> = (0..keys.len()).filter(|index| !is_ours(&keys[*index])).collect();
    let place_of =
        |key: &ItemKey, order: &[usize]| order.iter().position(|index| keys[*index].as_ref() == Some(key));
    let index_of = |key: &ItemKey| keys.iter().position(|other| other.as_ref() == Some(key));

    // Variables of ours expand in those behind them, and sources of the user's win over those in front.
    let in_front = matches!(name, "env" | "envFrom");
    for key in before.iter().filter(|key| ours.contains(key)) {
        let Some(index) = index_of(key) else { continue };
        let earlier = before.iter().take_while(|other| *other != key);
        let later = before.iter().skip_while(|other| *other != key).skip(1);
        let after = earlier.clone().filter_map(|other| place_of(other, &order)).max();
        let ahead_of = later.filter_map(|other| place_of(other, &order)).min();
        let first = earlier.count() == 0;
        let after = after.map(|place| place + 1).or(first.then_some(0));
        let at = match (after, ahead_of) {
            // The user's items changed places. What has to be in front of one stays there.
            (Some(after), Some(ahead_of)) if in_front && ahead_of < after => Some(ahead_of),
            (after, ahead_of) => after.or(ahead_of),
        };
        // All its neighbours are gone: behind those that took their place, as it stood behind them.
        let lost = if in_front { index.min(order.len()) } else { order.len() };
        order.insert(at.unwrap_or(lost), index);
    }
    for key in wanted.iter().filter(|key| ours.contains(key) && !before.contains(key)) {
        let Some(index) = index_of(key) else { continue };
        let at = beside(key, wanted, &|other| place_of(other, &order));
        order.insert(at.unwrap_or(if in_front { 0 } else { order.len() }), index);
    }
    // Items of ours that neither list knows stay at the end.
    order.extend((0..keys.len()).filter(|index| !order.contains(index)).collect::<Vec<_>>());
    if order.iter().enumerate().any(|(place, index)| place != *index) {
        let mut taken: Vec<Option<Value>> = items.drain(..).map(Some).collect();
        items.extend(order.into_iter().filter_map(|index| taken[index].take()));
    }
}

/// Right after the nearest one before `key` in `wanted` that is placed, else right before the
/// nearest one after it.
fn beside(key: &ItemKey, wanted: &[ItemKey], place: &dyn Fn(&ItemKey) -> Option<usize>) -> Option<usize> {
    let at = wanted.iter().position(|other| other == key)?;
    let after = wanted[..at].iter().rev().find_map(place).map(|place| place + 1);
    after.or_else(|| wanted[at + 1..].iter().find_map(place))
}

/// The items among `paths`, by the list that they are in.
#[must_use]
pub fn lists_of(paths: &[Path]) -> Vec<(Path, Vec<ItemKey>)> {
    let mut lists: Vec<(Path, Vec<ItemKey>)> = Vec::new();
    for path in paths {
        let Some((Step::Item(key), list)) = path.0.split_last() else {
            continue;
        };
        match lists.iter_mut().find(|(other, _)| other.is(list)) {
            Some((_, keys)) => keys.push(key.clone()),
            None => lists.push((Path::of(list), vec![key.clone()])),
        }
    }
    lists
}

/// The keys of the items in the list at `list`, those without one left out.
#[must_use]
pub fn keys_of(object: &Value, list: &Path) -> Vec<ItemKey> {
    let Some(kind) = list.last_field().and_then(list_key) else {
        return Vec::new();
    };
    let items = list.lookup(object).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(|item| kind.of(item)).collect()
}

fn lookup_mut<'v>(object: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    let mut here = object;
    let mut list = "";
    for step in steps {
        here = match step {
            Step::Field(name) => {
                list = name;
                here.get_mut(name.as_ref())?
            }
            Step::Item(key) => {
                let items = here.as_array_mut()?;
                let at = position(list, items, key)?;
                &mut items[at]
            }
        };
    }
    Some(here)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn env(names: &str) -> Value {
        json!({"env": names.chars().map(|c| json!({"name": c.to_string()})).collect::<Vec<_>>()})
    }

    fn keys(names: &str) -> Vec<ItemKey> {
        names.chars().map(|c| ItemKey::text("name", c.to_string())).collect()
    }

    fn arranged(have: &str, before: &str, wanted: &str, ours: &str) -> String {
        let mut object = env(have);
        arrange(&mut object, &Path::fields(&["env"]), &keys(before), &keys(wanted), &keys(ours));
        object["env"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn new_items_go_to_the_front_in_their_order() {
        assert_eq!(arranged("uvab", "", "ab", "ab"), "abuv");
    }

    #[test]
    fn restored_items_go_back_between_their_neighbours() {
        assert_eq!(arranged("uvab", "uavb", "ab", "ab"), "uavb");
        assert_eq!(arranged("vab", "uavb", "ab", "ab"), "avb");
    }

    #[test]
    fn items_in_front_stay_in_front_of_a_neighbour_that_moved() {
        // The user took `a` over and put it behind `u`; `b` stays in front of `u`.
        assert_eq!(arranged("uab", "abu", "b", "b"), "bua");
    }

    #[test]
    fn an_item_taken_over_and_dropped_comes_back_to_its_place() {
        // `a` was the user's before, so it does not stand in `before`.
        assert_eq!(arranged("bcua", "bcu", "abc", "abc"), "abcu");
    }

    #[test]
    fn an_item_stays_behind_what_took_its_neighbours_place() {
        let item = |key: &str| json!({"topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway"});
        let list = Path::fields(&["topologySpreadConstraints"]);
        let have = |keys: [&str; 2]| json!({"topologySpreadConstraints": keys.map(item)});
        let (before, mut object) = (have(["u", "a"]), have(["a", "v"]));
        let ours = &keys_of(&before, &list)[1..];
        arrange(&mut object, &list, &keys_of(&before, &list), ours, ours);
        assert_eq!(object, have(["v", "a"]));
    }

    #[test]
    fn the_users_items_keep_their_order() {
        assert_eq!(arranged("zyab", "ayzb", "ab", "ab"), "azyb");
    }

    #[test]
    fn a_claim_template_of_its_name_alone_is_left_empty() {
        let mut object = json!({});
        let claim = Path::fields(&["spec", "volumeClaimTemplates"]).named("data");
        let mode = claim.field("spec").field("volumeMode");
        let created = set(&mut object, &mode, json!("Filesystem")).unwrap();
        remove(&mut object, &mode);
        assert_eq!(prune(&mut object, created), Vec::<Path>::new());
        assert_eq!(object, json!({}));
    }

    #[test]
    fn many_are_taken_out_as_one_by_one() {
        let mut object =
            json!({"a": {"b": 1, "c": {"d": 2}}, "env": [{"name": "X", "value": "1"}, {"name": "Y"}]});
        let mut other = object.clone();
        let env = Path::fields(&["env"]);
        let (field, x) = (Path::fields(&["a"]).field("c"), env.named("X"));
        let paths = [
            field.field("d"),
            field,
            x.field("value"),
            Path::fields(&["a", "x", "y"]),
            env.named("Y"),
            x,
            env,
        ];
        remove_all(&mut object, &paths[..5].iter().collect::<Vec<_>>());
        for path in &paths[..5] {
            remove(&mut other, path);
        }
        assert_eq!(object, other);
        assert_eq!(object, json!({"a": {"b": 1}, "env": [{"name": "X"}]}));
        remove_all(&mut object, &paths.iter().collect::<Vec<_>>());
        assert_eq!(object, json!({"a": {"b": 1}}));
    }

    #[test]
    fn many_are_set_as_one_by_one() {
        let env = Path::fields(&["env"]);
        let a = Path::fields(&["a"]);
        let leaves = [
            (a.field("b").field("c"), json!(1)),
            (a.field("b").field("d"), json!({})),
            (a.field("b").field("d").field("e"), json!(2)),
            (env.named("X").field("value"), json!("1")),
            (env.named("Y").field("value"), json!("2")),
            (a.field("f"), json!([])),
            (a.field("text").field("below"), json!(3)),
            (env.named("X").field("value"), json!("4")),
        ];
        let mut object = json!({"a": {"b": null, "text": "x"}, "env": [{"name": "X"}]});
        let mut other = object.clone();
        let one_by_one: Vec<Path> = leaves
            .iter()
            .flat_map(|(path, value)| set(&mut other, path, value.clone()).unwrap_or_default())
            .collect();
        let together: Vec<_> = leaves.iter().map(|(path, value)| (path, value)).collect();
        assert_eq!(set_all(&mut object, &together), one_by_one);
        assert_eq!(one_by_one, [a.field("b"), env.named("Y")]);
        assert_eq!(object, other);
    }

    #[test]
    fn maps_lists_and_items_are_created_on_the_way() {
        let mut object = json!({"spec": null});
        let path = Path::fields(&["spec", "containers"]).named("a").field("env").named("X").field("value");
        let created = set(&mut object, &path, json!("1")).unwrap();
        let expected = json!({"spec": {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}]}]}});
        assert_eq!(object, expected);
        assert_eq!(remove(&mut object, &path), Some(json!("1")));
        assert_eq!(prune(&mut object, created), Vec::<Path>::new());
        assert_eq!(object, json!({}));
    }
}
