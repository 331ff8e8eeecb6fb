//! The jobs: each turns its data into an outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::job_queue::JobLane;
use crate::detect::seasonal::{BucketHistory, SeasonalFits};
use crate::engine::Engine;
use crate::model_registry::ModelVersion;
use crate::reading::{Subject, SubjectKind};
use crate::sampler::job_throttle::JobGate;
use crate::sampler::persist::record;
use crate::sampler::restore::{forgotten, knows_forgotten, relearn_points};
use crate::scorer::HistoryPoint;
use crate::selftest::{InconclusiveReason, SelftestInput, SelftestResult};
use crate::store::{BackfillPoints, StoreError, StoreReader, TimeRange};
use crate::third_party_forest;
use crate::training::{self, TrainModelError, TrainedModel, TrainingSet};

/// A unit of work, with all the data that it needs.
#[derive(Debug)]
pub(in crate::sampler) enum Job {
    Train {
        kind: SubjectKind,
        set: TrainingSet,
        settings: training::TrainingSettings,
        seed: u64,
        is_urgent: bool,
    },
    /// Fits times of day and week.
    Fit {
        subject: Subject,
        history: BucketHistory,
    },
    /// Runs a self-test; the seed is that of the injected faults.
    Selftest {
        subject: Subject,
        selftest_input: Box<SelftestInput>,
        seed: u64,
    },
    /// Learns the stored points of these subjects with an empty engine, without this time range and those forgotten
    /// before.
    Rebuild {
        blank: Box<Engine>,
        subjects: Vec<Subject>,
        directory: PathBuf,
        span: TimeRange,
    },
    /// Loads the stored states of returning subjects, if they have this format.
    LoadStates {
        directory: PathBuf,
        format: String,
        subjects: BTreeSet<Subject>,
    },
    LoadModel {
        directory: PathBuf,
        id: String,
    },
    /// Learns the points from another server with an empty engine.
    Backfill {
        blank: Box<Engine>,
        past: BackfillPoints,
    },
}

/// Stored states, by subject.
pub(in crate::sampler) type SubjectStates = BTreeMap<Subject, Vec<u8>>;

/// Why a job failed.
#[derive(Debug)]
pub(in crate::sampler) enum JobFailure<E> {
    Refused(E),
    Panicked,
}

/// The result of a job.
#[derive(Debug)]
pub(in crate::sampler) enum JobOutcome {
    Trained {
        kind: SubjectKind,
        result: Result<TrainedModel, JobFailure<TrainModelError>>,
    },
    Fitted {
        subject: Subject,
        result: Result<SeasonalFits, JobFailure<Infallible>>,
    },
    Tested {
        subject: Subject,
        result: Result<SelftestResult, JobFailure<InconclusiveReason>>,
    },
    /// The rebuilt engine, and the number of points.
    Rebuilt(Result<(Box<Engine>, usize), JobFailure<StoreError>>),
    /// The states that are stored.
    States(Result<SubjectStates, JobFailure<StoreError>>),
    Loaded(Result<Option<Box<ModelVersion>>, JobFailure<String>>),
    /// The engine that learned the points, and the points.
    Backfilled(Result<(Box<Engine>, BackfillPoints), JobFailure<Infallible>>),
}

impl<E: fmt::Display> fmt::Display for JobFailure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Panicked => {
                f.write_str("the job panicked; this is a bug in hostnorm: report it with the log")
            }
        }
    }
}

impl Job {
    /// Name of the task, one word.
    pub(super) fn task(&self) -> &'static str {
        match self {
            Self::Train { .. } => "train",
            Self::Fit { .. } => "fit",
            Self::Selftest { .. } => "selftest",
            Self::Rebuild { .. } => "rebuild",
            Self::LoadStates { .. } => "load_states",
            Self::LoadModel { .. } => "load_model",
            Self::Backfill { .. } => "backfill",
        }
    }

    /// The lane in which the job takes its turn.
    pub(super) fn lane(&self) -> JobLane {
        match self {
            Self::Train { kind, is_urgent: false, .. } => JobLane::Kind(*kind),
            Self::Fit { subject, .. } | Self::Selftest { subject, .. } => JobLane::Subject(subject.clone()),
            _ => JobLane::Urgent,
        }
    }

    pub(super) fn run(self, gate: &JobGate) -> JobOutcome {
        match self {
            Self::Train { kind, set, settings, seed, .. } => JobOutcome::Trained {
                kind,
                result: guarded(|| third_party_forest::train(&set, &settings, seed, &mut || gate.pass())),
            },
            Self::Fit { subject, history } => {
                JobOutcome::Fitted { subject, result: guarded(|| Ok(history.fit())) }
            }
            Self::Selftest { subject, selftest_input, seed } => {
                JobOutcome::Tested { subject, result: guarded(|| selftest_input.run(seed)) }
            }
            Self::Rebuild { blank, subjects, directory, span } => {
                JobOutcome::Rebuilt(guarded(|| rebuild(blank, &subjects, &directory, span)))
            }
            Self::LoadStates { directory, format, subjects } => {
                JobOutcome::States(guarded(|| load_states(&directory, &format, subjects)))
            }
            Self::LoadModel { directory, id } => JobOutcome::Loaded(guarded(|| load_model(&directory, &id))),
            Self::Backfill { mut blank, past } => JobOutcome::Backfilled(guarded(|| {
                let known = |it| HistoryPoint { point: it, in_episode: false, weight: 1.0, score: None };
                let points: Vec<HistoryPoint> = past.points.iter().cloned().map(known).collect();
                blank.warm(&past.subject, &points);
                Ok((blank, past))
            })),
        }
    }
}

