use super::*;

fn spec(yaml: &str) -> ProfileSpec {
    serde_saphyr::from_str(yaml).unwrap()
}

fn given(name: &str, yaml: &str) -> Given {
    Given { name: name.to_owned(), spec: Ok(Arc::new(spec(yaml))) }
}

fn built_in() -> Catalogue {
    Catalogue::built_in().unwrap()
}

/// As the cluster keeps it.
fn keep(joined: &Joined) -> Vec<Kept> {
    let unkept = joined.unkept.iter().zip(1..);
    unkept
        .map(|(one, number)| {
            let text = serde_json::to_string(&one.content).unwrap();
            let content = serde_json::from_str(&text).unwrap();
            Kept::new(one.profile.clone(), one.revision.clone(), number, &content)
        })
        .collect()
}

const QUEUE: &str = "{summary: a queue, extends: default, match: {images: [queue]}, size: small, \
                     sizes: {small: {limits: {memory: 1Gi}}}}";

#[test]
fn a_revision_is_used_once_it_is_kept() {
    let profiles = [given("queue", QUEUE)];
    let first = built_in().join(&profiles, &[]);
    assert!(first.catalogue.latest("queue").is_none());
    assert!(first.catalogue.for_image("queue:1").is_none());
    assert_eq!(first.verdicts["queue"], Verdict::default());
    let kept = keep(&first);
    let second = built_in().join(&profiles, &kept);
    let revision = kept[0].revision.as_str();
    assert_eq!(second.catalogue.for_image("queue:1").unwrap().revision, revision);
    assert_eq!(
        second.verdicts["queue"],
        Verdict { faults: vec![], revision: Some(revision.to_owned()), current: true }
    );
    assert!(second.unkept.is_empty());
}

#[test]
fn until_then_and_ever_after_the_older_ones_are_known() {
    let kept = keep(&built_in().join(&[given("queue", QUEUE)], &[]));
    let old = kept[0].revision.as_str();
    let edited = built_in().join(&[given("queue", &QUEUE.replace("1Gi", "2Gi"))], &kept);
    assert_eq!(edited.catalogue.latest("queue").unwrap().revision, old);
    let verdict = &edited.verdicts["queue"];
    assert!(!verdict.current && verdict.faults.is_empty(), "{verdict:?}");
    let gone = built_in().join(&[], &kept);
    assert!(gone.catalogue.latest("queue").is_none());
    let revision = gone.catalogue.revision("queue", old).unwrap();
    assert_eq!(revision.sizes["small"]["limits"]["memory"], "1Gi");
}

#[test]
fn of_several_kept_ones_the_newest_stands_in() {
    let older = keep(&built_in().join(&[given("queue", QUEUE)], &[]));
    let mut newer = keep(&built_in().join(&[given("queue", &QUEUE.replace("1Gi", "2Gi"))], &[]));
    newer[0].number = 7;
    let kept = [newer, older].concat();
    let joined = built_in().join(&[given("queue", &QUEUE.replace("1Gi", "4Gi"))], &kept);
    assert_eq!(joined.catalogue.latest("queue").unwrap().revision, kept[0].revision);
}

#[test]
fn a_built_in_profile_is_replaced_by_one_of_its_name() {
    let ours = "{summary: ours, extends: default, match: {images: [postgres]}}";
    let joined = built_in().join(&[given("postgresql", ours)], &[]);
    // Not kept yet: the built-in one stands in.
    assert!(joined.catalogue.latest("postgresql").unwrap().data.claim.is_some());
    let joined = built_in().join(&[given("postgresql", ours)], &keep(&joined));
    assert!(joined.catalogue.latest("postgresql").unwrap().data.claim.is_none());
    let pinned = built_in().latest("postgresql").unwrap().revision.clone();
    assert!(joined.catalogue.revision("postgresql", &pinned).unwrap().data.claim.is_some());
}

#[test]
fn a_cluster_profile_wins_over_a_built_in_one_of_another_name() {
    let ours = "{summary: ours, extends: postgresql, match: {images: [postgres]}}";
    let first = built_in().join(&[given("a-database", ours)], &[]);
    assert_eq!(first.catalogue.for_image("postgres:18").unwrap().name, "postgresql");
    let joined = built_in().join(&[given("z-database", ours)], &[]);
    let joined = built_in().join(&[given("z-database", ours)], &keep(&joined));
    assert_eq!(joined.catalogue.for_image("postgres:18").unwrap().name, "z-database");
}

