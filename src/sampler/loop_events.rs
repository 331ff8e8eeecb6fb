//! What wakes the loop besides its deadline, and the handle that sends it.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use super::jobs::FinishedJob;
use super::restore::RestoredEngine;
use crate::clock;
use crate::control_command::{CommandRequest, ControlSender};
use crate::culprit::{SceneMoment, UnrankedScene};
use crate::silence::Silence;
use crate::store::BackfillPoints;

/// Everything except a deadline that wakes the loop.
#[derive(Debug)]
pub(super) enum LoopEvent {
    JobDone(FinishedJob),
    Command(CommandRequest),
    /// History of a subject from another server, or the error.
    Past(Result<BackfillPoints, String>),
    Frozen(SceneMoment, Box<UnrankedScene>),
    /// The silences of this host, or why there is no answer.
    Silences(Result<Vec<Silence>, String>),
    /// The stored state; `None` if it cannot be read so far.
    Restored(Option<Box<RestoredEngine>>),
    Stop,
}

/// The sending end of the loop's channel. A loop that has ended ignores events.
#[derive(Debug, Clone)]
pub struct SamplerHandle(pub(super) Sender<LoopEvent>);

/// The receiving end of the loop's channel.
#[derive(Debug)]
pub struct LoopEventReceiver(pub(super) Receiver<LoopEvent>);

/// Waits for the next event; `None` if a tick is due. A queue that is never empty delays no tick, and ticks that are always
/// late delay no queue: `has_ticked` tells that the last call returned none.
pub(super) fn next_event(inbox: &Receiver<LoopEvent>, due: Instant, has_ticked: bool) -> Option<LoopEvent> {
    let wait = due.saturating_duration_since(clock::instant());
    if wait.is_zero() && !has_ticked {
        return None;
    }
    match inbox.recv_timeout(wait) {
        Ok(event) => Some(event),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(LoopEvent::Stop),
    }
}

/// Creates the channel of a loop.
pub fn channel() -> (SamplerHandle, LoopEventReceiver) {
    let (events, inbox) = mpsc::channel();
    (SamplerHandle(events), LoopEventReceiver(inbox))
}

impl SamplerHandle {
    /// The handle for commands.
    pub fn control(&self) -> ControlSender {
        let events = self.0.clone();
        ControlSender::new(move |request| events.send(LoopEvent::Command(request)).is_ok())
    }

    /// Passes the history of a subject from another server, or the error, to the loop.
    pub fn learn_backfill(&self, past: Result<BackfillPoints, String>) {
        let _ = self.0.send(LoopEvent::Past(past));
    }

    /// Passes the silences of this host, or why Alertmanager gave no answer, to the loop. Returns whether it still runs.
    pub fn silences(&self, answer: Result<Vec<Silence>, String>) -> bool {
        self.0.send(LoopEvent::Silences(answer)).is_ok()
    }

    /// Passes the stored state to the loop, or that it cannot be read so far.
    pub fn restore(&self, restored: Option<Box<RestoredEngine>>) {
        let _ = self.0.send(LoopEvent::Restored(restored));
    }

    /// Ends the loop after the current tick.
    pub fn stop(&self) {
        let _ = self.0.send(LoopEvent::Stop);
    }
}
