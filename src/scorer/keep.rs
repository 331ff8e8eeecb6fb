//! What a scorer learned, to be written down and taken over.

use serde::{Serialize, Serializer};

use super::{Scorer, Settings};
use crate::budget::Ledger;
use crate::detect::Detector;
use crate::detect::tail::Tail;
use crate::seal::{Blob, COUNT_MAX};

/// Bytes of detectors, made while they are written, as all of them at once are megabytes.
struct Blobs<'a>(&'a [Box<dyn Detector>]);

impl Serialize for Blobs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|it| Blob(it.save())))
    }
}

impl Scorer {
    /// What each detector learned, in the order of the table; all else is serialised as it is.
    pub fn blobs(&self) -> impl Serialize {
        Blobs(&self.detectors)
    }

    /// A new scorer with what one of the same shape and settings learned, and what its detectors did; nothing when that
    /// does not fit.
    pub fn with(mut self, kept: Self, blobs: &[Blob], settings: &Settings) -> Option<Self> {
        if !kept.fits(&self, settings) || blobs.len() != self.detectors.len() {
            return None;
        }
        let loaded = self.detectors.iter_mut().zip(blobs).all(|(detector, Blob(bytes))| detector.load(bytes));
        let shadow = match (kept.shadow.clone(), self.shadow) {
            (Some(old), Some(new)) => Some(old.with_model_of(new)),
            (old, new) => old.or(new),
        };
        loaded.then_some(Self { detectors: self.detectors, shadow, ..kept })
    }

    fn fits(&self, fresh: &Self, settings: &Settings) -> bool {
        let width = fresh.smooth.len();
        let budget = self.budget.as_ref().is_none_or(|(tail, ledger)| {
            let rate = settings.budget.rate();
            rate.is_some_and(|rate| tail.fits(&Tail::new(rate, settings.limit)))
                && ledger.fits(&Ledger::new(settings.budget))
        });
        budget
            && self.expectation.fits(&fresh.expectation)
            && self.blame.fits(&fresh.blame)
            && self.history.fits(&fresh.history, width)
            && self.early.fits(&fresh.early, width)
            && (self.smooth.len(), self.oddness.len()) == (width, width)
            && self.peak.fits(width)
            && self.shadow.as_ref().is_none_or(|it| it.fits(width))
            && self.points < COUNT_MAX as f64
    }
}
