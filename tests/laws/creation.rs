//! Laws 1 to 3: what CREATE makes of an object.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use stateward::edit;
use stateward::engine::{Admitted, Decision};
use stateward::expand::is_api_default;
use stateward::hash::canonical;
use stateward::names;
use stateward::path::{ItemKey, Path, Step, list_key};
use stateward::record::{Read, Record};

use crate::cases;
use crate::engines::engine;
use crate::manifests::{manifest, small};
use crate::server::{admit, received};

/// Admits an object as it is, nulls and empty maps and all.
fn created(object: &Value) -> Result<Option<Box<Admitted>>, TestCaseError> {
    match admit(&engine(0), None, object).map_err(TestCaseError::fail)? {
        Decision::Admitted(admitted) => Ok(Some(admitted)),
        _ => Ok(None),
    }
}

/// What the API server sends for fields that are unset, or what people write for it.
fn hollowed(mut object: Value, holes: &[usize]) -> Value {
    const HOLES: [(&[&str], &str); 12] = [
        (&["spec", "selector"], "null"),
        (&["spec", "serviceName"], "\"\""),
        (&["spec", "volumeClaimTemplates"], "null"),
        (&["spec", "volumeClaimTemplates"], "[]"),
        (&["spec", "template", "metadata"], "{\"creationTimestamp\":null}"),
        (&["spec", "template", "spec", "affinity"], "{}"),
        (&["spec", "template", "spec", "securityContext"], "null"),
        (&["spec", "template", "spec", "topologySpreadConstraints"], "[]"),
        (&["metadata", "annotations"], "null"),
        (&["metadata", "annotations"], "{}"),
        (&["spec", "template", "spec", "volumes"], "null"),
        (&["status"], "{\"replicas\":0}"),
    ];
    for hole in holes {
        let (fields, text) = HOLES[hole % HOLES.len()];
        let path = Path(fields.iter().map(|field| Step::Field((*field).into())).collect());
        if path.lookup(&object).is_none() {
            let value = serde_json::from_str(text).expect("JSON");
            edit::set(&mut object, &path, value);
        }
    }
    object
}

fn sent() -> impl Strategy<Value = Value> {
    (manifest(), prop::collection::vec(0..12_usize, 0..5), any::<bool>()).prop_map(
        |(manifest, holes, defaults)| {
            let mut object = manifest;
            if defaults {
                stateward::defaults::apply(&mut object);
            }
            hollowed(object, &holes)
        },
    )
}

fn keeps(object: &Value) -> Vec<String> {
    let keep = object["metadata"]["annotations"]["stateward.dev/keep"].as_str();
    keep.into_iter().flat_map(|keep| keep.split(',')).map(str::to_owned).collect()
}

/// Where `result` lacks what `sent` says: nothing, if law 3 holds.
fn lost(at: &Path, sent: &Value, result: Option<&Value>, keep: &[String]) -> Option<String> {
    let result = result.unwrap_or(&Value::Null);
    match (sent, result) {
        (Value::Null, _) => None,
        (Value::Object(map), _) if map.is_empty() && result.is_null() => Some(format!("{at} is gone")),
        (Value::Object(map), Value::Object(_)) => map
            .iter()
            .find_map(|(field, value)| lost(&at.field(field.clone()), value, result.get(field), keep)),
        (Value::Array(items), Value::Array(others)) => lost_items(at, items, others, keep),
        _ if sent == result => None,
        _ if *at == Path::fields(&["metadata", "annotations", names::UPGRADE_TO]) => None,
        _ if is_api_default(at, sent) && !is_kept(at, keep) => None,
        _ => Some(format!("{at}: {sent} becomes {result}")),
    }
}

fn is_kept(at: &Path, keep: &[String]) -> bool {
    at.0.iter().any(|step| matches!(step, Step::Field(field) if keep.iter().any(|kept| kept == field)))
}

