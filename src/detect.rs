//! The detectors. Each scores the newest point by what it learned from earlier points.
//!
//! A point is scored before it is learned. Detectors read no clock and no file; seeds and points are passed in.

use serde::{Deserialize, Serialize};

use crate::window::Point;

use absence::AbsenceTracker;
use baseline::Baseline;
use distance::Distance;
use eif::Eif;
use level_extreme::LevelExtreme;
use novelty::Novelty;
use seasonal::Seasonal;
use zscore::ZScore;

pub mod p2_quantile;
pub mod exponential_moments;
pub mod time_of_day;
pub mod short_memory;
pub mod mahalanobis;
pub mod seeded_rng;
mod tree_builder;
pub mod forest;
pub mod eif;
pub mod zscore;
pub mod baseline;
pub mod distance;
mod run_length;
pub mod absence;
pub mod level_extreme;
pub mod kmeans;
pub mod novelty;
pub mod expectation;
pub mod seasonal;
pub mod majority_vote;
pub mod joint_score;
pub mod small_sample;
pub mod budget_threshold;
pub mod signal_ranking;
pub mod contribution;

/// One value for each detector. A detector that is added here is missing everywhere else until the program compiles.
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

    /// Returns the values with the rows of the table that describe their detectors.
    pub fn described(&self) -> impl Iterator<Item = (&'static DetectorInfo, &T)> {
        DETECTORS.each().into_iter().zip(self.each())
    }

    /// Returns the values in the same order, to be changed.
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
        help: "Distance from the mean of the last days, in standard deviations",
        votes: true,
        selective: false,
    },
    distance: DetectorInfo {
        name: "distance",
        help: "Mahalanobis distance of the point, of its smoothed values and of its change",
        votes: false,
        selective: false,
    },
    forest: DetectorInfo {
        name: "eif",
        help: "Extended isolation forest: number of random cuts that isolate the point; fewer cuts score higher",
        votes: true,
        selective: false,
    },
    novelty: DetectorInfo {
        name: "novelty",
        help: "Share of the signals whose behavior matches none of 18 six-hour periods of the last days",
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
        help: "Signals that stopped changing, stopped counting or vanished: duration, compared with the longest before",
        votes: false,
        selective: true,
    },
    level_extreme: DetectorInfo {
        name: "level_extreme",
        help: "Smoothed distance of a signal from its mean, compared with the largest of the last days",
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
    /// Whether it judges only signals with a season, a habit of moving or a noise floor, so that it may be right to
    /// miss a fault in others.
    pub selective: bool,
}

impl DetectorInfo {
    /// Returns whether the detector votes for an anomaly at this score, which is in units of its threshold; `None` when
    /// it has no vote or abstains.
    pub fn vote(&self, score: Option<f64>) -> Option<bool> {
        score.filter(|_| self.votes).map(|it| it >= 1.0)
    }
}

/// What a detector has to know of the points that will come.
#[derive(Debug, Clone)]
pub struct FeatureSpec {
    /// One noise floor a signal: a distance below it is never an anomaly; in the unit of the signal.
    pub floors: Vec<f64>,
    /// After how many points half of what was learned is forgotten.
    pub half_life: f64,
    /// Points in a day.
    pub points_per_day: f64,
    /// Buckets of a day, at most, that times of day and week are told apart by.
    pub buckets_per_day: usize,
    /// A signal known for fewer points has no distance from its mean.
    pub points_min: f64,
    /// After how many points half of a novelty is forgotten.
    pub novelty_half_life: f64,
}

impl FeatureSpec {
    /// Signals with these floors, a point each half minute.
    pub fn plain(floors: Vec<f64>, half_life: f64) -> Self {
        Self {
            floors,
            half_life,
            points_per_day: 2_880.0,
            buckets_per_day: seasonal::BUCKETS_PER_DAY_MAX,
            points_min: 5.0,
            novelty_half_life: 1.0,
        }
    }

    /// How many signals a point has.
    pub fn width(&self) -> usize {
        self.floors.len()
    }
}

/// What a detector is shown at one reading.
#[derive(Debug, Clone, Copy)]
pub struct PointView<'a> {
    /// The newest point.
    pub point: &'a Point,
    /// Its distance from the adaptive mean in adaptive standard deviations, one a signal; 0 within the noise
    /// floor and where the signal is missing.
    pub z: &'a [f64],
    /// How much of one unit of variance of `z` is the noise floor's, within 0 and 1, one a signal.
    pub noise: &'a [f64],
    /// How much wider limits are while few points are known, at least 1.
    pub threshold_factor: f64,
}

