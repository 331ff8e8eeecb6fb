//! The self-test as a whole: a healthy state detects injected faults, a blind detector is named.

use std::sync::Arc;

use hostnorm::alert::{self, AlertStartRule};
use hostnorm::alert_budget::AlertBudget;
use hostnorm::detect::DetectorParameters;
use hostnorm::detect::eif;
use hostnorm::detect::forest::{FeatureRows, Forest, ForestOptions};
use hostnorm::episode::EpisodeEndRule;
use hostnorm::reading::Timestamp;
use hostnorm::scorer::{ScoreHold, Scorer, ScorerSettings, StepOptions};
use hostnorm::selftest::{InconclusiveReason, RecentNormalPoints, SelftestInput, SelftestResult};
use hostnorm::simulate::{COLUMNS, SignalSpec, SimulatedMachine, WIDTH};
use hostnorm::training;
use hostnorm::window::Point;

const POINT_SECONDS: f64 = 30.0;

fn settings() -> ScorerSettings {
    let resolve = EpisodeEndRule { below: 0.7, seconds: 30.0, accept_after: 6.0 * 3_600.0 };
    ScorerSettings {
        point_seconds: POINT_SECONDS,
        threshold: 2.5,
        alert: AlertStartRule { level: alert::LEVEL, budget: AlertBudget::OFF, on_recurrence: false },
        detectors: Default::default(),
        resolve,
        smoothing: 1.0,
        score_hold: ScoreHold::Seconds(60.0),
        anomaly_learning_weight: 0.2,
        exclude_episodes_from_short_memory: true,
    }
}

/// The state of a simulated machine after this many hours, with its forest, as the engine provides it.
fn selftest_input(seed: u64, hours: usize) -> SelftestInput {
    let shape = DetectorParameters::plain(COLUMNS.iter().map(|it| it.floor).collect(), 7.0 * 2_880.0);
    let mut scorer = Scorer::new(&shape);
    let mut machine = SimulatedMachine::new(seed, 1_767_571_200.0, POINT_SECONDS);
    let (mut point, mut recent) = (Point::unknown(WIDTH), RecentNormalPoints::default());
    let points = hours * 120;
    let mut next = 20;
    for idx in 0..points {
        let values = machine.step();
        point.advance(Timestamp(machine.at()), &values, &[false; WIDTH]);
        let step = StepOptions { elapsed: POINT_SECONDS, ready: idx >= 20, weight: Some(1.0), whole: true };
        scorer.step(&point, step, &settings());
        recent.push(&point);
        if idx == next {
            next = (2 * idx).min(idx + 2_880);
            let grown =
                training::grow(&scorer.training_set(), &training::TrainingSettings::default(), 1).unwrap();
            scorer.detectors.forest.install(&grown.eif);
        }
        let seasonal = &mut scorer.detectors.seasonal;
        if let Some(history) = seasonal.history() {
            seasonal.take(&history.fit());
        }
    }
    SelftestInput {
        scorer: scorer.fork(),
        points: recent.points(),
        columns: COLUMNS.to_vec(),
        settings: settings(),
    }
}

/// A forest of this many signals that never splits, as if trained on equal rows.
fn constant(width: usize) -> eif::ForestModel {
    let mut rows = FeatureRows::new(width);
    (0..300).for_each(|_| rows.push(&vec![0.0; width]));
    let forest = Forest::train(&rows, &ForestOptions::default(), 1).unwrap();
    assert_eq!(forest.split_node_count(), 0);
    eif::ForestModel { forest: Arc::new(forest), threshold: 0.55 }
}

/// Runs a self-test; equal inputs and seeds give equal results.
fn check(selftest_input: &SelftestInput) -> SelftestResult {
    let findings = selftest_input.clone().run(7).unwrap();
    assert_eq!(selftest_input.clone().run(7), Ok(findings.clone()));
    assert!(findings.delay.is_some_and(|it| (30.0..=300.0).contains(&it)), "{findings:?}");
    findings
}

#[test]
fn a_healthy_state_detects_injected_faults() {
    for (seed, hours, detectors) in [(0, 2, 4), (1, 3, 4), (2, 12, 5), (3, 60, 7)] {
        let findings = check(&selftest_input(seed, hours));
        assert_eq!(findings.complaint(), None, "{hours} hours: {findings:?}");
        assert_eq!(
            findings.detectors.each().into_iter().flatten().count(),
            detectors,
            "{hours} hours: {findings:?}"
        );
    }
}

#[test]
fn a_forest_that_never_splits_is_named() {
    let mut selftest_input = selftest_input(1, 12);
    selftest_input.scorer.detectors.forest.install(&constant(WIDTH));
    let findings = check(&selftest_input);
    assert_eq!(findings.blind(), ["eif"], "{findings:?}");
    let complaint = findings.complaint().unwrap();
    assert!(complaint.ends_with("blind detectors: eif"), "{complaint}");
}

#[test]
fn an_unreachable_threshold_detects_nothing() {
    let mut selftest_input = selftest_input(1, 3);
    selftest_input.settings.threshold = 1e6;
    let findings = selftest_input.run(7).unwrap();
    assert_eq!((findings.recall, findings.delay), (0.0, None));
    let expect = "found 0 % of 20 injected faults, expected at least 70 %";
    assert_eq!(findings.complaint().unwrap(), expect);
}

#[test]
fn inconclusive_tests_have_no_result() {
    let sound = selftest_input(1, 3);
    let mut short = sound.clone();
    short.points.pop();
    assert_eq!(short.run(7), Err(InconclusiveReason::Short));

    let mut alarmed = sound.clone();
    alarmed.settings.threshold = 1e-6;
    assert_eq!(alarmed.run(7), Err(InconclusiveReason::Alarm));

    // No signal varies, and none has a noise floor.
    let mut constant = sound;
    constant.scorer = Scorer::new(&DetectorParameters::plain(vec![0.0; WIDTH], 20_160.0));
    constant.columns.iter_mut().for_each(|it| *it = SignalSpec::named("a"));
    constant.points.iter_mut().for_each(|it| it.values.fill(1.0));
    assert_eq!(constant.run(7), Err(InconclusiveReason::NoFault));
}
