use std::sync::Arc;

use super::*;
use crate::cli::world::World;
use crate::defaults;
use crate::engine::{Change, Decision, Offline};

fn given(name: &str, spec: &str) -> Given {
    let spec = serde_saphyr::from_str(spec).map(Arc::new).map_err(|error| vec![error.to_string()]);
    Given { name: name.to_owned(), spec }
}

fn queue(memory: &str, more: &str) -> Given {
    let spec = format!(
        "{{summary: a queue, extends: default, match: {{images: [queue]}}, size: small, sizes: {{small: {{limits: \
         {{memory: {memory}}}}}}}{more}}}"
    );
    given("queue", &spec)
}

fn manifest(name: &str, image: &str) -> Value {
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": "shop", "labels": {"stateward.dev/managed": "true"},
            "annotations": {"stateward.dev/acknowledge": "separate-replicas"}},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [
            {"name": "main", "image": image, "ports": [{"containerPort": 80}]}]}}},
    });
    defaults::apply(&mut set);
    set
}

fn world(known: &Known, sets: &[(&str, &str)]) -> World {
    let engine = known.engine();
    let create = |(name, image): &(&str, &str)| {
        let set = manifest(name, image);
        match engine.admit(Change { namespace: "shop", before: None, after: &set }, &Offline).unwrap() {
            Decision::Admitted(admitted) => admitted.result,
            other => panic!("{other:?}"),
        }
    };
    World::default().with("StatefulSet", sets.iter().map(create).collect())
}

fn preview(known: &Known, sets: &[(&str, &str)], new: &[Given]) -> Report {
    let after = known.with(new);
    let world = world(known, sets);
    let outlooks = Judge::new(&world, known, &after, new).outlooks(world.sets()).unwrap();
    report(SetsFormat::Text, &profiles(new, known, &after), &outlooks, String::new())
}

#[test]
fn what_an_edit_changes() {
    let known = Known::offline(Catalogue::built_in().unwrap()).applied(&[queue("64Mi", "")]);
    let refuse = ", refuse: {three: {replicas: {from: 3}, problem: too many, remedy: write fewer}}";
    let sets = [("q", "queue:1"), ("other", "nginx:1")];
    let report = preview(&known, &sets, &[queue("128Mi", refuse)]);
    assert_eq!(report.exit, Exit::Findings);
    insta::assert_snapshot!(report.stdout);
}

#[test]
fn sets_to_which_the_same_happens_stand_together() {
    let known = Known::offline(Catalogue::built_in().unwrap()).applied(&[queue("64Mi", "")]);
    let sets = [("a", "queue:1"), ("other", "nginx:1"), ("b", "queue:2")];
    let report = preview(&known, &sets, &[queue("128Mi", "")]);
    insta::assert_snapshot!(report.stdout);
}

#[test]
fn a_profile_that_takes_images_over() {
    let known = Known::offline(Catalogue::built_in().unwrap());
    let report = preview(&known, &[("q", "queue:1"), ("db", "redis:8")], &[queue("64Mi", "")]);
    assert_eq!(report.exit, Exit::Findings);
    insta::assert_snapshot!(report.stdout);
}

/// Refusals are no part of a revision, and children have them too.
#[test]
fn what_a_parent_refuses_is_told_of_sets_of_its_children() {
    let child = |name: &str| {
        given(name, &format!("{{summary: a child, extends: queue, match: {{images: [{name}]}}}}"))
    };
    let known = Known::offline(Catalogue::built_in().unwrap()).applied(&[queue("64Mi", ""), child("child")]);
    let refuse = ", refuse: {three: {replicas: {from: 3}, problem: too many, remedy: write fewer}}";
    let report = preview(&known, &[("c", "child:1"), ("other", "nginx:1")], &[queue("64Mi", refuse)]);
    let told = &report.stdout;
    assert!(told.contains("StatefulSet shop/c: is at child@"), "{told}");
    assert!(
        told.contains("a new one like it: is refused: spec.replicas: 3 replicas of child: too many"),
        "{told}"
    );
    assert!(told.ends_with("; new ones like 1 would be admitted otherwise\n"), "{told}");
}

#[test]
fn sets_of_which_the_pin_alone_moves_do_not_change() {
    let known = Known::offline(Catalogue::built_in().unwrap()).applied(&[queue("64Mi", "")]);
    // A size that nobody asks for is part of the revision.
    let sizes = ", sizes: {small: {limits: {memory: 64Mi}}, huge: {limits: {memory: 1Gi}}}";
    let spec =
        format!("{{summary: a queue, extends: default, match: {{images: [queue]}}, size: small{sizes}}}");
    let new = [given("queue", &spec)];
    let report = preview(&known, &[("q", "queue:1"), ("other", "nginx:1")], &new);
    assert_eq!(report.exit, Exit::Fine, "{}", report.stdout);
    let told = "0 of 2 sets would change and 0 pods restart; 0 would be refused; 1 only get the new revision: \
                nothing in them changes\n";
    assert!(report.stdout.ends_with(told), "{}", report.stdout);
    assert!(!report.stdout.contains("StatefulSet shop/q"), "{}", report.stdout);
}

