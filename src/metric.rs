//! Metric declarations: name, help, type and label names.
//!
//! Each metric is declared once, as a `static`, in the file of its source. This module holds no values.

use std::fmt;

/// How a metric's value moves; the types of the exposition formats that hostnorm uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// May go up and down.
    Gauge,
    /// Only goes up, but for a reset to zero when its origin restarts.
    Counter,
    /// Counts observations by size; its series end in `_bucket`, `_count` and `_sum`.
    Histogram,
}

/// One family of series: what is said once about all of its values.
#[derive(Debug)]
pub struct Metric {
    /// Full exposed name, with its unit and, for counters, `_total`.
    pub name: &'static str,
    /// One sentence without the final full stop, which the encoder adds.
    pub help: &'static str,
    /// How its value moves.
    pub ty: MetricType,
    /// Names of the labels, in the order in which [`Labels`](crate::reading::Labels) carries their values.
    pub labels: &'static [&'static str],
}

impl Metric {
    /// A value that may go up and down.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, ty: MetricType::Gauge, labels: &[] }
    }

    /// A value that only goes up; `name` ends in `_total`.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, ty: MetricType::Counter, labels: &[] }
    }

    /// Observations by size.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, help, ty: MetricType::Histogram, labels: &[] }
    }

    /// The same metric, split by labels.
    pub const fn by(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }
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
