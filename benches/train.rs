//! Trains a forest of 100 trees on rows of 24 signals, compared with the crate `extended-isolation-forest`; and
//! everything that detectors fit on 100,000 points, a month: the forest with the second implementation, and times of
//! day and week. For scikit-learn, see `benches/train.py`.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use extended_isolation_forest::{Forest as ClientOrigin, ForestOptions as PeerOptions};
use hostnorm::alert::{self, AlertStartRule};
use hostnorm::alert_budget::AlertBudget;
use hostnorm::detect::DetectorParameters;
use hostnorm::detect::forest::{FeatureRows, Forest, ForestOptions};
use hostnorm::detect::seasonal::BucketHistory;
use hostnorm::detect::seeded_rng::SeededRng;
use hostnorm::drift::DriftSamples;
use hostnorm::episode::EpisodeEndRule;
use hostnorm::reading::Timestamp;
use hostnorm::scorer::{self, HistoryLearner, HistoryPoint, ScoreHold, Scorer};
use hostnorm::simulate::SimulatedMachine;
use hostnorm::training::{self, TrainingSet, TrainingSettings};
use hostnorm::window::Point;

const WIDTH: usize = 24;
const ROWS: usize = 100_000;

/// The buckets of four weeks of a simulated machine.
fn history() -> BucketHistory {
    let seconds = 30.0;
    let mut machine = SimulatedMachine::new(1, 1.7e9, seconds);
    let resolve = EpisodeEndRule { below: 0.7, seconds, accept_after: 21_600.0 };
    let settings = scorer::ScorerSettings {
        point_seconds: seconds,
        threshold: 2.5,
        alert: AlertStartRule { level: alert::LEVEL, budget: AlertBudget::OFF, on_recurrence: false },
        detectors: Default::default(),
        resolve,
        smoothing: 1.0,
        score_hold: ScoreHold::Seconds(60.0),
        anomaly_learning_weight: 1.0,
        exclude_episodes_from_short_memory: true,
    };
    let mut scorer = Scorer::new(&DetectorParameters::plain(vec![0.0; WIDTH], 20_160.0));
    let mut learner = HistoryLearner::new(settings, Timestamp(1.7e9 + 28.0 * 86_400.0));
    for _ in 0..28 * 2_880 {
        let values = machine.step()[..WIDTH].to_vec();
        let point = Point { values, missing: vec![false; WIDTH], at: Timestamp(machine.at()) };
        learner.push(&mut scorer, &HistoryPoint { point, in_episode: false, weight: 1.0, score: None });
    }
    scorer.detectors.seasonal.history().unwrap()
}

fn train(criterion: &mut Criterion) {
    let (mut random, mut rows, mut row) = (SeededRng::new(1), FeatureRows::new(WIDTH), vec![0.0; WIDTH]);
    for _ in 0..ROWS {
        random.fill_normal(&mut row);
        rows.push(&row);
    }
    let arrays: Vec<[f32; WIDTH]> = rows.iter().map(|it| it.try_into().unwrap()).collect();
    let options = ForestOptions::default();
    let peer = PeerOptions {
        n_trees: options.trees,
        sample_size: options.sample_size,
        max_tree_depth: None,
        extension_level: WIDTH - 1,
    };
    let set = TrainingSet {
        rows: rows.clone(),
        noise: vec![0.1; WIDTH],
        starts: Vec::new(),
        span: None,
        log: DriftSamples::default(),
    };
    let history = history();
    let mut group = criterion.benchmark_group("train");
    group.sample_size(10);
    group.bench_function("hostnorm", |it| it.iter(|| Forest::train(&rows, &options, 1).unwrap()));
    group.bench_function("extended-isolation-forest", |it| {
        it.iter(|| ClientOrigin::<f32, WIDTH>::from_slice(&arrays, &peer).unwrap());
    });
    group.bench_function("all that detectors fit", |it| {
        it.iter(|| {
            black_box(history.fit());
            training::train(&set, &TrainingSettings::default(), 1).unwrap()
        });
    });
    let model = training::train(&set, &TrainingSettings::default(), 1).unwrap();
    let bytes = model.bytes();
    println!("a model has {} bytes", bytes.len());
    group.bench_function("model to bytes", |it| it.iter(|| black_box(&model).bytes()));
    group.bench_function("model from bytes", |it| {
        it.iter(|| training::model_codec::from_bytes(black_box(&bytes)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, train);
criterion_main!(benches);
