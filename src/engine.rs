//! Turns readings into reports: a pure function with state.
//!
//! It has no clock, files, random numbers, log or errors. `run` feeds it from the kernel; tests, replays and bug reports
//! feed it lists of readings. Equal readings, settings and models give equal reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::budget::Budget;
use crate::detect::baseline::BaselineStatistics;
use crate::detect::eif::ForestModel;
use crate::detect::seasonal::{BucketHistory, CycleProfile};
use crate::drift::DriftReference;
use crate::episode::ResolveRule;
use crate::grace::{GraceDurations, GraceTrigger, GraceWatcher};
use crate::model_registry::ShadowTally;
use crate::reading::{Reading, Subject, SubjectKind, Timestamp};
use crate::report::Report;
use crate::scorer::{self, ScoreHold};
use crate::selftest::SelftestInput;
use crate::signal::{ReadingPair, Signal};

mod subject_kind_state;
mod lifecycle;
mod forget;
mod snapshot;
mod subject;
mod training_schedule;
mod warm_start;

pub use lifecycle::{EVICTIONS_MAX, StateTransfers, SubjectCounts, WAIT_SECONDS};
pub use snapshot::SnapshotMismatch;
pub use subject::{HISTORY_ROWS_MAX, SUBJECT_BYTES_MAX};
pub use subject_kind_state::LENDERS_MIN;
pub use training_schedule::{DRIFT_SECONDS, RETRY_SECONDS};
pub use warm_start::WarmStart;

use subject::SubjectState;
use subject_kind_state::SubjectKindState;

/// Subjects that are live at most. Over it the one seen least recently is evicted; what is over it in one reading is read
/// and exposed, not judged.
pub const SUBJECTS_MAX: usize = 512;

/// Seconds between two self-tests.
pub const TEST_SECONDS: f64 = 3_600.0;

/// How the engine judges.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineSettings {
    /// Seconds between two readings.
    pub interval: f64,
    /// Readings whose mean is a point.
    pub window: usize,
    /// Seconds of readings before the first score.
    pub warmup: f64,
    /// Seconds for which the highest score is kept, so that no scrape misses a spike.
    pub score_hold: f64,
    /// The joint score that is the limit, on the raw scale.
    pub threshold: f64,
    /// Episodes that a subject may have; the limit follows from it once enough is known.
    pub budget: Budget,
    /// How long the beginning of episodes is held back, by reason.
    pub grace: GraceDurations,
    /// When an episode ends.
    pub resolve: ResolveRule,
    /// After so many readings half of what the score was is left, where the newest reading is ordinary.
    pub smoothing: f64,
    /// Seconds after which half of what was learned is forgotten.
    pub half_life: f64,
    /// As how much of a point one inside an episode is learned.
    pub anomaly_weight: f64,
    /// Seconds between two trainings of the forest.
    pub retrain_interval: f64,
    /// Seconds after which a subject that is missing from the readings is evicted, of kinds whose subjects come and go.
    pub evict_after: f64,
    /// Whether a forest is trained as well when signals are no longer what it was trained on.
    pub retrain_on_drift: bool,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            interval: 1.0,
            window: 30,
            warmup: 600.0,
            score_hold: 60.0,
            threshold: 5.0,
            budget: Budget::OFF,
            grace: GraceDurations::default(),
            resolve: ResolveRule { below: 0.7, seconds: 30.0, accept_after: 6.0 * 3_600.0 },
            smoothing: 1.0,
            half_life: 7.0 * 86_400.0,
            anomaly_weight: 1.0,
            retrain_interval: 86_400.0,
            evict_after: 900.0,
            retrain_on_drift: true,
        }
    }
}

impl EngineSettings {
    /// Seconds of readings that a point stands for.
    fn point_seconds(&self) -> f64 {
        self.interval * self.window as f64
    }

