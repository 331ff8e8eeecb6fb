//! The share of signals whose behavior is new to all 18 models of the signal.
//!
//! Step 7 of the pipeline, with Netdata's models: six successive changes of a signal, smoothed over three points, compared
//! with those of 18 six-hour periods that start three hours apart. Behavior that is new to one period is common; behavior
//! new to all is not. The share is held for a while, because only the start and the end of a fault are new.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::kmeans::{KMeans, Vector, WIDTH};
use super::{DetectorInput, DetectorOutput, DetectorParameters, LearnOptions};
use crate::learned_state_codec::{self, COUNT_MAX};

/// Number of models of a signal, to all of which a change must be new.
const MODELS_MAX: usize = 18;
/// Hours of points on which a model is fitted.
const SPAN_HOURS: usize = 6;
/// Hours between two models.
const EVERY_HOURS: usize = 3;
/// Largest number of points on which a model is fitted.
const SPAN_POINTS_MAX: usize = 4_096;
/// Number of single changes that a smoothed change averages.
const SMOOTHED: usize = 3;
/// Smallest denominator of the share, so that one signal is not all of a small host.
const SIGNALS_MIN: usize = 8;
/// Share of new signals from which a point is anomalous.
const THRESHOLD: f64 = 0.5;

/// Counts the signals that change in a new way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NoveltyDetector {
    signals: Vec<SignalNoveltyModels>,
    /// Number of points for a model.
    span: usize,
    /// Number of points between two models.
    every: usize,
    /// Whole points so far.
    points: usize,
    /// Factor by which the held share decays with each point.
    fade: f64,
    /// Held share of each signal.
    held: Vec<f64>,
    /// Whether it neither judges nor learns, to save time and memory.
    #[serde(skip)]
    is_paused: bool,
}

/// The history of one signal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct SignalNoveltyModels {
    floor: f64,
    /// Values of whole points, oldest first: enough for a model and the preceding points of its first vectors.
    past: VecDeque<f64>,
    /// Newest first, because the newest most likely recognizes a change.
    models: VecDeque<KMeans>,
}

impl SignalNoveltyModels {
    /// Whether the change to this value is new to all models.
    fn is_new(&self, value: f64) -> bool {
        if self.models.is_empty() || self.past.len() < LOOK_BACK {
            return false;
        }
        let vector = self.newest(value);
        let moved = vector.iter().fold(0.0, |most: f64, it| most.max(it.abs())) * SMOOTHED as f64;
        moved > self.floor && self.models.iter().all(|it| it.is_new(&vector))
    }

    /// The newest vector if `value` came next.
    fn newest(&self, value: f64) -> Vector {
        let last = self.past.len();
        // `back` 0 is the value itself, 1 the newest learned one.
        let at = |back: usize| if back == 0 { value } else { self.past[last - back] };
        std::array::from_fn(|lag| (at(lag) - at(lag + SMOOTHED)) / SMOOTHED as f64)
    }

    fn learn(&mut self, value: f64, span: usize) {
        if self.past.len() == span + LOOK_BACK {
            self.past.pop_front();
        }
        self.past.push_back(value);
    }

    /// Fits a model to the last points.
    fn model(&mut self, span: usize) {
        let past = self.past.make_contiguous();
        let Some(first) = past.len().checked_sub(span) else { return };
        let change = |idx: usize| match idx.checked_sub(SMOOTHED) {
            Some(before) => (past[idx] - past[before]) / SMOOTHED as f64,
            // The first points have no predecessors.
            None => 0.0,
        };
        let vector = |idx: usize| std::array::from_fn(|lag| change(idx.saturating_sub(lag)));
        let vectors: Vec<Vector> = (first..past.len()).map(vector).collect();
        self.models.truncate(MODELS_MAX - 1);
        if let Some(model) = KMeans::fit(&vectors) {
            self.models.push_front(model);
        }
    }
}

