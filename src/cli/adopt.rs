//! `adopt --dry-run`: what managing an existing set would mean, before anybody labels it.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Failure;
use super::granted::Granted;
use super::known::Known;
use super::report::{Exit, Report};
use super::status::is_managed;
use super::world::{SetsArgs, SetsFormat, World, is_companion};
use crate::catalogue::Catalogue;
use crate::companions::neighbours::settle;
use crate::companions::{self, Companion, Companions};
use crate::configuration::Configuration;
use crate::engine::{Change, Decision, Engine, EngineError};
use crate::intent::Intent;
use crate::names;
use crate::record::Record;
use crate::settings::{containers, replicas, text};

/// The annotation by which a set says that it means what its profile refuses.
const ACKNOWLEDGE: &str = "stateward.dev/acknowledge";

/// Arguments of `adopt`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct AdoptArgs {
    /// The sets.
    #[command(flatten)]
    pub sets: SetsArgs,
    /// Say what would happen. Nothing is ever written: what adopts a set is its label
    #[arg(long)]
    pub dry_run: bool,
}

/// Reads the cluster and tells. Exit code 1 where a set would be refused or a companion not be made; without
/// `--dry-run` all is a matter of usage.
pub fn run(
    args: &AdoptArgs,
    namespace: Option<&str>,
    catalogue: Catalogue,
    given: Option<Configuration>,
) -> Result<Report, Failure> {
    if !args.dry_run {
        return Err(Failure::Usage(format!(
            "adopt writes nothing: with --dry-run it says what managing a set would mean, and the label {}=true, which \
             you put on, adopts it",
            names::MANAGED
        )));
    }
    let (cluster, world) = args.sets.read(namespace)?;
    let granted = Granted::find(given, &cluster);
    let known = Known::read(catalogue, &cluster)?;
    let engine = known.engine();
    let sets = world.sets().filter(|set| !is_managed(set, &world));
    let adoptions: Vec<Value> =
        sets.map(|set| of(set, &world, &engine, &granted)).collect::<Result<_, _>>()?;
    if let (Some(name), true) = (&args.sets.name, adoptions.is_empty()) {
        let (place, option) = (world.place(), world.option());
        return Err(Failure::Cluster(if world.sets().next().is_none() {
            format!("no StatefulSet {name} in {place}")
        } else {
            format!(
                "StatefulSet {name} in {place} is managed already; stateward status {name} {option} says how it is doing"
            )
        }));
    }
    let mut report = Report { stderr: known.note, ..Report::default() };
    let empty = |value: &Value| value.as_array().is_none_or(Vec::is_empty);
    if adoptions.iter().any(|adoption| !empty(&adoption["refused"]) || !empty(&adoption["clashes"])) {
        report.end(Exit::Findings);
    }
    world.tell_unread(&mut report, is_companion, |kinds| {
        format!("whether one would appear is not known: {kinds}")
    });
    report.stdout = match args.sets.place.output {
        SetsFormat::Json => format!("{:#}\n", Value::from(adoptions)),
        SetsFormat::Text if adoptions.is_empty() => {
            format!("no StatefulSet in {} that is not managed already\n", world.place())
        }
        SetsFormat::Text => adoptions.iter().map(told).collect::<Vec<_>>().join("\n"),
    };
    Ok(report)
}

