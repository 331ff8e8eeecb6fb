//! Distance from the usual value at this time of day and week.
//!
//! Normal points are averaged over five minutes and kept for four weeks. A background job fits a seasonal profile of each
//! signal ([`fit`]). A point is compared with the profile at its time plus a level that is tracked continuously. Only signals
//! with a season are scored; before two periods, and without any seasonal signal, the detector abstains.

use serde::{Deserialize, Serialize};

use crate::reading::Timestamp;
use crate::time_zone::TimeZone;
use crate::window::Point;

use super::exponential_moments::{deviations, with_floor};
use super::{
    DetectorInput, DetectorOutput, DetectorParameters, ExpectedRange, LearnOptions, smoothing_factor,
};
use crate::learned_state_codec::COUNT_MAX;

mod five_minute_buckets;
mod fill_gaps;
mod stl_fit;
mod bucket_grid;

pub use bucket_grid::PER_DAY_MAX as BUCKETS_PER_DAY_MAX;
pub use five_minute_buckets::BucketHistory;
pub use stl_fit::{SeasonalFit, SeasonalFits};

use bucket_grid::{BucketGrid, WEEK, is_bucket};
use five_minute_buckets::{BucketCollector, BucketUpdate};
use stl_fit::{DAYS_MIN, FitResult, LEVEL_DAYS};

/// Distances above this are anomalies, in standard deviations.
const THRESHOLD: f64 = 3.0;

/// Scores points by the time of day and week.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seasonal {
    floors: Vec<f64>,
    /// `None` if points are too far apart to resolve a day.
    buckets: Option<(BucketGrid, BucketCollector)>,
    seasons: Vec<Option<SeasonalFit>>,
    /// Number of days known at the last fit, and its bucket.
    fit_requested: Option<(usize, i64)>,
    due: bool,
    /// The zone of the day and week.
    #[serde(skip)]
    time_zone: TimeZone,
}

impl Seasonal {
    /// Knows no season yet.
    pub fn new(parameters: &DetectorParameters) -> Self {
        let grid = BucketGrid::new(parameters.points_per_day, parameters.buckets_per_day);
        Self {
            floors: parameters.floors.clone(),
            buckets: grid.map(|grid| (grid, BucketCollector::new(grid, parameters.width()))),
            seasons: vec![None; parameters.width()],
            fit_requested: None,
            due: false,
            time_zone: parameters.time_zone.clone(),
        }
    }

    /// Takes what is not serialized from `fresh`.
    pub(crate) fn complete(&mut self, fresh: &Self) {
        self.time_zone.clone_from(&fresh.time_zone);
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        let ring = match (&self.buckets, &fresh.buckets) {
            (Some((grid, collector)), Some((own, empty))) => grid == own && collector.fits(empty),
            (None, None) => true,
            _ => false,
        };
        let counted = |(days, bucket): (usize, i64)| days < COUNT_MAX && is_bucket(bucket);
        ring && self.floors == fresh.floors
            && self.seasons.len() == fresh.seasons.len()
            && self.fit_requested.is_none_or(counted)
    }

    /// The signals with a season, each with its usual value at this time.
    fn usual(&self, at: Timestamp) -> impl Iterator<Item = (usize, &SeasonalFit, f64)> {
        let bucket = self.buckets.as_ref().map(|(grid, _)| grid.bucket(self.time_zone.local_seconds(at)));
        let known = self.seasons.iter().enumerate().filter_map(|(idx, season)| Some((idx, season.as_ref()?)));
        known.filter_map(move |(idx, season)| Some((idx, season, season.level + season.at(bucket?))))
    }

    pub(super) fn judge(&self, input: &DetectorInput<'_>) -> DetectorOutput {
        let mut score: Option<f64> = None;
        for (idx, season, usual) in self.usual(input.point.at) {
            if let Some((value, false)) =
                input.point.values.get(idx).zip(input.point.missing.get(idx).copied())
            {
                let distance = deviations(value - usual, season.spread, self.floors[idx]).abs();
                score = Some(score.map_or(distance, |highest| highest.max(distance)));
            }
        }
        match score {
            Some(score) => DetectorOutput::Score {
                score,
                threshold: THRESHOLD * input.threshold_factor,
                shares: Vec::new(),
            },
            None => DetectorOutput::Abstain,
        }
    }

