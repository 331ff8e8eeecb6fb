//! Starts and ends episodes: from the first score at the threshold until the score has stayed well below it for a while.

use serde::{Deserialize, Serialize};

use crate::grace;
use crate::reading::Timestamp;
use crate::report::{Episode, EpisodeTransition};

/// From this score on an episode begins; scores are in units of their limit.
pub const LIMIT: f64 = 1.0;
/// Seconds after its onset at which an episode is described anew: by then a fault has shown what it is.
pub const FIRST_RENEWAL_SECONDS: f64 = 60.0;
/// Least seconds between two later descriptions. Each is a new series where metrics are stored.
pub const RENEWAL_SECONDS: f64 = 600.0;
/// After an episode was accepted another one begins only when its score is this many times the peak.
const CLEARLY_WORSE: f64 = 2.0;

/// When an episode is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResolveRule {
    /// The score has to stay below this, in units of the limit…
    pub below: f64,
    /// …for this many seconds.
    pub seconds: f64,
    /// An episode of this many seconds is the new normal.
    pub accept_after: f64,
}

/// Follows one subject through its episodes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct EpisodeTracker {
    episode: Option<Episode>,
    /// Episodes so far, including the current one.
    count: u64,
    /// Length of the episode from which on its description is to be renewed, in seconds of readings.
    renewal: f64,
    /// Seconds for which the score has been below the release, without a break.
    seconds_below: f64,
    /// Seconds of readings that the episode has lasted; what passed in a gap is not known to belong to it.
    lasted: f64,
    /// Whether there is a known reason for the machine not to be as it used to be.
    grace: bool,
    /// Whether the last score would have begun an episode but for that.
    held_back: bool,
    /// The peak of the last episode when it was accepted, until the score has been calm; no other begins so long
    /// but one that is clearly worse.
    accepted: Option<f64>,
    /// Whether somebody said that the episode is the new normal.
    accept_requested: bool,
    /// Seconds left in which the new normal settles: the twins and correlations of the signals follow it only now.
    settling: f64,
}

/// A new normal settles in this share of the time that it took to be accepted, …
const SETTLING_SHARE: f64 = 0.25;
/// … but in no more seconds than these. As in grace, an episode begins only from twice the limit on.
const SETTLING_MAX: f64 = 900.0;

/// One judged reading.
#[derive(Debug, Clone, Copy)]
pub struct ScoredInstant {
    /// When.
    pub at: Timestamp,
    /// Seconds since the reading before.
    pub elapsed: f64,
    /// Its score, in units of the limit.
    pub score: f64,
}

impl EpisodeTracker {
    /// The episode that is under way.
    pub fn episode(&self) -> Option<Episode> {
        self.episode
    }

    /// Number of episodes so far, including the current one.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A gap in the readings: nobody knows what was between.
    pub fn interrupt(&mut self) {
        self.seconds_below = 0.0;
    }

    /// The subject is gone, and the episode that is under way with it.
    pub fn end(&mut self) -> Option<Episode> {
        self.episode.take()
    }

    /// In grace an episode begins only from [`grace::LIMIT_FACTOR`] times the limit on; one that began goes on.
    pub fn grace(&mut self, active: bool) {
        self.grace = active;
    }

    /// The episode that is under way is the new normal, from the next reading on; says whether there is one.
    pub fn accept(&mut self) -> bool {
        self.accept_requested = self.episode.is_some();
        self.accept_requested
    }

    /// Whether an episode is under way, or would be but for grace: its points are not ordinary.
    pub fn is_anomalous(&self) -> bool {
        self.episode.is_some() || self.held_back
    }

    /// Says what a judged reading turns.
    pub fn step(&mut self, now: ScoredInstant, release: ResolveRule) -> Option<EpisodeTransition> {
        let ScoredInstant { elapsed, score, .. } = now;
        if score < release.below {
            self.accepted = None;
        }
        let Some(episode) = &mut self.episode else {
            let known = self.accepted.is_some_and(|peak| score < CLEARLY_WORSE * peak);
            let limit = if self.grace || self.settling > 0.0 { grace::LIMIT_FACTOR * LIMIT } else { LIMIT };
            self.settling = (self.settling - elapsed).max(0.0);
            self.held_back = self.grace && (LIMIT..limit).contains(&score) && !known;
            return (score >= limit && !known).then(|| self.begin(now));
        };
        self.lasted += elapsed;
        episode.peak = episode.peak.max(score);
        let peak = episode.peak;
        if self.lasted >= release.accept_after || std::mem::take(&mut self.accept_requested) {
            self.accepted = Some(peak);
            self.settling = (SETTLING_SHARE * release.accept_after).min(SETTLING_MAX);
            return self.episode.take().map(EpisodeTransition::Accepted);
        }
        self.seconds_below = if score < release.below { self.seconds_below + elapsed } else { 0.0 };
        if self.seconds_below >= release.seconds {
            return self.episode.take().map(EpisodeTransition::Ended);
        }
        // While the score is below the limit there is little to describe: a fault that fades keeps its description.
        let renewed = score >= LIMIT && self.lasted >= self.renewal;
        if renewed {
            self.renewal = self.lasted + RENEWAL_SECONDS;
        }
        renewed.then_some(EpisodeTransition::Changed)
    }

