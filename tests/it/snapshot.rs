//! Learned state as bytes: an engine restored from a snapshot gives the same results as the original, bit for bit, and
//! invalid snapshots do no harm.

use crate::simulated_host;

use std::cell::Cell;
use std::sync::Arc;

use hostnorm::engine::{Engine, EngineSettings, SnapshotMismatch};
use hostnorm::grace::{GraceReason, GraceTrigger};
use hostnorm::learned_state_codec;
use hostnorm::metric::Metric;
use hostnorm::reading::{Reading, Subject, SubjectKind};
use hostnorm::report::Report;
use hostnorm::training::{self, TrainedModel};
use proptest::prelude::*;

use simulated_host::SIGNALS;

const EVERY: f64 = 60.0;

static BOOTED: Metric = Metric::gauge("booted_seconds_ago", "Time since boot");

static CUES: &[GraceTrigger] =
    &[GraceTrigger { reason: GraceReason::Boot, last_seen: |_, now| now.host_values()?.get(&BOOTED) }];

/// Readings with a boot after this many, each a minute ago, so that most of its grace period is left.
fn readings(seed: u64, history: usize, rows: usize, faults: usize) -> Vec<Reading> {
    let mut readings = simulated_host::readings(seed, EVERY, history, rows, faults);
    readings.iter_mut().step_by(400).for_each(|it| it.host().set(&BOOTED, 60.0));
    readings
}

fn settings() -> EngineSettings {
    EngineSettings {
        interval: EVERY,
        window: 5,
        warmup: 3_600.0,
        budget: "1 per week".parse().unwrap(),
        ..EngineSettings::default()
    }
}

fn engine() -> Engine {
    Engine::new(&SIGNALS, &settings()).with_grace_triggers(CUES)
}

/// A running engine, with its model.
struct Life {
    engine: Engine,
    model: Option<TrainedModel>,
}

impl Life {
    /// One reading and the work due after it, for `others` as well.
    fn step(&mut self, reading: &Reading, others: &mut [&mut Engine]) -> Report {
        let report = self.engine.step(reading.clone());
        if let Some(set) = self.engine.due(SubjectKind::Host) {
            let model = training::train(&set, &training::TrainingSettings::default(), 1).unwrap();
            others.iter_mut().for_each(|it| assert!(it.due(SubjectKind::Host).is_some()));
            self.engine.install(SubjectKind::Host, &model.eif);
            others.iter_mut().for_each(|it| it.install(SubjectKind::Host, &model.eif));
            self.model = Some(model);
        }
        if let Some((subject, history)) = self.engine.take_due_seasonal_fit() {
            let profile = history.fit();
            self.engine.take(&subject, &profile);
            for other in others.iter_mut() {
                let (subject, own) = other.take_due_seasonal_fit().unwrap();
                assert_eq!(own.fit(), profile);
                other.take(&subject, &profile);
            }
        }
        if self.engine.take_due_selftest().is_some() {
            others.iter_mut().for_each(|it| assert!(it.take_due_selftest().is_some()));
        }
        report
    }
}

/// Five days with faults on all but the first; copies are restored at the cuts and run beside it for this many
/// readings.
fn check(seed: u64, cuts: &[usize], beside: usize) {
    let readings = readings(seed, 1_440, 4 * 1_440, 24);
    let mut life = Life { engine: engine(), model: None };
    let mut twins: Vec<(usize, Engine)> = Vec::new();
    let (mut in_episode, mut in_grace, mut warming) = (0, 0, 0);
    for (idx, reading) in readings.iter().enumerate() {
        twins.retain(|(cut, _)| idx < cut + beside);
        let mut others: Vec<&mut Engine> = twins.iter_mut().map(|(_, it)| it).collect();
        let said: Vec<Report> = others.iter_mut().map(|it| it.step(reading.clone())).collect();
        let report = life.step(reading, &mut others);
        for other in said {
            assert_eq!(format!("{:?}", other.assessments), format!("{:?}", report.assessments), "at {idx}");
            assert_eq!(other.grace, report.grace);
        }
        if cuts.contains(&idx) {
            let mut twin = engine();
            if let Some(model) = &life.model {
                twin.install(SubjectKind::Host, &model.eif);
            }
            let snapshot = life.engine.snapshot();
            twin.restore(&snapshot).unwrap();
            assert!(twin.snapshot() == snapshot, "a snapshot of what was restored is the same, at {idx}");
            twin.resume_from(Arc::clone(&report.reading));
            twins.push((idx, twin));
            let assessment = &report.assessments[&Subject::Host];
            in_episode += usize::from(assessment.episode.is_some());
            in_grace += usize::from(report.grace.unwrap().is_active());
            warming += usize::from(!assessment.ready);
        }
    }
    assert!(in_episode > 0 && in_grace > 0 && warming > 0, "{in_episode} {in_grace} {warming}");
}

