//! How much a page leaves out so that it stays within a number of series.

use crate::reading::Timestamp;

/// The level at which only the host's own scores and the metrics of hostnorm itself are left: raw values of groups, their
/// contributions, all of groups, and raw values of the host are left out, in this order.
pub const SERIES_LEVEL_MAX: usize = 4;
/// Seconds after which a page with more is tried.
const TRY_SECONDS: f64 = 600.0;
/// Longest wait, if a try had too many.
const TRY_SECONDS_MAX: f64 = 86_400.0;
/// Share of the limit within which more is left in: groups come and go.
const RESTORE_SHARE: f64 = 0.9;

/// The level of the pages, from 0.
#[derive(Debug, Clone)]
pub struct SeriesLimitLevel {
    level: usize,
    /// Time from which a page with more is tried; unknown at level 0.
    try_at: Option<Timestamp>,
    try_seconds: f64,
    /// The level at which a page was tried.
    tried: Option<usize>,
}

/// What becomes of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesLimitDecision {
    /// It is served.
    Serve,
    /// It has too many series; the next one at this level is rendered.
    Render(usize),
}

impl Default for SeriesLimitLevel {
    fn default() -> Self {
        Self { level: 0, try_at: None, try_seconds: TRY_SECONDS, tried: None }
    }
}

impl SeriesLimitLevel {
    /// The level of the pages that are served.
    pub fn level(&self) -> usize {
        self.level
    }

    /// The level at which the page of this reading is rendered first.
    pub fn start(&mut self, at: Timestamp) -> usize {
        // A clock that stepped back delays a try by no more than the wait.
        let is_due = |it: Timestamp| at.0 >= it.0 || it.0 - at.0 > self.try_seconds;
        self.tried = self.try_at.filter(|it| is_due(*it)).and_then(|_| self.level.checked_sub(1));
        self.tried.unwrap_or(self.level)
    }

    /// Decides about a page with this number of series.
    pub fn rendered(&mut self, at: Timestamp, series: u64, series_max: u64) -> SeriesLimitDecision {
        if let Some(tried) = self.tried.take() {
            if series as f64 <= RESTORE_SHARE * series_max as f64 {
                (self.level, self.try_seconds) = (tried, TRY_SECONDS);
                self.wait(at);
                return SeriesLimitDecision::Serve;
            }
            self.try_seconds = (2.0 * self.try_seconds).min(TRY_SECONDS_MAX);
            self.wait(at);
            return SeriesLimitDecision::Render(self.level);
        }
        if series <= series_max || self.level >= SERIES_LEVEL_MAX {
            return SeriesLimitDecision::Serve;
        }
        self.level += 1;
        self.wait(at);
        SeriesLimitDecision::Render(self.level)
    }

    fn wait(&mut self, at: Timestamp) {
        self.try_at = (self.level > 0).then_some(Timestamp(at.0 + self.try_seconds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The level of the page at each time, and the number of pages that were rendered.
    fn pages(level: &mut SeriesLimitLevel, times: &[f64], series: [u64; 5]) -> Vec<(usize, usize)> {
        let serve = |at: &f64| {
            let at = Timestamp(*at);
            let (mut now, mut rendered) = (level.start(at), 1);
            while let SeriesLimitDecision::Render(next) = level.rendered(at, series[now], 1_000) {
                (now, rendered) = (next, rendered + 1);
            }
            assert!(series[now] <= 1_000 || now == SERIES_LEVEL_MAX);
            (now, rendered)
        };
        times.iter().map(serve).collect()
    }

    #[test]
    fn each_page_is_within_the_limit_if_possible() {
        let all = [5_000, 4_000, 3_000, 2_000, 100];
        for (expect, factor) in [(4, 1.0), (3, 0.4), (2, 0.3), (1, 0.22), (0, 0.2)] {
            let series = all.map(|it| (f64::from(it) * factor) as u64);
            let [(found, rendered), again] = pages(&mut SeriesLimitLevel::default(), &[0.0, 1.0], series)[..]
            else {
                unreachable!()
            };
            assert_eq!((found, rendered), (expect, expect + 1), "{series:?}");
            assert_eq!(again, (expect, 1), "the level is remembered");
        }
        let found = pages(&mut SeriesLimitLevel::default(), &[0.0], [5_000; 5]);
        assert_eq!(found, [(4, 5)], "what cannot be left out is served");
    }

    #[test]
    fn more_is_tried_later_and_kept_if_it_is_well_within() {
        let mut level = SeriesLimitLevel::default();
        assert_eq!(pages(&mut level, &[0.0, 599.0], [1_001, 800, 0, 0, 0]), [(1, 2), (1, 1)]);
        // One try, then a longer wait.
        assert_eq!(
            pages(&mut level, &[600.0, 601.0, 1_799.0], [950, 800, 0, 0, 0]),
            [(1, 2), (1, 1), (1, 1)]
        );
        assert_eq!(pages(&mut level, &[1_800.0, 1_801.0], [900, 800, 0, 0, 0]), [(0, 1), (0, 1)]);
        assert_eq!(level.try_at, None);
        // A clock that steps back.
        assert_eq!(pages(&mut level, &[9e5, 0.0], [1_001, 800, 0, 0, 0]), [(1, 2), (1, 2)]);
    }
}
