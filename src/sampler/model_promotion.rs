//! Processes the outcomes of trainings and of shadow mode, with their metrics by kind.

use std::collections::BTreeMap;

use super::jobs::JobFailure;
use super::persist::PersistentState;
use crate::clock;
use crate::metric::Metric;
use crate::model_registry::{ModelRegistry, ShadowOutcome, VersionStage};
use crate::reading::{MetricLabels, SubjectKind, SubjectValues};
use crate::training::{TrainModelError, TrainedModel};

pub(super) static MODEL: Metric = Metric::gauge(
    "hostnorm_model_info",
    "Identifier of the current model, as in `hostnorm models list`; always 1",
)
.by(&["kind", "model"]);
pub(super) static SHADOW: Metric = Metric::gauge(
    "hostnorm_shadow_model_info",
    "Identifier of the shadow model; always 1, absent without one",
)
.by(&["kind", "model"]);
pub(super) static SHADOW_MODELS: Metric =
    Metric::counter("hostnorm_shadow_models_total", "Shadow models, by outcome: promoted or refused")
        .by(&["kind", "outcome"]);
pub(super) static TRAINED_AT: Metric = Metric::gauge(
    "hostnorm_model_trained_timestamp_seconds",
    "Unix time when the current model was trained, in seconds",
)
.by(&["kind"]);
pub(super) static TRAINING_SECONDS: Metric = Metric::gauge(
    "hostnorm_training_duration_seconds",
    "Duration of the last training in seconds, including pauses",
)
.by(&["kind"]);
pub(super) static TRAININGS: Metric =
    Metric::counter("hostnorm_trainings_total", "Trainings, by outcome: trained or refused")
        .by(&["kind", "outcome"]);
pub(super) static AUC: Metric = Metric::gauge(
    "hostnorm_training_auc_ratio",
    "Area under the ROC curve of the last trained model and of a second implementation, on held-out points with injected faults. The label implementation is hostnorm or extended-isolation-forest",
)
.by(&["kind", "implementation"]);

/// Results of training and shadow mode, by kind.
#[derive(Debug)]
pub(super) struct ModelMetrics(BTreeMap<SubjectKind, ModelKindMetrics>);

#[derive(Debug, Default)]
struct ModelKindMetrics {
    trained: u64,
    refused: u64,
    /// Duration of the last training.
    seconds: Option<f64>,
    /// AUC of the last trained model.
    auc: Option<f64>,
    /// AUC of the second implementation.
    auc_reference: Option<f64>,
    shadows_promoted: u64,
    shadows_refused: u64,
    /// Whether the last training was refused, to log it once.
    is_failing: bool,
}

impl ModelMetrics {
    pub(super) fn new(kinds: impl Iterator<Item = SubjectKind>) -> Self {
        Self(kinds.map(|it| (it, ModelKindMetrics::default())).collect())
    }

    /// Trainings of a kind so far.
    pub(super) fn trainings(&self, kind: SubjectKind) -> u64 {
        self.0.get(&kind).map_or(0, |it| it.trained + it.refused)
    }

    /// Processes the outcome of a training: the first model becomes current, a later one starts in shadow mode.
    pub(super) fn trained(
        &mut self,
        persistent: &mut PersistentState,
        kind: SubjectKind,
        result: Result<TrainedModel, JobFailure<TrainModelError>>,
        seconds: f64,
    ) {
        let figures = self.0.entry(kind).or_default();
        figures.seconds = Some(seconds);
        match result {
            Ok(model) => {
                let evaluation = &model.evaluation;
                tracing::info!(
                    kind = kind.name(),
                    rows = evaluation.rows,
                    seed = evaluation.seed,
                    auc = evaluation.auc,
                    auc_reference = evaluation.auc_reference,
                    duration_seconds = seconds,
                    "model trained"
                );
                figures.trained += 1;
                (figures.auc, figures.auc_reference) = (Some(evaluation.auc), evaluation.auc_reference);
                figures.is_failing = false;
                add(persistent, kind, model);
            }
            Err(reason) => {
                figures.refused += 1;
                persistent.engine.refused(kind);
                if let JobFailure::Refused(TrainModelError::Blind { own, peer }) = reason {
                    (figures.auc, figures.auc_reference) = (Some(own), peer);
                }
                if !std::mem::replace(&mut figures.is_failing, true) {
                    let kept = match persistent.registry.current(kind) {
                        Some(_) => "the current model stays",
                        None => "there is no model yet",
                    };
                    tracing::warn!(kind = kind.name(), %reason, kept, "training refused");
                }
            }
        }
    }

    /// Decides on shadow models whose time is over.
    pub(super) fn review(&mut self, persistent: &mut PersistentState) {
        for (kind, figures) in &mut self.0 {
            let kind = *kind;
            if persistent.registry.shadow(kind).is_none() {
                continue;
            }
            let tally = persistent.engine.tally(kind);
            match persistent.registry.review(kind, &tally) {
                None => continue,
                Some(ShadowOutcome::Promoted(id)) => {
                    figures.shadows_promoted += 1;
                    tracing::info!(
                        kind = kind.name(), model = %id, readings = tally.readings, above = tally.above,
                        above_current = tally.above_current, "new model promoted"
                    );
                    persistent.install(kind);
                }
                Some(ShadowOutcome::Refused { id, why }) => {
                    figures.shadows_refused += 1;
                    tracing::warn!(kind = kind.name(), model = %id, reason = why, "new model refused; keeping the current one");
                    persistent.engine.drop_shadow(kind);
                }
            }
            persistent.save_models();
        }
    }

    pub(super) fn values(&self, registry: &ModelRegistry, values: &mut SubjectValues) {
        for (kind, it) in &self.0 {
            let name = kind.name();
            if let Some(current) = registry.current(*kind) {
                values.set_by(&MODEL, &MetricLabels::new([name, current.id.as_str()]), 1.0);
                values.set_by(&TRAINED_AT, &MetricLabels::new([name]), current.created.0);
            }
            if let Some(shadow) = registry.shadow(*kind) {
                values.set_by(&SHADOW, &MetricLabels::new([name, shadow.id.as_str()]), 1.0);
            }
            if let Some(seconds) = it.seconds {
                values.set_by(&TRAINING_SECONDS, &MetricLabels::new([name]), seconds);
            }
            for (metric, outcome, count) in [
                (&SHADOW_MODELS, "promoted", it.shadows_promoted),
                (&SHADOW_MODELS, "refused", it.shadows_refused),
                (&TRAININGS, "trained", it.trained),
                (&TRAININGS, "refused", it.refused),
            ] {
                values.set_by(metric, &MetricLabels::new([name, outcome]), count as f64);
            }
            for (implementation, auc) in
                [("hostnorm", it.auc), ("extended-isolation-forest", it.auc_reference)]
            {
                if let Some(auc) = auc {
                    values.set_by(&AUC, &MetricLabels::new([name, implementation]), auc);
                }
            }
        }
    }
}

/// Adds a new model: the first becomes current, a later one starts in shadow mode.
fn add(persistent: &mut PersistentState, kind: SubjectKind, model: TrainedModel) {
    let version = persistent.registry.add(kind, clock::now(), model);
    tracing::info!(kind = kind.name(), model = %version.id, stage = %version.stage, "model installed");
    if version.stage == VersionStage::Current {
        persistent.install(kind);
    } else {
        persistent.engine.drop_shadow(kind);
        persistent.engine.start_shadow(kind, version.eif());
    }
    persistent.save_models();
}
