//! Metric declarations: name, help, type and label names.
//!
//! Each metric is declared once, as a `static`, in the file of its source. This module holds no values.

use std::fmt;

/// Type of a metric, as in the exposition formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// May go up and down.
    Gauge,
    /// Only increases, except for a reset to zero when its origin restarts.
    Counter,
    /// Observations by size; its series end in `_bucket`, `_count` and `_sum`.
    Histogram,
}

/// Largest value that a metric may have unless it declares another: the kernel's counts have 64 bits, and a larger one is a
/// negative number that was printed without its sign.
pub const COUNT_MAX: f64 = 9_223_372_036_854_775_807.0;

/// Largest gain of a counter per second unless it declares another, and the largest that proves a declared one wrong: more than
/// any machine transfers or counts. A fault within it looks like traffic, so each counter of the kernel declares its own.
pub const GAIN_MAX: f64 = 1e12;

/// The most that a counter can gain per second.
#[derive(Debug, Clone, Copy)]
pub struct GainLimit {
    /// Gain per second, or per second and unit of [`of`](Self::of).
    pub per_second: f64,
    /// A gauge that multiplies the limit, such as the number of CPUs, and the limit while it is missing. It has the labels of
    /// the counter, if any; one without labels may be of the host where the counter is of another subject.
    pub of: Option<(&'static Metric, f64)>,
}

/// When a counter may fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterResetCause {
    /// It counts since the host booted, and falls at a boot only.
    Boot,
    /// It counts since hostnorm started.
    Process,
}

/// The declaration of one metric.
#[derive(Debug)]
pub struct Metric {
    /// Full exposed name, with its unit and, for counters, `_total`.
    pub name: &'static str,
    /// One sentence without the final full stop, which the encoder adds.
    pub help: &'static str,
    /// Type of the metric.
    pub ty: MetricType,
    /// Label names, in the order in which [`MetricLabels`](crate::reading::MetricLabels) carries their values.
    pub labels: &'static [&'static str],
    /// Smallest and largest possible value; another one is missing.
    pub range: (f64, f64),
    /// The whole of which this is a part: a value that exceeds that of the whole is missing. Both have the same labels.
    pub whole: Option<&'static Metric>,
    /// The most that it can gain, if it is a counter.
    pub gain: GainLimit,
    /// When it may fall, if it is a counter.
    pub origin: CounterResetCause,
}

/// Largest share by which a part may exceed the whole: both are rounded.
const ROUNDING_MAX: f64 = 1e-9;

impl Metric {
    /// Declares a gauge.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, MetricType::Gauge)
    }

    /// Declares a counter; `name` ends in `_total`.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, MetricType::Counter)
    }

    /// Declares a histogram.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, MetricType::Histogram)
    }

    const fn new(name: &'static str, help: &'static str, ty: MetricType) -> Self {
        Self {
            name,
            help,
            ty,
            labels: &[],
            range: (0.0, COUNT_MAX),
            whole: None,
            gain: GainLimit { per_second: GAIN_MAX, of: None },
            origin: CounterResetCause::Boot,
        }
    }

    /// Adds label names.
    pub const fn by(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }

    /// States the smallest and the largest possible value.
    pub const fn within(self, min: f64, max: f64) -> Self {
        Self { range: (min, max), ..self }
    }

    /// States that it is a part of `whole`, a metric with the same labels.
    pub const fn part_of(self, whole: &'static Metric) -> Self {
        Self { whole: Some(whole), ..self }
    }

    /// States the most that the counter can gain per second.
    pub const fn gains_at_most(self, per_second: f64) -> Self {
        Self { gain: GainLimit { per_second, of: None }, ..self }
    }

    /// States that the counter can gain at most `per_second` for each unit of a gauge, and `otherwise` while that is missing.
    pub const fn gains_at_most_per(self, per_second: f64, of: &'static Metric, otherwise: f64) -> Self {
        Self { gain: GainLimit { per_second, of: Some((of, otherwise)) }, ..self }
    }

    /// States that the gain of the counter has nothing to do with the time between readings.
    pub const fn gains_without_limit(self) -> Self {
        self.gains_at_most(f64::INFINITY)
    }

    /// States that the counter counts since hostnorm started.
    pub const fn of_process(self) -> Self {
        Self { origin: CounterResetCause::Process, ..self }
    }

    /// Whether this value is possible.
    pub fn is_possible(&self, value: f64) -> bool {
        (self.range.0..=self.range.1).contains(&value)
    }
}

/// Whether a part of this value is possible when the whole has that value; both are rounded.
pub fn fits(part: f64, whole: f64) -> bool {
    part <= whole * (1.0 + ROUNDING_MAX)
}

/// Metrics are declared once, so the address of the declaration is their identity.
impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Metric {}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
