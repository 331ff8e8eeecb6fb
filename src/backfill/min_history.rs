//! The minimum history to train on.

use std::fmt;

use crate::duration::HumanDuration;

/// Number of points needed: twelve hours of half minutes. A fifth is held out to determine the threshold, whose 99.5th
/// percentile needs 200 of these; and a history with a night or a working day represents a host better than a lunch
/// break.
pub const POINTS_NEEDED: usize = 1_440;

/// There is too little history to train on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TooLittleHistory {
    /// Number of points.
    pub points: usize,
    /// Seconds between two of them.
    pub every: f64,
    /// Whether they came from another server or a file.
    pub from_elsewhere: bool,
}

impl TooLittleHistory {
    /// Checks the length of a history.
    ///
    /// # Errors
    /// If it is too short.
    pub fn check(points: usize, every: f64, from_elsewhere: bool) -> Result<(), Self> {
        if points < POINTS_NEEDED { Err(Self { points, every, from_elsewhere }) } else { Ok(()) }
    }
}

impl fmt::Display for TooLittleHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = POINTS_NEEDED.saturating_sub(self.points);
        // Seconds would add no information.
        let minutes = (missing as f64 * self.every / 60.0).ceil().max(1.0);
        write!(f, "too little data: {} points, {} needed; ", grouped(self.points), grouped(POINTS_NEEDED))?;
        let longer = HumanDuration::nearest(minutes * 60.0);
        match self.from_elsewhere {
            true => write!(f, "ask for more with --lookback, or wait {longer} longer"),
            false => write!(f, "run {longer} longer or pass --from"),
        }
    }
}

impl std::error::Error for TooLittleHistory {}

/// A number with commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_history_is_given_as_time() {
        let check = |points, every, elsewhere, expect: &str| {
            let found = TooLittleHistory::check(points, every, elsewhere);
            assert_eq!(found.map_or_else(|it| it.to_string(), |()| String::new()), expect);
        };
        check(412, 60.0, false, "too little data: 412 points, 1,440 needed; run 17h8m longer or pass --from");
        check(
            412,
            30.0,
            true,
            "too little data: 412 points, 1,440 needed; ask for more with --lookback, or wait 8h34m longer",
        );
        check(0, 30.0, false, "too little data: 0 points, 1,440 needed; run 12h longer or pass --from");
        check(1_440, 30.0, false, "");
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
