//! Takes the API server's defaults out of a result again: what is left is what the user wrote and
//! what we added, which is what a user would apply.

use serde_json::{Map, Value};

use crate::path::{self, Path, Step};

/// An object in three states.
#[derive(Debug, Clone, Copy)]
pub struct States<'a> {
    /// As the user wrote it.
    pub written: &'a Value,
    /// With the API server's defaults.
    pub filled: &'a Value,
    /// As it will be stored.
    pub result: &'a Value,
}

/// What of the result was written or is ours, in the order in which it was written.
///
/// `ours` are the paths that we inject: they stay even where their value is the default.
#[must_use]
pub fn without_defaults(states: States<'_>, ours: &[Path]) -> Value {
    let place = Place { written: Some(states.written), filled: Some(states.filled) };
    place.keep(states.result, &Path::default(), ours)
}

/// One place of the object in its two earlier states.
#[derive(Clone, Copy)]
struct Place<'a> {
    written: Option<&'a Value>,
    filled: Option<&'a Value>,
}

impl Place<'_> {
    fn keep(self, result: &Value, path: &Path, ours: &[Path]) -> Value {
        if self.written.is_none() && self.filled.is_none() {
            return result.clone();
        }
        match result {
            Value::Object(fields) => Value::Object(self.keep_fields(fields, path, ours)),
            Value::Array(items) => Value::Array(self.keep_items(items, path, ours)),
            scalar => scalar.clone(),
        }
    }

    fn keep_fields(self, result: &Map<String, Value>, path: &Path, ours: &[Path]) -> Map<String, Value> {
        let written = self.written.and_then(Value::as_object);
        let filled = self.filled.and_then(Value::as_object);
        let first = written.into_iter().flat_map(Map::keys).filter(|key| result.contains_key(*key));
        let rest = result.keys().filter(|key| !written.is_some_and(|map| map.contains_key(*key)));
        let mut kept = Map::new();
        for key in first.chain(rest) {
            let place = Place {
                written: written.and_then(|map| map.get(key)).filter(|value| !value.is_null()),
                filled: filled.and_then(|map| map.get(key)),
            };
            let path = path.field(key.clone());
            let is_written = written.is_some_and(|map| map.contains_key(key));
            if is_written || place.filled != result.get(key) || concerns(ours, &path) {
                kept.insert(key.clone(), place.keep(&result[key], &path, ours));
            }
        }
        kept
    }

    fn keep_items(self, result: &[Value], path: &Path, ours: &[Path]) -> Vec<Value> {
        let key = path.last_field().and_then(path::list_key);
        let Some(key) = key.filter(|_| matches!(path.0.last(), Some(Step::Field(_)))) else {
            return self.keep_by_position(result, path, ours);
        };
        let mut written = Earlier::of(self.written);
        let mut filled = Earlier::of(self.filled);
        let keep = |item: &Value| {
            let Some(id) = key.of(item) else {
                return item.clone();
            };
            let same = |other: &Value| key.of(other).as_ref() == Some(&id);
            let place = Place { written: written.take(same), filled: filled.take(same) };
            place.keep(item, &path.item(id.clone()), ours)
        };
        result.iter().map(keep).collect()
    }

    /// Lists without keys are taken or left whole, so nothing moved in them.
    fn keep_by_position(self, result: &[Value], path: &Path, ours: &[Path]) -> Vec<Value> {
        let item = |list: Option<&'_ Value>, index: usize| list.and_then(|list| list.get(index)).cloned();
        let keep = |(index, value): (usize, &Value)| {
            let (written, filled) = (item(self.written, index), item(self.filled, index));
            Place { written: written.as_ref(), filled: filled.as_ref() }.keep(value, path, ours)
        };
        result.iter().enumerate().map(keep).collect()
    }
}

/// Items of an earlier state, each to be found once, should a key stand twice.
struct Earlier<'a>(Vec<&'a Value>);

impl<'a> Earlier<'a> {
    fn of(list: Option<&'a Value>) -> Self {
        Self(list.and_then(Value::as_array).into_iter().flatten().collect())
    }

    fn take(&mut self, same: impl Fn(&Value) -> bool) -> Option<&'a Value> {
        let at = self.0.iter().position(|item| same(item))?;
        Some(self.0.remove(at))
    }
}

fn concerns(ours: &[Path], path: &Path) -> bool {
    ours.iter().any(|our| our.starts_with(path) || path.starts_with(our))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_go_and_what_is_written_or_ours_stays() {
        let written = json!({"spec": {"replicas": 1, "selector": null, "template": {"spec": {"containers": [
            {"name": "b", "image": "x"}, {"name": "a", "image": "y", "imagePullPolicy": "Always"}]}}}});
        let filled = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "b", "image": "x", "imagePullPolicy": "IfNotPresent"},
            {"name": "a", "image": "y", "imagePullPolicy": "Always"}],
            "securityContext": {}, "restartPolicy": "Always"}}, "replicas": 1, "podManagementPolicy": "OrderedReady"}});
        let mut result = filled.clone();
        result["spec"]["selector"] = json!({"matchLabels": {"a": "b"}});
        result["spec"]["podManagementPolicy"] = json!("Parallel");
        let pod = &mut result["spec"]["template"]["spec"];
        pod["securityContext"]["fsGroup"] = json!(999);
        pod["containers"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"name": "new", "imagePullPolicy": "Always"}));
        let ours = Path::fields(&["spec", "template", "spec", "restartPolicy"]);
        let states = States { written: &written, filled: &filled, result: &result };
        assert_eq!(
            without_defaults(states, &[ours]).to_string(),
            json!({"spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [
                {"name": "new", "imagePullPolicy": "Always"}, {"name": "b", "image": "x"},
                {"name": "a", "image": "y", "imagePullPolicy": "Always"}],
                "securityContext": {"fsGroup": 999}, "restartPolicy": "Always"}}, "podManagementPolicy": "Parallel"}})
            .to_string()
        );
    }

    #[test]
    fn lists_without_keys_are_matched_by_position() {
        let written = json!({"sources": [{"secret": {"name": "a"}}], "args": ["x"]});
        let filled = json!({"sources": [{"secret": {"name": "a"}, "mode": 420}], "args": ["x"]});
        let states = States { written: &written, filled: &filled, result: &filled };
        assert_eq!(without_defaults(states, &[]), written);
    }
}
