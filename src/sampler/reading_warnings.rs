//! Says once what is wrong with the readings: they take too long, or signals have no value.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::engine::Engine;
use crate::metric::MetricType;
use crate::reading::{Reading, Subject, SubjectKind, SubjectValues};
use crate::report::Report;
use crate::signal::{ReadingPair, Signal};

/// Number of skipped intervals from which on it is said.
const SKIPPED_MAX: u32 = 3;

/// Readings after which a signal without a value is said to be without one: rates need two readings.
const READINGS: u64 = 5;

/// Largest number of wrong limits that are said.
const LIMITS_MAX: usize = 64;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct ReadingWarnings {
    /// Whether the last reading took too long.
    is_slow: bool,
    readings: u64,
    /// Number of limits that were wrong.
    limits: usize,
}

impl ReadingWarnings {
    /// Says which signals of the host have no value after the first readings. Files and fields that lack were said before, as
    /// what a source does not show.
    pub(super) fn note_signals(&mut self, report: &Report, engine: &Engine) {
        self.readings += 1;
        if self.readings != READINGS {
            return;
        }
        let Some(assessment) = report.assessments.get(&Subject::Host) else { return };
        let known: BTreeSet<&str> = assessment.signals.iter().map(|it| it.signal.name).collect();
        let signals = engine.signals(SubjectKind::Host).into_iter().filter(|it| !known.contains(it.name));
        let unknown = without_inputs(&report.reading, signals);
        if !unknown.is_empty() {
            tracing::info!(
                signals = unknown.join(","),
                "signals without a value are not judged; this host does not have what they are computed from, or the settings leave it out"
            );
        }
    }

    /// Says which counters gain more than they can: their limits no longer count.
    pub(super) fn note_limits(&mut self, report: &Report) {
        for it in &report.wrong_limits {
            self.limits += 1;
            if self.limits <= LIMITS_MAX {
                tracing::warn!(
                    subject = it.subject.name(),
                    metric = it.metric.name,
                    labels = it.labels.values().join(","),
                    limit_per_second = it.limit,
                    gain_per_second = it.gain,
                    "a counter keeps gaining more than its limit allows; the limit is wrong and no longer counts"
                );
            }
        }
    }

    /// Says that intervals were skipped, and which collector took longest; once until readings are in time again. `took` is the
    /// time of the last tick.
    pub(super) fn note_skipped(
        &mut self,
        skipped: u32,
        took: f64,
        interval: Duration,
        report: Option<&Report>,
    ) {
        let is_slow = skipped >= SKIPPED_MAX;
        match is_slow && !self.is_slow {
            // Whatever made the next tick late was no work of the loop.
            true if took < interval.as_secs_f64() => tracing::warn!(
                skipped,
                "readings skipped: hostnorm did not run, because it was stopped, or because other programs took all CPUs"
            ),
            true => {
                let collections = report.into_iter().flat_map(|it| &it.reading.collections);
                let slowest = collections.max_by(|one, other| one.seconds.total_cmp(&other.seconds));
                tracing::warn!(
                    skipped,
                    slowest_collector = slowest.map(|it| it.source),
                    duration_seconds = slowest.map(|it| it.seconds),
                    "readings skipped; if this persists, raise --interval"
                );
            }
            false => (),
        }
        self.is_slow = is_slow;
    }
}

/// The signals that have no value although the counters of a reading go on. A share of counters that stand still has none,
/// either, but the host has what it is computed from.
fn without_inputs<'a>(reading: &Reading, signals: impl Iterator<Item = &'a Signal>) -> Vec<&'static str> {
    let mut later = SubjectValues::default();
    let values = reading.host_values();
    for it in values.into_iter().flat_map(SubjectValues::iter) {
        let gained =
            if it.metric.ty == MetricType::Counter { (it.value * f64::EPSILON).max(1.0) } else { 0.0 };
        later.set_by(it.metric, &it.labels, it.value + gained);
    }
    let pair = values.and_then(|it| ReadingPair::new(it, &later, 1.0));
    let lacks = |it: &&Signal| pair.as_ref().is_none_or(|pair| (it.formula)(pair).is_none());
    signals.filter(lacks).map(|it| it.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::reading::MetricLabels;
    use crate::signal::SignalUnit;

    static TIME: Metric = Metric::counter("time_seconds_total", "Time").by(&["mode"]);
    static OTHER: Metric = Metric::counter("other_total", "Other");

    #[test]
    fn what_stands_still_is_not_lacking() {
        const fn signal(name: &'static str, formula: fn(&ReadingPair<'_>) -> Option<f64>) -> Signal {
            let unit = SignalUnit::Ratio;
            Signal {
                kind: SubjectKind::Host,
                name,
                title: name,
                help: name,
                unit,
                floor: 0.0,
                device: None,
                formula,
            }
        }
        static SHARE: Signal = signal("share", |it| {
            let whole: f64 = it.rates(&TIME).map(|it| it.1).sum();
            (whole > 0.0).then(|| 1.0 / whole)
        });
        static RATE: Signal = signal("rate", |it| it.rate(&OTHER));
        let mut reading = Reading::default();
        reading.host().set_by(&TIME, &MetricLabels::new(["idle"]), 1e15);
        assert_eq!(without_inputs(&reading, [&SHARE, &RATE].into_iter()), ["rate"]);
        assert_eq!(without_inputs(&Reading::default(), [&SHARE, &RATE].into_iter()), ["share", "rate"]);
    }
}
