//! Reproduces the scores of an episode: replays the stored readings from the stored state and model, and compares the scores
//! with the stored ones bit by bit.

use std::collections::BTreeMap;

use crate::commands::run;
use crate::config::Config;
use crate::engine::Engine;
use crate::explanation::EpisodeRecord;
use crate::model_registry::{ModelVersion, VersionRecord, VersionStage};
use crate::reading::{Reading, Subject, SubjectKind, SubjectTurnover, Timestamp};
use crate::report::{Assessment, Report};
use crate::sampler::record;
use crate::sources;
use crate::store::{SnapshotRow, StoreError, StoreReader, TimeRange};

/// The result of a reproduction.
#[derive(Debug, Default)]
pub(super) struct Reproduction {
    /// Number of replayed readings.
    pub(super) readings: usize,
    /// Number of points whose stored scores were compared.
    pub(super) points: usize,
    /// The first point with a different score: time, stored score, reproduced score.
    pub(super) difference: Option<(Timestamp, f64, f64)>,
    /// The assessment with the highest score within the episode, and its time.
    pub(super) peak: Option<(Timestamp, Assessment)>,
    /// Changes of the state beyond readings, with their times.
    pub(super) changes: Vec<(Timestamp, String)>,
    /// Number of values and records that this program cannot read.
    pub(super) skipped: u64,
}

impl Reproduction {
    /// Whether a score differs from the stored one.
    pub(super) fn differs(&self) -> bool {
        self.difference.is_some()
    }
}

/// Reproduces the scores of an episode; the inner error says why that is impossible.
pub(super) fn reproduce(
    reader: &StoreReader,
    config: &Config,
    episode: &EpisodeRecord,
) -> Result<Result<Reproduction, String>, StoreError> {
    let (Some(from), Some(subject)) = (episode.retained_from, subject(episode)) else {
        return Ok(Err("its readings were deleted by retention".into()));
    };
    if subject.kind().turnover() == SubjectTurnover::Changing {
        return Ok(Err("snapshots do not contain the state of containers".into()));
    }
    let snapshots = reader.snapshots_of(episode)?;
    if snapshots.first().is_none_or(|it| it.at.0 > from) {
        return Ok(Err("no snapshot before it".into()));
    }
    let between =
        TimeRange { from: Timestamp(from), to: Timestamp(episode.retained_to.unwrap_or(episode.last_seen)) };
    let mut stored = BTreeMap::new();
    reader.scores::<StoreError>(between, Some(&subject), |it| {
        stored.insert(it.at.0.to_bits(), (it.score, it.instant_score));
        Ok(())
    })?;
    let mut run = ReproductionRun {
        engine: run::engine(config),
        subject,
        stored,
        episode,
        highest: None,
        known: false,
        reproduction: Reproduction::default(),
    };
    let mut snapshots = snapshots.into_iter().peekable();
    let mut stopped = None;
    let metrics: Vec<_> = sources::reading_metrics().collect();
    let left_out = reader.readings::<StoreError>(between, &metrics, |reading| {
        if stopped.is_none() {
            stopped = run.step(reader, &mut snapshots, &reading)?;
        }
        Ok(())
    })?;
    run.reproduction.skipped = left_out.unknown + left_out.corrupt;
    Ok(match stopped {
        Some(why) => Err(why),
        None if run.reproduction.points == 0 => Err("its readings are not stored".into()),
        None => Ok(run.reproduction),
    })
}

fn subject(episode: &EpisodeRecord) -> Option<Subject> {
    Subject::read(SubjectKind::read(&episode.kind)?, &episode.subject)
}

/// The state while replaying readings.
struct ReproductionRun<'a> {
    engine: Engine,
    subject: Subject,
    /// Score and instant score, by the bits of their time.
    stored: BTreeMap<u64, (f64, f64)>,
    episode: &'a EpisodeRecord,
    /// The highest score since the last point, as the store takes it.
    highest: Option<f64>,
    /// Whether all readings since the last point were replayed.
    known: bool,
    reproduction: Reproduction,
}

