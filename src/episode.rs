//! When a subject is called anomalous: from the first score at the limit until it has been well below it a while.

use crate::reading::Timestamp;
use crate::report::{Episode, Turn};

/// From this score on an episode begins; scores are in units of their limit.
pub const LIMIT: f64 = 1.0;
/// A change of an episode is said when its peak has grown by this factor since it was last said.
const GROWTH_SAID: f64 = 2.0;

/// When an episode is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Release {
    /// The score has to stay below this, in units of the limit…
    pub below: f64,
    /// …for this many seconds.
    pub seconds: f64,
    /// An episode of this many seconds is the new normal.
    pub accept_after: f64,
}

/// Follows one subject through its episodes.
#[derive(Debug, Clone, Default)]
pub struct Tracker {
    episode: Option<Episode>,
    /// The peak when the episode was last spoken of.
    said: f64,
    /// The main cause then, as an index of signals.
    cause: Option<usize>,
    /// Since when the score is below the release, without a break.
    calm_since: Option<Timestamp>,
    /// Whether the last episode was accepted and its score has not been calm since; no other begins so long.
    accepted: bool,
}

impl Tracker {
    /// The episode that is under way.
    pub fn episode(&self) -> Option<Episode> {
        self.episode
    }

    /// Takes the score of this very reading and its main cause, and says what they turn.
    pub fn step(
        &mut self,
        at: Timestamp,
        score: f64,
        cause: Option<usize>,
        release: Release,
    ) -> Option<Turn> {
        self.accepted &= score >= release.below;
        let Some(episode) = &mut self.episode else {
            return (score >= LIMIT && !self.accepted).then(|| self.begin(at, score, cause));
        };
        if at.0 - episode.since.0 >= release.accept_after {
            self.accepted = true;
            return self.episode.take().map(Turn::Accepted);
        }
        episode.peak = episode.peak.max(score);
        let peak = episode.peak;
        if score >= release.below {
            self.calm_since = None;
        } else {
            let since = *self.calm_since.get_or_insert(at);
            // A clock that steps back starts the wait again rather than prolonging it.
            if at < since {
                self.calm_since = Some(at);
            } else if at.0 - since.0 >= release.seconds {
                self.calm_since = None;
                return self.episode.take().map(Turn::Ended);
            }
        }
        let other_cause = score >= LIMIT && cause != self.cause;
        if peak >= GROWTH_SAID * self.said || (other_cause && peak > self.said) {
            (self.said, self.cause) = (peak, cause);
            return Some(Turn::Changed);
        }
        None
    }

    fn begin(&mut self, at: Timestamp, score: f64, cause: Option<usize>) -> Turn {
        let episode = Some(Episode { since: at, peak: score });
        *self = Self { episode, said: score, cause, ..Self::default() };
        Turn::Began
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: Release = Release { below: 0.7, seconds: 3.0, accept_after: 20.0 };

    /// Scores a second apart, and the turns as letters: Began, Changed, Ended, Accepted, `.` for none.
    fn check(scores: &[f64], turns: &str) {
        let mut tracker = Tracker::default();
        let found: String = scores
            .iter()
            .enumerate()
            .map(|(t, score)| match tracker.step(Timestamp(t as f64), *score, Some(0), RELEASE) {
                None => '.',
                Some(Turn::Began) => 'B',
                Some(Turn::Changed) => 'C',
                Some(Turn::Ended(_)) => 'E',
                Some(Turn::Accepted(_)) => 'A',
            })
            .collect();
        assert_eq!(found, turns, "{scores:?}");
    }

    #[test]
    fn begins_at_the_limit_and_ends_after_calm() {
        check(&[0.9, 1.0, 1.5, 0.6, 0.6, 0.6, 0.6, 0.1], ".B....E.");
    }

    #[test]
    fn between_release_and_limit_it_goes_on() {
        check(&[1.0, 0.6, 0.6, 0.6, 0.8, 0.6, 0.6, 0.6, 0.6], "B.......E");
        check(&[0.8, 0.9], "..");
    }

    #[test]
    fn what_lasts_is_accepted_and_does_not_begin_again_at_once() {
        let lasting = [1.5; 25];
        check(&[&lasting[..], &[0.5, 1.5]].concat(), "B...................A.....B");
    }

    #[test]
    fn a_peak_that_doubles_is_said_once() {
        check(&[1.0, 1.5, 2.5, 2.6, 1.2, 6.0], "B.C..C");
    }
}
