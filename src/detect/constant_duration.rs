//! How long a signal stays in a state, such as constant or missing, and which duration is anomalous.
//!
//! A run is anomalous if it is much longer than the longest before, and if random changes of state would not produce
//! it within years. Improbability alone is not enough, because hosts are idle at night and at weekends. The longest
//! run alone is not enough, because a signal that is sometimes constant will eventually be constant for longer than
//! before.

use serde::{Deserialize, Serialize};

use super::{LearnOptions, gain, smoothing_factor};

/// An anomalous run exceeds the longest earlier one by this factor: a weekend is two and a half nights.
const FACTOR: f64 = 3.0;
/// Shortest anomalous run, in points: rounding causes two or three equal values.
const POINTS_MIN: f64 = 5.0;
/// Probability that an anomalous run starts at any point by chance: one in ten weeks for thirty signals with a point
/// every 30 s.
const CHANCE: f64 = 1e-7;
/// Above this share of its points in the state, the state is normal for a signal.
const SHARE_MAX: f64 = 0.25;
/// The history before a run must be this many times as long as the run.
const KNOWN_FACTOR: f64 = 5.0;
/// Half-life of the recent share, in points: values that become unreliable are often missing within a short time.
const LATE: f64 = 60.0;
/// Seconds between two points beyond which they are separated by a gap, which counts as this long.
const GAP_MAX: f64 = 3_600.0;
/// This number of anomalous runs, with exponential forgetting, is a habit: the longest of them is then normal.
const HABIT: f64 = 2.5;
/// Seconds after which an anomalous run is normal; equal to the default time of accepting an episode.
const ACCEPT_AFTER: f64 = 6.0 * 3_600.0;
/// Prior before the first point: one of two points was in the state (Laplace's rule of succession).
const PRIOR: (f64, f64) = (0.5, 2.0);

/// The history of one state of one signal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RunStatistics {
    /// Share of points in the state, slowly forgotten.
    share: f64,
    /// The same over the last [`LATE`] points.
    late: f64,
    /// Known points without the current run.
    points: f64,
    /// Known seconds without the current run.
    seconds: f64,
    /// The longest run so far, in points; slowly forgotten.
    longest: f64,
    /// Number of anomalous runs, slowly forgotten, and the points of the longest.
    unusual_share: (f64, f64),
    /// Points and seconds of the current run.
    run: (f64, f64),
    /// Seconds for which the current run has been anomalous.
    anomalous_seconds: f64,
    /// State of the current run.
    state: RunState,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum RunState {
    /// Not anomalous so far.
    Normal,
    /// Anomalous.
    Anomalous,
    /// Anomalous, during an episode.
    AnomalousInEpisode,
    /// Normal again, because its episode ended while it lasted, or after [`ACCEPT_AFTER`].
    Accepted,
}

impl RunStatistics {
    pub(super) fn new() -> Self {
        let (share, points) = PRIOR;
        let run = (0.0, 0.0);
        Self {
            share,
            late: 0.0,
            points,
            seconds: 0.0,
            longest: 0.0,
            unusual_share: (0.0, 0.0),
            run,
            anomalous_seconds: 0.0,
            state: RunState::Normal,
        }
    }

    /// Length of the run including the newest point, which is in the state.
    pub(super) fn length(&self) -> f64 {
        self.run.0 + 1.0
    }

    /// Number of points from which a run is anomalous; `None` with less than `seconds` of history, if the state is
    /// normal for the signal, or if the run was accepted.
    pub(super) fn limit(&self, seconds: f64) -> Option<f64> {
        if self.state == RunState::Accepted || self.share > SHARE_MAX || self.seconds < seconds {
            return None;
        }
        let by_chance = CHANCE.ln() / self.share.max(self.late).min(1.0 - f64::EPSILON).ln();
        let limit = by_chance.max(FACTOR * self.longest).max(POINTS_MIN);
        (KNOWN_FACTOR * limit <= self.points).then_some(limit)
    }

