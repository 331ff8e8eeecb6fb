//! Detects signals that stopped changing, stopped counting or vanished.
//!
//! Distances do not detect this: a constant value lies in the normal range, and a missing value has no distance. Each signal
//! is compared only with its own history: how long and how often it was constant or missing. Constant means equal values;
//! but a signal that never moved by more than its noise floor may stay constant.

use serde::{Deserialize, Serialize};

use super::constant_duration::RunStatistics;
use super::{DetectorInput, DetectorOutput, DetectorParameters, LearnOptions, gain, smoothing_factor};
use crate::learned_state_codec;
use crate::reading::Timestamp;

/// Seconds of history before a signal can be absent; one day includes a night.
const KNOWN_MIN: f64 = 86_400.0;
/// Relative difference below which values are equal.
const EQUAL: f64 = 1e-12;
/// A signal that exceeds its noise floor in a smaller share of its points may be constant within the floor…
const BEYOND_FLOOR_MIN: f64 = 0.05;
/// …unless a run of this many equal points would be anomalous: such a signal is never constant by itself, however
/// small its changes.
const RESTLESS_MAX: f64 = 10.0;
/// Joint contribution of absent signals while one of them is newly absent; 1 is the threshold. It is slightly above 1,
/// because the smoothed score approaches it slowly. It does not grow with the run or the number of signals, because
/// one vanished device takes several signals with it.
const SHARE: f64 = 1.1;
/// Joint contribution afterwards: it keeps the episode open until it is accepted, but does not start one.
const SHARE_LATER: f64 = 0.75;
/// Seconds for which an absent signal counts as newly absent.
const NEWLY: f64 = 1_800.0;
/// Highest score; a longer absence is not more anomalous.
const SCORE_MAX: f64 = 100.0;

/// How a signal is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AbsenceKind {
    /// It used to change and is constant.
    FlatLine,
    /// It used to change and stays at 0.
    Stopped,
    /// It used to have a value and has none.
    Vanished,
}

impl AbsenceKind {
    /// The value of the label `absence`.
    pub fn name(self) -> &'static str {
        match self {
            Self::FlatLine => "flat_line",
            Self::Stopped => "stopped",
            Self::Vanished => "vanished",
        }
    }
}

/// One absent signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Absence {
    /// Index of the signal.
    pub idx: usize,
    /// How it is absent.
    pub kind: AbsenceKind,
    /// Number of points since it became absent.
    pub points: f64,
    /// Usual number of points between its changes or appearances.
    pub usual: f64,
}

/// Detects absent signals.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AbsenceDetector {
    smoothing_factor: f64,
    signals: Vec<SignalActivity>,
    /// Time of the last whole point.
    newest: Option<Timestamp>,
}

/// The history of one signal.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SignalActivity {
    floor: f64,
    /// Its last known value at a whole point.
    last: Option<f64>,
    equal: RunStatistics,
    missing: RunStatistics,
    /// Share of changing points beyond the noise floor, and the number of changing points.
    beyond: (f64, f64),
}

/// Progress of a signal towards absence.
struct AbsenceProgress {
    kind: AbsenceKind,
    length: f64,
    threshold: f64,
    usual: f64,
    /// Seconds since it became absent.
    since: f64,
}

impl AbsenceProgress {
    /// Run length divided by its threshold; from 1 on, the signal is absent.
    fn ratio(&self) -> f64 {
        self.length / self.threshold
    }
}

impl AbsenceDetector {
    pub(super) fn new(parameters: &DetectorParameters) -> Self {
        Self {
            smoothing_factor: smoothing_factor(parameters.half_life),
            signals: parameters.floors.iter().map(|floor| SignalActivity::new(*floor)).collect(),
            newest: None,
        }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        let fit = |(one, other): (&SignalActivity, &SignalActivity)| {
            learned_state_codec::is_bit_equal(one.floor, other.floor)
        };
        self.signals.len() == fresh.signals.len()
            && self.signals.iter().zip(&fresh.signals).all(fit)
            && learned_state_codec::is_bit_equal(self.smoothing_factor, fresh.smoothing_factor)
    }

    pub(super) fn judge(&self, input: &DetectorInput<'_>) -> DetectorOutput {
        // It scores as soon as the history of one signal suffices.
        if !self.signals.iter().any(SignalActivity::is_known) {
            return DetectorOutput::Abstain;
        }
        let each = self.signals.iter().enumerate();
        let progress: Vec<Option<AbsenceProgress>> = each.map(|(idx, it)| it.progress(input, idx)).collect();
        let score = progress.iter().flatten().map(|it| it.ratio().min(SCORE_MAX)).fold(0.0, f64::max);
        DetectorOutput::Score { score, threshold: 1.0, shares: shares(&progress) }
    }

