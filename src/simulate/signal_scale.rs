//! The size and variability of a table's signals, to scale faults.

use super::simulated_signals::SignalSpec;

/// The usual distribution of one signal.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalScale {
    /// Its name.
    pub name: String,
    /// The median.
    pub level: f64,
    /// Half the distance between the 16th and the 84th percentile: the standard deviation of a normal distribution.
    pub spread: f64,
    /// The standard deviation, for signals with mostly equal values.
    pub stddev: f64,
    /// The smallest value seen.
    pub low: f64,
    /// Share of values that differ from their predecessor.
    pub moves: f64,
    /// Noise floor: smaller changes are irrelevant to operators.
    pub floor: f64,
    /// Smallest possible value; 0 if no negative value was seen.
    pub min: f64,
    /// Largest possible value.
    pub max: f64,
}

impl SignalScale {
    /// The unit of fault sizes; 0 for a constant signal without a noise floor.
    pub fn unit(&self) -> f64 {
        let own = if self.spread > 0.0 { self.spread } else { self.stddev };
        own.max(self.floor)
    }

    fn measure(column: &SignalSpec<'_>, values: &mut [f64]) -> Self {
        let mut scale = Self {
            name: column.name.to_owned(),
            level: 0.0,
            spread: 0.0,
            stddev: 0.0,
            low: 0.0,
            moves: 0.0,
            floor: column.floor,
            min: column.min,
            max: column.max,
        };
        if values.is_empty() {
            return scale;
        }
        let count = values.len() as f64;
        let moves = values.windows(2).filter(|it| it.first() != it.last()).count();
        scale.moves = moves as f64 / (count - 1.0).max(1.0);
        let mean = values.iter().map(|it| it / count).sum::<f64>();
        // Divided before it is squared and summed, so that no finite value overflows.
        let largest = values.iter().fold(0.0, |most: f64, it| most.max((it - mean).abs()));
        // The mean of equal values may differ in its last digit.
        if moves > 0 && largest.is_finite() {
            let squares = values.iter().map(|it| ((it - mean) / largest).powi(2)).sum::<f64>();
            scale.stddev = largest * (squares / count).sqrt();
        }
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get((share * (count - 1.0)).round() as usize).copied().unwrap_or(mean);
        scale.level = at(0.5);
        scale.low = at(0.0);
        scale.spread = 0.5 * at(0.84) - 0.5 * at(0.16);
        if scale.low >= 0.0 {
            scale.min = scale.min.max(0.0);
        }
        scale
    }
}

/// The scales of all signals of a table, in its order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SignalScales(Vec<SignalScale>);

impl SignalScales {
    /// Measures the rows of a table: values, and which of them are missing. Missing cells of short rows, and values
    /// that are not finite, count as missing.
    pub fn measure<'a>(
        columns: &[SignalSpec<'_>],
        rows: impl Iterator<Item = (&'a [f64], &'a [bool])>,
    ) -> Self {
        let mut present = vec![Vec::new(); columns.len()];
        for (values, missing) in rows {
            for (idx, (kept, value)) in present.iter_mut().zip(values).enumerate() {
                if value.is_finite() && !missing.get(idx).copied().unwrap_or(false) {
                    kept.push(*value);
                }
            }
        }
        Self(
            columns
                .iter()
                .zip(&mut present)
                .map(|(column, values)| SignalScale::measure(column, values))
                .collect(),
        )
    }

    /// Enlarges all faults by a factor.
    pub fn enlarge(&mut self, factor: f64) {
        for scale in &mut self.0 {
            scale.spread *= factor;
            scale.stddev *= factor;
            scale.floor *= factor;
        }
    }

    /// The scale of a signal.
    pub fn get(&self, signal: usize) -> Option<&SignalScale> {
        self.0.get(signal)
    }

    /// All scales.
    pub fn iter(&self) -> impl Iterator<Item = &SignalScale> {
        self.0.iter()
    }

    /// Number of signals.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no signals.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Index of a signal.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|it| it.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(column: SignalSpec<'_>, values: &[f64], expect: [f64; 5]) {
        let present = [false];
        let rows: Vec<[f64; 1]> = values.iter().map(|it| [*it]).collect();
        let scales = SignalScales::measure(&[column], rows.iter().map(|it| (&it[..], &present[..])));
        let SignalScale { level, low, moves, min, .. } = scales.get(0).unwrap().clone();
        let found = [level, low, moves, min, scales.get(0).unwrap().unit()];
        for (found, expect) in found.iter().zip(expect) {
            assert!(
                (found - expect).abs() < 1e-9 || found.total_cmp(&expect).is_eq(),
                "{values:?}: {found} is not {expect}"
            );
        }
    }

    #[test]
    fn a_signal_is_measured() {
        let named = SignalSpec::named("a");
        check(named, &[], [0.0, 0.0, 0.0, f64::NEG_INFINITY, 0.0]);
        check(named, &[7.0], [7.0, 7.0, 0.0, 0.0, 0.0]);
        check(named, &[1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 1.0, 1.0, 0.0, 1.0]);
        check(named, &[-1.0, -1.0, f64::NAN, 1.0], [-1.0, -1.0, 0.5, f64::NEG_INFINITY, 1.0]);
        check(
            named,
            &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0],
            [0.0, 0.0, 0.125, 0.0, 2.514_157_444_218_835],
        );
        check(SignalSpec { floor: 4.0, ..named }, &[1.0, 2.0, 3.0], [2.0, 1.0, 1.0, 0.0, 4.0]);
        let widest = [f64::MIN, f64::MAX];
        let scales =
            SignalScales::measure(&[named], widest.iter().map(|it| (std::slice::from_ref(it), &[][..])));
        assert!(scales.get(0).unwrap().unit().is_finite());
    }
}
