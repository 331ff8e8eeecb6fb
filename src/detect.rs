//! The detectors. Each scores the newest point by what it learned from earlier points.
//!
//! A point is scored before it is learned. Detectors read no clock and no file; seeds and points are passed in.

use serde::{Deserialize, Serialize};

use crate::time_zone::TimeZone;
use crate::window::Point;

use absence::AbsenceDetector;
use baseline::ThreeSigma;
use eif::EifDetector;
use joint_distance::JointDistance;
use level_extreme::LevelExtreme;
use novelty::NoveltyDetector;
use seasonal::Seasonal;
use zscore::ZScore;

pub mod p2_quantile;
pub mod exponential_moments;
pub mod time_of_day;
pub mod short_term_means;
pub mod adaptive_covariance;
pub mod seeded_rng;
mod feature_rows;
mod simd_lanes;
mod tree_builder;
pub mod forest;
pub mod eif;
pub mod zscore;
pub mod baseline;
pub mod joint_distance;
mod constant_duration;
pub mod absence;
pub mod level_extreme;
pub mod kmeans;
pub mod novelty;
pub mod expected_values;
pub mod seasonal;
pub mod majority_vote;
pub mod habituation;
pub mod first_week_habits;
pub mod earlier_days;
pub mod detector_settings;
pub mod raw_score;
pub mod small_sample;
pub mod budget_alert_level;
pub mod signal_deviations;
pub mod largest_contributions;

/// One value for each detector. A new field makes the compiler name every place that must handle it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PerDetector<T> {
    /// Of [`zscore`].
    pub zscore: T,
    /// Of [`baseline`].
    pub baseline: T,
    /// Of [`distance`].
    pub distance: T,
    /// Of [`eif`].
    pub forest: T,
    /// Of [`novelty`].
    pub novelty: T,
    /// Of [`seasonal`].
    pub seasonal: T,
    /// Of [`absence`].
    pub absence: T,
    /// Of [`level_extreme`].
    pub level_extreme: T,
}

impl<T> PerDetector<T> {
    /// Returns the values in the order in which they are exposed.
    pub fn each(&self) -> [&T; 8] {
        let Self { zscore, baseline, distance, forest, novelty, seasonal, absence, level_extreme } = self;
        [zscore, baseline, distance, forest, novelty, seasonal, absence, level_extreme]
    }

    /// Returns the values with the descriptions of their detectors.
    pub fn described(&self) -> impl Iterator<Item = (&'static DetectorInfo, &T)> {
        DETECTORS.each().into_iter().zip(self.each())
    }

    /// Returns mutable references in the same order.
    pub fn each_mut(&mut self) -> [&mut T; 8] {
        let Self { zscore, baseline, distance, forest, novelty, seasonal, absence, level_extreme } = self;
        [zscore, baseline, distance, forest, novelty, seasonal, absence, level_extreme]
    }

    /// Applies a function to each value.
    pub fn map<U>(&self, of: impl Fn(&T) -> U) -> PerDetector<U> {
        PerDetector {
            zscore: of(&self.zscore),
            baseline: of(&self.baseline),
            distance: of(&self.distance),
            forest: of(&self.forest),
            novelty: of(&self.novelty),
            seasonal: of(&self.seasonal),
            absence: of(&self.absence),
            level_extreme: of(&self.level_extreme),
        }
    }
}

/// The description of each detector.
pub static DETECTORS: PerDetector<DetectorInfo> = PerDetector {
    zscore: DetectorInfo {
        name: "zscore",
        help: "Distance from the mean of the last 100 points, in standard deviations",
        votes: true,
        selective: false,
    },
    baseline: DetectorInfo {
        name: "baseline",
        help: "Distance from the expected value, which is learned from the last days, in standard deviations",
        votes: true,
        selective: false,
    },
    distance: DetectorInfo {
        name: "distance",
        help: "Mahalanobis distance of the point, of its exponentially weighted means over 5 and 30 points, and of its change over 3 points",
        votes: false,
        selective: false,
    },
    forest: DetectorInfo {
        name: "eif",
        help: "Extended isolation forest: number of random cuts that separate the point from others; fewer cuts score higher",
        votes: true,
        selective: false,
    },
    novelty: DetectorInfo {
        name: "novelty",
        help: "Share of the signals whose recent changes are unlike those of the last 18 periods. A period lasts six hours, and one begins every three hours",
        votes: false,
        selective: false,
    },
    seasonal: DetectorInfo {
        name: "seasonal",
        help: "Distance from the usual value at this time of day and week, in standard deviations",
        votes: true,
        selective: true,
    },
    absence: DetectorInfo {
        name: "absence",
        help: "Time for which a signal has been unchanged, at 0 or missing, compared with the longest such time before",
        votes: false,
        selective: true,
    },
    level_extreme: DetectorInfo {
        name: "level_extreme",
        help: "Smoothed distance of a signal from its expected value, compared with the largest smoothed distance of the last days",
        votes: false,
        selective: true,
    },
};

