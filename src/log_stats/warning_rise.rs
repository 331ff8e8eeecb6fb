//! Whether warnings slowly become more frequent than is usual for the log.
//!
//! A cumulative sum (CUSUM, Page 1954) of the evidence that they come [`RISE`] times as often: each second with a warning adds
//! to it, time takes away as much as the usual rate explains, and it never falls below 0. A window of any length is too short for
//! a slow rise or too long for a fast one; this sum takes as many seconds as it needs.

use crate::log_template::decay;

/// The rise that is looked for, as a multiple of the usual rate. The evidence grows from `(RISE - 1) / ln(RISE)`, about
/// twice the usual rate, on: the time of day alone seldom doubles a rate within an hour.
const RISE: f64 = 4.0;

/// Evidence from which on it is a rise, as the logarithm of a ratio of likelihoods: by Lorden's bound, chance reaches it after
/// 1.2 million seconds with warnings on average, or later.
const EVIDENCE_MIN: f64 = 14.0;

/// Largest evidence, so that a rise ends soon after the rate is usual again.
const EVIDENCE_MAX: f64 = 1.5 * EVIDENCE_MIN;

/// Time constant of the usual rate, in seconds: it follows the time of day.
const USUAL_SECONDS: f64 = 3_600.0;

/// Warnings that are added to those of the usual time: a log without warnings does not promise that there is never one.
const PRIOR_WARNINGS: f64 = 3.0;

/// The warnings of a log. Those of one second count once, because they often have one cause.
#[derive(Debug, Default)]
pub(super) struct WarningRise {
    /// Earlier seconds with warnings, each of which counts less as time goes by, as of `now`.
    usual: f64,
    evidence: f64,
    /// Warnings since there was no evidence.
    warnings: u64,
    /// The newest second that is known, and the newest one with a warning.
    now: u64,
    last: Option<u64>,
}

impl WarningRise {
    /// Counts warnings at a time, in seconds, in a log that has been read for `age` seconds.
    pub(super) fn add(&mut self, warnings: u64, at: f64, age: f64) {
        self.advance(at, age);
        self.warnings += warnings;
        if self.last != Some(self.now) {
            self.last = Some(self.now);
            self.usual += 1.0;
            self.evidence = (self.evidence + RISE.ln()).min(EVIDENCE_MAX);
        }
    }

    /// Warnings since they began to come more often, if that is no chance, else 0.
    pub(super) fn size(&mut self, at: f64, age: f64) -> u64 {
        self.advance(at, age);
        if self.evidence >= EVIDENCE_MIN { self.warnings } else { 0 }
    }

    /// Starts to count at a time, in seconds: what an earlier run learned is as old as it was when that ended.
    pub(super) fn start(&mut self, at: f64) {
        self.now = at as u64;
    }

    /// Seconds with warnings in the usual time.
    pub(super) fn usual_warnings(&self) -> f64 {
        self.usual
    }

    /// Takes over the seconds with warnings of an earlier run.
    pub(super) fn restore(&mut self, usual: f64) {
        self.usual = usual;
    }

    /// Takes away what the usual rate explains.
    fn advance(&mut self, at: f64, age: f64) {
        let elapsed = (at as u64).saturating_sub(self.now) as f64;
        self.now += elapsed as u64;
        let known = (USUAL_SECONDS * (1.0 - decay(age, USUAL_SECONDS))).max(1.0);
        let rate = ((self.usual + PRIOR_WARNINGS) / known).min(1.0);
        self.evidence -= (RISE - 1.0) * rate * elapsed;
        if self.evidence <= 0.0 {
            self.evidence = 0.0;
            self.warnings = 0;
        }
        self.usual *= decay(elapsed, USUAL_SECONDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two hours with a warning every so many seconds, then one every `then` seconds: the seconds until that is a rise, of at
    /// most an hour.
    fn found_after(every: f64, then: f64) -> Option<f64> {
        let mut rise = WarningRise::default();
        let mut due = every;
        for second in 1..7_200 {
            let at = f64::from(second);
            if at >= due {
                rise.add(1, at, at);
                due += every;
            }
            assert!(second < 600 || rise.size(at, at) == 0, "at {second}");
        }
        let start = 7_200.0;
        due = start + then;
        for second in 0..3_600 {
            let at = start + f64::from(second);
            while at >= due {
                rise.add(1, at, at);
                due += then;
            }
            if rise.size(at, at) > 0 {
                return Some(at - start);
            }
        }
        None
    }

    #[track_caller]
    fn check(every: f64, then: f64, within: Option<f64>) {
        let found = found_after(every, then);
        let is_right = match (found, within) {
            (Some(found), Some(within)) => found <= within,
            (None, None) => true,
            _ => false,
        };
        assert!(is_right, "a warning in {every} s, then one in {then} s: {found:?}");
    }

    #[test]
    fn a_rise_is_found_the_sooner_the_larger_it_is() {
        check(30.0, 15.0, None);
        check(30.0, 6.0, Some(300.0));
        check(30.0, 2.0, Some(40.0));
        check(3_600.0, 20.0, Some(300.0));
        check(3_600.0, 900.0, None);
        check(2.0, 1.5, None);
    }

    #[test]
    fn warnings_of_one_second_are_no_rise() {
        let mut rise = WarningRise::default();
        for minute in 0..300 {
            let at = f64::from(minute) * 60.0;
            rise.add(1_000, at, at);
            assert!(minute < 10 || rise.size(at, at) == 0, "minute {minute}");
        }
    }

    #[test]
    fn a_rise_ends_with_its_cause() {
        let mut rise = WarningRise::default();
        let mut step = |second: u32, every: u32| {
            let at = f64::from(second);
            if second.is_multiple_of(every) {
                rise.add(1, at, at);
            }
            rise.size(at, at)
        };
        assert_eq!((1..7_200).map(|it| step(it, 20)).max(), Some(0));
        assert!((7_200..7_800).map(|it| step(it, 2)).any(|it| it > 100));
        let after: Vec<u64> = (7_800..8_000).map(|it| step(it, 20)).collect();
        assert_eq!(after.last(), Some(&0));
    }
}
