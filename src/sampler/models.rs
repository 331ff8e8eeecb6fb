//! The versions of the models: what becomes of a training, and of a model that is tried out.

use super::{Books, Refusal, Sampler};
use crate::clock;
use crate::metric::Metric;
use crate::reading::{Kind, Labels, Values};
use crate::registry::{Outcome, Record, Registry, Saved, Stage};
use crate::store::{self, Entry};
use crate::training::{Model, TrainError};

pub(super) static MODEL: Metric = Metric::gauge(
    "hostnorm_model_info",
    "Always 1; the label model names the model that judges, see hostnorm models list",
)
.by(&["kind", "model"]);
pub(super) static SHADOW: Metric = Metric::gauge(
    "hostnorm_model_shadow_info",
    "Always 1; the label model names the new model that is tried out beside the one that judges",
)
.by(&["kind", "model"]);
pub(super) static TRIALS: Metric = Metric::counter(
    "hostnorm_model_trials_total",
    "New models that were tried out beside the one that judged, by outcome: promoted or refused",
)
.by(&["kind", "outcome"]);
pub(super) static TRAINED_AT: Metric =
    Metric::gauge("hostnorm_model_trained_timestamp_seconds", "When the model in use was trained")
        .by(&["kind"]);

/// Who has models so far.
pub(super) const KINDS: [Kind; 1] = [Kind::Host];

/// What the loop remembers of trials.
#[derive(Debug, Default)]
pub(super) struct Trials {
    promoted: u64,
    refused: u64,
}

impl Sampler {
    /// A training ended.
    pub(super) fn trained(
        &mut self,
        books: &mut Books,
        kind: Kind,
        outcome: Result<Model, Refusal>,
        seconds: f64,
    ) {
        books.busy_beside = false;
        books.training_seconds = Some((kind, seconds));
        match outcome {
            Ok(model) => {
                books.trainings[0] += 1;
                books.compare(kind, model.card.auc_own, model.card.auc_peer);
                books.refused = false;
                tracing::info!(
                    kind = kind.name(),
                    rows = model.card.rows,
                    seed = model.card.seed,
                    auc = model.card.auc_own,
                    auc_of_second_opinion = model.card.auc_peer,
                    duration_seconds = seconds,
                    "trained a forest on what was seen so far"
                );
                self.take_up(kind, model);
            }
            Err(reason) => {
                books.trainings[1] += 1;
                self.engine.refused(kind);
                match reason {
                    Refusal::Told(TrainError::WorseThanPeer { own, peer }) => {
                        books.compare(kind, own, Some(peer));
                    }
                    Refusal::Told(TrainError::Blind { own }) => books.compare(kind, own, None),
                    Refusal::Told(_) | Refusal::Panicked => {}
                }
                if !std::mem::replace(&mut books.refused, true) {
                    tracing::warn!(kind = kind.name(), %reason, "no new forest; the old one stays");
                }
            }
        }
    }

    /// Takes up a new model: the first judges at once, a later one is tried out.
    pub(super) fn take_up(&mut self, kind: Kind, model: Model) {
        let version = self.registry.add(kind, clock::now(), model);
        tracing::info!(kind = kind.name(), model = %version.id, stage = %version.stage, "took up a model");
        if version.stage == Stage::Current {
            self.install(kind);
        } else {
            self.engine.drop_shadow(kind);
            self.engine.try_out(kind, version.eif());
        }
        self.keep_models();
    }

    /// Judges by the version that the registry says, and tries none out that it does not name.
    pub(super) fn install(&mut self, kind: Kind) {
        let Some(current) = self.registry.current(kind) else { return };
        self.engine.install(kind, current.eif());
        self.engine.compare_with(kind, &current.model.reference);
        if self.registry.shadow(kind).is_none() {
            self.engine.drop_shadow(kind);
        }
        // Scores from here on follow from another model than those before.
        self.keep_snapshot(Some("model"));
    }

    /// Decides on models that were tried out for long enough.
    pub(super) fn review(&mut self, trials: &mut Trials) {
        for kind in KINDS {
            if self.registry.shadow(kind).is_none() {
                continue;
            }
            let tally = self.engine.tally(kind);
            match self.registry.review(kind, &tally) {
                None => continue,
                Some(Outcome::Promoted(id)) => {
                    trials.promoted += 1;
                    tracing::info!(
                        kind = kind.name(), model = %id, readings = tally.readings, above = tally.above,
                        above_before = tally.above_current, "a new model was no worse and judges from now on"
                    );
                    self.install(kind);
                }
                Some(Outcome::Refused { id, why }) => {
                    trials.refused += 1;
                    tracing::warn!(kind = kind.name(), model = %id, reason = why, "a new model was worse; the old one stays");
                    self.engine.drop_shadow(kind);
                }
            }
            self.keep_models();
        }
    }

    /// Stores what changed in the registry.
    pub(super) fn keep_models(&mut self) {
        for saved in self.registry.saved() {
            self.store.put(match saved {
                Saved::New(record) => Entry::Model(row(record)),
                Saved::Stage(id, stage) => Entry::ModelState { id: id.to_string(), state: stage.to_string() },
                Saved::Gone(id) => Entry::ModelGone { id: id.to_string() },
            });
        }
    }
}

fn row(it: Record) -> store::Model {
    store::Model {
        id: it.id,
        kind: it.kind,
        created: crate::reading::Timestamp(it.created),
        state: it.state,
        card: it.card,
        digest: it.digest,
        format: i64::from(it.format),
        bytes: it.blob,
    }
}

/// The version of a row of the store.
pub fn record(it: store::Model) -> Record {
    Record {
        id: it.id,
        kind: it.kind,
        created: it.created.0,
        state: it.state,
        card: it.card,
        digest: it.digest,
        format: u32::try_from(it.format).unwrap_or(u32::MAX),
        blob: it.bytes,
    }
}

impl Trials {
    /// Adds which models there are and what came of trials.
    pub(super) fn values(&self, registry: &Registry, values: &mut Values) {
        for kind in KINDS {
            if let Some(it) = registry.current(kind) {
                values.set_by(&MODEL, &Labels::new([kind.name(), it.id.as_str()]), 1.0);
                values.set_by(&TRAINED_AT, &Labels::new([kind.name()]), it.created.0);
            }
            if let Some(it) = registry.shadow(kind) {
                values.set_by(&SHADOW, &Labels::new([kind.name(), it.id.as_str()]), 1.0);
            }
            for (outcome, count) in [("promoted", self.promoted), ("refused", self.refused)] {
                values.set_by(&TRIALS, &Labels::new([kind.name(), outcome]), count as f64);
            }
        }
    }
}
