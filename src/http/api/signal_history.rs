//! `GET /api/v1/readings`: stored values of a signal.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::query_steps::QuerySteps;
use super::signal_aliases;
use super::signals::unit_name;
use super::store_access::read_store;
use super::subject_parameter::subject;
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response, json};
use crate::reading::Subject;
use crate::store::{StoreError, StoreReader};

/// Stored values of one signal.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct SignalHistory {
    kind: &'static str,
    subject: String,
    /// Name of the signal, such as `cpu_busy_ratio`.
    metric: &'static str,
    /// The signal in words.
    title: &'static str,
    /// ratio, bytes, bytes_per_second, per_second, count, seconds or bits.
    unit: &'static str,
    /// Seconds from one value to the next.
    step: f64,
    /// A value for each step with a point, the oldest first.
    values: Vec<StepValue>,
}

/// The points of one step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(in crate::http) struct StepValue {
    /// Unix time of the last point, in seconds.
    timestamp: f64,
    /// Mean of the points.
    value: f64,
    /// Smallest point.
    min: f64,
    /// Largest point.
    max: f64,
    /// Whether a point is inside an episode.
    is_anomaly: bool,
    /// Number of points.
    points: u32,
}

pub(super) async fn readings(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let subject = subject(state, &request.query).await?;
    let signal = signal_aliases::signal(request.query.required("metric")?)?;
    let grid = QuerySteps::of(&request.query, (state.now)())?;
    let of = subject.clone();
    let values = read_store(state, move |reader| read(reader, &of, signal.name, grid)).await?;
    let history = SignalHistory {
        kind: subject.kind().name(),
        subject: subject.name().to_owned(),
        metric: signal.name,
        title: signal.title,
        unit: unit_name(signal.unit),
        step: grid.step,
        values,
    };
    json(StatusCode::OK, &history)
}

fn read(
    reader: &StoreReader,
    subject: &Subject,
    signal: &str,
    grid: QuerySteps,
) -> Result<Vec<StepValue>, StoreError> {
    let mut values: Vec<StepValue> = Vec::new();
    let mut step = None;
    reader.points::<StoreError>(grid.range, Some(subject), |point| {
        let Some(idx) = point.signals.iter().position(|it| it == signal) else { return Ok(()) };
        if point.missing[idx] {
            return Ok(());
        }
        let value = point.values[idx];
        let is_new = step.replace(grid.index(point.at)) != Some(grid.index(point.at));
        match values.last_mut().filter(|_| !is_new) {
            Some(last) => {
                last.points += 1;
                last.value += (value - last.value) / f64::from(last.points);
                (last.min, last.max) = (last.min.min(value), last.max.max(value));
                (last.timestamp, last.is_anomaly) = (point.at.0, last.is_anomaly || point.in_episode);
            }
            None => values.push(StepValue {
                timestamp: point.at.0,
                value,
                min: value,
                max: value,
                is_anomaly: point.in_episode,
                points: 1,
            }),
        }
        Ok(())
    })?;
    Ok(values)
}
