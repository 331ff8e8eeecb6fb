//! Tests of [`CounterResets`].

use proptest::prelude::*;

use super::*;
use crate::reading::Timestamp;

static BYTES: Metric = Metric::counter("bytes_total", "Bytes").by(&["device"]).gains_at_most_per(1.0, &SPEED);
static SPEED: Metric = Metric::gauge("speed_bytes_per_second", "Speed").by(&["device"]);
static SECONDS: Metric = Metric::counter("seconds_total", "Seconds").gains_at_most(2.0);

/// What is shown of a counter that is read once a second; NaN is a reading without it.
fn shown(metric: &'static Metric, raw: &[f64]) -> Vec<Option<f64>> {
    let mut resets = CounterResets::default();
    let labels = if metric.labels.is_empty() { Labels::NONE } else { Labels::new(["a"]) };
    let read = |(idx, raw): (usize, &f64)| {
        let mut reading = Reading::new(Timestamp(idx as f64));
        reading.host().set_by(&SPEED, &Labels::new(["a"]), 1e6);
        reading.host().set_by(metric, &labels, *raw);
        resets.settle(&mut reading, false);
        reading.host().get_by(metric, &labels)
    };
    raw.iter().enumerate().map(read).collect()
}

fn check(raw: &[f64], expect: &[f64]) {
    let expect: Vec<_> = expect.iter().map(|it| (!it.is_nan()).then_some(*it)).collect();
    assert_eq!(shown(&BYTES, raw), expect, "{raw:?}");
}

const NONE: f64 = f64::NAN;

#[test]
fn a_counter_that_rises_is_shown_as_it_is() {
    check(&[5.0, 5.0, 9.0, 1e6], &[5.0, 5.0, 9.0, 1e6]);
}

#[test]
fn one_reading_of_zeros_is_no_traffic() {
    check(&[1e9, 1e9 + 10.0, 0.0, 1e9 + 30.0, 1e9 + 40.0], &[1e9, 1e9 + 10.0, NONE, 1e9 + 30.0, 1e9 + 40.0]);
    // It may come back a little lower, or by steps.
    check(&[1e9, 0.0, 0.0, 1e9 - 9.0, 1e9 + 1.0], &[1e9, NONE, 1e9, 1e9, 1e9 + 1.0]);
    check(&[1e9, 0.0, 5e8, 1e9, 1e9 + 1.0], &[1e9, NONE, 1e9, 1e9, 1e9 + 1.0]);
}

#[test]
fn after_a_reset_the_gains_are_added() {
    check(&[1e9, 1e9 + 9.0, 0.0, 7.0, 9.0], &[1e9, 1e9 + 9.0, NONE, 1e9 + 16.0, 1e9 + 18.0]);
}

#[test]
fn traffic_after_a_reset_is_hidden_for_three_readings_at_most() {
    // Nothing is known of its pace, as after a restart of hostnorm.
    let raw: Vec<f64> = [1e9].into_iter().chain((0..7).map(|it| f64::from(it) * 1e5)).collect();
    check(&raw, &[1e9, NONE, 1e9, 1e9, 1e9, 1e9 + 1e5, 1e9 + 2e5, 1e9 + 3e5]);
    // It was slow before.
    let raw: Vec<f64> = [1e9 - 10.0, 1e9].into_iter().chain((0..6).map(|it| f64::from(it) * 1e5)).collect();
    check(&raw, &[1e9 - 10.0, 1e9, NONE, 1e9, 1e9, 1e9, 1e9 + 1e5, 1e9 + 2e5]);
}

#[test]
fn few_events_after_a_restart_are_counted() {
    check(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0], &[0.0, 1.0, 1.0, 2.0, 2.0, 3.0]);
}

#[test]
fn a_correction_is_held_until_it_is_passed() {
    let raw = [17_470.62, 17_470.61, 17_470.61, 17_470.65];
    let held = [17_470.62, 17_470.62, 17_470.62, 17_470.65];
    assert_eq!(shown(&SECONDS, &raw), held.map(Some));
}

#[test]
fn a_jump_is_unknown_until_it_is_confirmed() {
    // A link of 1 MB a second.
    check(&[5.0, 1e12, 9.0, 10.0], &[5.0, NONE, NONE, 10.0]);
    check(&[5.0, 1e12, 1e12 + 1.0, 1e12 + 3.0], &[5.0, NONE, NONE, 7.0]);
    let idle = shown(&SECONDS, &[100.0, 102.0, 9_000.0, 9_002.0, 9_004.0]);
    assert_eq!(idle, [Some(100.0), Some(102.0), None, None, Some(104.0)]);
}

