//! `status`: how managed sets and what stands beside them are doing, and what to do about it.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Failure;
use super::report::{Exit, Report};
use super::world::{SetsArgs, SetsFormat, World, within};
use crate::companions::neighbours::{is_ours, settle};
use crate::companions::{self, Companions, Kind, Role};
use crate::configuration::Configuration;
use crate::engine::Engine;
use crate::intent;
use crate::names;
use crate::record::Record;
use crate::settings::text;

/// Reads the cluster and tells. Exit code 1 where something is wrong.
pub fn run(
    args: &SetsArgs,
    namespace: Option<&str>,
    engine: &Engine,
    configuration: &Configuration,
) -> Result<Report, Failure> {
    let world = args.read(namespace)?;
    let statuses: Vec<Value> = world
        .sets
        .iter()
        .filter(|set| is_managed(set, &world))
        .map(|set| of(set, &world, engine, configuration))
        .collect();
    if let (Some(name), true) = (&args.name, statuses.is_empty()) {
        return Err(Failure::Cluster(format!(
            "no managed StatefulSet {name}; stateward adopt says what managing it would mean"
        )));
    }
    let mut report = Report::default();
    if statuses.iter().any(|status| status["problems"].as_array().is_some_and(|list| !list.is_empty())) {
        report.end(Exit::Findings);
    }
    report.stdout = match args.output {
        SetsFormat::Json => format!("{:#}\n", Value::from(statuses)),
        SetsFormat::Text if statuses.is_empty() => "no managed StatefulSets\n".to_owned(),
        SetsFormat::Text => statuses.iter().map(told).collect::<Vec<_>>().join("\n"),
    };
    Ok(report)
}

/// Whether a set is managed, by itself or by its namespace.
pub(super) fn is_managed(set: &Value, world: &World) -> bool {
    intent::is_managed(set, || world.labels(text(&set["metadata"]["namespace"]))).unwrap_or(false)
}

/// All that there is to say of one managed set.
#[must_use]
pub fn of(set: &Value, world: &World, engine: &Engine, configuration: &Configuration) -> Value {
    let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
    let mut problems: Vec<String> = Vec::new();
    let pin = Record::pin_of(set);
    let latest = pin.as_ref().and_then(|pin| engine.catalogue.latest(&pin.profile)).map(|latest| latest.id());
    if pin.is_none() {
        problems.push(
            "it was never expanded, since the webhook was away when it was made; its next change is"
                .to_owned(),
        );
    }
    let desired = companions::of_stored(set, &engine.catalogue, configuration, &world.labels(namespace));
    let settled = settle(desired.unwrap_or_default(), set, &world.neighbours(namespace));
    let beside = beside(set, world, &settled, &mut problems);
    let pods: Vec<Value> = pods(set, world).map(|pod| pod_status(pod, set)).collect();
    let (wanted, ready) =
        (set["spec"]["replicas"].as_u64().unwrap_or(1), set["status"]["readyReplicas"].as_u64().unwrap_or(0));
    if ready < wanted {
        problems.push(format!("{ready} of {wanted} pods are ready; kubectl describe pod says why"));
    }
    let claims: Vec<Value> = claims(set, world).collect();
    for claim in claims.iter().filter(|claim| claim["phase"] != "Bound") {
        problems.push(format!(
            "claim {} is {}; kubectl describe pvc says why",
            text(&claim["name"]),
            text(&claim["phase"])
        ));
    }
    let budgets = world.beside.get(&Kind::PodDisruptionBudget).map_or(&[][..], Vec::as_slice);
    let budget =
        within(budgets, namespace).find(|budget| budget["metadata"]["name"] == name && is_ours(budget, name));
    json!({
        "namespace": namespace, "name": name, "pin": pin.map(|pin| pin.to_string()), "latest": latest,
        "replicas": wanted, "ready": ready, "companions": beside, "claims": claims, "pods": pods,
        "disruptionsAllowed": budget.map(|budget| budget["status"]["disruptionsAllowed"].clone()),
        "portForward": port_forward(set, &settled), "problems": problems,
    })
}

