//! Rows per second of replay: 38 signals, a row per minute, all detectors, one training of the forest per day.
//!
//! No other program does the same. Beside it runs the part of the work that a crate can do: a row's score in the
//! forest of `extended-isolation-forest`. The Python reference of the pipeline, compiled by numba, takes 19 to 27 µs
//! for a row of 24 signals without trainings; it is not run here.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use extended_isolation_forest::{Forest as ClientOrigin, ForestOptions as PeerOptions};
use hostnorm::alert_budget::AlertBudget;
use hostnorm::detect::seeded_rng::SeededRng;
use hostnorm::episode::EpisodeEndRule;
use hostnorm::replay::{Replay, ReplaySettings};
use hostnorm::training;

/// Number of signals, as in the Server Machine Dataset.
const WIDTH: usize = 38;
/// Rows per day.
const DAY: usize = 1_440;
/// Days learned before.
const DAYS: usize = 7;

fn settings() -> ReplaySettings {
    ReplaySettings {
        every: 60.0,
        threshold: 2.5,
        alert_level: 2.0,
        budget: AlertBudget::default(),
        alert_on_recurrence: false,
        smoothing: 1.0,
        detectors: Default::default(),
        resolve: EpisodeEndRule { below: 0.7, seconds: 30.0, accept_after: 21_600.0 },
        half_life: 7.0 * 86_400.0,
        anomaly_learning_weight: 1.0,
        retrain_interval: 86_400.0,
        training: training::TrainingSettings::default(),
        seed: 1,
        time_zone: Default::default(),
    }
}

/// Signals with a daily rhythm, each with its own phase, and noise.
fn rows() -> Vec<[f64; WIDTH]> {
    let mut random = SeededRng::new(1);
    let row = |at: usize| {
        let (mut row, mut noise) = ([0.0; WIDTH], [0.0; WIDTH]);
        random.fill_normal(&mut noise);
        for (signal, (value, noise)) in row.iter_mut().zip(noise).enumerate() {
            let phase = at as f64 / DAY as f64 + signal as f64 / WIDTH as f64;
            *value = (phase * std::f64::consts::TAU).sin() + 0.2 * f64::from(noise);
        }
        row
    };
    (0..(DAYS + 1) * DAY).map(row).collect()
}

fn replay(criterion: &mut Criterion) {
    let rows = rows();
    let (history, day) = rows.split_at(DAYS * DAY);
    let mut known = Replay::new(vec![0.0; WIDTH], &settings());
    for row in history {
        known.step(None, row, &[false; WIDTH]).unwrap();
    }
    let mut group = criterion.benchmark_group("replay");
    group.sample_size(20).throughput(Throughput::Elements(DAY as u64));
    group.bench_function("hostnorm, all detectors and a training", |bencher| {
        let walk = |mut replay: Replay| {
            for row in day {
                replay.step(None, row, &[false; WIDTH]).unwrap();
            }
            replay
        };
        bencher.iter_batched(|| known.clone(), walk, BatchSize::PerIteration);
    });
    let narrow = |row: &[f64; WIDTH]| row.map(|it| it as f32);
    let history: Vec<_> = history.iter().map(narrow).collect();
    let day: Vec<_> = day.iter().map(narrow).collect();
    group.bench_function("extended-isolation-forest, forest alone and a training", |bencher| {
        bencher.iter(|| {
            let options = PeerOptions {
                n_trees: 100,
                sample_size: 256,
                max_tree_depth: None,
                extension_level: WIDTH - 1,
            };
            let forest = ClientOrigin::<f32, WIDTH>::from_slice(&history, &options).unwrap();
            day.iter().map(|row| forest.score(row)).sum::<f64>()
        });
    });
    group.finish();
}

criterion_group!(benches, replay);
criterion_main!(benches);
