//! What is known of a subject, as bytes.

use serde::{Deserialize, Serialize};

use super::{Settings, State};
use crate::detect::DETECTORS;
use crate::reading::Timestamp;
use crate::report::{Contribution, DetectorState, Direction, Opinion, Shadowed};
use crate::seal::{Blob, COUNT_MAX};
use crate::signal::Signal;

/// An opinion with indices in the place of names.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    at: Timestamp,
    score: f64,
    momentary: f64,
    confidence: Option<f64>,
    /// Score and vote of each detector, in the order of the table.
    detectors: Vec<(Option<f64>, Option<bool>)>,
    contributions: Vec<Part>,
    causes: Vec<Part>,
    /// The score with a model that is tried out, and place, score and vote of the detectors that judge by it.
    shadow: Option<(f64, Vec<Placed>)>,
}

/// The place of a detector in the table, its score and its vote.
type Placed = (usize, Option<f64>, Option<bool>);

/// Which signal, whether it is higher than expected, and its share.
type Part = (usize, bool, f64);

/// What a subject learned.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Saved {
    state: State,
    opinion: Option<Kept>,
    blobs: Vec<Blob>,
}

impl State {
    /// What it learned, to be written and read as [`Saved`].
    pub(in super::super) fn saved(&self) -> impl Serialize {
        let opinion = self.newest.as_ref().map(|(at, opinion)| Kept::new(*at, opinion, &self.signals));
        (self, opinion, self.scorer.blobs())
    }

    /// A new subject with what one of the same signals and settings saved; nothing when that does not fit.
    pub(in super::super) fn with(self, saved: Saved, settings: &Settings) -> Option<Self> {
        let Saved { state: kept, opinion, blobs } = saved;
        let width = self.signals.len();
        let fits = kept.window.fits(&self.window)
            && kept.recent.is_some() == self.recent.is_some()
            && kept.recent.iter().all(|it| it.fits(width))
            && kept.since_point < COUNT_MAX
            && kept.log.fits(&self.log)
            && kept.drift.len() == width
            && opinion.iter().all(|it| it.fits(width));
        if !fits {
            return None;
        }
        let newest = opinion.map(|it| (it.at, it.opinion(&self.signals)));
        let scorer = self.scorer.with(kept.scorer, &blobs, &settings.scorer())?;
        Some(Self { signals: self.signals, newest, scorer, reference: self.reference, ..kept })
    }
}

impl Kept {
    fn new(at: Timestamp, opinion: &Opinion, signals: &[&'static Signal]) -> Self {
        let part = |it: &Contribution| {
            let idx = signals.iter().position(|signal| std::ptr::eq(*signal, it.signal));
            Some((idx?, it.direction == Direction::High, it.value))
        };
        let parts = |of: &[Contribution]| of.iter().filter_map(part).collect();
        Self {
            at,
            score: opinion.score,
            momentary: opinion.momentary,
            confidence: opinion.confidence,
            detectors: opinion.detectors.iter().map(|it| (it.score, it.vote)).collect(),
            contributions: parts(&opinion.contributions),
            causes: parts(&opinion.causes),
            shadow: opinion.shadow.as_ref().map(|it| {
                let place = |name| DETECTORS.iter().position(|row| row.name == name);
                let state = |it: &DetectorState| Some((place(it.name)?, it.score, it.vote));
                (it.score, it.detectors.iter().filter_map(state).collect())
            }),
        }
    }

    fn fits(&self, signals: usize) -> bool {
        self.detectors.len() == DETECTORS.len()
            && self.shadow.iter().flat_map(|(_, it)| it).all(|(idx, ..)| *idx < DETECTORS.len())
            && self.contributions.iter().chain(&self.causes).all(|(idx, ..)| *idx < signals)
    }

    fn opinion(&self, signals: &[&'static Signal]) -> Opinion {
        let contribution = |(idx, high, value): &Part| Contribution {
            signal: signals[*idx],
            direction: if *high { Direction::High } else { Direction::Low },
            value: *value,
        };
        let named = |of: &[Part]| of.iter().map(contribution).collect();
        let states = DETECTORS.iter().zip(&self.detectors);
        let state = |idx: usize, score, vote| DetectorState { name: DETECTORS[idx].name, score, vote };
        Opinion {
            score: self.score,
            momentary: self.momentary,
            confidence: self.confidence,
            detectors: states
                .map(|(row, (score, vote))| DetectorState { name: row.name, score: *score, vote: *vote })
                .collect(),
            contributions: named(&self.contributions),
            causes: named(&self.causes),
            shadow: self.shadow.as_ref().map(|(score, detectors)| Shadowed {
                score: *score,
                detectors: detectors.iter().map(|(idx, score, vote)| state(*idx, *score, *vote)).collect(),
            }),
        }
    }
}