    pub(super) fn learn(&mut self, input: &DetectorInput<'_>, learn_options: LearnOptions) {
        if learn_options.step && !learn_options.in_episode {
            self.record(input.point);
        }
    }

    /// Records a normal point, live or from history.
    pub fn record(&mut self, point: &Point) {
        let Some((grid, collector)) = self.buckets.as_mut() else { return };
        match collector.push(point, grid.bucket(self.time_zone.local_seconds(point.at))) {
            BucketUpdate::Same => return,
            BucketUpdate::Restarted => {
                self.seasons.fill(None);
                (self.fit_requested, self.due) = (None, false);
                return;
            }
            BucketUpdate::Closed => {}
        }
        let (bucket, days) = (collector.end() - 1, collector.len() / grid.day());
        let late = smoothing_factor(LEVEL_DAYS * grid.day() as f64);
        for (season, value) in self.seasons.iter_mut().zip(collector.newest().unwrap_or_default()) {
            if let Some(season) = season.as_mut().filter(|_| !value.is_nan()) {
                season.level += late * (f64::from(*value) - season.at(bucket) - season.level);
            }
        }
        let waited = |(then, at): (usize, i64)| bucket - at >= (wait(then) * grid.day()) as i64;
        self.due |= days >= DAYS_MIN && self.fit_requested.is_none_or(waited);
    }

    /// Returns the history to fit if a fit is due. The call marks the fit as started.
    ///
    /// A fit takes a tenth of a second, so it runs as a job.
    pub fn history(&mut self) -> Option<BucketHistory> {
        let (grid, collector) = self.buckets.as_ref().filter(|_| self.due)?;
        self.due = false;
        self.fit_requested = Some((collector.len() / grid.day(), collector.end() - 1));
        Some(collector.history())
    }

    /// Scores with this profile from now on.
    pub fn take(&mut self, profile: &SeasonalFits) {
        for (old, found) in self.seasons.iter_mut().zip(&profile.found) {
            match found {
                FitResult::Season(season) => *old = Some(season.clone()),
                FitResult::Nothing => *old = None,
                FitResult::Unknown => {}
            }
        }
    }

    /// Returns how far signal `idx` usually stands from its level at an instant, as a function; nothing without a season.
    pub fn offset(&self, idx: usize) -> Option<impl Fn(Timestamp) -> f64> {
        let season = self.seasons.get(idx)?.as_ref()?;
        let (grid, _) = self.buckets.as_ref()?;
        Some(move |at| season.at(grid.bucket(self.time_zone.local_seconds(at))))
    }

    /// Returns the usual value and range of signal `idx` at this time, if it has a season. `width` is
    /// `threshold_factor` of the [`DetectorInput`].
    pub(crate) fn expected(&self, at: Timestamp, idx: usize, width: f64) -> Option<ExpectedRange> {
        let (_, season, value) = self.usual(at).find(|(known, ..)| *known == idx)?;
        let floor = self.floors[idx];
        let reach = (THRESHOLD * width * with_floor(season.spread, floor)).max(floor);
        Some(ExpectedRange { value, lower: value - reach, upper: value + reach })
    }
}

