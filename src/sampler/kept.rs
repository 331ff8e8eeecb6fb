//! What the loop hands to the store besides reports, and what commands ask of it through the store.

use super::Sampler;
use crate::clock;
use crate::reading::Timestamp;
use crate::store::{Baseline, Entry, LEARNING, Marker, Request, Verb};

/// How often is stored what is normal of each signal.
pub(super) const BASELINES_SECONDS: f64 = 300.0;

impl Sampler {
    /// Stores what is normal of each signal.
    pub(super) fn keep_baselines(&mut self) {
        if self.store.directory().is_none() {
            return;
        }
        let at = clock::now();
        let rows = self.engine.baselines().map(|(subject, signal, it)| Baseline {
            subject: subject.clone(),
            signal: signal.name.to_owned(),
            mean: it.mean,
            deviation: it.deviation,
            min: it.min,
            max: it.max,
            points: it.points,
            at,
            p95: it.p95,
            p99: it.p99,
        });
        let rows = rows.collect();
        self.store.put(Entry::Baselines(rows));
    }

    /// Does what a command asks for, and answers it.
    pub(super) fn requested(&mut self, request: &Request) {
        let at = clock::now();
        let outcome = match request.verb {
            Verb::Learn(on) => Ok(self.learn(at, on)),
        };
        self.store.put(Entry::Answer { id: request.id, at, outcome });
    }

    fn learn(&mut self, at: Timestamp, on: bool) -> String {
        let word = if on { "on" } else { "off" };
        if self.engine.is_learning() == on {
            return format!("learning was {word} already");
        }
        self.engine.set_learning(on);
        self.store.put(Entry::Marker(Marker { at, kind: LEARNING.into(), text: word.into() }));
        tracing::info!(learning = word, "learning was switched by a command");
        match on {
            true => "learning is on: what is seen from now on changes what is normal".into(),
            false => "learning is off: what is normal stays as it is, also after a restart, until hostnorm learn on".into(),
        }
    }
}