/// Number of earlier points that a vector needs.
const LOOK_BACK: usize = WIDTH - 1 + SMOOTHED;

impl NoveltyDetector {
    pub(super) fn new(parameters: &DetectorParameters) -> Self {
        let per_hour = ((parameters.points_per_day / 24.0) as usize).max(1);
        Self {
            signals: parameters
                .floors
                .iter()
                .map(|floor| SignalNoveltyModels { floor: *floor, ..SignalNoveltyModels::default() })
                .collect(),
            span: (SPAN_HOURS * per_hour).min(SPAN_POINTS_MAX),
            every: (EVERY_HOURS * per_hour).min(SPAN_POINTS_MAX / 2),
            points: 0,
            fade: 0.5_f64.powf(1.0 / parameters.novelty_half_life),
            held: vec![0.0; parameters.width()],
            is_paused: false,
        }
    }

    /// Pauses it and frees what it knows, or resumes it: it then starts anew.
    pub(crate) fn pause(&mut self, is_paused: bool) {
        if is_paused && !self.is_paused {
            self.signals.iter_mut().for_each(|it| {
                *it = SignalNoveltyModels { floor: it.floor, ..SignalNoveltyModels::default() }
            });
            self.held.iter_mut().for_each(|it| *it = 0.0);
            self.points = 0;
        }
        self.is_paused = is_paused;
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        let fit = |(one, other): (&SignalNoveltyModels, &SignalNoveltyModels)| {
            learned_state_codec::is_bit_equal(one.floor, other.floor)
                && one.past.len() <= self.span + LOOK_BACK
                && one.models.len() <= MODELS_MAX
        };
        (self.span, self.every) == (fresh.span, fresh.every)
            && self.signals.len() == fresh.signals.len()
            && self.signals.iter().zip(&fresh.signals).all(fit)
            && self.points < COUNT_MAX
            && learned_state_codec::is_bit_equal(self.fade, fresh.fade)
            && self.held.len() == fresh.held.len()
    }

    /// Contribution of each signal to the novelty of this point, including held ones.
    fn shares(&self, input: &DetectorInput<'_>) -> Vec<f64> {
        let share = 1.0 / self.signals.len().max(SIGNALS_MIN) as f64;
        let values = input.point.values.iter().zip(&input.point.missing);
        let new =
            self.signals.iter().zip(values).map(|(known, (value, missing))| !missing && known.is_new(*value));
        let now: Vec<f64> = new.map(|new| if new { share } else { 0.0 }).collect();
        let faded = self.held.iter().sum::<f64>() * self.fade;
        if now.iter().sum::<f64>() >= faded {
            now
        } else {
            self.held.iter().map(|it| it * self.fade).collect()
        }
    }

    pub(super) fn judge(&self, input: &DetectorInput<'_>) -> DetectorOutput {
        if self.points < self.span {
            return DetectorOutput::Abstain;
        }
        let shares = self.shares(input);
        DetectorOutput::Score { score: shares.iter().sum(), threshold: THRESHOLD, shares }
    }

