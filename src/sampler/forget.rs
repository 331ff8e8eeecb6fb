//! Forgetting a span: what was learned is made anew beside the loop from the points that are left.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::models::KINDS;
use super::resume::{FORGET, fold, forgotten};
use super::{Event, Sampler};
use crate::clock;
use crate::engine::Engine;
use crate::reading::Timestamp;
use crate::store::{Archive, Between, Entry, Error, Marker};

impl Sampler {
    /// Begins to forget a span; the answer comes with [`Event::Rebuilt`].
    ///
    /// # Errors
    /// A sentence, when that cannot be.
    pub(super) fn forget(&mut self, request: i64, at: Timestamp, span: Between) -> Result<(), String> {
        let Some(directory) = self.store.directory().map(std::path::Path::to_owned) else {
            return Err("nothing is stored, so there is nothing to make what is known anew from".into());
        };
        let text = format!("{} {}", span.from.0, span.to.0);
        self.store.put(Entry::Marker(Marker { at, kind: FORGET.into(), text }));
        let mut engine = self.engine.rebuilt();
        let begun = self.beside("forget", move || {
            let rebuilt = catch_unwind(AssertUnwindSafe(|| {
                let archive = Archive::open(&directory)?;
                let mut spans = forgotten(&archive)?;
                spans.push(span);
                let points = fold(&archive, &mut engine, &spans)?;
                Ok::<_, Error>((engine, points))
            }));
            let outcome = match rebuilt {
                Ok(Ok((engine, points))) => Ok((Box::new(engine), points)),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("making it anew panicked; this is a defect of hostnorm".into()),
            };
            Event::Rebuilt { request, outcome }
        });
        if begun { Ok(()) } else { Err("cannot start a thread beside the loop".into()) }
    }

    /// Takes over what was made anew, and answers.
    pub(super) fn rebuilt(&mut self, request: i64, outcome: Result<(Box<Engine>, usize), String>) {
        let at = clock::now();
        let outcome = outcome.map(|(engine, points)| {
            self.engine.take_over(*engine);
            KINDS.iter().for_each(|kind| drop(self.engine.request_training(*kind)));
            self.keep_snapshot(Some("forgot"));
            self.keep_baselines();
            tracing::info!(points, "forgot a span, as a command asked; the model will be trained again");
            format!("forgotten: what is normal was made anew from the {points} points that are left")
        });
        self.store.put(Entry::Answer { id: request, at, outcome });
    }
}
