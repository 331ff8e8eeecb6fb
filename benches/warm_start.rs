//! Time to rebuild the state from 90 days: 259,200 points of 29 signals, one per half minute, through the engine; and
//! the time of a snapshot. For comparison, `benches/train.py` fits scikit-learn on as many rows.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::reading::{Subject, SubjectKind, Timestamp};
use hostnorm::scorer::HistoryPoint;
use hostnorm::signal::{Signal, SignalUnit};
use hostnorm::simulate::{COLUMNS, SimulatedMachine, WIDTH};
use hostnorm::window::Point;

const POINTS: usize = 90 * 2_880;
const SECONDS: f64 = 30.0;

const fn signal(idx: usize) -> Signal {
    let name = COLUMNS[idx].name;
    let floor = COLUMNS[idx].floor;
    Signal {
        kind: SubjectKind::Host,
        name,
        title: name,
        help: name,
        unit: SignalUnit::Count,
        floor,
        device: None,
        formula: |_| None,
    }
}

static SIGNALS: [Signal; WIDTH] = {
    let mut signals = [const { signal(0) }; WIDTH];
    let mut idx = 0;
    while idx < WIDTH {
        signals[idx] = signal(idx);
        idx += 1;
    }
    signals
};

fn warm(criterion: &mut Criterion) {
    let mut machine = SimulatedMachine::new(1, 1.7e9, SECONDS);
    let mut past = || {
        let values = machine.step().to_vec();
        let point = Point { values, missing: vec![false; WIDTH], at: Timestamp(machine.at()) };
        HistoryPoint { point, in_episode: false, weight: 1.0, score: Some(0.2) }
    };
    let points: Vec<HistoryPoint> = (0..POINTS).map(|_| past()).collect();
    let new = || Engine::new(&SIGNALS, &EngineSettings::default());
    let mut group = criterion.benchmark_group("90 days");
    group.sample_size(10);
    group.bench_function("warm from points", |it| {
        it.iter(|| {
            let mut engine = new();
            assert_eq!(engine.warm(&Subject::Host, &points), POINTS);
            engine
        });
    });
    let mut engine = new();
    engine.warm(&Subject::Host, &points);
    let snapshot = engine.snapshot();
    println!("a snapshot has {} bytes", snapshot.len());
    group.bench_function("snapshot", |it| it.iter(|| black_box(&engine).snapshot()));
    group.bench_function("restore", |it| it.iter(|| new().restore(black_box(&snapshot)).unwrap()));
    group.finish();
}

criterion_group!(benches, warm);
criterion_main!(benches);
