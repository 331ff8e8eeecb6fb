//! Notifies the service manager of each report: ready at the first, alive at each, and the state when it changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::description;
use crate::reading::Timestamp;
use crate::report::{Assessment, EpisodeTransition, Report};
use crate::sd_notify::ServiceManager;

/// Turns reports into what the supervisor is told. The sampling thread calls it at the end of each tick: a loop that
/// hangs gives no sign of life.
#[derive(Debug)]
pub(super) struct Heartbeat {
    supervisor: Arc<ServiceManager>,
    /// Time between two readings.
    pace: Duration,
    /// When the last sign of life was given; nothing before hostnorm is ready.
    given: Option<Instant>,
    /// What was told last.
    state: Option<State>,
}

/// What the sentence is about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Nothing can be judged.
    Blind,
    /// There is no score yet.
    Learning {
        /// When it will be there.
        ready_at: Timestamp,
    },
    /// All is as it should be.
    Usual,
    /// There is an anomaly.
    Anomaly {
        /// Since when.
        since: Timestamp,
    },
}

impl Heartbeat {
    pub(super) fn new(supervisor: Arc<ServiceManager>, pace: Duration) -> Self {
        Self { supervisor, pace, given: None, state: None }
    }

    /// Tells what is new with this report.
    pub(super) fn note(&mut self, report: &Report) {
        self.note_state(report);
        let now = clock::instant();
        match (self.given, self.supervisor.patience()) {
            (None, _) => self.supervisor.ready(self.pace),
            // Half of the time that is waited, as sd_watchdog_enabled(3) recommends; a tick late is early enough.
            (Some(given), Some(patience))
                if now.saturating_duration_since(given) + self.pace < patience / 2 =>
            {
                return;
            }
            (Some(_), Some(_)) => self.supervisor.alive(),
            (Some(_), None) => return,
        }
        self.given = Some(now);
    }

    fn note_state(&mut self, report: &Report) {
        let Some((_, judgement)) = report.judgements.first_key_value() else {
            return self.tell(State::Blind, || "no signals to score: see the collectors in the log".into());
        };
        let state = state(judgement);
        if judgement.turn == Some(EpisodeTransition::Changed) {
            self.state = None;
        }
        self.tell(state, || match state {
            State::Blind => "no signals to score".into(),
            State::Learning { ready_at } => {
                format!("learning; first score at {}", description::instant(ready_at))
            }
            State::Usual => "nothing unusual on this host".into(),
            State::Anomaly { since } => match &judgement.description {
                Some(description) => description.to_string(),
                None => format!("anomaly since {}", description::instant(since)),
            },
        });
    }

    fn tell(&mut self, state: State, sentence: impl FnOnce() -> String) {
        if self.state != Some(state) {
            self.state = Some(state);
            self.supervisor.status(&sentence());
        }
    }
}

fn state(judgement: &Assessment) -> State {
    match judgement.episode {
        Some(episode) => State::Anomaly { since: episode.since },
        None if judgement.ready => State::Usual,
        None => State::Learning { ready_at: judgement.ready_at },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Episode;

    fn check(judgement: &Assessment, expect: State) {
        assert_eq!(state(judgement), expect);
    }

    #[test]
    fn what_the_sentence_is_about() {
        let at = Timestamp(9.0);
        let mut judgement = Assessment { ready_at: at, ..Assessment::default() };
        check(&judgement, State::Learning { ready_at: at });
        judgement.ready = true;
        check(&judgement, State::Usual);
        judgement.episode = Some(Episode { since: at, peak: 2.0 });
        check(&judgement, State::Anomaly { since: at });
    }

    #[test]
    fn a_report_without_anything_to_judge_is_told_once() {
        let mut heartbeat = Heartbeat::new(Arc::default(), Duration::from_secs(1));
        heartbeat.note(&Report::default());
        assert_eq!(heartbeat.state, Some(State::Blind));
        let given = heartbeat.given;
        heartbeat.note(&Report::default());
        assert!(given.is_some() && heartbeat.given == given, "nobody waits for a sign of life");
    }
}
