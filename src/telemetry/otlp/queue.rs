//! Where spans wait that are over: bounded, so that a collector that takes none costs no memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
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

/// The end of the queue at which spans come in. No lock is taken there: the thread at the other end stands back, and on
/// a busy machine it might be made to wait while it holds one.
#[derive(Debug)]
pub(super) struct Queue {
    spans: SyncSender<Box<SpanData>>,
    waiting: AtomicUsize,
    /// How many make it worth to wake the other end.
    enough: usize,
    /// Woken by a whole batch, not by each span: most ticks wake nobody.
    full: Notify,
    pub(super) outcomes: Arc<Outcomes>,
}

impl Queue {
    /// A queue for so many spans, and its other end.
    pub(super) fn new(max: usize) -> (Arc<Self>, Receiver<Box<SpanData>>) {
        let (spans, exit) = mpsc::sync_channel(max);
        let enough = BATCH_MAX.min(max);
        let (waiting, full, outcomes) = (AtomicUsize::new(0), Notify::new(), Arc::default());
        (Arc::new(Self { spans, waiting, enough, full, outcomes }), exit)
    }

    fn push(&self, span: SpanData) {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        if self.spans.try_send(Box::new(span)).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.outcomes.dropped.fetch_add(1, Ordering::Relaxed);
        } else if waiting == self.enough {
            self.full.notify_one();
        }
    }

    /// The oldest spans, at most a batch.
    pub(super) fn batch(&self, exit: &Receiver<Box<SpanData>>) -> Vec<SpanData> {
        let batch: Vec<_> = exit.try_iter().take(BATCH_MAX).map(|it| *it).collect();
        self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        batch
    }

    /// Waits for a whole batch.
    pub(super) async fn full(&self) {
        self.full.notified().await;
    }
}

/// What the SDK gives spans to that are over.
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