/// The limits that turned out to be wrong, of a link whose speed is given in each reading.
fn wrong(raw: &[f64], speed: impl Fn(usize) -> f64) -> (Vec<Option<f64>>, Vec<(f64, f64)>) {
    let (mut resets, mut wrong) = (CounterResets::default(), Vec::new());
    let read = |(idx, raw): (usize, &f64)| {
        let mut reading = Reading::new(Timestamp(idx as f64));
        reading.host().set_by(&SPEED, &Labels::new(["a"]), speed(idx));
        reading.host().set_by(&BYTES, &Labels::new(["a"]), *raw);
        wrong.extend(resets.settle(&mut reading, false).into_iter().map(|it| (it.limit, it.gain)));
        reading.host().get_by(&BYTES, &Labels::new(["a"]))
    };
    (raw.iter().enumerate().map(read).collect(), wrong)
}

#[test]
fn two_similar_gains_above_the_limit_prove_it_wrong() {
    // 20 MB a second on a link of 1 MB a second; the first one could be a fault.
    let steady: Vec<f64> = (0..9).map(|it| f64::from(it) * 2e7).collect();
    let mut expect: Vec<Option<f64>> = steady.iter().copied().map(Some).collect();
    expect[1] = None;
    assert_eq!(wrong(&steady, |_| 1e6), (expect, vec![(1e6, 2e7)]));
    // Traffic that grows and varies is no less true.
    let varying = [0.0, 9e6, 3e7, 5e7, 1.2e8, 1.25e8, 1.6e8];
    let (shown, limits) = wrong(&varying, |_| 1e6);
    assert_eq!((shown.iter().filter(|it| it.is_none()).count(), limits.len()), (1, 1), "{shown:?}");
    assert_eq!(shown.last(), Some(&Some(1.6e8)));
}

#[test]
fn jumps_prove_nothing_if_they_differ_or_the_limit_changes() {
    for raw in [[0.0, 1e8, 1e11, 1e14], [0.0, 1e14, 1.001e14, 1.001e14 + 5.0], [0.0, 1e17, 2e17, 3e17]] {
        assert_eq!(wrong(&raw, |_| 1e6).1, [], "{raw:?}");
    }
    // As the time that CPUs were idle, which are plugged in one by one.
    let raw: Vec<f64> = (0..9).map(|it| f64::from(it) * 1e8).collect();
    assert_eq!(wrong(&raw, |idx| 1e6 + idx as f64).1, []);
}

#[test]
fn limits_of_the_host_are_those_of_its_groups() {
    static CPUS: Metric = Metric::gauge("cpus", "CPUs");
    static USED: Metric = Metric::counter("used_seconds_total", "CPU time").gains_at_most_per(1.0, &CPUS);
    let (mut resets, group) = (CounterResets::default(), Subject::Service("a".into()));
    let mut read = |at: f64, value: f64| {
        let mut reading = Reading::new(Timestamp(at));
        reading.host().set(&CPUS, 2.0);
        reading.subjects.entry(group.clone()).or_default().set(&USED, value);
        resets.settle(&mut reading, false);
        assert_eq!(reading.host().get(&CPUS), Some(2.0));
        reading.subjects[&group].get(&USED)
    };
    // It uses one CPU, and jumps by 1,000 seconds once.
    let value = |at: f64| if at < 3.0 { at } else { at + 1_000.0 };
    let shown = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0].map(|at| read(at, value(at)));
    assert_eq!(shown, [Some(0.0), Some(1.0), Some(2.0), None, None, Some(3.0)]);
}

#[test]
fn a_counter_that_is_read_in_turn_shows_what_several_readings_gained() {
    // Each fifth reading shows what was gained at four fifths of the limit.
    let raw: Vec<f64> = (0..40).map(|it| f64::from(it / 5 * 5) * 0.8e6 * 10.0).collect();
    let mut resets = CounterResets::default();
    for (idx, raw) in raw.iter().enumerate() {
        let mut reading = Reading::new(Timestamp(idx as f64 * 10.0));
        reading.host().set_by(&SPEED, &Labels::new(["a"]), 1e6);
        reading.host().set_by(&BYTES, &Labels::new(["a"]), *raw);
        assert_eq!(resets.settle(&mut reading, false), []);
        assert_eq!(reading.host().get_by(&BYTES, &Labels::new(["a"])), Some(*raw), "{idx}");
    }
}

