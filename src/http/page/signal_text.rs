//! Values and ranges of signals in words.

use crate::episode_text::quantity;
use crate::report::ExpectedValue;
use crate::signal::SignalUnit;

/// A value with its unit; without one for a signal that is not known.
pub(super) fn value(unit: Option<SignalUnit>, value: f64) -> String {
    unit.map_or_else(|| format!("{value:.3}"), |unit| quantity(unit, value))
}

/// A range with its unit: `0 % to 13 %`, or as much of it as there are bounds.
pub(super) fn range(unit: Option<SignalUnit>, lower: Option<f64>, upper: Option<f64>) -> String {
    let text = |it| value(unit, it);
    match (lower, upper) {
        (Some(lower), Some(upper)) => format!("{} to {}", text(lower), text(upper)),
        (None, Some(upper)) => format!("at most {}", text(upper)),
        (Some(lower), None) => format!("at least {}", text(lower)),
        (None, None) => "any".into(),
    }
}

/// The finite bounds of what is expected.
pub(super) fn bounds(expected: ExpectedValue) -> [Option<f64>; 2] {
    [expected.lower, expected.upper].map(|it| Some(it).filter(|it| it.is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_may_be_open() {
        let unit = Some(SignalUnit::Ratio);
        assert_eq!(range(unit, Some(0.0), Some(0.13)), "0 % to 13 %");
        assert_eq!(range(unit, None, Some(0.13)), "at most 13 %");
        assert_eq!(range(None, Some(1.0), None), "at least 1.000");
        let expected = ExpectedValue { value: 0.0, lower: f64::NEG_INFINITY, upper: 2.0 };
        assert_eq!(bounds(expected), [None, Some(2.0)]);
    }
}