/// What the label would mean for one set: asked of the engine as the webhook would be asked.
///
/// # Errors
/// A fault of ours.
pub fn of(set: &Value, world: &World, engine: &Engine, granted: &Granted) -> Result<Value, EngineError> {
    let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
    let mut labelled = set.clone();
    if labelled["metadata"]["labels"].is_null() {
        labelled["metadata"]["labels"] = json!({});
    }
    labelled["metadata"]["labels"][names::MANAGED] = json!("true");
    // Without it kubectl refuses to change a label that is there.
    let overwrite = if set["metadata"]["labels"][names::MANAGED].is_null() { "" } else { " --overwrite" };
    let change = Change { namespace, before: Some(set), after: &labelled };
    let labels = world.labels(namespace);
    let mut adoption = json!({
        "namespace": namespace, "name": name,
        "command": format!("kubectl label statefulset {name} -n {namespace}{overwrite} {}=true", names::MANAGED),
    });
    match engine.admit(change, world)? {
        Decision::Refused { faults, .. } => {
            adoption["refused"] = faults.iter().map(|fault| Value::from(fault.to_string())).collect();
        }
        Decision::Admitted(admitted) => {
            let desired =
                companions::of_stored(&admitted.result, &engine.catalogue, &granted.configuration, &labels);
            let desired = desired.unwrap_or_default();
            let settled = settle(desired.clone(), &admitted.result, &world.neighbours(namespace));
            adoption["acknowledge"] = unacknowledged(&admitted.result, engine);
            adoption["pin"] = Value::from(admitted.pin);
            adoption["restarts"] =
                Value::from(admitted.result["spec"]["template"] != set["spec"]["template"]);
            adoption["warnings"] = Value::from(admitted.warnings);
            companions_of(set, (&desired, &settled), world, granted, &mut adoption);
        }
        Decision::Ignored | Decision::Unchanged { .. } => {
            adoption["refused"] = json!(["it is being deleted"]);
        }
    }
    Ok(adoption)
}

/// What its profile refuses of new sets like this one. An adopted set runs on as it is, but one that grows is
/// refused, and so is a new one of the same manifest.
fn unacknowledged(set: &Value, engine: &Engine) -> Value {
    let pin = Record::pin_of(set);
    let profile = pin.as_ref().and_then(|pin| engine.catalogue.latest(&pin.profile));
    let (Some(pin), Some(profile)) = (&pin, profile) else { return json!([]) };
    let metadata = &set["metadata"];
    let (intent, _) = Intent::parse(metadata.get("labels"), metadata.get("annotations"));
    let main = containers(set).iter().find(|container| container["name"] == pin.main.as_str());
    let refused = profile.refusals.iter().filter(|(name, refusal)| {
        let holds = refusal.holds(replicas(set), None, main.unwrap_or(&Value::Null), &intent.generate_secret);
        holds && !refusal.first_start && !intent.acknowledge.contains(name)
    });
    let told = refused.map(|(name, refusal)| {
        json!({"name": name, "problem": refusal.problem, "replicas": refusal.replicas.is_some()})
    });
    told.collect()
}

fn companions_of(
    set: &Value,
    (desired, settled): (&Companions, &Companions),
    world: &World,
    granted: &Granted,
    adoption: &mut Value,
) {
    let told = |companion: &Companion| Value::from(format!("{} {}", companion.kind, companion.name()));
    let is_hidden = |companion: &&Companion| world.hides(set, companion).is_some();
    let (hidden, made): (Vec<_>, Vec<_>) = settled.wanted.iter().partition(is_hidden);
    adoption["appear"] = made.into_iter().map(told).collect();
    adoption["unknown"] = hidden.into_iter().map(told).collect();
    let none =
        settled.withheld.iter().map(|w| Value::from(format!("{} ({}): {}", w.role.kind(), w.role, w.why)));
    adoption["withheld"] = none.collect();
    let clashes = settled.problems.iter().map(|problem| Value::from(granted.told(problem, desired)));
    adoption["clashes"] = clashes.collect();
}