#[test]
fn what_was_gained_while_it_was_not_read_is_shown_if_it_is_possible() {
    check(&[5.0, NONE, 9.0], &[5.0, NONE, 9.0]);
    check(&[5.0, NONE, 1e12, 1e12 + 1.0], &[5.0, NONE, 5.0, 6.0]);
}

#[test]
fn counters_start_anew_at_a_boot_and_gauges_may_fall() {
    let mut resets = CounterResets::default();
    for (value, booted, expect) in [(1e9, false, 1e9), (7.0, true, 7.0), (8.0, false, 8.0)] {
        let mut reading = Reading::new(Timestamp(value));
        reading.host().set(&SECONDS, value);
        reading.host().set_by(&SPEED, &Labels::new(["a"]), value);
        resets.settle(&mut reading, booted);
        assert_eq!(reading.host().get(&SECONDS), Some(expect));
        assert_eq!(reading.host().get_by(&SPEED, &Labels::new(["a"])), Some(value));
    }
}

#[test]
fn series_that_are_gone_are_forgotten() {
    let mut resets = CounterResets::default();
    for round in 0..3 {
        let mut reading = Reading::new(Timestamp(f64::from(round)));
        for idx in 0..ABSENT_MAX {
            let (name, subject) =
                (format!("{round} {idx}"), Subject::Service(format!("{round} {idx}").into()));
            reading.host().set_by(&BYTES, &Labels::new([name.as_str()]), 1.0);
            reading.subjects.entry(subject).or_default().set_by(&BYTES, &Labels::new(["a"]), 1.0);
        }
        resets.settle(&mut reading, false);
    }
    assert!(resets.subjects.len() <= 2 * ABSENT_MAX + 1, "{}", resets.subjects.len());
    assert!(resets.subjects[&Subject::Host].series.len() <= 2 * ABSENT_MAX);
}

/// What a reading shows instead of the true value.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    Zero,
    Half,
    Corrected,
    TooHigh,
    Missing,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        1 => Just(Fault::Zero),
        1 => Just(Fault::Half),
        1 => Just(Fault::Corrected),
        1 => Just(Fault::TooHigh),
        1 => Just(Fault::Missing),
    ]
}

proptest! {
    /// The counter gains 1 to 1,000 a second in truth.
    #[test]
    fn whatever_a_file_shows_no_counter_falls_or_gains_more_than_it_did(
        start in 10_000.0..1e15_f64,
        seconds in prop::collection::vec((1.0..1000.0_f64, fault()), 2..80),
    ) {
        let mut truth = start.round();
        let mut raw = vec![truth, truth + 1000.0];
        truth += 1000.0;
        for (gain, fault) in &seconds {
            truth += gain.round();
            raw.push(match fault {
                Fault::None => truth,
                Fault::Zero => 0.0,
                Fault::Half => (truth / 2.0).round(),
                Fault::Corrected => truth - 5000.0,
                Fault::TooHigh => truth + 1e17,
                Fault::Missing => f64::NAN,
            });
        }
        let shown = shown(&BYTES, &raw);
        let known: Vec<(usize, f64)> =
            shown.iter().enumerate().filter_map(|(idx, it)| Some((idx, (*it)?))).collect();
        for pair in known.windows(2) {
            let [(before, old), (now, new)] = [pair[0], pair[1]];
            prop_assert!(old <= new, "{old} falls to {new}");
            if before + 1 == now {
                // What was gained during a fault may be shown at its end, and small corrections may count.
                prop_assert!(new - old <= 90_000.0, "{old} leaps to {new}");
            }
        }
    }

    /// The counter is reset now and then, and goes on from 0.
    #[test]
    fn resets_lose_no_more_than_a_few_gains(
        start in 0.0..1e12_f64,
        seconds in prop::collection::vec((0.0..1000.0_f64, prop::bool::weighted(0.1)), 2..80),
    ) {
        let mut raw = vec![start.round()];
        let mut gained = 0.0;
        for (gain, reset) in &seconds {
            let before = if *reset { 0.0 } else { *raw.last().unwrap() };
            raw.push(before + gain.round());
            gained += gain.round();
        }
        let shown: Vec<f64> = shown(&BYTES, &raw).into_iter().flatten().collect();
        prop_assert!(shown.windows(2).all(|it| it[0] <= it[1]), "{shown:?}");
        prop_assert!(shown.last().unwrap() - start.round() <= gained);
    }
}
