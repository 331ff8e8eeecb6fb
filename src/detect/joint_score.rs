//! The joint score: the distance of the point, scaled by the isolation of the point in the forest.
//!
//! Step 8 of the pipeline: `raw = (top5 / 6 + distance) * (eif / 0.5)^2 + 10 * novelty`. The formula was found on labeled
//! server metrics: the forest alone saturates, and distances alone miss unusual combinations. Absences have no distance; they
//! raise the score to its threshold.

use super::{DetectorOutput, Outputs};

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

/// The joint score of a point, with the contribution of each signal.
#[derive(Debug, Clone, PartialEq)]
pub struct JointScore {
    /// On the raw scale: 0 is normal, and the default threshold is 5.
    pub score: f64,
    /// Signed contribution of each signal; their sum is `score`.
    pub shares: Vec<f64>,
}

/// Combines the deviations with the outputs of the detectors; one that abstains has no effect. `limit` is the
/// threshold on the raw scale, to which an absence or a level extreme raises the score.
pub fn joint_score(z: &[f64], outputs: &Outputs, limit: f64) -> JointScore {
    let lift = match outputs.forest {
        DetectorOutput::Abstain => 1.0,
        DetectorOutput::Score { score, .. } => (score / FOREST_NEUTRAL).powi(2),
    };
    let mut shares = top(z);
    add(&mut shares, &outputs.distance, 1.0);
    shares.iter_mut().for_each(|it| *it *= lift);
    add(&mut shares, &outputs.novelty, NOVELTY_SCALE);
    raise(&mut shares, &outputs.absence, limit);
    raise(&mut shares, &outputs.level_extreme, limit);
    JointScore { score: shares.iter().sum::<f64>().max(0.0), shares }
}

fn add(shares: &mut [f64], output: &DetectorOutput, scale: f64) {
    if let DetectorOutput::Score { shares: more, .. } = output {
        shares.iter_mut().zip(more).for_each(|(share, more)| *share += scale * more);
    }
}

/// Raises the sum to the value of this output alone. It is not added: a fault that other detectors see is no larger
/// because a signal is absent as well, and a long constant signal is only an anomaly of its own.
fn raise(shares: &mut [f64], output: &DetectorOutput, scale: f64) {
    if let DetectorOutput::Score { shares: own, .. } = output {
        let whole: f64 = own.iter().sum();
        let lacking = scale * whole - shares.iter().sum::<f64>().max(0.0);
        if lacking > 0.0 {
            add(shares, output, lacking / whole);
        }
    }
}

/// Mean of the largest deviations, scaled, as one contribution for each signal.
fn top(z: &[f64]) -> Vec<f64> {
    let count = TOP.min(z.len());
    let mut order: Vec<usize> = (0..z.len()).collect();
    order.sort_by(|a, b| z[*b].abs().total_cmp(&z[*a].abs()));
    let mut shares = vec![0.0; z.len()];
    for idx in &order[..count] {
        shares[*idx] = z[*idx].abs().min(TOP_CLIP) / count as f64 / TOP_SCALE;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(score: f64, shares: &[f64]) -> DetectorOutput {
        DetectorOutput::Score { score, threshold: 1.0, shares: shares.to_vec() }
    }

    fn check(z: &[f64], outputs: &Outputs, expected: f64) {
        let joint = joint_score(z, outputs, 5.0);
        assert!((joint.score - expected).abs() < 1e-9, "{}, expected {expected}", joint.score);
        assert!((joint.shares.iter().sum::<f64>() - expected).abs() < 1e-9);
    }

    #[test]
    fn adds_the_parts_and_lifts_them() {
        let z = [-12.0, 6.0, 6.0, 6.0, 0.0, 0.0];
        let mut outputs = Outputs::default();
        check(&z, &outputs, 1.0);
        outputs.distance = score(3.0, &[2.0, 1.5, 0.0, -0.5, 0.0, 0.0]);
        check(&z, &outputs, 4.0);
        outputs.forest = score(0.25, &[]);
        check(&z, &outputs, 1.0);
        outputs.forest = score(0.75, &[]);
        check(&z, &outputs, 9.0);
        outputs.novelty = score(0.25, &[0.0, 0.125, 0.125, 0.0, 0.0, 0.0]);
        check(&z, &outputs, 11.5);
    }

    #[test]
    fn few_signals_are_enough() {
        check(&[6.0], &Outputs::default(), 1.0);
        check(&[], &Outputs::default(), 0.0);
    }
}