impl ReproductionRun<'_> {
    /// Replays one reading; an error says why the reproduction cannot continue.
    fn step(
        &mut self,
        reader: &StoreReader,
        snapshots: &mut std::iter::Peekable<impl Iterator<Item = SnapshotRow>>,
        reading: &Reading,
    ) -> Result<Option<String>, StoreError> {
        let at = reading.at;
        let first = self.engine.at() == Timestamp::default();
        if !first {
            let report = self.engine.replay(reading.clone());
            self.reproduction.readings += 1;
            self.compare(&report);
        }
        while let Some(snapshot) = snapshots.next_if(|it| it.at.0 <= at.0) {
            if let Err(why) = self.load_model(reader, &snapshot)? {
                return Ok(Some(why));
            }
            self.engine.resume_from(reading.clone().into());
        }
        Ok(None)
    }

    /// Continues from a stored state.
    fn load_model(
        &mut self,
        reader: &StoreReader,
        snapshot: &SnapshotRow,
    ) -> Result<Result<(), String>, StoreError> {
        for id in &snapshot.models {
            let Some(model) = reader.model(id)? else {
                return Ok(Err(format!("its model {id} was deleted by retention")));
            };
            let kept = VersionRecord { state: VersionStage::Retired.name().to_owned(), ..record(model) };
            match ModelVersion::from_record(&kept) {
                Ok(version) => self.engine.install(version.kind, version.eif()),
                Err(error) => {
                    return Ok(Err(format!("its model {id} cannot be read: {error}")));
                }
            }
        }
        if let Err(mismatch) = self.engine.restore(&snapshot.bytes) {
            return Ok(Err(mismatch.to_string()));
        }
        // After a start, the store also lacks the scores before it.
        if snapshot.cause.as_deref() == Some("start") || self.reproduction.readings == 0 {
            (self.highest, self.known) = (None, false);
        }
        if let Some(cause) = &snapshot.cause {
            self.reproduction.changes.push((snapshot.at, cause.clone()));
        }
        Ok(Ok(()))
    }

    /// Compares the assessments with the stored scores.
    fn compare(&mut self, report: &Report) {
        let Some(assessment) = report.assessments.get(&self.subject) else { return };
        let instant_score = assessment.details.as_ref().map(|it| it.instant_score);
        if let Some(instant_score) = instant_score {
            self.highest = Some(self.highest.unwrap_or(instant_score).max(instant_score));
            self.note_peak(report.reading.at, instant_score, assessment);
        }
        let Some(learned) = &assessment.point else { return };
        let found = (self.highest.take(), instant_score);
        let known = std::mem::replace(&mut self.known, true);
        let (Some(stored), (Some(score), Some(instant_score))) =
            (self.stored.get(&learned.point.at.0.to_bits()), found)
        else {
            return;
        };
        self.reproduction.points += 1;
        let mut pairs = vec![(stored.1, instant_score)];
        pairs.extend(known.then_some((stored.0, score)));
        let other = pairs.into_iter().find(|(stored, reproduced)| stored.to_bits() != reproduced.to_bits());
        if let (Some((stored, reproduced)), None) = (other, self.reproduction.difference) {
            self.reproduction.difference = Some((learned.point.at, stored, reproduced));
        }
    }

    fn note_peak(&mut self, at: Timestamp, instant_score: f64, assessment: &Assessment) {
        let within = self.episode.began <= at.0 && at.0 <= self.episode.last_instant();
        let before = self
            .reproduction
            .peak
            .as_ref()
            .and_then(|(_, it)| it.details.as_ref())
            .map(|it| it.instant_score);
        if within && before.is_none_or(|it| instant_score > it) {
            self.reproduction.peak = Some((at, assessment.clone()));
        }
    }
}
