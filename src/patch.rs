//! From two versions of an object to a JSON patch, and the check that it gives what was meant.
//!
//! Lists with keys are compared item by item, never by position: a positional comparison would
//! rewrite every neighbour of an inserted item. What does not differ is not in the patch, so fields
//! that we do not know stay as they are.

mod view;

use json_patch::jsonptr::Token;
use serde::Serialize;
use serde_json::{Map, Value};

use self::view::View;
use crate::engine::EngineError;
use crate::json;
use crate::path::{ListKey, list_key};

/// The JSON patch (RFC 6902) that turns `sent` into `meant`, checked; `None` where they are the same.
///
/// # Errors
/// The patch does not apply, or gives something else: a fault of ours, never to leave the process.
pub fn between(sent: &Value, meant: &Value) -> Result<Option<Vec<u8>>, EngineError> {
    let operations = diff(sent, meant);
    check(sent, &operations, meant)?;
    Ok((!operations.is_empty()).then(|| json::written(&operations, ROOM)))
}

/// More than most patches of a creation take, in bytes.
const ROOM: usize = 16 << 10;

/// An operation as the patch has it. Values stay where they stand: to copy and to free them takes longer
/// than to write them.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Operation<'v> {
    Add { path: Pointer<'v>, value: &'v Value },
    Remove { path: Pointer<'v> },
}

impl<'v> Operation<'v> {
    fn path(&self) -> &Pointer<'v> {
        match self {
            Self::Add { path, .. } | Self::Remove { path } => path,
        }
    }
}

/// A way into an object, and how it is written (RFC 6901).
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
struct Pointer<'v> {
    text: String,
    #[serde(skip)]
    steps: Vec<Step<'v>>,
}

/// One step of it.
#[derive(Debug, Clone, Copy)]
enum Step<'v> {
    Field(&'v str),
    Item(usize),
}

impl<'v> Pointer<'v> {
    fn push(&mut self, step: Step<'v>) {
        self.text.push('/');
        match step {
            Step::Field(name) => self.text.push_str(Token::new(name).encoded()),
            Step::Item(at) => self.text.push_str(&at.to_string()),
        }
        self.steps.push(step);
    }
}

fn diff<'v>(before: &'v Value, after: &'v Value) -> Vec<Operation<'v>> {
    // Room for most creations.
    let mut difference = Difference { at: Pointer::default(), operations: Vec::with_capacity(32) };
    difference.compare("", before, after);
    difference.operations
}

/// Applies the operations to the object that was sent, and compares. The object is not copied for it: that
/// this says what `json_patch` says is a law that is tested.
fn check(sent: &Value, operations: &[Operation], meant: &Value) -> Result<(), EngineError> {
    let mut result = View::Whole(sent);
    for operation in operations {
        result.apply(operation).ok_or_else(|| EngineError::Apply(operation.path().text.clone()))?;
    }
    if result.is(meant) { Ok(()) } else { Err(EngineError::Differs) }
}

/// What differs so far, and where the two are compared now: that is copied only where they differ.
struct Difference<'v> {
    at: Pointer<'v>,
    operations: Vec<Operation<'v>>,
}

