//! Searches settings for a history: each combination learns the first part and is ranked on the next with injected faults.
//!
//! The history is split in time. The first 70 % are learned. The next 15 % rank the combinations: with simulated faults from
//! several seeds, and unchanged, to count false episodes. The last 15 % measure the result with faults not used before. The
//! sizes of faults derive from the first part alone.
//!
//! A combination must be better than the default with each seed, by a margin, and without more false episodes, because the
//! best of a hundred combinations always looks better by chance.

use std::fmt;

use crate::duration::HumanDuration;
use crate::evaluate::{self, LabeledSeries};
use crate::reading::Timestamp;
use crate::replay::ReplaySettings;
use crate::report::EpisodeTransition;
use crate::simulate::{
    COLUMNS, FaultKind, FaultSchedule, FreeRows, ScheduledFaultInjector, SignalScales, SignalSpec,
};
use crate::training::TrainModelError;

mod settings_grid;
mod replay_rows;

pub use settings_grid::{COMBINATIONS_MAX, SettingsCombination, grid};

use replay_rows::CombinationReplay;

/// Largest number of cells in memory: ten signals for four years of minutes, 180 MB.
pub const CELLS_MAX: usize = 20_000_000;
/// Percentage of rows for learning and for ranking; the rest is the final test.
const SPLIT: [usize; 2] = [70, 15];
/// Number of seeds for faults.
pub const SEEDS: usize = 3;
/// Smallest number of faults in a part; with less room, long kinds of faults are left out.
const FAULTS_MIN: usize = 8;
/// Largest number of faults in a part.
const FAULTS_MAX: usize = 40;
/// All kinds of faults that need no more seconds than this must fit.
const FAULT_SECONDS: f64 = 1_800.0;
/// Smallest number of rows in a part.
const PART_ROWS_MIN: usize = 100;
/// Ratio of the time per fault to its length; the rest is fault-free.
const QUIET: usize = 2;
/// Smallest gain that counts.
pub const GAIN_MIN: f64 = 0.02;
const DAY_SECONDS: f64 = 86_400.0;

/// A table in memory.
#[derive(Debug, Clone, Default)]
pub struct HistoryTable {
    names: Vec<String>,
    floors: Vec<f64>,
    times: Vec<Option<Timestamp>>,
    values: Vec<f64>,
    missing: Vec<bool>,
}

impl HistoryTable {
    /// Creates an empty history of signals with these names and noise floors.
    pub fn new(names: Vec<String>, floors: Vec<f64>) -> Self {
        Self { names, floors, ..Self::default() }
    }

    /// Adds a row; returns false if [`CELLS_MAX`] is reached.
    pub fn push(&mut self, at: Option<Timestamp>, values: &[f64], missing: &[bool]) -> bool {
        if self.values.len() + values.len() > CELLS_MAX {
            return false;
        }
        self.times.push(at);
        self.values.extend_from_slice(values);
        self.missing.extend_from_slice(missing);
        true
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    fn row(&self, idx: usize) -> (Option<Timestamp>, &[f64], &[bool]) {
        let width = self.names.len();
        let cells = idx * width..(idx + 1) * width;
        (self.times[idx], &self.values[cells.clone()], &self.missing[cells])
    }

    fn columns(&self) -> Vec<SignalSpec<'_>> {
        let known = |name: &str| COLUMNS.iter().find(|it| it.name == name).copied();
        let named = self.names.iter().zip(&self.floors);
        named
            .map(|(name, floor)| {
                known(name).unwrap_or(SignalSpec { floor: *floor, ..SignalSpec::named(name) })
            })
            .collect()
    }
}

/// Why a history cannot be searched.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchError {
    /// It has too few rows.
    Short {
        /// Number of rows.
        rows: usize,
        /// Number of rows needed.
        needed: usize,
        /// Seconds between two rows.
        every: f64,
    },
    /// No signal varies, and none has a noise floor.
    Still,
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { rows, needed, every } => {
                let (long, every) =
                    (HumanDuration::nearest(*needed as f64 * every), HumanDuration::nearest(*every));
                write!(
                    f,
                    "{rows} rows of {every} are too few to search; at least {needed} are required, {long} in all, to fit {FAULTS_MIN} faults into each part"
                )
            }
            Self::Still => f.write_str("no signal varies, so no fault would be visible"),
        }
    }
}

impl std::error::Error for SearchError {}

/// The result of a combination with one seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeedResult {
    /// Volume under the precision-recall surface.
    pub vus_pr: f64,
    /// Share of the faults detected at one false alert per day.
    pub recall: f64,
}

impl SeedResult {
    /// The ranking value: the mean of both.
    pub fn value(&self) -> f64 {
        (self.vus_pr + self.recall) / 2.0
    }
}

