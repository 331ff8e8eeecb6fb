//! Inactive models, neither current nor in shadow mode. Only their records are in memory; their forests are in the store.

use super::{ModelRegistry, ModelVersion, RegistryChange, SelectVersionError, VersionId, VersionStage};
use crate::reading::{SubjectKind, Timestamp};

/// The record of an inactive model.
#[derive(Debug, Clone)]
pub(super) struct InactiveVersion {
    pub(super) id: VersionId,
    pub(super) kind: SubjectKind,
    pub(super) created: Timestamp,
    pub(super) stage: VersionStage,
}

impl ModelRegistry {
    /// Sets whether the models of inactive versions are dropped from memory, because all of them are stored.
    pub fn drop_models(self, forgetful: bool) -> Self {
        Self { forgetful, ..self }
    }

    /// Whether this version is inactive, so that it must be activated before it can score.
    pub fn is_inactive(&self, id: &str) -> bool {
        self.inactive.iter().any(|it| it.id.as_str() == id)
    }

    /// Takes the loaded model of an inactive version; returns whether it was still inactive.
    pub fn activate(&mut self, version: ModelVersion) -> bool {
        let Some(place) = self.inactive.iter().position(|it| it.id == version.id) else { return false };
        let stage = self.inactive.remove(place).stage;
        self.insert(ModelVersion { stage, ..version });
        true
    }

    /// The version to roll back to: the one before the newest of the current versions.
    ///
    /// # Errors
    /// If no version was current before.
    pub fn previous(&self) -> Result<VersionId, SelectVersionError> {
        let before = self
            .versions
            .keys()
            .filter_map(|kind| Some((self.current(*kind)?.created, self.before(*kind).ok()?)));
        let newest = before.max_by(|one, other| one.0.0.total_cmp(&other.0.0));
        newest.map(|(_, id)| id).ok_or(SelectVersionError::NoneBefore)
    }

    /// The newest version of a kind that was current before the present one.
    ///
    /// # Errors
    /// If there is none.
    pub fn before(&self, kind: SubjectKind) -> Result<VersionId, SelectVersionError> {
        let current = self.current(kind).map(|it| it.created);
        let whole = self.versions().map(|it| (it.kind, it.stage, it.created, &it.id));
        let resting = self.inactive.iter().map(|it| (it.kind, it.stage, it.created, &it.id));
        whole
            .chain(resting)
            .filter(|it| {
                (it.0, it.1) == (kind, VersionStage::Retired) && current.is_none_or(|at| it.2.0 < at.0)
            })
            .max_by(|one, other| one.2.0.total_cmp(&other.2.0))
            .map(|it| it.3.clone())
            .ok_or(SelectVersionError::NoneBefore)
    }

    /// Drops models from memory, if allowed.
    pub(super) fn settle(&mut self, kind: SubjectKind) {
        if !self.forgetful {
            return;
        }
        let versions = self.versions.entry(kind).or_default();
        for it in versions.extract_if(.., |it| !it.stage.is_running()) {
            let place = self.inactive.partition_point(|other| other.created.0 <= it.created.0);
            let ModelVersion { id, kind, created, stage, .. } = it;
            self.inactive.insert(place, InactiveVersion { id, kind, created, stage });
        }
    }

    /// Removes the oldest inactive versions of a kind while there are more than `most` in all.
    pub(super) fn trim(&mut self, kind: SubjectKind, most: usize) {
        loop {
            let versions = self.versions.entry(kind).or_default();
            let resting = self.inactive.iter().filter(|it| it.kind == kind).count();
            if versions.len() + resting <= most {
                return;
            }
            let gone = if let Some(oldest) = self.inactive.iter().position(|it| it.kind == kind) {
                self.inactive.remove(oldest).id
            } else if let Some(oldest) = versions.iter().position(|it| !it.stage.is_running()) {
                versions.remove(oldest).id
            } else {
                return;
            };
            self.changes.push(RegistryChange::Gone(gone));
        }
    }
}
