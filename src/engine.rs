//! Turns readings into reports: a pure function with state.
//!
//! It has no clock, files, random numbers, log or errors. `run` feeds it from the kernel; tests, replays and bug reports
//! feed it lists of readings. Equal readings, settings and models give equal reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cost_limit::{self, OptionalFeature};
use crate::counter_reset::{MonotonicCounters, WrongLimit};
use crate::detect::baseline::BaselineStatistics;
use crate::detect::eif::ForestModel;
use crate::detect::seasonal::{BucketHistory, SeasonalFits};
use crate::drift::DriftReference;
use crate::forecast::{ForecastPoint, ForecastTimes, TimeUntilFull};
use crate::grace::{GraceTrigger, GraceWatcher};
use crate::impact::ImpactFormula;
use crate::maintenance;
use crate::model_registry::ShadowTally;
use crate::reading::{Reading, Subject, SubjectKind, Timestamp};
use crate::report::{EpisodeCircumstances, Report};
use crate::selftest::SelftestInput;
use crate::signal::{ReadingPair, Signal};
use crate::silence;

mod engine_settings;
mod subject_kind_state;
mod subject_lifecycle;
mod counter_offsets;
mod forget;
mod snapshot;
mod subject;
mod training_schedule;
mod due_training;
mod verdict;
mod warm_start;

pub use due_training::TrainingObstacle;
pub use engine_settings::EngineSettings;
pub use snapshot::SnapshotMismatch;
pub use subject::{HISTORY_ROWS_MAX, SUBJECT_BYTES_MAX};
pub use subject_kind_state::PRIORS_MIN;
pub use subject_lifecycle::{EVICTIONS_MAX, SubjectCounts, SubjectStateHandover, WAIT_SECONDS};
pub use training_schedule::{DRIFT_SECONDS, RETRY_SECONDS};
pub use verdict::PastEpisode;
pub use warm_start::StateRebuild;

use subject::SubjectState;
use subject_kind_state::SubjectKindState;

/// Largest number of live subjects. Beyond it, the least recently seen one is evicted; if one reading has more, the
/// excess is exposed but not scored.
pub const SUBJECTS_MAX: usize = 512;

/// Seconds between two self-tests.
pub const TEST_SECONDS: f64 = 3_600.0;

/// The state of all subjects.
#[derive(Debug)]
pub struct Engine {
    settings: EngineSettings,
    /// State by kind, for kinds with signals.
    kinds: BTreeMap<SubjectKind, SubjectKindState>,
    states: BTreeMap<Subject, SubjectState>,
    /// Subjects whose stored state was requested, with the time of the request.
    waiting: BTreeMap<Subject, Timestamp>,
    handover: SubjectStateHandover,
    /// The previous reading, for rates.
    before: Arc<Reading>,
    /// Keeps the counters of readings from falling.
    counters: MonotonicCounters,
    watch: GraceWatcher,
    impacts: BTreeMap<SubjectKind, Vec<&'static ImpactFormula>>,
    learning: bool,
}

