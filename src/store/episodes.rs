//! Episodes as rows: inserted at the start, updated while they last, closed at the end.
//!
//! From its start on, an episode keeps the newest snapshot before it and the readings from there until some time after its
//! end.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::StoreError;
use super::row_types::{AROUND_SECONDS, subject, subject_of};
use super::statements::IN_MODELS;
use super::store_write::AssessmentEntry;
use crate::episode_text;
use crate::explanation::EpisodeRecord;
use crate::impact::EpisodeSeverity;
use crate::reading::{Subject, Timestamp};
use crate::report::{Episode, EpisodeCircumstances, EpisodeTransition};

/// The open episodes.
#[derive(Debug, Default)]
pub(super) struct OpenEpisodes(BTreeMap<Subject, OpenEpisode>);

#[derive(Debug)]
struct OpenEpisode {
    id: i64,
    began: f64,
    last_seen: f64,
    peak: f64,
    /// Its length in seconds of readings; `None` if an earlier process did not know it.
    lasted: Option<f64>,
    /// The circumstances in its row; none of an earlier process, which then stay until another is added.
    circumstances: EpisodeCircumstances,
    /// The severity in its row.
    severity: Option<EpisodeSeverity>,
}

impl OpenEpisodes {
    /// The episodes that were open when the store was closed or hostnorm crashed.
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut statement = connection.prepare(
            "SELECT id, began, last_seen, peak, kind, subject, severity, lasted FROM episodes WHERE outcome = 'open'",
        )?;
        let mut rows = statement.query([])?;
        let mut open = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let subject = subject(&row.get::<_, String>(4)?, &row.get::<_, String>(5)?);
            let Some(subject) = subject else { continue };
            let it = OpenEpisode {
                id: row.get(0)?,
                began: row.get(1)?,
                last_seen: row.get(2)?,
                peak: row.get(3)?,
                circumstances: EpisodeCircumstances::default(),
                severity: row.get::<_, Option<String>>(6)?.and_then(|name| EpisodeSeverity::read(&name)),
                lasted: row.get(7)?,
            };
            if let Some(before) = open.insert(subject, it) {
                close(connection, &before, "interrupted")?;
            }
        }
        Ok(Self(open))
    }

    /// Updates the rows with the assessment of one subject.
    pub(super) fn record(
        &mut self,
        connection: &Connection,
        at: Timestamp,
        it: &AssessmentEntry,
    ) -> Result<(), StoreError> {
        match (it.transition, it.episode) {
            (Some(EpisodeTransition::Ended(episode)), _) => self.end(connection, at, it, &episode, "ended"),
            (Some(EpisodeTransition::Accepted(episode)), _) => {
                self.end(connection, at, it, &episode, "accepted")
            }
            (_, Some(episode)) => self.update(connection, at, it, &episode),
            (_, None) => {
                // It was open when hostnorm stopped; its end is unknown.
                if let Some(row) = self.0.remove(&it.subject) {
                    close(connection, &row, "interrupted")?;
                }
                Ok(())
            }
        }
    }

    fn update(
        &mut self,
        connection: &Connection,
        at: Timestamp,
        it: &AssessmentEntry,
        episode: &Episode,
    ) -> Result<(), StoreError> {
        let same = |row: &OpenEpisode| row.began.to_bits() == episode.since.0.to_bits();
        if !self.0.get(&it.subject).is_some_and(same) {
            if let Some(row) = self.0.remove(&it.subject) {
                close(connection, &row, "interrupted")?;
            }
            let row = begin(connection, it, episode)?;
            self.0.insert(it.subject.clone(), row);
        } else if let (Some(row), Some(causes)) = (self.0.get(&it.subject), &it.causes) {
            connection
                .prepare_cached("UPDATE episodes SET causes = ?2, description = ?3 WHERE id = ?1")?
                .execute(params![row.id, causes, it.description.as_deref().unwrap_or_default()])?;
        }
        if let (Some(row), Some([culprits, scenes])) = (self.0.get(&it.subject), &it.scene) {
            connection
                .prepare_cached(
                    "UPDATE episodes SET culprits = ?2, scenes = ?3, description = ?4 WHERE id = ?1",
                )?
                .execute(params![row.id, culprits, scenes, it.description.as_deref().unwrap_or_default()])?;
        }
        if let (Some(row), Some(templates)) = (self.0.get(&it.subject), &it.templates) {
            connection
                .prepare_cached("UPDATE episodes SET templates = ?2, description = ?3 WHERE id = ?1")?
                .execute(params![row.id, templates, it.description.as_deref().unwrap_or_default()])?;
        }
        if let Some(row) = self.0.get_mut(&it.subject).filter(|row| row.circumstances != it.circumstances) {
            row.circumstances = it.circumstances;
            let names: Vec<&str> = it.circumstances.names().collect();
            connection
                .prepare_cached("UPDATE episodes SET circumstances = ?2 WHERE id = ?1")?
                .execute(params![row.id, serde_json::to_string(&names).unwrap_or_default()])?;
        }
        if let Some(row) = self.0.get_mut(&it.subject).filter(|row| row.severity < it.severity) {
            row.severity = it.severity;
            connection
                .prepare_cached("UPDATE episodes SET severity = ?2 WHERE id = ?1")?
                .execute(params![row.id, it.severity.map(EpisodeSeverity::name)])?;
        }
        if let Some(row) = self.0.get_mut(&it.subject) {
            (row.last_seen, row.peak, row.lasted) = (at.0, episode.peak, Some(episode.lasted));
        }
        Ok(())
    }

    fn end(
        &mut self,
        connection: &Connection,
        at: Timestamp,
        it: &AssessmentEntry,
        episode: &Episode,
        outcome: &str,
    ) -> Result<(), StoreError> {
        // If its start was lost, it starts and ends now.
        self.update(connection, at, it, episode)?;
        match self.0.remove(&it.subject) {
            Some(row) => close(connection, &row, outcome),
            None => Ok(()),
        }
    }

    /// Writes the last reading, the peak and the length of each open episode.
    pub(super) fn save(&self, connection: &Connection) -> Result<(), StoreError> {
        for row in self.0.values() {
            connection
                .prepare_cached("UPDATE episodes SET last_seen = ?2, peak = ?3, lasted = ?4 WHERE id = ?1")?
                .execute(params![row.id, row.last_seen, row.peak, row.lasted])?;
        }
        Ok(())
    }
}

