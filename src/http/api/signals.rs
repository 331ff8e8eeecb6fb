//! `GET /api/v1/signals`: the current value and normal range of each signal.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::newest_report::newest;
use super::subject_parameter::{live_subject, unknown};
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response, json};
use crate::reading::Subject;
use crate::report::{Assessment, Report, SignalState};
use crate::signal::SignalUnit;

/// The signals of one subject.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct SignalList {
    /// Unix time of the reading, in seconds.
    timestamp: f64,
    kind: &'static str,
    subject: String,
    /// The signals in the order of the documentation.
    signals: Vec<SignalValue>,
}

/// The current values of a signal. An unknown value is absent.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(in crate::http) struct SignalValue {
    /// Name of the signal, such as `cpu_busy_ratio`.
    pub(in crate::http) metric: &'static str,
    /// The signal in words.
    pub(in crate::http) title: &'static str,
    /// ratio, bytes, bytes_per_second, per_second, count, seconds or bits.
    pub(in crate::http) unit: &'static str,
    /// Mean over the current window.
    pub(in crate::http) value: f64,
    /// Expected value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) expected_value: Option<f64>,
    /// Lower end of the normal range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) lower: Option<f64>,
    /// Upper end of the normal range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) upper: Option<f64>,
    /// Whether the value is in its normal range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) in_range: Option<bool>,
    /// Part of the score that the signal causes; absent unless it is among the largest parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) contribution: Option<f64>,
}

impl SignalValue {
    /// The state of a signal within an assessment.
    pub(in crate::http) fn of(state: &SignalState, assessment: &Assessment) -> Self {
        let expected = state.expected;
        let parts = assessment.details.iter().flat_map(|it| &it.causes);
        let mut parts = parts.filter(|it| it.signal.name == state.signal.name);
        Self {
            metric: state.signal.name,
            title: state.signal.title,
            unit: unit_name(state.signal.unit),
            value: state.value,
            expected_value: expected.map(|it| it.value),
            lower: expected.map(|it| it.lower).filter(|it| it.is_finite()),
            upper: expected.map(|it| it.upper).filter(|it| it.is_finite()),
            in_range: expected.map(|it| (it.lower..=it.upper).contains(&state.value)),
            contribution: parts.next().map(|it| it.value),
        }
    }
}

/// The unit as the API names it.
pub(in crate::http) fn unit_name(unit: SignalUnit) -> &'static str {
    match unit {
        SignalUnit::Ratio => "ratio",
        SignalUnit::Bytes => "bytes",
        SignalUnit::BytesPerSecond => "bytes_per_second",
        SignalUnit::PerSecond => "per_second",
        SignalUnit::Count => "count",
        SignalUnit::Seconds => "seconds",
        SignalUnit::Bits => "bits",
    }
}

/// The assessment of a subject in a report.
pub(super) fn assessment<'a>(
    report: &'a Report,
    subject: &Subject,
) -> Result<&'a Assessment, ProblemDetails> {
    report.assessments.get(subject).ok_or_else(|| unknown(subject.kind().name(), subject.name()))
}

pub(super) async fn signals(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let subject = live_subject(state, &request.query)?;
    let report = newest(state)?;
    let assessment = assessment(&report, &subject)?;
    let list = SignalList {
        timestamp: report.reading.at.0,
        kind: subject.kind().name(),
        subject: subject.name().to_owned(),
        signals: assessment.signals.iter().map(|it| SignalValue::of(it, assessment)).collect(),
    };
    json(StatusCode::OK, &list)
}
