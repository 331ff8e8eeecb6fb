//! Detects a signal that stays further from its mean than ever in the last days.
//!
//! The joint score is made for faults that affect many signals; a leak in one of thirty signals is a thirtieth of it. Here
//! each signal is compared only with itself: its smoothed distance on either side, with the largest before. The last half
//! day does not count as before, or slow growth would become normal.
//!
//! Before three days are known, a spike of any size may be usual, so only the share in use of something that can be full is
//! compared: memory or a filesystem that moves by a fifth of its size is worth a look. It raises the score to the threshold,
//! not to the alert level.
//!
//! Only signals with a noise floor are scored. Without one, the maximum is exceeded by noise as often as by faults: on
//! labeled tables without floors, results get worse.

use serde::{Deserialize, Serialize};

use super::{DetectorInput, DetectorOutput, DetectorParameters, LearnOptions, smoothing_factor};
use crate::learned_state_codec::COUNT_MAX;

/// Half-life of the smoothing, in points.
const SMOOTH: f64 = 5.0;
/// Largest distance of a signal, in deviations, so that a single outlier is no extreme.
const CLIP: f64 = 19.0;
/// Smallest smoothed distance of an extreme, in deviations. A lasting step of three deviations is one.
const FAR: f64 = 2.5;
/// An extreme exceeds the largest earlier distance by this factor.
const FACTOR: f64 = 1.5;
/// Number of blocks per day. A block counts as earlier only after it has been set aside for the length of another.
const BLOCKS_PER_DAY: f64 = 2.0;
/// Blocks needed before the detector scores all signals: three days.
const BLOCKS_MIN: usize = 6;
/// Smallest distance of an extreme until then, in deviations.
const NEW_FAR: f64 = 4.0;
/// A signal is back if two consecutive points are below this share of the smoothed distance.
const NOW_MIN: f64 = 0.5;
/// For learning, an extreme ends below this share of the threshold; otherwise a fluctuating one would soon be a habit.
const OVER: f64 = 0.5;
/// From this share of the threshold on, a near extreme keeps an episode open, but does not start one.
const KEEP_MIN: f64 = 0.7;
/// Largest contribution; 1 is the threshold of the joint score. It is slightly above 1, because the smoothed score
/// approaches it slowly, and not higher, because one signal is no worse than a fault that affects all.
const SHARE_MAX: f64 = 1.2;
/// Days after which an extreme is normal; equal to the default time of accepting an episode.
const ACCEPT_DAYS: f64 = 0.25;
/// This number of extremes, with exponential forgetting, is a habit: they are then normal.
const HABIT: f64 = 2.5;

/// Compares the distance at which each signal stays with its largest earlier distance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LevelExtreme {
    smoothing_factor: f64,
    smooth: f64,
    /// Number of points in a block.
    block: usize,
    /// Number of points after which an extreme is normal.
    accept: f64,
    /// Whole points so far.
    points: usize,
    /// `None` for a signal without a noise floor.
    signals: Vec<Option<SignalExtremes>>,
}

/// The history of one signal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct SignalExtremes {
    /// Whether it is the share in use of something that can be full.
    fills: bool,
    /// Its smoothed distance.
    level: f64,
    /// Its last distance.
    last: f64,
    /// Below and above the expected value.
    sides: [OneSidedExtremes; 2],
}

/// Distances of a signal on one side, in smoothed deviations.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct OneSidedExtremes {
    /// Largest earlier distance, slowly forgotten.
    max_distance: f64,
    /// Largest distance of the current and of the previous block.
    block_maxima: [f64; 2],
    /// Number of points of the current extreme, and the largest distance of it and of recent extremes that are no
    /// habit yet.
    now: (f64, f64),
    /// Number of extremes, slowly forgotten.
    extreme_count: f64,
}

impl SignalExtremes {
    fn smoothed(&self, z: f64, share: f64) -> f64 {
        self.level + share * (z.clamp(-CLIP, CLIP) - self.level)
    }