/// Time of the newest or oldest snapshot before an instant.
fn snapshot_before(connection: &Connection, at: f64, order: &str) -> Result<Option<f64>, StoreError> {
    let sql = format!("SELECT at FROM snapshots WHERE at <= ?1 ORDER BY id {order} LIMIT 1");
    Ok(connection.query_row(&sql, [at], |row| row.get(0)).optional()?)
}

/// The model of the subject's kind in the newest snapshot before an instant. A new model has a snapshot of its own, so this
/// one judged.
fn model_before(connection: &Connection, at: f64, of: &Subject) -> Result<Option<String>, StoreError> {
    let sql = format!(
        "SELECT models.id FROM models, (SELECT model FROM snapshots WHERE at <= ?1 ORDER BY id DESC LIMIT 1) AS snapshots \
         WHERE models.kind = ?2 AND {IN_MODELS}"
    );
    Ok(connection.query_row(&sql, params![at, of.kind().name()], |row| row.get(0)).optional()?)
}

/// Readings are kept from the newest snapshot that cannot contain the anomaly; soon after a start of hostnorm, from
/// the first snapshot.
fn begin(
    connection: &Connection,
    it: &AssessmentEntry,
    episode: &Episode,
) -> Result<OpenEpisode, StoreError> {
    let since = episode.since.0;
    let snapshot = match snapshot_before(connection, since - AROUND_SECONDS, "DESC")? {
        None => snapshot_before(connection, since, "ASC")?,
        found => found,
    };
    let causes = it.causes.as_deref().unwrap_or("[]");
    let description = it.description.as_deref().unwrap_or_default();
    let retained_from = snapshot.unwrap_or(since - AROUND_SECONDS);
    let model = model_before(connection, since, &it.subject)?;
    connection
        .prepare_cached(
            "INSERT INTO episodes (kind, subject, began, last_seen, outcome, peak, causes, description, model, retained_from) \
             VALUES (?1, ?2, ?3, ?3, 'open', ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            it.subject.kind().name(),
            it.subject.name(),
            since,
            episode.peak,
            causes,
            description,
            model,
            retained_from,
        ])?;
    let id = connection.last_insert_rowid();
    let circumstances = EpisodeCircumstances::default();
    let Episode { peak, lasted, .. } = *episode;
    Ok(OpenEpisode {
        id,
        began: since,
        last_seen: since,
        peak,
        lasted: Some(lasted),
        circumstances,
        severity: None,
    })
}