/// The state of each companion, and what is wrong.
fn beside(set: &Value, world: &World, settled: &Companions, problems: &mut Vec<String>) -> Vec<Value> {
    let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
    let mut lines = Vec::new();
    for companion in &settled.wanted {
        let (role, kind) = (companion.role, companion.kind);
        // Nobody reads Secrets.
        let unseen = match kind {
            Kind::Secret => Some("not looked at"),
            kind => world.unseen.contains(&kind).then_some("not for you to see"),
        };
        if let Some(why) = unseen {
            lines.push(line(role, kind, companion.name(), why));
            continue;
        }
        let objects = world.beside.get(&kind).map_or(&[][..], Vec::as_slice);
        let found =
            within(objects, namespace).any(|o| o["metadata"]["name"] == companion.name() && is_ours(o, name));
        lines.push(line(role, kind, companion.name(), if found { "there" } else { "missing" }));
        if !found {
            problems.push(format!("{kind} {} is missing; is the controller running?", companion.name()));
        }
    }
    lines.extend(
        settled.withheld.iter().map(|w| line(w.role, w.role.kind(), "", &format!("none: {}", w.why))),
    );
    for problem in &settled.problems {
        lines.push(line(problem.role, problem.role.kind(), "", "not made"));
        problems.push(format!("{}; {}", problem.what, problem.remedy));
    }
    lines
}

fn line(role: Role, kind: Kind, name: &str, state: &str) -> Value {
    json!({"role": role.as_str(), "kind": kind.as_str(), "name": name, "state": state})
}

/// The pods that the set made.
fn pods<'w>(set: &'w Value, world: &'w World) -> impl Iterator<Item = &'w Value> {
    let uid = &set["metadata"]["uid"];
    let owned = move |pod: &&Value| {
        let owners = pod["metadata"]["ownerReferences"].as_array();
        owners.into_iter().flatten().any(|owner| owner["uid"] == *uid)
    };
    within(&world.pods, text(&set["metadata"]["namespace"])).filter(owned)
}

