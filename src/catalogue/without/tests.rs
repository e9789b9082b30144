use std::sync::Arc;

use super::*;
use crate::catalogue::cluster::{Given, Joined, Kept};
use crate::catalogue::{Asked, Catalogue, Variant};

const PARENT: &str = "
summary: a queue
size: small
sizes: {small: {limits: {memory: 1Gi}}, large: {limits: {memory: 4Gi}}}
spread: [kubernetes.io/hostname, topology.kubernetes.io/zone]
scratch: [/tmp, /run/x.d]
data: {claim: data, mountPath: /data, subPath: x, size: 1Gi}
peers: {all: {each: $(pod), separator: ','}, none: {each: x, separator: ','}}
yields: {A: [B], C: [D]}
refuse:
  even: {replicas: {even: true}, problem: p, remedy: r}
  many: {replicas: {from: 9}, problem: p, remedy: r}
companions:
  networkPolicy: {ingress: []}
  serviceAccount: {automountServiceAccountToken: true, annotations: {example.com/role: x}}
statefulSet:
  spec:
    template:
      spec:
        terminationGracePeriodSeconds: 60
        serviceAccountName: $(name)
        containers:
        - name: $(main)
          livenessProbe: {tcpSocket: {port: 1}}
          env: [{name: A, value: $(peers.all)}, {name: B, value: x}]
          ports: [{containerPort: 7000, name: queue}]
";
const VARIANTS: &str = "
variants:
- {name: base, unknown: x, cases: [{name: alpine, tagContains: alpine, data: {subPath: y},
    statefulSet: {spec: {template: {spec: {containers: [{name: $(main), env: [{name: B, value: of-alpine}]}]}}}}}]}
- {name: version, unknown: x, cases: [{name: '1', otherwise: true}]}
";

fn join(parent: &str, child: &str) -> Joined {
    let given = |name: &str, text: &str| {
        let spec = serde_saphyr::from_str(text).unwrap();
        Given { name: name.to_owned(), spec: Ok(Arc::new(spec)) }
    };
    let given = [given("parent", parent), given("child", child)];
    let keep = |joined: Joined| -> Vec<Kept> {
        joined.unkept.into_iter().zip(1..).map(|(one, number)| one.kept(number)).collect()
    };
    let built_in = Catalogue::built_in().unwrap();
    let kept = keep(built_in.join(&given, &[]));
    built_in.join(&given, &kept)
}

fn child(parent: &str, without: &str) -> Arc<Profile> {
    let joined = join(parent, &format!("{{summary: x, extends: parent, {without}}}"));
    assert_eq!(joined.verdicts["child"].faults, [""; 0], "{without}");
    let lost = |remark: &&String| !remark.contains("get no volume for");
    assert_eq!(joined.remarks["child"].iter().find(lost), None, "{without}");
    Arc::clone(joined.catalogue.latest("child").unwrap())
}

fn has(variant: &Variant, path: &str) -> bool {
    variant.offers.iter().any(|offer| is_at(&offer.path, path))
}

const MAIN: &str = "spec.template.spec.containers[$(main)]";

