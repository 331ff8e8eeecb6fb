//! The joint score: the distance of the point, scaled by the isolation of the point in the forest, by the number of signals
//! that deviate, and by how restless the subject is.
//!
//! Step 8 of the pipeline: `raw = (top5 / 6 + distance) * (eif / 0.5)^2 + 10 * novelty`. The formula was found on labeled
//! server metrics: the forest alone saturates, and distances alone miss unusual combinations. The result is multiplied by
//! the [breadth](breadth) and by the [habituation](super::habituation). Absences have no distance; they raise the
//! result to the alert level, after the factors, because one signal alone has no breadth. Level extremes do the same.

use super::{DetectorOutput, DetectorOutputs, DetectorParameters};

/// Number of largest deviations that count.
const TOP: usize = 5;
/// Divisor of their mean, so that it weighs as one of three parts.
const TOP_SCALE: f64 = 6.0;
/// Largest deviation of one signal. A single signal that jumps by hundreds of deviations, as packet counters do, is no
/// fault of the whole host.
const TOP_CLIP: f64 = 30.0;
/// Score of the forest for a point of average isolation.
const FOREST_NEUTRAL: f64 = 0.5;
/// Added if all signals change in a new way.
const NOVELTY_SCALE: f64 = 10.0;
/// The breadth is the deviation of the signal of this rank: events move several signals, noise moves one or two.
const BREADTH_RANK: usize = 4;
/// The deviation of that signal at which breadth has no effect.
const BREADTH_NEUTRAL: f64 = 3.0;
/// Exponent of the breadth with at least nine signals.
const BREADTH_EXPONENT: f64 = 0.5;

/// The joint score of a point, with the contribution of each signal.
#[derive(Debug, Clone, PartialEq)]
pub struct RawScore {
    /// Before breadth, habituation, absences and level extremes: what [`Habituation`](super::habituation::Habituation)
    /// counts excursions in. At least 0.
    pub unscaled: f64,
    /// On the raw scale: 0 is normal, and the default threshold is 2.5.
    pub score: f64,
    /// Signed contribution of each signal; their sum is `score`.
    pub shares: Vec<f64>,
}

/// The scores to which an absence or a level extreme raises the joint score, on the raw scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinimumScores {
    /// The threshold, for one that keeps an episode open, but does not start one.
    pub threshold: f64,
    /// For an absence that starts an episode: the alert level, because a stopped counter is a fault, though of one signal.
    pub absence: f64,
    /// For a level extreme that starts an episode: the alert level, because a leak is a fault, too;
    /// on a new host, the threshold.
    pub level_extreme: f64,
}

/// Combines the deviations with the outputs of the detectors; one that abstains has no effect. `habituation` is the
/// factor of the subject.
pub fn raw_score(z: &[f64], outputs: &DetectorOutputs, habituation: f64, levels: MinimumScores) -> RawScore {
    let lift = match outputs.forest {
        DetectorOutput::Abstain => 1.0,
        DetectorOutput::Score { score, .. } => (score / FOREST_NEUTRAL).powi(2),
    };
    let order = by_size(z);
    let mut shares = top(z, &order);
    add(&mut shares, &outputs.distance, 1.0);
    shares.iter_mut().for_each(|it| *it *= lift);
    add(&mut shares, &outputs.novelty, NOVELTY_SCALE);
    let unscaled = shares.iter().sum::<f64>().max(0.0);
    let factor = breadth(z, &order) * habituation;
    shares.iter_mut().for_each(|it| *it *= factor);
    raise(&mut shares, &outputs.absence, levels.threshold, levels.absence);
    raise(&mut shares, &outputs.level_extreme, levels.threshold, levels.level_extreme);
    RawScore { unscaled, score: shares.iter().sum::<f64>().max(0.0), shares }
}

fn add(shares: &mut [f64], output: &DetectorOutput, scale: f64) {
    if let DetectorOutput::Score { shares: more, .. } = output {
        shares.iter_mut().zip(more).for_each(|(share, more)| *share += scale * more);
    }
}

/// Raises the sum to the value of this output alone. It is not added: a fault that other detectors see is no larger
/// because a signal is absent as well, and a long constant signal is only an anomaly of its own.
fn raise(shares: &mut [f64], output: &DetectorOutput, threshold: f64, start: f64) {
    if let DetectorOutput::Score { shares: own, .. } = output {
        let whole: f64 = own.iter().sum();
        let scale = if whole >= 1.0 { start } else { threshold };
        let lacking = scale * whole - shares.iter().sum::<f64>().max(0.0);
        if lacking > 0.0 {
            add(shares, output, lacking / whole);
        }
    }
}

