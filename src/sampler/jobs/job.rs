//! What the jobs do: each from its data to its outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::queue::Lane;
use crate::detect::seasonal::{History, Profile};
use crate::engine::Engine;
use crate::model_registry::Version;
use crate::reading::{Kind, Subject};
use crate::reference_forest;
use crate::sampler::persist::record;
use crate::sampler::restore::{fold, forgotten, knows_forgotten};
use crate::sampler::throttle::Gate;
use crate::scorer::Past;
use crate::selftest::{Findings, Silent, Trial};
use crate::store::{Between, Bygone, Error, Reader};
use crate::training::{self, Model, TrainError, TrainingSet};

/// A piece of work, with all the data that it needs.
#[derive(Debug)]
pub(in crate::sampler) enum Job {
    Train {
        kind: Kind,
        set: TrainingSet,
        settings: training::Settings,
        seed: u64,
        is_urgent: bool,
    },
    /// Fit times of day and week.
    Fit {
        subject: Subject,
        history: History,
    },
    /// Look for injected faults in the last hour; the seed is that of the faults.
    Selftest {
        subject: Subject,
        trial: Box<Trial>,
        seed: u64,
    },
    /// Let a blank engine learn the points of these subjects in the store, but for this span and those that were forgotten
    /// before.
    Rebuild {
        blank: Box<Engine>,
        subjects: Vec<Subject>,
        directory: PathBuf,
        span: Between,
    },
    /// Read the states of subjects that are back, those in this format.
    LoadStates {
        directory: PathBuf,
        format: String,
        subjects: BTreeSet<Subject>,
    },
    LoadModel {
        directory: PathBuf,
        id: String,
    },
    /// Let a blank engine learn points that another server had.
    Backfill {
        blank: Box<Engine>,
        past: Bygone,
    },
}

/// The stored states of subjects, those that there are.
pub(in crate::sampler) type States = BTreeMap<Subject, Vec<u8>>;

/// Why a job has no result.
#[derive(Debug)]
pub(in crate::sampler) enum Failure<E> {
    Refused(E),
    Panicked,
}

/// The data that a job returns.
#[derive(Debug)]
pub(in crate::sampler) enum Outcome {
    Trained {
        kind: Kind,
        result: Result<Model, Failure<TrainError>>,
    },
    Fitted {
        subject: Subject,
        result: Result<Profile, Failure<Infallible>>,
    },
    Tested {
        subject: Subject,
        result: Result<Findings, Failure<Silent>>,
    },
    /// What learned, and the number of points.
    Rebuilt(Result<(Box<Engine>, usize), Failure<Error>>),
    /// Those states that there are.
    States(Result<States, Failure<Error>>),
    Loaded(Result<Box<Version>, Failure<String>>),
    /// What learned, and the points.
    Backfilled(Result<(Box<Engine>, Bygone), Failure<Infallible>>),
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Panicked => f.write_str("the job panicked; this is a defect of hostnorm"),
        }
    }
}

impl Job {
    /// What it does, in a word.
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

    /// Among which jobs it takes its turn.
    pub(super) fn lane(&self) -> Lane {
        match self {
            Self::Train { kind, is_urgent: false, .. } => Lane::Kind(*kind),
            Self::Fit { subject, .. } | Self::Selftest { subject, .. } => Lane::Subject(subject.clone()),
            _ => Lane::Urgent,
        }
    }

    pub(super) fn run(self, gate: &Gate) -> Outcome {
        match self {
            Self::Train { kind, set, settings, seed, .. } => Outcome::Trained {
                kind,
                result: guarded(|| reference_forest::train(&set, &settings, seed, &mut || gate.pass())),
            },
            Self::Fit { subject, history } => {
                Outcome::Fitted { subject, result: guarded(|| Ok(history.fit())) }
            }
            Self::Selftest { subject, trial, seed } => {
                Outcome::Tested { subject, result: guarded(|| trial.run(seed)) }
            }
            Self::Rebuild { blank, subjects, directory, span } => {
                Outcome::Rebuilt(guarded(|| rebuild(blank, &subjects, &directory, span)))
            }
            Self::LoadStates { directory, format, subjects } => {
                Outcome::States(guarded(|| load_states(&directory, &format, subjects)))
            }
            Self::LoadModel { directory, id } => Outcome::Loaded(guarded(|| load_model(&directory, &id))),
            Self::Backfill { mut blank, past } => Outcome::Backfilled(guarded(|| {
                let known = |it| Past { point: it, odd: false, weight: 1.0, score: None };
                let points: Vec<Past> = past.points.iter().cloned().map(known).collect();
                blank.warm(&past.subject, &points);
                Ok((blank, past))
            })),
        }
    }
}

impl Outcome {
    /// How the job ended, in a word for its span.
    pub(super) fn word(&self) -> &'static str {
        fn of<T, E>(result: &Result<T, Failure<E>>, refused: &'static str) -> &'static str {
            match result {
                Ok(_) => "done",
                Err(Failure::Refused(_)) => refused,
                Err(Failure::Panicked) => "panicked",
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

fn guarded<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<T, Failure<E>> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(Failure::Refused),
        Err(_) => Err(Failure::Panicked),
    }
}

fn rebuild(
    mut blank: Box<Engine>,
    subjects: &[Subject],
    directory: &Path,
    span: Between,
) -> Result<(Box<Engine>, usize), Error> {
    let reader = Reader::open(directory)?;
    let mut spans = forgotten(&reader)?;
    spans.push(span);
    let points = fold(&reader, &mut blank, subjects, &spans)?;
    Ok((blank, points))
}

fn load_states(directory: &Path, format: &str, subjects: BTreeSet<Subject>) -> Result<States, Error> {
    let reader = Reader::open(directory)?;
    let mut states = States::new();
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

fn load_model(directory: &Path, id: &str) -> Result<Box<Version>, String> {
    match Reader::open(directory).and_then(|it| it.model(id)) {
        Ok(Some(row)) => Version::from_record(&record(row))
            .map(Box::new)
            .map_err(|error| format!("model {id} cannot be read: {error}")),
        Ok(None) => Err(format!("model {id} is not in the store")),
        Err(error) => Err(error.to_string()),
    }
}
