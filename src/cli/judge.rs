//! Asks the engine what becomes of a manifest: as the API server would ask, defaults first.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::input::{self, Document, Source};
use super::known::Known;
use crate::catalogue::Catalogue;
use crate::catalogue::cluster::Given;
use crate::companions::neighbours;
use crate::companions::{self, Companion, Companions, Kind};
use crate::configuration::Configuration;
use crate::defaults;
use crate::engine::{Change, Decision, Engine, EngineError, Facts};
use crate::fault::{Fault, Reason};
use crate::names;
use crate::settings::text;

/// This engine with the profiles among `sources`, as the webhook would know them once all of it is applied;
/// and of those that it would pass over why.
#[must_use]
pub fn together(engine: &Engine, sources: &[Source]) -> (Engine, Vec<String>) {
    let given = profiles_in(sources);
    if given.is_empty() {
        return (engine.clone(), Vec::new());
    }
    let known = Known::offline(Catalogue::clone(&engine.catalogue)).applied(&given);
    let faults = known.joined.verdicts.iter().flat_map(|(name, verdict)| {
        let told = move |fault| {
            format!("error: StatefulSetProfile {name}: {fault}; the sets here are judged without it\n")
        };
        verdict.faults.iter().map(told)
    });
    (Engine { catalogue: Arc::clone(&known.joined.catalogue), ..engine.clone() }, faults.collect())
}

/// The profiles among `sources`.
#[must_use]
pub fn profiles_in(sources: &[Source]) -> Vec<Given> {
    let documents = sources.iter().flat_map(|source| &source.documents);
    super::lint::given(documents.flat_map(Document::objects))
}

/// Decides on manifests that are applied together.
pub struct Judge<'a> {
    engine: &'a Engine,
    namespace: &'a str,
    namespaces: Namespaces,
}

/// One StatefulSet, judged.
#[derive(Debug)]
pub struct Judged {
    /// The object with the API server's defaults, which is what admission sees.
    pub filled: Value,
    /// What becomes of it.
    pub decision: Decision,
}

impl<'a> Judge<'a> {
    /// A judge of the sets in `sources`, to whom the Namespaces in them are known; `namespace` is
    /// that of sets that name none.
    pub fn new(engine: &'a Engine, sources: &[Source], namespace: &'a str) -> Self {
        let documents = sources.iter().flat_map(|source| &source.documents);
        let objects = documents.flat_map(Document::objects);
        let namespaces =
            objects.filter(|object| object["kind"] == "Namespace" && object["apiVersion"] == "v1");
        let named = |object: &Value| {
            let metadata = &object["metadata"];
            let annotations = serde_json::from_value(metadata["annotations"].clone()).unwrap_or_default();
            (text(&metadata["name"]).to_owned(), (companions::labels_of(object), annotations))
        };
        let namespaces = namespaces.map(named).collect();
        Self { engine, namespace, namespaces: Namespaces { known: namespaces, configuration: None } }
    }

    /// This judge, to whom the platform's configuration is known.
    #[must_use]
    pub fn with(mut self, configuration: Arc<Configuration>) -> Self {
        self.namespaces.configuration = Some(configuration);
        self
    }

    /// What becomes of `object` if it is created in the namespace that it names, else in ours.
    pub fn create(&self, object: &Value) -> Result<Judged, EngineError> {
        let mut filled = object.clone();
        defaults::apply(&mut filled);
        let namespace = input::namespace(object, self.namespace);
        let change = Change { namespace, before: None, after: &filled };
        let mut decision = self.engine.admit(change, &self.namespaces)?;
        if let Decision::Refused { faults, .. } = &mut decision {
            for fault in faults.iter_mut().filter(|fault| is_unknown_revision(fault)) {
                fault.remedy.push_str(" (no cluster is asked, which may keep others)");
            }
        }
        Ok(Judged { filled, decision })
    }

