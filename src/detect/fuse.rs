//! The joint score: how far the point is out, lifted by how isolated the forest finds it.
//!
//! Step 8 of the pipeline without novelty: `raw = (top5 / 6 + distance) * (eif / 0.5)^2`. It was found on
//! labelled server metrics: alone the forest saturates, alone the sum of distances misses the odd combination.

use super::Verdict;

/// How many of the largest deviations count.
const TOP: usize = 5;
/// Their mean is divided by this, so that it weighs as one of three parts.
const TOP_SCALE: f64 = 6.0;
/// The score of a forest for a point as isolated as the average one.
const FOREST_NEUTRAL: f64 = 0.5;

/// The joint score of a point and what each signal adds to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    /// 0 is utterly ordinary; the shipped limit is 5.
    pub score: f64,
    /// One signed share a signal; their sum is `score`.
    pub shares: Vec<f64>,
}

/// Joins the deviations with the verdicts of `distance` and `eif`; a detector that abstains is neutral.
pub fn fuse(z: &[f64], distance: &Verdict, eif: &Verdict) -> Joint {
    let mut shares = top(z);
    if let Verdict::Score { shares: more, .. } = distance {
        shares.iter_mut().zip(more).for_each(|(share, more)| *share += more);
    }
    let lift = match eif {
        Verdict::Abstain => 1.0,
        Verdict::Score { score, .. } => (score / FOREST_NEUTRAL).powi(2),
    };
    shares.iter_mut().for_each(|it| *it *= lift);
    Joint { score: shares.iter().sum::<f64>().max(0.0), shares }
}

/// The mean of the largest deviations, unclipped and scaled, as one share a signal.
fn top(z: &[f64]) -> Vec<f64> {
    let count = TOP.min(z.len());
    let mut order: Vec<usize> = (0..z.len()).collect();
    order.sort_by(|a, b| z[*b].abs().total_cmp(&z[*a].abs()));
    let mut shares = vec![0.0; z.len()];
    for idx in &order[..count] {
        shares[*idx] = z[*idx].abs() / count as f64 / TOP_SCALE;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(score: f64, shares: &[f64]) -> Verdict {
        Verdict::Score { score, threshold: 1.0, shares: shares.to_vec() }
    }

    fn check(z: &[f64], distance: &Verdict, eif: &Verdict, expected: f64) {
        let joint = fuse(z, distance, eif);
        assert!((joint.score - expected).abs() < 1e-9, "{}, expected {expected}", joint.score);
        assert!((joint.shares.iter().sum::<f64>() - expected).abs() < 1e-9);
    }

    #[test]
    fn adds_the_parts_and_lifts_them() {
        let z = [-12.0, 6.0, 6.0, 6.0, 0.0, 0.0];
        check(&z, &Verdict::Abstain, &Verdict::Abstain, 1.0);
        let distance = score(3.0, &[2.0, 1.5, 0.0, -0.5, 0.0, 0.0]);
        check(&z, &distance, &Verdict::Abstain, 4.0);
        check(&z, &distance, &score(0.75, &[]), 9.0);
        check(&z, &distance, &score(0.25, &[]), 1.0);
    }

    #[test]
    fn few_signals_are_enough() {
        check(&[6.0], &Verdict::Abstain, &Verdict::Abstain, 1.0);
        check(&[], &Verdict::Abstain, &Verdict::Abstain, 0.0);
    }
}
