//! The readings between two scores of a subject, where there are so many that each is scored in turn.

use super::{EngineSettings, SubjectState};
use crate::reading::{Reading, Subject, SubjectKind, SubjectTurnover, Timestamp};
use crate::report::Assessment;
use crate::signal::ReadingPair;

/// Number of subjects that come and go up to which each is scored at each reading. Of more, each is scored when it is its
/// turn, as scoring is most of what they cost; see [ADR 042](../../../docs/adr/042-control-groups.md).
const EACH_READING_MAX: usize = 40;
/// Largest number of readings from one score to the next.
const TURN_MAX: usize = 5;
/// Smallest number of scores in a window.
const TURNS_MIN: usize = 6;

/// Which subjects are scored at a reading.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct ScoringTurn {
    /// Number of the reading.
    reading: usize,
    /// Readings from one turn of a subject to the next.
    readings: usize,
}

impl ScoringTurn {
    /// The turn at the reading of this number.
    pub(in super::super) fn new(reading: usize, now: &Reading, settings: &EngineSettings) -> Self {
        let changing =
            now.subjects.keys().filter(|it| turnover(it.kind()) == SubjectTurnover::Changing).count();
        let most = if EACH_READING_MAX < changing { TURN_MAX } else { 1 };
        Self { reading, readings: (settings.window / TURNS_MIN).clamp(1, most) }
    }

    /// Whether each subject is scored at each reading.
    pub(in super::super) fn is_each(self) -> bool {
        self.readings == 1
    }

    /// Whether it is the turn of this subject; its name spreads the subjects over the readings.
    pub(in super::super) fn is_of(self, subject: &Subject) -> bool {
        let place = subject.name().bytes().fold(self.reading, |sum, it| sum.wrapping_add(usize::from(it)));
        self.is_each()
            || turnover(subject.kind()) == SubjectTurnover::Permanent
            || place.is_multiple_of(self.readings)
    }
}

/// Logs are few, and their values are new at each reading.
fn turnover(kind: SubjectKind) -> SubjectTurnover {
    if kind == SubjectKind::Log { SubjectTurnover::Permanent } else { kind.turnover() }
}

/// Readings since the last score.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UnscoredReadings {
    pub(super) count: usize,
    /// Seconds from the last scored one to the newest.
    pub(super) seconds: f64,
}

impl SubjectState {
    /// Takes a reading at which it is not its turn: the window goes on, the last assessment stays. `None` if it must be
    /// scored nevertheless, such as after a gap.
    pub(in super::super) fn wait(
        &mut self,
        at: Timestamp,
        change: Option<ReadingPair<'_>>,
        settings: &EngineSettings,
    ) -> Option<Assessment> {
        if self.was_away || !self.window.is_full() {
            return None;
        }
        let held = self.held.clone()?;
        let change = change.filter(|it| it.elapsed <= self.gap_max(settings))?;
        self.pace = change.elapsed;
        self.observed += change.elapsed;
        let signals = self.values(&change, settings);
        self.window.extend(at, signals);
        self.unscored.count += 1;
        self.unscored.seconds += change.elapsed;
        Some(held)
    }

    /// Keeps an assessment for the readings until the next turn.
    pub(in super::super) fn hold(&mut self, assessment: &Assessment, turn: ScoringTurn) {
        self.held =
            (!turn.is_each()).then(|| Assessment { transition: None, point: None, ..assessment.clone() });
    }
}
