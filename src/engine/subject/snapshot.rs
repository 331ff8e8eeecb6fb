//! The learned state of a subject as bytes.

use serde::{Deserialize, Serialize};

use super::{EngineSettings, SubjectState};
use crate::detect::PerDetector;
use crate::learned_state_codec::COUNT_MAX;
use crate::reading::Timestamp;
use crate::report::{Contribution, DeviationDirection, ScoreDetails, ShadowScore};
use crate::signal::Signal;

/// Score details with indices instead of signal names.
#[derive(Debug, Serialize, Deserialize)]
struct StoredScore {
    at: Timestamp,
    score: f64,
    instant_score: f64,
    confidence: Option<f64>,
    detectors: PerDetector<Option<f64>>,
    contributions: Vec<SavedContribution>,
    causes: Vec<SavedContribution>,
    shadow: Option<ShadowScore>,
}

/// Index of the signal, whether it is above the expected value, and its contribution.
type SavedContribution = (usize, bool, f64);

/// The serialized learned state of a subject.
#[derive(Debug, Deserialize)]
pub(in super::super) struct SavedSubject {
    state: SubjectState,
    details: Option<StoredScore>,
}

impl SubjectState {
    /// Learned state in the layout of [`SavedSubject`].
    pub(in super::super) fn serialized_learned_state(&self) -> impl Serialize {
        let details = self.newest.as_ref().map(|(at, details)| StoredScore::new(*at, details, &self.signals));
        (self, details)
    }

    /// A new subject with the learned state of one with equal signals and settings; `None` if the shapes differ.
    pub(in super::super) fn with(self, saved: SavedSubject, settings: &EngineSettings) -> Option<Self> {
        let SavedSubject { state: kept, details } = saved;
        let width = self.signals.len();
        let fits = kept.window.fits(&self.window)
            && kept.recent.is_some() == self.recent.is_some()
            && kept.recent.iter().all(|it| it.fits(width))
            && kept.since_point < COUNT_MAX
            && kept.log.fits(&self.log)
            && kept.drift.len() == width
            && kept.history.fits(&self.history)
            && kept.devices.iter().all(|(idx, it)| *idx < width && it.fits(self.history.capacity()))
            && details.iter().all(|it| it.fits(width));
        if !fits {
            return None;
        }
        let newest = details.map(|it| (it.at, it.details(&self.signals)));
        let scorer = self.scorer.with(kept.scorer, &settings.scorer())?;
        Some(Self { signals: self.signals, newest, scorer, reference: self.reference, ..kept })
    }
}

impl StoredScore {
    fn new(at: Timestamp, details: &ScoreDetails, signals: &[&'static Signal]) -> Self {
        let part = |it: &Contribution| {
            let idx = signals.iter().position(|signal| std::ptr::eq(*signal, it.signal));
            Some((idx?, it.direction == DeviationDirection::High, it.value))
        };
        let parts = |of: &[Contribution]| of.iter().filter_map(part).collect();
        Self {
            at,
            score: details.score,
            instant_score: details.instant_score,
            confidence: details.confidence,
            detectors: details.detectors,
            contributions: parts(&details.contributions),
            causes: parts(&details.causes),
            shadow: details.shadow,
        }
    }

    fn fits(&self, signals: usize) -> bool {
        self.contributions.iter().chain(&self.causes).all(|(idx, ..)| *idx < signals)
    }

    fn details(&self, signals: &[&'static Signal]) -> ScoreDetails {
        let contribution = |(idx, high, value): &SavedContribution| Contribution {
            signal: signals[*idx],
            direction: if *high { DeviationDirection::High } else { DeviationDirection::Low },
            value: *value,
        };
        let named = |of: &[SavedContribution]| of.iter().map(contribution).collect();
        ScoreDetails {
            score: self.score,
            instant_score: self.instant_score,
            confidence: self.confidence,
            detectors: self.detectors,
            contributions: named(&self.contributions),
            causes: named(&self.causes),
            shadow: self.shadow,
        }
    }
}
