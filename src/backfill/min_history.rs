//! The minimum history to train on.

use std::fmt;

use super::{FetchedHistory, HistorySource};
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
    /// Whether they came from a file.
    pub is_file: bool,
    /// Name of the option or setting that asks for a longer history; `None` if there is no limit.
    pub lookback: Option<&'static str>,
}

impl TooLittleHistory {
    /// Checks the length of a history.
    ///
    /// # Errors
    /// If it is too short.
    pub fn check(
        history: &FetchedHistory,
        origin: &HistorySource,
        lookback: Option<&'static str>,
    ) -> Result<(), Self> {
        let (points, every) = (history.points.len(), history.every);
        let is_file = matches!(origin, HistorySource::Csv(_));
        if points < POINTS_NEEDED { Err(Self { points, every, is_file, lookback }) } else { Ok(()) }
    }
}

impl fmt::Display for TooLittleHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = POINTS_NEEDED.saturating_sub(self.points);
        // Seconds would add no information.
        let minutes = (missing as f64 * self.every / 60.0).ceil().max(1.0);
        let plural = if self.points == 1 { "" } else { "s" };
        let needed = grouped(POINTS_NEEDED);
        write!(f, "too little data: {} point{plural}, {needed} needed; ", grouped(self.points))?;
        let longer = HumanDuration::nearest(minutes * 60.0);
        match (self.is_file, self.lookback) {
            (true, None) => write!(f, "name a file that covers {longer} more"),
            (true, Some(lookback)) => write!(f, "name a file that covers {longer} more, or raise {lookback}"),
            (false, Some(lookback)) => write!(f, "ask for more with {lookback}, or wait {longer} longer"),
            (false, None) => write!(f, "wait {longer} longer"),
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
        let check = |points, every, is_file, lookback, expect: &str| {
            let found = TooLittleHistory { points, every, is_file, lookback }.to_string();
            assert_eq!(found, expect);
        };
        check(
            412,
            30.0,
            false,
            Some("--lookback"),
            "too little data: 412 points, 1,440 needed; ask for more with --lookback, or wait 8h34m longer",
        );
        check(
            412,
            60.0,
            true,
            None,
            "too little data: 412 points, 1,440 needed; name a file that covers 17h8m more",
        );
        check(
            1,
            30.0,
            true,
            Some("backfill.lookback"),
            "too little data: 1 point, 1,440 needed; name a file that covers 12h more, or raise backfill.lookback",
        );
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
