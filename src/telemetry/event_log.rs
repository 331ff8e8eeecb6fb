//! Logs events: what starts, changes or ends.

use std::collections::BTreeMap;

use crate::episode_text::{self, NamedSignal};
use crate::impact::EpisodeSeverity;
use crate::reading::{Subject, SubjectTurnover};
use crate::report::{Assessment, Episode, EpisodeTransition, Report};

/// Largest number of failing sources remembered; further ones are not logged.
pub const PROBLEMS_MAX: usize = 64;

/// Largest number of different errors of a source that are logged until it works again.
const ERRORS_MAX: usize = 8;

/// Logs what is new in consecutive reports.
#[derive(Debug, Default)]
pub struct EventLogger {
    /// The subjects with signals in the last report.
    subjects: BTreeMap<Subject, EpisodeProgress>,
    /// Failing sources, with the errors that were logged, the first one first.
    problems: BTreeMap<&'static str, Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EpisodeProgress {
    Learning,
    Ready,
}

impl EventLogger {
    /// Logs what is new in this report.
    pub fn log(&mut self, report: &Report) {
        self.note_problems(report);
        self.subjects.retain(|subject, _| report.assessments.contains_key(subject));
        for (subject, assessment) in report.concluded() {
            self.note_progress(subject, assessment);
            if let Some(turn) = assessment.transition {
                log_transition(subject, assessment, turn);
            }
        }
    }

    fn note_problems(&mut self, report: &Report) {
        for problem in &report.reading.problems {
            if !self.problems.contains_key(problem.source) && self.problems.len() >= PROBLEMS_MAX {
                continue;
            }
            // Another file may fail while the first one still does.
            let logged = self.problems.entry(problem.source).or_default();
            if logged.len() < ERRORS_MAX && !logged.contains(&problem.what) {
                tracing::warn!(collector = problem.source, problem = problem.what, "collector failed");
                logged.push(problem.what.clone());
            }
        }
        self.problems.retain(|source, logged| {
            let goes_on = report.reading.problems.iter().any(|it| it.source == *source);
            if !goes_on {
                tracing::info!(collector = *source, problem = logged.first(), "collector works again");
            }
            goes_on
        });
    }

    fn note_progress(&mut self, subject: &Subject, assessment: &Assessment) {
        if assessment.signals.is_empty() {
            return;
        }
        let before = self.subjects.get(subject).copied();
        // A score that is withheld after a gap is no news: it was ready before.
        let progress = match assessment.details.is_some() || before == Some(EpisodeProgress::Ready) {
            true => EpisodeProgress::Ready,
            false => EpisodeProgress::Learning,
        };
        if before == Some(progress) {
            return;
        }
        self.subjects.insert(subject.clone(), progress);
        // On a node with many short-lived containers, this would be all that is logged; `anomaly_ready` tells the same.
        if subject.kind().turnover() == SubjectTurnover::Changing {
            return;
        }
        let (kind, signals) = (subject.kind().name(), assessment.signals.len());
        match progress {
            EpisodeProgress::Learning => tracing::info!(
                kind,
                subject = subject.name(),
                signals,
                ready_at = episode_text::instant(assessment.ready_at),
                "learning before the first score"
            ),
            EpisodeProgress::Ready => {
                tracing::info!(kind, subject = subject.name(), signals, "first score ready");
            }
        }
    }
}

fn log_transition(subject: &Subject, assessment: &Assessment, turn: EpisodeTransition) {
    let kind = subject.kind().name();
    let state = match turn {
        EpisodeTransition::Started => "began",
        EpisodeTransition::Changed => "changed",
        EpisodeTransition::Ended(episode) => return note_end(subject, &episode, "ended"),
        EpisodeTransition::Accepted(episode) => return note_end(subject, &episode, "accepted"),
    };
    let causes = episode_text::causes(assessment);
    let details = assessment.details.as_ref();
    tracing::warn!(
        kind,
        subject = subject.name(),
        state,
        episode = assessment.episode.map(|it| episode_text::id(subject, it.since)),
        score = details.map(|it| short(it.instant_score)),
        severity = assessment.severity.map(EpisodeSeverity::name),
        confidence = details.and_then(|it| it.confidence).map(short),
        signals = causes.iter().map(|it| it.state.signal.name).collect::<Vec<_>>().join(","),
        contributions = list(&causes, |it| Some(it.contribution.value)),
        values = list(&causes, |it| Some(it.state.value)),
        expected = list(&causes, |it| it.state.expected.map(|it| it.value)),
        lower = list(&causes, |it| it.state.expected.map(|it| it.lower)),
        upper = list(&causes, |it| it.state.expected.map(|it| it.upper)),
        "{}",
        assessment.description.as_deref().unwrap_or("Anomaly")
    );
}

fn note_end(subject: &Subject, episode: &Episode, state: &'static str) {
    let message = match state {
        "accepted" => episode_text::accepted_episode_message(subject, episode),
        _ => episode_text::ended(subject, episode),
    };
    tracing::info!(
        kind = subject.kind().name(),
        subject = subject.name(),
        state,
        episode = episode_text::id(subject, episode.since),
        duration_seconds = episode_text::rounded_episode_duration(episode).as_seconds(),
        peak = short(episode.peak),
        "{message}"
    );
}

