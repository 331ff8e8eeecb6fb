//! Widens thresholds while few points are known, as a prediction interval does.
//!
//! The mean and the deviation of `n` points are uncertain, so the next point lies within `t(n - 1) * sqrt(1 + 1/n)`
//! deviations, where a known distribution would need `z` (Student, 1908).

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Probability that a normal point exceeds the threshold, on one side.
const TAIL: f64 = 1e-5;
/// From this number of points on, the interval is that of a known distribution within two percent.
const POINTS_ENOUGH: f64 = 1_000.0;

/// The factor for `points` effective points; 1 for many, infinite for fewer than two.
pub fn width(points: f64) -> f64 {
    if points >= POINTS_ENOUGH {
        return 1.0;
    }
    let student = StudentsT::new(0.0, 1.0, points - 1.0).map(|it| it.inverse_cdf(1.0 - TAIL));
    let normal = Normal::standard().inverse_cdf(1.0 - TAIL);
    match student {
        Ok(t) => (t / normal * (1.0 + 1.0 / points).sqrt()).max(1.0),
        Err(_) => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::width;

    fn check(points: f64, expected: f64) {
        let found = width(points);
        assert!((found - expected).abs() < 0.01 * expected, "{points}: {found}, expected {expected}");
    }

    /// Quantiles of Student's t at 1 - 1e-5, from tables: 9 degrees of freedom 8.10, 19 degrees 5.66, 119 degrees
    /// 4.44.
    #[test]
    fn widens_as_students_t_does() {
        let z = 4.265;
        check(10.0, 8.10 / z * 1.1_f64.sqrt());
        check(20.0, 5.66 / z * 1.05_f64.sqrt());
        check(120.0, 4.45 / z);
        check(1e6, 1.0);
    }

    #[test]
    fn one_point_has_no_interval() {
        assert!(width(1.0).is_infinite());
        assert!(width(0.0).is_infinite());
    }
}
