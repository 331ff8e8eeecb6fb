//! The detector `seasonal` in the engine: it waits for two days, then distinguishes night from noon.

use hostnorm::detect::DETECTORS;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::metric::Metric;
use hostnorm::reading::{Reading, Subject, SubjectKind, Timestamp};
use hostnorm::signal::{Signal, SignalUnit};

static BUSY: Metric = Metric::gauge("busy_ratio", "Share of time busy");

static SIGNALS: [Signal; 1] = [Signal {
    kind: SubjectKind::Host,
    name: "busy",
    title: "busy",
    help: "busy",
    unit: SignalUnit::Ratio,
    floor: 0.02,
    device: None,
    formula: |it| it.level(&BUSY),
}];

const INTERVAL: f64 = 300.0;
const DAY: usize = 288;

/// Busy by day, idle by night.
fn by_day(t: usize) -> f64 {
    0.4 - 0.3 * (std::f64::consts::TAU * t as f64 / DAY as f64).cos()
}

/// The output of the detector after this many normal readings and one of `last`.
fn after(readings: usize, last: f64) -> Option<f64> {
    let settings = EngineSettings { interval: INTERVAL, window: 1, ..EngineSettings::default() };
    let mut engine = Engine::new(&SIGNALS, &settings);
    let step = |engine: &mut Engine, t: usize, value: f64| {
        let mut reading = Reading::new(Timestamp(t as f64 * INTERVAL));
        reading.host().set(&BUSY, value);
        engine.step(reading).assessments.remove(&Subject::Host).unwrap()
    };
    for t in 0..readings {
        step(&mut engine, t, by_day(t));
        if let Some((subject, history)) = engine.take_due_seasonal_fit() {
            assert_eq!(subject, Subject::Host);
            engine.take(&subject, &history.fit());
        }
    }
    step(&mut engine, readings, last).details.unwrap().detectors.seasonal
}

fn check(readings: usize, last: f64, vote: Option<bool>) {
    let found = after(readings, last);
    assert_eq!(DETECTORS.seasonal.vote(found), vote, "{readings} readings, then {last}: {found:?}");
}

#[test]
fn night_and_noon_are_distinguished_after_two_days() {
    check(DAY, 0.7, None);
    check(2 * DAY - 1, 0.7, None);
    check(3 * DAY, 0.1, Some(false));
    check(3 * DAY, 0.7, Some(true));
    check(3 * DAY + DAY / 2, 0.7, Some(false));
    check(3 * DAY + DAY / 2, 0.1, Some(true));
}
