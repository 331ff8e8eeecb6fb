//! Trains a forest of 100 trees on 20,000 rows of 24 signals, a week of points: ours against the crate
//! `extended-isolation-forest`, and the whole training with its second opinion.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench")]

use criterion::{Criterion, criterion_group, criterion_main};
use extended_isolation_forest::{Forest as Peer, ForestOptions};
use hostnorm::detect::forest::{Forest, Options, Rows};
use hostnorm::detect::random::Random;
use hostnorm::drift::Reference;
use hostnorm::training::{self, Settings, TrainingSet};

const WIDTH: usize = 24;
const ROWS: usize = 20_000;

fn train(criterion: &mut Criterion) {
    let (mut random, mut rows, mut row) = (Random::new(1), Rows::new(WIDTH), vec![0.0; WIDTH]);
    for _ in 0..ROWS {
        random.fill_normal(&mut row);
        rows.push(&row);
    }
    let arrays: Vec<[f32; WIDTH]> = rows.iter().map(|it| it.try_into().unwrap()).collect();
    let options = Options::default();
    let peer = ForestOptions {
        n_trees: options.trees,
        sample_size: options.sample,
        max_tree_depth: None,
        extension_level: WIDTH - 1,
    };
    let set = TrainingSet { rows: rows.clone(), noise: vec![0.1; WIDTH], reference: Reference::default() };
    let mut group = criterion.benchmark_group("train");
    group.sample_size(20);
    group.bench_function("hostnorm", |it| it.iter(|| Forest::train(&rows, &options, 1).unwrap()));
    group.bench_function("extended-isolation-forest", |it| {
        it.iter(|| Peer::<f32, WIDTH>::from_slice(&arrays, &peer).unwrap());
    });
    group.bench_function("hostnorm with its second opinion", |it| {
        it.iter(|| training::train(&set, &Settings::default(), 1).unwrap());
    });
    group.finish();
}

criterion_group!(benches, train);
criterion_main!(benches);