#[test]
fn what_changes_beside_a_set_is_told() {
    let known = Known::offline(Catalogue::built_in().unwrap()).applied(&[queue("64Mi", "")]);
    let new = [queue("64Mi", ", companions: {networkPolicy: {ingress: [{from: [{podSelector: $(pods)}]}]}}")];
    let report = preview(&known, &[("q", "queue:1")], &new);
    assert_eq!(report.exit, Exit::Findings, "{}", report.stdout);
    assert!(report.stdout.contains("\n  NetworkPolicy q is made\n  no pod restarts\n"), "{}", report.stdout);
    assert!(report.stdout.contains("1 of 1 set would change and 0 pods restart"), "{}", report.stdout);
}

/// The API server writes a status into claim templates, and that is nothing of the user's.
#[test]
fn a_claim_of_another_name_is_nothing_that_new_sets_are_refused_for() {
    let data =
        |claim: &str| queue("64Mi", &format!(", data: {{claim: {claim}, mountPath: /data, size: 1Gi}}"));
    let known = Known::offline(Catalogue::built_in().unwrap()).applied(&[data("data")]);
    let mut sets: Vec<Value> = world(&known, &[("q", "queue:1")]).sets().cloned().collect();
    sets[0]["spec"]["volumeClaimTemplates"][0]["status"] = json!({"phase": "Pending"});
    let new = [data("store")];
    let after = known.with(&new);
    let world = World::default().with("StatefulSet", sets);
    let outlooks = Judge::new(&world, &known, &after, &new).outlooks(world.sets()).unwrap();
    assert_eq!(outlooks[0].anew, Vec::<String>::new());
}

#[test]
fn nothing_new_changes_nothing() {
    let known = Known::offline(Catalogue::built_in().unwrap()).applied(&[queue("64Mi", "")]);
    let report = preview(&known, &[("q", "queue:1")], &[queue("64Mi", "")]);
    assert_eq!(report.exit, Exit::Fine, "{}", report.stdout);
}

#[test]
fn faults_are_told_and_change_nothing() {
    let known = Known::offline(Catalogue::built_in().unwrap()).applied(&[queue("64Mi", "")]);
    let faulty = queue("128MB", ", statefulSet: {spec: {replicas: 3}}");
    let report = preview(&known, &[("q", "queue:1")], &[faulty]);
    assert_eq!(report.exit, Exit::Findings);
    let told = &report.stdout;
    assert!(told.contains("fault: spec.statefulSet.spec.replicas: a profile sets no replicas"), "{told}");
    assert!(told.contains("fault: spec.sizes.small.limits.memory"), "{told}");
}

#[test]
fn manifests_are_compared_as_if_new() {
    let known = Known::offline(Catalogue::built_in().unwrap());
    let text = manifest("q", "queue:1").to_string();
    let source = Source::parse("q.json".to_owned(), text).unwrap();
    let new = [queue("64Mi", "")];
    let after = known.with(&new);
    let outlooks = files::outlooks(&[source], "default", &known, &after).unwrap();
    let report = report(SetsFormat::Text, &profiles(&new, &known, &after), &outlooks, String::new());
    assert_eq!(report.exit, Exit::Findings);
    insta::assert_snapshot!(report.stdout);
}

#[test]
fn a_manifest_that_is_refused_is_at_no_revision() {
    let refuse = ", refuse: {three: {replicas: {from: 3}, problem: too many, remedy: write fewer}}";
    let (fine, strict) = (queue("64Mi", ""), queue("64Mi", refuse));
    let source = Source::parse("q.json".to_owned(), manifest("q", "queue:1").to_string()).unwrap();
    let told = |old: &Given, new: &Given| {
        let known = Known::offline(Catalogue::built_in().unwrap()).applied(std::slice::from_ref(old));
        let after = known.with(std::slice::from_ref(new));
        let outlooks = files::outlooks(std::slice::from_ref(&source), "default", &known, &after).unwrap();
        report(SetsFormat::Text, &[], &outlooks, String::new()).stdout
    };
    let freed = told(&strict, &fine);
    assert!(freed.starts_with("StatefulSet shop/q, if it is new: is refused today\n"), "{freed}");
    assert!(freed.contains("  a new one like it: is refused no more, and gets queue@"), "{freed}");
    let refused = told(&fine, &strict);
    assert!(refused.starts_with("StatefulSet shop/q, if it is new: gets queue@"), "{refused}");
    assert!(refused.contains(" today\n  refused: spec.replicas: 3 replicas of queue: too many"), "{refused}");
}
