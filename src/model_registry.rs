//! The models of a kind: what each was trained on, which is current, and rollback.
//!
//! A new model runs in shadow mode beside the current one before it replaces it. This module reads no clock or file:
//! instants are passed in, and changes to store are returned as [`RegistryChange`].

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::detect::eif;
use crate::reading::{SubjectKind, Timestamp};
use crate::training::{self, holdout_test};
use inactive_version::InactiveVersion;

mod version_id;
mod version_record;
mod inactive_version;
mod version_stage;

pub use version_id::VersionId;
pub use version_record::{InvalidRecord, VersionRecord};
pub use version_stage::VersionStage;

/// Number of versions kept for each kind; the oldest inactive one is removed first.
pub const MODELS_MAX: usize = 5;

/// Additional share of readings above the threshold with which a shadow model is still promoted: half a minute in an
/// hour.
pub const ALARMS_MORE_MAX: f64 = 0.01;

/// One version of a model.
#[derive(Debug, Clone)]
pub struct ModelVersion {
    /// Its identifier, the time of training.
    pub id: VersionId,
    /// The kind of subjects that it scores.
    pub kind: SubjectKind,
    /// Time of training.
    pub created: Timestamp,
    /// Its stage.
    pub stage: VersionStage,
    /// The model.
    pub model: training::TrainedModel,
}

/// Results of the shadow and the current model on the same readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ShadowTally {
    /// Seconds of readings scored by both.
    pub seconds: f64,
    /// Number of readings scored by both.
    pub readings: f64,
    /// Number of readings above the threshold with the shadow model.
    pub above: f64,
    /// Number of readings above the threshold with the current model.
    pub above_current: f64,
}

impl ShadowTally {
    /// Sums two tallies. The time is the longer one, because subjects are scored in parallel.
    pub fn with(self, other: Self) -> Self {
        Self {
            seconds: self.seconds.max(other.seconds),
            readings: self.readings + other.readings,
            above: self.above + other.above,
            above_current: self.above_current + other.above_current,
        }
    }
}

/// A change to store.
#[derive(Debug, Clone)]
pub enum RegistryChange {
    /// A new version.
    New(VersionRecord),
    /// A version has another stage.
    Stage(VersionId, VersionStage),
    /// A version was removed.
    Gone(VersionId),
}

/// The decision on a shadow model.
#[derive(Debug, Clone, PartialEq)]
pub enum ShadowOutcome {
    /// It is current now.
    Promoted(VersionId),
    /// It is kept, but does not score.
    Refused {
        /// Its identifier.
        id: VersionId,
        /// The reason, as a sentence without the final full stop.
        why: String,
    },
}

/// Why a version cannot be selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectVersionError {
    /// No version has this identifier.
    Unknown(String),
    /// It is already current.
    Current(VersionId),
    /// No version was current before.
    NoneBefore,
}

impl fmt::Display for SelectVersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => {
                write!(f, "no model {id}; `hostnorm models list` lists all")
            }
            Self::Current(id) => write!(f, "model {id} is already the current model"),
            Self::NoneBefore => f.write_str("no previous model to roll back to"),
        }
    }
}

impl std::error::Error for SelectVersionError {}

/// All versions of all kinds.
#[derive(Debug, Default)]
pub struct ModelRegistry {
    /// By kind, oldest first.
    versions: BTreeMap<SubjectKind, Vec<ModelVersion>>,
    /// Records of inactive versions, oldest first.
    inactive: Vec<InactiveVersion>,
    /// Whether models of inactive versions are dropped from memory.
    forgetful: bool,
    /// Seconds of readings for which a new model stays in shadow mode.
    shadow_duration: f64,
    changes: Vec<RegistryChange>,
}

impl ModelRegistry {
    /// Creates an empty registry; each model except the first stays in shadow mode for this many seconds of readings.
    pub fn new(shadow_duration: f64) -> Self {
        Self { shadow_duration, ..Self::default() }
    }

    /// Adds a stored version. If two are marked as current, or as shadow, the newer one is used.
    pub fn restore(&mut self, version: ModelVersion) {
        let kind = version.kind;
        self.inactive.retain(|it| it.id != version.id);
        let versions = self.insert(version);
        for stage in [VersionStage::Current, VersionStage::Shadow] {
            let claims = versions.iter().filter(|it| it.stage == stage).count();
            versions
                .iter_mut()
                .filter(|it| it.stage == stage)
                .take(claims.saturating_sub(1))
                .for_each(|it| it.stage = VersionStage::Retired);
        }
        self.settle(kind);
    }

    /// Inserts a version by age; returns all versions of its kind.
    fn insert(&mut self, version: ModelVersion) -> &mut Vec<ModelVersion> {
        let versions = self.versions.entry(version.kind).or_default();
        versions.retain(|it| it.id != version.id);
        let place = versions.partition_point(|it| it.created.0 <= version.created.0);
        versions.insert(place, version);
        versions
    }

