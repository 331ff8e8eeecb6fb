//! The timing of hostnorm's own readings: how late they are, and whether wall clock and monotonic clock agree.
//!
//! On a starved host, hostnorm reads late, while its counters per second look as usual. A skipped reading shows as a delay of
//! at least an interval. Both clocks are those of clock_gettime(2): the wall clock follows NTP, the monotonic one does not
//! count suspension.

use std::time::Instant;

use super::{Source, SourceError, SourceSettings};
use crate::clock;
use crate::metric::Metric;
use crate::reading::{CLOCK_STEP, Reading, SubjectKind};
use crate::signal::{Signal, SignalUnit};

static DELAY: Metric = Metric::gauge(
    "hostnorm_reading_delay_seconds",
    "Delay of the last reading, in seconds: the time since the previous reading, minus one interval",
);

/// Largest delay as a share of the interval; a clock step makes the elapsed time wrong.
const DELAY_RATIO_MAX: f64 = 10.0;

/// Largest clock step as a share of the elapsed time: one step must not exceed the noise floor in a window of 30 readings,
/// because hosts set their clocks. A clock that drifts shows in each reading.
const STEP_RATIO_MAX: f64 = 0.05;

pub(super) static METRICS: &[&Metric] = &[&DELAY, &CLOCK_STEP];
pub(super) static SIGNALS: &[Signal] = &[
    Signal {
        kind: SubjectKind::Host,
        name: "reading_delay_ratio",
        title: "delay of readings",
        help: "Delay of the readings of hostnorm, as a share of the interval; high on a host without free CPU time",
        unit: SignalUnit::Ratio,
        floor: 0.05,
        device: None,
        // As a share of the time between the readings, a long delay would be at most 1 of the 30 values of a window.
        formula: |pair| {
            let delay = pair.level(&DELAY)?;
            let interval = pair.elapsed - delay;
            (interval > 0.0).then(|| (delay / interval).clamp(0.0, DELAY_RATIO_MAX))
        },
    },
    Signal {
        kind: SubjectKind::Host,
        name: "clock_step_ratio",
        title: "clock step",
        help: "Difference between the elapsed times of the wall clock and the monotonic clock, as a share of the elapsed time, at most 0.05",
        unit: SignalUnit::Ratio,
        // NTP slews by at most 0.0005.
        floor: 0.002,
        device: None,
        formula: |pair| Some((pair.level(&CLOCK_STEP)?.abs() / pair.elapsed).min(STEP_RATIO_MAX)),
    },
];

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    Box::new(Timing { interval: settings.interval.as_secs_f64(), before: None })
}

/// One instant by both clocks.
#[derive(Debug, Clone, Copy)]
struct BothClocks {
    wall: f64,
    monotonic: Instant,
}

#[derive(Debug)]
struct Timing {
    /// Seconds between two readings; 0 if unknown.
    interval: f64,
    before: Option<BothClocks>,
}

impl Source for Timing {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let now = BothClocks { wall: into.at.0, monotonic: clock::instant() };
        if let Some(before) = self.before.replace(now).filter(|_| self.interval > 0.0) {
            let [delay, drift] = delay_and_drift(before, now, self.interval);
            into.host().set(&DELAY, delay);
            into.host().set(&CLOCK_STEP, drift);
        }
        Ok(())
    }
}

/// The delay of a reading and the drift since the reading before it, in seconds.
fn delay_and_drift(before: BothClocks, now: BothClocks, interval: f64) -> [f64; 2] {
    let passed = now.monotonic.saturating_duration_since(before.monotonic).as_secs_f64();
    [(passed - interval).max(0.0), now.wall - before.wall - passed]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::reading::{SubjectValues, Timestamp};
    use crate::signal::ReadingPair;

    /// Delay and drift after these times by both clocks, with an interval of one second.
    fn check(monotonic: f64, wall: f64, expect: [f64; 2]) {
        let before = BothClocks { wall: 1.8e9, monotonic: clock::instant() };
        let later = before.monotonic + Duration::from_secs_f64(monotonic);
        let found = delay_and_drift(before, BothClocks { wall: 1.8e9 + wall, monotonic: later }, 1.0);
        let near = found.iter().zip(expect).all(|(found, expect)| (found - expect).abs() < 1e-6);
        assert!(near, "{found:?}, expected {expect:?}");
    }

    #[test]
    fn late_and_missed_readings_are_delays() {
        check(1.0, 1.0, [0.0, 0.0]);
        check(1.25, 1.25, [0.25, 0.0]);
        check(0.75, 0.75, [0.0, 0.0]);
        check(3.0, 3.0, [2.0, 0.0]);
    }

    #[test]
    fn a_wrong_clock_drifts() {
        check(1.0, 1.5, [0.0, 0.5]);
        check(1.0, -2.0, [0.0, -3.0]);
    }

    #[test]
    fn signals_are_shares_of_the_time() {
        let (before, mut now) = (SubjectValues::default(), SubjectValues::default());
        now.set(&DELAY, 0.5);
        now.set(&CLOCK_STEP, -0.05);
        let pair = ReadingPair::new(&before, &now, 2.0).unwrap();
        let values: Vec<_> = SIGNALS.iter().map(|it| (it.formula)(&pair)).collect();
        assert_eq!(values, [Some(1.0 / 3.0), Some(0.025)]);
        let mut now = SubjectValues::default();
        now.set(&CLOCK_STEP, 3_600.0);
        let pair = ReadingPair::new(&before, &now, 2.0).unwrap();
        assert_eq!((SIGNALS[1].formula)(&pair), Some(STEP_RATIO_MAX));
    }

    #[test]
    fn the_first_reading_has_no_delay() {
        let settings = SourceSettings { interval: Duration::from_secs(3_600), ..SourceSettings::default() };
        let mut source = open(&settings);
        let mut readings = [1.0, 2.0].map(|at| Reading::new(Timestamp(at)));
        readings.iter_mut().for_each(|it| source.read(it).unwrap());
        assert!(readings[0].host_values().is_none());
        assert_eq!(readings[1].host_values().unwrap().get(&DELAY), Some(0.0));
    }
}
