//! The controller on the real control plane: how long until all sets have their companions, beside the
//! plainest loop that applies the same objects; what a resync and an event cost; memory.
//!
//! `SETS=1000,10000` says how many sets there are in each round, and `PLAIN=no` leaves the plain loop out,
//! which takes the longest. The controller manager is stopped meanwhile: no pods are made, and what is
//! measured is stateward and the API server.

// What is measured here must not fail.
#![allow(clippy::expect_used, clippy::panic)]

#[path = "converge/local.rs"]
#[allow(dead_code, reason = "each bench that starts a cluster uses a part of it")]
mod local;
#[path = "converge/rounds.rs"]
mod rounds;

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use stateward::catalogue::Catalogue;
use stateward::companions::{self, Kind, Labels};
use stateward::configuration::Configuration;

use self::local::{Local, Usage};
use self::rounds::{CONCURRENCY, Rounds, create, namespace, seconds, statefulsets};

/// Sets that are touched to see what an event costs.
const TOUCHED: usize = 500;
/// The companions that each set here has.
const EACH: usize = 3;

struct Converge;

impl Rounds for Converge {
    async fn make(&self, admin: &Client, number: usize) {
        let manifest = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": name(number), "labels": {"stateward.dev/managed": "true"},
                "annotations": {
                    "stateward.dev/storage": "20Gi", "stateward.dev/acknowledge": "separate-replicas",
                }},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [
                {"name": "postgres", "image": "postgres:18",
                 "env": [{"name": "POSTGRES_PASSWORD", "value": "x"}]},
            ]}}},
        });
        create(&statefulsets(admin, &namespace(number)), manifest).await;
    }

    async fn measure(&self, local: &Local, admin: &Client, sets: usize) {
        round(local, admin, sets).await;
    }
}

fn main() {
    rounds::run(&Converge);
}

/// The controller, and the plain loop, each from nothing.
async fn round(local: &Local, admin: &Client, sets: usize) {
    let began = Instant::now();
    let controller = local.controller(&["--resync-period", "1h"]);
    let created =
        |metrics: &str| sum(metrics, "controller_writes_total", &["verb=\"create\"", "result=\"ok\""]);
    controller.wait(|metrics| created(metrics) >= EACH * sets).await;
    let took = began.elapsed();
    let Usage { cpu, resident_mib, peak_mib } = controller.usage();
    println!(
        "  the controller      {} s, {} s of CPU, {resident_mib} MiB, at most {peak_mib}",
        seconds(took),
        seconds(cpu)
    );
    event_costs(&controller, admin, sets).await;
    drop(controller);
    // A replica that starts finds everything settled, and so does a resync.
    let again = local.controller(&["--resync-period", "20s"]);
    again.wait(|metrics| sum(metrics, "controller_reconciles_total", &[]) >= 2 * sets).await;
    let writes = sum(&again.metrics().await, "controller_writes_total", &[]);
    let Usage { cpu, resident_mib, peak_mib } = again.usage();
    println!(
        "  settled             {writes} writes on a start and a resync, {} s of CPU, {resident_mib} MiB, at most \
         {peak_mib}",
        seconds(cpu)
    );
    drop(again);
    println!("  the webhook         {} MiB", local.webhook_usage().resident_mib);
    clear(admin).await;
    if std::env::var("PLAIN").is_ok_and(|plain| plain == "no") {
        return;
    }
    let plain = apply_plainly(&local.client("stateward-controller").await).await;
    let ratio = took.as_secs_f64() / plain.as_secs_f64();
    println!("  the plain loop      {} s; the controller took {ratio:.2} of that", seconds(plain));
    clear(admin).await;
}

/// What it costs to look at sets that are touched, one after the other.
async fn event_costs(controller: &local::Process, admin: &Client, sets: usize) {
    let looks = async || sum(&controller.metrics().await, "controller_reconciles_total", &[]);
    let (before, looked): (Usage, usize) = (controller.usage(), looks().await);
    let touch = json!({"metadata": {"labels": {"touched-among": sets.to_string()}}});
    for number in 0..TOUCHED.min(sets) {
        let api = statefulsets(admin, &namespace(number));
        let patch = Patch::Merge(&touch);
        api.patch(&name(number), &PatchParams::default(), &patch).await.expect("a patch");
    }
    controller
        .wait(|metrics| sum(metrics, "controller_reconciles_total", &[]) >= looked + TOUCHED.min(sets))
        .await;
    let cpu = controller.usage().cpu.checked_sub(before.cpu).unwrap_or_default();
    println!(
        "  an event            {} us of CPU (of {sets} sets {TOUCHED} were touched)",
        cpu.as_micros() / TOUCHED as u128
    );
}

fn name(number: usize) -> String {
    format!("db-{number}")
}

/// Lists the sets and applies what belongs beside each, and nothing else.
async fn apply_plainly(client: &Client) -> Duration {
    let catalogue = Catalogue::built_in().expect("the catalogue");
    let configuration = Configuration::default();
    let began = Instant::now();
    let sets: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<StatefulSet>(&()));
    let mut page = ListParams::default().limit(500);
    loop {
        let list = sets.list(&page).await.expect("a list");
        stream::iter(list.items)
            .for_each_concurrent(CONCURRENCY, async |set| {
                let namespace = set.namespace().unwrap_or_default();
                let mut set = serde_json::to_value(set).expect("a set");
                set["kind"] = "StatefulSet".into();
                let desired = companions::of_stored(&set, &catalogue, &configuration, &Labels::new());
                for companion in desired.expect("an expanded set").wanted {
                    let resource = companion.kind.resource();
                    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
                    let (params, patch) =
                        (PatchParams::apply("stateward"), Patch::Apply(&companion.manifest));
                    api.patch(companion.name(), &params, &patch).await.expect("an apply");
                }
            })
            .await;
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return began.elapsed(),
        }
    }
}

/// Deletes all companions.
async fn clear(admin: &Client) {
    let ours = ListParams::default().labels("stateward.dev/companion");
    for kind in [Kind::Service, Kind::PodDisruptionBudget] {
        let api: Api<DynamicObject> = Api::all_with(admin.clone(), &kind.resource());
        let list = api.list_metadata(&ours).await.expect("a list");
        stream::iter(list.items)
            .for_each_concurrent(CONCURRENCY, async |object| {
                let namespace = object.namespace().unwrap_or_default();
                let api: Api<DynamicObject> =
                    Api::namespaced_with(admin.clone(), &namespace, &kind.resource());
                api.delete(&object.name_any(), &DeleteParams::background()).await.expect("a deletion");
            })
            .await;
    }
}

/// The sum of a counter over all labels that have these parts.
fn sum(metrics: &str, counter: &str, parts: &[&str]) -> usize {
    let lines = metrics.lines().filter(|line| line.contains(counter) && !line.starts_with('#'));
    let lines = lines.filter(|line| parts.iter().all(|part| line.contains(part)));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}