    fn scorer(&self) -> scorer::ScorerSettings {
        scorer::ScorerSettings {
            point_seconds: self.point_seconds(),
            threshold: self.threshold,
            budget: self.budget,
            resolve: self.resolve,
            smoothing: self.smoothing,
            score_hold: ScoreHold::Seconds(self.score_hold),
            anomaly_weight: self.anomaly_weight,
            shelter_short_memory: true,
        }
    }
}

/// Follows every subject of the readings it is given.
#[derive(Debug)]
pub struct Engine {
    settings: EngineSettings,
    /// Kinds that have signals.
    kinds: BTreeMap<SubjectKind, SubjectKindState>,
    states: BTreeMap<Subject, SubjectState>,
    /// Subjects whose stored state was asked for, and when.
    waiting: BTreeMap<Subject, Timestamp>,
    handover: StateTransfers,
    /// The reading before, which rates are taken against.
    before: Arc<Reading>,
    watch: GraceWatcher,
    learning: bool,
}

impl Engine {
    /// Knows nothing yet.
    pub fn new(signals: impl IntoIterator<Item = &'static Signal>, settings: &EngineSettings) -> Self {
        let mut families: BTreeMap<SubjectKind, SubjectKindState> = BTreeMap::new();
        for signal in signals {
            families
                .entry(signal.kind)
                .or_insert_with(|| SubjectKindState::new(signal.kind))
                .signals
                .push(signal);
        }
        Self {
            settings: settings.clone(),
            kinds: families,
            states: BTreeMap::new(),
            waiting: BTreeMap::new(),
            handover: StateTransfers::default(),
            before: Arc::new(Reading::default()),
            watch: GraceWatcher::new(&[], settings.grace),
            learning: true,
        }
    }

    /// Lets readings tell why the machine is not as it used to be.
    pub fn with_cues(self, cues: &'static [GraceTrigger]) -> Self {
        Self { watch: GraceWatcher::new(cues, self.settings.grace), ..self }
    }

    /// Whether readings are learned, not only judged.
    pub fn is_learning(&self) -> bool {
        self.learning
    }

    /// Learns from now on, or only judges.
    pub fn set_learning(&mut self, on: bool) {
        self.learning = on;
    }

    /// Judges one reading, then learns it. Subjects that came or went are in [`take_handover`](Self::take_handover).
    pub fn step(&mut self, now: Reading) -> Report {
        let left = self.update_subjects(&now);
        let mut judgements = BTreeMap::new();
        let grace = self.watch.step(&self.before, &now);
        let held_back = grace.is_some_and(|it| it.is_active());
        for (subject, values) in &now.subjects {
            if let Some(state) = self.states.get_mut(subject) {
                let before = self.before.subjects.get(subject);
                let change =
                    before.and_then(|before| ReadingPair::new(before, values, now.at.0 - self.before.at.0));
                state.grace(held_back);
                state.learning(self.learning);
                let mut judgement = state.step(now.at, change, &self.settings);
                state.describe(subject, &mut judgement);
                judgements.insert(subject.clone(), judgement);
            }
        }
        let reading = Arc::new(now);
        self.before = Arc::clone(&reading);
        Report { reading, assessments: judgements, departed: left, grace, ..Report::default() }
    }

    /// When the newest reading was made.
    pub fn at(&self) -> Timestamp {
        self.before.at
    }