#[test]
fn another_default_is_another_revision_of_all_that_extend_it() {
    let default = "{summary: ours, statefulSet: {spec: {template: {spec: {priorityClassName: data}}}}}";
    let first = built_in().join(&[given("default", default)], &[]);
    assert_eq!(first.unkept.len(), built_in().profiles().count());
    let joined = built_in().join(&[given("default", default)], &keep(&first));
    let postgresql = joined.catalogue.latest("postgresql").unwrap();
    assert_ne!(postgresql.revision, built_in().latest("postgresql").unwrap().revision);
    assert!(joined.unkept.is_empty());
}

#[test]
fn one_with_a_fault_is_passed_over_and_told() {
    let profiles = [
        given("a", "{summary: x, extends: b}"),
        given("b", "{summary: x, extends: a}"),
        given("postgresql", "{summary: x, extends: nothing}"),
        Given { name: "redis".to_owned(), spec: Err(vec!["spec.siez: unknown field".to_owned()]) },
        given("queue", QUEUE),
    ];
    let first = built_in().join(&profiles, &[]);
    let joined = built_in().join(&profiles, &keep(&first));
    let faults = |name: &str| joined.verdicts[name].faults.join("; ");
    let by_the_other = |name: &str, it: &str| {
        format!("spec.extends: profile {name}: extends {it}, which leads back to itself; mend that one first")
    };
    assert_eq!(faults("a"), by_the_other("b", "a"));
    assert_eq!(faults("b"), by_the_other("a", "b"));
    assert_eq!(
        faults("postgresql"),
        "spec.extends: extends nothing, which does not exist; name one that is there"
    );
    assert_eq!(faults("redis"), "spec.siez: unknown field");
    assert_eq!(faults("queue"), "");
    for image in ["postgres:18", "redis:8", "queue:1"] {
        assert!(joined.catalogue.for_image(image).is_some(), "{image}");
    }
}

#[test]
fn no_fault_hides_another() {
    let wrong = "{summary: x, extends: default, match: {images: [queue]}, size: huge, peers: {all: {each: x, separator: y}},
        companions: {services: [], networkPolicy: {spec: {}, policyTypes: []}, disruptionBudget: {unhealthyPodEvictionPolicy: Never}},
        refuse: {a: {problem: p, remedy: r}, b: {problem: p, replicas: {from: 2}}},
        variants: [{name: v, unknown: x, cases: [{name: old, majorTo: 3, statefulSet: {spec: {template: {spec: {
          containers: [{name: $(main), env: [{name: A, value: $(peers.none)}]}]}}}}}]}],
        statefulSet: {spec: {template: {spec: {nodeSelector: {a b: x},
          containers: [{name: $(main), args: [x, --of=$(peers.al)]}]}}}}}";
    let main = "containers[name=\"$(main)\"]";
    let starts = [
        "spec.companions.disruptionBudget.unhealthyPodEvictionPolicy: \"Never\" is none of its values; write"
            .to_owned(),
        "spec.companions.services: there is no field \"services\"; write one of".to_owned(),
        "spec.companions.networkPolicy.policyTypes: follows from ingress and egress; take it out".to_owned(),
        "spec.companions.networkPolicy.spec: there is no such field; write ingress".to_owned(),
        "spec.refuse.b.remedy: is missing; write remedy:".to_owned(),
        "spec.refuse.a: refuses every set; write replicas".to_owned(),
        format!(
            "spec.statefulSet.spec.template.spec.{main}.args: $(peers.al) is used, and peers has no al; write $(peers.all), or \
             al: {{each: …, separator: …}} under peers"
        ),
        format!(
            "spec.variants[0].cases[0].statefulSet.spec.template.spec.{main}.env[name=\"A\"].value: $(peers.none) is used, and \
             peers has no none; write none: {{each: …, separator: …}} under peers"
        ),
        "spec.size: \"huge\" is no class of its sizes, nor of its parents'; write large or".to_owned(),
        "spec.statefulSet.spec.template.spec.nodeSelector[\"a b\"]: \"a b\" is not the key".to_owned(),
    ];
    let told = |spec: &str, name: &str, others: &[Given]| {
        let mut all = vec![given(name, spec)];
        all.extend_from_slice(others);
        built_in().join(&all, &[]).verdicts[name].faults.clone()
    };
    let mut found = told(wrong, "queue", &[]);
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for start in &starts {
        assert!(found.iter().any(|fault| fault.starts_with(start)), "{start}: {found:#?}");
    }
    // What cannot be tried tells of its parents all the same, and a child of what it has from its own.
    found = told(&wrong.replace("match: {images: [queue]}", "match: {images: [t/*]}"), "queue", &[]);
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    assert!(found[0].starts_with("spec.match.images: t/*: there are no patterns"), "{found:#?}");
    let child = told("{summary: x, extends: queue}", "child", &[given("queue", wrong)]);
    assert_eq!(child.len(), starts.len(), "{child:#?}");
    assert!(child.iter().all(|fault| fault.starts_with("spec.extends: profile queue: ")), "{child:#?}");
}

