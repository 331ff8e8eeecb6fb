//! A second opinion on each new forest, from an implementation that shares no line with ours.
//!
//! The crate `extended-isolation-forest` is fitted on the same rows, and both forests judge the same held-out points
//! and the same faults injected into them. A forest that never cuts, or cuts wrongly, looks healthy from within for
//! months; beside a peer it does not.
//!
//! The crate draws from the thread's own generator, so its figure differs a little from run to run. This is the one
//! exception to "no randomness of its own" in the core; nothing but the peer's figure, and a refusal, follows from it.
//! It panics on NaN and infinity; rows that our forest was trained on are finite.

use extended_isolation_forest::{Forest as Peer, ForestOptions};

use super::{Rest, TrainError};
use crate::curve::auc;
use crate::detect::eif::{CLIP, Model};
use crate::detect::forest::{Options, Rows, SAMPLE_MAX};
use crate::detect::memory::TWINS;
use crate::detect::random::Random;

/// By how much our area under the curve may be below the peer's. Where few points are held out, chance alone makes
/// more of a difference than that: half of one over the root of their number, about two standard errors.
pub const WORSE_MAX: f64 = 0.05;

/// Where there is no peer, a forest whose area under the curve is below this is refused.
pub const BLIND_MAX: f64 = 0.6;

/// The most rows that the peer is fitted on; its trees take a few hundred each.
const PEER_ROWS_MAX: usize = SAMPLE_MAX;

/// Trees of the peer in all.
const PEER_TREES: usize = 100;

/// Trees of the peer in memory at a time. The score of a forest is `2^(-mean path / c)`, so the mean of the
/// logarithms of the scores of small forests is the logarithm of the score of one large one, at a fraction of the
/// memory: 100 trees of the crate take 10 MB at 48 signals.
const PEER_BATCH: usize = 4;

/// Faults in a trial.
const FAULTS: usize = 500;

/// A fault moves a signal by so many standard deviations.
const SHIFT: [f32; 2] = [3.0, 8.0];

/// The most signals that one fault moves.
const SHIFTED_MAX: usize = 5;

/// The longest that an injected fault has lasted, in points.
const AGE_MAX: usize = 30;

/// Every so many faults one breaks the signals' relation instead of moving any.
const BROKEN_EVERY: usize = 4;

/// What both forests are shown.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Held-out points as they were.
    pub ordinary: Rows,
    /// Held-out points with a fault injected.
    pub faulty: Rows,
}

impl Trial {
    /// Injects faults into held-out rows of so many signals: one to five signals are moved for a while, or half of the signals come
    /// from another point, so that each is ordinary but their relation is not.
    pub fn new(held_out: &Rows, signals: usize, random: &mut Random) -> Self {
        let mut faulty = Rows::new(held_out.width());
        for idx in 0..if held_out.is_empty() { 0 } else { FAULTS } {
            let mut row = held_out.row(idx % held_out.len()).to_vec();
            if signals > 1 && idx % BROKEN_EVERY == BROKEN_EVERY - 1 {
                break_relation(&mut row, held_out.row(random.below(held_out.len())), signals, random);
            } else {
                shift(&mut row, signals, random);
            }
            faulty.push(&row);
        }
        Self { ordinary: held_out.clone(), faulty }
    }
}

/// Moves some signals as a step that began up to [`AGE_MAX`] points ago; the recent means have gone part of the way.
fn shift(row: &mut [f32], signals: usize, random: &mut Random) {
    let moved = 1 + random.below(SHIFTED_MAX.min(signals));
    let age = 1 + random.below(AGE_MAX);
    let mut unmoved: Vec<usize> = (0..signals).collect();
    for _ in 0..moved {
        let signal = unmoved.swap_remove(random.below(unmoved.len()));
        let size = SHIFT[0] + (SHIFT[1] - SHIFT[0]) * random.uniform();
        let size = if random.uniform() < 0.5 { -size } else { size };
        let gone = std::iter::once(1.0)
            .chain(TWINS.map(|half_life| 1.0 - (-(age as f64) / half_life).exp2() as f32));
        for (value, gone) in row.iter_mut().skip(signal).step_by(signals).zip(gone) {
            *value = (*value + size * gone).clamp(-CLIP as f32, CLIP as f32);
        }
    }
}

/// Takes half of the signals from another row.
fn break_relation(row: &mut [f32], other: &[f32], signals: usize, random: &mut Random) {
    for signal in 0..signals {
        if random.uniform() < 0.5 {
            for idx in (signal..row.len()).step_by(signals) {
                row[idx] = other[idx];
            }
        }
    }
}

