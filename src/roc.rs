//! The area under the ROC curve.

/// Area under the ROC curve: the probability that a faulty point scores higher than a normal one, with ties counting
/// half (Mann, Whitney, 1947). One half if either side is empty.
pub fn auc(ordinary: &[f64], faulty: &[f64]) -> f64 {
    if ordinary.is_empty() || faulty.is_empty() {
        return 0.5;
    }
    let mut ordinary = ordinary.to_vec();
    ordinary.sort_by(f64::total_cmp);
    let won: f64 = faulty
        .iter()
        .map(|score| {
            let below = ordinary.partition_point(|it| it < score);
            let not_above = ordinary.partition_point(|it| it <= score);
            (below + not_above) as f64 / 2.0
        })
        .sum();
    won / (ordinary.len() as f64 * faulty.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_under_the_curve_counts_pairs() {
        let check = |ordinary: &[f64], faulty: &[f64], expected: f64| {
            let area = auc(ordinary, faulty);
            assert!((area - expected).abs() < 1e-12, "{ordinary:?} {faulty:?}: {area}");
        };
        check(&[1.0, 2.0], &[3.0, 4.0], 1.0);
        check(&[3.0, 4.0], &[1.0, 2.0], 0.0);
        check(&[1.0, 3.0], &[2.0, 4.0], 0.75);
        check(&[1.0, 1.0], &[1.0], 0.5);
        check(&[1.0, 2.0], &[2.0], 0.75);
        check(&[], &[1.0], 0.5);
    }
}
