//! The memory of one subject: its window, what was learned of it, and its episode.

use std::collections::VecDeque;

use super::Settings;
use super::thinned::Thinned;
use crate::detect::adaptive::Adaptive;
use crate::detect::baseline::Statistics;
use crate::detect::eif::{Model, clip};
use crate::detect::{DETECTORS, Detector, Lesson, Shape, Verdict, View, contribution, fuse, vote, young};
use crate::episode::{Release, Tracker};
use crate::reading::Timestamp;
use crate::report::{
    Contribution, DetectorState, Direction, Expected, Judgement, Opinion, SignalState, Turn,
};
use crate::signal::{Change, Signal};
use crate::training::TrainingSet;
use crate::window::Window;

/// A gap of more than this many intervals restarts the window.
const GAP_INTERVALS: f64 = 3.0;
/// However little a host knows, a state that lasts less than this many seconds is not its new normal.
const ACCEPT_SECONDS_MIN: f64 = 3_600.0;
/// After a new normal was accepted, what came before weighs as much as this many points.
const POINTS_AFTER_ACCEPTANCE: f64 = 20.0;
/// Points it takes before distances mean anything.
const POINTS_MIN: f64 = 2.0;

/// One subject.
#[derive(Debug)]
pub(super) struct State {
    signals: Vec<&'static Signal>,
    window: Window,
    adaptive: Adaptive,
    detectors: Vec<Box<dyn Detector>>,
    history: Thinned,
    /// The smoothed joint score, on the raw scale.
    smooth: f64,
    /// Scores of the last `hold` seconds that no later one exceeds, with what they were made of, newest last.
    held: VecDeque<(Timestamp, f64, Vec<Contribution>)>,
    tracker: Tracker,
    /// Seconds of uninterrupted readings so far.
    observed: f64,
    /// Whole points learned, in weights.
    points: f64,
    /// The limit's factor for that many points.
    width: f64,
    /// Readings since the last whole point.
    since_point: usize,
    ready_at: Timestamp,
    ready: bool,
}