/// How well two forests tell faults from ordinary points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opinion {
    /// The area under our curve.
    pub own: f64,
    /// The area under the peer's; nothing above 64 values a row, where the crate would take too much memory.
    pub peer: Option<f64>,
    /// Share of the faulty points that our forest scores above its threshold.
    pub recall: f64,
    /// Share of the ordinary points that it does.
    pub alarms: f64,
}

/// By how much one area under a curve over so many held-out points may be below another and be no worse.
pub fn worse_max(held_out: usize) -> f64 {
    (0.5 / (held_out as f64).sqrt()).max(WORSE_MAX)
}

/// Compares a forest with a peer fitted on the same rows, and refuses one that is clearly worse.
pub fn judge(
    model: &Model,
    fit: &Rows,
    trial: &Trial,
    options: &Options,
    rest: Rest<'_>,
) -> Result<Opinion, TrainError> {
    let scores = |rows: &Rows| rows.iter().map(|it| model.forest.score(it)).collect::<Vec<_>>();
    let (ordinary, faulty) = (scores(&trial.ordinary), scores(&trial.faulty));
    let above = |scores: &[f64]| {
        scores.iter().filter(|it| **it >= model.threshold).count() as f64 / scores.len().max(1) as f64
    };
    let own = auc(&ordinary, &faulty);
    match peer_auc(fit, trial, options, rest) {
        Some(peer) if own < peer - worse_max(ordinary.len()) => Err(TrainError::WorseThanPeer { own, peer }),
        None if own < BLIND_MAX => Err(TrainError::Blind { own }),
        peer => Ok(Opinion { own, peer, recall: above(&faulty), alarms: above(&ordinary) }),
    }
}

/// The peer's area under the curve. The crate fixes its width at compile time, so rows are filled with zeros; these
/// change nothing, as a signal that is 0 in every row adds 0 to every product.
fn peer_auc(fit: &Rows, trial: &Trial, options: &Options, rest: Rest<'_>) -> Option<f64> {
    match fit.width() {
        0 => None,
        1..=8 => peer_auc_at::<8>(fit, trial, options, rest),
        9..=16 => peer_auc_at::<16>(fit, trial, options, rest),
        17..=32 => peer_auc_at::<32>(fit, trial, options, rest),
        33..=64 => peer_auc_at::<64>(fit, trial, options, rest),
        _ => None,
    }
}

fn peer_auc_at<const N: usize>(fit: &Rows, trial: &Trial, options: &Options, rest: Rest<'_>) -> Option<f64> {
    let step = fit.len().div_ceil(PEER_ROWS_MAX).max(1);
    let fit: Vec<[f32; N]> = fit.iter().step_by(step).map(padded).collect();
    let options = ForestOptions {
        n_trees: PEER_BATCH,
        sample_size: options.sample.min(fit.len()),
        max_tree_depth: None,
        // Full extension over the padded width. At the real width less one the crate would set random factors to
        // zero, those of real signals as likely as those of the filling.
        extension_level: N - 1,
    };
    let (mut ordinary, mut faulty) = (vec![0.0; trial.ordinary.len()], vec![0.0; trial.faulty.len()]);
    for _ in 0..PEER_TREES / PEER_BATCH {
        rest();
        let peer = Peer::<f32, N>::from_slice(&fit, &options).ok()?;
        for (sums, rows) in [(&mut ordinary, &trial.ordinary), (&mut faulty, &trial.faulty)] {
            sums.iter_mut().zip(rows.iter()).for_each(|(sum, row)| *sum += peer.score(&padded(row)).log2());
        }
    }
    Some(auc(&ordinary, &faulty))
}

fn padded<const N: usize>(row: &[f32]) -> [f32; N] {
    std::array::from_fn(|idx| row.get(idx).copied().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_move_what_they_should() {
        let mut held_out = Rows::new(6);
        held_out.push(&[0.0; 6]);
        held_out.push(&[1.0; 6]);
        let trial = Trial::new(&held_out, 2, &mut Random::new(1));
        assert_eq!(trial.faulty.len(), FAULTS);
        for (idx, row) in trial.faulty.iter().enumerate() {
            let broken = idx % BROKEN_EVERY == BROKEN_EVERY - 1;
            assert_eq!(broken, row[0].abs() <= 1.0 && row[1].abs() <= 1.0, "{row:?}");
            assert!(row.iter().all(|it| it.abs() <= CLIP as f32));
        }
    }
}
