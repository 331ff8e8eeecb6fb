//! Whether the errors of the last seconds are improbably many for the log.
//!
//! A rate that is compared with its mean and deviation needs minutes for a log with an error every half minute: one error more
//! or less is as large as the deviation. Here, the number is compared with the Poisson distribution of the usual rate.

use std::collections::VecDeque;

use crate::log_template::decay;

/// Seconds of which errors are counted: the window of a point.
const BURST_SECONDS: u64 = 30;

/// Time constant of the usual rate, in seconds: it follows the time of day.
const USUAL_SECONDS: f64 = 3_600.0;

/// Errors that are added to those of the usual time: a log without errors does not promise that there is never one.
const PRIOR_ERRORS: f64 = 3.0;

/// Smallest burst.
const ERRORS_MIN: u64 = 5;

/// Chernoff's bound of the probability, as a negative logarithm, from which a number of errors is a burst. For 9 errors
/// instead of 1, the probability itself is one in a million.
const SURPRISE_MIN: f64 = 9.5;

/// The errors of a log.
#[derive(Debug, Default)]
pub(super) struct ErrorBurst {
    /// Number of errors in each of the last seconds that had one, oldest first.
    seconds: VecDeque<(u64, u64)>,
    /// Earlier errors, each of which counts less as time goes by, as of the second.
    usual: (f64, u64),
}

impl ErrorBurst {
    /// Counts errors at a time, in seconds.
    pub(super) fn add(&mut self, errors: u64, at: f64) {
        let second = at as u64;
        self.advance(second);
        match self.seconds.back_mut() {
            Some((last, count)) if *last >= second => *count += errors,
            _ => self.seconds.push_back((second, errors)),
        }
    }

    /// Errors of the last seconds if they are a burst in a log that has been read for `age` seconds, else 0.
    pub(super) fn size(&mut self, at: f64, age: f64) -> u64 {
        self.advance(at as u64);
        let errors: u64 = self.seconds.iter().map(|it| it.1).sum();
        let known = USUAL_SECONDS * (1.0 - decay(age, USUAL_SECONDS));
        let usual = self.usual.0 * decay(at - self.usual.1 as f64, USUAL_SECONDS) + PRIOR_ERRORS;
        let mean = usual * BURST_SECONDS as f64 / known.max(BURST_SECONDS as f64);
        if errors >= ERRORS_MIN && surprise(errors as f64, mean) >= SURPRISE_MIN { errors } else { 0 }
    }

    /// Starts to count at a time, in seconds: errors of earlier runs are as old as they were when the last one ended.
    pub(super) fn start(&mut self, at: f64) {
        self.usual.1 = at as u64;
    }

    /// The errors of the usual time, those of the last seconds included.
    pub(super) fn usual_errors(&self, at: f64) -> f64 {
        let last: u64 = self.seconds.iter().map(|it| it.1).sum();
        self.usual.0 * decay(at - self.usual.1 as f64, USUAL_SECONDS) + last as f64
    }

    /// Takes over the errors of the usual time of an earlier run.
    pub(super) fn restore(&mut self, usual: f64) {
        self.usual.0 = usual;
    }

    /// Moves what is no longer among the last seconds to the usual rate.
    fn advance(&mut self, second: u64) {
        while let Some((old, count)) = self.seconds.pop_front_if(|it| it.0 + BURST_SECONDS <= second) {
            let (usual, since) = self.usual;
            self.usual = (usual * decay(old.saturating_sub(since) as f64, USUAL_SECONDS) + count as f64, old);
        }
    }
}

/// The negative logarithm of Chernoff's bound of the probability of so many events or more; 0 for no more than the mean.
fn surprise(events: f64, mean: f64) -> f64 {
    if events <= mean { 0.0 } else { events * (events / mean).ln() - events + mean }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour with an error every so many seconds, then so many errors within ten seconds.
    fn check(every: u64, errors: u64, expect: u64) {
        let mut burst = ErrorBurst::default();
        for second in (0..3_600).step_by(every as usize) {
            burst.add(1, second as f64);
            let is_known = second >= 600;
            assert!(!is_known || burst.size(second as f64, second as f64) == 0, "at {second}");
        }
        for idx in 0..errors {
            burst.add(1, 3_630.0 + (idx % 10) as f64);
        }
        assert_eq!(burst.size(3_640.0, 3_640.0), expect, "{errors} errors, usually one in {every} s");
        assert_eq!(burst.size(3_700.0, 3_700.0), 0);
    }

    #[test]
    fn a_burst_is_more_errors_than_chance_makes() {
        check(3_600, 4, 0);
        check(3_600, 5, 5);
        check(25, 6, 0);
        check(25, 9, 9);
        check(1, 45, 0);
        check(1, 70, 70);
    }
}
