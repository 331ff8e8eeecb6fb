//! What the loop hands to the store: parts of a report, and what commands and trainings leave behind.

use std::sync::Arc;

use serde_json::json;

use super::import::Bygone;
use super::series::Series;
use crate::reading::{Reading, Subject, Timestamp};
use crate::report::{Episode, Judgement, Learned, Report, Turn};
use crate::sentence;

/// One thing to be written.
#[derive(Debug)]
pub enum Entry {
    /// A reading and what was concluded from it.
    Tick(Tick),
    /// What is normal of each signal.
    Baselines(Vec<Baseline>),
    /// The whole state.
    Snapshot(Snapshot),
    /// A model; one with the same id is replaced.
    Model(Model),
    /// What became of a model.
    ModelState {
        /// Which one.
        id: String,
        /// A word: current, shadow, kept, refused, …
        state: String,
    },
    /// A model that is not kept any longer.
    ModelGone {
        /// Which one.
        id: String,
    },
    /// Points of the past from elsewhere.
    Bygone(Bygone),
    /// Something happened to hostnorm itself.
    Marker(Marker),
}

/// A reading and what was concluded from it.
#[derive(Debug)]
pub struct Tick {
    pub(super) at: Timestamp,
    /// Whose values these are.
    pub(super) series: Series,
    pub(super) values: Arc<[f64]>,
    pub(super) judged: Vec<Judged>,
}

/// What was concluded of one subject.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) subject: Subject,
    pub(super) point: Option<Arc<Learned>>,
    pub(super) momentary: Option<f64>,
    pub(super) confidence: Option<f64>,
    pub(super) episode: Option<Episode>,
    pub(super) turn: Option<Turn>,
    /// The description of the episode under way.
    pub(super) description: Option<Arc<str>>,
    /// Its causes as JSON, with each new description.
    pub(super) causes: Option<String>,
}

/// What is normal of one signal, in its unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Of whom.
    pub subject: Subject,
    /// Name of the signal.
    pub signal: String,
    /// Adaptive mean.
    pub mean: f64,
    /// Adaptive standard deviation, the noise floor included.
    pub deviation: f64,
    /// Smallest value outside episodes.
    pub min: f64,
    /// Largest value outside episodes.
    pub max: f64,
    /// Points learned, in whole points.
    pub points: f64,
    /// When it was learned last.
    pub at: Timestamp,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

/// The whole state of the engine at an instant, as bytes that the store does not look into.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// When.
    pub at: Timestamp,
    /// Only a program that asks for the same format can use it.
    pub format: String,
    /// The model that was installed.
    pub model: Option<String>,
    /// What changed the state besides readings, such as a new model: from readings alone it cannot be made again.
    pub cause: Option<String>,
    /// The state.
    pub bytes: Vec<u8>,
}

/// A trained model with its card.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its time-stamped id.
    pub id: String,
    /// Of which kind of subjects.
    pub kind: String,
    /// When it was made.
    pub created: Timestamp,
    /// A word: current, shadow, kept, refused, …
    pub state: String,
    /// What is known of it, as JSON.
    pub card: String,
    /// Of the bytes.
    pub digest: String,
    /// How the bytes are to be read.
    pub format: i64,
    /// The model.
    pub bytes: Vec<u8>,
}

/// Something that happened to hostnorm itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Marker {
    /// When.
    pub at: Timestamp,
    /// A word: learning, forget, …
    pub kind: String,
    /// More about it.
    pub text: String,
}

impl Tick {
    /// What is kept of a report; `series` are those of the reading before, and of this one then.
    pub(super) fn of(report: &Report, series: &mut Series) -> Self {
        let judged = report.concluded().map(|(subject, it)| Judged::of(subject, it)).collect();
        Self::new(&report.reading, judged, series)
    }

    pub(super) fn new(reading: &Reading, judged: Vec<Judged>, series: &mut Series) -> Self {
        series.follow(reading);
        Self { at: reading.at, series: series.clone(), values: series.values(reading), judged }
    }
}

impl Judged {
    fn of(subject: &Subject, judgement: &Judgement) -> Self {
        let opinion = judgement.opinion.as_ref();
        let described = matches!(judgement.turn, Some(Turn::Began | Turn::Changed));
        Self {
            subject: subject.clone(),
            point: judgement.point.clone(),
            momentary: opinion.map(|it| it.momentary),
            confidence: opinion.and_then(|it| it.confidence),
            episode: judgement.episode,
            turn: judgement.turn,
            description: judgement.description.clone(),
            causes: described.then(|| causes(judgement)),
        }
    }
}

/// The signals that the description names, with what was expected of them, as JSON.
fn causes(judgement: &Judgement) -> String {
    let absent = judgement.absent.iter().map(|it| {
        json!({
            "signal": it.signal.name, "absence": it.kind.name(), "seconds": it.seconds,
            "usual_seconds": it.usual,
        })
    });
    let causes = sentence::causes(judgement).into_iter().map(|it| {
        let (state, expected) = (it.state, it.state.expected);
        // JSON has no infinity; a bound that is none becomes null.
        json!({
            "signal": state.signal.name, "direction": it.contribution.direction.name(),
            "contribution": it.contribution.value, "value": state.value,
            "expected": expected.map(|it| it.value), "lower": expected.map(|it| it.lower),
            "upper": expected.map(|it| it.upper),
        })
    });
    serde_json::Value::Array(absent.chain(causes).collect()).to_string()
}
