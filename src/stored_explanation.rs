//! Gathers the stored data of a time range, and explains it.

mod thinned_points;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::explanation::{
    self, DayRanges, EpisodeRecord, ExplainedTime, Explanation, MissingScore, SignalValues, SubjectEvidence,
};
use crate::reading::{Subject, SubjectKind, Timestamp};
use crate::report::{Assessment, Report};
use crate::signal::Signal;
use crate::sources;
use crate::store::{PointRow, StoreError, StoreReader, TimeRange};
use thinned_points::ThinnedPoints;

/// Length of the reference before the range, in seconds.
const REFERENCE_SECONDS: f64 = 86_400.0;
/// Longest point that is looked for after a range that is shorter than a point, in seconds.
const POINT_SECONDS_MAX: f64 = 3_600.0;
/// A point may take so many times the usual time.
const LATE_SHARE: f64 = 1.1;
/// Seconds after which the point of a reading is stored, at least.
const STORED_SECONDS: f64 = 60.0;
/// Most points in memory, shared by the subjects; of more, those with the highest scores are kept.
const POINTS_MAX: usize = 40_000;
/// Most episodes of a range, and most earlier ones of a subject; the newest are kept.
const EPISODES_MAX: usize = 1_000;
/// Largest number of subjects explained.
pub const SUBJECTS_MAX: usize = 10;

/// Explains the host and the other subjects that were unusual in a range, or only one subject; the unusual ones first. `at`
/// is the instant asked about, if it is not the whole range; `newest` is the newest report before `now`, in the range or not.
///
/// # Errors
/// If the store cannot be read.
pub fn explain(
    reader: &StoreReader,
    newest: Option<&Arc<Report>>,
    only: Option<Subject>,
    at: Option<Timestamp>,
    range: TimeRange,
    now: Timestamp,
) -> Result<Explanation, StoreError> {
    let current = newest.filter(|it| is_in_range(it, range, now));
    let recent = recent_episodes(reader, range)?;
    let (subjects, skipped) = subjects(&recent, current, only, range);
    let found = points_of_each(reader, &subjects, range)?;
    let mut explained = Vec::new();
    // One after the other, so that the earlier episodes of one subject only are in memory.
    for (subject, StoredPoints { mut evidence, point_seconds }) in subjects.into_iter().zip(found) {
        evidence.at = at;
        add_episodes(reader, &subject, &recent, range, &mut evidence)?;
        let current = current.and_then(|it| Some((it.reading.at, it.assessments.get(&subject)?)));
        let time = explained_time(current, range, now, point_seconds);
        let stored_after = (2.0 * time.point_seconds).max(STORED_SECONDS);
        let missing = missing_score(newest, &subject, range, now, Some(stored_after));
        let evidence = SubjectEvidence { current, missing, time: Some(time), ..evidence };
        explained.push(explanation::explain(&subject, evidence));
    }
    Ok(Explanation::new([range.from, range.to], explained, skipped, SUBJECTS_MAX))
}

/// Whether the range has a time of which this newest report is the state: from its reading until now.
fn is_in_range(report: &Report, range: TimeRange, now: Timestamp) -> bool {
    let at = report.reading.at;
    at <= range.to && range.from.0 <= at.0.max(now.0)
}

/// The range until the newest reading, or without one in the range until now.
fn explained_time(
    current: Option<(Timestamp, &Assessment)>,
    range: TimeRange,
    now: Timestamp,
    point_seconds: f64,
) -> ExplainedTime {
    let until = current.map_or(now, |(at, _)| at);
    ExplainedTime { from: range.from, to: Timestamp(range.to.0.min(until.0)), point_seconds }
}

/// Why a subject may have no score in a range, from the newest report. A point is stored so many seconds after its end, if
/// there is a store.
fn missing_score(
    newest: Option<&Arc<Report>>,
    subject: &Subject,
    range: TimeRange,
    now: Timestamp,
    stored_after: Option<f64>,
) -> MissingScore {
    if range.from > now {
        return MissingScore::Future;
    }
    let Some(newest) = newest else { return MissingScore::Unknown };
    let is_recent = || stored_after.is_some_and(|it| newest.reading.at.0 - range.to.0 < it);
    match newest.assessments.get(subject) {
        Some(it) if !it.ready => MissingScore::Learning(it.ready_at),
        Some(it) if it.details.is_some() && is_recent() => MissingScore::NotStored,
        _ => MissingScore::Unknown,
    }
}