/// How the newest point is to be learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearnStep {
    /// As how much of a whole point it counts: a share of a window while warming up, little inside an episode.
    pub weight: f64,
    /// Whether a whole window has passed since the last lesson with `step`: memories that count points move on.
    pub step: bool,
    /// Whether the point lies inside an episode: memories that count points move on as if it were ordinary.
    pub in_anomaly: bool,
}

/// The opinion of one detector. To abstain is a verdict, not a missing value.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum DetectorOutput {
    /// It does not know enough yet.
    #[default]
    Abstain,
    /// It has an opinion.
    Score {
        /// Higher is stranger.
        score: f64,
        /// From which score on it calls the point an anomaly.
        threshold: f64,
        /// What each signal adds to the score, signed; empty when the detector cannot say.
        shares: Vec<f64>,
    },
}

impl DetectorOutput {
    /// The score in units of its threshold, so that 1.0 is the limit.
    pub fn relative(&self) -> Option<f64> {
        match self {
            Self::Abstain => None,
            Self::Score { score, threshold, .. } => Some(score / threshold),
        }
    }
}

/// The opinion of each detector on one point.
pub type Outputs = PerDetector<DetectorOutput>;

/// The detectors of one subject and what each learned. Serialized without the trained forest, which is shared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Detectors {
    /// Distance from the last points.
    pub zscore: ZScore,
    /// Distance from the last days.
    pub baseline: Baseline,
    /// Distance of all signals together.
    pub distance: Distance,
    /// How isolated a point is.
    pub forest: Eif,
    /// Movements that are new.
    pub novelty: Novelty,
    /// Distance from the time of day and week.
    pub seasonal: Seasonal,
    /// Signals that cease.
    pub absence: AbsenceTracker,
    /// Signals that stay further out than ever.
    pub level_extreme: LevelExtreme,
}

impl Detectors {
    /// Knows nothing yet.
    pub fn new(shape: &FeatureSpec) -> Self {
        Self {
            zscore: ZScore::new(shape),
            baseline: Baseline,
            distance: Distance::new(shape),
            forest: Eif::new(shape),
            novelty: Novelty::new(shape),
            seasonal: Seasonal::new(shape),
            absence: AbsenceTracker::new(shape),
            level_extreme: LevelExtreme::new(shape),
        }
    }

    /// Judges the point by what was learned before it.
    pub fn judge(&self, view: &PointView<'_>) -> Outputs {
        let Self { zscore, baseline, distance, forest, novelty, seasonal, absence, level_extreme } = self;
        Outputs {
            zscore: zscore.judge(view),
            baseline: baseline.judge(view),
            distance: distance.judge(view),
            forest: forest.judge(view),
            novelty: novelty.judge(view),
            seasonal: seasonal.judge(view),
            absence: absence.judge(view),
            level_extreme: level_extreme.judge(view),
        }
    }

    /// Learns the point.
    pub fn learn(&mut self, view: &PointView<'_>, lesson: LearnStep) {
        let Self { zscore, baseline: Baseline, distance, forest, novelty, seasonal, absence, level_extreme } =
            self;
        zscore.learn(view, lesson);
        distance.learn(view, lesson);
        forest.learn(view, lesson);
        novelty.learn(view, lesson);
        seasonal.learn(view, lesson);
        absence.learn(view, lesson);
        level_extreme.learn(view, lesson);
    }

    /// Whether these can go on in the place of `fresh`, which have the same settings.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        let Self { zscore, baseline: Baseline, distance, forest, novelty, seasonal, absence, level_extreme } =
            self;
        zscore.fits(&fresh.zscore)
            && distance.fits(&fresh.distance)
            && forest.fits(&fresh.forest)
            && novelty.fits(&fresh.novelty)
            && seasonal.fits(&fresh.seasonal)
            && absence.fits(&fresh.absence)
            && level_extreme.fits(&fresh.level_extreme)
    }
}

/// What is expected of a signal and the bounds that ordinary values keep to, in its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedRange {
    /// The value itself.
    pub value: f64,
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
}

/// The weight of a half-life: after `half_life` points of it, half of what was before is left.
pub(crate) fn forgetting(half_life: f64) -> f64 {
    1.0 - 0.5_f64.powf(1.0 / half_life)
}

/// The share that the newest point has in a mean over `before` points' weights.
///
/// With exponential forgetting once those are many: `max(1 - (1 - a)^weight, weight / (before + weight))`. A
/// quarantined point never has more than the share of a late one, or a single fault would be half of all that a
/// young host knows.
pub(crate) fn gain(forgetting: f64, lesson: LearnStep, before: f64) -> f64 {
    let late = 1.0 - (1.0 - forgetting).powf(lesson.weight);
    if lesson.in_anomaly { late } else { late.max(lesson.weight / (before + lesson.weight)) }
}
