//! What the loop hands to the store besides reports, and what commands ask of it through the store.

use super::{Books, Sampler};
use crate::clock;
use crate::engine::Engine;
use crate::reading::{Kind, Subject, Timestamp};
use crate::report::Report;
use crate::store::{Baseline, Entry, LEARNING, Marker, Request, Snapshot, Verb};

/// How often is stored what is normal of each signal: with a transaction that is due anyway.
const BASELINES_SECONDS: f64 = 600.0;

/// How often is the whole state stored.
pub(super) const SNAPSHOT_SECONDS: f64 = 14_400.0;
/// After so many readings it is stored at the latest: those since are judged once more at a restart, in a moment.
const SNAPSHOT_READINGS: u64 = 14_400;

impl Sampler {
    /// Hands what the tick gave to the store, and what is kept from time to time when it is time.
    pub(super) fn keep(&mut self, books: &Books, report: &Report) {
        self.store.append(report);
        if books.ticks.is_multiple_of(self.ticks_in(BASELINES_SECONDS)) {
            self.keep_baselines();
        }
        if books.ticks == 1 {
            // What is known now may follow from stored points, not from readings.
            self.keep_snapshot(Some("start"));
        } else if books.ticks.is_multiple_of(self.ticks_in(SNAPSHOT_SECONDS).min(SNAPSHOT_READINGS)) {
            self.keep_snapshot(None);
        }
    }

    /// Stores the whole state, to go on from it; with a cause when it does not follow from readings.
    pub(super) fn keep_snapshot(&mut self, cause: Option<&str>) {
        if self.store.directory().is_none() || self.engine.at() == Timestamp::default() {
            return;
        }
        let model = self.registry.current(Kind::Host).map(|it| it.id.to_string());
        let (at, bytes) = (self.engine.at(), self.engine.snapshot());
        let (format, cause) = (Engine::snapshot_format(), cause.map(str::to_owned));
        self.store.put(Entry::Snapshot(Snapshot { at, format, model, cause, bytes }));
    }

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
        let outcome = match &request.verb {
            Verb::Learn(on) => Ok(self.learn(at, *on)),
            Verb::Accept => self.accept(),
            Verb::Train => self.engine.request_training(Kind::Host).map(|()| {
                "a training is due: it begins as soon as no other work is under way, see hostnorm models"
                    .into()
            }),
            Verb::Promote(id) => match self.judge_by(request.id, id) {
                Some(outcome) => outcome,
                None => return,
            },
            Verb::Rollback => match self.way_back().map(|id| self.judge_by(request.id, &id)) {
                Ok(Some(outcome)) => outcome,
                Ok(None) => return,
                Err(why) => Err(why),
            },
            Verb::Forget(span) => match self.forget(request.id, at, *span) {
                // Answered when it is done.
                Ok(()) => return,
                Err(why) => Err(why),
            },
        };
        self.store.put(Entry::Answer { id: request.id, at, outcome });
    }

    fn accept(&mut self) -> Result<String, String> {
        let accepted = self.engine.accept();
        if accepted.is_empty() {
            return Err("there is no anomaly under way that could be accepted".into());
        }
        self.keep_snapshot(Some("accepted"));
        tracing::info!("an anomaly is the new normal, as a command asked");
        let names: Vec<&str> = accepted.iter().map(Subject::name).collect();
        Ok(format!("accepted: what {} does now is its new normal", names.join(", ")))
    }

    fn learn(&mut self, at: Timestamp, on: bool) -> String {
        let word = if on { "on" } else { "off" };
        if self.engine.is_learning() == on {
            return format!("learning was {word} already");
        }
        self.engine.set_learning(on);
        self.store.put(Entry::Marker(Marker { at, kind: LEARNING.into(), text: word.into() }));
        self.keep_snapshot(Some("learning"));
        tracing::info!(learning = word, "learning was switched by a command");
        match on {
            true => "learning is on: what is seen from now on changes what is normal".into(),
            false => "learning is off: what is normal stays as it is, also after a restart, until hostnorm learn on".into(),
        }
    }
}
