//! `GET /api/v1/detect`: the current assessment of a subject, detector by detector.

use std::collections::BTreeMap;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::newest_report::newest;
use super::signal_aliases;
use super::signals::{SignalValue, assessment};
use super::subject_parameter::live_subject;
use crate::culprit::{Culprit, Resource};
use crate::episode_text;
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response, json};
use crate::impact::{ResourceImpact, Severity};
use crate::report::EpisodeTemplate;

/// The assessment of a subject at its newest reading. What is not known is absent.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Detection {
    /// Unix time of the reading, in seconds.
    timestamp: f64,
    kind: &'static str,
    subject: String,
    /// Whether the warm-up is over.
    ready: bool,
    /// Whether an episode is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_anomaly: Option<bool>,
    /// Whether the open episode is worth an alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<bool>,
    /// The alert level: the score from which an episode is worth an alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_level: Option<f64>,
    /// Score of the subject; 1 is the unusual level.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// Share of the voting detectors (`methods` with `votes`) that agree with the majority of them, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    /// Identifier of the open episode.
    #[serde(skip_serializing_if = "Option::is_none")]
    episode: Option<String>,
    /// The open episode in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Severity of the open episode by its impact: info, warning or critical.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    /// Who uses most of what deviates in the open episode, the first one ahead; empty if nobody stands out.
    culprits: Vec<Culprit>,
    /// The masked kinds of lines that explain the open episode, new ones first; empty for all but logs.
    templates: Vec<EpisodeTemplate>,
    /// Part of the work that waits for each resource, 0 to 1.
    impact: Vec<ImpactValue>,
    /// The detectors by name; they judge all signals together. One that abstains is absent. `is_anomaly` follows from the
    /// score, not from their vote, unless the setting `decide` is `vote`.
    methods: BTreeMap<&'static str, MethodResult>,
    /// The signals: the requested one, or all.
    signals: Vec<SignalValue>,
    /// Value of the requested signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
}

/// How much work waits for a resource.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct ImpactValue {
    /// The resource.
    resource: Resource,
    /// 0 if nothing waits, 1 if all work stands still.
    ratio: f64,
    /// Its usual value; absent in the first minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<f64>,
}

/// The result of one detector.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct MethodResult {
    /// Whether the score reached the threshold.
    is_anomaly: bool,
    /// Score divided by the detector's own threshold.
    score: f64,
    /// Always 1, because the score is divided by the threshold.
    threshold: f64,
    /// Whether the detector takes part in the vote that `confidence` counts.
    votes: bool,
    /// Expected value of the requested signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_value: Option<f64>,
}

impl ImpactValue {
    fn of(it: &ResourceImpact) -> Self {
        Self { resource: it.resource, ratio: it.ratio, expected: it.usual }
    }
}

pub(super) async fn detect(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let subject = live_subject(state, &request.query)?;
    let wanted = request.query.text("metric").map(signal_aliases::signal).transpose()?;
    let report = newest(state)?;
    let assessment = assessment(&report, &subject)?;
    let chosen =
        assessment.signals.iter().filter(|it| wanted.is_none_or(|wanted| it.signal.name == wanted.name));
    let signals: Vec<SignalValue> = chosen.map(|it| SignalValue::of(it, assessment)).collect();
    if let (Some(wanted), true) = (wanted, signals.is_empty()) {
        let detail = format!(
            "{} has no value of {} at this reading; its collector failed, is disabled, or needs a second reading",
            episode_text::name(&subject),
            wanted.name
        );
        return Err(ProblemDetails::new(StatusCode::NOT_FOUND, detail));
    }
    let requested = signals.first().filter(|_| wanted.is_some());
    let expected_value = requested.and_then(|it| it.expected_value);
    let methods =
        assessment.details.iter().flat_map(|it| it.detectors.described()).filter_map(|(info, score)| {
            let score = (*score)?;
            Some((
                info.name,
                MethodResult {
                    is_anomaly: score >= 1.0,
                    score,
                    threshold: 1.0,
                    votes: info.votes,
                    expected_value,
                },
            ))
        });
    let detection = Detection {
        timestamp: report.reading.at.0,
        kind: subject.kind().name(),
        subject: subject.name().to_owned(),
        ready: assessment.ready,
        is_anomaly: assessment.ready.then_some(assessment.episode.is_some()),
        alert: assessment.ready.then_some(assessment.is_alert()),
        alert_level: assessment.alert.map(|it| it.level),
        score: assessment.details.as_ref().map(|it| it.score),
        confidence: assessment.details.as_ref().and_then(|it| it.confidence),
        episode: assessment.episode.map(|it| episode_text::id(&subject, it.since)),
        description: assessment.description.as_deref().map(str::to_owned),
        severity: assessment.severity.map(Severity::name),
        culprits: assessment.scene.as_ref().map(|it| it.culprits.clone()).unwrap_or_default(),
        templates: assessment.templates.to_vec(),
        impact: assessment.impact.iter().map(ImpactValue::of).collect(),
        methods: methods.collect(),
        value: requested.map(|it| it.value),
        signals,
    };
    json(StatusCode::OK, &detection)
}
