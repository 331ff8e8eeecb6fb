//! Tests of absences on a simulated live host.

use super::*;
use crate::detect::seeded_rng::SeededRng;
use crate::window::Point;

/// Half a minute, as a point of a live host.
const STEP: f64 = 30.0;
const DAY: usize = 2_880;

/// Signals in a closed loop: while one is absent there is an episode, of six hours at most.
struct ClosedLoop {
    detector: AbsenceDetector,
    floors: Vec<f64>,
    mean: Vec<f64>,
    t: usize,
    since: Option<usize>,
    begun: usize,
    absences: Vec<Absence>,
    score: Option<f64>,
}

impl ClosedLoop {
    fn new(floors: &[f64]) -> Self {
        let shape = DetectorParameters::plain(floors.to_vec(), 7.0 * DAY as f64);
        let detector = AbsenceDetector::new(&shape);
        let (mean, absences) = (vec![0.0; floors.len()], Vec::new());
        Self { detector, floors: floors.to_vec(), mean, t: 0, since: None, begun: 0, absences, score: None }
    }

    fn step(&mut self, values: &[Option<f64>]) {
        let point = Point {
            at: Timestamp(1.7e9 + self.t as f64 * STEP),
            values: values.iter().map(|it| it.unwrap_or(0.0)).collect(),
            missing: values.iter().map(Option::is_none).collect(),
        };
        let each = point.values.iter().zip(&self.mean).zip(&self.floors);
        let z: Vec<f64> = each
            .map(|((value, mean), floor)| if (value - mean).abs() > *floor { 5.0 } else { 0.0 })
            .collect();
        let input = DetectorInput { point: &point, z: &z, noise: &vec![0.0; z.len()], threshold_factor: 1.0 };
        let output = self.detector.judge(&input);
        self.score = output.relative();
        self.absences = self.detector.absences(&input);
        let accepted = self.since.is_some_and(|it| self.t - it >= DAY / 4);
        let absent = self.score.is_some_and(|it| it >= 1.0);
        if absent && self.since.is_none() {
            (self.since, self.begun) = (Some(self.t), self.begun + 1);
        } else if !absent || accepted {
            self.since = None;
        }
        let quarantined = self.since.is_some();
        let weight = if quarantined { 0.2 } else { 1.0 };
        self.detector.learn(&input, LearnOptions { weight, step: true, in_episode: quarantined });
        for (mean, value) in self.mean.iter_mut().zip(&point.values) {
            *mean += (value - *mean) * (1.0 / (self.t + 1) as f64).max(3e-5);
        }
        self.t += 1;
    }
}

/// A changing signal for two days, then the given values; checks which absence is reported after how many points.
fn check(
    of: fn(usize, &mut SeededRng) -> Option<f64>,
    then: &[Option<f64>],
    expect: Option<(AbsenceKind, usize)>,
) {
    let mut random = SeededRng::new(7);
    let mut loop_ = ClosedLoop::new(&[0.0]);
    for t in 0..2 * DAY {
        loop_.step(&[of(t, &mut random)]);
    }
    assert_eq!((loop_.begun, loop_.score.is_some()), (0, true));
    let mut found = None;
    for (count, value) in then.iter().enumerate() {
        loop_.step(&[*value]);
        if let (None, [absence]) = (found, &loop_.absences[..]) {
            found = Some((absence.kind, count + 1));
        }
    }
    assert_eq!(found, expect);
}

fn noise(_: usize, random: &mut SeededRng) -> Option<f64> {
    Some(f64::from(random.uniform()) + 1.0)
}

#[test]
fn each_absence_is_named_within_a_handful_of_points() {
    // The first of the equal values is itself a change.
    check(noise, &[Some(1.5); 60], Some((AbsenceKind::FlatLine, 6)));
    check(noise, &[Some(0.0); 60], Some((AbsenceKind::Stopped, 6)));
    check(noise, &[None; 60], Some((AbsenceKind::Vanished, 5)));
    check(noise, &[Some(1.5); 5], None);
}

#[test]
fn a_signal_that_is_often_constant_may_be_constant() {
    check(|_, random| Some(f64::from(random.uniform() > 0.3)), &[Some(1.0); 10], None);
    check(|t, _| Some(f64::from(u8::from(t % 10 == 0))), &[Some(0.0); 600], None);
    check(|_, random| (random.uniform() > 0.2).then_some(1.0), &[None; 9], None);
}

#[test]
fn it_stays_absent_until_it_moves_or_is_accepted() {
    let mut random = SeededRng::new(1);
    let mut loop_ = ClosedLoop::new(&[0.0]);
    for t in 0..2 * DAY {
        loop_.step(&[noise(t, &mut random)]);
    }
    for run in [60, 60] {
        for _ in 0..run {
            loop_.step(&[Some(1.5)]);
        }
        assert!(loop_.absences.len() == 1 && (loop_.absences[0].points - 59.0).abs() < 1e-9);
        for t in 0..60 {
            loop_.step(&[noise(t, &mut random)]);
        }
        assert!(loop_.absences.is_empty());
    }
    assert_eq!(loop_.begun, 2, "the second is found as the first was");
    for _ in 0..DAY {
        loop_.step(&[None]);
    }
    assert_eq!((loop_.begun, loop_.absences.len()), (3, 0), "six hours are the new normal");
}

