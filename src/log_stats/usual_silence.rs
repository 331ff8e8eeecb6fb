//! Whether a log is silent for longer than it usually is.

use crate::log_template::decay;

/// Time constant of the usual silence, in seconds: it follows the time of day.
const USUAL_SECONDS: f64 = 3_600.0;

/// A silence is unusual from this multiple of the usual one on. For lines that come by chance, one in 160,000 pauses is.
const UNUSUAL_FACTOR: f64 = 12.0;

/// Shortest unusual silence, in seconds: lines are written in blocks, and read now and then.
const UNUSUAL_SECONDS_MIN: f64 = 5.0;

/// The pauses of a log, each of which counts less as time goes by.
#[derive(Debug, Default)]
pub(super) struct UsualSilence {
    /// Integral of the silence over time, in square seconds.
    silence: f64,
    /// Integral of the time, in seconds.
    time: f64,
}

impl UsualSilence {
    /// Learns the pause before a line. `is_learned`: whether what is unusual is known; it is not learned then.
    pub(super) fn learn(&mut self, pause: f64, is_learned: bool) {
        let pause = pause.min(if is_learned { self.unusual_from() } else { USUAL_SECONDS });
        let kept = decay(pause, USUAL_SECONDS);
        self.silence = self.silence * kept + pause * pause / 2.0;
        self.time = self.time * kept + pause;
    }

    /// What it learned: the integrals of the silence and of the time.
    pub(super) fn integrals(&self) -> [f64; 2] {
        [self.silence, self.time]
    }

    /// Takes over what an earlier run learned.
    pub(super) fn restore(&mut self, [silence, time]: [f64; 2]) {
        (self.silence, self.time) = (silence, time);
    }

    /// Seconds of silence from which on it is unusual.
    pub(super) fn unusual_from(&self) -> f64 {
        // At a random time, so that a burst of lines between long pauses changes little.
        let mean = if self.time > 0.0 { self.silence / self.time } else { 0.0 };
        (UNUSUAL_FACTOR * mean).max(UNUSUAL_SECONDS_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unusual_follows_the_pauses_but_not_an_outage() {
        let mut silence = UsualSilence::default();
        (0..3_600).for_each(|_| silence.learn(1.0, false));
        assert!((silence.unusual_from() - 6.0).abs() < 0.1, "{silence:?}");
        silence.learn(3_600.0, true);
        assert!(silence.unusual_from() < 6.5, "{silence:?}");
        // A flood between the pauses.
        (0..10_000).for_each(|_| silence.learn(0.01, true));
        assert!(silence.unusual_from() > 5.5, "{silence:?}");
        // From now on, there is a line every 20 seconds.
        (0..1_000).for_each(|_| silence.learn(20.0, true));
        assert!((silence.unusual_from() - 120.0).abs() < 5.0, "{silence:?}");
    }
}
