//! An object with a patch applied to it, without a copy: what no operation touches is borrowed.

use std::borrow::Cow;

use json_patch::jsonptr::Token;
use serde_json::Value;

use super::Operation;

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
type Fields<'v> = Vec<(Cow<'v, str>, View<'v>)>;

impl<'v> View<'v> {
    /// Carries out an operation as RFC 6902 has it; `None` where it cannot be.
    pub(super) fn apply(&mut self, operation: &Operation<'v>) -> Option<()> {
        let value = match operation {
            Operation::Add { value, .. } => Some(*value),
            Operation::Remove { .. } => None,
        };
        let Some((parents, last)) = operation.path().split_back() else {
            *self = Self::Whole(value?);
            return Some(());
        };
        let mut here = self;
        for token in parents.tokens() {
            here = here.below(&token)?;
        }
        here.open();
        match (here, value) {
            (Self::Map(fields), value) => match (place(fields, &last.decoded()), value) {
                (Ok(at), Some(value)) => fields[at].1 = Self::Whole(value),
                (Err(at), Some(value)) => {
                    fields.insert(at, (Cow::Owned(last.decoded().into_owned()), Self::Whole(value)));
                }
                (Ok(at), None) => _ = fields.remove(at),
                (Err(_), None) => return None,
            },
            (Self::List(items), Some(value)) => {
                let at = last.to_index().ok()?.for_len_incl(items.len()).ok()?;
                items.insert(at, Self::Whole(value));
            }
            (Self::List(items), None) => {
                let at = last.to_index().ok()?.for_len(items.len()).ok()?;
                items.remove(at);
            }
            (Self::Whole(_), _) => return None,
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

    fn below(&mut self, token: &Token) -> Option<&mut Self> {
        self.open();
        match self {
            Self::Map(fields) => place(fields, &token.decoded()).ok().map(|at| &mut fields[at].1),
            Self::List(items) => {
                let at = token.to_index().ok()?.for_len(items.len()).ok()?;
                items.get_mut(at)
            }
            Self::Whole(_) => None,
        }
    }

    /// Makes what is below changeable, if it is a map or a list.
    fn open(&mut self) {
        match self {
            Self::Whole(Value::Object(map)) => {
                let fields =
                    map.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), Self::Whole(value)));
                *self = Self::Map(fields.collect());
            }
            Self::Whole(Value::Array(items)) => *self = Self::List(items.iter().map(Self::Whole).collect()),
            _ => {}
        }
    }
}

/// Where the field is, or where it would have to be.
fn place(fields: &Fields, name: &str) -> Result<usize, usize> {
    fields.binary_search_by(|(field, _)| field.as_ref().cmp(name))
}

#[cfg(test)]
mod tests {
    use json_patch::jsonptr::PointerBuf;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

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

    /// A path, and what to add there; `None` to remove.
    type Drawn = (PointerBuf, Option<Value>);

    fn operation() -> impl Strategy<Value = Drawn> {
        let token = prop_oneof![field(), prop::sample::select(vec!["0", "1", "2", "01", "-", "a"])];
        let path = prop::collection::vec(token, 0..4).prop_map(PointerBuf::from_tokens);
        (path, prop::option::of(object()))
    }

    fn of((path, value): &Drawn) -> Operation<'_> {
        let path = path.clone();
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
            for operation in operations.iter().map(of) {
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
