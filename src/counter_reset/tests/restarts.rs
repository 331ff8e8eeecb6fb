//! Counters continue after a restart of hostnorm.

use super::*;

/// What is shown of a counter with a restart of hostnorm before the reading of this number; the store has the last reading and the offsets.
fn shown_with_restart(metric: &'static Metric, raw: &[f64], restart: usize) -> Vec<Option<f64>> {
    let (mut counters, mut offsets, mut last) = (MonotonicCounters::default(), Vec::new(), Vec::new());
    let labels = if metric.labels.is_empty() { MetricLabels::NONE } else { MetricLabels::new(["a"]) };
    let mut shown = Vec::new();
    for (idx, raw) in raw.iter().enumerate() {
        if idx == restart {
            counters = MonotonicCounters::default();
            last.iter().for_each(|it| counters.resume(it));
            counters.resume_offsets(&offsets);
        }
        let mut reading = Reading::new(Timestamp(idx as f64));
        reading.host().set_by(&SPEED, &MetricLabels::new(["a"]), 1e6);
        reading.host().set_by(metric, &labels, *raw);
        counters.settle(&mut reading, false);
        if let Some(changes) = counters.take_offset_changes() {
            let kept: Vec<CounterOffset> = if changes.is_whole { Vec::new() } else { offsets };
            let is_kept = |it: &CounterOffset| !changes.offsets.iter().any(|new| new.labels == it.labels);
            offsets = kept.into_iter().filter(is_kept).chain(changes.offsets.clone()).collect();
        }
        shown.push(reading.host().get_by(metric, &labels));
        last.push(reading);
    }
    shown
}

#[test]
fn a_restart_continues_counters_that_fell_or_were_refused() {
    // It was reset, and its first value was 0 until the driver was up.
    let reset =
        (0..8).map(|it| 155e9 + f64::from(it) * 1e5).chain((0..40).map(|it| 1e6 + f64::from(it) * 1e5));
    let refused = [0.0, 0.0].into_iter().chain((0..40).map(|it| 150e9 + f64::from(it) * 1e5));
    let (reset, refused) = (reset.collect::<Vec<_>>(), refused.collect::<Vec<_>>());
    for (raw, first, gain) in [(reset, 155e9, 4.6e6), (refused, 0.0, 4.1e6)] {
        let unbroken: Vec<f64> = shown(&VIRTUAL, &raw).into_iter().flatten().collect();
        let shown: Vec<f64> = shown_with_restart(&VIRTUAL, &raw, 30).into_iter().flatten().collect();
        assert_eq!(shown[shown.len() - 15..], unbroken[unbroken.len() - 15..]);
        assert!(shown.windows(2).all(|it| it[0] <= it[1]), "{shown:?}");
        assert!(shown.last().unwrap() - first <= gain, "{shown:?}");
    }
}

#[test]
fn offsets_are_stored_when_they_change_and_as_a_whole_when_counters_are_gone() {
    let mut counters = MonotonicCounters::default();
    let mut read = |at: f64, raw: f64, booted: bool| {
        let mut reading = Reading::new(Timestamp(at));
        reading.host().set_by(&BYTES, &MetricLabels::new(["a"]), raw);
        counters.settle(&mut reading, booted);
        counters.take_offset_changes().map(|it| (it.is_whole, it.offsets.len()))
    };
    assert_eq!(read(0.0, 1e9, false), Some((true, 0)), "what the store has is not known at first");
    assert_eq!([read(1.0, 1e9, false), read(2.0, 0.0, false)], [None, Some((false, 1))]);
    assert_eq!([read(3.0, 0.0, false), read(4.0, 10.0, true)], [None, Some((true, 0))]);
    counters.store_all_offsets();
    assert_eq!(counters.take_offset_changes(), Some(OffsetChanges { is_whole: true, offsets: Vec::new() }));
}

proptest! {
    /// A restart at any reading makes no difference but that a fall is not remembered, after which a counter may come back.
    #[test]
    fn a_restart_lets_no_counter_fall_or_gain_more(
        start in 0.0..1e12_f64,
        seconds in prop::collection::vec((0.0..1000.0_f64, prop::bool::weighted(0.1)), 2..80),
        restart: prop::sample::Index,
    ) {
        let (raw, gained) = with_resets(start, &seconds);
        let shown = shown_with_restart(&BYTES, &raw, 1 + restart.index(seconds.len()));
        let shown: Vec<f64> = shown.into_iter().flatten().collect();
        prop_assert!(shown.windows(2).all(|it| it[0] <= it[1]), "{shown:?}");
        prop_assert!(shown.last().unwrap() - start.round() <= gained);
    }
}
