//! Detects values in a wrong unit: kilobytes for bytes, milliseconds for seconds, percent for ratios.

use std::fmt;

use super::RemoteHistoryQuery;
use super::mapping::MetricMapping;
use crate::metric::Metric;
use crate::reading::SubjectValues;
use crate::signal::{ReadingPair, Signal, SignalUnit};

/// Tolerated share of values out of range, because counters jump and sensors fail at times.
const WRONG_SHARE_MAX: f64 = 0.05;
/// Tolerance of a ratio for rounding.
const RATIO_SLACK: f64 = 0.01;
/// Smallest plausible memory or filesystem, in bytes.
const BYTES_MIN: f64 = 524_288.0;
/// Smallest plausible memory; with up to 61 GiB, the number of kilobytes is smaller.
const MEMORY_BYTES_MIN: f64 = 64e6;
/// Largest plausible rate of a counter of seconds, because readings may be late.
const SECONDS_RATE_MAX: f64 = 1.5;

const KILOBYTES: &str = "values look like kilobytes: set times: 1024 in a file for --mapping";
const MILLISECONDS: &str = "values are not seconds: set times: 0.001 for milliseconds, or times: 0.000001 for microseconds, in a file for --mapping";

/// A rule for a metric that holds on any host.
enum RangeRule {
    /// Smallest value of a gauge.
    AtLeast(f64),
    /// Largest rate of a counter per second.
    Gains(f64),
}

/// Rules of metrics, with the likely cause of a violation.
static RULES: [(&str, RangeRule, &str); 6] = [
    ("hostnorm_memory_size_bytes", RangeRule::AtLeast(MEMORY_BYTES_MIN), KILOBYTES),
    ("hostnorm_filesystem_size_bytes", RangeRule::AtLeast(BYTES_MIN), KILOBYTES),
    ("hostnorm_disk_io_time_seconds_total", RangeRule::Gains(SECONDS_RATE_MAX), MILLISECONDS),
    ("hostnorm_pressure_cpu_waiting_seconds_total", RangeRule::Gains(SECONDS_RATE_MAX), MILLISECONDS),
    ("hostnorm_pressure_memory_waiting_seconds_total", RangeRule::Gains(SECONDS_RATE_MAX), MILLISECONDS),
    ("hostnorm_pressure_io_waiting_seconds_total", RangeRule::Gains(SECONDS_RATE_MAX), MILLISECONDS),
];

/// Values in another unit.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitError {
    /// Name of the metric or signal.
    pub name: String,
    /// The most extreme value.
    pub example: f64,
    /// The likely cause.
    pub hint: &'static str,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrong unit: {} has values such as {}; {}", self.name, self.example, self.hint)
    }
}

impl std::error::Error for UnitError {}

/// Number of values, number of implausible ones, and the most extreme of these.
#[derive(Debug, Clone, Copy, Default)]
struct RangeCount {
    seen: u64,
    wrong: u64,
    example: f64,
}

impl RangeCount {
    fn record(&mut self, value: f64, is_wrong: bool, is_further: impl Fn(f64, f64) -> bool) {
        self.seen += 1;
        if is_wrong {
            if self.wrong == 0 || is_further(value, self.example) {
                self.example = value;
            }
            self.wrong += 1;
        }
    }

    fn is_out_of_range(&self) -> bool {
        self.wrong as f64 > WRONG_SHARE_MAX * self.seen as f64
    }
}

/// Counts implausible values of signals: ratios above 1, and negative values.
#[derive(Debug, Clone)]
pub struct UnitCheck<'a> {
    signals: &'a [&'static Signal],
    over: Vec<RangeCount>,
    below: Vec<RangeCount>,
}