/// An adoption for people.
fn told(adoption: &Value) -> String {
    let mut out = format!("StatefulSet {}/{}\n", text(&adoption["namespace"]), text(&adoption["name"]));
    let mut row = |what: &str, text: &str| _ = writeln!(out, "  {what:<10}{text}");
    let texts = |field: &str| adoption[field].as_array().cloned().unwrap_or_default();
    for fault in texts("refused") {
        row("refused", text(&fault));
    }
    if let Some(pin) = adoption["pin"].as_str() {
        row("profile", pin);
        let restarts = adoption["restarts"] == true;
        row("pods", if restarts { "restart" } else { "keep running: nothing in the spec changes" });
    }
    for (field, what) in [
        ("appear", "appears"),
        ("unknown", "unknown"),
        ("withheld", "none"),
        ("clashes", "clash"),
        ("warnings", "warning"),
    ] {
        for line in texts(field) {
            row(what, text(&line));
        }
    }
    let acknowledge = texts("acknowledge");
    for refused in &acknowledge {
        let (name, problem) = (text(&refused["name"]), text(&refused["problem"]));
        let more = if refused["replicas"] == true { "more replicas are refused, and so is " } else { "" };
        let refused = if more.is_empty() { " is refused" } else { "" };
        let what = format!("{more}a new set like it{refused}");
        row("refuses", &format!("{name}: {problem}; it runs on as it is, but {what}"));
    }
    if adoption["refused"].is_null() {
        row("adopt by", text(&adoption["command"]));
        let names: Vec<&str> = acknowledge.iter().map(|refused| text(&refused["name"])).collect();
        if !names.is_empty() {
            let (namespace, name) = (text(&adoption["namespace"]), text(&adoption["name"]));
            row(
                "if meant",
                &format!(
                    "kubectl annotate statefulset {name} -n {namespace} {ACKNOWLEDGE}={}",
                    names.join(",")
                ),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults;

    fn adoption(world: &World) -> Value {
        adoption_of(world, |_| {})
    }

    /// Of a set to which this is done before.
    fn adoption_of(world: &World, change: impl Fn(&mut Value)) -> Value {
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": "shop", "uid": "u-1"},
            "spec": {
                "replicas": 3, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
                "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [
                    {"name": "db", "image": "postgres:18", "ports": [{"name": "pg", "containerPort": 5432}]},
                ]}},
            },
        });
        change(&mut set);
        defaults::apply(&mut set);
        let configuration = Configuration::parse("hosts: [{host: db.example.com}]").unwrap();
        of(&set, world, &Engine::built_in().unwrap(), &configuration.into()).unwrap()
    }

    #[test]
    fn what_appears_and_what_yields_is_told() {
        let service = json!({"metadata": {"name": "db", "namespace": "shop"},
            "spec": {"clusterIP": "None", "selector": {"app": "db"}}});
        let budget = json!({"metadata": {"name": "mine", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "db"}}}});
        let world = World::default().with("Service", vec![service]).with("PodDisruptionBudget", vec![budget]);
        let told =
            Engine::built_in().unwrap().catalogue.without_revision("postgresql", &told(&adoption(&world)));
        insta::assert_snapshot!(told, @r"
        StatefulSet shop/db
          profile   postgresql@0badcafe/18,debian
          pods      keep running: nothing in the spec changes
          none      Service (client): the serviceName of the set has the name that it would have
          none      Service (headless): Service db is there already
          none      PodDisruptionBudget (budget): PodDisruptionBudget mine selects these pods already
          refuses   separate-replicas: separate databases, since the image does not replicate; it runs on as it is, but more replicas are refused, and so is a new set like it
          adopt by  kubectl label statefulset db -n shop stateward.dev/managed=true
          if meant  kubectl annotate statefulset db -n shop stateward.dev/acknowledge=separate-replicas
        ");
    }

    #[test]
    fn nothing_restarts() {
        let adoption = adoption(&World::default());
        assert_eq!(adoption["restarts"], false);
        assert_eq!(adoption["appear"], json!(["Service db", "PodDisruptionBudget db"]));
    }

    #[test]
    fn whether_what_claims_a_host_appears_is_not_known_without_an_answer_of_all_that_do() {
        let exposed = |set: &mut Value| {
            set["spec"]["serviceName"] = json!("peers");
            let annotations =
                json!({"stateward.dev/ingress-host": "db.example.com", "stateward.dev/ingress-port": "pg"});
            set["metadata"]["annotations"] = annotations;
        };
        let told = |world: &World| {
            let adoption = adoption_of(world, exposed);
            let is_ingress = |one: &Value| *one == "Ingress db";
            ["appear", "unknown"].map(|field| adoption[field].as_array().unwrap().iter().any(is_ingress))
        };
        assert_eq!(told(&World::default()), [true, false]);
        assert_eq!(told(&World::default().without_answer_of("TLSRoute", "failed to ask")), [false, true]);
        assert_eq!(
            told(&World::default().without_answer_of("ServiceMonitor", "failed to ask")),
            [true, false]
        );
    }
}