    /// Adds a new model. The first of its kind becomes current; a later one becomes the shadow model and replaces a
    /// present one.
    pub fn add(
        &mut self,
        kind: SubjectKind,
        created: Timestamp,
        model: training::TrainedModel,
    ) -> &ModelVersion {
        let stage = if self.current(kind).is_none() { VersionStage::Current } else { VersionStage::Shadow };
        let id = VersionId::new(created, |id| {
            self.versions().any(|it| it.id == *id) || self.is_inactive(id.as_str())
        });
        if let Some(before) = self.shadow(kind).map(|it| it.id.clone()) {
            self.set_stage(kind, &before, VersionStage::Retired);
        }
        let version = ModelVersion { id, kind, created, stage, model };
        self.changes.push(RegistryChange::New(version.record()));
        let versions = self.versions.entry(kind).or_default();
        versions.push(version);
        self.settle(kind);
        self.trim(kind, MODELS_MAX);
        let versions = &self.versions[&kind];
        &versions[versions.len() - 1]
    }

    /// All versions with their models, by kind, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &ModelVersion> {
        self.versions.values().flatten()
    }

    /// The current version.
    pub fn current(&self, kind: SubjectKind) -> Option<&ModelVersion> {
        self.versions.get(&kind)?.iter().find(|it| it.stage == VersionStage::Current)
    }

    /// The version in shadow mode.
    pub fn shadow(&self, kind: SubjectKind) -> Option<&ModelVersion> {
        self.versions.get(&kind)?.iter().find(|it| it.stage == VersionStage::Shadow)
    }

    /// Decides on the shadow model once both models have scored the same readings for long enough.
    ///
    /// That is `shadow_duration`, but at most the training time of the current model: a model of ten minutes is no
    /// reference for an hour.
    pub fn review(&mut self, kind: SubjectKind, tally: &ShadowTally) -> Option<ShadowOutcome> {
        let (shadow, current) = (self.shadow(kind)?, self.current(kind)?);
        let known = current.model.evaluation.seconds();
        if tally.seconds < self.shadow_duration.min(known) {
            return None;
        }
        let id = shadow.id.clone();
        match objection(shadow, current, tally) {
            None => {
                self.make_current(kind, &id);
                Some(ShadowOutcome::Promoted(id))
            }
            Some(why) => {
                self.set_stage(kind, &id, VersionStage::Refused);
                self.settle(kind);
                Some(ShadowOutcome::Refused { id, why })
            }
        }
    }

    /// Makes this version current; an inactive one must be activated first.
    ///
    /// # Errors
    /// If there is no such version, or it is already current.
    pub fn promote(&mut self, id: &str) -> Result<&ModelVersion, SelectVersionError> {
        let unknown = || SelectVersionError::Unknown(id.to_owned());
        let (kind, stage, id) = self
            .versions()
            .find(|it| it.id.as_str() == id)
            .map(|it| (it.kind, it.stage, it.id.clone()))
            .ok_or_else(unknown)?;
        if stage == VersionStage::Current {
            return Err(SelectVersionError::Current(id));
        }
        self.make_current(kind, &id);
        self.current(kind).ok_or(SelectVersionError::NoneBefore)
    }

    /// Takes the changes to store since the last call.
    pub fn take_changes(&mut self) -> Vec<RegistryChange> {
        std::mem::take(&mut self.changes)
    }

    /// Makes a version current and retires the previous one.
    fn make_current(&mut self, kind: SubjectKind, id: &VersionId) {
        if let Some(before) = self.current(kind).map(|it| it.id.clone()) {
            self.set_stage(kind, &before, VersionStage::Retired);
        }
        self.set_stage(kind, id, VersionStage::Current);
        self.settle(kind);
    }

    fn set_stage(&mut self, kind: SubjectKind, id: &VersionId, stage: VersionStage) {
        let versions = self.versions.entry(kind).or_default();
        if let Some(version) = versions.iter_mut().find(|it| it.id == *id) {
            version.stage = stage;
            self.changes.push(RegistryChange::Stage(id.clone(), stage));
        }
    }
}

/// The objection against a shadow model; `None` if it is no worse than the current one.
fn objection(shadow: &ModelVersion, current: &ModelVersion, tally: &ShadowTally) -> Option<String> {
    let (own, before) = (&shadow.model.evaluation, &current.model.evaluation);
    let margin = holdout_test::worse_max(own.held_out.min(before.held_out));
    if own.auc < before.auc - margin {
        return Some(format!(
            "its AUC on injected faults is {:.3}, that of the current model {:.3}",
            own.auc, before.auc
        ));
    }
    let share = |above: f64| above / tally.readings.max(1.0);
    let (above, above_current) = (share(tally.above), share(tally.above_current));
    (above > above_current + ALARMS_MORE_MAX).then(|| {
        format!(
            "with it, {:.1} % of the readings are unusual, with the current model {:.1} %",
            100.0 * above,
            100.0 * above_current
        )
    })
}

impl ModelVersion {
    /// The forest with its threshold.
    pub fn eif(&self) -> &eif::ForestModel {
        &self.model.eif
    }
}

#[cfg(test)]
mod tests;