    pub(super) fn learn(&mut self, input: &DetectorInput<'_>, learn_options: LearnOptions) {
        if !learn_options.step {
            return;
        }
        let elapsed = self.newest.map_or(0.0, |it| input.point.at.0 - it.0);
        self.newest = Some(input.point.at);
        for (idx, signal) in self.signals.iter_mut().enumerate() {
            signal.learn(input, idx, elapsed, self.smoothing_factor, learn_options);
        }
    }

    /// Returns the absent signals.
    pub(crate) fn absences(&self, input: &DetectorInput<'_>) -> Vec<Absence> {
        let each = self.signals.iter().enumerate();
        let absent = each.filter_map(|(idx, it)| Some((idx, it.progress(input, idx)?)));
        absent
            .filter(|(_, it)| it.ratio() >= 1.0)
            .map(|(idx, it)| Absence { idx, kind: it.kind, points: it.length, usual: it.usual })
            .collect()
    }
}

/// Contribution of each signal (1 is the threshold of the joint score); 0 until its run reaches its threshold.
fn shares(progress: &[Option<AbsenceProgress>]) -> Vec<f64> {
    let is_absent = |it: &Option<AbsenceProgress>| it.as_ref().is_some_and(|it| it.ratio() >= 1.0);
    let absent = progress.iter().flatten().filter(|it| it.ratio() >= 1.0);
    let (count, newest) =
        absent.fold((0.0, f64::INFINITY), |(n, newest), it| (n + 1.0, it.since.min(newest)));
    let worth = if newest <= NEWLY { SHARE } else { SHARE_LATER };
    progress.iter().map(|it| if is_absent(it) { worth / count } else { 0.0 }).collect()
}

impl SignalActivity {
    fn new(floor: f64) -> Self {
        Self {
            floor,
            last: None,
            equal: RunStatistics::new(),
            missing: RunStatistics::new(),
            beyond: (0.0, 0.0),
        }
    }

    fn is_known(&self) -> bool {
        self.missing.limit(KNOWN_MIN).is_some()
    }

    fn progress(&self, input: &DetectorInput<'_>, idx: usize) -> Option<AbsenceProgress> {
        let (runs, kind) = if input.point.missing[idx] {
            (&self.missing, AbsenceKind::Vanished)
        } else {
            let value = input.point.values[idx];
            let lively = self.floor == 0.0 || self.beyond.0 >= BEYOND_FLOOR_MIN || input.z[idx].abs() > 0.0;
            let restless = || self.equal.limit(KNOWN_MIN).is_some_and(|it| it <= RESTLESS_MAX);
            if !self.stands_at(value) || !(lively || restless()) {
                return None;
            }
            (&self.equal, if value == 0.0 { AbsenceKind::Stopped } else { AbsenceKind::FlatLine })
        };
        let limit = runs.limit(KNOWN_MIN)?;
        Some(AbsenceProgress {
            kind,
            length: runs.length(),
            threshold: limit,
            usual: runs.usual(),
            since: runs.anomalous_seconds(),
        })
    }

    fn stands_at(&self, value: f64) -> bool {
        self.last.is_some_and(|last| (value - last).abs() <= EQUAL * last.abs().max(value.abs()))
    }

    fn learn(
        &mut self,
        input: &DetectorInput<'_>,
        idx: usize,
        elapsed: f64,
        slow: f64,
        learn_options: LearnOptions,
    ) {
        let missing = input.point.missing[idx];
        let odd = self.progress(input, idx).is_some_and(|it| it.ratio() >= 1.0);
        // A signal is not missing before its first value: it may come late, or never.
        if self.last.is_none() && missing {
            return;
        }
        self.missing.learn(missing, odd, elapsed, slow, learn_options);
        if missing {
            return;
        }
        let value = input.point.values[idx];
        let equal = self.stands_at(value);
        let first = self.last.replace(value).is_none();
        if first {
            return;
        }
        self.equal.learn(equal, odd, elapsed, slow, learn_options);
        if !equal {
            let beyond = if input.z[idx].abs() > 0.0 { 1.0 } else { 0.0 };
            let (share, points) = &mut self.beyond;
            *share += gain(slow, learn_options, *points) * (beyond - *share);
            *points += learn_options.weight;
        }
    }
}

#[cfg(test)]
#[path = "absence_test.rs"]
mod tests;
