//! Work that takes longer than a tick, on threads beside the loop.

use tracing::field::Empty;

use super::{Event, Sampler, lower_priority};

impl Sampler {
    /// Does work on its own thread, at the lowest priority, and reports how it ended.
    pub(super) fn beside(&self, name: &str, work: impl FnOnce() -> Event + Send + 'static) -> bool {
        let events = self.events.clone();
        // It outlasts the tick that begins it, so it is a trace of its own that points back.
        let span = tracing::info_span!(parent: None, "beside", otel.name = name, hostnorm.outcome = Empty);
        span.follows_from(tracing::Span::current());
        let job = move || {
            lower_priority();
            let event = span.in_scope(work);
            span.record("hostnorm.outcome", outcome(&event));
            drop(span);
            // The loop may have ended meanwhile; then nobody needs the outcome.
            let _ = events.send(event);
        };
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(job);
        if let Err(error) = &started {
            tracing::warn!(%error, "cannot start a thread beside the loop");
        }
        started.is_ok()
    }
}

/// How the work ended, in a word for its span.
fn outcome(event: &Event) -> &'static str {
    match event {
        Event::Trained { outcome: Ok(_), .. } => "trained",
        Event::Trained { .. } => "refused",
        Event::Fitted { profile: Some(_), .. } => "fitted",
        Event::Tested { outcome: Some(Ok(_)), .. } => "tested",
        Event::Tested { outcome: Some(Err(_)), .. } => "silent",
        Event::Fitted { .. } | Event::Tested { .. } => "panicked",
        _ => "done",
    }
}
