//! Medians and quantiles.

/// The value that this share of the values is below, within 0 and 1; nothing without values. Their order changes.
pub(super) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let rank = (share * values.len() as f64) as usize;
    let rank = rank.min(values.len().checked_sub(1)?);
    let (_, value, _) = values.select_nth_unstable_by(rank, f64::total_cmp);
    Some(*value)
}

/// The middle value; nothing without values. Their order changes.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The value at which half of the weight is below; nothing without weight. The order of the pairs changes.
pub(super) fn weighted_median(pairs: &mut [(f64, f64)]) -> Option<f64> {
    pairs.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let half = pairs.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    pairs.iter().filter(|(_, weight)| *weight > 0.0).find_map(|(value, weight)| {
        below += weight;
        (half <= below).then_some(*value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_sorted_values() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        for (share, expected) in [(0.0, 1.0), (0.2, 2.0), (0.5, 3.0), (0.9, 5.0), (1.0, 5.0)] {
            assert_eq!(quantile(&mut values.to_vec(), share), Some(expected), "{share}");
        }
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn weight_moves_the_median() {
        assert_eq!(weighted_median(&mut [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]), Some(2.0));
        assert_eq!(weighted_median(&mut [(3.0, 5.0), (1.0, 1.0), (2.0, 1.0)]), Some(3.0));
        assert_eq!(weighted_median(&mut [(3.0, 0.0)]), None);
    }
}
