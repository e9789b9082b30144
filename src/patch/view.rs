//! An object with a patch applied to it, without a copy: what no operation touches is borrowed.

use serde_json::Value;

use super::{Operation, Step};

/// A value of the object as it is so far.
pub(super) enum View<'v> {
    /// As it was sent, or as an operation brought it.
    Whole(&'v Value),
    /// A map that an operation led into.
    Map(Fields<'v>),
    /// A list that an operation led into.
    List(Vec<View<'v>>),
}

/// The fields of a map, sorted by their names as the map is.
type Fields<'v> = Vec<(&'v str, View<'v>)>;

impl<'v> View<'v> {
    /// Carries out an operation as RFC 6902 has it; `None` where it cannot be.
    pub(super) fn apply(&mut self, operation: &Operation<'v>) -> Option<()> {
        let value = match operation {
            Operation::Add { value, .. } => Some(*value),
            Operation::Remove { .. } => None,
        };
        let Some((last, parents)) = operation.path().steps.split_last() else {
            *self = Self::Whole(value?);
            return Some(());
        };
        let mut here = self;
        for step in parents {
            here = here.below(*step)?;
        }
        here.open();
        match (here, *last) {
            (Self::Map(fields), Step::Field(name)) => match (place(fields, name), value) {
                (Ok(at), Some(value)) => fields[at].1 = Self::Whole(value),
                (Err(at), Some(value)) => fields.insert(at, (name, Self::Whole(value))),
                (Ok(at), None) => _ = fields.remove(at),
                (Err(_), None) => return None,
            },
            (Self::List(items), Step::Item(at)) => match value {
                Some(value) if at <= items.len() => items.insert(at, Self::Whole(value)),
                None if at < items.len() => _ = items.remove(at),
                _ => return None,
            },
            _ => return None,
        }
        Some(())
    }

    /// Whether it is `meant`.
    pub(super) fn is(&self, meant: &Value) -> bool {
        match (self, meant) {
            // What an operation brought stands in what is meant.
            (Self::Whole(value), _) => std::ptr::eq(*value, meant) || *value == meant,
            (Self::Map(fields), Value::Object(meant)) => {
                fields.len() == meant.len()
                    && fields
                        .iter()
                        .zip(meant)
                        .all(|((name, value), (field, meant))| name == field && value.is(meant))
            }
            (Self::List(items), Value::Array(meant)) => {
                items.len() == meant.len() && items.iter().zip(meant).all(|(item, meant)| item.is(meant))
            }
            (Self::Map(_) | Self::List(_), _) => false,
        }
    }

    fn below(&mut self, step: Step) -> Option<&mut Self> {
        self.open();
        match (self, step) {
            (Self::Map(fields), Step::Field(name)) => place(fields, name).ok().map(|at| &mut fields[at].1),
            (Self::List(items), Step::Item(at)) => items.get_mut(at),
            _ => None,
        }
    }

    /// Makes what is below changeable, if it is a map or a list.
    fn open(&mut self) {
        match self {
            Self::Whole(Value::Object(map)) => {
                // What is opened is likely to get more.
                let mut fields = Vec::with_capacity(map.len() + 8);
                fields.extend(map.iter().map(|(name, value)| (name.as_str(), Self::Whole(value))));
                *self = Self::Map(fields);
            }
            Self::Whole(Value::Array(items)) => *self = Self::List(items.iter().map(Self::Whole).collect()),
            _ => {}
        }
    }
}

/// Where the field is, or where it would have to be.
fn place(fields: &Fields, name: &str) -> Result<usize, usize> {
    fields.binary_search_by(|(field, _)| (*field).cmp(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::patch::Pointer;

    fn field() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b/c", "~", "0", ""])
    }

    fn object() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), (0..3).prop_map(Value::from), Just(json!("0"))];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((field(), inner), 0..4).prop_map(|fields| fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()),
            ]
        })
    }

    /// A way, its steps for where there is a map and for where there is a list; and what to add there, `None`
    /// to remove.
    type Drawn = (Vec<(&'static str, usize)>, Option<Value>);

    fn operation() -> impl Strategy<Value = Drawn> {
        (prop::collection::vec((field(), 0..3_usize), 0..4), prop::option::of(object()))
    }

    fn of<'v>(object: &Value, (steps, value): &'v Drawn) -> Operation<'v> {
        let mut path = Pointer::default();
        let mut here = Some(object);
        for (name, at) in steps {
            if let Some(Value::Array(items)) = here {
                path.push(Step::Item(*at));
                here = items.get(*at);
            } else {
                path.push(Step::Field(name));
                here = here.and_then(|here| here.get(name));
            }
        }
        match value {
            Some(value) => Operation::Add { path, value },
            None => Operation::Remove { path },
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn an_operation_is_written_and_gives_what_the_library_reads_and_gives(
            sent in object(),
            operations in prop::collection::vec(operation(), 0..5),
            other in object(),
        ) {
            let mut view = View::Whole(&sent);
            let mut copy = sent.clone();
            for drawn in &operations {
                let operation = of(&copy, drawn);
                let written = serde_json::to_string(&[&operation]).unwrap();
                let read: json_patch::Patch = serde_json::from_str(&written).unwrap();
                let given = json_patch::patch_unsafe(&mut copy, &read).is_ok();
                prop_assert_eq!(view.apply(&operation).is_some(), given, "{}", written);
                if !given {
                    return Ok(());
                }
            }
            prop_assert!(view.is(&copy));
            prop_assert_eq!(view.is(&other), other == copy);
        }
    }
}