#[test]
fn what_is_kept_stands_in_for_one_that_has_a_fault_now() {
    let parent =
        given("base", "{summary: x, extends: default, data: {claim: data, mountPath: /data, size: 1Gi}}");
    let child = given("queue", &QUEUE.replace("extends: default", "extends: base"));
    let own = given("postgresql", "{summary: ours, extends: postgresql}");
    let all = [parent, child.clone(), own];
    let first = built_in().join(&all, &[]);
    let kept = keep(&first);
    let good = built_in().join(&all, &kept);
    let unreadable =
        |name: &str| Given { name: name.to_owned(), spec: Err(vec!["spec.siez: unknown field".to_owned()]) };
    for (what, now) in [
        ("its parent is gone", vec![child]),
        ("it has a fault", vec![given("queue", &QUEUE.replace("1Gi", "1GB"))]),
        ("it cannot be read", vec![unreadable("queue"), unreadable("postgresql")]),
    ] {
        let joined = built_in().join(&now, &kept);
        let used = |image: &str| joined.catalogue.for_image(image).unwrap().id();
        assert_eq!(used("queue:1"), good.catalogue.for_image("queue:1").unwrap().id(), "{what}");
        assert!(!joined.verdicts["queue"].faults.is_empty() && !joined.verdicts["queue"].current, "{what}");
        if joined.verdicts.contains_key("postgresql") {
            assert_eq!(used("postgres:18"), good.catalogue.for_image("postgres:18").unwrap().id());
        }
    }
    // What is deleted is meant to be.
    assert!(built_in().join(&[], &kept).catalogue.for_image("queue:1").is_none());
}

#[test]
fn a_tie_goes_to_the_first_and_is_told_to_all() {
    let profiles = [given("b", QUEUE), given("a", QUEUE)];
    let joined = built_in().join(&profiles, &keep(&built_in().join(&profiles, &[])));
    assert_eq!(joined.catalogue.for_image("queue").unwrap().name, "a");
    let told = "spec.match.images: queue is matched by b too, and goes to a; take it out of all but one";
    assert_eq!(joined.verdicts["a"].faults, [told]);
    assert_eq!(joined.verdicts["b"].faults.len(), 1);
    // Also before any of their revisions is kept: who applies the second is told.
    let joined = built_in().join(&profiles, &[]);
    assert_eq!(joined.verdicts["a"].faults, [told]);
}

#[test]
fn what_is_refused_is_as_of_now_and_makes_no_revision() {
    let kept = keep(&built_in().join(&[given("queue", QUEUE)], &[]));
    let stricter = QUEUE.replace(
        "size: small,",
        "size: small, refuse: {many: {replicas: {from: 2}, problem: one alone, remedy: write 1}},",
    );
    let joined = built_in().join(&[given("queue", &stricter)], &kept);
    let queue = joined.catalogue.latest("queue").unwrap();
    assert_eq!((queue.revision.as_str(), queue.refusals.len()), (kept[0].revision.as_str(), 1));
}

#[test]
fn what_a_later_version_kept_is_passed_over() {
    let mut unkept = built_in().join(&[given("queue", QUEUE)], &[]).unkept.remove(0);
    unkept.content.layers.last_mut().unwrap().spec.companions = serde_json::json!({"later": true});
    let kept = unkept.kept(1);
    let joined = built_in().join(&[], std::slice::from_ref(&kept));
    assert!(joined.catalogue.revision("queue", &kept.revision).is_none());
}

#[test]
fn one_of_a_built_in_name_may_build_on_what_it_takes_the_place_of() {
    let ours = "{summary: ours, extends: postgresql, statefulSet: {spec: {template: {spec: {priorityClassName: data}}}}}";
    let profiles = [given("postgresql", ours)];
    let first = built_in().join(&profiles, &[]);
    let joined = built_in().join(&profiles, &keep(&first));
    let profile = joined.catalogue.for_image("postgres:18").unwrap();
    assert_eq!(profile.images, ["postgres"]);
    assert_eq!(profile.data.claim.as_deref(), Some("data"));
    let offers = profile.variant(&["18", "debian"]).offers;
    assert!(offers.iter().any(|offer| offer.value == "data"), "its own value");
    assert_ne!(profile.revision, built_in().latest("postgresql").unwrap().revision);
    // Where there is none of the name, there is nothing to build on.
    let joined = built_in().join(&[given("queue", "{summary: x, extends: queue}")], &[]);
    assert_eq!(
        joined.verdicts["queue"].faults,
        ["spec.extends: extends queue, which does not exist; name one that is there"]
    );
}