    fn begin(&mut self, now: ScoredInstant) -> EpisodeTransition {
        let episode = Some(Episode { since: now.at, peak: now.score });
        let (count, grace) = (self.count.saturating_add(1), self.grace);
        *self = Self { episode, count, renewal: FIRST_RENEWAL_SECONDS, grace, ..Self::default() };
        EpisodeTransition::Began
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: ResolveRule = ResolveRule { below: 0.7, seconds: 3.0, accept_after: 20.0 };

    fn moment(t: usize, score: f64) -> ScoredInstant {
        ScoredInstant { at: Timestamp(t as f64), elapsed: 1.0, score }
    }

    /// Scores a second apart, and the turns as letters: Began, Changed, Ended, Accepted, `.` for none.
    fn check(scores: &[f64], turns: &str) {
        let mut tracker = EpisodeTracker::default();
        let found: String = scores
            .iter()
            .enumerate()
            .map(|(t, score)| match tracker.step(moment(t, *score), RELEASE) {
                None => '.',
                Some(EpisodeTransition::Began) => 'B',
                Some(EpisodeTransition::Changed) => 'C',
                Some(EpisodeTransition::Ended(_)) => 'E',
                Some(EpisodeTransition::Accepted(_)) => 'A',
            })
            .collect();
        assert_eq!(found, turns, "{scores:?}");
    }

    #[test]
    fn begins_at_the_limit_and_ends_after_calm() {
        check(&[0.9, 1.0, 1.5, 0.6, 0.6, 0.6, 0.6, 0.1], ".B...E..");
    }

    #[test]
    fn between_release_and_limit_it_goes_on() {
        check(&[1.0, 0.6, 0.6, 0.8, 0.6, 0.6, 0.6, 0.6], "B.....E.");
        check(&[0.8, 0.9], "..");
    }

    #[test]
    fn what_lasts_is_accepted_and_does_not_begin_again_at_once() {
        let lasting = [1.5; 25];
        check(&[&lasting[..], &[0.5, 1.5]].concat(), "B...................A.....B");
        check(&[&lasting[..], &[2.9, 3.1]].concat(), "B...................A.....B");
    }

    #[test]
    fn a_gap_breaks_the_calm_and_is_no_part_of_the_episode() {
        let mut tracker = EpisodeTracker::default();
        tracker.step(moment(0, 1.5), RELEASE);
        tracker.step(moment(1, 0.5), RELEASE);
        tracker.step(moment(2, 0.5), RELEASE);
        tracker.interrupt();
        assert_eq!(tracker.step(moment(1000, 0.5), RELEASE), None);
        assert_eq!(tracker.step(moment(1001, 1.5), RELEASE), None);
    }

    #[test]
    fn in_grace_it_takes_twice_the_limit_to_begin() {
        let mut tracker = EpisodeTracker::default();
        let mut step = |t, score, grace| {
            tracker.grace(grace);
            tracker.step(moment(t, score), RELEASE)
        };
        assert_eq!(step(0, 1.9, true), None);
        assert_eq!(step(1, 2.0, true), Some(EpisodeTransition::Began));
        for t in 2..5 {
            assert!(matches!(
                (t, step(t, 0.1, true)),
                (2 | 3, None) | (4, Some(EpisodeTransition::Ended(_)))
            ));
        }
        assert_eq!(step(5, 1.5, true), None);
        assert_eq!(
            step(6, 1.5, false),
            Some(EpisodeTransition::Began),
            "what is still there afterwards is one"
        );
        let mut tracker = EpisodeTracker::default();
        tracker.grace(true);
        for (t, score, odd) in [(0, 0.9, false), (1, 1.5, true), (2, 0.9, false), (3, 2.5, true)] {
            tracker.step(moment(t, score), RELEASE);
            assert_eq!(tracker.is_anomalous(), odd, "at {t}");
        }
    }

    #[test]
    fn a_description_is_renewed_after_a_minute_and_then_each_ten_minutes_at_most() {
        let release = ResolveRule { accept_after: 3_000.0, ..RELEASE };
        let mut tracker = EpisodeTracker::default();
        let mut renewed = Vec::new();
        for t in 0..2_500 {
            // At the second renewal the score is below the limit for a while.
            let score = if (650..700).contains(&t) { 0.9 } else { 1.5 };
            if tracker.step(moment(t, score), release) == Some(EpisodeTransition::Changed) {
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
            tracker.step(moment(0, score), RELEASE);
            tracker.count()
        });
        assert_eq!(counts, [0, 1, 1, 1, 1, 2, 2, 2, 2]);
    }
}
