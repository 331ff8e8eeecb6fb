//! Restores models and state from the store after a restart, and replays the readings since.

use std::collections::BTreeMap;

use super::log_episode_templates::{self, StoredTemplates};
use super::maintenance_commands;
use super::persist::{PersistentState, SNAPSHOT_SECONDS, record};
use super::verdicts;
use crate::clock;
use crate::detect::exponential_moments::SignalMoments;
use crate::engine::Engine;
use crate::maintenance::ManualMaintenance;
use crate::metric::Metric;
use crate::model_registry::{ModelRegistry, ModelVersion};
use crate::reading::{Subject, SubjectKind, SubjectTurnover, Timestamp};
use crate::scorer::HistoryPoint;
use crate::store::{self, BORROWED, IMPORTED, MarkerRow, PointRow, StoreError, StoreReader, TimeRange};
use crate::window::Point;

/// Kind of the markers for forgotten time ranges.
const FORGET: &str = "forget";

/// Seconds between a snapshot and the newest reading beyond which learning stored points is faster than replaying
/// readings.
const SNAPSHOT_AGE_MAX: f64 = 1.25 * SNAPSHOT_SECONDS;

/// Seconds of recent points that are learned again for a subject of a changing population after a `forget`.
const RELEARN_SECONDS: f64 = 86_400.0;

/// The source of the restored state.
#[derive(Debug, Clone, Copy, PartialEq)]
enum RestoreSource {
    /// A snapshot and this number of readings after it; bit for bit.
    Snapshot(usize),
    /// This number of points.
    Points(usize),
}

/// The state restored from the store.
#[derive(Debug)]
pub struct RestoredEngine {
    /// The engine with its learned state.
    pub engine: Engine,
    /// The models.
    pub registry: ModelRegistry,
    source: RestoreSource,
    /// The maintenance that was started and may not be over.
    pub started: Option<ManualMaintenance>,
    /// The templates of the episodes of logs that were open.
    pub templates: Vec<StoredTemplates>,
    /// Whether points of the host are stored.
    pub knows_host: bool,
}

/// Restores models and state from a store, for [`Store::open`](store::Store::open). It starts from the engine and
/// registry that `blank` returns, and passes the result to `found`, or `None` if the store cannot be read. `metrics`
/// are those that readings may contain.
pub fn restore(
    blank: impl Fn() -> (Engine, ModelRegistry) + Send + 'static,
    metrics: Vec<&'static Metric>,
    mut found: impl FnMut(Option<Box<RestoredEngine>>) + Send + 'static,
) -> store::Restore {
    Box::new(move |reader| {
        let restored = match reader {
            Ok(reader) => {
                let (engine, registry) = blank();
                let knows_host = reader.newest_point(&Subject::Host)?.is_some();
                let started = maintenance_commands::started(reader)?;
                let source = RestoreSource::Points(0);
                let templates = log_episode_templates::stored(reader)?;
                let mut restored =
                    RestoredEngine { engine, registry, source, started, templates, knows_host };
                restored.restore_all(reader, &metrics)?;
                if !knows_host && let Some(known) = borrowed_statistics(reader)? {
                    restored.engine.set_host_prior(SubjectKind::Host, &known);
                }
                Some(Box::new(restored))
            }
            // The store has already logged that it cannot be opened, but not that it cannot be read.
            Err(error @ StoreError::None { .. }) => {
                tracing::debug!(%error, "no state restored");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "stored state unreadable; learning from live data until it can be read");
                None
            }
        };
        found(restored);
        Ok(())
    })
}

