//! The buffer width of the volumes by the rule of TSB-AD (`find_length_rank`): the lag with the highest autocorrelation.

/// Largest number of rows used.
const ROWS_MAX: usize = 20_000;

/// Largest lag.
const LAG_MAX: usize = 400;

/// Smallest lag, because adjacent values are always correlated.
const LAG_MIN: usize = 3;

/// Peaks outside this range of lags after [`LAG_MIN`] are no period.
const PERIODS: std::ops::RangeInclusive<usize> = 3..=300;

/// Result without a period.
const NO_PERIOD: usize = 125;

/// The lag of the highest local peak of the autocorrelation of a signal, in rows; 125 without one.
pub fn period(values: &[f64]) -> usize {
    let values = &values[..values.len().min(ROWS_MAX)];
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let centered: Vec<f64> = values.iter().map(|it| it - mean).collect();
    // Not divided by the variance, which is equal for all lags.
    let autocorrelation = |lag: usize| -> f64 {
        centered.iter().zip(centered.iter().skip(lag)).map(|(before, after)| before * after).sum()
    };
    let curve: Vec<f64> =
        (LAG_MIN..=LAG_MAX.min(values.len().saturating_sub(1))).map(autocorrelation).collect();
    let is_peak = |it: &[f64]| it[0] < it[1] && it[2] < it[1];
    let peaks = curve.windows(3).zip(1..).filter(|(it, _)| is_peak(it));
    let highest =
        peaks.map(|(it, place)| (it[1], place)).reduce(|best, it| if best.0 <= it.0 { it } else { best });
    match highest {
        Some((_, place)) if PERIODS.contains(&place) => place + LAG_MIN,
        _ => NO_PERIOD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(count: usize, value: impl Fn(f64) -> f64, expected: usize) {
        let values: Vec<f64> = (0..count).map(|it| value(it as f64)).collect();
        assert_eq!(period(&values), expected);
    }

    #[test]
    fn a_rhythm_is_found_and_else_there_is_a_default() {
        let wave = |period: f64| move |it: f64| (std::f64::consts::TAU * it / period).sin();
        check(2_000, wave(50.0), 50);
        check(30_000, wave(288.0), 288);
        check(2_000, wave(1_000.0), NO_PERIOD);
        check(1_000, |_| 3.0, NO_PERIOD);
        check(1_000, |it| it, NO_PERIOD);
        check(1_000, |_| f64::NAN, NO_PERIOD);
        for count in 0..9 {
            check(count, |it| it, NO_PERIOD);
        }
    }
}