    /// Distance divided by its threshold; from 1 on it is an extreme.
    fn ratio(&self, level: f64) -> f64 {
        let side = &self.sides[usize::from(level > 0.0)];
        level.abs() / (FACTOR * side.max_distance).max(FAR)
    }

    /// As [`ratio`](Self::ratio), before three days are known: the distance itself, with all earlier ones.
    fn ratio_when_new(&self, z: f64, threshold_factor: f64) -> f64 {
        let side = &self.sides[usize::from(z > 0.0)];
        let max_distance = side.block_maxima.into_iter().fold(side.max_distance, f64::max);
        if self.fills { z.abs() / (FACTOR * max_distance).max(NEW_FAR * threshold_factor) } else { 0.0 }
    }
}

impl OneSidedExtremes {
    /// Learns a whole point with its distance on this side and the ratio of that distance.
    fn learn(&mut self, distance: f64, ratio: f64, accept: f64, learn_options: LearnOptions) {
        let (points, max_distance) = &mut self.now;
        if ratio >= if *points > 0.0 { OVER } else { 1.0 } {
            *points += 1.0;
            *max_distance = max_distance.max(distance);
            if *points > accept {
                self.max_distance = self.max_distance.max(*max_distance);
            }
            return;
        }
        if *points > 0.0 {
            *points = 0.0;
            self.extreme_count += 1.0;
            if self.extreme_count > HABIT {
                self.max_distance = self.max_distance.max(*max_distance);
                *max_distance = 0.0;
            }
        }
        if !learn_options.in_episode {
            self.block_maxima[0] = self.block_maxima[0].max(distance);
        }
    }

    fn forget(&mut self, share: f64) {
        self.max_distance *= 1.0 - share;
        self.extreme_count *= 1.0 - share;
        self.now.1 *= 1.0 - share;
    }

    /// Ends a block: the previous one counts as earlier from now on.
    fn advance_day(&mut self) {
        let [this, last] = self.block_maxima;
        self.max_distance = self.max_distance.max(last);
        self.block_maxima = [0.0, this];
    }
}

impl LevelExtreme {
    pub(super) fn new(parameters: &DetectorParameters) -> Self {
        Self {
            smoothing_factor: smoothing_factor(parameters.half_life),
            smooth: smoothing_factor(SMOOTH),
            block: ((parameters.points_per_day / BLOCKS_PER_DAY) as usize).max(1),
            accept: ACCEPT_DAYS * parameters.points_per_day,
            points: 0,
            signals: parameters
                .floors
                .iter()
                .map(|floor| (*floor > 0.0).then(SignalExtremes::default))
                .collect(),
        }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        let fit = |(one, other): (&Option<SignalExtremes>, &Option<SignalExtremes>)| {
            one.as_ref().map(|it| it.fills) == other.as_ref().map(|it| it.fills)
        };
        let parameters = |it: &Self| [it.smoothing_factor, it.smooth, it.accept].map(f64::to_bits);
        (self.block, parameters(self)) == (fresh.block, parameters(fresh))
            && self.points < COUNT_MAX
            && self.signals.len() == fresh.signals.len()
            && self.signals.iter().zip(&fresh.signals).all(fit)
    }

    /// States which signals are the share in use of something that can be full.
    pub(crate) fn set_filling(&mut self, fills: &[bool]) {
        for (signal, fills) in self.signals.iter_mut().zip(fills) {
            if let Some(signal) = signal {
                signal.fills = *fills;
            }
        }
    }

    /// Whether three days are known.
    pub(crate) fn is_known(&self) -> bool {
        self.points >= BLOCKS_MIN * self.block
    }

    /// Present ratio of a signal; 0 if it is missing or back.
    fn ratio(&self, signal: &SignalExtremes, input: &DetectorInput<'_>, idx: usize) -> f64 {
        let z = input.z[idx];
        if !self.is_known() {
            let ratio = signal.ratio_when_new(z, input.threshold_factor);
            return if input.point.missing[idx] { 0.0 } else { ratio };
        }
        let level = signal.smoothed(z, self.smooth);
        let is_back = |z: f64| z * level <= 0.0 || z.abs() < NOW_MIN * level.abs();
        if input.point.missing[idx] || is_back(z) && is_back(signal.last) { 0.0 } else { signal.ratio(level) }
    }

