//! `eject`: the full manifests of a set and its companions, as files of one's own.
//!
//! Applied, they hand everything back: the label says `"false"`, so that the webhook lets the set
//! pass and the controller gives the companions up, which are then whose who applied them.

use serde_json::{Map, Value};

use super::Failure;
use super::cluster::ClusterArgs;
use super::granted::Granted;
use super::known::Known;
use super::named;
use super::output::{self, Format};
use super::report::Report;
use super::status::{is_managed, unmanaged};
use super::world::{World, is_companion};
use crate::catalogue::Catalogue;
use crate::companions::neighbours::settle;
use crate::companions::{self, Problem, Role};
use crate::configuration::Configuration;
use crate::controller::unknown;
use crate::engine::Engine;
use crate::names;
use crate::settings::text;

/// The annotation that asks for a Secret.
const GENERATE: &str = "stateward.dev/generate-secret";

/// Arguments of `eject`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct EjectArgs {
    /// The StatefulSet: NAME or sts/NAME
    #[arg(value_parser = named::set)]
    pub name: String,
    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: Format,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Prints the manifests; what to do with them goes to standard error.
pub fn run(
    args: &EjectArgs,
    namespace: Option<&str>,
    catalogue: Catalogue,
    given: Option<Configuration>,
) -> Result<Report, Failure> {
    let cluster = args.cluster.connect()?;
    let namespace = namespace.unwrap_or(&cluster.namespace);
    let mut world = World::read(&cluster, Some(namespace))?.of_a_namespace()?;
    world.name = Some(args.name.clone());
    let Some(set) = world.sets().next().filter(|set| is_managed(set, &world)) else {
        return Err(unmanaged(&args.name, &world));
    };
    let known = Known::read(catalogue, &cluster)?;
    let (manifests, hidden) = of(set, &world, &known.engine(), &Granted::find(given, &cluster).configuration);
    let mut stderr = known.note;
    stderr.push_str(
        "keep these manifests and apply them (kubectl apply -f FILE): from then on the set and what stands beside it are \
         yours, and no pod restarts\n",
    );
    if !set["metadata"]["annotations"][GENERATE].is_null() {
        stderr.push_str(&format!("Secret {}-generated is not among them: it stays as it is\n", args.name));
    }
    if !set["metadata"]["deletionTimestamp"].is_null() {
        stderr.push_str(&format!(
            "StatefulSet {} is being deleted: what is applied before it has gone goes with it\n",
            args.name
        ));
    }
    for object in unprinted(set, &world, &manifests) {
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        stderr.push_str(&format!(
            "{kind} {name} is not among them: it stays as it is, and nobody looks after it; name the platform's file with \
             --configuration if it should be\n"
        ));
    }
    for Problem { what, .. } in hidden {
        stderr.push_str(&format!("{what}; it is not among them\n"));
    }
    let mut report = Report { stderr, ..Report::default() };
    world.tell_unread(&mut report, is_companion, |kinds| {
        format!("what stands beside the set of {kinds} is not among them")
    });
    report.stdout = match args.output {
        Format::Json => output::json_list(manifests),
        Format::Yaml => {
            let documents = manifests.iter().map(output::yaml).collect::<Result<Vec<_>, _>>()?;
            documents.join("---\n")
        }
    };
    Ok(report)
}

/// The set and its companions as one would have written them in full; and why those are not among them whose host
/// may be another's.
#[must_use]
pub fn of(
    set: &Value,
    world: &World,
    engine: &Engine,
    configuration: &Configuration,
) -> (Vec<Value>, Vec<Problem>) {
    let namespace = text(&set["metadata"]["namespace"]);
    let desired = companions::of_stored(set, &engine.catalogue, configuration, &world.labels(namespace));
    let settled = settle(desired.unwrap_or_default(), set, &world.neighbours(namespace));
    let (mut manifests, mut hidden) = (vec![own(set)], Vec::new());
    for companion in settled.wanted.into_iter().filter(|one| one.role != Role::Secret) {
        match world.hides(set, &companion) {
            None => manifests.push(given_up(companion.manifest)),
            Some(by) if by != companion.kind => hidden.push(unknown::problem(&companion, by)),
            // Another's may stand in its place, and of the whole kind that is told.
            Some(_) => {}
        }
    }
    (manifests, hidden)
}

/// Companions that are there and not among the manifests: what keeps them is not known here.
fn unprinted<'w>(
    set: &'w Value,
    world: &'w World,
    manifests: &'w [Value],
) -> impl Iterator<Item = &'w Value> {
    let printed = move |object: &Value| {
        let same = |one: &Value| {
            one["kind"] == object["kind"] && one["metadata"]["name"] == object["metadata"]["name"]
        };
        manifests.iter().any(same)
    };
    world.ours(set).filter(move |object| !printed(object))
}

/// The set without what the API server writes and what we keep in its metadata. Its spec stays to
/// the last field, labels of ours in it too: it could not change, or would restart pods.
fn own(set: &Value) -> Value {
    let mut own = set.clone();
    let ours = |key: &String| key.starts_with(names::PREFIX) || key == names::LAST_APPLIED;
    if let Value::Object(object) = &mut own {
        object.remove("status");
    }
    if let Value::Object(metadata) = &mut own["metadata"] {
        metadata.retain(|field, _| matches!(field.as_str(), "name" | "namespace" | "labels" | "annotations"));
        for part in ["labels", "annotations"] {
            if let Some(Value::Object(map)) = metadata.get_mut(part) {
                map.retain(|key, _| !ours(key));
                if map.is_empty() {
                    metadata.remove(part);
                }
            }
        }
        let labels = metadata.entry("labels").or_insert_with(|| Value::Object(Map::new()));
        labels[names::MANAGED] = Value::from("false");
    }
    own
}

/// A companion without our labels and its owner.
fn given_up(mut manifest: Value) -> Value {
    if let Value::Object(metadata) = &mut manifest["metadata"] {
        metadata.remove("labels");
        metadata.remove("ownerReferences");
    }
    manifest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_set_keeps_its_spec_and_loses_our_marks() {
        let set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {
                "name": "db", "namespace": "shop", "uid": "u", "resourceVersion": "7", "managedFields": [],
                "labels": {"stateward.dev/managed": "true", "stateward.dev/profile": "postgresql", "team": "shop"},
                "annotations": {"stateward.dev/storage": "20Gi", "stateward.dev/expansion": "{}"},
            },
            "spec": {"selector": {"matchLabels": {"stateward.dev/statefulset": "db"}}},
            "status": {"replicas": 1},
        });
        assert_eq!(
            own(&set),
            json!({
                "apiVersion": "apps/v1", "kind": "StatefulSet",
                "metadata": {"name": "db", "namespace": "shop",
                    "labels": {"stateward.dev/managed": "false", "team": "shop"}},
                "spec": {"selector": {"matchLabels": {"stateward.dev/statefulset": "db"}}},
            })
        );
    }
}