fn check_seed(seed: u64) {
    // Within the warm-up, soon after a boot, and elsewhere.
    let cuts: Vec<usize> =
        (0..60).map(|it| it * 7).chain((0..100).map(|it| 401 + it * 67 + 13 * seed as usize)).collect();
    check(seed, &cuts, 90);
}

// Two tests, so that they run at the same time.
#[test]
fn a_restored_engine_gives_the_same_results_bit_for_bit() {
    check_seed(0);
}

#[test]
fn so_does_one_of_another_simulated_machine() {
    check_seed(1);
}

/// An engine with enough history for scores, and the following readings.
fn known() -> (Engine, Vec<Reading>) {
    let mut readings = readings(7, 1_440, 1_440, 6);
    let rest = readings.split_off(2_000);
    let mut life = Life { engine: engine(), model: None };
    readings.iter().for_each(|it| drop(life.step(it, &mut [])));
    (life.engine, rest)
}

#[test]
fn other_versions_signals_and_settings_are_refused() {
    let (known, _) = known();
    let snapshot = known.snapshot();
    let check = |mut other: Engine, expect: &str| {
        let before = other.snapshot();
        assert_eq!(other.restore(&snapshot).unwrap_err().to_string(), expect);
        assert!(other.snapshot() == before, "nothing changed");
    };
    check(
        Engine::new(&SIGNALS[1..], &settings()),
        "the snapshot is of other signals than are followed now (29 then, 28 now); a collector was switched or \
         hostnorm was changed",
    );
    let window = EngineSettings { window: 6, ..settings() };
    check(Engine::new(&SIGNALS, &window), "the snapshot was made with the setting window at 5, now it is 6");
    let mut other = engine();
    assert_eq!(other.restore(&snapshot[1..]), Err(SnapshotMismatch::Corrupt));
    assert_eq!(other.restore(&[]).unwrap_err().to_string(), "the snapshot is corrupt");
    // Settings of scoring may change.
    let limit = EngineSettings { score_hold: 5.0, anomaly_learning_weight: 0.5, ..settings() };
    assert_eq!(Engine::new(&SIGNALS, &limit).restore(&snapshot), Ok(()));
}

#[test]
fn arbitrary_snapshots_do_no_harm() {
    let (known, rest) = known();
    let snapshot = known.snapshot();
    let taken = Cell::new(0);
    proptest!(ProptestConfig::with_cases(400), |(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in prop::option::of(any::<prop::sample::Index>()),
    )| {
        // With a valid magic number and digest, as only a deliberate change would have.
        let mut content = snapshot[12..].to_vec();
        for (place, byte) in changes {
            // Most of the bytes are values; half of the changes go to the front, with lengths and names.
            let end = if byte % 2 == 0 { content.len() } else { 2_000 };
            content[place.index(end)] = byte;
        }
        if let Some(end) = end.filter(|it| it.index(4) == 0) {
            content.truncate(end.index(content.len()));
        }
        let mut engine = engine();
        if engine.restore(&learned_state_codec::wrap(*b"hnSS", &content)).is_ok() {
            taken.set(taken.get() + 1);
            for reading in &rest[..40] {
                engine.step(reading.clone());
            }
            let _ = engine.snapshot();
        }
        let _ = engine.restore(&content);
    });
    assert!(taken.get() > 0);
}