/// One number for each cause, in the order of the signals; an unknown one is empty.
fn list(causes: &[NamedSignal<'_>], of: impl Fn(&NamedSignal<'_>) -> Option<f64>) -> String {
    let numbers = causes.iter().map(|it| of(it).map(|it| short(it).to_string()).unwrap_or_default());
    numbers.collect::<Vec<_>>().join(",")
}

/// A number rounded to four digits.
fn short(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::super::tests::logged;
    use super::*;
    use crate::reading::{ReadProblem, Reading, SubjectKind, Timestamp};
    use crate::report::{Contribution, DeviationDirection, ExpectedValue, ScoreDetails, SignalState};
    use crate::signal::{Signal, SignalUnit};

    static BUSY: Signal = Signal {
        kind: SubjectKind::Host,
        name: "cpu_busy_ratio",
        title: "CPU usage",
        help: "",
        unit: SignalUnit::Ratio,
        floor: 0.05,
        device: None,
        formula: |_| None,
    };

    /// A report at second 100 whose host has one signal.
    fn report(ready: bool, turn: Option<EpisodeTransition>, problems: &[(&'static str, &str)]) -> Report {
        let expected = Some(ExpectedValue { value: 1.0 / 30.0, lower: 0.0, upper: 0.09 });
        let contributions =
            vec![Contribution { signal: &BUSY, direction: DeviationDirection::High, value: 1.234_56 }];
        let details = ScoreDetails {
            instant_score: 1.234_56,
            confidence: Some(0.75),
            causes: contributions,
            ..ScoreDetails::default()
        };
        let assessment = Assessment {
            ready_at: Timestamp(600.0),
            ready,
            details: ready.then_some(details),
            signals: vec![SignalState {
                signal: &BUSY,
                value: 0.97,
                expected,
                expected_by_detector: Default::default(),
                drift: None,
            }],
            episode: Some(Episode { since: Timestamp(99.0), peak: 1.2, lasted: 0.0 }),
            description: Some("Anomaly on host: CPU usage 97 %".into()),
            transition: turn,
            ..Assessment::default()
        };
        let mut reading = Reading::new(Timestamp(100.0));
        reading.problems =
            problems.iter().map(|(source, what)| ReadProblem { source, what: (*what).into() }).collect();
        let mut report = Report { reading: reading.into(), ..Report::default() };
        report.assessments.insert(Subject::Host, assessment);
        report
    }

    fn check(reports: &[Report], expect: &[&str]) {
        let found = logged(super::super::LogOutputSettings::default(), || {
            let mut diary = EventLogger::default();
            reports.iter().for_each(|it| diary.log(it));
        });
        let found: Vec<_> =
            found.lines().map(|it| it.trim_start_matches("ts=1970-01-01T00:01:40.000Z ")).collect();
        assert_eq!(found, expect);
    }

    const LEARNING: &str = "level=info msg=\"learning before the first score\" kind=host \
                            subject=host signals=1 ready_at=1970-01-01T00:10:00.000Z";
    const READY: &str = "level=info msg=\"first score ready\" kind=host subject=host signals=1";

    #[test]
    fn learning_and_readiness_are_logged_once() {
        check(
            &[
                report(false, None, &[]),
                report(false, None, &[]),
                report(true, None, &[]),
                report(false, None, &[]),
                report(true, None, &[]),
            ],
            &[LEARNING, READY],
        );
    }

    #[test]
    fn an_anomaly_has_a_line_for_each_transition() {
        let fields = "score=1.235 confidence=0.75 signals=cpu_busy_ratio contributions=1.235 values=0.97 \
                      expected=0.03333 lower=0 upper=0.09";
        let subject = "kind=host subject=host";
        let message = "level=warn msg=\"Anomaly on host: CPU usage 97 %\"";
        let episode = "episode=1970-01-01T00:01:39Z";
        let ended = EpisodeTransition::Ended(Episode { since: Timestamp(5.0), peak: 7.43, lasted: 95.2 });
        check(
            &[
                report(true, Some(EpisodeTransition::Started), &[]),
                report(true, None, &[]),
                report(true, Some(EpisodeTransition::Changed), &[]),
                report(true, Some(ended), &[]),
            ],
            &[
                READY,
                &format!("{message} {subject} state=began {episode} {fields}"),
                &format!("{message} {subject} state=changed {episode} {fields}"),
                "level=info msg=\"anomaly ended on host after 1m35s, peak score 7.4\" kind=host \
                 subject=host state=ended episode=1970-01-01T00:00:05Z duration_seconds=95.0 peak=7.43",
            ],
        );
    }

    #[test]
    fn problems_are_logged_when_they_start_and_end() {
        check(
            &[
                report(true, None, &[("disk", "line 1")]),
                report(true, None, &[("disk", "line 2"), ("cpu", "gone")]),
                report(true, None, &[("cpu", "gone")]),
            ],
            &[
                "level=warn msg=\"collector failed\" collector=disk problem=\"line 1\"",
                READY,
                "level=warn msg=\"collector failed\" collector=disk problem=\"line 2\"",
                "level=warn msg=\"collector failed\" collector=cpu problem=gone",
                "level=info msg=\"collector works again\" collector=disk problem=\"line 1\"",
            ],
        );
    }
}
