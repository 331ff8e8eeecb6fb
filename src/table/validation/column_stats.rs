//! Statistics of one column.

use serde::Serialize;

/// Smallest number of values for a more specific type than a number.
const VALUES_ENOUGH: u64 = 100;

/// The type of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValuePattern {
    /// No values.
    Empty,
    /// A single value.
    Constant,
    /// 0 and 1.
    Flag,
    /// Integers that never decrease: a counter instead of its rate.
    Counter,
    /// Integers.
    Integer,
    /// Between 0 and 1.
    Ratio,
    /// Any numbers.
    Number,
}

impl ValuePattern {
    /// Name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Constant => "constant",
            Self::Flag => "flag",
            Self::Counter => "counter",
            Self::Integer => "integer",
            Self::Ratio => "ratio",
            Self::Number => "number",
        }
    }
}

/// Statistics of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnStats {
    /// Its name in the header.
    pub name: String,
    /// Type of its values.
    #[serde(rename = "type")]
    pub ty: ValuePattern,
    /// Number of rows with a value.
    pub present: u64,
    /// Number of rows that are empty or `NaN`.
    pub missing: u64,
    /// Number of cells that are no numbers, infinite or too large.
    pub bad: u64,
    /// Range and mean of its values, if any.
    #[serde(flatten)]
    pub range: Option<ValueRange>,
}

/// Range and mean of values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ValueRange {
    /// Minimum.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Maximum.
    pub max: f64,
}

/// Counters for [`ColumnStats`].
#[derive(Debug, Clone)]
pub(super) struct CellCounts {
    present: u64,
    missing: u64,
    pub(super) bad: u64,
    min: f64,
    max: f64,
    /// A running mean, because a sum of large values could overflow.
    mean: f64,
    last: f64,
    rises: u64,
    falls: u64,
    is_whole: bool,
}

impl CellCounts {
    pub(super) fn new() -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self {
            present: 0,
            missing: 0,
            bad: 0,
            min,
            max,
            mean: 0.0,
            last: 0.0,
            rises: 0,
            falls: 0,
            is_whole: true,
        }
    }

    pub(super) fn add(&mut self, value: f64) {
        if self.present > 0 {
            self.rises += u64::from(value > self.last);
            self.falls += u64::from(value < self.last);
        }
        self.last = value;
        self.present += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.mean += (value - self.mean) / self.present as f64;
        self.is_whole &= value.fract() == 0.0;
    }

    /// Counts a cell that is empty or `NaN`.
    pub(super) fn add_missing(&mut self) {
        self.missing += 1;
    }

    pub(super) fn column(&self, name: &str) -> ColumnStats {
        let range =
            (self.present > 0).then_some(ValueRange { min: self.min, mean: self.mean, max: self.max });
        ColumnStats {
            name: name.to_owned(),
            ty: self.ty(),
            present: self.present,
            missing: self.missing.saturating_sub(self.bad),
            bad: self.bad,
            range,
        }
    }

    fn ty(&self) -> ValuePattern {
        let is_within_one = self.min >= 0.0 && self.max <= 1.0;
        let grows = self.falls == 0 && self.rises * 2 > self.present && self.present >= VALUES_ENOUGH;
        match self.is_whole {
            _ if self.present == 0 => ValuePattern::Empty,
            _ if self.min >= self.max => ValuePattern::Constant,
            true if is_within_one => ValuePattern::Flag,
            true if grows && self.min >= 0.0 => ValuePattern::Counter,
            true => ValuePattern::Integer,
            false if is_within_one => ValuePattern::Ratio,
            false => ValuePattern::Number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: impl IntoIterator<Item = f64>, expect: ValuePattern) {
        let mut tally = CellCounts::new();
        values.into_iter().for_each(|it| tally.add(it));
        assert_eq!(tally.ty(), expect);
    }

    #[test]
    fn types_are_determined_by_values() {
        check([], ValuePattern::Empty);
        check([2.0, 2.0], ValuePattern::Constant);
        check([0.0, 1.0, 0.0], ValuePattern::Flag);
        check([0.0, 0.5, 1.0], ValuePattern::Ratio);
        check([0.0, 7.0, 3.0], ValuePattern::Integer);
        check([0.0, 7.5, 3.0], ValuePattern::Number);
        check((0..100).map(f64::from), ValuePattern::Counter);
        check((0..99).map(f64::from), ValuePattern::Integer);
        check((0..101).map(|it| f64::from(it % 100)), ValuePattern::Integer);
    }

    #[test]
    fn the_mean_of_vast_values_is_finite() {
        let mut tally = CellCounts::new();
        [1e100, -1e100, 1e100].into_iter().for_each(|it| tally.add(it));
        let mean = tally.column("a").range.unwrap().mean;
        assert!((mean / 1e100 - 1.0 / 3.0).abs() < 1e-9, "{mean}");
    }
}
