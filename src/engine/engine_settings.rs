//! The settings of the engine, and those of a scorer that follow from them.

use crate::alert::{self, AlertStartRule};
use crate::alert_budget::AlertBudget;
use crate::detect::detector_settings::DetectorSettings;
use crate::episode::EpisodeEndRule;
use crate::grace::GraceDurations;
use crate::scorer::{self, ScoreHold};
use crate::time_zone::TimeZone;

/// Settings of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineSettings {
    /// Seconds between two readings.
    pub interval: f64,
    /// Number of readings that a point averages.
    pub window: usize,
    /// Seconds of learning before the first score.
    pub warmup: f64,
    /// Seconds for which the highest score stays exposed, so that no scrape misses a spike.
    pub score_hold: f64,
    /// Threshold on the raw scale of the joint score.
    pub threshold: f64,
    /// The score from which an episode is an alert.
    pub alert_level: f64,
    /// Accepted number of alerts; with enough history, the alert level is derived from it.
    pub budget: AlertBudget,
    /// Whether an episode whose like is known from the past is an alert, too.
    pub alert_on_recurrence: bool,
    /// Length of each grace period.
    pub grace: GraceDurations,
    /// Which detectors count, and what decides.
    pub detectors: DetectorSettings,
    /// When an episode ends.
    pub resolve: EpisodeEndRule,
    /// Half-life of the smoothed score, in readings.
    pub smoothing: f64,
    /// Half-life of learned statistics, in seconds.
    pub half_life: f64,
    /// Weight with which a point inside an episode is learned, between 0 and 1.
    pub anomaly_learning_weight: f64,
    /// Seconds between two trainings of the forest.
    pub retrain_interval: f64,
    /// Seconds without a reading after which a subject of a changing population is evicted.
    pub evict_after: f64,
    /// Whether drift also starts a training.
    pub retrain_on_drift: bool,
    /// The zone of times of day and week.
    pub time_zone: TimeZone,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            interval: 1.0,
            window: 30,
            warmup: 600.0,
            score_hold: 60.0,
            threshold: scorer::THRESHOLD,
            alert_level: alert::LEVEL,
            budget: AlertBudget::OFF,
            alert_on_recurrence: false,
            grace: GraceDurations::default(),
            detectors: DetectorSettings::default(),
            resolve: EpisodeEndRule { below: 0.7, seconds: 30.0, accept_after: 6.0 * 3_600.0 },
            smoothing: 1.0,
            half_life: 7.0 * 86_400.0,
            anomaly_learning_weight: 1.0,
            retrain_interval: 86_400.0,
            evict_after: 900.0,
            retrain_on_drift: true,
            time_zone: TimeZone::default(),
        }
    }
}

impl EngineSettings {
    /// Length of a window, in seconds.
    pub(super) fn point_seconds(&self) -> f64 {
        self.interval * self.window as f64
    }

    pub(super) fn scorer(&self) -> scorer::ScorerSettings {
        scorer::ScorerSettings {
            point_seconds: self.point_seconds(),
            threshold: self.threshold,
            alert: AlertStartRule {
                level: self.alert_level,
                budget: self.budget,
                on_recurrence: self.alert_on_recurrence,
            },
            detectors: self.detectors,
            resolve: self.resolve,
            smoothing: self.smoothing,
            score_hold: ScoreHold::Seconds(self.score_hold),
            anomaly_learning_weight: self.anomaly_learning_weight,
            exclude_episodes_from_short_memory: true,
        }
    }
}
