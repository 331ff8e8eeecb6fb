//! The past of this host from elsewhere, at the first start: asked for and learned beside the loop, then taken over.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::models::KINDS;
use super::{Event, Sampler};
use crate::engine::Engine;
use crate::metric::Metric;
use crate::scorer::Past;
use crate::store::{Bygone, Entry};

pub(super) static SUCCESS: Metric = Metric::gauge(
    "hostnorm_bootstrap_success",
    "Whether the past of this host was had from elsewhere at the first start, 0 or 1; absent when it was not asked for, or is not there yet",
);

/// Asks for the past; a sentence when there is none.
pub type Ask = Box<dyn FnOnce() -> Result<Bygone, String> + Send>;

/// What an engine learned from elsewhere, and from what.
#[derive(Debug)]
pub struct Learned {
    pub(super) engine: Box<Engine>,
    pub(super) bygone: Bygone,
}

impl Sampler {
    /// Asks for the past on a thread beside the loop, which goes on meanwhile.
    pub fn bootstrap(&self, ask: Ask) {
        let mut engine = self.engine.rebuilt();
        self.beside("bootstrap", move || {
            let learned = catch_unwind(AssertUnwindSafe(|| {
                let bygone = ask()?;
                let past = |it| Past { point: it, odd: false, weight: 1.0, score: None };
                let points: Vec<Past> = bygone.points.iter().cloned().map(past).collect();
                engine.warm(&bygone.subject, &points);
                Ok(Learned { engine: Box::new(engine), bygone })
            }));
            let panicked = || Err("learning it panicked; this is a defect of hostnorm".into());
            Event::Bootstrapped(learned.unwrap_or_else(|_| panicked()))
        });
    }

    /// Knows what was learned from elsewhere from now on; says whether there was anything.
    pub(super) fn bootstrapped(&mut self, outcome: Result<Learned, String>) -> bool {
        let Learned { engine, bygone } = match outcome {
            Ok(learned) => learned,
            Err(reason) => {
                tracing::warn!(
                    reason,
                    "there is no past from elsewhere; learning from what is seen from now on"
                );
                return false;
            }
        };
        let points = bygone.points.len();
        self.engine.take_over(*engine);
        KINDS.iter().for_each(|kind| drop(self.engine.request_training(*kind)));
        self.store.put(Entry::Bygone(bygone));
        self.keep_snapshot(Some("imported"));
        self.keep_baselines();
        tracing::info!(points, "learned the past of this host from elsewhere");
        true
    }
}
