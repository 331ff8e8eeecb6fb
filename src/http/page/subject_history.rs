//! The past of one subject, read in one pass over its points.

use std::collections::VecDeque;

use super::page_query::step;
use crate::explanation::EpisodeRecord;
use crate::reading::{Subject, Timestamp};
use crate::store::{BaselineRow, StoreError, StoreReader, TimeRange};

/// Most points in the table of recent values.
pub(super) const RECENT_MAX: usize = 20;
/// Most episodes in the table of episodes; the newest are kept.
pub(super) const EPISODES_MAX: usize = 50;

/// The shortest range that is shown, in seconds.
const KNOWN_SECONDS_MIN: f64 = 60.0;

/// The past of a subject in a range.
#[derive(Debug, Default)]
pub(super) struct SubjectHistory {
    /// The scores; 1 is the unusual level.
    pub(super) scores: BucketedSeries,
    /// The signals that were asked for, in that order.
    pub(super) signals: Vec<BucketedSeries>,
    /// The newest points, the newest first.
    pub(super) recent: VecDeque<RecentValuesRow>,
    /// The totals of the range.
    pub(super) totals: HistoryTotals,
    /// The newest episodes of all time, the newest first, at most [`EPISODES_MAX`].
    pub(super) episodes: Vec<EpisodeRecord>,
    /// Number of older episodes.
    pub(super) episodes_left_out: usize,
    /// The learned statistics of each signal.
    pub(super) baselines: Vec<BaselineRow>,
}

/// Totals of a range.
#[derive(Debug, Default, PartialEq)]
pub(super) struct HistoryTotals {
    /// Number of points.
    pub(super) points: u64,
    /// Number of points inside episodes.
    pub(super) in_episode: u64,
    /// Number of episodes that overlap the range.
    pub(super) episodes: usize,
    /// The highest score; absent without one.
    pub(super) highest_score: Option<f64>,
}

/// A point as the table of recent values shows it.
#[derive(Debug, PartialEq)]
pub(super) struct RecentValuesRow {
    pub(super) at: f64,
    pub(super) score: Option<f64>,
    pub(super) in_episode: bool,
    /// One value for each signal that was asked for.
    pub(super) values: Vec<Option<f64>>,
}

/// Values over time in buckets of equal length; buckets without a value are absent.
#[derive(Debug, Default, PartialEq)]
pub(super) struct BucketedSeries(pub(super) Vec<ChartBucket>);

/// The values within one bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChartBucket {
    /// Its number.
    index: i64,
    /// Number of its values.
    count: u32,
    /// Unix time of the last value, in seconds.
    pub(super) at: f64,
    pub(super) mean: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl BucketedSeries {
    /// Adds a value that is not older than the last one.
    pub(super) fn add(&mut self, step: f64, at: f64, value: f64) {
        let index = (at / step).floor() as i64;
        match self.0.last_mut().filter(|it| it.index == index) {
            Some(last) => {
                last.count += 1;
                last.at = at;
                last.mean += (value - last.mean) / f64::from(last.count);
                (last.min, last.max) = (last.min.min(value), last.max.max(value));
            }
            None => self.0.push(ChartBucket { index, count: 1, at, mean: value, min: value, max: value }),
        }
    }
}

impl SubjectHistory {
    /// The part of a range that is known: charts of a program that just began would be empty otherwise.
    pub(super) fn known(&self, range: TimeRange) -> TimeRange {
        let first = self.signals.iter().chain([&self.scores]).filter_map(|it| it.0.first()).map(|it| it.at);
        let first = first.reduce(f64::min).unwrap_or(range.from.0);
        let from = first.min(range.to.0 - KNOWN_SECONDS_MIN).max(range.from.0);
        TimeRange { from: Timestamp(from), ..range }
    }

    /// Reads the past of a subject: its score, these signals, its episodes.
    pub(super) fn read(
        reader: &StoreReader,
        subject: &Subject,
        signals: &[&'static str],
        range: TimeRange,
        anomalies_only: bool,
    ) -> Result<Self, StoreError> {
        let mut history = Self::default();
        history.signals.resize_with(signals.len(), BucketedSeries::default);
        let step = step(range);
        reader.points::<StoreError>(range, Some(subject), |point| {
            let value = |name: &&str| {
                let index = point.signals.iter().position(|it| it == name)?;
                (!point.missing[index]).then_some(point.values[index])
            };
            let values: Vec<Option<f64>> = signals.iter().map(value).collect();
            for (series, value) in history.signals.iter_mut().zip(&values) {
                value.iter().for_each(|value| series.add(step, point.at.0, *value));
            }
            point.score.iter().for_each(|score| history.scores.add(step, point.at.0, *score));
            history.totals.add(point.score, point.in_episode);
            if point.in_episode || !anomalies_only {
                let (at, score, in_episode) = (point.at.0, point.score, point.in_episode);
                history.recent.push_front(RecentValuesRow { at, score, in_episode, values });
                history.recent.truncate(RECENT_MAX);
            }
            Ok(())
        })?;
        history.read_episodes(reader, subject, range)?;
        history.baselines = reader.baselines_of(subject)?;
        Ok(history)
    }

    fn read_episodes(
        &mut self,
        reader: &StoreReader,
        subject: &Subject,
        range: TimeRange,
    ) -> Result<(), StoreError> {
        self.episodes = reader.episodes(Some(subject), TimeRange::ALL, EPISODES_MAX)?;
        self.episodes.reverse();
        self.totals.episodes = reader.episode_count(Some(subject), range)?;
        let all = reader.episode_count(Some(subject), TimeRange::ALL)?;
        self.episodes_left_out = all.saturating_sub(self.episodes.len());
        Ok(())
    }
}

impl HistoryTotals {
    fn add(&mut self, score: Option<f64>, in_episode: bool) {
        self.points += 1;
        self.in_episode += u64::from(in_episode);
        self.highest_score = self.highest_score.into_iter().chain(score).reduce(f64::max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_bucket_are_joined() {
        let mut series = BucketedSeries::default();
        for (at, value) in [(100.0, 1.0), (105.0, 3.0), (110.0, 5.0)] {
            series.add(10.0, at, value);
        }
        let shown: Vec<_> = series.0.iter().map(|it| [it.at, it.mean, it.min, it.max]).collect();
        assert_eq!(shown, [[105.0, 2.0, 1.0, 3.0], [110.0, 5.0, 5.0, 5.0]]);
    }
}
