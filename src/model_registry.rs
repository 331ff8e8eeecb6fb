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
use inactive::InactiveVersions;

mod id;
mod record;
mod inactive;
mod stage;

pub use id::VersionId;
pub use record::{InvalidRecord, VersionRecord};
pub use stage::VersionStage;

/// Versions that are kept of each kind; of those that neither judge nor shadow the oldest goes first.
pub const MODELS_MAX: usize = 5;

/// A shadow may raise the score above the limit in so much larger a share of the readings than the current model, and is
/// promoted all the same: half a minute of an hour.
pub const ALARMS_MORE_MAX: f64 = 0.01;

/// One model and what became of it.
#[derive(Debug, Clone)]
pub struct ModelVersion {
    /// When it was trained, as a name.
    pub id: VersionId,
    /// Whom it judges.
    pub kind: SubjectKind,
    /// When it was trained.
    pub created: Timestamp,
    /// What it does.
    pub stage: VersionStage,
    /// The model.
    pub model: training::TrainedModel,
}

/// What a shadow and the current model said of the same readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ShadowTally {
    /// Seconds of readings that both judged.
    pub seconds: f64,
    /// Readings that both judged.
    pub readings: f64,
    /// Those that were above the limit with the shadow.
    pub above: f64,
    /// Those that were above it with the current model.
    pub above_current: f64,
}

impl ShadowTally {
    /// Both together: of several subjects, the time is that of the one that was judged longest.
    pub fn with(self, other: Self) -> Self {
        Self {
            seconds: self.seconds.max(other.seconds),
            readings: self.readings + other.readings,
            above: self.above + other.above,
            above_current: self.above_current + other.above_current,
        }
    }
}

/// What has to be written down.
#[derive(Debug, Clone)]
pub enum RegistryChange {
    /// A new version.
    New(VersionRecord),
    /// A version does something else now.
    Stage(VersionId, VersionStage),
    /// A version is kept no longer.
    Gone(VersionId),
}

/// What came of a shadow.
#[derive(Debug, Clone, PartialEq)]
pub enum ShadowOutcome {
    /// It judges now.
    Promoted(VersionId),
    /// It is kept, but does not judge.
    Refused {
        /// Which one.
        id: VersionId,
        /// Why, as a sentence without the final full stop.
        why: String,
    },
}

/// Why there is nothing to go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownVersion {
    /// No version has this name.
    Unknown(String),
    /// It judges already.
    Current(VersionId),
    /// None has judged before the current one.
    NoneBefore,
}

impl fmt::Display for UnknownVersion {
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

impl std::error::Error for UnknownVersion {}

/// All versions that are kept.
#[derive(Debug, Default)]
pub struct ModelRegistry {
    /// By kind, oldest first.
    versions: BTreeMap<SubjectKind, Vec<ModelVersion>>,
    /// Those without their models, oldest first.
    inactive: Vec<InactiveVersions>,
    /// Whether versions that rest are without their models.
    forgetful: bool,
    /// Seconds of readings for which a new one is a shadow.
    shadow_duration: f64,
    changes: Vec<RegistryChange>,
}

impl ModelRegistry {
    /// None yet; each new one but the first is a shadow for so many seconds of readings.
    pub fn new(shadow_duration: f64) -> Self {
        Self { shadow_duration, ..Self::default() }
    }

    /// Takes up a version that was written down. Of two that claim to be the current one, or the shadow, the newer is.
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

    /// Puts a version in its place; gives all of its kind.
    fn insert(&mut self, version: ModelVersion) -> &mut Vec<ModelVersion> {
        let versions = self.versions.entry(version.kind).or_default();
        versions.retain(|it| it.id != version.id);
        let place = versions.partition_point(|it| it.created.0 <= version.created.0);
        versions.insert(place, version);
        versions
    }

    /// Takes up a new model. The first of its kind judges at once; a later one is a shadow, in the place of the one that
    /// is under way.
    pub fn add(
        &mut self,
        kind: SubjectKind,
        created: Timestamp,
        model: training::TrainedModel,
    ) -> &ModelVersion {
        let stage = if self.current(kind).is_none() { VersionStage::Current } else { VersionStage::Shadow };
        let id =
            VersionId::new(created, |id| self.versions().any(|it| it.id == *id) || self.rests(id.as_str()));
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

    /// The version that judges.
    pub fn current(&self, kind: SubjectKind) -> Option<&ModelVersion> {
        self.versions.get(&kind)?.iter().find(|it| it.stage == VersionStage::Current)
    }

    /// The version that is tried out.
    pub fn shadow(&self, kind: SubjectKind) -> Option<&ModelVersion> {
        self.versions.get(&kind)?.iter().find(|it| it.stage == VersionStage::Shadow)
    }

    /// Decides on the shadow once both judged the same readings for long enough.
    ///
    /// That is `shadow_duration`, but no longer than what the current one was trained on: one that knows ten minutes is no
    /// measure for an hour.
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

    /// Lets this version judge from now on; one that rests has to be woken before.
    ///
    /// # Errors
    /// When there is none of this name, or it does already.
    pub fn promote(&mut self, id: &str) -> Result<&ModelVersion, UnknownVersion> {
        let unknown = || UnknownVersion::Unknown(id.to_owned());
        let (kind, stage, id) = self
            .versions()
            .find(|it| it.id.as_str() == id)
            .map(|it| (it.kind, it.stage, it.id.clone()))
            .ok_or_else(unknown)?;
        if stage == VersionStage::Current {
            return Err(UnknownVersion::Current(id));
        }
        self.make_current(kind, &id);
        self.current(kind).ok_or(UnknownVersion::NoneBefore)
    }

    /// What has to be written down since this was asked last.
    pub fn take_changes(&mut self) -> Vec<RegistryChange> {
        std::mem::take(&mut self.changes)
    }

    /// Lets a version judge; the one that did is retired.
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

/// What speaks against a shadow; nothing when it is not worse than the current model.
fn objection(shadow: &ModelVersion, current: &ModelVersion, tally: &ShadowTally) -> Option<String> {
    let (own, before) = (&shadow.model.evaluation, &current.model.evaluation);
    let margin = holdout_test::worse_max(own.held_out.min(before.held_out));
    if own.auc_own < before.auc_own - margin {
        return Some(format!(
            "its AUC on injected faults is {:.3}, that of the current model {:.3}",
            own.auc_own, before.auc_own
        ));
    }
    let share = |above: f64| above / tally.readings.max(1.0);
    let (above, above_current) = (share(tally.above), share(tally.above_current));
    (above > above_current + ALARMS_MORE_MAX).then(|| {
        format!(
            "it puts {:.1} % of the readings above the threshold, the current model {:.1} %",
            100.0 * above,
            100.0 * above_current
        )
    })
}

impl ModelVersion {
    /// What detectors judge by.
    pub fn eif(&self) -> &eif::ForestModel {
        &self.model.eif
    }
}

#[cfg(test)]
mod tests;