/// The result of a combination on one part.
#[derive(Debug, Clone, PartialEq)]
pub struct CombinationResult {
    /// One result for each seed.
    pub by_seed: Vec<SeedResult>,
    /// Number of episodes in the unchanged part.
    pub false_episodes: usize,
}

impl CombinationResult {
    /// The mean of a value over the seeds.
    pub fn mean(&self, of: impl Fn(&SeedResult) -> f64) -> f64 {
        self.by_seed.iter().map(of).sum::<f64>() / self.by_seed.len().max(1) as f64
    }

    /// Whether it is better than another by more than chance.
    pub fn is_better_than(&self, other: &Self) -> bool {
        let gains = self.by_seed.iter().zip(&other.by_seed).map(|(own, other)| own.value() - other.value());
        let gain = self.mean(SeedResult::value) - other.mean(SeedResult::value);
        self.false_episodes <= other.false_episodes
            && gain >= GAIN_MIN
            && gains.into_iter().all(|it| it > 0.0)
    }
}

/// A part of the history on which combinations are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryPart {
    /// The rows that rank combinations.
    Validation,
    /// The last rows, for the final result only.
    Test,
}

/// A history, prepared for a search.
#[derive(Debug)]
pub struct SettingsSearch {
    history: HistoryTable,
    settings: ReplaySettings,
    scales: SignalScales,
    /// First row of the ranking part, first row of the test, and end.
    bounds: [usize; 3],
    kinds: Vec<FaultKind>,
    faults: usize,
    seed: u64,
}

impl SettingsSearch {
    /// Splits a history. `settings` are the default ones; `seed` determines the faults.
    ///
    /// # Errors
    /// If the history is too short or constant.
    pub fn new(history: HistoryTable, settings: &ReplaySettings, seed: u64) -> Result<Self, SearchError> {
        let rows = history.rows();
        let every = settings.every;
        let points = |seconds: f64| (seconds / every).ceil().max(1.0) as usize;
        let part_min = (FAULTS_MIN * QUIET * points(FAULT_SECONDS)).max(PART_ROWS_MIN);
        let [learned, validation] = SPLIT;
        // One more, because both parts start at whole rows.
        let needed = ((part_min + 1) * 100).div_ceil(validation);
        if rows < needed {
            return Err(SearchError::Short { rows, needed, every });
        }
        let bounds = [rows * learned / 100, rows * (learned + validation) / 100, rows];
        let part = (bounds[1] - bounds[0]).min(bounds[2] - bounds[1]);
        let learned =
            (0..bounds[0]).map(|idx| history.row(idx)).map(|(_, values, missing)| (values, missing));
        let scales = SignalScales::measure(&history.columns(), learned);
        if !scales.iter().any(|it| it.moves > 0.0 && it.unit() > 0.0) {
            return Err(SearchError::Still);
        }
        let fit = |fault: &FaultKind| part / (QUIET * points(fault.seconds()[0]));
        let kinds: Vec<FaultKind> = FaultKind::ALL.into_iter().filter(|it| fit(it) >= FAULTS_MIN).collect();
        let faults = kinds.iter().map(fit).min().unwrap_or(FAULTS_MIN).min(FAULTS_MAX);
        Ok(Self { settings: settings.clone(), scales, bounds, kinds, faults, seed, history })
    }

    /// Number of faults in each part, and number of their kinds.
    pub fn faults(&self) -> (usize, usize) {
        (self.faults, self.kinds.len())
    }

    /// Number of rows for learning, ranking and testing.
    pub fn parts(&self) -> [usize; 3] {
        let [validation, test, end] = self.bounds;
        [validation, test - validation, end - test]
    }

    /// Measures a combination on a part, after learning all earlier rows.
    ///
    /// # Errors
    /// If a forest cannot be trained.
    pub fn evaluate_combination(
        &self,
        combination: &SettingsCombination,
        part: HistoryPart,
    ) -> Result<CombinationResult, TrainModelError> {
        let [validation, test, end] = self.bounds;
        let (from, to, stream) = match part {
            HistoryPart::Validation => (validation, test, 0),
            HistoryPart::Test => (test, end, SEEDS as u64),
        };
        let mut learned = CombinationReplay::new(self.history.floors.clone(), &self.settings, combination);
        for idx in 0..from {
            let (at, values, missing) = self.history.row(idx);
            learned.step(at, values, missing)?;
        }
        let mut quiet = learned.clone();
        let mut false_episodes = 0;
        for idx in from..to {
            let (at, values, missing) = self.history.row(idx);
            false_episodes +=
                usize::from(quiet.step(at, values, missing)? == Some(EpisodeTransition::Started));
        }
        let seeds = (0..SEEDS as u64).map(|it| self.seed.wrapping_add(stream + it));
        let reached =
            seeds.map(|seed| self.reached(learned.clone(), from, to, seed)).collect::<Result<_, _>>()?;
        Ok(CombinationResult { by_seed: reached, false_episodes })
    }

