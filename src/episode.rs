//! Starts and ends episodes: from the first score at the threshold until the score has stayed well below it for a while.

use serde::{Deserialize, Serialize};

use crate::grace;
use crate::reading::Timestamp;
use crate::report::{Episode, EpisodeTransition};

/// The score from which an episode starts; scores are divided by their threshold.
pub const LIMIT: f64 = 1.0;
/// Seconds after its start at which an episode is described again, when the fault has developed.
pub const FIRST_RENEWAL_SECONDS: f64 = 60.0;
/// Shortest time between later descriptions, in seconds. Each description is a new series in Prometheus.
pub const RENEWAL_SECONDS: f64 = 600.0;
/// After an acceptance, the next episode starts only at this multiple of the accepted peak.
const CLEARLY_WORSE: f64 = 2.0;

/// When an episode ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpisodeEndRule {
    /// The score must stay below this; 1.0 is the threshold…
    pub below: f64,
    /// …for this many seconds.
    pub seconds: f64,
    /// Seconds after which an episode is accepted as normal.
    pub accept_after: f64,
}

/// Tracks the episodes of one subject.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct EpisodeTracker {
    episode: Option<Episode>,
    /// Episodes so far, including the current one.
    count: u64,
    /// Length of the episode at which its description is next renewed, in seconds of readings.
    renewal: f64,
    /// Seconds for which the score has been below `resolve.below` without interruption.
    seconds_below: f64,
    /// Whether a grace period is active.
    grace: bool,
    /// Whether only grace prevented an episode at the last score.
    held_back: bool,
    /// The score from which an accepted state is clearly worse and an episode starts, until the score has been low.
    accepted: Option<f64>,
    /// Whether the user accepted the current episode.
    accept_requested: bool,
    /// Seconds left in which the accepted state settles, because correlations and paired signals follow it only now.
    settling: f64,
}

/// An accepted state settles in this share of the time before its acceptance, …
const SETTLING_SHARE: f64 = 0.25;
/// … but in at most this many seconds. As in grace, an episode then starts only at a score of 2.
const SETTLING_MAX: f64 = 900.0;

/// The score of one reading.
#[derive(Debug, Clone, Copy)]
pub struct ScoredInstant {
    /// Time of the reading.
    pub at: Timestamp,
    /// Seconds since the previous reading.
    pub elapsed: f64,
    /// The score; 1.0 is the threshold.
    pub score: f64,
}

impl EpisodeTracker {
    /// The current episode.
    pub fn episode(&self) -> Option<Episode> {
        self.episode
    }

    /// Number of episodes so far, including the current one.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Records a gap in the readings.
    pub fn interrupt(&mut self) {
        self.seconds_below = 0.0;
    }

    /// Ends the current episode, because the subject is gone.
    pub fn end(&mut self) -> Option<Episode> {
        self.episode.take()
    }

    /// Sets whether grace is active. In grace an episode starts only at [`grace::LIMIT_FACTOR`] times the threshold; a
    /// current one continues.
    pub fn grace(&mut self, active: bool) {
        self.grace = active;
    }

    /// Accepts the current episode as normal from the next reading on; returns whether there is one.
    pub fn accept(&mut self) -> bool {
        self.accept_requested = self.episode.is_some();
        self.accept_requested
    }

    /// Whether grace is active.
    pub fn in_grace(&self) -> bool {
        self.grace
    }

    /// Whether the current state is known to be out of the ordinary: in grace, or accepted a while ago.
    pub fn is_known_state(&self) -> bool {
        self.grace || self.accepted.is_some() || self.settling > 0.0
    }

    /// Whether an episode is current, or would be without grace.
    pub fn is_anomalous(&self) -> bool {
        self.episode.is_some() || self.held_back
    }

    /// Takes the score of a reading; returns the transition that it causes. A state that was accepted by its length alone
    /// must not hide an alert, so an episode starts in it at `alert_level`.
    pub fn step(
        &mut self,
        now: ScoredInstant,
        release: EpisodeEndRule,
        alert_level: f64,
    ) -> Option<EpisodeTransition> {
        let ScoredInstant { elapsed, score, .. } = now;
        if score < release.below {
            self.accepted = None;
        }
        let Some(episode) = &mut self.episode else {
            let known = self.accepted.is_some_and(|worse| score < worse);
            let limit = if self.grace || self.settling > 0.0 { grace::LIMIT_FACTOR * LIMIT } else { LIMIT };
            self.settling = (self.settling - elapsed).max(0.0);
            self.held_back = self.grace && (LIMIT..limit).contains(&score) && !known;
            return (score >= limit && !known).then(|| self.begin(now));
        };
        episode.lasted += elapsed;
        let lasted = episode.lasted;
        episode.peak = episode.peak.max(score);
        let peak = episode.peak;
        let is_requested = std::mem::take(&mut self.accept_requested);
        if lasted >= release.accept_after || is_requested {
            let worse = CLEARLY_WORSE * peak;
            let hides_alert = !is_requested && peak < alert_level;
            self.accepted = Some(if hides_alert { worse.min(alert_level) } else { worse });
            self.settling = (SETTLING_SHARE * release.accept_after).min(SETTLING_MAX);
            return self.episode.take().map(EpisodeTransition::Accepted);
        }
        self.seconds_below = if score < release.below { self.seconds_below + elapsed } else { 0.0 };
        if self.seconds_below >= release.seconds {
            return self.episode.take().map(EpisodeTransition::Ended);
        }
        // Below the threshold there is little to describe: a fading fault keeps its description.
        let renewed = score >= LIMIT && lasted >= self.renewal;
        if renewed {
            self.renewal = lasted + RENEWAL_SECONDS;
        }
        renewed.then_some(EpisodeTransition::Changed)
    }

