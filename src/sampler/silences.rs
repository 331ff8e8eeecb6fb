//! Silences: takes the answers of Alertmanager, and says when one begins and ends.

use super::persist::PersistentState;
use crate::clock;
use crate::metric::Metric;
use crate::reading::{Reading, Subject, SubjectValues};
use crate::silence::{self, Silence};

pub(super) static UP: Metric = Metric::gauge(
    "hostnorm_alertmanager_up",
    "Whether the last request for silences succeeded; absent without alertmanager.url and before the first answer",
);

/// What is known of the server.
#[derive(Debug, Default)]
pub(super) struct AlertmanagerStatus {
    /// Whether it gave the last answer; `None` before the first.
    is_up: Option<bool>,
}

impl AlertmanagerStatus {
    /// Takes an answer. A failure is said once.
    pub(super) fn answered(
        &mut self,
        answer: Result<Vec<Silence>, String>,
        persistent: &mut PersistentState,
    ) {
        let was_up = self.is_up.replace(answer.is_ok());
        match answer {
            Ok(silences) => {
                if was_up == Some(false) {
                    tracing::info!("Alertmanager answers again");
                }
                persistent.silences.update(silences, clock::now());
            }
            Err(reason) if was_up != Some(false) => {
                tracing::warn!(reason, "no silences from Alertmanager; known ones count for 15 minutes");
            }
            Err(_) => {}
        }
    }

    /// Its metric.
    pub(super) fn values(&self, values: &mut SubjectValues) {
        self.is_up.iter().for_each(|it| values.set(&UP, f64::from(u8::from(*it))));
    }
}

impl PersistentState {
    /// Adds the silenced subjects to a reading, and says when a silence of the host begins and ends.
    pub(super) fn note_silences(&mut self, reading: &mut Reading) {
        let was_silenced = self.engine.is_host_silenced();
        self.silences.add_to(reading);
        match (was_silenced, silence::state(reading, &Subject::Host)) {
            (false, Some(state)) => {
                tracing::info!(expected = state.is_expected, "a silence of Alertmanager matches this host");
            }
            (true, None) => tracing::info!("the silence of this host ended"),
            _ => {}
        }
    }
}