/// Each of `items` must be found in `others`, in their order; maps may have gained fields.
fn lost_items(at: &Path, items: &[Value], others: &[Value], keep: &[String]) -> Option<String> {
    let list = at.last_field().and_then(list_key);
    let mut rest = others.iter();
    for item in items {
        let key = list.and_then(|list| list.of(item)).unwrap_or(ItemKey([].into()));
        let below = at.item(key);
        let found = |other: &Value| lost(&below, item, Some(other), keep).is_none();
        if !rest.by_ref().any(found) {
            return Some(format!("{at}: {item} is gone, changed or in another place"));
        }
    }
    (list.is_none() && items.len() != others.len()).then(|| format!("{at} has grown"))
}

/// The result with our injections taken out again.
fn without_ours(sent: &Value, admitted: &Admitted) -> Value {
    let mut object = admitted.result.clone();
    let Read::Known(record) = Record::of(&object) else { panic!("a created set has a record") };
    for injection in &admitted.injections {
        match injection.path.lookup(sent) {
            Some(value) => _ = edit::set(&mut object, &injection.path, value.clone()),
            None => _ = edit::remove(&mut object, &injection.path),
        }
    }
    edit::prune(&mut object, record.created);
    edit::remove(&mut object, &Path::fields(&["metadata", "annotations", names::RECORD]));
    object
}

/// Without nulls, and without the maps that hold a key of ours where there may have been none.
fn plain(object: &Value) -> String {
    let mut object = object.clone();
    if object["metadata"]["annotations"].as_object().is_some_and(Map::is_empty) {
        object["metadata"]["annotations"] = Value::Null;
    }
    canonical(&object)
}

proptest! {
    #![proptest_config(cases(200))]

    /// Law 2, and law 3: nothing is lost, nothing is changed, nothing is moved.
    #[test]
    fn what_was_sent_is_still_there(object in sent()) {
        let Some(admitted) = created(&object)? else { return Ok(()) };
        let lost = lost(&Path::default(), &object, Some(&admitted.result), &keeps(&object));
        prop_assert_eq!(lost, None);
        prop_assert_eq!(plain(&without_ours(&object, &admitted)), plain(&object));
    }

    /// Law 1: expanding what came out adds nothing, and admitting it again changes nothing.
    #[test]
    fn twice_is_once(object in sent()) {
        let Some(admitted) = created(&object)? else { return Ok(()) };
        let mut engine = engine(0);
        let stored = received(admitted.result);
        let again = admit(&engine, Some(&stored), &stored).map_err(TestCaseError::fail)?;
        prop_assert!(matches!(again, Decision::Unchanged { .. } | Decision::Admitted(_)), "{:?}", again);
        // Something of the user's, so that there is something to look at.
        let mut noted = stored.clone();
        noted["metadata"]["annotations"]["example.com/seen-again"] = json!("x");
        let Decision::Admitted(again) = admit(&engine, Some(&stored), &noted).map_err(TestCaseError::fail)? else {
            return Err(TestCaseError::fail("an admitted set is not admitted again"));
        };
        prop_assert!(again.patch.is_none(), "{}", again.result);
        // As somebody else's: all of it is the user's, so there is nothing left to add.
        let mut foreign = stored;
        foreign["metadata"]["annotations"].as_object_mut().unwrap().remove(names::RECORD);
        engine.expand = stateward::expand::expand;
        let Decision::Admitted(again) = admit(&engine, None, &foreign).map_err(TestCaseError::fail)? else {
            return Err(TestCaseError::fail("an expanded set is refused"));
        };
        let paths: Vec<String> = again.injections.iter().map(|injection| injection.path.to_string()).collect();
        prop_assert_eq!(paths, Vec::<String>::new());
    }

    /// A restored backup is what it was, and stays it.
    #[test]
    fn a_backup_comes_back_as_it_was(object in small()) {
        let Some(admitted) = created(&received(object))? else { return Ok(()) };
        let stored = received(admitted.result);
        let mut backup = stored.clone();
        backup["status"] = json!(null);
        let Some(restored) = created(&received(backup))? else {
            return Err(TestCaseError::fail("a backup is refused"));
        };
        prop_assert_eq!(canonical(&received(restored.result)), canonical(&stored));
    }
}