/// The description of one detector.
#[derive(Debug)]
pub struct DetectorInfo {
    /// The value of the label `detector`.
    pub name: &'static str,
    /// One sentence for the documentation.
    pub help: &'static str,
    /// Whether it takes part in the majority vote.
    pub votes: bool,
    /// Whether it scores only signals with a season, regular changes or a noise floor, so that it may miss faults in
    /// others.
    pub selective: bool,
}

impl DetectorInfo {
    /// Returns whether the detector votes for an anomaly at this score (1.0 is its threshold); `None` if it has no
    /// vote or abstains.
    pub fn vote(&self, score: Option<f64>) -> Option<bool> {
        score.filter(|_| self.votes).map(|it| it >= 1.0)
    }
}

/// Properties of the points that detectors will receive.
#[derive(Debug, Clone)]
pub struct DetectorParameters {
    /// Noise floor of each signal, in its unit: a smaller distance is never an anomaly.
    pub floors: Vec<f64>,
    /// Half-life of learned statistics, in points.
    pub half_life: f64,
    /// Points per day.
    pub points_per_day: f64,
    /// Largest number of buckets per day for times of day and week.
    pub buckets_per_day: usize,
    /// Number of points before a signal has a distance from its mean.
    pub points_min: f64,
    /// Half-life of a held novelty, in points.
    pub novelty_half_life: f64,
    /// The zone of times of day and week.
    pub time_zone: TimeZone,
}

impl DetectorParameters {
    /// Signals with these noise floors, and a point every half minute.
    pub fn plain(floors: Vec<f64>, half_life: f64) -> Self {
        Self {
            floors,
            half_life,
            points_per_day: 2_880.0,
            buckets_per_day: seasonal::BUCKETS_PER_DAY_MAX,
            points_min: 5.0,
            novelty_half_life: 1.0,
            time_zone: TimeZone::default(),
        }
    }

    /// Number of signals in a point.
    pub fn width(&self) -> usize {
        self.floors.len()
    }

    /// Weight of what only many signals show: 0 for a single signal, 1 from nine signals on.
    pub fn share_of_many(width: usize) -> f64 {
        (width.saturating_sub(1) as f64 / 8.0).min(1.0)
    }
}

/// The input of a detector at one reading.
#[derive(Debug, Clone, Copy)]
pub struct DetectorInput<'a> {
    /// The newest point.
    pub point: &'a Point,
    /// Distance of each signal from its adaptive mean, in adaptive standard deviations; 0 within the noise floor and
    /// for a missing signal.
    pub z: &'a [f64],
    /// Share of the noise floor in the variance of `z`, between 0 and 1, for each signal.
    pub noise: &'a [f64],
    /// Factor by which thresholds are widened while few points are known; at least 1.
    pub threshold_factor: f64,
}

/// How the newest point is learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearnOptions {
    /// Weight of the point: a fraction of a window during warm-up, small inside an episode.
    pub weight: f64,
    /// Whether a whole window has passed since the last call with `step`, so that memories that count points advance.
    pub step: bool,
    /// Whether the point lies inside an episode. Memories that count points then advance with a normal point.
    pub in_episode: bool,
}

/// The output of one detector. Abstaining is an output, not a missing value.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum DetectorOutput {
    /// The detector has too little history.
    #[default]
    Abstain,
    /// The detector has a score.
    Score {
        /// Higher is more anomalous.
        score: f64,
        /// The score from which the point is anomalous.
        threshold: f64,
        /// Signed contribution of each signal to the score; empty if the detector cannot attribute it.
        shares: Vec<f64>,
    },
}

