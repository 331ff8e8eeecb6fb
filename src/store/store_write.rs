//! Entries: the input of the store.

use std::sync::Arc;

use super::row_types::{
    BackfillPoints, BaselineRow, LogPositionRow, LogStateRow, MarkerRow, ModelRow, SnapshotRow,
    SubjectStateRow, VerdictRow,
};
use super::series_keys::SeriesList;
use crate::counter_reset::OffsetChanges;
use crate::explanation::Cause;
use crate::impact::EpisodeSeverity;
use crate::reading::{Reading, Subject, Timestamp};
use crate::report::{Assessment, Episode, EpisodeCircumstances, EpisodeTransition, LearnedPoint, Report};

/// One item to write.
#[derive(Debug)]
pub enum StoreWrite {
    /// A reading with its assessments.
    Tick(TickEntry),
    /// What is added to counters that fell or jumped.
    CounterOffsets(OffsetChanges),
    /// The baseline of each signal.
    Baselines(Vec<BaselineRow>),
    /// A snapshot.
    Snapshot(SnapshotRow),
    /// The state of an evicted subject; replaces an older one with the same identity.
    SubjectState(SubjectStateRow),
    /// A model; replaces one with the same identifier.
    Model(ModelRow),
    /// A new state of a model.
    ModelState {
        /// Identifier of the model.
        id: String,
        /// current, shadow, retired, refused, …
        state: String,
    },
    /// A model to delete, unless an episode needs it.
    ModelGone {
        /// Identifier of the model.
        id: String,
    },
    /// Points from another source.
    Backfill(BackfillPoints),
    /// An event of hostnorm itself.
    Marker(MarkerRow),
    /// How far logs were read.
    LogPositions(Vec<LogPositionRow>),
    /// What a log taught; replaces what it taught before.
    LogState(LogStateRow),
    /// A verdict on an episode.
    Verdict(VerdictRow),
}

impl StoreWrite {
    /// Whether it replaces earlier learned state. It then does not overwrite a state that could not be read.
    pub(super) fn is_learned(&self) -> bool {
        match self {
            Self::Baselines(_) | Self::Snapshot(_) | Self::SubjectState(_) | Self::LogState(_) => true,
            Self::Model(_) | Self::ModelState { .. } | Self::ModelGone { .. } => true,
            Self::Tick(_)
            | Self::CounterOffsets(_)
            | Self::Backfill(_)
            | Self::Marker(_)
            | Self::Verdict(_)
            | Self::LogPositions(_) => false,
        }
    }

    /// Size of its large value, in bytes; 0 for entries without one.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Snapshot(it) => it.bytes.len(),
            Self::SubjectState(it) => it.bytes.len(),
            Self::LogState(it) => it.bytes.len(),
            Self::Model(it) => it.bytes.len(),
            _ => 0,
        };
        bytes as u64
    }

    /// Whether it is written at once, without waiting for the next commit: an episode is found in the store as soon as
    /// metrics and log name it.
    pub(super) fn is_urgent(&self) -> bool {
        match self {
            Self::Model(_) | Self::Marker(_) | Self::SubjectState(_) | Self::Verdict(_) => true,
            Self::Tick(it) => it.assessed.iter().any(|it| it.transition.is_some()),
            _ => false,
        }
    }
}

/// A reading with its assessments.
#[derive(Debug)]
pub struct TickEntry {
    pub(super) at: Timestamp,
    /// The series of the values.
    pub(super) series: SeriesList,
    pub(super) values: Arc<[f64]>,
    pub(super) assessed: Vec<AssessmentEntry>,
}

/// The assessment of one subject.
#[derive(Debug)]
pub(super) struct AssessmentEntry {
    pub(super) subject: Subject,
    pub(super) point: Option<Arc<LearnedPoint>>,
    pub(super) instant_score: Option<f64>,
    pub(super) confidence: Option<f64>,
    pub(super) episode: Option<Episode>,
    pub(super) transition: Option<EpisodeTransition>,
    /// The description of the open episode.
    pub(super) description: Option<Arc<str>>,
    /// What made its episode expected.
    pub(super) circumstances: EpisodeCircumstances,
    /// The severity of its episode.
    pub(super) severity: Option<EpisodeSeverity>,
    /// Its causes as JSON, with each new description.
    pub(super) causes: Option<String>,
    /// Culprits and scenes as JSON, when they changed.
    pub(super) scene: Option<[String; 2]>,
    /// Templates as JSON, when they changed.
    pub(super) templates: Option<String>,
}

impl TickEntry {
    /// The part of a report that is stored; `series` is the list of the previous reading and becomes that of this one.
    pub(super) fn of(report: &Report, series: &mut SeriesList) -> Self {
        let judged = report.concluded().map(|(subject, it)| AssessmentEntry::of(subject, it)).collect();
        Self::new(&report.reading, judged, series)
    }

    pub(super) fn new(reading: &Reading, judged: Vec<AssessmentEntry>, series: &mut SeriesList) -> Self {
        series.follow(reading);
        Self { at: reading.at, series: series.clone(), values: series.values(reading), assessed: judged }
    }
}

impl AssessmentEntry {
    fn of(subject: &Subject, assessment: &Assessment) -> Self {
        let details = assessment.details.as_ref();
        let described =
            matches!(assessment.transition, Some(EpisodeTransition::Started | EpisodeTransition::Changed));
        Self {
            subject: subject.clone(),
            point: assessment.point.clone(),
            instant_score: details.map(|it| it.instant_score),
            confidence: details.and_then(|it| it.confidence),
            episode: assessment.episode,
            transition: assessment.transition,
            description: assessment.description.clone(),
            circumstances: assessment.circumstances,
            severity: assessment.severity,
            causes: described.then(|| json(&Cause::of(assessment))),
            scene: assessment
                .scene
                .as_ref()
                .filter(|_| assessment.scene_is_new)
                .map(|it| [json(&it.culprits), json(&it.scenes)]),
            templates: assessment.templates_are_new.then(|| json(&assessment.templates)),
        }
    }
}

fn json<T: serde::Serialize>(rows: &[T]) -> String {
    serde_json::to_string(rows).unwrap_or_else(|_| "[]".to_owned())
}
