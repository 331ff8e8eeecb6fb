//! Detectors: each judges the newest point by what it learned of the points before.
//!
//! A point is judged before it is learned. Nothing here asks for the time, a file or a random number: seeds and
//! points come in.

use std::fmt;

use dyn_clone::DynClone;

use crate::reading::Timestamp;
use crate::window::Point;

use absence::Absence;

pub mod quantile;
pub mod adaptive;
pub mod season;
pub mod memory;
pub mod mahalanobis;
pub mod random;
mod grow;
pub mod forest;
pub mod eif;
pub mod zscore;
pub mod baseline;
pub mod distance;
mod runs;
pub mod absence;
mod excursion;
pub mod two_means;
pub mod novelty;
pub mod expectation;
pub mod seasonal;
pub mod vote;
pub mod fuse;
pub mod young;
pub mod tail;
pub mod blame;
pub mod contribution;

/// All detectors, in the order in which they are asked and exposed.
pub static DETECTORS: &[Row] = &[
    Row {
        name: "zscore",
        help: "Distance from the mean of the last 100 points, in standard deviations",
        votes: true,
        build: zscore::build,
    },
    Row {
        name: "baseline",
        help: "Distance from the mean of the last days, in standard deviations",
        votes: true,
        build: baseline::build,
    },
    Row {
        name: "distance",
        help: "Mahalanobis distance of the point, its smoothed twins and its change",
        votes: false,
        build: distance::build,
    },
    Row {
        name: "eif",
        help: "Extended isolation forest: how few random cuts set the point apart from the others",
        votes: true,
        build: eif::build,
    },
    Row {
        name: "novelty",
        help: "Share of the signals that move as they did in none of 18 spans of six hours in the last days",
        votes: false,
        build: novelty::build,
    },
    Row {
        name: "seasonal",
        help: "Distance from what is usual at this time of the day and of the week, in standard deviations",
        votes: true,
        build: seasonal::build,
    },
    Row {
        name: "absence",
        help: "Signals that stand still, vanished or stopped counting: how long, against the longest time before",
        votes: false,
        build: absence::build,
    },
    Row {
        name: "excursion",
        help: "A signal that stays further out than ever in the days before, smoothed, against the furthest before",
        votes: false,
        build: excursion::build,
    },
];

/// One detector.
#[derive(Debug)]
pub struct Row {
    /// The value of the label `detector`.
    pub name: &'static str,
    /// One sentence for the documentation.
    pub help: &'static str,
    /// Whether it takes part in the majority vote.
    pub votes: bool,
    /// A new one that knows nothing yet.
    pub build: fn(&Shape) -> Box<dyn Detector>,
}

/// What a detector has to know of the points that will come.
#[derive(Debug, Clone)]
pub struct Shape {
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

impl Shape {
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
pub struct View<'a> {
    /// The newest point.
    pub point: &'a Point,
    /// Its distance from the adaptive mean in adaptive standard deviations, one a signal; 0 within the noise
    /// floor and where the signal is missing.
    pub z: &'a [f64],
    /// How much of one unit of variance of `z` is the noise floor's, within 0 and 1, one a signal.
    pub noise: &'a [f64],
    /// How much wider limits are while few points are known, at least 1.
    pub width: f64,
}

/// How the newest point is to be learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lesson {
    /// As how much of a whole point it counts: a share of a window while warming up, little inside an episode.
    pub weight: f64,
    /// Whether a whole window has passed since the last lesson with `step`: memories that count points move on.
    pub step: bool,
    /// Whether the point lies inside an episode: memories that count points move on as if it were ordinary.
    pub quarantined: bool,
}

/// The opinion of one detector. To abstain is a verdict, not a missing value.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It does not know enough yet.
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

impl Verdict {
    /// The score in units of its threshold, so that 1.0 is the limit.
    pub fn relative(&self) -> Option<f64> {
        match self {
            Self::Abstain => None,
            Self::Score { score, threshold, .. } => Some(score / threshold),
        }
    }
}

/// Judges points.
pub trait Detector: DynClone + Send + fmt::Debug {
    /// Judges the point by what was learned before it.
    fn judge(&self, view: &View<'_>) -> Verdict;

    /// Learns the point.
    fn learn(&mut self, view: &View<'_>, lesson: Lesson);

    /// Takes note of an ordinary point of weeks ago, for detectors that know times of the week; `z` is not known any more.
    fn note(&mut self, view: &View<'_>) {
        let _ = view;
    }

    /// The signals that ceased, for detectors that see such.
    fn absences(&self, view: &View<'_>) -> Vec<Absence> {
        let _ = view;
        Vec::new()
    }

    /// What was learned, as bytes for [`load`](Self::load). A trained model is no part of it: it is shared, and given
    /// by [`install`](Self::install).
    fn save(&self) -> Vec<u8>;

    /// Takes over what a detector of the same shape saved; says whether the bytes are such. If not, nothing changed.
    fn load(&mut self, bytes: &[u8]) -> bool;

    /// Takes over a trained model, when it is of the kind that this detector uses.
    fn install(&mut self, model: &eif::Model) {
        let _ = model;
    }

    /// Judges the point as it would with this model in the place of its own; nothing when it uses none.
    fn judge_by(&self, view: &View<'_>, model: &eif::Model) -> Option<Verdict> {
        let _ = (view, model);
        None
    }

    /// What a profile of its times of day and week is to be fitted on, when a fit is due; asking counts as fitting.
    ///
    /// A fit takes a tenth of a second, so it is done beside the loop.
    fn history(&mut self) -> Option<seasonal::History> {
        None
    }

    /// Takes over a profile that was fitted on its history.
    fn take(&mut self, profile: &seasonal::Profile) {
        let _ = profile;
    }

    /// What it expects of signal `idx` at this instant, when it expects anything in particular. `width` is that of
    /// the [`View`].
    fn expected(&self, at: Timestamp, idx: usize, width: f64) -> Option<Range> {
        let _ = (at, idx, width);
        None
    }
}

/// What is expected of a signal and the bounds that ordinary values keep to, in its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The value itself.
    pub value: f64,
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
}

dyn_clone::clone_trait_object!(Detector);

/// The weight of a half-life: after `half_life` points of it, half of what was before is left.
pub(crate) fn forgetting(half_life: f64) -> f64 {
    1.0 - 0.5_f64.powf(1.0 / half_life)
}

/// The share that the newest point has in a mean over `before` points' weights.
///
/// With exponential forgetting once those are many: `max(1 - (1 - a)^weight, weight / (before + weight))`. A
/// quarantined point never has more than the share of a late one, or a single fault would be half of all that a
/// young host knows.
pub(crate) fn gain(forgetting: f64, lesson: Lesson, before: f64) -> f64 {
    let late = 1.0 - (1.0 - forgetting).powf(lesson.weight);
    if lesson.quarantined { late } else { late.max(lesson.weight / (before + lesson.weight)) }
}