#[test]
fn jitter_within_the_floor_may_be_constant_if_it_sometimes_was() {
    let mut random = SeededRng::new(3);
    let mut loop_ = ClosedLoop::new(&[5.0, 0.5, 5.0]);
    for t in 0..2 * DAY {
        let value = noise(t, &mut random).map(|it| it * 4.0);
        loop_.step(&[value.map(f64::round), value, value]);
    }
    for _ in 0..60 {
        loop_.step(&[Some(6.0); 3]);
    }
    let found: Vec<_> = loop_.absences.iter().map(|it| it.idx).collect();
    assert_eq!(found, [1, 2], "{:?}", loop_.absences);
}

#[test]
fn many_at_once_add_little_more_than_one() {
    let run = |length, since| {
        Some(AbsenceProgress { kind: AbsenceKind::Stopped, length, threshold: 10.0, usual: 1.0, since })
    };
    let check = |progress: &[Option<AbsenceProgress>], expected: &[f64]| {
        let found = shares(progress);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}, not {expected:?}");
    };
    check(&[run(9.9, 0.0), None], &[0.0, 0.0]);
    check(&[run(10.0, 0.0), None, run(900.0, 5_000.0)], &[SHARE / 2.0, 0.0, SHARE / 2.0]);
    check(&[run(900.0, 5_000.0)], &[SHARE_LATER]);
}

/// Signals as on hosts: busy by day, bursts, rare integers, counts near 0, temperatures, jobs, missing values.
fn varied_signals(t: usize, states: &mut [f64; 30], random: &mut SeededRng) -> [Option<f64>; 30] {
    let mut u = || f64::from(random.uniform());
    let day = (t % DAY) as f64 / DAY as f64 * 24.0;
    let mut values = [None; 30];
    for (idx, state) in states.iter_mut().enumerate() {
        let variant = (idx % 3) as f64;
        let at_work = day > 7.0 + variant && day < 19.0 + variant;
        values[idx] = match idx / 3 {
            0 => Some(u()),
            1 => Some(if at_work { 1.0 + u() } else { 0.0 }),
            2 => Some(if at_work || u() < 0.02 { (u() * 20.0).floor() } else { 3.0 }),
            3 => Some(poisson([0.1, 0.7, 3.0][idx % 3], &mut u)),
            4 => {
                *state += if u() < [1e-4, 1e-3, 0.05][idx % 3] { 1.0 } else { 0.0 };
                Some(*state)
            }
            5 => {
                *state = (*state + (u() - 0.5) * [0.2, 0.6, 1.5][idx % 3]).clamp(-5.0, 5.0);
                Some(40.0 + state.round())
            }
            6 => {
                // On and off, for minutes to an hour each.
                let turn = u() < [0.2, 0.05, 0.01][idx % 3];
                *state = if turn { 1.0 - *state } else { *state };
                Some(if *state > 0.0 { u() } else { 0.0 })
            }
            7 => Some(if ((day * 60.0) as usize).is_multiple_of([5, 30, 60][idx % 3]) { u() } else { 0.0 }),
            8 => (u() > [0.02, 0.1, 0.3][idx % 3]).then(&mut u),
            _ => {
                // Missing at night, as a laptop's dock is, and for a few minutes now and then.
                let turn = u() < if *state > 0.0 { 0.1 } else { [3e-3, 1e-3, 1e-2][idx % 3] };
                *state = if turn { 1.0 - *state } else { *state };
                (*state == 0.0 && (idx % 3 > 0 || at_work)).then(&mut u)
            }
        };
    }
    values
}

fn poisson(mean: f64, u: &mut impl FnMut() -> f64) -> f64 {
    let (mut count, mut product) = (0.0, u());
    while product > (-mean).exp() {
        product *= u();
        count += 1.0;
    }
    count
}

#[test]
fn a_week_of_thirty_odd_signals_is_quiet() {
    for seed in 0..4 {
        for start in [0, DAY / 3, DAY * 2 / 3] {
            let (mut random, mut states) = (SeededRng::new(seed), [0.0; 30]);
            let mut loop_ = ClosedLoop::new(&[0.0; 30]);
            let mut named = Vec::new();
            for t in 0..7 * DAY {
                let begun = loop_.begun;
                loop_.step(&varied_signals(t + start, &mut states, &mut random));
                if loop_.begun > begun {
                    named.push((t, loop_.absences.clone()));
                }
            }
            assert!(loop_.begun <= 1, "seed {seed}, start {start}: {named:?}");
        }
    }
}