/// The host, and the other subjects that were, or are, unusual in the range.
fn subjects(
    episodes: &[EpisodeRecord],
    current: Option<&Arc<Report>>,
    only: Option<Subject>,
    range: TimeRange,
) -> (Vec<Subject>, usize) {
    if let Some(only) = only {
        return (vec![only], 0);
    }
    let (mut subjects, mut skipped) = (vec![Subject::Host], BTreeSet::new());
    let open = current.iter().flat_map(|it| &it.assessments).filter(|(_, it)| it.episode.is_some());
    let open: Vec<Subject> = open.map(|(subject, _)| subject.clone()).collect();
    let in_range = episodes.iter().rev().filter(|it| it.last_instant() >= range.from.0);
    let stored = in_range.filter_map(EpisodeRecord::subject);
    for subject in open.into_iter().chain(stored) {
        if subjects.contains(&subject) {
            continue;
        }
        if subjects.len() < SUBJECTS_MAX {
            subjects.push(subject);
        } else {
            skipped.insert(subject);
        }
    }
    (subjects, skipped.len())
}

/// The explanation of each subject of the newest report, without a store.
pub fn explain_current(
    newest: Option<&Arc<Report>>,
    only: Option<&Subject>,
    at: Option<Timestamp>,
    range: TimeRange,
    now: Timestamp,
) -> Explanation {
    let all = newest.iter().flat_map(|report| report.assessments.iter().map(move |it| (report, it)));
    let chosen = all.filter(|(_, (it, _))| only.is_none_or(|only| only == *it));
    let explained = chosen.map(|(report, (subject, it))| {
        let current = is_in_range(report, range, now).then_some((report.reading.at, it));
        let time = explained_time(current, range, now, 0.0);
        let missing = missing_score(newest, subject, range, now, None);
        let facts = SubjectEvidence { at, current, missing, time: Some(time), ..SubjectEvidence::default() };
        explanation::explain(subject, facts)
    });
    Explanation::new([range.from, range.to], explained.collect(), 0, SUBJECTS_MAX)
}

/// The newest episodes in a range, or shortly before it.
fn recent_episodes(reader: &StoreReader, range: TimeRange) -> Result<Vec<EpisodeRecord>, StoreError> {
    let from = Timestamp(range.from.0 - explanation::NEARBY_SECONDS);
    reader.episodes(None, TimeRange { from, to: range.to }, EPISODES_MAX)
}

/// What the store knows of a subject in a range; `at` is the instant asked about, if it is not the whole range.
///
/// # Errors
/// If the store cannot be read.
pub fn evidence(
    reader: &StoreReader,
    subject: &Subject,
    at: Option<Timestamp>,
    range: TimeRange,
) -> Result<SubjectEvidence<'static>, StoreError> {
    let mut evidence = SubjectEvidence { at, ..points(reader, subject, range)? };
    add_episodes(reader, subject, &recent_episodes(reader, range)?, range, &mut evidence)?;
    Ok(evidence)
}

/// The points of a subject in a range, without episodes.
///
/// # Errors
/// If the store cannot be read.
pub fn points(
    reader: &StoreReader,
    subject: &Subject,
    range: TimeRange,
) -> Result<SubjectEvidence<'static>, StoreError> {
    let mut found = points_of_each(reader, std::slice::from_ref(subject), range)?;
    Ok(found.pop().map(|it| it.evidence).unwrap_or_default())
}

/// The stored points of a subject.
struct StoredPoints {
    evidence: SubjectEvidence<'static>,
    /// Usual time from one of its points to the next, in seconds; 0 if unknown.
    point_seconds: f64,
}

/// The same of several subjects, in their order.
fn points_of_each(
    reader: &StoreReader,
    subjects: &[Subject],
    range: TimeRange,
) -> Result<Vec<StoredPoints>, StoreError> {
    let mut orders: Vec<_> = subjects.iter().map(|it| SignalOrder::of(it.kind())).collect();
    let mut spacings: Vec<_> = subjects.iter().map(|_| PointSpacing::default()).collect();
    let mut references: Vec<_> = subjects.iter().map(|_| DayRanges::default()).collect();
    let points_max = POINTS_MAX / subjects.len().max(1);
    let mut all: Vec<_> = subjects.iter().map(|_| ThinnedPoints::new(points_max)).collect();
    let before = Timestamp(range.from.0 - REFERENCE_SECONDS);
    let around = TimeRange { from: before, to: Timestamp(range.to.0 + POINT_SECONDS_MAX) };
    reader.points_of_each::<StoreError>(around, subjects, |idx, point| {
        let (order, points, spacing) = (&mut orders[idx], &mut all[idx], &mut spacings[idx]);
        if point.at > range.to {
            // A point has its time at its end: of a range without one, it is the next, if that began before the range ended.
            let began = point.at.0 - LATE_SHARE * spacing.seconds();
            if !points.is_empty() || range.to.0 <= began {
                return Ok(());
            }
        } else {
            spacing.push(point.at);
        }
        if point.at >= range.from {
            points.push(point.score, SignalValues { at: point.at, values: order.values(&point).collect() });
        } else if !point.in_episode {
            references[idx].add(order.values(&point));
        }
        Ok(())
    })?;
    let rest = references.into_iter().zip(orders).zip(spacings);
    let found = all.into_iter().zip(rest).map(|(points, ((reference, order), mut spacing))| {
        let (scores, points) = points.into_parts();
        let signals = order.signals;
        StoredPoints {
            evidence: SubjectEvidence { scores, signals, points, reference, ..SubjectEvidence::default() },
            point_seconds: spacing.seconds(),
        }
    });
    Ok(found.collect())
}