fn pod_status(pod: &Value, set: &Value) -> Value {
    let (name, namespace) = (text(&pod["metadata"]["name"]), text(&set["metadata"]["namespace"]));
    let conditions = pod["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
    let service = text(&set["spec"]["serviceName"]);
    let dns = (!service.is_empty()).then(|| format!("{name}.{service}.{namespace}.svc"));
    json!({"name": name, "phase": pod["status"]["phase"], "ready": ready, "dns": dns})
}

/// The claims of the set's templates, by their names (`TEMPLATE-SET-ORDINAL`).
fn claims<'w>(set: &'w Value, world: &'w World) -> impl Iterator<Item = Value> + 'w {
    let name = text(&set["metadata"]["name"]);
    let templates = set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    let templates: Vec<&str> = templates.map(|template| text(&template["metadata"]["name"])).collect();
    let is_claim = move |claim: &&Value| {
        let claim = text(&claim["metadata"]["name"]);
        templates.iter().any(|template| names::is_claim_of(claim, template, name))
    };
    within(&world.claims, text(&set["metadata"]["namespace"])).filter(is_claim).map(|claim| {
        let size = claim["status"]["capacity"]
            .get("storage")
            .unwrap_or(&claim["spec"]["resources"]["requests"]["storage"]);
        json!({"name": claim["metadata"]["name"], "size": size, "phase": claim["status"]["phase"]})
    })
}

/// How to reach the set from where the command runs.
fn port_forward(set: &Value, settled: &Companions) -> Option<String> {
    let client = settled.wanted.iter().find(|companion| companion.role == Role::Client)?;
    let port = client.manifest["spec"]["ports"][0]["port"].as_u64()?;
    Some(format!(
        "kubectl port-forward -n {} service/{} {port}",
        text(&set["metadata"]["namespace"]),
        client.name()
    ))
}

/// A status for people.
fn told(status: &Value) -> String {
    let mut out = format!("StatefulSet {}/{}\n", text(&status["namespace"]), text(&status["name"]));
    let mut row = |what: &str, text: &str| _ = writeln!(out, "  {what:<12}{text}");
    let pin = text(&status["pin"]);
    let latest = text(&status["latest"]);
    let newer = if pin.starts_with(latest) { String::new() } else { format!(" (latest: {latest})") };
    row("profile", &format!("{}{newer}", if pin.is_empty() { "none" } else { pin }));
    row("pods", &format!("{} of {} ready", status["ready"], status["replicas"]));
    for pod in status["pods"].as_array().into_iter().flatten() {
        let ready = if pod["ready"] == true { "ready" } else { text(&pod["phase"]) };
        row("", &format!("{:<8}{}", ready, pod["dns"].as_str().unwrap_or(text(&pod["name"]))));
    }
    for claim in status["claims"].as_array().into_iter().flatten() {
        row("claim", &format!("{} {} {}", text(&claim["name"]), text(&claim["size"]), text(&claim["phase"])));
    }
    for companion in status["companions"].as_array().into_iter().flatten() {
        let name = text(&companion["name"]);
        let name = if name.is_empty() { String::new() } else { format!(" {name}") };
        row(
            text(&companion["role"]),
            &format!("{}{name}: {}", text(&companion["kind"]), text(&companion["state"])),
        );
    }
    if let Some(allowed) = status["disruptionsAllowed"].as_u64() {
        row("drains", &format!("{allowed} pods may be evicted now"));
    }
    if let Some(command) = status["portForward"].as_str() {
        row("reach it", command);
    }
    for problem in status["problems"].as_array().into_iter().flatten() {
        row("wrong", text(problem));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults;
    use crate::engine::{Change, Decision, Offline};

    fn world() -> World {
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": "shop", "uid": "u-1", "labels": {"stateward.dev/managed": "true"},
                "annotations": {"stateward.dev/storage": "20Gi"}},
            "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "db", "image": "postgres:18"}]}}},
        });
        defaults::apply(&mut set);
        let engine = Engine::built_in().unwrap();
        let change = Change { namespace: "shop", before: None, after: &set };
        let Decision::Admitted(admitted) = engine.admit(change, &Offline).unwrap() else { panic!("refused") };
        let mut set = admitted.result;
        set["status"] = json!({"readyReplicas": 1});
        let pod = |name: &str, ready: &str| {
            json!({
                "metadata": {"name": name, "namespace": "shop", "ownerReferences": [{"uid": "u-1"}]},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
            })
        };
        let claim = |name: &str, phase: &str| {
            json!({"metadata": {"name": name, "namespace": "shop"}, "status": {"phase": phase},
                   "spec": {"resources": {"requests": {"storage": "20Gi"}}}})
        };
        World {
            sets: vec![set],
            pods: vec![pod("db-0", "True"), pod("db-1", "False")],
            claims: vec![
                claim("data-db-0", "Bound"),
                claim("data-db-1", "Pending"),
                claim("data-db-x", "Lost"),
            ],
            ..World::empty()
        }
    }

    fn status(world: &World) -> Value {
        of(&world.sets[0], world, &Engine::built_in().unwrap(), &Configuration::default())
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_do() {
        insta::assert_snapshot!(told(&status(&world())), @r"
        StatefulSet shop/db
          profile     postgresql@93fd394e/18,debian
          pods        1 of 2 ready
                      ready   db-0.db-headless.shop.svc
                      Running db-1.db-headless.shop.svc
          claim       data-db-0 20Gi Bound
          claim       data-db-1 20Gi Pending
          headless    Service db-headless: missing
          client      Service db: missing
          budget      PodDisruptionBudget db: missing
          reach it    kubectl port-forward -n shop service/db 5432
          wrong       Service db-headless is missing; is the controller running?
          wrong       Service db is missing; is the controller running?
          wrong       PodDisruptionBudget db is missing; is the controller running?
          wrong       1 of 2 pods are ready; kubectl describe pod says why
          wrong       claim data-db-1 is Pending; kubectl describe pvc says why
        ");
    }

    #[test]
    fn all_well_is_short() {
        let mut world = world();
        world.sets[0]["status"]["readyReplicas"] = json!(2);
        world.pods[1]["status"]["conditions"][0]["status"] = json!("True");
        world.claims[1]["status"]["phase"] = json!("Bound");
        let desired = companions::of_stored(
            &world.sets[0],
            &Engine::built_in().unwrap().catalogue,
            &Configuration::default(),
            &world.labels("shop"),
        );
        for companion in desired.unwrap().wanted {
            match companion.role {
                Role::Budget => {
                    let mut budget = companion.manifest;
                    budget["status"] = json!({"disruptionsAllowed": 1});
                    world.beside.entry(Kind::PodDisruptionBudget).or_default().push(budget);
                }
                _ => world.beside.entry(Kind::Service).or_default().push(companion.manifest),
            }
        }
        let status = status(&world);
        assert_eq!(status["problems"], json!([]), "{status:#}");
        assert!(told(&status).contains("drains      1 pods may be evicted now"), "{}", told(&status));
    }
}