    /// The kinds of subjects that can be judged.
    pub fn kinds(&self) -> impl Iterator<Item = SubjectKind> + use<'_> {
        self.kinds.keys().copied()
    }

    /// The signals of this kind, in their order.
    pub fn signals(&self, kind: SubjectKind) -> Vec<&'static Signal> {
        self.kinds.get(&kind).map(|it| it.signals.clone()).unwrap_or_default()
    }

    /// Goes on after this reading, as if it had been stepped last: rates are taken against it.
    pub fn resume_from(&mut self, reading: Arc<Reading>) {
        self.before = reading;
    }

    /// Judges subjects of this kind by this model from now on.
    pub fn install(&mut self, kind: SubjectKind, model: &ForestModel) {
        self.kinds.entry(kind).and_modify(|it| it.model = Some(model.clone()));
        self.of_kind(kind).for_each(|it| it.install(model));
    }

    /// Compares what signals of this kind are like with what they were when the model was trained, from now on.
    pub fn compare_with(&mut self, kind: SubjectKind, reference: &DriftReference) {
        let Some(family) = self.kinds.get_mut(&kind) else { return };
        let reference = Arc::new(reference.clone());
        (family.reference, family.drift) = (Some(Arc::clone(&reference)), None);
        // One of many is compared by nobody: it is not like all of them. See `train`.
        if !family.is_changing() {
            self.of_kind(kind).for_each(|it| it.compare_with(&reference));
        }
    }

    /// Tries this model on subjects of this kind, beside the one that judges.
    pub fn try_out(&mut self, kind: SubjectKind, model: &ForestModel) {
        self.set_shadow(kind, Some(model));
        self.of_kind(kind).for_each(|it| it.try_out(model));
    }

    /// Tries none on subjects of this kind any more.
    pub fn drop_shadow(&mut self, kind: SubjectKind) {
        self.set_shadow(kind, None);
        self.of_kind(kind).for_each(SubjectState::drop_shadow);
    }

    fn set_shadow(&mut self, kind: SubjectKind, model: Option<&ForestModel>) {
        self.kinds.entry(kind).and_modify(|it| {
            (it.shadow, it.tally) = (model.cloned(), ShadowTally::default());
        });
    }

    /// Episodes that are under way are the new normal, from the next reading on; gives their subjects.
    pub fn accept(&mut self) -> Vec<Subject> {
        let accepted = self.states.iter_mut().filter_map(|(subject, it)| it.accept().then_some(subject));
        accepted.cloned().collect()
    }

    /// What the model that is tried out said so far of all subjects of this kind, beside the one that judges.
    pub fn tally(&self, kind: SubjectKind) -> ShadowTally {
        let of_kind = self.states.iter().filter(|(subject, _)| subject.kind() == kind);
        let gone = self.kinds.get(&kind).map(|it| it.tally).unwrap_or_default();
        of_kind.filter_map(|(_, it)| it.tally()).fold(gone, ShadowTally::with)
    }

    fn of_kind(&mut self, kind: SubjectKind) -> impl Iterator<Item = &mut SubjectState> {
        self.states.iter_mut().filter(move |(subject, _)| subject.kind() == kind).map(|(_, it)| it)
    }

    /// Whose times of day and week are to be fitted, when a fit is due, and on what; asking counts as fitting.
    ///
    /// Unlike a forest, a profile is of one subject: hosts of a kind do not sleep at the same time.
    pub fn due_history(&mut self) -> Option<(Subject, BucketHistory)> {
        self.states.iter_mut().find_map(|(subject, state)| Some((subject.clone(), state.history()?)))
    }

    /// A self-test of a subject that is alone of its kind, when one is due; asking counts as testing.
    ///
    /// It is due once an hour without an episode and without grace was seen, and an hour after the last one.
    pub fn due_trial(&mut self) -> Option<(Subject, SelftestInput)> {
        let settings = &self.settings;
        self.states.iter_mut().find_map(|(subject, it)| Some((subject.clone(), it.trial(settings)?)))
    }

    /// What is normal of each signal of each subject. Not made at each step, as nobody needs it then.
    pub fn baselines(&self) -> impl Iterator<Item = (&Subject, &'static Signal, BaselineStatistics)> {
        self.states
            .iter()
            .flat_map(|(subject, state)| state.baselines().map(move |(signal, it)| (subject, signal, it)))
    }

    /// Judges this subject by this profile from now on.
    pub fn take(&mut self, subject: &Subject, profile: &CycleProfile) {
        if let Some(state) = self.states.get_mut(subject) {
            state.take(profile);
        }
    }
}
