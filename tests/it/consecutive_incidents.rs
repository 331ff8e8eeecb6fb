//! An incident of an hour must not hide the next one of a tenth of its size (ADR 012).

use hostnorm::alert::{self, AlertStartRule};
use hostnorm::alert_budget::AlertBudget;
use hostnorm::detect::DetectorParameters;
use hostnorm::engine;
use hostnorm::reading::Timestamp;
use hostnorm::report::EpisodeTransition;
use hostnorm::scorer::{ScoreHold, Scorer, ScorerSettings, StepOptions};
use hostnorm::simulate::{COLUMNS, SimulatedMachine, WIDTH};
use hostnorm::training;
use hostnorm::window::Point;

const POINT_SECONDS: f64 = 30.0;
const HOUR: usize = 120;

fn settings() -> ScorerSettings {
    let live = engine::EngineSettings::default();
    ScorerSettings {
        point_seconds: POINT_SECONDS,
        threshold: live.threshold,
        alert: AlertStartRule { level: alert::LEVEL, budget: AlertBudget::OFF, on_recurrence: false },
        detectors: Default::default(),
        resolve: live.resolve,
        smoothing: 1.0,
        score_hold: ScoreHold::Seconds(live.score_hold),
        anomaly_learning_weight: live.anomaly_learning_weight,
        exclude_episodes_from_short_memory: true,
    }
}

/// Whether an episode starts in each of two hours on the fourth day of a machine, in which this many bytes per second
/// more are received; `apart` hours are between the end of the first and the start of the second.
fn found(seed: u64, bytes: [f64; 2], apart: usize) -> [bool; 2] {
    let shape = DetectorParameters::plain(COLUMNS.iter().map(|it| it.floor).collect(), 7.0 * 2_880.0);
    let (mut scorer, mut machine) =
        (Scorer::new(&shape), SimulatedMachine::new(seed, 1_767_571_200.0, POINT_SECONDS));
    let struck = COLUMNS.iter().position(|it| it.name == "network_received_bytes_per_second").unwrap();
    let first = 3 * 24 * HOUR;
    let hours = [first..first + HOUR, first + (1 + apart) * HOUR..first + (2 + apart) * HOUR];
    let (mut point, mut next, mut found) = (Point::unknown(WIDTH), 20, [false; 2]);
    for idx in 0..hours[1].end {
        let mut values = machine.step();
        let during = hours.iter().position(|it| it.contains(&idx));
        values[struck] += during.map_or(0.0, |hour| bytes[hour]);
        point.advance(Timestamp(machine.at()), &values, &[false; WIDTH]);
        let step = StepOptions { elapsed: POINT_SECONDS, ready: idx >= 20, weight: Some(1.0), whole: true };
        let score = scorer.step(&point, step, &settings());
        if let (Some(hour), Some(EpisodeTransition::Started)) = (during, score.and_then(|it| it.transition)) {
            found[hour] = true;
        }
        if idx == next {
            next = (2 * idx).min(idx + 2_880);
            let grown =
                training::grow(&scorer.training_set(), &training::TrainingSettings::default(), 1).unwrap();
            scorer.detectors.forest.install(&grown.eif);
        }
    }
    found
}

#[test]
fn a_large_incident_does_not_hide_a_smaller_one() {
    for (seed, apart) in [(1, 2), (2, 2), (1, 8)] {
        assert_eq!(found(seed, [3e8, 3e7], apart), [true, true], "seed {seed}, {apart} h apart");
    }
}
