//! Time of a tick after reading: the engine with all detectors, and the page.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hostnorm::detect::seeded_rng::SeededRng;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::metric::Metric;
use hostnorm::reading::{MetricLabels, Reading, SubjectKind, Timestamp};
use hostnorm::signal::{Signal, SignalUnit};
use hostnorm::training;

/// Number of signals.
const WIDTH: usize = 24;

static VALUE: Metric = Metric::gauge("value", "A value").by(&["signal"]);

macro_rules! signals {
    ($($idx:literal)*) => { [$(Signal {
        kind: SubjectKind::Host,
        name: concat!("signal_", $idx),
        title: concat!("signal ", $idx),
        help: "A value",
        unit: SignalUnit::Count,
        floor: 0.1,
        device: None,
        formula: |it| it.current.each(&VALUE).nth($idx).map(|it| it.value),
    }),*] };
}

static SIGNALS: [Signal; WIDTH] = signals!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23);

fn reading(at: usize, random: &mut SeededRng, labels: &[MetricLabels]) -> Reading {
    let mut reading = Reading::new(Timestamp(at as f64));
    let mut normals = [0.0; WIDTH];
    random.fill_normal(&mut normals);
    for (value, labels) in normals.iter().zip(labels) {
        reading.host().set_by(&VALUE, labels, f64::from(*value));
    }
    reading
}

fn step(criterion: &mut Criterion) {
    let labels: Vec<MetricLabels> =
        (0..WIDTH).map(|it| MetricLabels::new([it.to_string().as_str()])).collect();
    let mut random = SeededRng::new(1);
    let mut engine = Engine::new(&SIGNALS, &EngineSettings::default());
    let mut at = 0;
    for _ in 0..2_000 {
        at += 1;
        engine.step(reading(at, &mut random, &labels));
        if let Some(set) = engine.due(SubjectKind::Host) {
            engine.install(
                SubjectKind::Host,
                &training::train(&set, &training::TrainingSettings::default(), 1).unwrap().eif,
            );
        }
    }
    criterion.bench_function("step, 24 signals, all detectors", |bencher| {
        bencher.iter_batched(
            || {
                at += 1;
                reading(at, &mut random, &labels)
            },
            |reading| black_box(engine.step(reading)),
            criterion::BatchSize::NumIterations(1),
        );
    });
}

criterion_group!(benches, step);
criterion_main!(benches);