    fn begin(&mut self, now: ScoredInstant) -> EpisodeTransition {
        let episode = Some(Episode { since: now.at, peak: now.score, lasted: 0.0 });
        let (count, grace) = (self.count.saturating_add(1), self.grace);
        *self = Self { episode, count, renewal: FIRST_RENEWAL_SECONDS, grace, ..Self::default() };
        EpisodeTransition::Started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: EpisodeEndRule = EpisodeEndRule { below: 0.7, seconds: 3.0, accept_after: 20.0 };
    const LEVEL: f64 = 4.0;

    fn moment(t: usize, score: f64) -> ScoredInstant {
        ScoredInstant { at: Timestamp(t as f64), elapsed: 1.0, score }
    }

    /// Scores, a second apart, and the transitions as letters: Started, Changed, Ended, Accepted, `.` for none.
    fn check(scores: &[f64], turns: &str) {
        let mut tracker = EpisodeTracker::default();
        let found: String = scores
            .iter()
            .enumerate()
            .map(|(t, score)| match tracker.step(moment(t, *score), RELEASE, LEVEL) {
                None => '.',
                Some(EpisodeTransition::Started) => 'S',
                Some(EpisodeTransition::Changed) => 'C',
                Some(EpisodeTransition::Ended(_)) => 'E',
                Some(EpisodeTransition::Accepted(_)) => 'A',
            })
            .collect();
        assert_eq!(found, turns, "{scores:?}");
    }

    #[test]
    fn starts_at_the_threshold_and_ends_after_low_scores() {
        check(&[0.9, 1.0, 1.5, 0.6, 0.6, 0.6, 0.6, 0.1], ".S...E..");
    }

    #[test]
    fn between_resolve_and_threshold_it_continues() {
        check(&[1.0, 0.6, 0.6, 0.8, 0.6, 0.6, 0.6, 0.6], "S.....E.");
        check(&[0.8, 0.9], "..");
    }

    #[test]
    fn a_long_episode_is_accepted_and_does_not_restart_at_once() {
        let lasting = [1.5; 25];
        check(&[&lasting[..], &[0.5, 1.5]].concat(), "S...................A.....S");
        check(&[&lasting[..], &[2.9, 3.1]].concat(), "S...................A.....S");
    }

    #[test]
    fn a_state_accepted_by_its_length_does_not_hide_an_alert() {
        let mut tracker = EpisodeTracker::default();
        let mut step = |t, score| tracker.step(moment(t, score), RELEASE, 2.0);
        (0..21).for_each(|t| assert!(step(t, 1.8).is_none() || t == 0 || t == 20));
        assert_eq!(step(30, 1.9), None);
        assert_eq!(step(31, 2.0), Some(EpisodeTransition::Started));
    }

    #[test]
    fn a_gap_resets_the_resolve_time_and_is_not_part_of_the_episode() {
        let mut tracker = EpisodeTracker::default();
        tracker.step(moment(0, 1.5), RELEASE, LEVEL);
        tracker.step(moment(1, 0.5), RELEASE, LEVEL);
        tracker.step(moment(2, 0.5), RELEASE, LEVEL);
        tracker.interrupt();
        assert_eq!(tracker.step(moment(1000, 0.5), RELEASE, LEVEL), None);
        assert_eq!(tracker.step(moment(1001, 1.5), RELEASE, LEVEL), None);
    }

    #[test]
    fn in_grace_it_starts_at_twice_the_threshold() {
        let mut tracker = EpisodeTracker::default();
        let mut step = |t, score, grace| {
            tracker.grace(grace);
            tracker.step(moment(t, score), RELEASE, LEVEL)
        };
        assert_eq!(step(0, 1.9, true), None);
        assert_eq!(step(1, 2.0, true), Some(EpisodeTransition::Started));
        for t in 2..5 {
            assert!(matches!(
                (t, step(t, 0.1, true)),
                (2 | 3, None) | (4, Some(EpisodeTransition::Ended(_)))
            ));
        }
        assert_eq!(step(5, 1.5, true), None);
        assert_eq!(
            step(6, 1.5, false),
            Some(EpisodeTransition::Started),
            "what is still there afterwards is one"
        );
        let mut tracker = EpisodeTracker::default();
        tracker.grace(true);
        for (t, score, odd) in [(0, 0.9, false), (1, 1.5, true), (2, 0.9, false), (3, 2.5, true)] {
            tracker.step(moment(t, score), RELEASE, LEVEL);
            assert_eq!(tracker.is_anomalous(), odd, "at {t}");
        }
    }

    #[test]
    fn a_description_is_renewed_after_a_minute_and_then_each_ten_minutes_at_most() {
        let release = EpisodeEndRule { accept_after: 3_000.0, ..RELEASE };
        let mut tracker = EpisodeTracker::default();
        let mut renewed = Vec::new();
        for t in 0..2_500 {
            // At the second renewal the score is below the threshold for a while.
            let score = if (650..700).contains(&t) { 0.9 } else { 1.5 };
            if tracker.step(moment(t, score), release, LEVEL) == Some(EpisodeTransition::Changed) {
                renewed.push(t);
            }
        }
        assert_eq!(renewed, [60, 700, 1300, 1900]);
    }

    #[test]
    fn episodes_are_counted() {
        let mut tracker = EpisodeTracker::default();
        let scores = [0.5, 1.5, 0.1, 0.1, 0.1, 1.5, 0.1, 0.1, 0.1];
        let counts = scores.map(|score| {
            tracker.step(moment(0, score), RELEASE, LEVEL);
            tracker.count()
        });
        assert_eq!(counts, [0, 1, 1, 1, 1, 2, 2, 2, 2]);
    }
}
