//! Counts of spans by outcome.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::metric::Metric;
use crate::reading::{MetricLabels, SubjectValues};

static SPANS: Metric = Metric::counter(
    "hostnorm_otlp_exported_spans_total",
    "Spans by outcome: sent, failed (not accepted by the OTLP endpoint) or dropped (queue full); absent if traces are off",
)
.by(&["outcome"]);

/// Metrics of the export of traces.
pub static METRICS: &[&Metric] = &[&SPANS];

/// Counts of spans since the start, by outcome.
#[derive(Debug, Default)]
pub struct SpanCounts {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    /// Spans that ended and have no outcome yet.
    waiting: AtomicUsize,
}

impl SpanCounts {
    /// Adds the counts to hostnorm's metrics about itself.
    pub fn values(&self, values: &mut SubjectValues) {
        for (outcome, count) in
            [("sent", self.sent()), ("failed", self.failed()), ("dropped", self.dropped())]
        {
            values.set_by(&SPANS, &MetricLabels::new([outcome]), count as f64);
        }
    }

    /// Spans that the OTLP endpoint accepted.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Spans that were offered to the OTLP endpoint and not accepted.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Spans for which the queue had no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Counts a finished span; returns false if `max` spans already wait, so that it is dropped.
    pub(super) fn admit(&self, max: usize) -> bool {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < max {
            return true;
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Counts a batch that was sent or failed.
    pub(super) fn settle(&self, spans: usize, accepted: bool) {
        let counter = if accepted { &self.sent } else { &self.failed };
        counter.fetch_add(spans as u64, Ordering::Relaxed);
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
    }
}