    /// Whether any signal has a noise floor.
    pub(crate) fn has_floors(&self) -> bool {
        self.signals.iter().any(Option::is_some)
    }

    pub(super) fn judge(&self, input: &DetectorInput<'_>) -> DetectorOutput {
        let mut scored = self.signals.iter().flatten();
        if !scored.any(|it| it.fills || self.is_known()) {
            return DetectorOutput::Abstain;
        }
        let each = self.signals.iter().enumerate();
        let ratios: Vec<f64> =
            each.map(|(idx, it)| it.as_ref().map_or(0.0, |it| self.ratio(it, input, idx))).collect();
        let score = ratios.iter().copied().fold(0.0, f64::max);
        let odd = |it: &f64| if *it >= score.min(1.0) { *it } else { 0.0 };
        let sum: f64 = ratios.iter().map(odd).sum();
        let scale = if score >= KEEP_MIN { score.min(SHARE_MAX) / sum } else { 0.0 };
        DetectorOutput::Score {
            score,
            threshold: 1.0,
            shares: ratios.iter().map(|it| scale * odd(it)).collect(),
        }
    }

    pub(super) fn learn(&mut self, input: &DetectorInput<'_>, learn_options: LearnOptions) {
        if !learn_options.step {
            return;
        }
        let (known, smooth, smoothing_factor) = (self.is_known(), self.smooth, self.smoothing_factor);
        let turn = self.points > 0 && self.points.is_multiple_of(self.block);
        self.points += 1;
        for (idx, signal) in self.signals.iter_mut().enumerate() {
            let Some(signal) = signal else { continue };
            signal.sides.iter_mut().for_each(|it| it.forget(smoothing_factor));
            if turn {
                signal.sides.iter_mut().for_each(OneSidedExtremes::advance_day);
            }
            if input.point.missing[idx] {
                continue;
            }
            let level = signal.smoothed(input.z[idx], smooth);
            let ratio = if known { signal.ratio(level) } else { 0.0 };
            (signal.level, signal.last) = (level, input.z[idx]);
            for (side, distance) in signal.sides.iter_mut().zip([-level, level]) {
                let ratio = if distance > 0.0 { ratio } else { 0.0 };
                side.learn(distance.max(0.0), ratio, self.accept, learn_options);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Point;

    const DAY: usize = 144;
    const STEP: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

    struct LevelExtremeLoop(LevelExtreme);

    impl LevelExtremeLoop {
        fn new(floor: f64) -> Self {
            let parameters = DetectorParameters {
                points_per_day: DAY as f64,
                ..DetectorParameters::plain(vec![floor; 2], 1e4)
            };
            Self(LevelExtreme::new(&parameters))
        }

        /// Scores and learns a distance of the first signal, and returns the score; the second signal is quiet.
        fn step(&mut self, z: f64) -> Option<f64> {
            let point = Point { values: vec![0.0; 2], missing: vec![false; 2], ..Point::default() };
            let input =
                DetectorInput { point: &point, z: &[z, 0.0], noise: &[0.0; 2], threshold_factor: 1.0 };
            let output = self.0.judge(&input);
            self.0.learn(&input, STEP);
            if let DetectorOutput::Score { score, shares, .. } = &output {
                let worth = if *score >= KEEP_MIN { score.min(SHARE_MAX) } else { 0.0 };
                assert!((shares[0] - worth).abs() < 1e-9 && shares[1].abs() < 1e-9, "{output:?}");
            }
            output.relative()
        }

        fn days(&mut self, days: usize, z: impl Fn(usize) -> f64) -> usize {
            (0..days * DAY).filter(|t| self.step(z(*t)).is_some_and(|it| it >= 1.0)).count()
        }
    }

    /// A burst of this size for one hour a day.
    fn burst(size: f64) -> impl Fn(usize) -> f64 {
        move |t| if t % DAY < 12 { size } else { ((t * 7919) % 3) as f64 - 1.0 }
    }

    /// After four days with a burst, checks the score at the end of 20 points at `z`.
    fn check(before: f64, z: f64, expected: bool) {
        let mut loop_ = LevelExtremeLoop::new(1.0);
        assert_eq!(loop_.days(4, burst(before)), 0, "bursts of every day are none");
        let score = (0..20).fold(None, |_, _| loop_.step(z));
        assert_eq!(score.map(|it| it >= 1.0), Some(expected), "{before}, {z}: {score:?}");
    }

    #[test]
    fn a_distance_beyond_all_earlier_ones_is_an_extreme() {
        check(0.0, 2.4, false);
        check(0.0, 4.0, true);
        check(0.0, -4.0, true);
        check(6.0, 6.5, false);
        check(6.0, 10.0, true);
        // On the other side, it never went that far.
        check(6.0, -6.0, true);
    }

    #[test]
    fn three_days_have_to_be_known() {
        let mut loop_ = LevelExtremeLoop::new(1.0);
        loop_.days(3, |_| 0.0);
        assert_eq!(loop_.step(0.0), Some(0.0));
        let mut loop_ = LevelExtremeLoop::new(1.0);
        loop_.days(2, |_| 0.0);
        assert_eq!(loop_.step(9.0), None);
    }

    /// The score of the first point of a signal that can be full, after half a day with this distance each two hours.
    fn when_new(fills: bool, before: f64, z: f64) -> Option<f64> {
        let mut loop_ = LevelExtremeLoop::new(1.0);
        loop_.0.set_filling(&[fills, false]);
        (0..DAY / 2).for_each(|t| _ = loop_.step(if t % 12 == 0 { before } else { 0.0 }));
        loop_.step(z)
    }

    #[test]
    fn on_a_new_host_only_what_can_be_full_is_compared() {
        for (before, z, expected) in [
            (0.0, 3.9, false),
            (0.0, 4.1, true),
            (0.0, -4.1, true),
            // Smoothed, a distance of 19 was 2.5, of which an extreme is 1.5 times as far.
            (19.0, 3.0, false),
            (19.0, 5.0, true),
        ] {
            let found = when_new(true, before, z).map(|it| it >= 1.0);
            assert_eq!(found, Some(expected), "{before}, {z}");
        }
        assert_eq!(when_new(false, 0.0, 9.0), None);
    }

    #[test]
    fn slow_growth_is_detected_and_ends_with_its_return() {
        let mut loop_ = LevelExtremeLoop::new(1.0);
        loop_.days(4, burst(0.0));
        let found = (0..72).filter(|t| loop_.step(*t as f64 / 8.0).is_some_and(|it| it >= 1.0)).count();
        assert!((30..50).contains(&found), "{found}");
        let after: Vec<_> = (0..2).map(|_| loop_.step(0.0)).collect();
        assert_eq!(after[1], Some(0.0), "one point alone is not back: {after:?}");
    }

    #[test]
    fn lasting_and_repeated_extremes_are_accepted() {
        let mut loop_ = LevelExtremeLoop::new(1.0);
        loop_.days(4, burst(0.0));
        let found = loop_.days(3, |_| 8.0);
        assert!((DAY / 4..DAY / 2).contains(&found), "six hours: {found}");
        let mut loop_ = LevelExtremeLoop::new(1.0);
        loop_.days(4, burst(0.0));
        assert!(loop_.days(3, burst(8.0)) > 3);
        assert_eq!(loop_.days(3, burst(8.0)), 0);
    }

    #[test]
    fn without_a_floor_it_abstains() {
        let mut loop_ = LevelExtremeLoop::new(0.0);
        loop_.days(4, burst(0.0));
        assert_eq!(loop_.step(20.0), None);
    }

    #[test]
    fn a_spike_is_no_extreme() {
        let mut loop_ = LevelExtremeLoop::new(1.0);
        loop_.days(4, burst(0.0));
        assert!(loop_.step(1e9).is_some_and(|it| it < 1.0));
    }
}
