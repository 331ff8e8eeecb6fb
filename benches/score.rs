//! Scores one row at a time: our forest and the crate `extended-isolation-forest`, side by side.
//!
//! scikit-learn's isolation forest takes about 7,900 µs for one row of any of these widths, most of it call overhead;
//! it is not run here.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use extended_isolation_forest::{Forest as ClientOrigin, ForestOptions as PeerOptions};
use hostnorm::detect::forest::{FeatureRows, Forest, ForestOptions};
use hostnorm::detect::seeded_rng::SeededRng;

/// Rows that are scored in turn, so that caches do not contain the row.
const SHOWN: usize = 1_024;

fn rows(width: usize, count: usize) -> FeatureRows {
    let (mut random, mut rows, mut row) = (SeededRng::new(1), FeatureRows::new(width), vec![0.0; width]);
    for _ in 0..count {
        random.fill_normal(&mut row);
        rows.push(&row);
    }
    rows
}

fn score(criterion: &mut Criterion) {
    at::<8>(criterion);
    at::<24>(criterion);
    at::<48>(criterion);
}

fn at<const N: usize>(criterion: &mut Criterion) {
    let rows = rows(N, 20_000);
    let arrays: Vec<[f32; N]> = rows.iter().map(|it| it.try_into().unwrap()).collect();
    let options = ForestOptions::default();
    let own = Forest::train(&rows, &options, 1).unwrap();
    let peer = PeerOptions {
        n_trees: options.trees,
        sample_size: options.sample_size,
        max_tree_depth: None,
        extension_level: N - 1,
    };
    let peer = ClientOrigin::<f32, N>::from_slice(&arrays, &peer).unwrap();
    let mut group = criterion.benchmark_group("score");
    group.bench_function(BenchmarkId::new("hostnorm", N), |bencher| {
        let mut idx = 0;
        bencher.iter(|| {
            idx = (idx + 1) % SHOWN;
            own.score(black_box(rows.row(idx)))
        });
    });
    group.bench_function(BenchmarkId::new("extended-isolation-forest", N), |bencher| {
        let mut idx = 0;
        bencher.iter(|| {
            idx = (idx + 1) % SHOWN;
            peer.score(black_box(&arrays[idx]))
        });
    });
    group.finish();
}

criterion_group!(benches, score);
criterion_main!(benches);