impl PersistentState {
    /// Continues from the restored state. `is_live` means that readings were scored before it arrived: the window and
    /// the current episode then stay, or everything is saved if the store is empty.
    pub(super) fn resume_from(&mut self, restored: RestoredEngine, is_live: bool) {
        let RestoredEngine { engine, registry, source, started, .. } = restored;
        // A command that came before the stored state is newer.
        if let Some(started) = started.filter(|_| !self.maintenance.is_commanded()) {
            self.maintenance.start(started);
        }
        if !is_live {
            (self.engine, self.registry) = (engine, registry);
        } else if source == RestoreSource::Points(0) {
            self.save_all();
        } else {
            self.registry = registry;
            let kinds: Vec<SubjectKind> = self.engine.kinds().collect();
            kinds.into_iter().for_each(|kind| self.install(kind));
            self.engine.take_over(engine);
            self.save_snapshot(Some("restored"));
        }
    }
}

impl RestoredEngine {
    fn restore_all(&mut self, reader: &StoreReader, metrics: &[&'static Metric]) -> Result<(), StoreError> {
        let started = clock::instant();
        self.restore_models(reader)?;
        let learning = reader.is_learning()?;
        self.source = match self.restore_snapshot(reader, metrics)? {
            Some(readings) => RestoreSource::Snapshot(readings),
            None => {
                let single = |it: &Subject| it.kind().turnover() == SubjectTurnover::Permanent;
                let subjects: Vec<Subject> = reader.subjects()?.into_iter().filter(single).collect();
                RestoreSource::Points(relearn_points(
                    reader,
                    &mut self.engine,
                    &subjects,
                    &forgotten(reader)?,
                )?)
            }
        };
        self.resume_counters(reader, metrics)?;
        self.engine.set_learning(learning);
        verdicts::recall(reader, &mut self.engine)?;
        let seconds = started.elapsed().as_secs_f64();
        match self.source {
            RestoreSource::Points(0) => {}
            RestoreSource::Points(points) => {
                tracing::info!(points, duration_seconds = seconds, "state rebuilt from stored points");
            }
            RestoreSource::Snapshot(readings) => tracing::info!(
                readings,
                duration_seconds = seconds,
                "state restored from the last snapshot and the readings after it"
            ),
        }
        if !learning {
            tracing::warn!("learning is off; run hostnorm learn on to resume it");
        }
        Ok(())
    }

    fn restore_models(&mut self, reader: &StoreReader) -> Result<(), StoreError> {
        for row in reader.models()? {
            let id = row.id.clone();
            match ModelVersion::from_record(&record(row)) {
                Ok(version) => self.registry.restore(version),
                Err(error) => tracing::warn!(model = id, %error, "stored model unusable"),
            }
        }
        let kinds: Vec<SubjectKind> = self.engine.kinds().collect();
        for kind in kinds {
            if let Some(current) = self.registry.current(kind) {
                self.engine.install(kind, current.eif());
                self.engine.compare_with(kind, &current.model.reference);
                self.engine.trained_at(kind, current.created);
            }
            if let Some(shadow) = self.registry.shadow(kind) {
                self.engine.start_shadow(kind, shadow.eif());
            }
        }
        Ok(())
    }

    /// Continues counters where the newest readings left them.
    fn resume_counters(
        &mut self,
        reader: &StoreReader,
        metrics: &[&'static Metric],
    ) -> Result<(), StoreError> {
        let is_permanent = |it: &Subject| it.kind().turnover() == SubjectTurnover::Permanent;
        let is_replayed = self.engine.at() != Timestamp::default();
        for mut reading in reader.newest_readings(metrics)? {
            if is_replayed {
                reading.subjects.retain(|it, _| !is_permanent(it));
            }
            self.engine.resume_counters(&reading);
            if !is_replayed {
                // Counters begin anew at a boot, which only the reading before it tells.
                reading.subjects.retain(|it, _| is_permanent(it));
                self.engine.set_previous(reading.into());
            }
        }
        self.engine.resume_counter_offsets(&reader.counter_offsets(metrics)?);
        Ok(())
    }

    /// Restores the newest snapshot and replays the readings after it; returns their number, or `None` if that is not
    /// possible.
    fn restore_snapshot(
        &mut self,
        reader: &StoreReader,
        metrics: &[&'static Metric],
    ) -> Result<Option<usize>, StoreError> {
        let Some(snapshot) = reader.snapshot(&Engine::snapshot_format())? else { return Ok(None) };
        let at = snapshot.row.at;
        let newest = reader.newest_reading()?.unwrap_or(at);
        if reader.is_marked_since(&snapshot, FORGET)?
            || reader.is_marked_since(&snapshot, IMPORTED)?
            || newest.0 - at.0 > SNAPSHOT_AGE_MAX
        {
            return Ok(None);
        }
        if let Err(reason) = self.engine.restore(&snapshot.row.bytes) {
            tracing::info!(%reason, "snapshot not used; rebuilding from stored points");
            return Ok(None);
        }
        let mut count = 0;
        reader.readings_since::<StoreError>(&snapshot, metrics, |is_after, mut reading| {
            // Subjects of changing populations have their own stored states of other times; the first tick requests
            // them.
            reading.subjects.retain(|it, _| it.kind().turnover() == SubjectTurnover::Permanent);
            if is_after && reading.at != at {
                self.engine.replay(reading);
                count += 1;
            } else {
                self.engine.resume_from(reading.into());
            }
            Ok(())
        })?;
        Ok(Some(count))
    }
}

/// The marker for the statistics of another host, by the names of its signals.
pub fn borrowed_marker(at: Timestamp, known: &BTreeMap<String, SignalMoments>) -> MarkerRow {
    let row = |(name, it): (&String, &SignalMoments)| (name.clone(), [it.mean, it.variance, it.points]);
    let rows: BTreeMap<String, [f64; 3]> = known.iter().map(row).collect();
    let text = serde_json::to_string(&rows).unwrap_or_default();
    MarkerRow { at, kind: BORROWED.into(), text }
}

/// The statistics of another host, if they were borrowed.
fn borrowed_statistics(reader: &StoreReader) -> Result<Option<BTreeMap<String, SignalMoments>>, StoreError> {
    let Some(marker) = reader.markers(BORROWED)?.pop() else { return Ok(None) };
    let rows = serde_json::from_str::<BTreeMap<String, [f64; 3]>>(&marker.text).unwrap_or_default();
    let known = |(name, [mean, variance, points]): (String, [f64; 3])| {
        let is_valid = mean.is_finite() && variance.is_finite() && variance >= 0.0 && points >= 0.0;
        is_valid.then(|| (name, SignalMoments { mean, variance, points, ..SignalMoments::default() }))
    };
    Ok(Some(rows.into_iter().filter_map(known).collect()))
}

/// The marker for a forgotten time range.
pub fn forget_marker(at: Timestamp, span: TimeRange) -> MarkerRow {
    MarkerRow { at, kind: FORGET.into(), text: format!("{} {}", span.from.0, span.to.0) }
}

/// The forgotten time ranges.
pub(super) fn forgotten(reader: &StoreReader) -> Result<Vec<TimeRange>, StoreError> {
    Ok(reader.markers(FORGET)?.iter().filter_map(|it| span(&it.text)).collect())
}

fn span(text: &str) -> Option<TimeRange> {
    let (from, to) = text.split_once(' ')?;
    Some(TimeRange { from: Timestamp(from.parse().ok()?), to: Timestamp(to.parse().ok()?) })
}

/// Learns the stored points of these subjects without the forgotten ones; returns their number. A subject without
/// points starts as a new one.
pub(super) fn relearn_points(
    reader: &StoreReader,
    engine: &mut Engine,
    subjects: &[Subject],
    forgotten: &[TimeRange],
) -> Result<usize, StoreError> {
    let mut points = 0;
    for subject in subjects {
        let found = relearn_subject(reader, engine, subject, forgotten)?;
        if found == 0 {
            engine.reset_learned_state(subject);
        }
        points += found;
    }
    Ok(points)
}

fn relearn_subject(
    reader: &StoreReader,
    engine: &mut Engine,
    subject: &Subject,
    forgotten: &[TimeRange],
) -> Result<usize, StoreError> {
    let names = names(engine, subject);
    let Some(until) = reader.newest_point(subject)? else { return Ok(0) };
    let Some(mut warming) = engine.start_state_rebuild(subject, until) else { return Ok(0) };
    let seconds = match subject.kind().turnover() {
        SubjectTurnover::Permanent => f64::INFINITY,
        SubjectTurnover::Changing => RELEARN_SECONDS,
    };
    let between = TimeRange { from: Timestamp(until.0 - seconds), ..TimeRange::ALL };
    each_point(reader, subject, &names, between, forgotten, |past| warming.push(past))?;
    Ok(warming.finish())
}

/// Whether a state stored at this time includes points that were forgotten later.
pub(super) fn knows_forgotten(reader: &StoreReader, at: Timestamp) -> Result<bool, StoreError> {
    let later = reader.markers(FORGET)?.into_iter().filter(|it| it.at.0 >= at.0);
    Ok(later.filter_map(|it| span(&it.text)).any(|it| it.from.0 <= at.0))
}

/// Learns the stored points of a subject, and passes the scores of the last `seconds` to `judged`: with the current
/// and with the shadow model.
///
/// # Errors
/// If the store cannot be read.
pub fn rescore_points(
    reader: &StoreReader,
    engine: &mut Engine,
    subject: &Subject,
    seconds: f64,
    mut judged: impl FnMut([f64; 2]),
) -> Result<(), StoreError> {
    let names = names(engine, subject);
    let Some(until) = reader.newest_point(subject)? else { return Ok(()) };
    let Some(mut warming) = engine.start_state_rebuild(subject, until) else { return Ok(()) };
    each_point(reader, subject, &names, TimeRange::ALL, &forgotten(reader)?, |past| {
        if until.0 - past.point.at.0 > seconds {
            warming.push(past);
        } else if let Some(scores) = warming.judge(past) {
            judged(scores);
        }
    })
}

fn names(engine: &Engine, subject: &Subject) -> Vec<&'static str> {
    engine.signals(subject.kind()).iter().map(|it| it.name).collect()
}

/// The stored points of a subject without the forgotten ones, oldest first, with the values of these signals.
fn each_point(
    reader: &StoreReader,
    subject: &Subject,
    names: &[&str],
    between: TimeRange,
    forgotten: &[TimeRange],
    mut each: impl FnMut(&HistoryPoint),
) -> Result<(), StoreError> {
    let mut columns = Columns::default();
    let mut past = HistoryPoint { point: Point::unknown(names.len()), ..HistoryPoint::default() };
    reader.points::<StoreError>(between, Some(subject), |row| {
        if !forgotten.iter().any(|it| it.from <= row.at && row.at <= it.to) && row.weight > 0.0 {
            columns.read(&row, names, &mut past);
            each(&past);
        }
        Ok(())
    })?;
    Ok(())
}

/// Maps the values of a row to signals; rows of another version may have others, or another order.
#[derive(Debug, Default)]
struct Columns {
    names: Vec<String>,
    places: Vec<Option<usize>>,
}

impl Columns {
    fn read(&mut self, row: &PointRow, names: &[&str], past: &mut HistoryPoint) {
        if self.names[..] != row.signals[..] {
            self.names = row.signals.to_vec();
            self.places = names.iter().map(|name| row.signals.iter().position(|it| it == name)).collect();
        }
        let HistoryPoint { point, in_episode, weight, score } = past;
        (point.at, *in_episode, *weight, *score) = (row.at, row.in_episode, row.weight, row.score);
        let own = point.values.iter_mut().zip(&mut point.missing);
        for ((value, missing), place) in own.zip(&self.places) {
            let found = place.and_then(|it| Some((*row.values.get(it)?, *row.missing.get(it)?)));
            (*value, *missing) = found.unwrap_or((0.0, true));
        }
    }
}