    /// Seconds for which the current run has been anomalous.
    pub(super) fn anomalous_seconds(&self) -> f64 {
        self.anomalous_seconds
    }

    /// Mean number of points between two ends of the state.
    pub(super) fn usual(&self) -> f64 {
        1.0 / (1.0 - self.share).max(f64::EPSILON)
    }

    /// Learns a whole point, `elapsed` seconds after the previous one; `is_anomalous` is whether it makes the run too long.
    ///
    /// A run is learned when it ends, and only if it was normal, accepted, or the third anomalous one.
    pub(super) fn learn(
        &mut self,
        inside: bool,
        is_anomalous: bool,
        elapsed: f64,
        slow: f64,
        learn_options: LearnOptions,
    ) {
        let elapsed = elapsed.clamp(0.0, GAP_MAX);
        if inside {
            self.run = (self.run.0 + 1.0, self.run.1 + elapsed);
            self.anomalous_seconds += if is_anomalous { elapsed } else { 0.0 };
            self.state = match self.state {
                RunState::Anomalous | RunState::AnomalousInEpisode
                    if self.anomalous_seconds > ACCEPT_AFTER =>
                {
                    RunState::Accepted
                }
                RunState::Normal | RunState::Anomalous if is_anomalous && learn_options.in_episode => {
                    RunState::AnomalousInEpisode
                }
                RunState::Normal if is_anomalous => RunState::Anomalous,
                RunState::AnomalousInEpisode if !learn_options.in_episode => RunState::Accepted,
                state => state,
            };
            return;
        }
        self.close(slow, learn_options);
        self.average(0.0, 1.0, slow, learn_options);
        self.seconds += elapsed;
        self.longest *= 1.0 - slow;
        self.unusual_share.0 *= 1.0 - slow;
    }

    /// Ends the run.
    fn close(&mut self, slow: f64, learn_options: LearnOptions) {
        let ((points, seconds), state) = (self.run, self.state);
        (self.run, self.anomalous_seconds, self.state) = ((0.0, 0.0), 0.0, RunState::Normal);
        // An accepted run is learned in full, or the next one would again be an episode of hours.
        let learn_options = match state {
            RunState::Normal => learn_options,
            RunState::Accepted => WHOLE,
            RunState::Anomalous | RunState::AnomalousInEpisode => {
                self.unusual_share = (self.unusual_share.0 + 1.0, self.unusual_share.1.max(points));
                if self.unusual_share.0 > HABIT {
                    self.longest = self.longest.max(self.unusual_share.1);
                    self.unusual_share = (0.0, 0.0);
                }
                return;
            }
        };
        if points == 0.0 {
            return;
        }
        self.average(1.0, points, slow, learn_options);
        self.seconds += seconds;
        if !learn_options.in_episode {
            self.longest = self.longest.max(points);
        }
    }

    fn average(&mut self, inside: f64, points: f64, slow: f64, learn_options: LearnOptions) {
        let learn_options = LearnOptions { weight: points * learn_options.weight, ..learn_options };
        self.share += gain(slow, learn_options, self.points) * (inside - self.share);
        self.late += (1.0 - (1.0 - smoothing_factor(LATE)).powf(points)) * (inside - self.late);
        self.points += learn_options.weight;
    }
}

const WHOLE: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

#[cfg(test)]
mod tests {
    use super::*;

    const QUARANTINED: LearnOptions = LearnOptions { weight: 0.2, in_episode: true, ..WHOLE };
    const SLOW: f64 = 3.4e-5; // seven days of points of 30 s

    fn learn(runs: &mut RunStatistics, inside: bool, points: usize, learn_options: LearnOptions) {
        for _ in 0..points {
            let is_anomalous = runs.limit(0.0).is_some_and(|limit| runs.length() >= limit && inside);
            runs.learn(inside, is_anomalous, 30.0, SLOW, learn_options);
        }
    }

