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
use crate::impact::{EpisodeSeverity, ResourceImpact};
use crate::report::{Assessment, EpisodeTemplate, SignalState, WithheldReason};

/// The assessment of a subject at its newest reading. An unknown value is absent.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Detection {
    /// Unix time of the reading, in seconds.
    timestamp: f64,
    kind: &'static str,
    subject: String,
    /// Whether the warm-up is over.
    ready: bool,
    /// Whether an episode is open and, with `metric`, whether this signal is part of it: outside its normal range, or among
    /// the signals that the description names.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_anomaly: Option<bool>,
    /// With `metric`, whether an episode of the subject is open, whatever its signals.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_is_anomaly: Option<bool>,
    /// Whether the open episode is worth an alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<bool>,
    /// Why the open episode is no alert although its score or impact would make it one: first_week, earlier_days (on a new host, twice before) or maintenance.
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_withheld: Option<&'static str>,
    /// The alert level: the score from which an episode is worth an alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_level: Option<f64>,
    /// Score of the subject, over all its signals; 1 is the unusual level.
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
    /// The processes whose use of a deviating resource grew most, largest growth first; empty if no process stands out.
    culprits: Vec<Culprit>,
    /// The masked templates that explain an open episode of a log, new templates first; else empty.
    templates: Vec<EpisodeTemplate>,
    /// Part of the work that waits for each resource, 0 to 1.
    impact: Vec<ImpactValue>,
    /// The detectors by name. Each detector scores all signals of the subject together, also with `metric`. A detector that
    /// abstains is absent. An episode depends on the score, not on the votes of the detectors, unless the setting `decide` is
    /// `vote`.
    methods: BTreeMap<&'static str, DetectorResult>,
    /// The signals: the requested one, or all.
    signals: Vec<SignalValue>,
    /// Value of the requested signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    /// Expected value of the requested signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_value: Option<f64>,
}

/// The part of the work that waits for a resource.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct ImpactValue {
    /// The resource.
    resource: Resource,
    /// Part of the work that waits: 0 if no work waits, 1 if all work waits.
    ratio: f64,
    /// Usual value of `ratio`; absent in the first minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<f64>,
}

/// The result of one detector.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct DetectorResult {
    /// Whether the score reached the threshold.
    is_anomaly: bool,
    /// Score of the subject divided by the detector's own threshold.
    score: f64,
    /// Always 1, because the score is divided by the threshold.
    threshold: f64,
    /// Whether the detector takes part in the vote that `confidence` counts.
    votes: bool,
    /// The value that this detector expects of the requested signal; absent for those that do not judge signal by signal.
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
    let wanted = request.query.get("metric").map(signal_aliases::signal).transpose()?;
    let report = newest(state)?;
    let assessment = assessment(&report, &subject)?;
    let chosen: Vec<&SignalState> = assessment
        .signals
        .iter()
        .filter(|it| wanted.is_none_or(|wanted| it.signal.name == wanted.name))
        .collect();
    if let (Some(wanted), true) = (wanted, chosen.is_empty()) {
        let detail = format!(
            "{} has no value of {} at this reading; its collector failed, is disabled, or needs a second reading",
            episode_text::name(&subject),
            wanted.name
        );
        return Err(ProblemDetails::new(StatusCode::NOT_FOUND, detail));
    }
    let requested = chosen.first().copied().filter(|_| wanted.is_some());
    let is_open = assessment.ready.then_some(assessment.episode.is_some());
    let detection = Detection {
        timestamp: report.reading.at.0,
        kind: subject.kind().name(),
        subject: subject.name().to_owned(),
        ready: assessment.ready,
        is_anomaly: match requested {
            Some(signal) => {
                is_open.and_then(|open| if open { is_part(signal, assessment) } else { Some(false) })
            }
            None => is_open,
        },
        subject_is_anomaly: is_open.filter(|_| requested.is_some()),
        alert: assessment.ready.then_some(assessment.is_alert()),
        alert_withheld: assessment.alert.and_then(|it| it.withheld).map(WithheldReason::name),
        alert_level: assessment.alert.map(|it| it.level),
        score: assessment.details.as_ref().map(|it| it.instant_score),
        confidence: assessment.details.as_ref().and_then(|it| it.confidence),
        episode: assessment.episode.map(|it| episode_text::id(&subject, it.since)),
        description: assessment.description.as_deref().map(str::to_owned),
        severity: assessment.severity.map(EpisodeSeverity::name),
        culprits: assessment.scene.as_ref().map(|it| it.culprits.clone()).unwrap_or_default(),
        templates: assessment.templates.to_vec(),
        impact: assessment.impact.iter().map(ImpactValue::of).collect(),
        methods: methods(assessment, requested),
        signals: chosen.iter().map(|it| SignalValue::of(it, assessment)).collect(),
        value: requested.map(|it| it.value),
        expected_value: requested.and_then(|it| it.expected).map(|it| it.value),
    };
    json(StatusCode::OK, &detection)
}

/// Whether a signal is part of the open episode; not known while it has no normal range and no part in the score.
fn is_part(signal: &SignalState, assessment: &Assessment) -> Option<bool> {
    let mut causes = assessment.details.iter().flat_map(|it| &it.causes);
    if causes.any(|it| it.signal.name == signal.signal.name) {
        return Some(true);
    }
    signal.expected.map(|it| !(it.lower..=it.upper).contains(&signal.value))
}

/// The detectors that have a score, with what each expects of the requested signal.
fn methods(
    assessment: &Assessment,
    requested: Option<&SignalState>,
) -> BTreeMap<&'static str, DetectorResult> {
    let Some(details) = &assessment.details else { return BTreeMap::new() };
    let expected = requested.map(|it| it.expected_by_detector).unwrap_or_default();
    let outputs = details.detectors.described().zip(expected.each());
    let results = outputs.filter_map(|((info, score), expected)| {
        let (score, expected_value) = ((*score)?, *expected);
        let votes = info.votes;
        Some((
            info.name,
            DetectorResult { is_anomaly: score >= 1.0, score, threshold: 1.0, votes, expected_value },
        ))
    });
    results.collect()
}
