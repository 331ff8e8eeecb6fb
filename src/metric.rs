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

/// The declaration of one metric.
#[derive(Debug)]
pub struct Metric {
    /// Full exposed name, with its unit and, for counters, `_total`.
    pub name: &'static str,
    /// One sentence without the final full stop, which the encoder adds.
    pub help: &'static str,
    /// Type of the metric.
    pub ty: MetricType,
    /// Label names, in the order in which [`Labels`](crate::reading::Labels) carries their values.
    pub labels: &'static [&'static str],
}

impl Metric {
    /// Declares a gauge.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, ty: MetricType::Gauge, labels: &[] }
    }

    /// Declares a counter; `name` ends in `_total`.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, ty: MetricType::Counter, labels: &[] }
    }

    /// Declares a histogram.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, help, ty: MetricType::Histogram, labels: &[] }
    }

    /// Adds label names.
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