    /// Each row: whether in the state, and for how many points.
    fn check(past: &[(bool, usize)], limit: Option<f64>) {
        let mut runs = RunStatistics::new();
        for (inside, points) in past {
            (0..*points).for_each(|_| runs.learn(*inside, false, 30.0, SLOW, WHOLE));
        }
        let found = runs.limit(0.0);
        let near = match (found, limit) {
            (Some(found), Some(limit)) => (found - limit).abs() < 0.05 * limit,
            (found, limit) => found == limit,
        };
        assert!(near, "{past:?}: {found:?}, expected {limit:?}");
    }

    #[test]
    fn the_threshold_follows_the_longest_run_and_the_share() {
        check(&[(false, 3_000)], Some(POINTS_MIN));
        check(&[(false, 2_000), (true, 20), (false, 1_000)], Some(60.0));
        let often = [(false, 4), (true, 1)].repeat(600);
        // One in five: q^L = 1e-7.
        check(&often, Some(1e-7_f64.ln() / 0.2_f64.ln()));
    }

    #[test]
    fn states_that_are_new_or_normal_have_no_threshold() {
        check(&[], None);
        check(&[(false, 20)], None);
        check(&[(false, 400), (true, 600), (false, 10)], None);
        check(&[(false, 1_000), (true, 600), (false, 1_000)], None);
        let mut runs = RunStatistics::new();
        learn(&mut runs, false, 3_000, WHOLE);
        assert_eq!(runs.limit(3_001.0 * 30.0), None);
    }

    #[test]
    fn an_anomalous_run_is_not_learned() {
        let mut runs = RunStatistics::new();
        learn(&mut runs, false, 3_000, WHOLE);
        learn(&mut runs, true, 6, WHOLE);
        learn(&mut runs, true, 50, QUARANTINED);
        learn(&mut runs, false, 1, QUARANTINED);
        learn(&mut runs, false, 1, WHOLE);
        assert_eq!(runs.limit(0.0), Some(POINTS_MIN));
    }

    #[test]
    fn the_third_anomalous_run_is_a_habit() {
        let mut runs = RunStatistics::new();
        learn(&mut runs, false, 3_000, WHOLE);
        for limit in [POINTS_MIN, POINTS_MIN, POINTS_MIN, 59.5] {
            let found = runs.limit(0.0).unwrap();
            assert!((found - limit).abs() < 0.5, "{found}, expected {limit}");
            learn(&mut runs, true, 20, QUARANTINED);
            learn(&mut runs, false, 300, WHOLE);
        }
    }

    #[test]
    fn a_run_that_outlasts_its_episode_is_normal() {
        let mut runs = RunStatistics::new();
        learn(&mut runs, false, 9_000, WHOLE);
        learn(&mut runs, true, 300, QUARANTINED);
        assert_eq!(runs.limit(0.0), Some(POINTS_MIN));
        learn(&mut runs, true, 5_000, WHOLE);
        assert_eq!(runs.limit(0.0), None);
        learn(&mut runs, false, 10, WHOLE);
        assert!(runs.limit(0.0).is_none_or(|it| it > 10_000.0));
    }

    #[test]
    fn six_hours_are_normal_without_an_episode() {
        let mut runs = RunStatistics::new();
        learn(&mut runs, false, 9_000, WHOLE);
        learn(&mut runs, true, 720, WHOLE);
        assert_eq!(runs.limit(0.0), Some(POINTS_MIN));
        learn(&mut runs, true, 6, WHOLE);
        assert_eq!(runs.limit(0.0), None);
    }

    #[test]
    fn a_burst_of_short_runs_raises_the_threshold_within_the_hour() {
        let mut runs = RunStatistics::new();
        learn(&mut runs, false, 20_000, WHOLE);
        for _ in 0..30 {
            learn(&mut runs, true, 1, WHOLE);
            learn(&mut runs, false, 2, WHOLE);
        }
        assert!(runs.limit(0.0).is_some_and(|it| it > 10.0), "{:?}", runs.limit(0.0));
    }
}
