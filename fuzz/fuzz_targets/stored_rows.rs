//! Rows of the store, snapshots of learned state, and models: the first byte chooses.
//!
//! Snapshots and models hold a digest, which a fuzzer does not guess. An input is a list of changes of a valid one, whose
//! digest is computed again. So the corpus stays valid when the layout changes.
#![no_main]

use std::sync::LazyLock;

use hostnorm::learned_state_codec;
use hostnorm::detect::forest::FeatureRows;
use hostnorm::detect::seeded_rng::SeededRng;
use hostnorm::drift::DriftSamples;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::reading::{MetricLabels, Reading, Timestamp};
use hostnorm::training::{self, TrainingSet, TrainingSettings, model_codec};
use hostnorm::{sources, store};
use libfuzzer_sys::fuzz_target;

/// Magic numbers of a snapshot and of a model.
const SNAPSHOT: [u8; 4] = *b"hnSS";
const MODEL: [u8; 4] = *b"hnMD";
/// Signals of the model.
const WIDTH: usize = 4;

static VALID_SNAPSHOT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut engine = engine();
    (0..40).for_each(|it| drop(engine.step(reading(it))));
    engine.snapshot()
});

static VALID_MODEL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (mut random, mut rows, mut row) = (SeededRng::new(2), FeatureRows::new(WIDTH), [0.0; WIDTH]);
    for _ in 0..60 {
        random.fill_normal(&mut row);
        rows.push(&row);
    }
    let (noise, log) = (vec![0.0; WIDTH], DriftSamples::default());
    let set = TrainingSet { rows, noise, starts: Vec::new(), span: None, log };
    let model = training::train(&set, &TrainingSettings { trees: 10, sample_size: 16 }, 1);
    model.expect("a model of sound points").bytes()
});

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    match choice {
        0..128 => store::fuzzing::parse(bytes),
        128..192 => check_snapshot(&changed(SNAPSHOT, &VALID_SNAPSHOT, rest)),
        _ => check_model(&changed(MODEL, &VALID_MODEL, rest)),
    }
});

/// An engine with few signals and short memories, so that a snapshot is small.
fn engine() -> Engine {
    let settings = EngineSettings { window: 2, warmup: 8.0, ..EngineSettings::default() };
    Engine::new(sources::signals(|it| it == "memory"), &settings)
}

/// A reading with a value for each metric.
fn reading(second: u32) -> Reading {
    let mut reading = Reading::new(Timestamp(1_795_255_200.0 + f64::from(second)));
    for (idx, metric) in sources::metrics().enumerate() {
        let value = 1e6 * (idx + 1) as f64 + f64::from(second * second % 7);
        reading.host().set_by(metric, &MetricLabels::new(metric.labels.iter().copied()), value);
    }
    reading
}

/// Applies changes, each a position in two bytes and the new byte there; an odd last byte cuts the end.
fn changed(mark: [u8; 4], valid: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut content = learned_state_codec::open(mark, valid).expect("a valid value").to_vec();
    let (changes, rest) = changes.as_chunks::<3>();
    for [low, high, byte] in changes {
        let place = usize::from(u16::from_le_bytes([*low, *high])) % content.len();
        content[place] = *byte;
    }
    if let [cut] = rest {
        content.truncate(content.len() - usize::from(*cut));
    }
    learned_state_codec::wrap(mark, &content)
}

/// A snapshot is refused, or the restored engine scores readings, and its own snapshot is restored.
fn check_snapshot(snapshot: &[u8]) {
    let mut restored = engine();
    if let Err(mismatch) = restored.restore(snapshot) {
        return assert!(!mismatch.to_string().is_empty());
    }
    (40..46).for_each(|it| drop(restored.step(reading(it))));
    assert_eq!(engine().restore(&restored.snapshot()), Ok(()));
}

/// A model is refused, or scores any row.
fn check_model(model: &[u8]) {
    let Ok((eif, _)) = model_codec::from_bytes(model) else { return };
    for value in [0.0, 1e30, -1e30, f32::MAX] {
        let score = eif.forest.score(&vec![value; eif.forest.width()]);
        assert!((0.0..=1.0).contains(&score), "{score}");
    }
}
