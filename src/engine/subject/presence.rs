//! When a subject was present, and the statistics that it borrows from its kind and shares with others.

use super::{DAY_SECONDS, EngineSettings, SubjectState};
use crate::detect::eif::ForestModel;
use crate::detect::exponential_moments::SignalMoments;
use crate::reading::Timestamp;
use crate::report::Episode;

impl SubjectState {
    /// Time of its last reading.
    pub(in super::super) fn seen(&self) -> Timestamp {
        self.last_seen
    }

    /// Records that it is in a reading of this time.
    pub(in super::super) fn see(&mut self, at: Timestamp) {
        self.last_seen = at;
    }

    /// Time at which its learned state was last handed out.
    pub(in super::super) fn handed_out(&self) -> Timestamp {
        self.handed_out
    }

    /// Records that its learned state is handed out at this time.
    pub(in super::super) fn set_handed_out(&mut self, at: Timestamp) {
        self.handed_out = at;
    }

    /// Whether it has learned state worth storing.
    pub(in super::super) fn has_learned_state(&self) -> bool {
        self.scorer.own_points() > 0.0
    }

    /// Ends its episode, because it is gone; returns that episode.
    pub(in super::super) fn leave(&mut self) -> Option<Episode> {
        self.description = None;
        self.scorer.end_episode()
    }

    /// Statistics of each signal, if they are its own and enough for new subjects of its kind.
    pub(in super::super) fn shareable_prior(&self) -> Option<&[SignalMoments]> {
        self.is_trained_on().then(|| self.scorer.moments())
    }

    /// Starts from the statistics of its kind; the first score follows as soon as the window is full.
    pub(in super::super) fn borrow(
        &mut self,
        known: &[SignalMoments],
        at: Timestamp,
        settings: &EngineSettings,
    ) {
        self.scorer.borrow(known, DAY_SECONDS / settings.point_seconds());
        (self.ready, self.ready_at) = (true, Timestamp(at.0 + settings.point_seconds()));
    }

    /// Starts from the statistics of another host.
    pub(in super::super) fn borrow_from_host(
        &mut self,
        known: &[SignalMoments],
        at: Timestamp,
        settings: &EngineSettings,
    ) {
        self.borrow(known, at, settings);
        self.uses_host_prior = true;
    }

    /// Whether it is scored largely with borrowed statistics; for a day after it started with those of another host.
    pub(super) fn uses_prior(&self) -> bool {
        self.scorer.is_borrowed() || self.uses_host_prior && self.observed < DAY_SECONDS
    }

    /// The expected time of its first score; `None` once it is ready, and before its first reading.
    pub(in super::super) fn first_score_at(&self) -> Option<Timestamp> {
        (!self.ready && self.ready_at > Timestamp::default()).then_some(self.ready_at)
    }

    /// Whether it contributes to the training set: it is ready and has statistics of its own.
    pub(in super::super) fn is_trained_on(&self) -> bool {
        self.ready && !self.scorer.is_borrowed()
    }

    /// Records a return after an absence; a shadow model of that time is dropped, as it may differ from the present
    /// one.
    pub(in super::super) fn return_after_absence(&mut self, at: Timestamp, shadow: Option<&ForestModel>) {
        (self.was_away, self.last_seen, self.handed_out) = (true, at, at);
        self.drop_shadow();
        if let Some(model) = shadow {
            self.start_shadow(model);
        }
    }
}
