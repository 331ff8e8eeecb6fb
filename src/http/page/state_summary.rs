//! The state of a subject in one sentence and a few numbers: the head of the page, and the events that renew it.

use serde::Serialize;

use super::time_text;
use crate::episode_text;
use crate::reading::Subject;
use crate::report::{Assessment, EpisodeCircumstances, Report, WithheldReason};

/// The state of a subject at one reading. What is not known is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::http) struct StateSummary {
    /// Unix time of the reading, in seconds.
    pub(in crate::http) at: f64,
    /// learning, normal or anomaly.
    pub(in crate::http) state: &'static str,
    /// Score of the subject; 1 is the unusual level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) score: Option<f64>,
    /// Share of the votes of the detectors that agree, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) confidence: Option<f64>,
    /// Whether an episode is open.
    pub(in crate::http) is_anomaly: bool,
    /// Whether it is worth an alert.
    pub(in crate::http) alert: bool,
    /// The state in words; the same as long as nothing new is to be said, because it is read aloud.
    pub(in crate::http) sentence: String,
}

impl StateSummary {
    /// The state in a report; absent for a subject that is not in it.
    pub(in crate::http) fn of(report: &Report, subject: &Subject) -> Option<Self> {
        let assessment = report.assessments.get(subject)?;
        Some(Self {
            at: report.reading.at.0,
            state: state(assessment),
            score: assessment.details.as_ref().map(|it| it.instant_score),
            confidence: assessment.details.as_ref().and_then(|it| it.confidence),
            is_anomaly: assessment.episode.is_some(),
            alert: assessment.is_alert(),
            sentence: sentence(subject, assessment),
        })
    }
}

fn state(assessment: &Assessment) -> &'static str {
    match (&assessment.episode, &assessment.details) {
        (Some(_), _) => "anomaly",
        (None, Some(_)) => "normal",
        (None, None) => "learning",
    }
}

fn sentence(subject: &Subject, assessment: &Assessment) -> String {
    let EpisodeCircumstances { maintenance, silenced } = assessment.current_circumstances;
    let mut text = without_circumstances(subject, assessment);
    if maintenance {
        text.push_str(". A maintenance window is active");
    }
    if silenced {
        text.push_str(". A silence of Alertmanager is active");
    }
    text
}

fn without_circumstances(subject: &Subject, assessment: &Assessment) -> String {
    let name = episode_text::name(subject);
    match (state(assessment), assessment.ready) {
        ("anomaly", _) => match &assessment.description {
            Some(description) if assessment.is_alert() => format!("{description}. This is worth an alert"),
            Some(description) => match assessment.alert.and_then(|it| it.withheld) {
                Some(WithheldReason::FirstWeek) => {
                    format!("{description}. No alert: it was often like this in its first week")
                }
                Some(WithheldReason::EarlierDays) => {
                    format!("{description}. No alert: it was like this before")
                }
                // The maintenance window is named anyway.
                Some(WithheldReason::Maintenance) | None => description.to_string(),
            },
            None => format!("Anomaly on {name}"),
        },
        ("normal", _) => format!("Nothing is unusual on {name}"),
        (_, false) => {
            let at = time_text::minute(assessment.ready_at.0);
            format!("Learning what is normal on {name}; the first score comes at {at} UTC")
        }
        (_, true) => format!("No score of {name} after a gap in its readings; the next one comes soon"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Timestamp;
    use crate::report::{AlertState, Episode, ScoreDetails};

    fn check(assessment: &Assessment, expect: (&str, &str)) {
        assert_eq!((state(assessment), &*sentence(&Subject::Host, assessment)), expect);
    }

    #[test]
    fn says_how_a_subject_is() {
        let learning = Assessment { ready_at: Timestamp(1_795_255_200.0), ..Assessment::default() };
        let text = "Learning what is normal on host; the first score comes at 10:00 UTC";
        check(&learning, ("learning", text));
        let text = "No score of host after a gap in its readings; the next one comes soon";
        check(&Assessment { ready: true, ..learning }, ("learning", text));
        let details = Some(ScoreDetails { score: 0.25, ..ScoreDetails::default() });
        let normal = Assessment { ready: true, details, ..Assessment::default() };
        check(&normal, ("normal", "Nothing is unusual on host"));
        let current_circumstances = EpisodeCircumstances { maintenance: true, silenced: true };
        let text =
            "Nothing is unusual on host. A maintenance window is active. A silence of Alertmanager is active";
        check(&Assessment { current_circumstances, ..normal.clone() }, ("normal", text));
        let episode = Some(Episode { since: Timestamp(958.0), peak: 2.0, lasted: 0.0 });
        let unnamed = Assessment { episode, ..normal };
        check(&unnamed, ("anomaly", "Anomaly on host"));
        let description = Some("Anomaly on host: swapping 3".into());
        let unusual = Assessment { description, ..unnamed };
        check(&unusual, ("anomaly", "Anomaly on host: swapping 3"));
        let alert = Some(AlertState {
            is_active: true,
            level: 2.0,
            threshold: 2.5,
            budget_spent: None,
            withheld: None,
        });
        let text = "Anomaly on host: swapping 3. This is worth an alert";
        check(&Assessment { alert, ..unusual.clone() }, ("anomaly", text));
        let reasons = [
            (WithheldReason::FirstWeek, ". No alert: it was often like this in its first week"),
            (WithheldReason::EarlierDays, ". No alert: it was like this before"),
            (WithheldReason::Maintenance, ""),
        ];
        for (reason, text) in reasons {
            let alert = alert.map(|it| AlertState { is_active: false, withheld: Some(reason), ..it });
            let text = format!("Anomaly on host: swapping 3{text}");
            check(&Assessment { alert, ..unusual.clone() }, ("anomaly", &text));
        }
    }
}
