//! Notifies the service manager of each report: ready at the first, watchdog at each, and status when it changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::episode_text;
use crate::reading::Timestamp;
use crate::report::{Assessment, EpisodeTransition, Report};
use crate::sd_notify::ServiceManagerNotifier;

/// Converts reports to notifications. The sampling thread calls it at the end of each tick, so a hanging loop stops
/// notifying.
#[derive(Debug)]
pub(super) struct Heartbeat {
    service_manager: Arc<ServiceManagerNotifier>,
    /// Time between two readings.
    pace: Duration,
    /// Time of the last watchdog notification; `None` before hostnorm is ready.
    given: Option<Instant>,
    /// The last status.
    state: Option<DaemonState>,
}

/// The status of the daemon.
#[derive(Debug, Clone, Copy, PartialEq)]
enum DaemonState {
    /// There are no signals to score.
    Blind,
    /// There is no score yet.
    Learning {
        /// Estimated time of the first score.
        ready_at: Timestamp,
    },
    /// No anomaly.
    Usual,
    /// There is an anomaly.
    Anomaly {
        /// Start of the anomaly.
        since: Timestamp,
    },
}

impl Heartbeat {
    pub(super) fn new(supervisor: Arc<ServiceManagerNotifier>, pace: Duration) -> Self {
        Self { service_manager: supervisor, pace, given: None, state: None }
    }

    /// Sends the notifications for this report.
    pub(super) fn notify(&mut self, report: &Report) {
        self.notify_state(report);
        let now = clock::instant();
        match (self.given, self.service_manager.watchdog_timeout()) {
            (None, _) => self.service_manager.ready(self.pace),
            // Half of the watchdog timeout, as sd_watchdog_enabled(3) recommends; a tick more does not matter.
            (Some(given), Some(watchdog_timeout))
                if now.saturating_duration_since(given) + self.pace < watchdog_timeout / 2 =>
            {
                return;
            }
            (Some(_), Some(_)) => self.service_manager.notify_watchdog(),
            (Some(_), None) => return,
        }
        self.given = Some(now);
    }

    fn notify_state(&mut self, report: &Report) {
        let Some((_, assessment)) = report.assessments.first_key_value() else {
            return self
                .tell(DaemonState::Blind, || "no signals to score: see the collectors in the log".into());
        };
        let state = state(assessment);
        if assessment.transition == Some(EpisodeTransition::Changed) {
            self.state = None;
        }
        self.tell(state, || match state {
            DaemonState::Blind => "no signals to score".into(),
            DaemonState::Learning { ready_at } => {
                format!("learning; first score at {}", episode_text::instant(ready_at))
            }
            DaemonState::Usual => "nothing unusual on this host".into(),
            DaemonState::Anomaly { since } => match &assessment.description {
                Some(description) => description.to_string(),
                None => format!("anomaly since {}", episode_text::instant(since)),
            },
        });
    }

    fn tell(&mut self, state: DaemonState, sentence: impl FnOnce() -> String) {
        if self.state != Some(state) {
            self.state = Some(state);
            self.service_manager.status(&sentence());
        }
    }
}

fn state(assessment: &Assessment) -> DaemonState {
    match assessment.episode {
        Some(episode) => DaemonState::Anomaly { since: episode.since },
        None if assessment.ready => DaemonState::Usual,
        None => DaemonState::Learning { ready_at: assessment.ready_at },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Episode;

    fn check(assessment: &Assessment, expect: DaemonState) {
        assert_eq!(state(assessment), expect);
    }

    #[test]
    fn the_status_follows_the_subject() {
        let at = Timestamp(9.0);
        let mut assessment = Assessment { ready_at: at, ..Assessment::default() };
        check(&assessment, DaemonState::Learning { ready_at: at });
        assessment.ready = true;
        check(&assessment, DaemonState::Usual);
        assessment.episode = Some(Episode { since: at, peak: 2.0, lasted: 0.0 });
        check(&assessment, DaemonState::Anomaly { since: at });
    }

    #[test]
    fn a_report_without_signals_is_notified_once() {
        let mut heartbeat = Heartbeat::new(Arc::default(), Duration::from_secs(1));
        heartbeat.notify(&Report::default());
        assert_eq!(heartbeat.state, Some(DaemonState::Blind));
        let given = heartbeat.given;
        heartbeat.notify(&Report::default());
        assert!(given.is_some() && heartbeat.given == given, "nobody waits for a sign of life");
    }
}