impl Engine {
    /// Creates an engine without learned state.
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
            handover: SubjectStateHandover::default(),
            before: Arc::new(Reading::default()),
            counters: MonotonicCounters::default(),
            watch: GraceWatcher::new(&[], settings.grace),
            impacts: BTreeMap::new(),
            learning: true,
        }
    }

    /// Sets the triggers that recognize reasons for grace in a reading.
    pub fn with_grace_triggers(self, cues: &'static [GraceTrigger]) -> Self {
        Self { watch: GraceWatcher::new(cues, self.settings.grace), ..self }
    }

    /// Sets the formulas of the impact on the work of subjects.
    pub fn with_impact_formulas(
        mut self,
        formulas: impl IntoIterator<Item = &'static ImpactFormula>,
    ) -> Self {
        formulas.into_iter().for_each(|it| self.impacts.entry(it.kind).or_default().push(it));
        self
    }

    /// Whether readings are learned after they are scored.
    pub fn is_learning(&self) -> bool {
        self.learning
    }

    /// Whether the last reading was taken during maintenance.
    pub fn is_in_maintenance(&self) -> bool {
        maintenance::is_active(&self.before)
    }

    /// Whether a silence matched the host at the last reading.
    pub fn is_host_silenced(&self) -> bool {
        silence::state(&self.before, &Subject::Host).is_some()
    }

    /// Enables or pauses learning; scoring continues.
    pub fn set_learning(&mut self, on: bool) {
        self.learning = on;
    }

    /// Scores one reading, then learns it. [`take_handover`](Self::take_handover) returns the states that move to and
    /// from the store.
    pub fn step(&mut self, mut now: Reading) -> Report {
        let booted = self.watch.booted(&self.before, &now);
        let wrong_limits = self.counters.settle(&mut now, booted);
        self.score(now, wrong_limits)
    }

    /// The same for a stored reading, whose counters were adjusted before it was stored.
    pub fn replay(&mut self, stored: Reading) -> Report {
        self.counters.resume(&stored);
        self.score(stored, Vec::new())
    }

    fn score(&mut self, now: Reading, wrong_limits: Vec<WrongLimit>) -> Report {
        let elapsed = now.seconds_since(self.before.at);
        let left = self.update_subjects(&now, cost_limit::is_active(&now, OptionalFeature::Groups));
        let is_novelty_paused = !cost_limit::is_active(&now, OptionalFeature::Novelty);
        let mut assessments = BTreeMap::new();
        let grace = self.watch.step(&self.before, &now);
        let in_maintenance = maintenance::is_active(&now);
        let held_back = in_maintenance || grace.is_some_and(|it| it.is_active());
        for (subject, values) in &now.subjects {
            if let Some(state) = self.states.get_mut(subject) {
                let before = self.before.subjects.get(subject);
                let change = before.and_then(|before| ReadingPair::new(before, values, elapsed));
                state.grace(held_back);
                let silence = silence::state(&now, subject);
                let expected =
                    EpisodeCircumstances { maintenance: in_maintenance, silenced: silence.is_some() };
                state.learning(self.learning && !in_maintenance);
                state.silence(silence);
                state.pause_novelty(is_novelty_paused);
                let mut assessment = state.step(now.at, change, &self.settings);
                state.add_circumstances(&mut assessment, expected);
                state.describe(subject, &mut assessment, change.as_ref());
                let formulas = self.impacts.get(&subject.kind()).map_or(&[][..], Vec::as_slice);
                state.measure_impact(&mut assessment, change.as_ref(), formulas);
                state.decide_alert(&mut assessment, &self.settings);
                assessments.insert(subject.clone(), assessment);
            }
        }
        let reading = Arc::new(now);
        self.before = Arc::clone(&reading);
        Report { reading, assessments, evicted: left, grace, wrong_limits, ..Report::default() }
    }

    /// Time of the newest reading.
    pub fn at(&self) -> Timestamp {
        self.before.at
    }

    /// The kinds of subjects with signals.
    pub fn kinds(&self) -> impl Iterator<Item = SubjectKind> + use<'_> {
        self.kinds.keys().copied()
    }

    /// The signals of a kind, in order.
    pub fn signals(&self, kind: SubjectKind) -> Vec<&'static Signal> {
        self.kinds.get(&kind).map(|it| it.signals.clone()).unwrap_or_default()
    }

    /// Sets the previous reading, against which the next step takes rates.
    pub fn resume_from(&mut self, reading: Arc<Reading>) {
        self.counters.resume(&reading);
        self.before = reading;
    }

    /// Makes this the current model of the kind.
    pub fn install(&mut self, kind: SubjectKind, model: &ForestModel) {
        self.kinds.entry(kind).and_modify(|it| it.model = Some(model.clone()));
        self.of_kind(kind).for_each(|it| it.install(model));
    }

    /// Sets the drift reference of the kind: its signals at the time of training.
    pub fn compare_with(&mut self, kind: SubjectKind, reference: &DriftReference) {
        let Some(kind_state) = self.kinds.get_mut(&kind) else { return };
        let reference = Arc::new(reference.clone());
        (kind_state.reference, kind_state.drift) = (Some(Arc::clone(&reference)), None);
        // In a changing population, no single subject resembles the pooled reference, so only the population is
        // compared; see `train`.
        if !kind_state.is_changing() {
            self.of_kind(kind).for_each(|it| it.compare_with(&reference));
        }
    }

    /// Runs this model of the kind in shadow mode, beside the current one.
    pub fn start_shadow(&mut self, kind: SubjectKind, model: &ForestModel) {
        self.set_shadow(kind, Some(model));
        self.of_kind(kind).for_each(|it| it.start_shadow(model));
    }

    /// Ends shadow mode for the kind.
    pub fn drop_shadow(&mut self, kind: SubjectKind) {
        self.set_shadow(kind, None);
        self.of_kind(kind).for_each(SubjectState::drop_shadow);
    }

    fn set_shadow(&mut self, kind: SubjectKind, model: Option<&ForestModel>) {
        self.kinds.entry(kind).and_modify(|it| {
            (it.shadow, it.tally) = (model.cloned(), ShadowTally::default());
        });
    }

    /// Accepts the current episodes as normal from the next reading on; returns their subjects.
    pub fn accept(&mut self) -> Vec<Subject> {
        let accepted = self.states.iter_mut().filter_map(|(subject, it)| it.accept().then_some(subject));
        accepted.cloned().collect()
    }

    /// Describes the episode of this subject anew with the next reading, so that it fits the culprits found since.
    pub fn renew_description(&mut self, subject: &Subject) {
        self.states.get_mut(subject).into_iter().for_each(SubjectState::renew_description);
    }

    /// Results of the shadow model of this kind so far, over all subjects, beside those of the current model.
    pub fn tally(&self, kind: SubjectKind) -> ShadowTally {
        let of_kind = self.states.iter().filter(|(subject, _)| subject.kind() == kind);
        let gone = self.kinds.get(&kind).map(|it| it.tally).unwrap_or_default();
        of_kind.filter_map(|(_, it)| it.tally()).fold(gone, ShadowTally::with)
    }

    fn of_kind(&mut self, kind: SubjectKind) -> impl Iterator<Item = &mut SubjectState> {
        self.states.iter_mut().filter(move |(subject, _)| subject.kind() == kind).map(|(_, it)| it)
    }

    /// The subject whose times of day and week are due for a fit, with its history. The call marks the fit as started.
    ///
    /// A profile belongs to one subject, unlike a forest: hosts of a kind have different daily rhythms.
    pub fn take_due_seasonal_fit(&mut self) -> Option<(Subject, BucketHistory)> {
        self.states.iter_mut().find_map(|(subject, state)| Some((subject.clone(), state.history()?)))
    }

    /// The input of a self-test of the only subject of a kind, if one is due. The call marks the test as started.
    ///
    /// It is due after an hour without an episode and without grace, and an hour after the previous test.
    pub fn take_due_selftest(&mut self) -> Option<(Subject, SelftestInput)> {
        let settings = &self.settings;
        self.states.iter_mut().find_map(|(subject, it)| Some((subject.clone(), it.selftest_input(settings)?)))
    }

    /// The statistics of each signal of each subject. They are computed on demand, because a step does not need them.
    pub fn baselines(&self) -> impl Iterator<Item = (&Subject, &'static Signal, BaselineStatistics)> {
        self.states
            .iter()
            .flat_map(|(subject, state)| state.baselines().map(move |(signal, it)| (subject, signal, it)))
    }

    /// The forecast of a signal of a subject; `None` for an unknown one, or with too little history. It takes
    /// about a millisecond.
    pub fn forecast(
        &self,
        subject: &Subject,
        signal: &str,
        horizon: &ForecastTimes,
    ) -> Option<Vec<ForecastPoint>> {
        self.states.get(subject)?.forecast(signal, horizon)
    }

    /// Seconds of the past of a signal of a subject that its forecast is made from; `None` for an unknown one.
    pub fn forecast_past_seconds(&self, subject: &Subject, signal: &str, now: Timestamp) -> Option<f64> {
        self.states.get(subject)?.forecast_past_seconds(signal, now)
    }

    /// The time until a signal of a subject is full; `None` if the history does not support an answer, or for a signal outside
    /// [`FILLING_SIGNALS`](crate::forecast::FILLING_SIGNALS).
    pub fn time_until_full(&self, subject: &Subject, signal: &str, now: Timestamp) -> Option<TimeUntilFull> {
        self.states.get(subject)?.time_until_full(signal, now)
    }

    /// Scores this subject with this profile from now on.
    pub fn take(&mut self, subject: &Subject, profile: &SeasonalFits) {
        if let Some(state) = self.states.get_mut(subject) {
            state.take(profile);
        }
    }
}
