//! How the benches with many sets begin: a cluster, and in each round more sets in it.

use std::ops::Range;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::local::Local;

/// Requests at one time.
pub(crate) const CONCURRENCY: usize = 16;
/// Sets in one namespace.
const TOGETHER: usize = 100;

/// What a bench has to say of the sets.
pub(crate) trait Rounds {
    /// Before there are any.
    async fn prepare(&self, _local: &Local, _admin: &Client) {}

    /// Makes one, through the webhook, and what belongs to it.
    async fn make(&self, admin: &Client, number: usize);

    /// Looks how it is with so many.
    async fn measure(&self, local: &Local, admin: &Client, sets: usize);
}

/// Starts the cluster, and goes through the rounds.
pub(crate) fn run(bench: &impl Rounds) {
    stateward::server::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let sets = std::env::var("SETS").unwrap_or_else(|_| "1000,10000".to_owned());
    let rounds = sets.split(',').map(|count| count.parse().expect("SETS: numbers"));
    runtime.block_on(async {
        let local = Local::start();
        let admin = local.client("admin").await;
        bench.prepare(&local, &admin).await;
        let mut made = 0;
        for sets in rounds {
            let began = Instant::now();
            make(bench, &admin, made..sets).await;
            println!("{sets} sets: {} s to make those that were not there", seconds(began.elapsed()));
            made = sets;
            bench.measure(&local, &admin, sets).await;
        }
    });
}

async fn make(bench: &impl Rounds, admin: &Client, numbers: Range<usize>) {
    let namespaces: Api<DynamicObject> = Api::all_with(admin.clone(), &ApiResource::erase::<Namespace>(&()));
    for number in numbers.clone().filter(|number| number % TOGETHER == 0) {
        let manifest =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace(number)}});
        create(&namespaces, manifest).await;
    }
    stream::iter(numbers).for_each_concurrent(CONCURRENCY, |number| bench.make(admin, number)).await;
}

/// The namespace of a set.
pub(crate) fn namespace(number: usize) -> String {
    format!("bench-{}", number / TOGETHER)
}

/// The sets of a namespace.
pub(crate) fn statefulsets(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &ApiResource::erase::<StatefulSet>(&()))
}

pub(crate) async fn create(api: &Api<DynamicObject>, manifest: Value) -> DynamicObject {
    let object: DynamicObject = serde_json::from_value(manifest).expect("an object");
    api.create(&PostParams::default(), &object).await.expect("a creation")
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}
