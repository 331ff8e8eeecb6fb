//! HitRate@P% of OmniAnomaly (Su et al., KDD 2019) and InterFusion: the share of true causes among the top signals of an
//! event.

use std::collections::BTreeSet;

/// Prefix of the names of these metrics.
pub(super) const HIT: &str = "hit@";

/// Length of the list of top signals, as a multiple of the number of true causes.
const LENIENCE: [(f64, &str); 2] = [(1.0, "hit@100"), (1.5, "hit@150")];

/// The signals that are labeled as causes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootCause {
    /// The first row of the event.
    pub first: usize,
    /// Its last row.
    pub last: usize,
    /// Indices of the signals, from 0.
    pub signals: BTreeSet<u16>,
}

/// Mean share of true causes among the top signals, for each length; empty without known causes. The top signals at
/// the highest score of the event count, because users look there.
pub(super) fn mean_hit_rates(
    causes: &[RootCause],
    scores: &[f64],
    top: &[Vec<u16>],
) -> Option<[(&'static str, f64); LENIENCE.len()]> {
    let events: Vec<_> = causes
        .iter()
        .filter(|it| !it.signals.is_empty())
        .filter_map(|it| Some((&it.signals, top.get(peak(scores, it)?)?)))
        .collect();
    if events.is_empty() {
        return None;
    }
    Some(LENIENCE.map(|(lenience, name)| {
        let share = |(signals, blamed): &(&BTreeSet<u16>, &Vec<u16>)| {
            let count = (lenience * signals.len() as f64).floor() as usize;
            let blamed: BTreeSet<u16> = blamed.iter().take(count).copied().collect();
            blamed.intersection(signals).count() as f64 / signals.len() as f64
        };
        (name, events.iter().map(share).sum::<f64>() / events.len() as f64)
    }))
}

/// The row of the highest score, the first of equal ones. NaN counts as the highest, as in `numpy.argmax`.
fn peak(scores: &[f64], cause: &RootCause) -> Option<usize> {
    let end = cause.last.saturating_add(1).min(scores.len());
    let rows = scores.get(cause.first..end)?;
    let is_higher = |it: f64, best: f64| !best.is_nan() && (it.is_nan() || best < it);
    let best =
        rows.iter().enumerate().reduce(|best, it| if is_higher(*it.1, *best.1) { it } else { best })?;
    Some(cause.first + best.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: [usize; 2], signals: &[u16], expected: Option<[f64; 2]>) {
        let scores = [0.0, 3.0, 2.0, 3.0, f64::NAN];
        let top: Vec<Vec<u16>> = vec![vec![], vec![5, 6, 7, 8], vec![1], vec![], vec![2, 2, 1]];
        let cause = RootCause { first: rows[0], last: rows[1], signals: signals.iter().copied().collect() };
        let found = mean_hit_rates(&[cause], &scores, &top).map(|it| it.map(|(_, value)| value));
        assert_eq!(found, expected, "{rows:?} {signals:?}");
    }

    #[test]
    fn the_blamed_of_the_highest_row_count() {
        check([0, 3], &[5, 6], Some([1.0, 1.0]));
        check([0, 3], &[5, 7], Some([0.5, 1.0]));
        check([2, 2], &[5, 7], Some([0.0, 0.0]));
        check([0, 0], &[1], Some([0.0, 0.0]));
        check([1, 9], &[1, 2], Some([0.5, 1.0]));
    }

    #[test]
    fn without_known_causes_there_is_no_figure() {
        check([0, 3], &[], None);
        check([5, 9], &[1], None);
        check([3, 1], &[1], None);
    }
}