    /// Replays a part with the faults of one seed.
    fn reached(
        &self,
        mut walk: CombinationReplay,
        from: usize,
        to: usize,
        seed: u64,
    ) -> Result<SeedResult, TrainModelError> {
        let space = FreeRows { from: 0, rows: to - from, every: self.settings.every };
        // The faults fit: this was checked when the part was measured.
        let schedule = FaultSchedule::new(seed, space, self.faults, &self.kinds).unwrap_or_default();
        let mut tamper = ScheduledFaultInjector::new(!seed, schedule, self.scales.clone());
        let (mut labels, mut scores) = (Vec::with_capacity(to - from), Vec::with_capacity(to - from));
        let mut first = Vec::with_capacity(to - from);
        for idx in from..to {
            let (at, values, missing) = self.history.row(idx);
            let (mut values, mut missing) = (values.to_vec(), missing.to_vec());
            first.extend(values.first().copied());
            let (fault, _) = tamper.apply(&mut values, &mut missing);
            walk.step(at, &values, &missing)?;
            labels.push(fault.is_some());
            scores.push(walk.score());
        }
        let per_day = DAY_SECONDS / self.settings.every;
        let series = LabeledSeries::new("part", labels, scores, per_day, evaluate::period(&first));
        let figures = series.map(|it| evaluate::figures(&[it], 1.0).figures).unwrap_or_default();
        let get = |name| figures.get(name).unwrap_or(0.0);
        Ok(SeedResult { vus_pr: get("vus_pr"), recall: get("fleet1_rec@1") })
    }
}

/// Index of the best combination that is better than the first, which is the default.
pub fn choose(worths: &[CombinationResult]) -> usize {
    let Some(default) = worths.first() else { return 0 };
    let better = worths.iter().enumerate().filter(|(_, it)| it.is_better_than(default));
    let value = |worth: &CombinationResult| worth.mean(SeedResult::value);
    better.max_by(|(_, a), (_, b)| value(a).total_cmp(&value(b))).map_or(0, |(idx, _)| idx)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row: the ranking value of each seed, and the false episodes.
    fn check(worths: &[([f64; SEEDS], usize)], expect: usize) {
        let worth = |(values, false_episodes): &([f64; SEEDS], usize)| CombinationResult {
            by_seed: values.map(|it| SeedResult { vus_pr: it, recall: it }).to_vec(),
            false_episodes: *false_episodes,
        };
        assert_eq!(choose(&worths.iter().map(worth).collect::<Vec<_>>()), expect, "{worths:?}");
    }

    #[test]
    fn only_a_clear_improvement_is_chosen() {
        check(&[], 0);
        check(&[([0.5; 3], 1)], 0);
        check(&[([0.5; 3], 1), ([0.6; 3], 1), ([0.7; 3], 0)], 2);
        check(&[([0.5; 3], 1), ([0.9, 0.9, 0.5], 0)], 0);
        check(&[([0.5; 3], 1), ([0.51; 3], 0)], 0);
        check(&[([0.5; 3], 1), ([0.9; 3], 2)], 0);
    }

    #[test]
    fn a_history_must_be_long_and_vary() {
        let settings = |every| ReplaySettings {
            every,
            threshold: crate::scorer::THRESHOLD,
            alert_level: crate::alert::LEVEL,
            budget: crate::alert_budget::AlertBudget::OFF,
            alert_on_recurrence: false,
            detectors: Default::default(),
            resolve: crate::episode::EpisodeEndRule { below: 0.7, seconds: 30.0, accept_after: 21_600.0 },
            smoothing: 1.0,
            half_life: 7.0 * DAY_SECONDS,
            anomaly_learning_weight: 0.2,
            retrain_interval: DAY_SECONDS,
            training: crate::training::TrainingSettings::default(),
            seed: 0,
            time_zone: Default::default(),
        };
        let search = |every, rows: usize, moves: bool| {
            let mut history = HistoryTable::new(vec!["a".into()], vec![0.0]);
            (0..rows).for_each(|t| {
                assert!(history.push(None, &[if moves { (t % 7) as f64 } else { 1.0 }], &[false]));
            });
            SettingsSearch::new(history, &settings(every), 1).map(|it| (it.parts(), it.faults()))
        };
        let error = search(60.0, 3_206, true).unwrap_err();
        let expect = "3206 rows of 1m are too few to search; at least 3207 are required, 2d5h27m in all, to fit 8 faults into each part";
        assert_eq!(error.to_string(), expect);
        assert_eq!(search(60.0, 3_207, true), Ok(([2_244, 481, 482], (8, 7))));
        assert_eq!(search(3_600.0, 1_000, true), Ok(([700, 150, 150], (37, 10))));
        assert_eq!(search(60.0, 4_000, false), Err(SearchError::Still));
    }
}
