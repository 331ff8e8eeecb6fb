//! How many streams of events are open, and their common end.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Most streams of events; one more is refused, and its client tries again. Fewer than connections, so that scrapers are
/// never kept out.
pub const EVENT_STREAMS_MAX: usize = 16;
/// The streams that are open, and whether they must end.
#[derive(Debug)]
pub struct EventStreams {
    places: Arc<Semaphore>,
    ended: watch::Sender<bool>,
}

impl Default for EventStreams {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(EVENT_STREAMS_MAX)), ended: watch::Sender::new(false) }
    }
}

impl EventStreams {
    /// Ends all streams, so that the end of the server does not wait for their clients.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// A place for one more stream; none while all are taken.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Becomes true at the end.
    pub(super) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }
}