#[test]
fn whatever_parents_hand_down_can_be_taken_away() {
    let profile = child(
        PARENT,
        "without: [size, sizes.large, spread.topology.kubernetes.io/zone, scratch./run/x.d, data.subPath, peers.none,
          yields.A, refuse.even, companions.networkPolicy, companions.serviceAccount.annotations.example.com/role,
          'statefulSet.spec.template.spec.containers[$(main)].livenessProbe',
          'statefulSet.spec.template.spec.containers[name=\"$(main)\"].env[name=\"B\"]']",
    );
    assert_eq!(profile.size, None);
    assert_eq!(profile.sizes.keys().collect::<Vec<_>>(), ["small"]);
    assert_eq!(profile.spread, ["kubernetes.io/hostname"]);
    assert_eq!(profile.scratch.as_deref(), Some(&["/tmp".to_owned()][..]));
    assert_eq!(profile.peers.keys().collect::<Vec<_>>(), ["all"]);
    assert_eq!(profile.yields.keys().collect::<Vec<_>>(), ["C"]);
    assert_eq!(profile.refusals.keys().collect::<Vec<_>>(), ["many"]);
    assert_eq!(profile.companions.network_policy, None);
    let account = profile.companions.service_account.as_ref().unwrap();
    assert_eq!((account.automount_service_account_token, account.annotations.len()), (Some(true), 0));
    let variant = profile.variant(&[]);
    assert_eq!((variant.data.sub_path, variant.data.claim.as_deref()), (None, Some("data")));
    let main = |field: &str| has(&profile.variant(&[]), &format!("{MAIN}.{field}"));
    assert!(!main("livenessProbe") && !main("env[B]"));
    assert!(main("env[A]") && main("ports[7000]"));
}

#[test]
fn the_whole_goes_by_the_name_of_the_field_and_what_it_says_itself_comes_behind() {
    let profile = child(
        PARENT,
        "without: [companions, data, peers, refuse, scratch, sizes, spread, statefulSet, yields, size],
         data: {mountPath: /mine}, sizes: {tiny: {limits: {memory: 1Mi}}},
         statefulSet: {spec: {minReadySeconds: 5}}",
    );
    assert_eq!(profile.sizes.keys().collect::<Vec<_>>(), ["tiny"]);
    assert_eq!((profile.spread.len(), profile.scratch.clone(), profile.peers.len()), (0, None, 0));
    assert_eq!((profile.refusals.len(), profile.companions.clone()), (0, Asked::default()));
    let variant = profile.variant(&[]);
    assert_eq!((variant.data.claim, variant.data.mount_path.as_deref()), (None, Some("/mine")));
    let offers: Vec<String> =
        variant.offers.iter().map(|offer| format!("{} of {}", offer.path, offer.source)).collect();
    assert_eq!(offers, ["spec.minReadySeconds of profile child"]);
}

#[test]
fn what_variants_add_goes_too() {
    let parent = format!("{PARENT}{VARIANTS}");
    let cases = ["alpine", "1"];
    let before = child(&parent, "match: {}").variant(&cases);
    assert!(has(&before, &format!("{MAIN}.env[B]")));
    assert_eq!(before.data.sub_path.as_deref(), Some("y"));
    let entries = "data.subPath, 'statefulSet.spec.template.spec.containers[$(main)].env[B]'";
    let after = child(&parent, &format!("without: [{entries}]")).variant(&cases);
    assert!(!has(&after, &format!("{MAIN}.env[B]")) && has(&after, &format!("{MAIN}.env[A]")));
    assert_eq!(after.data.sub_path, None);
    // With the peers, and what uses them.
    let entries = "peers.all, 'statefulSet.spec.template.spec.containers[$(main)].env[A]'";
    assert_eq!(child(&parent, &format!("without: [{entries}]")).peers.len(), 1);
}

#[test]
fn one_axis_goes_and_the_others_stay_in_their_places() {
    let parent = format!("{PARENT}{VARIANTS}");
    let own = "variants: [{name: base, unknown: x, cases: [{name: mine, otherwise: true,
        statefulSet: {spec: {minReadySeconds: 7}}}]}]";
    let profile = child(&parent, &format!("without: [variants.base], {own}"));
    let names: Vec<&str> = profile.axes.iter().map(|axis| axis.name.as_str()).collect();
    assert_eq!(names, ["version", "base"]);
    let variant = profile.variant(&["1", "alpine", "mine"]);
    let told = variant.offers.iter().find(|offer| offer.path.to_string() == "spec.minReadySeconds").unwrap();
    assert_eq!(told.source.to_string(), "profile child, variant mine");
    assert_eq!(variant.data.sub_path.as_deref(), Some("x"));
    assert!(child(&parent, "without: [variants]").axes.is_empty());
}

