//! Where spans wait that are over: bounded, so that a collector that takes none costs no memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::Notify;

use crate::metric::Metric;
use crate::reading::{Labels, Values};

/// Most spans in one batch; a batch is sent when there are as many.
pub const BATCH_MAX: usize = 512;

static SPANS: Metric = Metric::counter(
    "hostnorm_otlp_spans_total",
    "Spans by outcome: sent, failed when the collector did not take them, dropped when too many were waiting; \
     absent while no traces are sent",
)
.by(&["outcome"]);

/// What the export of traces measures.
pub static METRICS: &[&Metric] = &[&SPANS];

/// What became of the spans so far.
#[derive(Debug, Default)]
pub struct Outcomes {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Outcomes {
    /// Adds them to what hostnorm measures of itself.
    pub fn values(&self, values: &mut Values) {
        for (outcome, count) in
            [("sent", self.sent()), ("failed", self.failed()), ("dropped", self.dropped())]
        {
            values.set_by(&SPANS, &Labels::new([outcome]), count as f64);
        }
    }

    /// Those that a collector took.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Those that were offered and not taken.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Those for which there was no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes note of how a batch fared.
    pub(super) fn note(&self, spans: usize, arrived: bool) {
        let counter = if arrived { &self.sent } else { &self.failed };
        counter.fetch_add(spans as u64, Ordering::Relaxed);
    }
}

/// Spans that wait. The threads that trace and the one that sends share it.
#[derive(Debug)]
pub(super) struct Queue {
    spans: Mutex<Vec<SpanData>>,
    max: usize,
    /// Woken by a whole batch, not by each span: most ticks wake nobody.
    full: Notify,
    pub(super) outcomes: Arc<Outcomes>,
}

impl Queue {
    pub(super) fn new(max: usize) -> Self {
        Self { spans: Mutex::default(), max, full: Notify::new(), outcomes: Arc::default() }
    }

    fn push(&self, span: SpanData) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.len() >= self.max {
            self.outcomes.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        spans.push(span);
        if spans.len() == BATCH_MAX.min(self.max) {
            self.full.notify_one();
        }
    }

    /// The oldest spans, at most a batch.
    pub(super) fn batch(&self) -> Vec<SpanData> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let count = spans.len().min(BATCH_MAX);
        spans.drain(..count).collect()
    }

    /// Waits for a whole batch.
    pub(super) async fn full(&self) {
        self.full.notified().await;
    }
}

/// The end of the queue that spans go into.
#[derive(Debug)]
pub(super) struct Entrance(pub(super) Arc<Queue>);

impl SpanProcessor for Entrance {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.0.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// The thread that sends is told otherwise; nothing waits here.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
