//! Rebuilds learned state from stored points, if there is no valid snapshot.
//!
//! The result differs from the original in small ways: a new host scored and learned points between the stored ones,
//! and points older than a week are thinned (see [`HistoryLearner`]).

use std::collections::BTreeMap;

use super::{Engine, SubjectState};
use crate::detect::exponential_moments::SignalMoments;
use crate::reading::{Subject, SubjectKind, Timestamp};
use crate::scorer::{HistoryLearner, HistoryPoint};
use crate::signal::Signal;
use crate::window::Point;

/// A subject whose state is being rebuilt.
#[derive(Debug)]
pub struct StateRebuild<'a> {
    engine: &'a mut Engine,
    subject: Subject,
    state: SubjectState,
    /// The newest point so far. Like a live point, it is finite, and a missing value keeps its last value.
    past: HistoryPoint,
    learner: HistoryLearner,
    /// Number of points so far.
    count: usize,
}

impl Engine {
    /// Starts to rebuild the state of a subject from stored points up to `until`; [`finish`](StateRebuild::finish)
    /// replaces its present state. `None` for a kind without signals.
    pub fn start_state_rebuild(&mut self, subject: &Subject, until: Timestamp) -> Option<StateRebuild<'_>> {
        let state = self.new_subject_state(subject.kind())?;
        let past = HistoryPoint { point: Point::unknown(state.width()), ..HistoryPoint::default() };
        let learner = HistoryLearner::new(self.settings.scorer(), until);
        Some(StateRebuild { state, subject: subject.clone(), past, learner, count: 0, engine: self })
    }

    /// Sets the statistics of another host, by the names of the signals, as the prior of the first subject of this kind.
    pub fn set_host_prior(&mut self, kind: SubjectKind, known: &BTreeMap<String, SignalMoments>) {
        if let Some(kind_state) = self.kinds.get_mut(&kind) {
            let of = |it: &&'static Signal| known.get(it.name).copied().unwrap_or_default();
            kind_state.priors = kind_state.signals.iter().map(of).collect();
        }
    }

    /// Rebuilds the state of a subject from stored points, oldest first; returns their number.
    pub fn warm(&mut self, subject: &Subject, points: &[HistoryPoint]) -> usize {
        let until = points.last().map(|it| it.point.at).unwrap_or_default();
        let Some(mut warming) = self.start_state_rebuild(subject, until) else { return 0 };
        points.iter().for_each(|it| warming.push(it));
        warming.finish()
    }
}

impl StateRebuild<'_> {
    /// Learns the next point, oldest first; a point with another number of signals is skipped.
    pub fn push(&mut self, past: &HistoryPoint) {
        if self.take(past) {
            self.state.learn_history(&self.past, &mut self.learner, &self.engine.settings);
        }
    }

    /// Like [`push`](Self::push), but scores the point first, with the current and the shadow model.
    pub fn judge(&mut self, past: &HistoryPoint) -> Option<[f64; 2]> {
        if !self.take(past) {
            return None;
        }
        self.state.judge(&self.past, &self.engine.settings)
    }

    /// Takes the next point; returns whether it is valid.
    fn take(&mut self, past: &HistoryPoint) -> bool {
        let HistoryPoint { point, in_episode, weight, score } = past;
        if !point.is_of(self.state.width()) {
            return false;
        }
        self.past.point.advance(point.at, &point.values, &point.missing);
        (self.past.in_episode, self.past.score) = (*in_episode, score.filter(|it| it.is_finite()));
        self.past.weight = if weight.is_finite() { weight.clamp(0.0, 1.0) } else { 0.0 };
        self.count += 1;
        true
    }

    /// Replaces the state of the subject; returns the number of points learned.
    pub fn finish(self) -> usize {
        let Self { engine, subject, mut state, past, count, .. } = self;
        if count > 0 {
            state.finish_warm_start(&past.point, &engine.settings);
            engine.states.insert(subject, state);
        }
        count
    }
}