    /// The same, of a set whose revision no file tells: its cluster may keep it, so it is judged by the current one,
    /// with a warning that says so. Not for what is printed as that set.
    pub fn create_by_what_is_known(&self, object: &Value) -> Result<Judged, EngineError> {
        let judged = self.create(object)?;
        let Decision::Refused { faults, .. } = &judged.decision else { return Ok(judged) };
        let Some(key) = faults.iter().find(|fault| is_unknown_revision(fault)).map(|fault| &fault.field)
        else {
            return Ok(judged);
        };
        let mut current = object.clone();
        let wish = std::mem::replace(&mut current["metadata"]["annotations"][key], Value::from("latest"));
        let wished = text(&wish);
        let profile = wished.split_once('@').map_or(wished, |(profile, _)| profile);
        let latest = self.engine.catalogue.latest(profile).map(|latest| latest.id()).unwrap_or_default();
        let warning = format!(
            "{key}: the revision {wished} is not known offline; the cluster may keep it, and what is said here is of \
             {latest}, the current one"
        );
        let mut decision = self.create(&current)?.decision;
        match &mut decision {
            Decision::Admitted(admitted) => admitted.warnings.insert(0, warning),
            Decision::Refused { warnings, .. } => warnings.insert(0, warning),
            Decision::Ignored | Decision::Unchanged { .. } => {}
        }
        Ok(Judged { decision, ..judged })
    }

    /// What the controller would keep beside `set`, which is as it would be stored, were there
    /// nothing in the cluster but the objects of `sources`.
    #[must_use]
    pub fn companions(&self, set: &Value, sources: &[Source], configuration: &Configuration) -> Companions {
        let namespace = input::namespace(set, self.namespace);
        let labels = self.namespaces.namespace_labels(namespace);
        let Some(desired) = companions::of_stored(set, &self.engine.catalogue, configuration, &labels) else {
            return Companions::default();
        };
        // No cluster is asked, so every kind counts as served.
        let mut neighbours = neighbours::nothing();
        let documents = sources.iter().flat_map(|source| &source.documents);
        for object in documents.flat_map(Document::objects) {
            if input::namespace(object, self.namespace) == namespace
                && let Some(objects) = Kind::of(object).and_then(|kind| neighbours.get_mut(&kind))
            {
                objects.push(object.clone());
            }
        }
        let mut settled = neighbours::settle(desired, set, &neighbours);
        // One of ours that is among them already is not printed twice.
        let is_there = |companion: &Companion| {
            let objects = sources.iter().flat_map(|source| &source.documents).flat_map(Document::objects);
            objects
                .filter(|object| object["kind"] == companion.manifest["kind"])
                .filter(|object| input::namespace(object, self.namespace) == namespace)
                .any(|object| object["metadata"]["name"] == companion.name())
        };
        settled.wanted.retain(|companion| !is_there(companion));
        settled
    }
}

/// Whether a fault says that nobody knows the revision that a set wishes for.
fn is_unknown_revision(fault: &Fault) -> bool {
    fault.reason == Reason::NotFound
        && [names::PROFILE_REVISION, names::UPGRADE_TO].contains(&fault.field.as_str())
}

/// The labels and annotations of the namespaces that stand in the manifests, by name: all that files
/// tell of a cluster.
struct Namespaces {
    known: BTreeMap<String, (Texts, Texts)>,
    configuration: Option<Arc<Configuration>>,
}

type Texts = BTreeMap<String, String>;

impl Facts for Namespaces {
    fn namespace_labels(&self, namespace: &str) -> Texts {
        let mut labels = self.known.get(namespace).map(|(labels, _)| labels.clone()).unwrap_or_default();
        // The API server gives each this one, and one without any would be too new to be known.
        let name = || namespace.to_owned();
        labels.entry("kubernetes.io/metadata.name".to_owned()).or_insert_with(name);
        labels
    }

    fn namespace_annotations(&self, namespace: &str) -> Texts {
        self.known.get(namespace).map(|(_, annotations)| annotations.clone()).unwrap_or_default()
    }