fn close(connection: &Connection, row: &OpenEpisode, outcome: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE episodes SET ended = ?2, last_seen = ?2, outcome = ?3, peak = ?4, retained_to = ?2 + ?5, lasted = ?6 \
             WHERE id = ?1",
        )?
        .execute(params![row.id, row.last_seen, outcome, row.peak, AROUND_SECONDS, row.lasted])?;
    Ok(())
}

/// Selects the columns that [`episode`] reads, without the scenes, which are large.
pub(super) const EPISODES: &str = "SELECT kind, subject, began, ended, last_seen, outcome, peak, causes, description, model, \
                        retained_from, retained_to, culprits, '[]', circumstances, verdict, verdict_at, templates, severity, \
                        lasted FROM episodes";

/// Selects the episodes of a subject, or of all without one, that overlap a time range.
pub(super) const EPISODES_IN_RANGE: &str = "WHERE (?1 IS NULL OR kind = ?1 AND subject = ?2) \
                        AND coalesce(ended, last_seen) >= ?3 AND began <= ?4";

/// The same columns with the scenes.
pub(super) const EPISODES_WITH_SCENES: &str = "SELECT kind, subject, began, ended, last_seen, outcome, peak, causes, \
                        description, model, retained_from, retained_to, culprits, scenes, circumstances, verdict, verdict_at, templates, severity, \
                        lasted FROM episodes";

/// The newest episodes of a subject and those with a verdict, oldest first, without their scenes.
pub(super) fn episodes_with_verdict(
    connection: &Connection,
    of: &Subject,
    newest: usize,
) -> Result<Vec<EpisodeRecord>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "{EPISODES} WHERE kind = ?1 AND subject = ?2 AND (verdict IS NOT NULL OR id IN \
         (SELECT id FROM episodes WHERE kind = ?1 AND subject = ?2 ORDER BY began DESC LIMIT ?3)) ORDER BY began, id"
    ))?;
    let newest = i64::try_from(newest).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![of.kind().name(), of.name(), newest], episode)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// An episode.
pub(super) fn episode(row: &Row<'_>) -> Result<EpisodeRecord, rusqlite::Error> {
    let began = row.get(2)?;
    let subject = subject_of(row, 0)?.unwrap_or(Subject::Host);
    Ok(EpisodeRecord {
        id: episode_text::id(&subject, Timestamp(began)),
        kind: row.get(0)?,
        subject: row.get(1)?,
        began,
        ended: row.get(3)?,
        last_seen: row.get(4)?,
        outcome: row.get(5)?,
        peak: row.get(6)?,
        causes: serde_json::from_str(&row.get::<_, String>(7)?).unwrap_or_default(),
        description: row.get(8)?,
        model: row.get(9)?,
        retained_from: row.get(10)?,
        retained_to: row.get(11)?,
        culprits: serde_json::from_str(&row.get::<_, String>(12)?).unwrap_or_default(),
        scenes: serde_json::from_str(&row.get::<_, String>(13)?).unwrap_or_default(),
        circumstances: serde_json::from_str(&row.get::<_, String>(14)?).unwrap_or_default(),
        verdict: row.get(15)?,
        verdict_at: row.get(16)?,
        templates: serde_json::from_str(&row.get::<_, String>(17)?).unwrap_or_default(),
        severity: row.get(18)?,
        lasted: row.get(19)?,
    })
}
