//! One review in process: bytes in, bytes out.
//!
//! With `REPEAT=1000` in the environment, each review whose name is an argument is answered so many
//! times and nothing is timed: for a profiler.

// What is measured here must not fail.
#![allow(clippy::expect_used, clippy::panic)]

mod reviews;

// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use serde_json::json;
use stateward::admission::Admission;
use stateward::catalogue::Catalogue;
use stateward::catalogue::cluster::{Given, Kept};
use stateward::engine::{Engine, Offline};

fn main() {
    let admission = reviews::admission();
    let answer = |review: &reviews::Review| {
        admission.answer(review.endpoint, black_box(&review.body)).expect("an answer")
    };
    if let Ok(repeat) = std::env::var("REPEAT") {
        let wanted: Vec<String> = std::env::args().collect();
        for review in reviews::all().iter().filter(|review| wanted.iter().any(|name| name == review.name)) {
            for _ in 0..repeat.parse().expect("REPEAT is a number") {
                black_box(answer(review));
            }
        }
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("review");
    for review in &reviews::all() {
        group.throughput(Throughput::Bytes(review.body.len() as u64));
        group.bench_function(review.name, |bencher| bencher.iter(|| answer(review)));
    }
    group.finish();
    let many = admission_among_many();
    let mut group = criterion.benchmark_group("review-among-100-profiles");
    for review in &reviews::all() {
        group.bench_function(review.name, |bencher| {
            bencher.iter(|| many.answer(review.endpoint, black_box(&review.body)).expect("an answer"));
        });
    }
    group.finish();
    criterion.final_summary();
}

/// What answers beside a hundred profiles of the platform's own.
fn admission_among_many() -> Admission {
    let base = Catalogue::built_in().expect("the built-in profiles");
    let given: Vec<Given> = (0..100)
        .map(|number| {
            let spec = json!({
                "summary": "one of many", "extends": "postgresql", "match": {"images": [format!("team/database-{number}")]},
                "statefulSet": {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": number}}}},
            });
            Given { name: format!("database-{number}"), spec: Ok(Arc::new(serde_json::from_value(spec).expect("a profile"))) }
        })
        .collect();
    let unkept = base.join(&given, &[]).unkept;
    let kept: Vec<Kept> = unkept.into_iter().zip(1..).map(|(unkept, number)| unkept.kept(number)).collect();
    Admission::by(&Engine::new(base.join(&given, &kept).catalogue), Arc::new(Offline))
}
