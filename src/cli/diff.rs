//! `diff`: a live set against the current revision of its profile.

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::Value;

use super::Failure;
use super::cluster::ClusterArgs;
use super::known::Known;
use super::moves::Move;
use super::named;
use super::report::{Exit, Report};
use super::status::{is_managed, unmanaged};
use super::world::{SetsFormat, World};
use crate::catalogue::Catalogue;
use crate::names;

/// Arguments of `diff`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DiffArgs {
    /// The StatefulSet: NAME or sts/NAME
    #[arg(value_parser = named::set)]
    pub name: String,
    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: SetsFormat,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Reads the set and tells. Exit code 1 where anything in it would change.
pub fn run(args: &DiffArgs, namespace: Option<&str>, catalogue: Catalogue) -> Result<Report, Failure> {
    let cluster = args.cluster.connect()?;
    let namespace = namespace.unwrap_or(&cluster.namespace);
    let mut world = World::of_namespaces(&cluster, Some(namespace))?;
    let set = cluster.get::<StatefulSet>(&args.name, namespace)?;
    world.put("StatefulSet", set.clone());
    if !is_managed(&set, &world) {
        return Err(unmanaged(&args.name, &world));
    }
    let known = Known::read(catalogue, &cluster)?;
    let moved = Move::of(&set, &world, &known.engine(), "latest")?;
    let mut report = Report { stderr: known.note, ..Report::default() };
    if moved.changes_objects() || !moved.refused.is_empty() {
        report.end(Exit::Findings);
    }
    report.stdout = match args.output {
        SetsFormat::Json => {
            let mut told = moved.json();
            told["command"] = Value::from(command(&moved));
            format!("{told:#}\n")
        }
        SetsFormat::Text if moved.changes() && moved.refused.is_empty() => {
            format!("{}  brought by: {}\n", moved.told(), command(&moved))
        }
        SetsFormat::Text => moved.told(),
    };
    Ok(report)
}

/// What brings it, to be pasted.
fn command(moved: &Move) -> String {
    let Move { name, namespace, .. } = moved;
    format!("kubectl annotate statefulset {name} -n {namespace} {}=latest", names::UPGRADE_TO)
}
