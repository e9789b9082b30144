//! Wishes for a revision, standing ones and ones for once, in whatever order and together: each acts when it
//! is told and never later.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use stateward::hash::canonical;
use stateward::names::{PROFILE_REVISION, RECORD, UPGRADE_TO};

use crate::cases;
use crate::engines::engine;
use crate::server::{Answer, Server};

/// One request: what stands in Git from now on, and what is asked for once.
#[derive(Debug, Clone)]
struct Request {
    standing: Standing,
    once: Option<Wish>,
}

/// What becomes of the annotation that Git holds.
#[derive(Debug, Clone, Copy)]
enum Standing {
    Stays,
    Goes,
    Says(Wish),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Latest,
    Older,
    Newer,
}

fn wish() -> impl Strategy<Value = Wish> {
    select(vec![Wish::Latest, Wish::Older, Wish::Newer])
}

fn request() -> impl Strategy<Value = Request> {
    let standing = prop_oneof![Just(Standing::Stays), Just(Standing::Goes), wish().prop_map(Standing::Says)];
    (standing, prop::option::of(wish())).prop_map(|(standing, once)| Request { standing, once })
}

fn pin(set: &Value) -> String {
    let record = set["metadata"]["annotations"][RECORD].as_str().expect("a record");
    let record: Value = serde_json::from_str(record).expect("JSON");
    let pin = record["pin"].as_str().expect("a pin");
    pin.split('/').next().expect("its profile and revision").to_owned()
}

/// The older revision of the profile and the newer one, which is the latest: no data depends on what differs.
fn revisions() -> [String; 2] {
    let newer = engine(6).catalogue.latest("postgresql").expect("the profile").id();
    let older = engine(0).catalogue.latest("postgresql").expect("the profile").id();
    [older, newer]
}

fn set(annotations: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "db", "namespace": "team", "labels": {"stateward.dev/managed": "true"}, "annotations": annotations,
        },
        "spec": {"template": {"spec": {"containers": [{"name": "db", "image": "postgres:17",
            "env": [{"name": "POSTGRES_PASSWORD", "value": "x"}]}]}}},
    })
}

fn annotate(object: &Value, key: &str, value: Option<&str>) -> Value {
    let mut object = object.clone();
    let annotations = object["metadata"]["annotations"].as_object_mut().expect("annotations");
    match value {
        Some(value) => annotations.insert(key.to_owned(), json!(value)),
        None => annotations.remove(key),
    };
    object
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn each_acts_when_it_is_told_and_never_later(requests in prop::collection::vec(request(), 1..6)) {
        let [older, newer] = revisions();
        let text = |wish: Wish| match wish {
            Wish::Latest => "latest".to_owned(),
            Wish::Older => older.clone(),
            Wish::Newer => newer.clone(),
        };
        let meant = |wish: Wish| if wish == Wish::Older { older.clone() } else { newer.clone() };
        let mut server = Server::new(engine(6));
        let _ = server.write(set(&json!({}))).map_err(TestCaseError::fail)?;
        // What was last told as a standing wish, whatever stands there now.
        let mut told: Option<Wish> = None;
        for Request { standing, once } in requests {
            let before = pin(&server.stored);
            let stood = server.stored["metadata"]["annotations"].get(PROFILE_REVISION).cloned();
            let mut object = server.stored.clone();
            let said = match standing {
                Standing::Stays => None,
                Standing::Goes => {
                    object = annotate(&object, PROFILE_REVISION, None);
                    None
                }
                Standing::Says(wish) => {
                    object = annotate(&object, PROFILE_REVISION, Some(&text(wish)));
                    Some(wish)
                }
            };
            let brought = said.filter(|wish| Some(json!(text(*wish))) != stood && Some(*wish) != told);
            let object = annotate(&object, UPGRADE_TO, once.map(text).as_deref());
            let answer = server.write(object).map_err(TestCaseError::fail)?;
            let Answer::Stored(admitted) = answer else {
                return Err(TestCaseError::fail(format!("{answer:?}")));
            };
            told = said.or(told);
            let wanted = once.or(brought).map_or(before, meant);
            prop_assert_eq!(pin(&server.stored), wanted.clone());
            let both = once.zip(brought).is_some_and(|(once, standing)| meant(once) != meant(standing));
            let warned = admitted.iter().flat_map(|made| &made.warnings).any(|line| line.contains("goes before"));
            prop_assert_eq!(warned, both);
            // A sync that brings the same again, and a request that has nothing to do with it.
            let template = canonical(server.template());
            let again = annotate(&server.stored.clone(), "example.com/note", Some(&format!("{wanted} {both}")));
            for object in [server.stored.clone(), again] {
                let _ = server.write(object).map_err(TestCaseError::fail)?;
                prop_assert_eq!(pin(&server.stored), wanted.clone());
                prop_assert_eq!(&canonical(server.template()), &template);
            }
        }
    }
}
