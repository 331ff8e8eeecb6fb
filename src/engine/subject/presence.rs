//! A subject as others see it: when it was here, what it learned from its kind, and what it can lend.

use super::{DAY_SECONDS, EngineSettings, SubjectState};
use crate::detect::eif::ForestModel;
use crate::detect::exponential_moments::Moments;
use crate::reading::Timestamp;
use crate::report::Episode;

impl SubjectState {
    /// When it was last in a reading.
    pub(in super::super) fn seen(&self) -> Timestamp {
        self.last_seen
    }

    /// It is in a reading of this instant.
    pub(in super::super) fn see(&mut self, at: Timestamp) {
        self.last_seen = at;
    }

    /// When what it learned was last handed out.
    pub(in super::super) fn handed_out(&self) -> Timestamp {
        self.handed_out
    }

    /// What it learned is handed out at this instant.
    pub(in super::super) fn set_handed_out(&mut self, at: Timestamp) {
        self.handed_out = at;
    }

    /// Whether it learned anything that is worth storing.
    pub(in super::super) fn knows_anything(&self) -> bool {
        self.scorer.own_points() > 0.0
    }

    /// It is gone; gives the episode that ends with it.
    pub(in super::super) fn leave(&mut self) -> Option<Episode> {
        self.description = None;
        self.scorer.end_episode()
    }

    /// What it knows of each signal, once that is its own and enough for others of its kind to start from.
    pub(in super::super) fn prior_to_lend(&self) -> Option<&[Moments]> {
        self.is_trained_on().then(|| self.scorer.moments())
    }

    /// Starts from what its kind knows, with a score as soon as its window is full.
    pub(in super::super) fn borrow(&mut self, known: &[Moments], at: Timestamp, settings: &EngineSettings) {
        self.scorer.borrow(known, DAY_SECONDS / settings.point_seconds());
        (self.ready, self.ready_at) = (true, Timestamp(at.0 + settings.point_seconds()));
    }

    /// Whether a forest is trained on it: it is ready, and its distances are from what is ordinary for itself.
    pub(in super::super) fn is_trained_on(&self) -> bool {
        self.ready && !self.scorer.is_borrowed()
    }

    /// It was away since it saved that; a new model that was tried out then is not the one that is now.
    pub(in super::super) fn come_back(&mut self, at: Timestamp, shadow: Option<&ForestModel>) {
        (self.was_away, self.last_seen, self.handed_out) = (true, at, at);
        self.drop_shadow();
        if let Some(model) = shadow {
            self.try_out(model);
        }
    }
}