/// Adds the episodes of a subject to its evidence; `recent` are those of [`recent_episodes`].
fn add_episodes(
    reader: &StoreReader,
    subject: &Subject,
    recent: &[EpisodeRecord],
    range: TimeRange,
    evidence: &mut SubjectEvidence<'_>,
) -> Result<(), StoreError> {
    let until = TimeRange { from: TimeRange::ALL.from, to: range.to };
    evidence.earlier = reader.episodes(Some(subject), until, EPISODES_MAX)?;
    let in_range = |it: &&EpisodeRecord| it.last_instant() >= range.from.0;
    evidence.episodes = evidence.earlier.iter().filter(in_range).cloned().collect();
    if let Some(kind) = explanation::nearby_kinds(subject.kind().name()) {
        let near = |it: &&EpisodeRecord| it.began >= range.from.0 - explanation::NEARBY_SECONDS;
        evidence.others = recent.iter().filter(|it| it.kind == kind.name()).filter(near).cloned().collect();
    }
    add_scenes(reader, subject, evidence.at, &mut evidence.episodes)
}

/// The usual time from one point to the next.
#[derive(Default)]
struct PointSpacing {
    last: Option<Timestamp>,
    gaps: Vec<f64>,
    /// Their median, once it is asked for.
    median: Option<f64>,
}

impl PointSpacing {
    fn push(&mut self, at: Timestamp) {
        let before = self.last.replace(at);
        // A clock that was set back leaves no gap.
        self.gaps.extend(before.map(|it| at.0 - it.0).filter(|it| *it > 0.0));
        self.median = None;
    }

    /// In seconds; 0 before the second point.
    fn seconds(&mut self) -> f64 {
        let gaps = &mut self.gaps;
        *self.median.get_or_insert_with(|| {
            gaps.sort_by(f64::total_cmp);
            gaps.get(gaps.len() / 2).copied().unwrap_or(0.0)
        })
    }
}

/// Adds its scenes to the episode that is explained.
fn add_scenes(
    reader: &StoreReader,
    subject: &Subject,
    at: Option<Timestamp>,
    episodes: &mut [EpisodeRecord],
) -> Result<(), StoreError> {
    let main = explanation::main_episode(episodes, at).and_then(|idx| episodes.get_mut(idx));
    let Some(main) = main else { return Ok(()) };
    if let Some(whole) = reader.episode(subject, Timestamp(main.began))? {
        main.scenes = whole.scenes;
    }
    Ok(())
}

/// Brings the values of stored points into the order of these signals.
struct SignalOrder {
    signals: Vec<&'static Signal>,
    /// The names of the last point. Nearly all points share them, and to look each name up in each point would take longer
    /// than to read the points.
    names: Arc<[String]>,
    /// The place of each signal among these names.
    places: Vec<Option<usize>>,
}

impl SignalOrder {
    fn of(kind: SubjectKind) -> Self {
        let signals = sources::signals(|_| true).filter(|it| it.kind == kind).collect();
        Self { signals, names: Arc::default(), places: Vec::new() }
    }

    fn values(&mut self, point: &PointRow) -> impl Iterator<Item = Option<f64>> {
        if !Arc::ptr_eq(&self.names, &point.signals) {
            let place = |it: &&Signal| point.signals.iter().position(|name| name == it.name);
            self.places = self.signals.iter().map(place).collect();
            self.names = Arc::clone(&point.signals);
        }
        let value = |idx: usize| (!point.missing[idx]).then_some(point.values[idx]);
        self.places.iter().map(move |it| it.and_then(value))
    }
}