/// Indices of the signals, largest deviation first.
fn by_size(z: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..z.len()).collect();
    order.sort_by(|a, b| z[*b].abs().total_cmp(&z[*a].abs()));
    order
}

/// Mean of the largest deviations, scaled, as one contribution for each signal.
fn top(z: &[f64], order: &[usize]) -> Vec<f64> {
    let count = TOP.min(z.len());
    let mut shares = vec![0.0; z.len()];
    for idx in &order[..count] {
        shares[*idx] = z[*idx].abs().min(TOP_CLIP) / count as f64 / TOP_SCALE;
    }
    shares
}

/// The factor for the number of signals that deviate, by the fourth largest deviation: 0.5 if fewer than four signals
/// deviate at all, 1 if the fourth is at three deviations, 2.8 if it is at thirty. The fewer signals there are, the
/// closer it is to 1; a single signal has no breadth.
fn breadth(z: &[f64], order: &[usize]) -> f64 {
    let Some(idx) = order.get(BREADTH_RANK.min(z.len()).saturating_sub(1)) else { return 1.0 };
    let fourth = z[*idx].abs().min(TOP_CLIP);
    let exponent = BREADTH_EXPONENT * DetectorParameters::share_of_many(z.len());
    ((1.0 + fourth) / (1.0 + BREADTH_NEUTRAL)).powf(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(score: f64, shares: &[f64]) -> DetectorOutput {
        DetectorOutput::Score { score, threshold: 1.0, shares: shares.to_vec() }
    }

    fn check(z: &[f64], outputs: &DetectorOutputs, expected: f64) {
        let joint = raw_score(z, outputs, 1.0, LEVELS);
        assert!((joint.score - expected).abs() < 1e-9, "{}, expected {expected}", joint.score);
        assert!((joint.shares.iter().sum::<f64>() - expected).abs() < 1e-9);
    }

    const LEVELS: MinimumScores = MinimumScores { threshold: 2.5, absence: 5.0, level_extreme: 2.5 };

    /// The exponent of the breadth with six signals.
    const SIX: f64 = 0.5 * 5.0 / 8.0;

    #[test]
    fn adds_the_parts_and_lifts_them() {
        let z = [-12.0, 6.0, 6.0, 6.0, 0.0, 0.0];
        let broad = (7.0_f64 / 4.0).powf(SIX);
        let mut outputs = DetectorOutputs::default();
        check(&z, &outputs, broad);
        outputs.distance = score(3.0, &[2.0, 1.5, 0.0, -0.5, 0.0, 0.0]);
        check(&z, &outputs, 4.0 * broad);
        outputs.forest = score(0.25, &[]);
        check(&z, &outputs, broad);
        outputs.forest = score(0.75, &[]);
        check(&z, &outputs, 9.0 * broad);
        outputs.novelty = score(0.25, &[0.0, 0.125, 0.125, 0.0, 0.0, 0.0]);
        check(&z, &outputs, 11.5 * broad);
    }

    #[test]
    fn few_signals_are_enough() {
        check(&[6.0], &DetectorOutputs::default(), 1.0);
        check(&[], &DetectorOutputs::default(), 0.0);
    }

    #[test]
    fn many_moved_signals_weigh_more_than_one() {
        let moved = |count: usize, by: f64| {
            let z: Vec<f64> = (0..9).map(|idx| if idx < count { by } else { 0.0 }).collect();
            breadth(&z, &by_size(&z))
        };
        for (count, by, expected) in
            [(0, 0.0, 0.5), (3, 30.0, 0.5), (4, 3.0, 1.0), (9, -15.0, 2.0), (9, 99.0, 2.784)]
        {
            assert!((moved(count, by) - expected).abs() < 1e-3, "{count} by {by}: {}", moved(count, by));
        }
    }

    #[test]
    fn absences_and_level_extremes_are_raised_after_the_factors() {
        let mut z = [0.0; 9];
        z[0] = 12.0;
        for (share, expected) in [(1.0, 5.0), (0.8, 2.0)] {
            let absence = score(share, &[0.0, share, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
            let joint =
                raw_score(&z, &DetectorOutputs { absence, ..DetectorOutputs::default() }, 0.3, LEVELS);
            assert!(
                (joint.score - expected).abs() < 1e-9 && (joint.unscaled - 0.4).abs() < 1e-9,
                "{joint:?}"
            );
        }
        for (share, expected) in [(1.2, 3.0), (0.8, 2.0)] {
            let level_extreme = score(share, &[0.0, share, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
            let outputs = DetectorOutputs { level_extreme, ..DetectorOutputs::default() };
            let joint = raw_score(&z, &outputs, 0.3, LEVELS);
            assert!((joint.score - expected).abs() < 1e-9, "{joint:?}");
        }
    }
}