    pub(super) fn learn(&mut self, input: &DetectorInput<'_>, learn_options: LearnOptions) {
        if !learn_options.step || self.is_paused {
            return;
        }
        self.held = self.shares(input);
        self.points += 1;
        let due = self.points >= self.span && self.points.is_multiple_of(self.every);
        for (known, value) in self.signals.iter_mut().zip(&input.point.values) {
            known.learn(*value, self.span);
            if due {
                known.model(self.span);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Point;

    const STEP: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

    /// Nine signals of noise, four points an hour; then each signal of `jumps` moves by `by`. Returns the share found.
    fn check(hours: usize, floor: f64, jumps: usize, by: f64, expected: Option<f64>) {
        let parameters = DetectorParameters {
            points_per_day: 96.0,
            novelty_half_life: 20.0,
            ..DetectorParameters::plain(vec![floor; 9], 1e4)
        };
        let mut novelty = NoveltyDetector::new(&parameters);
        let value = |t: usize, idx: usize| ((t * (idx + 3) * 7919) % 101) as f64 / 101.0;
        let point = |values| Point { values, missing: vec![false; 9], ..Point::default() };
        let noise = [0.0; 9];
        for t in 0..hours * 4 {
            let point = point((0..9).map(|idx| value(t, idx)).collect());
            novelty.learn(
                &DetectorInput { point: &point, z: &noise, noise: &noise, threshold_factor: 1.0 },
                STEP,
            );
        }
        let jumped = |idx| value(hours * 4, idx) + if idx < jumps { by } else { 0.0 };
        let point = point((0..9).map(jumped).collect());
        let output =
            novelty.judge(&DetectorInput { point: &point, z: &noise, noise: &noise, threshold_factor: 1.0 });
        match (output, expected) {
            (DetectorOutput::Score { score, .. }, Some(expected)) => {
                // Less than one of nine signals, because a day and a half does not contain all of the noise.
                assert!((score - expected).abs() < 0.1, "{hours} h, {jumps} by {by}: {score}");
            }
            (output, expected) => assert_eq!(output.relative(), expected),
        }
    }

    #[test]
    fn it_abstains_until_the_first_model_exists() {
        check(5, 0.0, 9, 50.0, None);
        check(6, 0.0, 9, 50.0, Some(1.0));
    }

    #[test]
    fn counts_the_signals_that_change_in_a_new_way() {
        check(60, 0.0, 0, 0.0, Some(0.0));
        check(60, 0.0, 3, 50.0, Some(3.0 / 9.0));
        check(60, 60.0, 3, 50.0, Some(0.0));
    }

    #[test]
    fn it_knows_nothing_while_it_is_paused_and_starts_anew() {
        let parameters =
            DetectorParameters { points_per_day: 24.0, ..DetectorParameters::plain(vec![0.0], 1e4) };
        let mut novelty = NoveltyDetector::new(&parameters);
        let point = Point { values: vec![1.0], missing: vec![false], ..Point::default() };
        let input = DetectorInput { point: &point, z: &[0.0], noise: &[0.0], threshold_factor: 1.0 };
        let abstains = |it: &NoveltyDetector| it.judge(&input) == DetectorOutput::Abstain;
        (0..20).for_each(|_| novelty.learn(&input, STEP));
        assert!(!abstains(&novelty));
        for _ in 0..20 {
            novelty.pause(true);
            novelty.learn(&input, STEP);
            assert!(abstains(&novelty) && novelty.signals[0].past.is_empty());
        }
        novelty.pause(false);
        assert!(abstains(&novelty));
        (0..20).for_each(|_| novelty.learn(&input, STEP));
        assert!(!abstains(&novelty) && novelty.fits(&NoveltyDetector::new(&parameters)));
    }

    #[test]
    fn the_share_is_held() {
        let parameters = DetectorParameters {
            points_per_day: 24.0,
            novelty_half_life: 2.0,
            ..DetectorParameters::plain(vec![0.0], 1e4)
        };
        let mut novelty = NoveltyDetector::new(&parameters);
        let mut found = Vec::new();
        for t in 0..40 {
            let value = f64::from(t % 4) + if t == 36 { 90.0 } else { 0.0 };
            let point = Point { values: vec![value], missing: vec![false], ..Point::default() };
            let input = DetectorInput { point: &point, z: &[0.0], noise: &[0.0], threshold_factor: 1.0 };
            found.push(novelty.judge(&input).relative().unwrap_or(0.0) * THRESHOLD);
            novelty.learn(&input, STEP);
        }
        assert!(found[25..36].iter().all(|it| *it < 1e-2), "{found:?}");
        assert!((found[36] - 1.0 / 8.0).abs() < 1e-12, "{found:?}");
    }
}
