//! What the jobs do: each from its data to its outcome.

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::queue::Lane;
use crate::detect::seasonal::{History, Profile};
use crate::engine::Engine;
use crate::reading::{Kind, Subject};
use crate::registry::Version;
use crate::sampler::persist::record;
use crate::sampler::restore::{fold, forgotten};
use crate::sampler::throttle::Gate;
use crate::scorer::Past;
use crate::selftest::{Findings, Silent, Trial};
use crate::store::{Archive, Between, Bygone, Error};
use crate::training::{self, Model, TrainError, TrainingSet};

/// A piece of work, with all the data that it needs.
#[derive(Debug)]
pub enum Job {
    /// Train a forest.
    Train {
        /// For this kind.
        kind: Kind,
        /// On these points.
        set: TrainingSet,
        /// How forests are grown.
        settings: training::Settings,
        /// The seed of its random numbers.
        seed: u64,
        /// Whether somebody waits for the model.
        is_urgent: bool,
    },
    /// Fit times of day and week.
    Fit {
        /// Of this subject.
        subject: Subject,
        /// By what was seen of it.
        history: History,
    },
    /// Look for injected faults in the last hour.
    Selftest {
        /// Of this subject.
        subject: Subject,
        /// A fork of its memory, and the hour.
        trial: Box<Trial>,
        /// The seed of the faults.
        seed: u64,
    },
    /// Learn the stored points once more, without those of a span.
    Rebuild {
        /// What is to learn them: knows nothing yet.
        blank: Box<Engine>,
        /// The directory of the store.
        directory: PathBuf,
        /// The span to forget, beside those that were forgotten before.
        span: Between,
    },
    /// Read a model from the store.
    LoadModel {
        /// The directory of the store.
        directory: PathBuf,
        /// The name of its version.
        id: String,
    },
    /// Learn points of the past that another server had.
    Backfill {
        /// What is to learn them: knows nothing yet.
        blank: Box<Engine>,
        /// The points.
        past: Bygone,
    },
}

/// Why a job has no result.
#[derive(Debug)]
pub enum Failure<E> {
    /// It says why.
    Refused(E),
    /// It panicked.
    Panicked,
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Panicked => f.write_str("the job panicked; this is a defect of hostnorm"),
        }
    }
}

/// The data that a job returns.
#[derive(Debug)]
pub enum Outcome {
    /// Of a training.
    Trained {
        /// For which kind.
        kind: Kind,
        /// The model.
        result: Result<Model, Failure<TrainError>>,
    },
    /// Of a fit.
    Fitted {
        /// Of which subject.
        subject: Subject,
        /// What is usual at each time.
        result: Result<Profile, Failure<Infallible>>,
    },
    /// Of a self-test.
    Tested {
        /// Of which subject.
        subject: Subject,
        /// What was found.
        result: Result<Findings, Failure<Silent>>,
    },
    /// Of learning again: what learned, and the number of points.
    Rebuilt(Result<(Box<Engine>, usize), Failure<Error>>),
    /// Of loading a model.
    Loaded(Result<Box<Version>, Failure<String>>),
    /// Of a backfill: what learned, and the points.
    Backfilled(Result<(Box<Engine>, Bygone), Failure<Infallible>>),
}

impl Job {
    /// What it does, in a word.
    pub fn task(&self) -> &'static str {
        match self {
            Self::Train { .. } => "train",
            Self::Fit { .. } => "fit",
            Self::Selftest { .. } => "selftest",
            Self::Rebuild { .. } => "rebuild",
            Self::LoadModel { .. } => "load_model",
            Self::Backfill { .. } => "backfill",
        }
    }

    /// Among which jobs it takes its turn.
    pub fn lane(&self) -> Lane {
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
                result: guarded(|| training::train_in_steps(&set, &settings, seed, &mut || gate.pass())),
            },
            Self::Fit { subject, history } => {
                Outcome::Fitted { subject, result: guarded(|| Ok(history.fit())) }
            }
            Self::Selftest { subject, trial, seed } => {
                Outcome::Tested { subject, result: guarded(|| trial.run(seed)) }
            }
            Self::Rebuild { blank, directory, span } => {
                Outcome::Rebuilt(guarded(|| rebuild(blank, &directory, span)))
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

fn rebuild(mut blank: Box<Engine>, directory: &Path, span: Between) -> Result<(Box<Engine>, usize), Error> {
    let archive = Archive::open(directory)?;
    let mut spans = forgotten(&archive)?;
    spans.push(span);
    let points = fold(&archive, &mut blank, &spans)?;
    Ok((blank, points))
}

fn load_model(directory: &Path, id: &str) -> Result<Box<Version>, String> {
    match Archive::open(directory).and_then(|it| it.model(id)) {
        Ok(Some(row)) => Version::from_record(&record(row))
            .map(Box::new)
            .map_err(|error| format!("model {id} cannot be read: {error}")),
        Ok(None) => Err(format!("model {id} is not in the store")),
        Err(error) => Err(error.to_string()),
    }
}
