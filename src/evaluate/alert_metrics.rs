//! Metrics of alerts: events found, delays, false alerts.

use std::ops::Range;

use super::quantiles::{geomspace, linear, linspace, nearest, unique};

/// Accepted false alerts per machine and day, with the word in the name of the metric.
pub(super) const BUDGETS: [(f64, &str); 4] = [(0.1, "0.1"), (0.5, "0.5"), (1.0, "1"), (2.0, "2")];

/// Number of consecutive rows above the threshold with which an alert fires, as `for:` in a Prometheus rule.
pub(super) const FOR: usize = 5;

/// Rows after an event in which an alert is not false, because recovery takes a while.
pub(super) const SLACK: usize = 30;

/// An alert outside events counts again after this many rows, so that a permanent alert is penalized.
const REPEAT: usize = 60;

/// Candidate thresholds of one series: for the lower nine tenths of its scores, and in total.
const CANDIDATES: [usize; 2] = [40, 150];

/// Largest number of candidate thresholds for all series together.
const CANDIDATES_MAX: usize = 400;

/// The alerts of one series, for any threshold.
#[derive(Debug)]
pub(super) struct SeriesAlerts {
    /// The score that all of the last rows reached.
    held: Vec<f64>,
    /// Whether an alert in this row is false.
    is_outside: Vec<bool>,
    /// Rows in which an alert detects the event. For a short event, this may be up to `for` rows later.
    windows: Vec<Range<usize>>,
    /// The highest held score of each window.
    peaks: Vec<f64>,
    /// Length of the series, in days.
    pub(super) days: f64,
}

impl SeriesAlerts {
    /// Prepares a series; an alert fires after this many rows above the threshold.
    pub(super) fn new(events: &[Range<usize>], scores: &[f64], per_day: f64, rows: usize) -> Self {
        let count = scores.len();
        let held = hold(scores, rows);
        let mut is_outside = vec![true; count];
        for event in events {
            is_outside[event.start..(event.end + SLACK).min(count)].fill(false);
        }
        let windows: Vec<_> = events.iter().map(|event| event.start..(event.end + rows).min(count)).collect();
        let peak = |rows: &Range<usize>| held[rows.clone()].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let peaks = windows.iter().map(peak).collect();
        Self { held, is_outside, windows, peaks, days: count as f64 / per_day }
    }

    /// Number of events.
    pub(super) fn events(&self) -> usize {
        self.windows.len()
    }

    /// Number of events detected at this threshold.
    pub(super) fn found(&self, threshold: f64) -> usize {
        self.peaks.iter().filter(|peak| threshold < **peak).count()
    }

    /// Rows from the start of each detected event to its alert.
    pub(super) fn delays(&self, threshold: f64) -> impl Iterator<Item = f64> {
        self.windows.iter().filter_map(move |rows| {
            self.held[rows.clone()].iter().position(|held| threshold < *held).map(|it| it as f64)
        })
    }

    /// Alerts outside events.
    fn false_alerts(&self, threshold: f64) -> usize {
        let (mut alerts, mut run) = (0, 0);
        for (held, is_outside) in self.held.iter().zip(&self.is_outside) {
            run = if *is_outside && threshold < *held { run + 1 } else { 0 };
            // The first row of a run, and every REPEAT rows later.
            alerts += usize::from(run % REPEAT == 1);
        }
        alerts
    }

    /// Candidate thresholds, ascending: quantiles, denser towards the highest scores.
    pub(super) fn candidates(&self) -> Vec<f64> {
        let mut held: Vec<f64> = self.held.iter().copied().filter(|it| it.is_finite()).collect();
        held.sort_by(f64::total_cmp);
        let [low, all] = CANDIDATES;
        let tail = geomspace(0.1, 1.0 / held.len().max(2) as f64, all - low - 1);
        let shares =
            linspace(0.0, 0.9, low).into_iter().chain(tail.into_iter().map(|it| 1.0 - it)).chain([1.0]);
        unique(shares.filter_map(|share| linear(&held, share)).collect())
    }
}

/// The minimum of the last `rows` scores; before there are that many, no alert fires.
fn hold(scores: &[f64], rows: usize) -> Vec<f64> {
    let held = |idx: usize| match (idx + 1).checked_sub(rows) {
        Some(start) => scores[start..=idx].iter().copied().fold(f64::INFINITY, f64::min),
        None => f64::NEG_INFINITY,
    };
    (0..scores.len()).map(held).collect()
}