impl JobOutcome {
    /// The outcome in one word, for the span.
    pub(super) fn word(&self) -> &'static str {
        fn of<T, E>(result: &Result<T, JobFailure<E>>, refused: &'static str) -> &'static str {
            match result {
                Ok(_) => "done",
                Err(JobFailure::Refused(_)) => refused,
                Err(JobFailure::Panicked) => "panicked",
            }
        }
        match self {
            Self::Trained { result, .. } => of(result, "refused"),
            Self::Fitted { result, .. } => of(result, "failed"),
            Self::Tested { result, .. } => of(result, "inconclusive"),
            Self::Rebuilt(result) => of(result, "failed"),
            Self::States(result) => of(result, "failed"),
            Self::Loaded(result) => of(result, "failed"),
            Self::Backfilled(result) => of(result, "failed"),
        }
    }
}

impl JobOutcome {
    /// Why there is no result, and what to do; `None` if there is one.
    pub(super) fn reason(&self) -> Option<String> {
        fn of<T, E: fmt::Display>(result: &Result<T, JobFailure<E>>) -> Option<String> {
            result.as_ref().err().map(ToString::to_string)
        }
        match self {
            Self::Trained { result, .. } => of(result).map(|reason| match result {
                Err(JobFailure::Refused(error)) => format!("{reason}; {}", advice(error)),
                _ => reason,
            }),
            Self::Fitted { result, .. } => of(result),
            Self::Tested { result, .. } => of(result),
            Self::Rebuilt(result) => of(result),
            Self::States(result) => of(result),
            Self::Loaded(result) => of(result),
            Self::Backfilled(result) => of(result),
        }
    }
}

/// What to do about a training that was refused.
fn advice(error: &TrainModelError) -> &'static str {
    match error {
        TrainModelError::TooFewRows(_) => "wait for more readings, or train on more hours",
        TrainModelError::Forest(_) => "wait for more readings, and check the settings of the forest",
        TrainModelError::Blind { .. } => {
            "train again after some hours of ordinary load; hostnorm trains by itself as well"
        }
    }
}

fn guarded<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<T, JobFailure<E>> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(JobFailure::Refused),
        Err(_) => Err(JobFailure::Panicked),
    }
}

fn rebuild(
    mut blank: Box<Engine>,
    subjects: &[Subject],
    directory: &Path,
    span: TimeRange,
) -> Result<(Box<Engine>, usize), StoreError> {
    let reader = StoreReader::open(directory)?;
    let mut spans = forgotten(&reader)?;
    spans.push(span);
    let points = relearn_points(&reader, &mut blank, subjects, &spans)?;
    Ok((blank, points))
}

fn load_states(
    directory: &Path,
    format: &str,
    subjects: BTreeSet<Subject>,
) -> Result<SubjectStates, StoreError> {
    let mut states = SubjectStates::new();
    let reader = match StoreReader::open(directory) {
        // A store that could not be opened so far has no states, and the log says why it does not work.
        Err(StoreError::None { .. }) => return Ok(states),
        reader => reader?,
    };
    for subject in subjects {
        if let Some(it) = reader.subject_state(subject.kind(), subject.name())?
            && it.format == format
            && !knows_forgotten(&reader, it.at)?
        {
            states.insert(subject, it.bytes);
        }
    }
    Ok(states)
}

/// The version of this ID, to be made current; `None` if the store has no such version, or keeps it only to explain episodes.
fn load_model(directory: &Path, id: &str) -> Result<Option<Box<ModelVersion>>, String> {
    let row = StoreReader::open(directory).and_then(|it| it.model(id)).map_err(|error| error.to_string())?;
    let Some(row) = row.filter(|it| !it.is_only_for_episodes()) else { return Ok(None) };
    let version = ModelVersion::from_record(&record(row));
    version.map(|it| Some(Box::new(it))).map_err(|error| format!("model {id} cannot be read: {error}"))
}