/// Days to wait after a fit on `days` days: until the history has doubled or reached two weeks, then a week.
fn wait(days: usize) -> usize {
    let two_weeks = 2 * WEEK;
    if days < two_weeks { days.min(two_weeks - days) } else { WEEK }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::seeded_rng::SeededRng;
    use super::*;

    const POINTS_PER_DAY: usize = 96;
    const ORDINARY: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

    fn point(at: f64, value: f64) -> Point {
        Point { at: Timestamp(at), values: vec![value], missing: vec![false] }
    }

    fn input(point: &Point) -> DetectorInput<'_> {
        DetectorInput { point, z: &[], noise: &[], threshold_factor: 1.0 }
    }

    fn seasonal(floor: f64) -> Seasonal {
        Seasonal::new(&DetectorParameters {
            points_per_day: POINTS_PER_DAY as f64,
            ..DetectorParameters::plain(vec![floor], 1e4)
        })
    }

    fn seconds(idx: usize) -> f64 {
        idx as f64 * 86_400.0 / POINTS_PER_DAY as f64
    }

    /// Uniform between -0.5 and 0.5, without a period.
    fn noise(idx: usize) -> f64 {
        f64::from(SeededRng::new(idx as u64).uniform()) - 0.5
    }

    /// High at noon, low at midnight, with a little noise.
    fn by_day(idx: usize) -> f64 {
        30.0 + noise(idx) - 20.0 * (std::f64::consts::TAU * idx as f64 / POINTS_PER_DAY as f64).cos()
    }

    fn low_at_weekends(idx: usize) -> f64 {
        let weekend = matches!(idx / POINTS_PER_DAY % 7, 2 | 3);
        if weekend { by_day(idx) - 8.0 } else { by_day(idx) }
    }

    /// Learns these days since the epoch; a due fit runs at once, as in replay.
    fn learn(detector: &mut Seasonal, days: std::ops::Range<usize>, value: impl Fn(usize) -> f64) -> usize {
        let mut fits = 0;
        for idx in days.start * POINTS_PER_DAY..days.end * POINTS_PER_DAY + 1 {
            detector.learn(&input(&point(seconds(idx), value(idx))), ORDINARY);
            if let Some(history) = detector.history() {
                detector.take(&history.fit());
                fits += 1;
            }
        }
        fits
    }

    fn after(days: usize, value: impl Fn(usize) -> f64) -> Seasonal {
        let mut detector = seasonal(0.0);
        learn(&mut detector, 0..days, value);
        detector
    }

    fn check(detector: &Seasonal, day: usize, hour: usize, value: f64, strange: Option<bool>) {
        let at = seconds(day * POINTS_PER_DAY + hour * POINTS_PER_DAY / 24);
        let found = detector.judge(&input(&point(at, value))).relative();
        assert_eq!(found.map(|it| it >= 1.0), strange, "day {day}, {hour} h, {value}: {found:?}");
    }

    #[test]
    fn a_value_of_noon_is_anomalous_at_night() {
        let detector = after(10, by_day);
        check(&detector, 10, 12, 50.0, Some(false));
        check(&detector, 10, 0, 10.0, Some(false));
        check(&detector, 10, 0, 50.0, Some(true));
        check(&detector, 10, 12, 10.0, Some(true));
    }

    #[test]
    fn two_periods_are_needed() {
        check(&after(1, by_day), 1, 0, 50.0, None);
        check(&after(2, by_day), 2, 0, 50.0, Some(true));
        check(&after(2, by_day), 2, 12, 50.0, Some(false));
        // The first weekend is anomalous, the second may be either; after two weeks it is known.
        check(&after(2, low_at_weekends), 2, 12, 42.0, Some(true));
        check(&after(13, low_at_weekends), 16, 12, 50.0, Some(false));
        check(&after(14, low_at_weekends), 16, 12, 42.0, Some(false));
        check(&after(14, low_at_weekends), 16, 12, 50.0, Some(true));
    }

    #[test]
    fn without_a_season_it_abstains() {
        check(&after(5, |_| 3.0), 5, 0, 50.0, None);
        check(&after(5, noise), 5, 0, 50.0, None);
        let seldom = DetectorParameters { points_per_day: 4.0, ..DetectorParameters::plain(vec![0.0], 1e4) };
        let mut detector = Seasonal::new(&seldom);
        assert_eq!(learn(&mut detector, 0..5, by_day), 0);
        check(&detector, 5, 0, 50.0, None);
    }

    #[test]
    fn a_slow_drift_is_followed_and_a_missing_signal_is_not_judged() {
        let drifting = |idx: usize| by_day(idx) + idx as f64 / POINTS_PER_DAY as f64;
        let detector = after(20, drifting);
        check(&detector, 20, 12, drifting(20 * POINTS_PER_DAY + POINTS_PER_DAY / 2), Some(false));
        let missing = Point { missing: vec![true], ..point(seconds(20 * POINTS_PER_DAY), 1e9) };
        assert_eq!(detector.judge(&input(&missing)), DetectorOutput::Abstain);
    }

    #[test]
    fn fits_are_due_when_the_history_doubles_then_weekly() {
        assert_eq!(learn(&mut seasonal(0.0), 0..28, by_day), "2 4 8 14 21 28".split(' ').count());
        assert_eq!([2, 4, 8, 13, 14, 28].map(wait), [2, 4, 6, 1, 7, 7]);
    }

    #[test]
    fn points_inside_an_episode_are_not_learned() {
        let mut detector = after(10, by_day);
        let before = format!("{detector:?}");
        let quarantined = LearnOptions { in_episode: true, ..ORDINARY };
        detector.learn(&input(&point(seconds(10 * POINTS_PER_DAY + 5), 90.0)), quarantined);
        detector.learn(
            &input(&point(seconds(10 * POINTS_PER_DAY + 5), 90.0)),
            LearnOptions { step: false, ..ORDINARY },
        );
        assert_eq!(format!("{detector:?}"), before);
    }

    #[test]
    fn the_range_ends_where_the_vote_changes() {
        let detector = after(10, by_day);
        let at = seconds(10 * POINTS_PER_DAY);
        let range = detector.expected(Timestamp(at), 0, 1.0).unwrap();
        assert!((range.value - 10.0).abs() < 1.0, "{range:?}");
        for (value, strange) in [(range.upper + 0.01, true), (range.upper - 0.01, false)] {
            check(&detector, 10, 0, value, Some(strange));
            check(&detector, 10, 0, 2.0 * range.value - value, Some(strange));
        }
        assert_eq!(detector.expected(Timestamp(at), 1, 1.0), None);
    }

    #[test]
    fn a_distance_below_the_noise_floor_is_normal() {
        let mut detector = seasonal(100.0);
        learn(&mut detector, 0..10, by_day);
        check(&detector, 10, 0, 50.0, Some(false));
    }

    #[test]
    fn a_clock_that_steps_does_no_harm() {
        // An hour repeats, as with timestamps in local time.
        let mut detector = after(10, by_day);
        for idx in 10 * POINTS_PER_DAY - 4..11 * POINTS_PER_DAY {
            detector.learn(&input(&point(seconds(idx), by_day(idx))), ORDINARY);
        }
        check(&detector, 11, 0, 10.0, Some(false));
        check(&detector, 11, 0, 50.0, Some(true));
        // Years forward: only a gap.
        learn(&mut detector, 1_000..1_001, by_day);
        check(&detector, 1_001, 0, 10.0, Some(false));
        // Years back: earlier times of day were wrong.
        learn(&mut detector, 100..101, by_day);
        check(&detector, 101, 0, 50.0, None);
        learn(&mut detector, 101..103, by_day);
        check(&detector, 103, 0, 50.0, Some(true));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        /// Any finite input gives finite outputs, and memory is bounded.
        #[test]
        fn any_point_gives_finite_scores(
            steps in prop::collection::vec((-1e5..2e5f64, prop::num::f64::NORMAL, any::<bool>()), 1..200),
            days in 2usize..30,
            scale in prop::sample::select(vec![1e-30, 1.0, 1e10, 1e29, 1e99]),
        ) {
            let mut detector = seasonal(0.0);
            learn(&mut detector, 0..days, |idx| by_day(idx) * scale);
            let mut at = seconds(days * POINTS_PER_DAY);
            for (step, value, missing) in steps {
                at += step;
                let point = Point { missing: vec![missing], ..point(at, value.clamp(-1e100, 1e100)) };
                let score = detector.judge(&input(&point)).relative();
                prop_assert!(score.is_none_or(f64::is_finite), "{:?}", score);
                detector.learn(&input(&point), ORDINARY);
                if let Some(history) = detector.history() {
                    detector.take(&history.fit());
                }
                if let Some(range) = detector.expected(point.at, 0, 1.0) {
                    prop_assert!(range.lower <= range.value && range.value <= range.upper, "{:?}", range);
                }
                let known = detector.buckets.as_ref().map_or(0, |(_, collector)| collector.len());
                prop_assert!(known <= 28 * POINTS_PER_DAY, "{}", known);
            }
        }
    }
}
