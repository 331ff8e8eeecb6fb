//! The number of series of the last page, and how much pages leave out to stay within their limit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::cost_limit::{LIMIT, SeriesLimitDecision, SeriesLimitLevel, USED};
use crate::metric::Metric;
use crate::reading::{MetricLabels, MetricSample, Timestamp};

pub(super) static SERIES_LEVEL: Metric = Metric::gauge(
    "hostnorm_series_reduction_level",
    "Number of steps by which the response of /metrics is reduced to stay within limits.series, 0 to 4; absent without a limit. Step 1 leaves out raw values of containers, pods, services and logs; 2 their contributions; 3 all of their series; 4 raw values of the host",
);

/// The series of pages.
#[derive(Debug, Default)]
pub struct SeriesCount {
    /// Those of the last page.
    count: AtomicU64,
    level: Mutex<SeriesLimitLevel>,
}

impl SeriesCount {
    /// Renders pages until one is within the limit, or nothing more can be left out. `render` gets the level.
    pub(super) fn render_within_limit(
        &self,
        at: Timestamp,
        series_max: Option<u64>,
        mut render: impl FnMut(usize) -> String,
    ) -> String {
        let Some(series_max) = series_max else { return render(0) };
        // Held while rendering: another page at the same time would disturb the decision.
        let mut state = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.level();
        let mut level = state.start(at);
        loop {
            let page = render(level);
            let series = series_of(&page);
            match state.rendered(at, series, series_max) {
                SeriesLimitDecision::Render(next) => level = next,
                SeriesLimitDecision::Serve => {
                    self.count.store(series, Ordering::Relaxed);
                    if before < level {
                        tracing::warn!(
                            series,
                            limit = series_max,
                            level,
                            "limits.series: the response of /metrics leaves out more"
                        );
                    } else if level < before {
                        tracing::info!(
                            series,
                            limit = series_max,
                            level,
                            "limits.series: the response of /metrics leaves out less"
                        );
                    }
                    return page;
                }
            }
        }
    }

    /// The limit, the use and the level; nothing without a limit.
    pub(super) fn rows(&self, level: usize, series_max: Option<u64>) -> Vec<MetricSample> {
        let Some(series_max) = series_max else { return Vec::new() };
        let of_series = |metric, value| MetricSample { metric, labels: MetricLabels::new(["series"]), value };
        let mut rows = vec![of_series(&LIMIT, series_max as f64)];
        let count = self.count.load(Ordering::Relaxed);
        if count > 0 {
            rows.push(of_series(&USED, count as f64));
        }
        rows.push(MetricSample { metric: &SERIES_LEVEL, labels: MetricLabels::NONE, value: level as f64 });
        rows
    }
}

/// The lines of a page that are no comments.
fn series_of(page: &str) -> u64 {
    page.lines().filter(|it| !it.starts_with('#')).count() as u64
}
