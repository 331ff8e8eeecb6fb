//! The memory of one subject: its window, what was learned of it, and its episode.

use std::collections::VecDeque;

use super::Settings;
use super::thinned::Thinned;
use crate::detect::adaptive::Adaptive;
use crate::detect::baseline::Statistics;
use crate::detect::blame::Blame;
use crate::detect::eif::{Model, clip};
use crate::detect::forest::Rows;
use crate::detect::{
    self, DETECTORS, Detector, Lesson, Shape, Verdict, View, contribution, fuse, vote, young,
};
use crate::episode::{Moment, Release, Tracker};
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
/// A signal with a smaller share of the score is not named as a cause of it.
const CAUSE_SHARE_MIN: f64 = 0.05;
/// With so many whole points a tree's sample is full, and the overlapping points of the warm-up are left out.
const ROWS_ENOUGH: usize = 256;
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
    blame: Blame,
    /// Whole points outside episodes, as rows for the forest.
    history: Thinned,
    /// Points of the warm-up, one a reading: they overlap, and stand in until there are enough whole ones.
    early: Thinned,
    /// The smoothed share of each signal in the joint score, on the raw scale.
    smooth: Vec<f64>,
    /// Scores of the last `hold` seconds that no later one exceeds, with what they were made of, newest last.
    held: VecDeque<(Timestamp, f64, Vec<Contribution>)>,
    /// What was concluded last, and when; it stands for a while when readings fail.
    newest: Option<(Timestamp, Opinion)>,
    tracker: Tracker,
    /// Seconds between readings so far, gaps left out.
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
            blame: Blame::new(&shape),
            history: Thinned::new(),
            early: Thinned::new(),
            smooth: vec![0.0; signals.len()],
            held: VecDeque::new(),
            newest: None,
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

    /// Seconds between readings so far, gaps left out.
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
        let early = if self.history.len() < ROWS_ENOUGH { Some(&self.early) } else { None };
        let mut rows = Rows::new(self.signals.len());
        early.into_iter().chain([&self.history]).for_each(|it| it.copy_into(&mut rows));
        TrainingSet { rows, noise: self.adaptive.noise().into_iter().map(|it| it as f32).collect() }
    }

    /// Judges the newest change, then learns it.
    pub(super) fn step(
        &mut self,
        at: Timestamp,
        change: Option<Change<'_>>,
        settings: &Settings,
    ) -> Judgement {
        let elapsed = self.observe(at, change, settings);
        let mut judgement = Judgement { ready_at: self.ready_at, ready: self.ready, ..Judgement::default() };
        if let Some(elapsed) = elapsed.filter(|_| self.window.is_full()) {
            let z = self.adaptive.z(self.window.point());
            let noise = self.adaptive.noise();
            let verdicts = self.judge(&z, &noise);
            if self.ready {
                judgement.turn = self.conclude(&z, &verdicts, elapsed, settings);
            }
            self.learn(&z, &noise, settings);
        }
        let fresh = |(then, _): &&(Timestamp, Opinion)| (0.0..=settings.hold).contains(&(at.0 - then.0));
        judgement.opinion = self.newest.as_ref().filter(fresh).map(|(_, opinion)| opinion.clone());
        judgement.signals = self.signal_states();
        judgement.episode = self.tracker.episode();
        judgement
    }

    /// Takes the change into the window; gives the seconds it took, nothing across a gap.
    fn observe(&mut self, at: Timestamp, change: Option<Change<'_>>, settings: &Settings) -> Option<f64> {
        let gap_max = GAP_INTERVALS * settings.interval;
        let change = change.filter(|it| it.elapsed <= gap_max);
        if let Some(change) = &change {
            self.observed += change.elapsed;
            // A clock that stepped back a little makes the time short and rates huge.
            let known = change.elapsed >= settings.interval / 2.0;
            let signals = self.signals.iter().map(|it| if known { (it.of)(change) } else { None });
            self.window.push(at, signals.collect());
        } else {
            self.window.restart();
            self.tracker.interrupt();
        }
        self.foresee(at, settings);
        change.map(|it| it.elapsed)
    }

    /// Says when the score will be there, until it is.
    fn foresee(&mut self, at: Timestamp, settings: &Settings) {
        if !self.ready {
            let unknown = (POINTS_MIN - self.points).max(0.0) * settings.point_seconds();
            let left = (settings.warmup - self.observed).max(unknown);
            self.ready_at = Timestamp(at.0 + left.max(0.0));
            self.ready = left <= 0.0;
        }
    }

    fn judge(&self, z: &[f64], noise: &[f64]) -> Vec<Verdict> {
        let view = View { point: self.window.point(), z, noise, width: self.width };
        self.detectors.iter().map(|it| it.judge(&view)).collect()
    }

    /// Joins the verdicts into the score, the vote and the episode; says what became of the episode.
    fn conclude(
        &mut self,
        z: &[f64],
        verdicts: &[Verdict],
        elapsed: f64,
        settings: &Settings,
    ) -> Option<Turn> {
        let verdict = |name| {
            let place = DETECTORS.iter().position(|row| row.name == name);
            place.map_or(&Verdict::Abstain, |idx| &verdicts[idx])
        };
        let joint = fuse::fuse(z, verdict("distance"), verdict("eif"));
        // A half-life of one reading: one odd reading is no alarm. The window's mean is smooth by itself.
        self.smooth.iter_mut().zip(&joint.shares).for_each(|(old, new)| *old = (*old + new) / 2.0);
        let limit = settings.limit * self.width;
        let momentary = self.smooth.iter().sum::<f64>().max(0.0) / limit;
        let causes = self.causes(z, limit);
        let now =
            Moment { at: self.at(), elapsed, score: momentary, cause: causes.first().map(|(idx, _)| *idx) };
        let turn = self.tracker.step(now, self.release(settings));
        if matches!(turn, Some(Turn::Accepted(_))) {
            self.adaptive.doubt(POINTS_AFTER_ACCEPTANCE);
        }
        let largest = contribution::largest(&self.smooth, momentary);
        let contributions = largest.into_iter().map(|it| self.contribution(it)).collect();
        let (score, contributions) = self.hold(now.at, momentary, contributions, settings.hold);
        let causes = causes.into_iter().map(|it| self.contribution(it)).collect();
        let detectors = detector_states(verdicts);
        let confidence = vote::majority(detectors.iter().map(|it| it.vote)).map(|it| it.confidence);
        let opinion = Opinion { score, momentary, confidence, detectors, contributions, causes };
        self.newest = Some((now.at, opinion));
        turn
    }

    /// A young host believes a new state once it has lasted as long as all that it knew before.
    fn release(&self, settings: &Settings) -> Release {
        let known = (self.points * settings.point_seconds()).max(ACCEPT_SECONDS_MIN);
        Release { accept_after: settings.release.accept_after.min(known), ..settings.release }
    }

    /// The signals that speak for an anomaly, the oddest first, with their shares of the momentary score.
    fn causes(&self, z: &[f64], limit: f64) -> Vec<(usize, f64)> {
        let blame = self.blame.of(self.window.point(), z);
        let least = self.smooth.iter().sum::<f64>() * CAUSE_SHARE_MIN;
        let shares = self.smooth.iter().copied().enumerate().filter(|(_, share)| *share > least.max(0.0));
        let mut causes: Vec<(usize, f64)> = shares.map(|(idx, share)| (idx, share / limit)).collect();
        causes.sort_by(|a, b| blame[b.0].total_cmp(&blame[a.0]).then(b.1.total_cmp(&a.1)));
        causes.truncate(contribution::NAMED_MAX);
        causes
    }

    fn contribution(&self, (idx, value): (usize, f64)) -> Contribution {
        let low = self.window.point().values[idx] < self.adaptive.moments()[idx].mean;
        let direction = if low { Direction::Low } else { Direction::High };
        Contribution { signal: self.signals[idx], direction, value }
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
        let view = View { point: self.window.point(), z, noise, width: self.width };
        self.detectors.iter_mut().for_each(|it| it.learn(&view, lesson));
        if !quarantined && self.points >= POINTS_MIN {
            let rows = if self.ready { &mut self.history } else { &mut self.early };
            rows.push(self.window.point().at, clip(z).into_iter().map(|it| it as f32));
        }
        self.blame.learn(self.window.point(), lesson);
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

fn detector_states(verdicts: &[Verdict]) -> Vec<DetectorState> {
    let state = |(row, verdict): (&detect::Row, &Verdict)| {
        let score = verdict.relative();
        DetectorState { name: row.name, score, vote: score.filter(|_| row.votes).map(|it| it >= 1.0) }
    };
    DETECTORS.iter().zip(verdicts).map(state).collect()
}
