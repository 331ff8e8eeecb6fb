//! Contributions of signals: the largest shares of the score, scaled to add up to it.

/// Number of contributions reported, which bounds the number of series for any number of signals.
pub const NAMED_MAX: usize = 5;

/// Index and contribution of the signals that add most to `score`, most positive first; their sum is `score`.
///
/// The contributions of the other signals are distributed over these in proportion. If negative ones would make the
/// sum zero or negative, only positive ones are reported.
pub fn largest(shares: &[f64], score: f64) -> Vec<(usize, f64)> {
    let mut order: Vec<(usize, f64)> =
        shares.iter().copied().enumerate().filter(|(_, share)| *share != 0.0).collect();
    order.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
    let mut named: Vec<(usize, f64)> = order.iter().copied().take(NAMED_MAX).collect();
    let all: f64 = shares.iter().sum();
    if named.iter().map(|it| it.1).sum::<f64>() < all / 2.0 {
        named = order.into_iter().filter(|it| it.1 > 0.0).take(NAMED_MAX).collect();
    }
    let sum: f64 = named.iter().map(|it| it.1).sum();
    if sum <= 0.0 {
        return Vec::new();
    }
    named.iter_mut().for_each(|it| it.1 *= score / sum);
    named.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shares: &[f64], score: f64, expected: &[(usize, f64)]) {
        let found = largest(shares, score);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-9, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn five_are_named_and_add_up() {
        check(&[1.0, 6.0, 2.0, 3.0, 4.0, 5.0], 40.0, &[(1, 12.0), (5, 10.0), (4, 8.0), (3, 6.0), (2, 4.0)]);
    }

    #[test]
    fn shares_are_signed() {
        check(&[4.0, -2.0], 1.0, &[(0, 2.0), (1, -1.0)]);
    }

    #[test]
    fn large_negative_contributions_are_left_out() {
        let shares = [3.0, -2.9, 1.0, 1.0, 1.0, -2.0, -2.0, 1.0, 1.0, 1.0, 1.0];
        let found = largest(&shares, 2.0);
        assert!(found.iter().all(|it| it.1 > 0.0));
        assert!((found.iter().map(|it| it.1).sum::<f64>() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_adds_to_nothing() {
        check(&[0.0, 0.0], 0.0, &[]);
    }
}