impl DetectorOutput {
    /// The score divided by its threshold, so 1.0 is the threshold.
    pub fn relative(&self) -> Option<f64> {
        match self {
            Self::Abstain => None,
            Self::Score { score, threshold, .. } => Some(score / threshold),
        }
    }
}

/// The output of each detector for one point.
pub type DetectorOutputs = PerDetector<DetectorOutput>;

/// The detectors of one subject with their learned state. The trained forest is shared and serialized elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Detectors {
    /// Distance from recent points.
    pub zscore: ZScore,
    /// Distance from the mean of the last days.
    pub baseline: ThreeSigma,
    /// Joint distance of all signals.
    pub distance: JointDistance,
    /// Isolation of the point.
    pub forest: EifDetector,
    /// New changes of signals.
    pub novelty: NoveltyDetector,
    /// Distance from the usual value at this time of day and week.
    pub seasonal: Seasonal,
    /// Absent signals.
    pub absence: AbsenceDetector,
    /// Signals that stay further from their mean than ever.
    pub level_extreme: LevelExtreme,
}

impl Detectors {
    /// Creates detectors without learned state.
    pub fn new(parameters: &DetectorParameters) -> Self {
        Self {
            zscore: ZScore::new(parameters),
            baseline: ThreeSigma,
            distance: JointDistance::new(parameters),
            forest: EifDetector::new(parameters),
            novelty: NoveltyDetector::new(parameters),
            seasonal: Seasonal::new(parameters),
            absence: AbsenceDetector::new(parameters),
            level_extreme: LevelExtreme::new(parameters),
        }
    }

    /// Scores the point with the state learned before it.
    pub fn judge(&self, input: &DetectorInput<'_>) -> DetectorOutputs {
        let Self { zscore, baseline, distance, forest, novelty, seasonal, absence, level_extreme } = self;
        DetectorOutputs {
            zscore: zscore.judge(input),
            baseline: baseline.judge(input),
            distance: distance.judge(input),
            forest: forest.judge(input),
            novelty: novelty.judge(input),
            seasonal: seasonal.judge(input),
            absence: absence.judge(input),
            level_extreme: level_extreme.judge(input),
        }
    }

    /// Learns the point.
    pub fn learn(&mut self, input: &DetectorInput<'_>, learn_options: LearnOptions) {
        let Self {
            zscore,
            baseline: ThreeSigma,
            distance,
            forest,
            novelty,
            seasonal,
            absence,
            level_extreme,
        } = self;
        zscore.learn(input, learn_options);
        distance.learn(input, learn_options);
        forest.learn(input, learn_options);
        novelty.learn(input, learn_options);
        seasonal.learn(input, learn_options);
        absence.learn(input, learn_options);
        level_extreme.learn(input, learn_options);
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        let Self {
            zscore,
            baseline: ThreeSigma,
            distance,
            forest,
            novelty,
            seasonal,
            absence,
            level_extreme,
        } = self;
        zscore.fits(&fresh.zscore)
            && distance.fits(&fresh.distance)
            && forest.fits(&fresh.forest)
            && novelty.fits(&fresh.novelty)
            && seasonal.fits(&fresh.seasonal)
            && absence.fits(&fresh.absence)
            && level_extreme.fits(&fresh.level_extreme)
    }
}

/// Expected value and normal range of a signal, in its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedRange {
    /// The expected value.
    pub value: f64,
    /// Lower bound of the normal range.
    pub lower: f64,
    /// Upper bound of the normal range.
    pub upper: f64,
}

/// Weight of a new point for this half-life: after `half_life` points, half of the old mean is left.
pub(crate) fn smoothing_factor(half_life: f64) -> f64 {
    1.0 - 0.5_f64.powf(1.0 / half_life)
}

/// Weight of the newest point in a mean whose earlier points weigh `before`.
///
/// It is that of exponential forgetting once there are many points: `max(1 - (1 - a)^weight, weight / (before +
/// weight))`. A point inside an episode never weighs more than a late one, because a single fault would otherwise be
/// half of the history of a new host.
pub(crate) fn gain(smoothing_factor: f64, learn_options: LearnOptions, before: f64) -> f64 {
    let late = 1.0 - (1.0 - smoothing_factor).powf(learn_options.weight);
    if learn_options.in_episode {
        late
    } else {
        late.max(learn_options.weight / (before + learn_options.weight))
    }
}
