//! The histogram of tick durations, with exemplars that link to traces.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use prometheus_client::metrics::exemplar::HistogramWithExemplars;

use super::metric_families::MetricFamilies;
use crate::metric::Metric;
use crate::report::TickTiming;

/// Upper ends of the buckets, in seconds: a tick takes a millisecond, and is late after an interval.
const BOUNDS: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 10.0];

pub(super) static TICK_SECONDS: Metric = Metric::histogram(
    "hostnorm_tick_duration_seconds",
    "Duration of a tick in seconds: read, score, store and publish. OpenMetrics has exemplars with the trace ID of a tick, if traces are sent",
);

type Names = [(&'static str, String); 2];

/// What ticks took so far.
#[derive(Debug)]
pub struct TickHistogram {
    histogram: HistogramWithExemplars<Names>,
    any: AtomicBool,
}

impl Default for TickHistogram {
    fn default() -> Self {
        Self { histogram: HistogramWithExemplars::new(BOUNDS.into_iter()), any: AtomicBool::new(false) }
    }
}

impl TickHistogram {
    /// Counts one more tick. Of those with a trace, the newest in each bucket is its exemplar.
    pub fn record(&self, took: &TickTiming) {
        let names = took
            .trace
            .as_ref()
            .map(|it| [("trace_id", it.trace_id.clone()), ("span_id", it.span_id.clone())]);
        let since = Duration::try_from_secs_f64(took.at.0).ok();
        let at = since.and_then(|it| UNIX_EPOCH.checked_add(it)).filter(|_| names.is_some());
        self.histogram.observe(took.seconds, names, at);
        self.any.store(true, Ordering::Relaxed);
    }

    /// The family; absent before the first tick ended.
    pub(super) fn encode(&self, families: &mut MetricFamilies<'_>) -> fmt::Result {
        if self.any.load(Ordering::Relaxed) {
            families.add_whole(&TICK_SECONDS, &self.histogram)?;
        }
        Ok(())
    }
}
