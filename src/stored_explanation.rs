//! Gathers the stored data of a time range, and explains it.

use std::sync::Arc;

use crate::explanation::{self, EpisodeRecord, Explanation, SignalValues, SubjectEvidence};
use crate::reading::{Subject, Timestamp};
use crate::report::Report;
use crate::signal::Signal;
use crate::sources;
use crate::store::{PointRow, StoreError, StoreReader, TimeRange};

/// Length of the reference before the range, in seconds.
const REFERENCE_SECONDS: f64 = 86_400.0;
/// Largest number of subjects explained.
pub const SUBJECTS_MAX: usize = 20;

/// Explains the host and the other subjects that were unusual in a range around an instant, or only one subject; the unusual
/// ones first. `current` is the newest report if it is in the range.
///
/// # Errors
/// If the store cannot be read.
pub fn explain(
    reader: &StoreReader,
    current: Option<&Arc<Report>>,
    only: Option<Subject>,
    at: Timestamp,
    range: TimeRange,
) -> Result<Explanation, StoreError> {
    let episodes = episodes(reader, range)?;
    let mut explained = Vec::new();
    for subject in subjects(&episodes, current, only, range) {
        let facts = facts(reader, &episodes, &subject, at, range)?;
        let current = current.and_then(|it| Some((it.reading.at, it.assessments.get(&subject)?)));
        explained.push(explanation::explain(&subject, SubjectEvidence { current, ..facts }));
    }
    Ok(Explanation::new([range.from, range.to], explained, SUBJECTS_MAX))
}

/// The host, and the other subjects that were, or are, unusual in the range.
fn subjects(
    episodes: &[EpisodeRecord],
    current: Option<&Arc<Report>>,
    only: Option<Subject>,
    range: TimeRange,
) -> Vec<Subject> {
    if let Some(only) = only {
        return vec![only];
    }
    let mut subjects = vec![Subject::Host];
    let open = current.iter().flat_map(|it| &it.assessments).filter(|(_, it)| it.episode.is_some());
    let open: Vec<Subject> = open.map(|(subject, _)| subject.clone()).collect();
    let in_range = episodes.iter().rev().filter(|it| it.last_instant() >= range.from.0);
    let stored = in_range.filter_map(EpisodeRecord::subject);
    for subject in open.into_iter().chain(stored) {
        if subjects.len() < SUBJECTS_MAX && !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    subjects
}

/// The explanation of each subject of the current report, without a store.
pub fn explain_current(
    current: Option<&Arc<Report>>,
    only: Option<&Subject>,
    at: Timestamp,
    range: TimeRange,
) -> Explanation {
    let all =
        current.iter().flat_map(|report| report.assessments.iter().map(move |it| (report.reading.at, it)));
    let chosen = all.filter(|(_, (it, _))| only.is_none_or(|only| only == *it));
    let explained = chosen.map(|(now, (subject, it))| {
        let facts = SubjectEvidence { at: Some(at), current: Some((now, it)), ..SubjectEvidence::default() };
        explanation::explain(subject, facts)
    });
    Explanation::new([range.from, range.to], explained.collect(), SUBJECTS_MAX)
}

/// All episodes that began before the end of a range, the oldest first.
///
/// # Errors
/// If the store cannot be read.
pub fn episodes(reader: &StoreReader, range: TimeRange) -> Result<Vec<EpisodeRecord>, StoreError> {
    reader.episodes(TimeRange { from: TimeRange::ALL.from, to: range.to })
}

/// The stored data of a subject in a range around an instant; `episodes` are those of [`episodes`].
///
/// # Errors
/// If the store cannot be read.
pub fn facts(
    reader: &StoreReader,
    episodes: &[EpisodeRecord],
    subject: &Subject,
    at: Timestamp,
    range: TimeRange,
) -> Result<SubjectEvidence<'static>, StoreError> {
    let signals: Vec<&'static Signal> =
        sources::signals(|_| true).filter(|it| it.kind == subject.kind()).collect();
    let mut facts = SubjectEvidence { at: Some(at), signals, ..SubjectEvidence::default() };
    let before = Timestamp(range.from.0 - REFERENCE_SECONDS);
    let around = TimeRange { from: before, to: range.to };
    reader.points::<StoreError>(around, Some(subject), |point| {
        if point.at >= range.from {
            facts.scores.extend(point.score.map(|score| (point.at, score)));
            facts.points.push(signal_point(&point, &facts.signals));
        } else if !point.in_anomaly {
            facts.reference.push(signal_point(&point, &facts.signals));
        }
        Ok(())
    })?;
    let of_subject = episodes.iter().filter(|it| it.subject().as_ref() == Some(subject)).cloned();
    (facts.earlier, facts.episodes) = of_subject.partition(|it| it.last_instant() < range.from.0);
    if let Some(kind) = explanation::nearby_kinds(subject.kind().name()) {
        let near = |it: &&EpisodeRecord| it.began >= range.from.0 - explanation::NEARBY_SECONDS;
        facts.others = episodes.iter().filter(|it| it.kind == kind.name()).filter(near).cloned().collect();
    }
    add_scenes(reader, subject, at, &mut facts.episodes)?;
    Ok(facts)
}

/// Adds its scenes to the episode that is explained.
fn add_scenes(
    reader: &StoreReader,
    subject: &Subject,
    at: Timestamp,
    episodes: &mut [EpisodeRecord],
) -> Result<(), StoreError> {
    let main = explanation::main_episode(episodes, Some(at)).and_then(|idx| episodes.get_mut(idx));
    let Some(main) = main else { return Ok(()) };
    if let Some(whole) = reader.episode(subject, Timestamp(main.began))? {
        main.scenes = whole.scenes;
    }
    Ok(())
}

/// The values of a stored point in the order of the signals.
fn signal_point(point: &PointRow, signals: &[&'static Signal]) -> SignalValues {
    let value = |name: &str| {
        let idx = point.signals.iter().position(|it| it == name)?;
        (!point.missing[idx]).then_some(point.values[idx])
    };
    SignalValues { at: point.at, values: signals.iter().map(|it| value(it.name)).collect() }
}