impl State {
    pub(super) fn new(signals: &[&'static Signal], settings: &Settings) -> Self {
        let shape = Shape {
            floors: signals.iter().map(|it| it.floor).collect(),
            half_life: settings.half_life / settings.point_seconds(),
        };
        Self {
            signals: signals.to_vec(),
            window: Window::new(settings.window, signals.len()),
            adaptive: Adaptive::new(&shape),
            detectors: DETECTORS.iter().map(|row| (row.build)(&shape)).collect(),
            history: Thinned::new(),
            smooth: 0.0,
            held: VecDeque::new(),
            tracker: Tracker::default(),
            observed: 0.0,
            points: 0.0,
            width: f64::INFINITY,
            since_point: 0,
            ready_at: Timestamp::default(),
            ready: false,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Seconds of uninterrupted readings so far.
    pub(super) fn observed(&self) -> f64 {
        self.observed
    }

    pub(super) fn at(&self) -> Timestamp {
        self.window.point().at
    }

    pub(super) fn install(&mut self, model: &Model) {
        self.detectors.iter_mut().for_each(|it| it.install(model));
    }

    pub(super) fn training_set(&self) -> TrainingSet {
        TrainingSet {
            rows: self.history.rows(self.signals.len()),
            noise: self.adaptive.noise().into_iter().map(|it| it as f32).collect(),
        }
    }

    /// Judges the newest change, then learns it.
    pub(super) fn step(
        &mut self,
        at: Timestamp,
        change: Option<Change<'_>>,
        settings: &Settings,
    ) -> Judgement {
        let fresh = self.observe(at, change, settings);
        let z = self.adaptive.z(self.window.point());
        let noise = self.adaptive.noise();
        let mut judgement = Judgement { ready_at: self.ready_at, ..Judgement::default() };
        if fresh && self.window.is_full() {
            let verdicts = self.judge(&z, &noise);
            if self.ready {
                self.conclude(&z, &verdicts, settings, &mut judgement);
            }
            self.learn(&z, &noise, settings);
        }
        judgement.signals = self.signal_states();
        judgement.episode = self.tracker.episode();
        judgement
    }

    /// Takes the change into the window; says whether it gave signals.
    fn observe(&mut self, at: Timestamp, change: Option<Change<'_>>, settings: &Settings) -> bool {
        let gap_max = GAP_INTERVALS * settings.interval;
        let Some(change) = change.filter(|it| it.elapsed <= gap_max) else {
            self.window.restart();
            self.foresee(at, settings);
            return false;
        };
        self.observed += change.elapsed;
        let signals = self.signals.iter().map(|it| (it.of)(&change)).collect();
        self.window.push(at, signals);
        self.foresee(at, settings);
        true
    }

    /// Says when the score will be there, until it is.
    fn foresee(&mut self, at: Timestamp, settings: &Settings) {
        if !self.ready {
            let left = (settings.warmup - self.observed).max(0.0);
            self.ready_at = Timestamp(at.0 + left);
            self.ready = left <= 0.0 && self.points >= POINTS_MIN;
        }
    }

    fn judge(&self, z: &[f64], noise: &[f64]) -> Vec<Verdict> {
        let view = View { point: self.window.point(), z, noise };
        self.detectors.iter().map(|it| it.judge(&view)).collect()
    }

    /// Joins the verdicts into the score, the vote and the episode.
    fn conclude(&mut self, z: &[f64], verdicts: &[Verdict], settings: &Settings, into: &mut Judgement) {
        let verdict = |name| {
            let place = DETECTORS.iter().position(|row| row.name == name);
            place.map_or(&Verdict::Abstain, |idx| &verdicts[idx])
        };
        let joint = fuse::fuse(z, verdict("distance"), verdict("eif"));
        let limit = settings.limit * self.width;
        // A half-life of one reading: one odd reading is no alarm, and what a window's mean is over is over.
        self.smooth = (self.smooth + joint.score) / 2.0;
        let momentary = self.smooth / limit;
        let contributions = self.contributions(&joint.shares, z, momentary);
        let cause = contributions.first().and_then(|it| self.index_of(it.signal));
        let at = self.at();
        // A young host believes a new state once it has lasted as long as all that it knew before.
        let known = (self.points * settings.point_seconds()).max(ACCEPT_SECONDS_MIN);
        let accept_after = settings.release.accept_after.min(known);
        into.turn = self.tracker.step(at, momentary, cause, Release { accept_after, ..settings.release });
        if matches!(into.turn, Some(Turn::Accepted(_))) {
            self.adaptive.doubt(POINTS_AFTER_ACCEPTANCE);
        }
        let (score, contributions) = self.hold(at, momentary, contributions, settings.hold);
        let detectors: Vec<DetectorState> = DETECTORS
            .iter()
            .zip(verdicts)
            .map(|(row, verdict)| {
                let score = verdict.relative();
                DetectorState { name: row.name, score, vote: score.filter(|_| row.votes).map(|it| it >= 1.0) }
            })
            .collect();
        let confidence = vote::majority(detectors.iter().map(|it| it.vote)).map(|it| it.confidence);
        into.opinion = Some(Opinion { score, momentary, confidence, detectors, contributions });
    }

    fn index_of(&self, signal: &Signal) -> Option<usize> {
        self.signals.iter().position(|it| std::ptr::eq(*it, signal))
    }

    fn contributions(&self, shares: &[f64], z: &[f64], score: f64) -> Vec<Contribution> {
        let named = contribution::largest(shares, score).into_iter();
        named
            .map(|(idx, value)| Contribution {
                signal: self.signals[idx],
                direction: if z[idx] < 0.0 { Direction::Low } else { Direction::High },
                value,
            })
            .collect()
    }

    /// The highest score of the last `hold` seconds and what it was made of.
    fn hold(
        &mut self,
        at: Timestamp,
        score: f64,
        of: Vec<Contribution>,
        hold: f64,
    ) -> (f64, Vec<Contribution>) {
        while self.held.back().is_some_and(|(_, older, _)| *older <= score) {
            self.held.pop_back();
        }
        self.held.push_back((at, score, of));
        // A clock that stepped back leaves scores of the future behind; they go as well.
        while self.held.front().is_some_and(|(then, _, _)| !(0.0..=hold).contains(&(at.0 - then.0))) {
            self.held.pop_front();
        }
        self.held.front().map(|(_, score, of)| (*score, of.clone())).unwrap_or_default()
    }

    /// Learns the point: a share of it at each reading while warming up, later once a window.
    fn learn(&mut self, z: &[f64], noise: &[f64], settings: &Settings) {
        self.since_point += 1;
        let step = self.since_point >= settings.window;
        if step {
            self.since_point = 0;
        }
        if !step && self.ready {
            return;
        }
        let whole = if self.ready { 1.0 } else { 1.0 / settings.window as f64 };
        let quarantined = self.tracker.episode().is_some();
        let weight = if quarantined { whole * settings.quarantine } else { whole };
        let lesson = Lesson { weight, step, quarantined };
        let view = View { point: self.window.point(), z, noise };
        self.detectors.iter_mut().for_each(|it| it.learn(&view, lesson));
        if !quarantined && self.points >= POINTS_MIN {
            self.history.push(self.window.point().at, clip(z).into_iter().map(|it| it as f32));
        }
        self.adaptive.learn(self.window.point(), lesson);
        self.points += weight;
        self.width = young::width(self.points);
    }

    fn signal_states(&self) -> Vec<SignalState> {
        let point = self.window.point();
        let present = (0..self.signals.len()).filter(|idx| !point.missing[*idx]);
        present
            .map(|idx| {
                let signal = self.signals[idx];
                let expected = Statistics::of(&self.adaptive, idx).filter(|_| self.ready).map(|it| {
                    let (lower, upper) = it.bounds(self.width);
                    Expected { value: it.mean, lower: lower.max(0.0), upper: upper.min(signal.max()) }
                });
                SignalState { signal, value: point.values[idx], expected }
            })
            .collect()
    }
}
