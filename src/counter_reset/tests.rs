//! Tests of [`MonotonicCounters`].

use proptest::prelude::*;

use super::*;
use crate::reading::Timestamp;

mod restarts;

static BYTES: Metric =
    Metric::counter("link_bytes_total", "Bytes").by(&["device"]).gains_at_most_per(1.0, &SPEED, 1e11);
static SPEED: Metric = Metric::gauge("speed_bytes_per_second", "Speed").by(&["device"]);
static VIRTUAL: Metric =
    Metric::counter("virtual_bytes_total", "Bytes").by(&["device"]).gains_at_most_per(1.0, &NO_SPEED, 1e11);
static NO_SPEED: Metric = Metric::gauge("no_speed_bytes_per_second", "Speed").by(&["device"]);
static EVENTS: Metric = Metric::counter("events_total", "Events").gains_at_most(1e8);
static SECONDS: Metric = Metric::counter("seconds_total", "Seconds").gains_at_most(2.0);

/// What is shown of a counter that is read once a second; NaN is a reading without it.
fn shown(metric: &'static Metric, raw: &[f64]) -> Vec<Option<f64>> {
    let mut resets = MonotonicCounters::default();
    let labels = if metric.labels.is_empty() { MetricLabels::NONE } else { MetricLabels::new(["a"]) };
    let read = |(idx, raw): (usize, &f64)| {
        let mut reading = Reading::new(Timestamp(idx as f64));
        reading.host().set_by(&SPEED, &MetricLabels::new(["a"]), 1e6);
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
    let (mut resets, mut wrong) = (MonotonicCounters::default(), Vec::new());
    let read = |(idx, raw): (usize, &f64)| {
        let mut reading = Reading::new(Timestamp(idx as f64));
        reading.host().set_by(&SPEED, &MetricLabels::new(["a"]), speed(idx));
        reading.host().set_by(&BYTES, &MetricLabels::new(["a"]), *raw);
        wrong.extend(resets.settle(&mut reading, false).into_iter().map(|it| (it.limit, it.gain)));
        reading.host().get_by(&BYTES, &MetricLabels::new(["a"]))
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
fn a_bad_first_value_is_no_traffic() {
    let known = |raw: &[f64]| shown(&VIRTUAL, raw);
    // Zeros, for one reading or some, and a value that is too low.
    for (start, first) in [(&[0.0][..], 0.0), (&[0.0, 0.0, 0.0], 0.0), (&[7e10], 7e10), (&[0.0, 9.0], 9.0)] {
        let truth: Vec<f64> = (0..4).map(|it| 1.55e11 + f64::from(it) * 2e3).collect();
        let expect = [None, Some(first), Some(first + 2e3), Some(first + 4e3)];
        assert_eq!(known(&[start, &truth].concat())[start.len()..], expect, "{start:?}");
    }
    // A device that appears while it is used.
    assert_eq!(known(&[0.0, 1e8, 1.9e8, 3e8]), [Some(0.0), None, Some(1.9e8), Some(3e8)]);
    assert_eq!(known(&[0.0, 1e5, 2e5]), [Some(0.0), Some(1e5), Some(2e5)]);
}

#[test]
fn a_leap_counts_if_the_next_value_goes_on_from_it() {
    let quiet: Vec<f64> = (0..9).map(|it| 1.5e8 + f64::from(it) * 20.0).collect();
    let after = |more: &[f64]| {
        let raw: Vec<f64> = quiet.iter().copied().chain(more.iter().map(|it| 1.5e8 + it)).collect();
        let shown = shown(&EVENTS, &raw);
        shown[quiet.len()..].iter().map(|it| it.map(|it| it - 1.5e8)).collect::<Vec<_>>()
    };
    assert_eq!(after(&[5e6, 200.0, 220.0]), [None, Some(200.0), Some(220.0)]);
    assert_eq!(after(&[5e6, 5e6 + 20.0, 5e6 + 40.0]), [None, Some(5e6 + 20.0), Some(5e6 + 40.0)]);
    assert_eq!(after(&[4.294967295e9, 200.0, 220.0]), [None, None, Some(220.0)]);
    // It grows step by step, or by little.
    assert_eq!(after(&[900.0, 7e3, 5e4]), [Some(900.0), Some(7e3), Some(5e4)]);
}

#[test]
fn stored_readings_are_shown_as_they_are() {
    let mut counters = MonotonicCounters::default();
    let mut live = |at: f64, value: f64| {
        let mut reading = Reading::new(Timestamp(at));
        reading.host().set(&SECONDS, value);
        counters.settle(&mut reading, false);
        reading.host().get(&SECONDS)
    };
    // They were adjusted: the limit was proven wrong, and the counter was reset.
    assert_eq!([live(0.0, 0.0), live(1.0, 1e3), live(2.0, 2e3)], [Some(0.0), None, Some(2e3)]);
    let mut counters = MonotonicCounters::default();
    for (at, value) in [(0.0, 0.0), (2.0, 2e3), (3.0, 3e3)] {
        let mut reading = Reading::new(Timestamp(at));
        reading.host().set(&SECONDS, value);
        counters.resume(&reading);
    }
    let mut reading = Reading::new(Timestamp(4.0));
    reading.host().set(&SECONDS, 3_001.0);
    counters.settle(&mut reading, false);
    assert_eq!(reading.host().get(&SECONDS), Some(3_001.0));
}

#[test]
fn gains_are_limited_by_the_time_that_passed_whatever_the_clock_says() {
    // The clock is set forward by a day: no time for a day's traffic.
    let mut counters = MonotonicCounters::default();
    let mut read = |at: f64, step: f64, raw: f64| {
        let mut reading = Reading::new(Timestamp(at));
        reading.host().set(&crate::reading::CLOCK_STEP, step);
        reading.host().set(&SECONDS, raw);
        counters.settle(&mut reading, false);
        reading.host().get(&SECONDS)
    };
    let shown = [read(0.0, 0.0, 5.0), read(86_401.0, 86_400.0, 9e4), read(86_402.0, 0.0, 7.0)];
    assert_eq!(shown, [Some(5.0), None, None]);
}

#[test]
fn limits_of_the_host_are_those_of_its_groups() {
    static CPUS: Metric = Metric::gauge("cpus", "CPUs");
    static USED: Metric =
        Metric::counter("used_seconds_total", "CPU time").gains_at_most_per(1.0, &CPUS, 1e5);
    let (mut resets, group) = (MonotonicCounters::default(), Subject::Service("a".into()));
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
    let mut resets = MonotonicCounters::default();
    for (idx, raw) in raw.iter().enumerate() {
        let mut reading = Reading::new(Timestamp(idx as f64 * 10.0));
        reading.host().set_by(&SPEED, &MetricLabels::new(["a"]), 1e6);
        reading.host().set_by(&BYTES, &MetricLabels::new(["a"]), *raw);
        assert_eq!(resets.settle(&mut reading, false), []);
        // The first change has none before it to be compared with.
        let expect = (idx != 5).then_some(*raw);
        assert_eq!(reading.host().get_by(&BYTES, &MetricLabels::new(["a"])), expect, "{idx}");
    }
}

#[test]
fn what_was_gained_while_it_was_not_read_is_shown_if_it_is_possible() {
    check(&[5.0, NONE, 9.0], &[5.0, NONE, 9.0]);
    check(&[5.0, NONE, 1e12, 1e12 + 1.0], &[5.0, NONE, 5.0, 6.0]);
}

#[test]
fn counters_start_anew_at_a_boot_and_gauges_may_fall() {
    let mut resets = MonotonicCounters::default();
    for (value, booted, expect) in [(1e9, false, 1e9), (7.0, true, 7.0), (8.0, false, 8.0)] {
        let mut reading = Reading::new(Timestamp(value));
        reading.host().set(&SECONDS, value);
        reading.host().set_by(&SPEED, &MetricLabels::new(["a"]), value);
        resets.settle(&mut reading, booted);
        assert_eq!(reading.host().get(&SECONDS), Some(expect));
        assert_eq!(reading.host().get_by(&SPEED, &MetricLabels::new(["a"])), Some(value));
    }
}

#[test]
fn series_that_are_gone_are_forgotten() {
    let mut resets = MonotonicCounters::default();
    for round in 0..3 {
        let mut reading = Reading::new(Timestamp(f64::from(round)));
        for idx in 0..ABSENT_MAX {
            let (name, subject) =
                (format!("{round} {idx}"), Subject::Service(format!("{round} {idx}").into()));
            reading.host().set_by(&BYTES, &MetricLabels::new([name.as_str()]), 1.0);
            reading.subjects.entry(subject).or_default().set_by(&BYTES, &MetricLabels::new(["a"]), 1.0);
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
    /// By this much.
    TooHigh(f64),
    Missing,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        1 => Just(Fault::Zero),
        1 => Just(Fault::Half),
        1 => Just(Fault::Corrected),
        2 => (5.1..17.0_f64).prop_map(|it| Fault::TooHigh(10_f64.powf(it).round())),
        1 => Just(Fault::Missing),
    ]
}

/// A counter that gains each second, or is reset before it gains; and what it gained in all.
fn with_resets(start: f64, seconds: &[(f64, bool)]) -> (Vec<f64>, f64) {
    let mut raw = vec![start.round()];
    let mut gained = 0.0;
    for (gain, reset) in seconds {
        let before = if *reset { 0.0 } else { *raw.last().unwrap() };
        raw.push(before + gain.round());
        gained += gain.round();
    }
    (raw, gained)
}

proptest! {
    /// The counter gains 1 to 1,000 a second in truth. What is too high is so for one reading.
    #[test]
    fn whatever_a_file_shows_no_counter_falls_or_gains_more_than_it_did(
        start in 10_000.0..1e15_f64,
        seconds in prop::collection::vec((1.0..1000.0_f64, fault()), 2..80),
        metric in prop_oneof![Just(&BYTES), Just(&VIRTUAL), Just(&EVENTS)],
    ) {
        let mut truth = start.round();
        let mut raw = vec![truth, truth + 1000.0];
        truth += 1000.0;
        let (mut was_high, mut sizes) = (false, Vec::new());
        for (gain, fault) in &seconds {
            truth += gain.round();
            // A second value that is too high by about as much looks like a counter that comes back.
            let is_like = |one: f64| sizes.iter().any(|it: &f64| (one / 2.0..one * 2.0).contains(it));
            let fault = match fault {
                Fault::TooHigh(by) if was_high || is_like(*by) => &Fault::None,
                fault => fault,
            };
            let is_high = matches!(fault, Fault::TooHigh(_));
            if let Fault::TooHigh(by) = fault {
                sizes.push(*by);
            }
            was_high = is_high || was_high && matches!(fault, Fault::Missing);
            raw.push(match fault {
                Fault::None => truth,
                Fault::Zero => 0.0,
                Fault::Half => (truth / 2.0).round(),
                Fault::Corrected => truth - 5000.0,
                // A leap of bytes that is no larger than a page of a program is no leap.
                Fault::TooHigh(by) if metric.name.ends_with("_bytes_total") => truth + by * 10.0,
                Fault::TooHigh(by) => truth + by,
                Fault::Missing => f64::NAN,
            });
        }
        let shown = shown(metric, &raw);
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
        // Nothing that is too high stays in it; a value that was corrected is held, and passed soon.
        prop_assert!(known.last().unwrap().1 <= truth + 90_000.0, "{known:?} of {truth}");
    }

    /// The first values of a counter are too low.
    #[test]
    fn a_bad_first_value_counts_as_nothing(
        truth in 1e8..1e15_f64,
        (low, times) in (prop_oneof![Just(0.0), 0.0..0.5_f64], 1..4_usize),
        gains in prop::collection::vec(1.0..1000.0_f64, 5..30),
        metric in prop_oneof![Just(&BYTES), Just(&VIRTUAL), Just(&EVENTS)],
    ) {
        let mut raw = vec![(low * truth).round(); times];
        let gained: f64 = gains.iter().map(|it| it.round()).sum();
        let mut value = truth.round();
        for gain in &gains {
            raw.push(value);
            value += gain.round();
        }
        let shown: Vec<f64> = shown(metric, &raw).into_iter().flatten().collect();
        prop_assert!(shown.windows(2).all(|it| it[0] <= it[1]), "{shown:?}");
        prop_assert!(shown.last().unwrap() - shown[0] <= gained, "{shown:?}");
    }

    /// The counter is reset now and then, and goes on from 0.
    #[test]
    fn resets_lose_no_more_than_a_few_gains(
        start in 0.0..1e12_f64,
        seconds in prop::collection::vec((0.0..1000.0_f64, prop::bool::weighted(0.1)), 2..80),
    ) {
        let (raw, gained) = with_resets(start, &seconds);
        let shown: Vec<f64> = shown(&BYTES, &raw).into_iter().flatten().collect();
        prop_assert!(shown.windows(2).all(|it| it[0] <= it[1]), "{shown:?}");
        prop_assert!(shown.last().unwrap() - start.round() <= gained);
    }
}