impl<'v> Difference<'v> {
    fn compare(&mut self, name: &str, before: &'v Value, after: &'v Value) {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => self.compare_maps(before, after),
            _ if before == after => {}
            (Value::Array(old), Value::Array(new)) => {
                if !list_key(name).is_some_and(|list| self.compare_lists(list, old, new)) {
                    self.add(after);
                }
            }
            // `add` replaces a member that is there, also one that is null.
            _ => self.add(after),
        }
    }

    fn compare_maps(&mut self, before: &'v Map<String, Value>, after: &'v Map<String, Value>) {
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            self.below(Step::Field(key), Self::remove);
        }
        for (key, value) in after {
            self.below(Step::Field(key), |at| match before.get(key) {
                Some(old) => at.compare(key, old, value),
                None => at.add(value),
            });
        }
    }

    /// Compares keyed lists; gives up, having written nothing, where items lack keys, share one, or
    /// stand in another order.
    fn compare_lists(&mut self, list: ListKey, before: &'v [Value], after: &'v [Value]) -> bool {
        let keys = |items: &[Value]| -> Option<Vec<_>> { items.iter().map(|item| list.of(item)).collect() };
        let (Some(old), Some(new)) = (keys(before), keys(after)) else {
            return false;
        };
        let unique = |keys: &[_]| (1..keys.len()).all(|index| !keys[..index].contains(&keys[index]));
        let kept: Vec<usize> = (0..old.len()).filter(|index| new.contains(&old[*index])).collect();
        let in_order = new.iter().filter(|key| old.contains(key)).eq(kept.iter().map(|index| &old[*index]));
        if !unique(&old) || !unique(&new) || !in_order {
            return false;
        }
        for index in (0..old.len()).rev().filter(|index| !kept.contains(index)) {
            self.below(Step::Item(index), Self::remove);
        }
        for (index, item) in after.iter().enumerate() {
            self.below(Step::Item(index), |at| match old.iter().position(|key| *key == new[index]) {
                Some(was) => at.compare("", &before[was], item),
                None => at.add(item),
            });
        }
        true
    }

    fn below(&mut self, step: Step<'v>, compare: impl FnOnce(&mut Self)) {
        let length = self.at.text.len();
        self.at.push(step);
        compare(self);
        self.at.steps.pop();
        self.at.text.truncate(length);
    }

    fn add(&mut self, value: &'v Value) {
        self.operations.push(Operation::Add { path: self.at.clone(), value });
    }

    fn remove(&mut self) {
        self.operations.push(Operation::Remove { path: self.at.clone() });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn operations(before: &Value, after: &Value) -> Value {
        let patch = between(before, after).unwrap();
        patch.map_or(Value::Null, |patch| serde_json::from_slice(&patch).unwrap())
    }

    #[test]
    fn an_item_in_front_touches_no_neighbour() {
        let before = json!({"env": [{"name": "A", "future": 1}]});
        let after = json!({"env": [{"name": "B", "value": "x"}, {"name": "A", "future": 1}]});
        assert_eq!(
            operations(&before, &after),
            json!([{"op": "add", "path": "/env/0", "value": {"name": "B", "value": "x"}}])
        );
    }

    #[test]
    fn items_that_go_and_come_keep_the_rest() {
        let item = |name: &str, value: &str| json!({"name": name, "value": value});
        let before = json!({"env": [item("A", "1"), item("B", "2"), item("C", "3")]});
        let after = json!({"env": [item("B", "9"), item("D", "4"), item("C", "3")]});
        assert_eq!(
            operations(&before, &after),
            json!([
                {"op": "remove", "path": "/env/0"},
                {"op": "add", "path": "/env/0/value", "value": "9"},
                {"op": "add", "path": "/env/1", "value": item("D", "4")},
            ])
        );
    }

    #[test]
    fn other_orders_and_unkeyed_lists_are_replaced_whole() {
        let before = json!({"env": [{"name": "A"}, {"name": "B"}], "args": ["x"]});
        let after = json!({"env": [{"name": "B"}, {"name": "A"}], "args": ["y", "x"]});
        assert_eq!(operations(&before, &after).as_array().unwrap().len(), 2);
    }

    #[test]
    fn null_is_replaced_and_keys_are_escaped() {
        let before = json!({"labels": {"a/b~c": null}});
        let after = json!({"labels": {"a/b~c": "x"}});
        assert_eq!(
            operations(&before, &after),
            json!([{"op": "add", "path": "/labels/a~1b~0c", "value": "x"}])
        );
    }

    #[test]
    fn a_patch_that_gives_something_else_is_caught() {
        let meant = json!({"a": 2});
        let sent = json!({"a": 1});
        let patch = diff(&sent, &meant);
        assert!(matches!(check(&sent, &patch, &json!({"a": 3})), Err(EngineError::Differs)));
        assert!(matches!(check(&json!([]), &patch, &meant), Err(EngineError::Apply(_))));
    }
}