/// Candidate thresholds for all series together.
pub(super) fn shared_candidates(alerts: &[SeriesAlerts]) -> Vec<f64> {
    let all = unique(alerts.iter().flat_map(SeriesAlerts::candidates).collect());
    if all.len() <= CANDIDATES_MAX {
        return all;
    }
    unique(linspace(0.0, 1.0, CANDIDATES_MAX).into_iter().filter_map(|share| nearest(&all, share)).collect())
}

/// For each budget, the smallest candidate such that it and every larger candidate meet the budget; none without
/// candidates.
pub(super) fn thresholds(alerts: &[SeriesAlerts], candidates: &[f64]) -> Option<[f64; BUDGETS.len()]> {
    let days: f64 = alerts.iter().map(|it| it.days).sum();
    let mut best = [*candidates.last()?; BUDGETS.len()];
    let mut is_kept = [true; BUDGETS.len()];
    for threshold in candidates.iter().rev() {
        let cost: usize = alerts.iter().map(|it| it.false_alerts(*threshold)).sum();
        for ((budget, _), (best, is_kept)) in BUDGETS.iter().zip(best.iter_mut().zip(&mut is_kept)) {
            *is_kept &= cost as f64 <= budget * days;
            if *is_kept {
                *best = *threshold;
            }
        }
        if is_kept == [false; BUDGETS.len()] {
            break;
        }
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks detected events, delays and false alerts at a threshold of 0.5, if an alert needs `rows` rows.
    fn check(events: &[Range<usize>], scores: &[f64], rows: usize, expected: (usize, &[f64], usize)) {
        let alerts = SeriesAlerts::new(events, scores, 1440.0, rows);
        let delays: Vec<f64> = alerts.delays(0.5).collect();
        assert_eq!((alerts.found(0.5), delays.as_slice(), alerts.false_alerts(0.5)), expected);
    }

    /// `count` rows of 0, with 1 in a range.
    fn high(count: usize, rows: Range<usize>) -> Vec<f64> {
        (0..count).map(|idx| f64::from(u8::from(rows.contains(&idx)))).collect()
    }

    #[test]
    fn an_alert_needs_rows_in_sequence() {
        check(std::slice::from_ref(&(10..20)), &high(100, 12..17), 5, (1, &[6.0], 0));
        check(std::slice::from_ref(&(10..20)), &high(100, 12..16), 5, (0, &[], 0));
        check(std::slice::from_ref(&(10..20)), &high(100, 12..13), 1, (1, &[2.0], 0));
    }

    #[test]
    fn a_short_event_may_fire_after_its_end() {
        check(std::slice::from_ref(&(10..11)), &high(100, 10..16), 5, (1, &[4.0], 0));
        check(std::slice::from_ref(&(10..11)), &high(100, 12..20), 5, (0, &[], 0));
    }

    #[test]
    fn false_alerts_are_those_after_the_slack_and_repeat() {
        let event = std::slice::from_ref(&(10..20));
        check(event, &high(300, 30..50), 1, (0, &[], 0));
        check(event, &high(300, 30..51), 1, (0, &[], 1));
        check(event, &high(300, 60..120), 1, (0, &[], 1));
        check(event, &high(300, 60..121), 1, (0, &[], 2));
        check(&[], &high(300, 0..300), 1, (0, &[], 5));
    }

    #[test]
    fn a_budget_is_kept_by_all_higher_thresholds() {
        // One false alert per day at any threshold below 3, and one more below 2.
        let mut scores = vec![0.0; 1440];
        (scores[100], scores[200], scores[300]) = (3.0, 2.0, 9.0);
        let alerts = [SeriesAlerts::new(std::slice::from_ref(&(300..301)), &scores, 1440.0, 1)];
        let found = thresholds(&alerts, &[0.0, 1.0, 2.0, 3.0, 9.0]);
        assert_eq!(found, Some([3.0, 3.0, 2.0, 0.0]));
        assert_eq!(thresholds(&alerts, &[]), None);
    }

    #[test]
    fn too_few_rows_for_an_alert_have_no_threshold() {
        let alerts = SeriesAlerts::new(&[], &[1.0; 4], 1440.0, FOR);
        assert_eq!(alerts.candidates(), Vec::<f64>::new());
    }
}
