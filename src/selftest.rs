//! Self-tests: every hour, a copy of a subject's state receives the last hour again, with injected faults, and must
//! detect them. A detector that finds nothing looks healthy otherwise, because its scores are low, as on a quiet host.
//!
//! *Scope.* The faults are those of [`simulate`](crate::simulate) that show within half an hour, of a size an operator
//! would call a fault: several deviations of the last hour, or several noise floors if these are larger. They start at
//! four times of the hour. Recall is the share of faults during which an episode starts; the delay is the median time
//! to it. Each detector is also tested alone: the AUC of its scores on faulty and fault-free points.
//!
//! A fault without room in its signal, such as higher CPU usage on a busy CPU, does not count.
//!
//! *Restrictions.* The copy has already learned the hour, so the fault-free hour is replayed first: if it raises an
//! alert, or changes the copy too much, the test is inconclusive. A detector that abstains is not blind. A vanished
//! device is injected only once the detector `absence` has enough history, after a day. Stopped counters are not
//! injected, because a signal that never exceeded its noise floor may stay constant. Leaks, oscillations and flat
//! lines last longer than an hour. While few points are known, thresholds are wider and faults larger in proportion.

use std::fmt;

use crate::detect::PerDetector;
use crate::detect::seeded_rng::SeededRng;
use crate::report::EpisodeTransition;
use crate::roc::auc;
use crate::scorer::{Scorer, ScorerSettings, StepOptions};
use crate::simulate::{FaultInjection, FaultKind, SignalScales, SignalSpec};
use crate::window::Point;

mod recent_normal_points;

pub use recent_normal_points::{POINTS, RecentNormalPoints};

/// Points before the first fault, in which the copy settles after the jump back by an hour.
const LEAD: usize = 20;
/// Number of times of the hour at which faults start.
const ROUNDS: usize = 4;
/// Faults that need more points than this do not fit into the hour.
const FAULT_POINTS_MAX: usize = 60;
/// Shortest fault, in points.
const FAULT_POINTS_MIN: usize = 6;
/// Faults that move some signal by at least this many units of its scale must be detected.
const SIZE_MIN: f64 = 4.0;
/// Number of points of each fault on which detectors are measured, so that an undetected long fault does not dominate.
const JUDGED: usize = FAULT_POINTS_MIN;
/// Faults that need more seconds than this are left out.
const FAULT_SECONDS_MAX: f64 = 1_800.0;
/// Smallest recall of a healthy host. A host of two hours detects 75 %, because small shifts of a single signal do not
/// reach the wide thresholds; a host of one day detects 90 %; a blind one detects almost none.
pub const RECALL_MIN: f64 = 0.7;
/// A detector with a lower area under the ROC curve is blind; training refuses a new forest below the same value.
pub const AUC_MIN: f64 = 0.6;
const WEEK_SECONDS: f64 = 7.0 * 86_400.0;

/// The input of a self-test, which can run on another thread.
#[derive(Debug, Clone)]
pub struct SelftestInput {
    /// A copy of the scorer, outside an episode.
    pub scorer: Scorer,
    /// The whole points of the last hour, oldest first; [`POINTS`] of them.
    pub points: Vec<Point>,
    /// Prior knowledge about each signal.
    pub columns: Vec<SignalSpec<'static>>,
    /// Settings of the scorer.
    pub settings: ScorerSettings,
}

/// Why a test is inconclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InconclusiveReason {
    /// There is no complete hour.
    Short,
    /// The fault-free hour raises an alert.
    Alarm,
    /// No signal can show a fault: none varies, and none has a noise floor.
    NoFault,
}

impl fmt::Display for InconclusiveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "points of a whole hour are missing",
            Self::Alarm => "the last hour alerts without an injected fault",
            Self::NoFault => "no signal varies",
        })
    }
}

/// The result of a self-test.
#[derive(Debug, Clone, PartialEq)]
pub struct SelftestResult {
    /// Number of injected faults.
    pub faults: usize,
    /// Share of faults detected.
    pub recall: f64,
    /// Median seconds from the start of a fault to that of its episode; `None` if none was detected.
    pub delay: Option<f64>,
    /// Area under the ROC curve of each detector; `None` for one that abstains.
    pub detectors: PerDetector<Option<f64>>,
}

