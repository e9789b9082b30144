use std::sync::Arc;

use super::*;
use crate::catalogue::cluster::Given;

fn given(name: &str, spec: &str) -> Given {
    let spec = serde_saphyr::from_str(spec).map(Arc::new).map_err(|error| vec![error.to_string()]);
    Given { name: name.to_owned(), spec }
}

fn known() -> Known {
    let queue = "{summary: a queue, extends: default, match: {images: [queue]}, size: small, sizes: {small: {limits: \
        {memory: 64Mi}}}, refuse: {even: {replicas: {even: true}, problem: no majority, remedy: write an odd number}}, \
        variants: [{name: version, unknown: write a version, cases: [{name: '2', majorFrom: 2}, {name: '1', \
        otherwise: true}]}]}";
    let faulty = given("faulty", "{summary: x, extends: nothing}");
    Known::offline(Catalogue::default()).applied(&[
        given("default", "{summary: all}"),
        given("queue", queue),
        faulty,
    ])
}

fn counts(known: &Known) -> Counts {
    let revision = known.joined.catalogue.latest("queue").unwrap().revision.clone();
    let pin = |revision: &str| ("queue".to_owned(), revision.to_owned());
    let count = |sets, otherwise| Count { sets, otherwise };
    Counts::from([(pin(&revision), count(2, 1)), (pin("0badc0de"), count(1, 0))])
}

#[test]
fn a_line_for_each() {
    let known = known();
    insta::assert_snapshot!(told::table(&of(&known, Some(&counts(&known)))));
    let offline = told::table(&of(&known, None));
    assert!(offline.contains("  ?     ?       a queue"), "{offline}");
}

#[test]
fn all_of_one() {
    let known = known();
    let mut queue = one("queue", &known, Some(&counts(&known)));
    detail(&mut queue, known.joined.catalogue.latest("queue").unwrap());
    insta::assert_snapshot!(told::whole(&queue));
    assert_eq!((&queue["sets"], &queue["behind"]), (&json!(3), &json!(2)));
}

#[test]
fn sets_of_a_profile_that_is_gone_are_behind_nothing() {
    let counts =
        Counts::from([(("gone".to_owned(), "0badc0de".to_owned()), Count { sets: 6, otherwise: 1 })]);
    let gone = one("gone", &known(), Some(&counts));
    assert_eq!((&gone["from"], &gone["sets"], &gone["behind"]), (&json!("nowhere"), &json!(6), &json!(0)));
}

#[test]
fn where_they_come_from() {
    let known = Known::offline(Catalogue::built_in().unwrap());
    assert_eq!(known.origin("redis"), "built-in");
    let redis = given("redis", "{summary: our own, extends: default}");
    assert_eq!(known.applied(&[redis]).origin("redis"), "cluster");
    let file = "{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {name: redis}, \
        spec: {summary: our own, extends: default}}";
    let known = Known::offline(Catalogue::built_in().unwrap().with([("redis.yaml", file)]).unwrap());
    assert_eq!(known.origin("redis"), "file");
}

#[test]
fn sets_of_the_current_revision_may_be_behind_their_namespace() {
    let catalogue = Catalogue::built_in().unwrap();
    let latest = catalogue.latest("redis").unwrap().id();
    let set = |name: &str, size: Option<&str>| {
        let noted = size.map_or(json!({}), |size| json!({"size": size}));
        let record = json!({"format": 1, "set": name, "pin": latest, "main": "redis", "namespace": noted, "fields": {}});
        json!({"metadata": {"name": name, "namespace": "shop",
            "annotations": {"stateward.dev/expansion": record.to_string()}}})
    };
    let sets = [set("a", None), set("b", Some("large")), set("c", Some("medium"))];
    let counted = |world: &World| {
        let mut counts = Counts::new();
        for set in &sets {
            count(set, world, &catalogue, &mut counts);
        }
        counts.values().map(|count| (count.sets, count.otherwise)).collect::<Vec<_>>()
    };
    let namespace = json!({"metadata": {"name": "shop", "annotations": {"stateward.dev/size": "large"}}});
    assert_eq!(counted(&World::default().with("Namespace", vec![namespace])), [(3, 2)]);
    assert_eq!(counted(&World::default()), [(3, 0)], "what may not be read");
}
