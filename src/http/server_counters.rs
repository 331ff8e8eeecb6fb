//! Counters of the HTTP server, and the histogram of tick durations, for the next response of `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::request_metrics::{RequestMetrics, WebConfigStatus};
use super::series_count::SeriesCount;
use super::tick_histogram::TickHistogram;

/// What happened at the door and behind it: counted when it happens, shown by the next page.
#[derive(Debug, Default)]
pub struct ServerCounters {
    /// Answers in OpenMetrics.
    pub openmetrics: AtomicU64,
    /// Answers in text 0.0.4.
    pub text: AtomicU64,
    /// Connections closed to make room for new ones.
    pub dropped: AtomicU64,
    /// Requests without a span, because too many came.
    pub untraced: AtomicU64,
    /// Requests by route and status, and how long they took.
    pub requests: RequestMetrics,
    /// What became of the web configuration file.
    pub web_config: Arc<WebConfigStatus>,
    /// The number of series of the last page, and what pages leave out.
    pub series: SeriesCount,
    /// What ticks took.
    pub ticks: TickHistogram,
}

impl ServerCounters {
    /// Counts one more.
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn rows(&self) -> [u64; 4] {
        [&self.openmetrics, &self.text, &self.dropped, &self.untraced].map(|it| it.load(Ordering::Relaxed))
    }
}