impl<'a> UnitCheck<'a> {
    /// Creates an empty check of these signals.
    pub fn new(signals: &'a [&'static Signal]) -> Self {
        Self {
            signals,
            over: vec![RangeCount::default(); signals.len()],
            below: vec![RangeCount::default(); signals.len()],
        }
    }

    /// Records values, one for each signal.
    pub fn record(&mut self, values: impl IntoIterator<Item = Option<f64>>) {
        for (idx, value) in values.into_iter().enumerate() {
            let (Some(signal), Some(value)) = (self.signals.get(idx), value) else { continue };
            self.over[idx].record(value, signal.max() + RATIO_SLACK < value, |it, other| it > other);
            self.below[idx].record(value, value < -RATIO_SLACK, |it, other| it < other);
        }
    }

    /// Checks the recorded values.
    ///
    /// # Errors
    /// The first signal with too many implausible values.
    pub fn judge(&self) -> Result<(), UnitError> {
        let amiss = |signal: &Signal, tally: &RangeCount, hint| UnitError {
            name: signal.name.into(),
            example: tally.example,
            hint,
        };
        for (idx, signal) in self.signals.iter().enumerate() {
            if self.over[idx].is_out_of_range() && signal.unit == SignalUnit::Ratio {
                let hint = if self.over[idx].example <= 100.0 * (1.0 + RATIO_SLACK) {
                    "a ratio is between 0 and 1; values look like percent: divide by 100"
                } else {
                    "a ratio is between 0 and 1"
                };
                return Err(amiss(signal, &self.over[idx], hint));
            }
            if self.below[idx].is_out_of_range() {
                return Err(amiss(
                    signal,
                    &self.below[idx],
                    "signals are not negative; leave the cell of a missing value empty",
                ));
            }
        }
        Ok(())
    }
}

/// Counts implausible values of metrics.
pub(super) struct MetricUnitCheck<'a> {
    rules: Vec<(&'static Metric, String, &'static RangeRule, &'static str, RangeCount)>,
    ranges: UnitCheck<'a>,
}

impl<'a> MetricUnitCheck<'a> {
    pub(super) fn new(wanted: &RemoteHistoryQuery<'a>, entries: &[MetricMapping]) -> Self {
        let rule = |(name, rule, hint): &'static (&str, RangeRule, &'static str)| {
            let entry = entries.iter().find(|it| it.metric.name == *name)?;
            let shown = format!("{name} (from {})", entry.choice.from);
            Some((entry.metric, shown, rule, *hint, RangeCount::default()))
        };
        Self { rules: RULES.iter().filter_map(rule).collect(), ranges: UnitCheck::new(wanted.signals) }
    }

    pub(super) fn reading(&mut self, now: &SubjectValues, change: Option<&ReadingPair<'_>>) {
        for (metric, _, rule, _, tally) in &mut self.rules {
            match rule {
                RangeRule::AtLeast(least) => {
                    now.each(metric)
                        .for_each(|it| tally.record(it.value, it.value < *least, |it, other| it < other));
                }
                RangeRule::Gains(most) => {
                    let rates = change.into_iter().flat_map(|it| it.rates(metric));
                    rates.for_each(|(_, rate)| tally.record(rate, *most < rate, |it, other| it > other));
                }
            }
        }
    }

    pub(super) fn point(&mut self, signals: &[Option<f64>]) {
        self.ranges.record(signals.iter().copied());
    }

    pub(super) fn judge(&self) -> Result<(), UnitError> {
        match self.rules.iter().find(|(.., tally)| tally.is_out_of_range()) {
            Some((_, name, _, hint, tally)) => {
                Err(UnitError { name: name.clone(), example: tally.example, hint })
            }
            None => self.ranges.judge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::SubjectKind;

    static SIGNALS: [Signal; 2] =
        [signal("a_ratio", SignalUnit::Ratio), signal("a_count", SignalUnit::Count)];

    const fn signal(name: &'static str, unit: SignalUnit) -> Signal {
        Signal {
            kind: SubjectKind::Host,
            name,
            title: "",
            help: "",
            unit,
            floor: 0.0,
            device: None,
            formula: |_| None,
        }
    }

    fn check(values: &[(f64, f64)], expect: &str) {
        let signals: Vec<_> = SIGNALS.iter().collect();
        let mut ranges = UnitCheck::new(&signals);
        values.iter().for_each(|(one, other)| ranges.record([Some(*one), Some(*other)]));
        let found = ranges.judge().map_or_else(|it| it.to_string(), |()| String::new());
        assert_eq!(found, expect, "{values:?}");
    }

    #[test]
    fn signals_have_bounds() {
        check(&[], "");
        check(&[(0.0, 1e9), (1.0, 0.0)], "");
        check(
            &[(12.5, 0.0), (99.0, 0.0)],
            "wrong unit: a_ratio has values such as 99; a ratio is between 0 and 1; values look like percent: divide by 100",
        );
        check(&[(1200.0, 0.0)], "wrong unit: a_ratio has values such as 1200; a ratio is between 0 and 1");
        check(
            &[(0.5, -1.0)],
            "wrong unit: a_count has values such as -1; signals are not negative; leave the cell of a missing value empty",
        );
        let mut mostly_right = vec![(0.5, 0.0); 99];
        mostly_right.push((7.0, 0.0));
        check(&mostly_right, "");
    }
}