#[test]
fn a_size_that_neither_it_nor_its_parents_have_is_told() {
    let joined = built_in().join(&[given("ours", "{summary: x, extends: redis, size: gigantic}")], &[]);
    let faults = &joined.verdicts["ours"].faults;
    assert!(faults[0].starts_with("spec.size: \"gigantic\" is no class of its sizes"), "{faults:?}");
    assert!(joined.unkept.is_empty() && joined.catalogue.latest("ours").is_none());
    let joined = built_in().join(&[given("ours", "{summary: x, extends: redis, size: large}")], &[]);
    assert!(joined.verdicts["ours"].faults.is_empty());
}

#[test]
fn what_is_kept_for_a_pin_stands_in_for_no_profile() {
    let changed = include_str!("../postgresql.yaml").replace("Seconds: 120", "Seconds: 119");
    let other = built_in().with([("x", changed.as_str())]).unwrap();
    let revision = other.latest("postgresql").unwrap().revision.clone();
    let content = other.content("postgresql", &revision).unwrap();
    let beside = Kept::new("postgresql".to_owned(), revision.clone(), Kept::BESIDE, &content);
    let ours = [given("postgresql", "{summary: ours, extends: default, match: {images: [postgres]}}")];
    let joined = built_in().join(&ours, std::slice::from_ref(&beside));
    assert!(joined.catalogue.revision("postgresql", &revision).is_some());
    let stands_in = &joined.catalogue.latest("postgresql").unwrap().revision;
    assert_eq!(*stands_in, built_in().latest("postgresql").unwrap().revision);
    // One that was kept since a profile said so does.
    let joined = built_in().join(&ours, &[Kept { number: 1, ..beside }]);
    assert_eq!(joined.catalogue.latest("postgresql").unwrap().revision, revision);
}

/// What no set of a profile could have, and each has to be told of.
const UNFIT: &str = "{summary: a queue, extends: default, match: {images: [queue]},
    statefulSet: {spec: {template: {spec: {nodeSelector: {a b: x}}}}}}";

#[test]
fn one_that_no_set_could_have_is_not_kept() {
    let kept = keep(&built_in().join(&[given("queue", QUEUE)], &[]));
    let fresh = built_in().join(&[given("queue", UNFIT)], &[]);
    assert!(fresh.unkept.is_empty() && fresh.catalogue.latest("queue").is_none());
    let verdict = &fresh.verdicts["queue"];
    assert!(verdict.faults[0].contains("nodeSelector[\"a b\"]"), "{verdict:?}");
    // The one before stands in, as where an edit is not kept yet.
    let edited = built_in().join(&[given("queue", UNFIT)], &kept);
    assert_eq!(edited.catalogue.for_image("queue:1").unwrap().revision, kept[0].revision);
    assert!(edited.unkept.is_empty() && !edited.verdicts["queue"].current);
}

#[test]
fn one_that_sets_have_already_is_used_whatever_is_found_wrong_with_it() {
    let content = Content {
        layers: vec![
            Layer { name: "default".to_owned(), spec: (*built_in().sources["default"]).clone() },
            Layer { name: "queue".to_owned(), spec: spec(UNFIT) },
        ],
    };
    let revision = content.resolve().unwrap().revision;
    let kept = [Kept::new("queue".to_owned(), revision.clone(), 1, &content)];
    let joined = built_in().join(&[given("queue", UNFIT)], &kept);
    assert_eq!(joined.catalogue.for_image("queue:1").unwrap().revision, revision);
    let verdict = &joined.verdicts["queue"];
    assert_eq!((verdict.faults.len(), verdict.current, &verdict.revision), (1, false, &Some(revision)));
}

#[test]
fn a_profile_is_tried_once_for_each_revision() {
    let catalogue = built_in();
    let tried = |text: &str| {
        _ = catalogue.join(&[given("queue", text)], &[]);
        catalogue.trials.len()
    };
    assert_eq!(tried(QUEUE), 1);
    assert_eq!(tried(&QUEUE.replace("a queue", "another text")), 1);
    assert_eq!(tried(&QUEUE.replace("1Gi", "2Gi")), 2);
}
