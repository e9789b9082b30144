//! Reads a review, and leaves out what no rule of ours looks at and what would only be copied: the
//! status of its objects, and of their managedFields all but those of server-side apply.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads the review in `body`. It may not be one: whatever JSON there is comes as it is.
pub(super) fn read(body: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let review = At::Review.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(review)
}

/// Where in a review a value stands.
#[derive(Debug, Clone, Copy)]
enum At {
    Review,
    Request,
    Object,
    Metadata,
    /// The list of managedFields.
    Managers,
    /// One entry of that list.
    Manager,
    /// Anywhere else: everything is read.
    Elsewhere,
}

impl At {
    /// Where the value of `field` stands; `None` if it is left out.
    fn below(self, field: &str) -> Option<Self> {
        match (self, field) {
            (Self::Review, "request") => Some(Self::Request),
            (Self::Request, "object" | "oldObject") => Some(Self::Object),
            (Self::Object, "metadata") => Some(Self::Metadata),
            (Self::Object, "status") => None,
            (Self::Metadata, "managedFields") => Some(Self::Managers),
            _ => Some(Self::Elsewhere),
        }
    }

    fn read_fields<'de, A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(field) = fields.next_key::<String>()? {
            // Written before fieldsV1, which is the long part (`ManagedFieldsEntry` of apimachinery).
            let passed = matches!(self, Self::Manager) && !is_apply(&map);
            match self.below(&field) {
                Some(at) if !passed => _ = map.insert(field, fields.next_value_seed(at)?),
                _ => _ = fields.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Value::Object(map))
    }
}

/// Whether an entry of managedFields may be of server-side apply, as far as it is read.
fn is_apply(entry: &Map<String, Value>) -> bool {
    entry.get("operation").is_none_or(|operation| operation == "Apply")
}

impl<'de> DeserializeSeed<'de> for At {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            Self::Elsewhere => serde::Deserialize::deserialize(deserializer),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for At {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Value, A::Error> {
        self.read_fields(fields)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let of_item = if matches!(self, Self::Managers) { Self::Manager } else { Self::Elsewhere };
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(of_item)? {
            match &item {
                Value::Object(entry) if matches!(self, Self::Managers) && !is_apply(entry) => {}
                _ => list.push(item),
            }
        }
        Ok(Value::Array(list))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(object: &Value) -> Value {
        let body = json!({"request": {"object": object, "options": {"status": 1}}}).to_string();
        read(body.as_bytes()).unwrap()["request"].clone()
    }

    #[test]
    fn all_is_read_but_the_status_and_the_managers_that_do_not_apply() {
        let entry =
            |operation: &str| json!({"manager": "m", "operation": operation, "fieldsV1": {"f:spec": {}}});
        let object = json!({
            "metadata": {"name": "db", "managedFields": [entry("Update"), entry("Apply")]},
            "spec": {"status": 1, "template": {"metadata": {"managedFields": [entry("Update")]}}},
            "status": {"replicas": 3},
        });
        let mut kept = object.clone();
        kept["metadata"]["managedFields"] = json!([entry("Apply")]);
        kept.as_object_mut().unwrap().remove("status");
        assert_eq!(of(&object), json!({"object": kept, "options": {"status": 1}}));
    }

    #[test]
    fn the_order_of_an_entry_does_not_matter() {
        let body = r#"{"request": {"oldObject": {"metadata": {"managedFields": [
            {"fieldsV1": {"f:a": {}}, "operation": "Update"}, {"fieldsV1": {"f:a": {}}, "operation": "Apply"}]}}}}"#;
        let managers = &read(body.as_bytes()).unwrap()["request"]["oldObject"]["metadata"]["managedFields"];
        assert_eq!(*managers, json!([{"fieldsV1": {"f:a": {}}, "operation": "Apply"}]));
    }

    fn odd() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e300_f64..1e300).prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 4, |inner| {
            let field = prop::sample::select(vec!["request", "object", "metadata", "managedFields", "spec"]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(field.prop_map(str::to_owned), inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        /// Nothing here has a status or an operation, so nothing is left out.
        #[test]
        fn what_is_no_review_is_read_as_it_is(value in odd()) {
            prop_assert_eq!(read(value.to_string().as_bytes()).unwrap(), value);
        }
    }
}
