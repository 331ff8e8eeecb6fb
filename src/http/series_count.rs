//! The number of series of the last page, and how much pages leave out to stay within their limit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::cost_limit::{LIMIT, SeriesLevel, SeriesVerdict, USED};
use crate::metric::Metric;
use crate::reading::{Labels, Sample, Timestamp};

pub(super) static SERIES_LEVEL: Metric = Metric::gauge(
    "hostnorm_series_level",
    "How much the response of /metrics leaves out to stay within limits.series: 0 nothing, 1 raw values of containers, pods, services and logs, 2 also their contributions, 3 all of their series, 4 also raw values of the host; absent without a limit",
);

/// The series of pages.
#[derive(Debug, Default)]
pub struct SeriesCount {
    /// Those of the last page.
    count: AtomicU64,
    level: Mutex<SeriesLevel>,
}

impl SeriesCount {
    /// Renders pages until one is within the limit, or nothing more can be left out. `render` gets the level.
    pub(super) fn within(
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
                SeriesVerdict::Render(next) => level = next,
                SeriesVerdict::Serve => {
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
    pub(super) fn rows(&self, level: usize, series_max: Option<u64>) -> Vec<Sample> {
        let Some(series_max) = series_max else { return Vec::new() };
        let of_series = |metric, value| Sample { metric, labels: Labels::new(["series"]), value };
        let mut rows = vec![of_series(&LIMIT, series_max as f64)];
        let count = self.count.load(Ordering::Relaxed);
        if count > 0 {
            rows.push(of_series(&USED, count as f64));
        }
        rows.push(Sample { metric: &SERIES_LEVEL, labels: Labels::NONE, value: level as f64 });
        rows
    }
}

/// The lines of a page that are no comments.
fn series_of(page: &str) -> u64 {
    page.lines().filter(|it| !it.starts_with('#')).count() as u64
}