#[test]
fn what_takes_nothing_away_is_told() {
    let joined = join(
        PARENT,
        "{summary: x, extends: parent, without: [sizes.huge, 'statefulSet.spec.template.spec.containers[main].env']}",
    );
    let remarks = &joined.remarks["child"];
    assert!(remarks[0].starts_with("spec.without[0]: sizes.huge takes nothing away"), "{remarks:?}");
    assert!(remarks[1].starts_with("spec.without[1]: statefulSet.spec"), "{remarks:?}");
    assert_eq!((remarks.len(), joined.verdicts["child"].faults.len()), (2, 0));
    let wrong = "{summary: x, extends: parent, without: [dta, size.small, data.path, sizes.]}";
    let faults = &join(PARENT, wrong).verdicts["child"].faults;
    for (fault, why) in faults.iter().zip([
        "spec.without[0]: \"dta\" begins with no field that parents hand down; write one of companions, data,",
        "spec.without[1]: \"size.small\" goes on behind a single value; write one of size",
        "spec.without[2]: \"data.path\" names no field of data; write one of data.claim, data.mountPath,",
        "spec.without[3]: \"sizes.\" ends with a dot",
    ]) {
        assert!(fault.starts_with(why), "{fault}");
    }
    assert_eq!(faults.len(), 4);
}

#[test]
fn it_makes_another_revision() {
    let (plain, without) = (child(PARENT, "match: {}"), child(PARENT, "without: [scratch]"));
    assert_ne!(plain.revision, without.revision);
}

#[test]
fn a_volume_that_goes_is_told() {
    let postgresql = include_str!("../postgresql.yaml");
    let remarks = |parent: &str, fields: &str| {
        let joined = join(parent, &format!("{{summary: x, extends: parent, {fields}}}"));
        let mut remarks = joined.remarks["child"].clone();
        remarks.retain(|remark| remark.contains("get no volume for"));
        remarks
    };
    let spec: Value = serde_saphyr::from_str::<Value>(postgresql).unwrap()["spec"].take();
    let postgresql = spec.to_string();
    let told = remarks(&postgresql, "without: [refuse, variants.version]");
    assert_eq!(
        told,
        ["spec.without[1]: sets of it get no volume for its data (/var/lib/postgresql) and its data \
             (/var/lib/postgresql/data), as those of parent do, and what they store there goes with the pod; say under data \
             where it is to be"]
    );
    // Not those of which the data is where it was, nor another's of its own.
    for fine in [
        "without: [variants.base]",
        "without: [variants.version], data: {mountPath: /pg}",
        "without: [data], data: {claim: d, mountPath: /pg, size: 1Gi}",
        "size: large",
    ] {
        assert_eq!(remarks(&postgresql, fine), [""; 0], "{fine}");
    }
    for entry in ["data", "data.mountPath", "data.size"] {
        let told = remarks(PARENT, &format!("without: [{entry}]"));
        assert!(
            told[0].starts_with("spec.without[0]: sets of it get no volume for its data (/data), "),
            "{told:?}"
        );
    }
    let claim =
        "summary: p, statefulSet: {spec: {volumeClaimTemplates: [{metadata: {name: wal}, spec: {}}]}}";
    let told = remarks(&format!("{{{claim}}}"), "without: ['statefulSet.spec.volumeClaimTemplates[wal]']");
    assert!(told[0].contains("get no volume for the claim wal, as those of parent do"), "{told:?}");
    // One case of several.
    let some = "{summary: p, data: {claim: d, size: 1Gi}, variants: [{name: v, unknown: x, cases: [{name: old, majorTo: 3,
        data: {mountPath: /old}}, {name: new, majorFrom: 4}]}]}";
    let told = remarks(some, "without: [variants]");
    assert!(
        told[0].starts_with("spec.without[0]: sets of it (old) get no volume for its data (/old), "),
        "{told:?}"
    );
}
