//! The joint score: the distance of the point, scaled by the isolation of the point in the forest.
//!
//! Step 8 of the pipeline: `raw = (top5 / 6 + distance) * (eif / 0.5)^2 + 10 * novelty`. The formula was found on labeled
//! server metrics: the forest alone saturates, and distances alone miss unusual combinations. Absences have no distance; they
//! raise the score to its threshold.

use super::{DetectorOutput, Outputs};

/// How many of the largest deviations count.
const TOP: usize = 5;
/// Their mean is divided by this, so that it weighs as one of three parts.
const TOP_SCALE: f64 = 6.0;
/// No signal counts as further out than this, in deviations: one that leaps alone by hundreds of them, as counters of
/// packets do, is no fault of the whole host.
const TOP_CLIP: f64 = 30.0;
/// The score of a forest for a point as isolated as the average one.
const FOREST_NEUTRAL: f64 = 0.5;
/// When every signal moves as never before, this is added.
const NOVELTY_SCALE: f64 = 10.0;

/// The joint score of a point and what each signal adds to it.
#[derive(Debug, Clone, PartialEq)]
pub struct JointScore {
    /// 0 is utterly ordinary; the shipped limit is 5.
    pub score: f64,
    /// One signed share a signal; their sum is `score`.
    pub shares: Vec<f64>,
}

/// Joins the deviations with the opinions of the detectors; one that abstains is neutral. `limit` is what an absence or an
/// excursion raises the score to, on the raw scale.
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

fn add(shares: &mut [f64], verdict: &DetectorOutput, scale: f64) {
    if let DetectorOutput::Score { shares: more, .. } = verdict {
        shares.iter_mut().zip(more).for_each(|(share, more)| *share += scale * more);
    }
}

/// Brings the sum up to what the verdict alone is worth. It is not added: where other detectors see the fault too, it is
/// no odder because a signal ceased, and a signal that rests for long is to be no more than an alarm of its own.
fn raise(shares: &mut [f64], verdict: &DetectorOutput, scale: f64) {
    if let DetectorOutput::Score { shares: own, .. } = verdict {
        let whole: f64 = own.iter().sum();
        let lacking = scale * whole - shares.iter().sum::<f64>().max(0.0);
        if lacking > 0.0 {
            add(shares, verdict, lacking / whole);
        }
    }
}

/// The mean of the largest deviations, scaled, as one share a signal.
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