    fn claim_pin(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn configuration(&self) -> Option<Arc<Configuration>> {
        self.configuration.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_of_a_namespace_beside_it_manages_a_set() {
        let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {stateward.dev/managed: \"true\"}}\n\
                    ---\nkind: StatefulSet\napiVersion: apps/v1\nmetadata: {name: db, namespace: shop}\n\
                    spec: {template: {spec: {containers: [{name: db, image: \"redis:8\"}]}}}\n";
        let source = Source::parse("in.yaml".to_owned(), text.to_owned()).unwrap();
        let engine = Engine::built_in().unwrap();
        let set = &source.documents[1].value;
        let decide =
            |sources: &[Source]| Judge::new(&engine, sources, "default").create(set).unwrap().decision;
        assert!(matches!(decide(std::slice::from_ref(&source)), Decision::Admitted(_)));
        assert!(matches!(decide(&[]), Decision::Ignored));
    }

    #[test]
    fn a_revision_that_the_cluster_may_keep_is_no_fault_of_a_manifest() {
        let set = |annotations: &str| {
            let text = format!(
                "kind: StatefulSet\napiVersion: apps/v1\nmetadata: {{name: db, labels: {{stateward.dev/managed: \
                 \"true\"}}, annotations: {{{annotations}}}}}\nspec: {{template: {{spec: {{containers: \
                 [{{name: db, image: \"redis:8\"}}]}}}}}}\n"
            );
            Source::parse("in.yaml".to_owned(), text).unwrap()
        };
        let engine = Engine::built_in().unwrap();
        let judge = Judge::new(&engine, &[], "shop");
        let old = set("stateward.dev/profile-revision: redis@0badcafe");
        let object = &old.documents[0].value;
        let Decision::Admitted(admitted) = judge.create_by_what_is_known(object).unwrap().decision else {
            panic!("refused")
        };
        let latest = engine.catalogue.latest("redis").unwrap().id();
        assert_eq!(
            admitted.warnings[0],
            format!(
                "stateward.dev/profile-revision: the revision redis@0badcafe is not known offline; the cluster may keep \
                 it, and what is said here is of {latest}, the current one"
            )
        );
        // What is wrong besides is told, and what is printed is never another revision's.
        let faulty = set("stateward.dev/upgrade-to: redis@0badcafe, stateward.dev/storage: a lot");
        let refused = |judged: Judged| match judged.decision {
            Decision::Refused { faults, warnings } => (faults, warnings.len()),
            other => panic!("{other:?}"),
        };
        let (faults, warnings) = refused(judge.create_by_what_is_known(&faulty.documents[0].value).unwrap());
        assert_eq!((faults.len(), faults[0].field.as_str(), warnings), (1, "stateward.dev/storage", 1));
        let (faults, warnings) = refused(judge.create(object).unwrap());
        assert!(faults[0].remedy.ends_with(" (no cluster is asked, which may keep others)"), "{faults:?}");
        assert_eq!(warnings, 0);
        // Another profile's is none that this set could have.
        let other = set("stateward.dev/profile-revision: valkey@0badcafe");
        let (faults, _) = refused(judge.create_by_what_is_known(&other.documents[0].value).unwrap());
        assert!(faults[0].problem.contains("is no revision of redis"), "{faults:?}");
    }

    #[test]
    fn a_profile_beside_a_set_is_the_one_that_it_gets() {
        let profile = |memory: &str, parent: &str| {
            format!(
                "apiVersion: stateward.dev/v1alpha1\nkind: StatefulSetProfile\nmetadata: {{name: redis}}\nspec: {{summary: \
                 ours, extends: {parent}, size: ours, sizes: {{ours: {{limits: {{memory: {memory}}}}}}}}}\n"
            )
        };
        let set = "kind: StatefulSet\napiVersion: apps/v1\nmetadata: {name: db, labels: {stateward.dev/managed: \"true\"}}\n\
                   spec: {template: {spec: {containers: [{name: db, image: \"redis:8\"}]}}}\n";
        let engine = Engine::built_in().unwrap();
        let judged = |profile: &str| {
            let source = Source::parse("in.yaml".to_owned(), format!("{set}---\n{profile}")).unwrap();
            let (together, faults) = together(&engine, std::slice::from_ref(&source));
            let judged = Judge::new(&together, &[], "shop").create(&source.documents[0].value).unwrap();
            let Decision::Admitted(admitted) = judged.decision else { panic!("refused") };
            let container = &admitted.result["spec"]["template"]["spec"]["containers"][0];
            (container["resources"]["limits"]["memory"].clone(), faults)
        };
        assert_eq!(judged(&profile("777Mi", "redis")), (Value::from("777Mi"), vec![]));
        let (memory, faults) = judged(&profile("777Mi", "nothing"));
        assert_ne!(memory, "777Mi");
        assert!(
            faults[0].contains("StatefulSetProfile redis: ") && faults[0].contains("nothing"),
            "{faults:?}"
        );
    }
}
