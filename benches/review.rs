//! One review in process: bytes in, bytes out.
//!
//! With `REPEAT=1000` in the environment, each review whose name is an argument is answered so many
//! times and nothing is timed: for a profiler.

// What is measured here must not fail.
#![allow(clippy::expect_used, clippy::panic)]

mod reviews;

use std::hint::black_box;

use criterion::{Criterion, Throughput};

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
    criterion.final_summary();
}
