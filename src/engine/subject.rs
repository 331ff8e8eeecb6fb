//! One subject: its signals, its window and its scorer.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{EngineSettings, TEST_SECONDS};
use crate::detect::DetectorParameters;
use crate::detect::baseline::BaselineStatistics;
use crate::detect::eif::ForestModel;
use crate::detect::seasonal::{BucketHistory, SeasonalFits};
use crate::drift::{self, DriftReference, DriftSamples};
use crate::forecast::{FILLING_SIGNALS, HistoryCapacity, PerDeviceHistory, PointHistory};
use crate::impact::ImpactTracker;
use crate::model_registry::ShadowTally;
use crate::reading::{SubjectTurnover, Timestamp};
use crate::report::{AlertState, Assessment, EpisodeCircumstances, FillingSignal, ScoreDetails};
use crate::scorer::{self, POINTS_MIN, Scorer};
use crate::selftest::{RecentNormalPoints, SelftestInput};
use crate::signal::{ReadingPair, Signal};
use crate::silence::SubjectSilence;
use crate::simulate::SignalSpec;
use crate::training::TrainingSet;
use crate::window::Window;

mod alert;
mod drift_watch;
mod episode_description;
mod forecast;
mod impact;
mod learning;
mod episode_circumstances;
mod snapshot;
mod presence;
mod verdict;
mod score_details;
mod warm_start;

pub(super) use snapshot::SavedSubject;

/// Largest size of a subject of a changing population with 14 signals, after weeks of learning; 160 MiB for all
/// [`SUBJECTS_MAX`](super::SUBJECTS_MAX) subjects.
pub const SUBJECT_BYTES_MAX: usize = 320 << 10;

/// Training rows kept for each subject of a changing population; together they have thousands.
pub const HISTORY_ROWS_MAX: usize = 256;

/// Buckets in a day by which a subject of a changing population distinguishes times of day: half hours.
const BUCKETS_PER_DAY: usize = 48;

/// Values that a subject of a changing population keeps for drift: one day.
const LOG_ROWS_MAX: usize = 144;

/// A gap of more than this many intervals, and of more than this share of the window, restarts the window: a tick that is
/// late now and then must not keep it from ever being full.
const GAP_INTERVALS: f64 = 3.0;
const GAP_SHARE: f64 = 1.0 / 3.0;
const DAY_SECONDS: f64 = 86_400.0;

/// The state of one subject.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SubjectState {
    #[serde(skip)]
    signals: Vec<&'static Signal>,
    window: Window,
    scorer: Scorer,
    /// Points for self-tests; only the sole subject of a kind is tested.
    recent: Option<RecentNormalPoints>,
    /// Time of the last self-test.
    tested: Option<Timestamp>,
    /// Whether a grace period is active.
    in_grace: bool,
    /// Whether points are learned after scoring.
    learning: bool,
    /// How it is silenced.
    #[serde(skip)]
    silence: Option<SubjectSilence>,
    /// The newest score and its time; it stays exposed for a while if readings fail.
    #[serde(skip)]
    newest: Option<(Timestamp, ScoreDetails)>,
    /// The description of the current episode.
    description: Option<Arc<str>>,
    /// Whether the description is due to be renewed with the next reading.
    #[serde(skip)]
    renews_description: bool,
    /// What made the newest episode expected.
    circumstances: EpisodeCircumstances,
    /// Seconds of readings so far, without gaps.
    observed: f64,
    /// Time of its last reading.
    #[serde(skip)]
    last_seen: Timestamp,
    /// Time at which its learned state was last handed out to be stored.
    #[serde(skip)]
    handed_out: Timestamp,
    /// Whether it was away, so that its window holds old readings.
    #[serde(skip)]
    was_away: bool,
    /// Whether it started with the statistics of another host.
    uses_host_prior: bool,
    /// Readings since the last whole point.
    since_point: usize,
    /// Seconds between the last two readings.
    #[serde(skip)]
    pace: f64,
    ready_at: Timestamp,
    ready: bool,
    /// Recent values of the signals.
    log: DriftSamples,
    /// Values of the signals at the time of training; part of the model.
    #[serde(skip)]
    reference: Option<Arc<DriftReference>>,
    /// Drift of each signal from that reference; 1.0 is the threshold.
    drift: Vec<Option<f64>>,
    /// What forecasts are made from.
    history: PointHistory,
    /// The devices of the signals that can be full, by index, once there are two.
    devices: BTreeMap<usize, PerDeviceHistory>,
    /// The signals that are filling up, computed once a minute.
    #[serde(skip)]
    filling: Vec<FillingSignal>,
    /// How much of its work waits.
    #[serde(skip)]
    impact: ImpactTracker,
    /// What the last tick scored, for the decision about an alert.
    #[serde(skip)]
    scored: Option<Scored>,
    /// The last decision about an alert.
    alert: Option<AlertState>,
}

/// The score of one tick.
#[derive(Debug, Clone, Copy)]
struct Scored {
    /// Seconds since the previous reading.
    elapsed: f64,
    /// The score that starts and ends episodes.
    score: f64,
    /// The threshold in effect, on the raw scale.
    threshold: f64,
}

