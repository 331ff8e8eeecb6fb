//! Rebuilds learned state from stored points.
//!
//! The result is not equal to the last bit, because points were scored and learned between the stored ones while the host
//! was new, and points older than a week are thinned (see [`HistoryLearner`]). It is used if there is no valid snapshot.

use super::{Engine, SubjectState};
use crate::reading::{Subject, Timestamp};
use crate::scorer::{HistoryLearner, ScorerHistory};
use crate::window::Point;

/// A subject that is made to know again.
#[derive(Debug)]
pub struct WarmStart<'a> {
    engine: &'a mut Engine,
    subject: Subject,
    state: SubjectState,
    /// The newest point so far; as each new one it is finite, and what is missing in it keeps its last value.
    past: ScorerHistory,
    learner: HistoryLearner,
    /// Points so far.
    count: usize,
}

impl Engine {
    /// Begins to learn the past of a subject from stored points up to `until`; what was known of it is dropped once the
    /// points are through. Nothing for a kind without signals.
    pub fn warming(&mut self, subject: &Subject, until: Timestamp) -> Option<WarmStart<'_>> {
        let state = self.fresh(subject.kind())?;
        let past = ScorerHistory { point: Point::unknown(state.width()), ..ScorerHistory::default() };
        let fold = HistoryLearner::new(self.settings.scorer(), until);
        Some(WarmStart { state, subject: subject.clone(), past, learner: fold, count: 0, engine: self })
    }

    /// Learns the past of a subject from stored points, oldest first; gives how many there were.
    pub fn warm(&mut self, subject: &Subject, points: &[ScorerHistory]) -> usize {
        let until = points.last().map(|it| it.point.at).unwrap_or_default();
        let Some(mut warming) = self.warming(subject, until) else { return 0 };
        points.iter().for_each(|it| warming.push(it));
        warming.finish()
    }
}

impl WarmStart<'_> {
    /// The next point, in the order in which they were; one with another number of signals is left out.
    pub fn push(&mut self, past: &ScorerHistory) {
        if self.take(past) {
            self.state.learn_history(&self.past, &mut self.learner, &self.engine.settings);
        }
    }

    /// The same, judged before it is learned: by the model that judges, and by the one that is tried out.
    pub fn judge(&mut self, past: &ScorerHistory) -> Option<[f64; 2]> {
        if !self.take(past) {
            return None;
        }
        self.state.judge(&self.past, &self.engine.settings)
    }

    /// Takes the next point; says whether it is one.
    fn take(&mut self, past: &ScorerHistory) -> bool {
        let ScorerHistory { point, in_anomaly, weight, score } = past;
        if !point.is_of(self.state.width()) {
            return false;
        }
        self.past.point.advance(point.at, &point.values, &point.missing);
        (self.past.in_anomaly, self.past.score) = (*in_anomaly, score.filter(|it| it.is_finite()));
        self.past.weight = if weight.is_finite() { weight.clamp(0.0, 1.0) } else { 0.0 };
        self.count += 1;
        true
    }

    /// Puts what was learned in the place of what was known; gives the number of points.
    pub fn finish(self) -> usize {
        let Self { engine, subject, mut state, past, count, .. } = self;
        if count > 0 {
            state.finish_warm_start(&past.point, &engine.settings);
            engine.states.insert(subject, state);
        }
        count
    }
}