impl SelftestResult {
    /// The blind detectors. Selective ones are left out, because they may miss faults in other signals.
    pub fn blind(&self) -> Vec<&'static str> {
        let blind = self.detectors.described().filter(|(_, auc)| auc.is_some_and(|it| it < AUC_MIN));
        blind.filter(|(row, _)| !row.selective).map(|(row, _)| row.name).collect()
    }

    /// The reason of a failure; `None` if recall suffices and no detector is blind.
    pub fn complaint(&self) -> Option<String> {
        let blind = self.blind();
        let mut parts = Vec::new();
        if self.recall < RECALL_MIN {
            parts.push(format!(
                "found {:.0} % of {} injected faults, expected at least {:.0} %",
                100.0 * self.recall,
                self.faults,
                100.0 * RECALL_MIN
            ));
        }
        if !blind.is_empty() {
            parts.push(format!("blind detectors: {}", blind.join(", ")));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// The scores of each detector.
type Scores = PerDetector<Vec<f64>>;

/// Results so far.
#[derive(Debug, Default)]
struct DetectorTally {
    faults: usize,
    delays: Vec<f64>,
    ordinary: Scores,
    faulty: Scores,
}

impl SelftestInput {
    /// Injects faults and checks which are detected. Equal inputs and seeds give equal results.
    ///
    /// # Errors
    /// If the test is inconclusive.
    pub fn run(mut self, seed: u64) -> Result<SelftestResult, InconclusiveReason> {
        self.move_on()?;
        let lengths = self.lengths();
        let longest = lengths.iter().map(|(_, rows)| *rows).max().ok_or(InconclusiveReason::NoFault)?;
        let rows = self.points.iter().map(|it| (&it.values[..], &it.missing[..]));
        let mut scales = SignalScales::measure(&self.columns, rows);
        scales.enlarge(self.scorer.width());
        let room = self.points.len().saturating_sub(LEAD + longest);
        let onsets: Vec<usize> = (0..ROUNDS).map(|idx| LEAD + idx * room / (ROUNDS - 1)).collect();
        let (forks, mut tally) = self.control(&onsets)?;
        let mut random = SeededRng::new(seed);
        for (onset, fork) in onsets.iter().zip(&forks) {
            for (fault, rows) in &lengths {
                if *fault == FaultKind::VanishedDevice && tally.ordinary.absence.is_empty() {
                    continue;
                }
                if let Some(injection) = FaultInjection::new(*fault, *rows, &scales, &mut random) {
                    self.replay_fault(fork.clone(), *onset, injection, &scales, &mut random, &mut tally);
                }
            }
        }
        tally.findings()
    }

    /// Moves the hour into the future by whole weeks, so that time advances for the copy and the time of day and week
    /// is unchanged.
    fn move_on(&mut self) -> Result<(), InconclusiveReason> {
        let ([first, ..], [.., last]) = (&self.points[..], &self.points[..]) else {
            return Err(InconclusiveReason::Short);
        };
        if self.points.len() < POINTS {
            return Err(InconclusiveReason::Short);
        }
        let weeks = ((last.at.0 - first.at.0).max(0.0) / WEEK_SECONDS).floor() + 1.0;
        self.points.iter_mut().for_each(|it| it.at.0 += weeks * WEEK_SECONDS);
        Ok(())
    }

    /// The faults that fit, with their length in points.
    fn lengths(&self) -> Vec<(FaultKind, usize)> {
        let seconds = |fault: &FaultKind| fault.seconds()[0];
        let fits = |it: &FaultKind| seconds(it) <= FAULT_SECONDS_MAX && *it != FaultKind::StoppedCounter;
        let short = FaultKind::ALL.into_iter().filter(fits);
        let points = |fault: &FaultKind| (seconds(fault) / self.settings.point_seconds).round() as usize;
        short.map(|it| (it, points(&it).clamp(FAULT_POINTS_MIN, FAULT_POINTS_MAX))).collect()
    }

    /// Replays the fault-free hour; returns the state at each start of a fault, and the normal scores.
    fn control(&self, onsets: &[usize]) -> Result<(Vec<Scorer>, DetectorTally), InconclusiveReason> {
        let mut scorer = self.scorer.clone();
        let (mut forks, mut tally) = (Vec::new(), DetectorTally::default());
        for (idx, point) in self.points.iter().enumerate() {
            forks.extend(onsets.iter().filter(|it| **it == idx).map(|_| scorer.clone()));
            let Some(score) = scorer.step(point, self.step(), &self.settings) else { continue };
            if score.transition == Some(EpisodeTransition::Started) {
                return Err(InconclusiveReason::Alarm);
            }
            if idx < LEAD {
                continue;
            }
            add_scores(&mut tally.ordinary, &score.detectors);
        }
        Ok((forks, tally))
    }

    /// Replays a fault from its start until it is detected or over, and at least long enough to measure the detectors.
    fn replay_fault(
        &self,
        mut scorer: Scorer,
        onset: usize,
        mut injection: FaultInjection,
        scales: &SignalScales,
        random: &mut SeededRng,
        tally: &mut DetectorTally,
    ) {
        let vanishes = injection.fault() == FaultKind::VanishedDevice;
        let mut found = None;
        let mut size: f64 = 0.0;
        let mut shown = self.points.get(onset.saturating_sub(1)).cloned().unwrap_or_default();
        for (step, point) in self.points.iter().skip(onset).take(injection.rows()).enumerate() {
            let (mut values, mut missing) = (point.values.clone(), point.missing.clone());
            injection.inject(&mut values, &mut missing, step, scales, random);
            for ((new, old), scale) in values.iter().zip(&point.values).zip(scales.iter()) {
                if scale.unit() > 0.0 {
                    size = size.max((new - old).abs() / scale.unit());
                }
            }
            shown.advance(point.at, &values, &missing);
            let Some(score) = scorer.step(&shown, self.step(), &self.settings) else { continue };
            if score.transition == Some(EpisodeTransition::Started) {
                found = found.or(Some((step + 1) as f64 * self.settings.point_seconds));
            }
            // A vanished signal is detected only after a while, a moved one at once.
            let judged =
                if vanishes { found.is_some() || 2 * step >= injection.rows() } else { step < JUDGED };
            if judged && vanishes {
                tally.faulty.absence.extend(score.detectors.absence);
            } else if judged {
                add_scores(&mut tally.faulty, &PerDetector { absence: None, ..score.detectors });
            }
            if found.is_some() && step + 1 >= FAULT_POINTS_MIN {
                break;
            }
        }
        // On a CPU that is normally half busy, there may be no room for a fault: one that is cut off by the maximum of
        // its signal cannot be detected.
        if vanishes || size >= injection.fault().size()[0].min(SIZE_MIN) {
            tally.faults += 1;
            tally.delays.extend(found);
        }
    }

    fn step(&self) -> StepOptions {
        StepOptions { elapsed: self.settings.point_seconds, ready: true, weight: Some(1.0), whole: true }
    }
}

/// Adds the scores of one point.
fn add_scores(scores: &mut Scores, point: &PerDetector<Option<f64>>) {
    scores.each_mut().into_iter().zip(point.each()).for_each(|(scores, score)| scores.extend(*score));
}

impl DetectorTally {
    fn findings(mut self) -> Result<SelftestResult, InconclusiveReason> {
        if self.faults == 0 {
            return Err(InconclusiveReason::NoFault);
        }
        self.delays.sort_by(f64::total_cmp);
        let mut detectors = PerDetector::default();
        let scores = self.ordinary.each().into_iter().zip(self.faulty.each());
        for (found, (ordinary, faulty)) in detectors.each_mut().into_iter().zip(scores) {
            *found = (!ordinary.is_empty() && !faulty.is_empty()).then(|| auc(ordinary, faulty));
        }
        Ok(SelftestResult {
            faults: self.faults,
            recall: self.delays.len() as f64 / self.faults as f64,
            delay: self.delays.get(self.delays.len() / 2).copied(),
            detectors,
        })
    }
}