impl SubjectState {
    pub(super) fn new(
        signals: &[&'static Signal],
        population: SubjectTurnover,
        settings: &EngineSettings,
    ) -> Self {
        let is_single = population == SubjectTurnover::Permanent;
        let fills: Vec<bool> = signals.iter().map(|it| FILLING_SIGNALS.contains(&it.name)).collect();
        let floors: Vec<f64> = signals.iter().map(|it| it.floor).collect();
        let plain = DetectorParameters::plain(floors.clone(), settings.half_life / settings.point_seconds());
        let shape = DetectorParameters {
            points_per_day: DAY_SECONDS / settings.point_seconds(),
            buckets_per_day: if is_single { plain.buckets_per_day } else { BUCKETS_PER_DAY },
            time_zone: settings.time_zone.clone(),
            ..plain
        };
        let [history_max, log_max] =
            if is_single { [scorer::ROWS_MAX, drift::ROWS_MAX] } else { [HISTORY_ROWS_MAX, LOG_ROWS_MAX] };
        let capacity = if is_single { HistoryCapacity::SINGLE } else { HistoryCapacity::ONE_OF_MANY };
        Self {
            signals: signals.to_vec(),
            window: Window::new(settings.window, signals.len()),
            scorer: Scorer::new(&shape).with_rows_max(history_max).with_filling(&fills),
            recent: is_single.then(RecentNormalPoints::default),
            tested: None,
            in_grace: false,
            learning: true,
            silence: None,
            newest: None,
            description: None,
            renews_description: false,
            circumstances: EpisodeCircumstances::default(),
            observed: 0.0,
            last_seen: Timestamp::default(),
            handed_out: Timestamp::default(),
            was_away: false,
            uses_host_prior: false,
            since_point: 0,
            pace: 0.0,
            ready_at: Timestamp::default(),
            ready: false,
            log: DriftSamples::new(floors).with_rows_max(log_max),
            reference: None,
            drift: vec![None; signals.len()],
            history: PointHistory::new(signals.len(), capacity),
            devices: BTreeMap::new(),
            filling: Vec::new(),
            impact: ImpactTracker::default(),
            scored: None,
            alert: None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Recent values of its signals.
    pub(super) fn log(&self) -> &DriftSamples {
        &self.log
    }

    /// Whether no episode and no grace period is active.
    pub(super) fn is_quiet(&self) -> bool {
        !self.in_grace && !self.scorer.is_anomalous()
    }

    /// Seconds of readings so far, without gaps.
    pub(super) fn observed(&self) -> f64 {
        self.observed
    }

    pub(super) fn at(&self) -> Timestamp {
        self.window.point().at
    }

    pub(super) fn install(&mut self, model: &ForestModel) {
        self.scorer.detectors.forest.install(model);
    }

    pub(super) fn start_shadow(&mut self, model: &ForestModel) {
        self.scorer.start_shadow(model);
    }

    pub(super) fn drop_shadow(&mut self) {
        self.scorer.drop_shadow();
    }

    pub(super) fn tally(&self) -> Option<ShadowTally> {
        self.scorer.tally()
    }

    pub(super) fn history(&mut self) -> Option<BucketHistory> {
        self.scorer.detectors.seasonal.history()
    }

    pub(super) fn take(&mut self, profile: &SeasonalFits) {
        self.scorer.detectors.seasonal.take(profile);
    }

    /// Sets whether a grace period is active.
    pub(super) fn grace(&mut self, active: bool) {
        self.in_grace = active;
        self.scorer.grace(active);
    }

    pub(super) fn training_set(&self, from: Timestamp) -> TrainingSet {
        TrainingSet { log: self.log.clone(), ..self.scorer.training_set_since(from) }
    }

    /// Accepts the current episode as normal from the next reading on; returns whether there is one.
    pub(super) fn accept(&mut self) -> bool {
        self.scorer.accept()
    }

    /// Takes the position of `live` in the loop, whose learned state is replaced by this one.
    pub(super) fn continue_from(&mut self, live: Self, settings: &EngineSettings) {
        self.scorer.continue_from(&live.scorer);
        (self.window, self.since_point) = (live.window, live.since_point);
        // Too little may be left for a score.
        self.newest = live.newest.filter(|_| self.ready);
        (self.in_grace, self.learning, self.last_seen) = (live.in_grace, live.learning, live.last_seen);
        (self.description, self.circumstances, self.impact) =
            (live.description, live.circumstances, live.impact);
        self.alert = live.alert;
        // Its points may be too few for a score.
        self.estimate_ready_at(self.last_seen, settings);
    }

    /// Statistics of each signal in its unit, over all times of day; none before the first whole point.
    pub(super) fn baselines(&self) -> impl Iterator<Item = (&'static Signal, BaselineStatistics)> {
        self.signals.iter().enumerate().filter_map(|(idx, it)| Some((*it, self.scorer.baseline(idx)?)))
    }

    /// Scores the newest pair of readings, then learns it.
    pub(super) fn step(
        &mut self,
        at: Timestamp,
        change: Option<ReadingPair<'_>>,
        settings: &EngineSettings,
    ) -> Assessment {
        if std::mem::take(&mut self.was_away) {
            self.window.restart();
            self.scorer.interrupt();
        }
        let elapsed = self.observe(at, change, settings);
        let mut assessment =
            Assessment { ready_at: self.ready_at, ready: self.ready, ..Assessment::default() };
        assessment.uses_kind_prior = self.uses_prior();
        if let Some(elapsed) = elapsed.filter(|_| self.window.is_full()) {
            let step = self.step_learning_weight(elapsed, settings);
            let rules = self.rules(settings);
            if let Some(score) = self.scorer.step(self.window.point(), step, &rules) {
                assessment.transition = score.transition;
                assessment.absent = score.absences.iter().map(|it| self.absent(it, settings)).collect();
                assessment.like_rejected = score.like_rejected;
                self.scored = Some(Scored { elapsed, score: score.decisive, threshold: score.threshold });
                self.newest = Some((self.at(), self.details(score)));
            }
            if step.whole {
                self.remember();
                self.watch_drift();
                self.update_filling_signals(change.as_ref());
                assessment.point = Some(Arc::new(self.learned(settings)));
            }
        }
        let fresh =
            |(then, _): &&(Timestamp, ScoreDetails)| (0.0..=settings.score_hold).contains(&(at.0 - then.0));
        assessment.details = self.newest.as_ref().filter(fresh).map(|(_, details)| details.clone());
        assessment.signals = self.signal_states();
        assessment.filling.clone_from(&self.filling);
        assessment.episode = self.scorer.episode();
        assessment.episodes = self.scorer.episodes();
        assessment
    }

    /// Keeps the whole points of an hour without episode and grace.
    fn remember(&mut self) {
        let Some(recent) = &mut self.recent else { return };
        if self.ready && !self.in_grace && self.scorer.episode().is_none() {
            recent.push(self.window.point());
        } else {
            recent.clear();
        }
    }

    /// The input of a self-test, if one is due. The call marks the test as started.
    pub(super) fn selftest_input(&mut self, settings: &EngineSettings) -> Option<SelftestInput> {
        let recent = self.recent.as_ref().filter(|it| it.is_full())?;
        let now = self.window.point().at;
        // After a backward clock step, the last test lies in the future; a test is due then.
        let waits = |then: Timestamp| (0.0..TEST_SECONDS).contains(&(now.0 - then.0));
        if self.tested.is_some_and(waits) || self.in_grace || self.scorer.episode().is_some() {
            return None;
        }
        self.tested = Some(now);
        let column =
            |it: &&'static Signal| SignalSpec { name: it.name, floor: it.floor, min: 0.0, max: it.max() };
        Some(SelftestInput {
            scorer: self.scorer.fork(),
            points: recent.points(),
            columns: self.signals.iter().map(column).collect(),
            settings: settings.scorer(),
        })
    }

    /// Pushes the pair of readings into the window; returns the seconds between them, or `None` across a gap.
    fn observe(
        &mut self,
        at: Timestamp,
        change: Option<ReadingPair<'_>>,
        settings: &EngineSettings,
    ) -> Option<f64> {
        // Where each reading takes several intervals, that is the pace, and no gap.
        let pace = self.pace.clamp(settings.interval, settings.point_seconds().max(settings.interval));
        let gap_max = (GAP_INTERVALS * pace).max(GAP_SHARE * settings.point_seconds());
        self.pace = change.map_or(0.0, |it| it.elapsed);
        let change = change.filter(|it| it.elapsed <= gap_max);
        if let Some(change) = &change {
            self.observed += change.elapsed;
            // A small backward clock step makes the elapsed time short and rates huge.
            let known = change.elapsed >= settings.interval / 2.0;
            let signals = self.signals.iter().map(|it| if known { (it.formula)(change) } else { None });
            self.window.push(at, signals.collect());
        } else {
            self.window.restart();
            self.scorer.interrupt();
        }
        self.estimate_ready_at(at, settings);
        change.map(|it| it.elapsed)
    }

    /// Updates the estimated time of the first score until there is one; from then on, it is not in the future.
    fn estimate_ready_at(&mut self, at: Timestamp, settings: &EngineSettings) {
        if !self.ready {
            let unknown = match POINTS_MIN - self.scorer.points() {
                // The first point is known once the window is full, and is learned from then on.
                points if points > 0.0 => {
                    points * settings.point_seconds() + self.window.lacking() as f64 * settings.interval
                }
                _ => 0.0,
            };
            let left = (settings.warmup - self.observed).max(unknown);
            self.ready_at = Timestamp(at.0 + left.max(0.0));
            self.ready = left <= 0.0;
        } else if settings.point_seconds() < self.ready_at.0 - at.0 {
            // The clock was ahead then.
            self.ready_at = at;
        }
    }
}
