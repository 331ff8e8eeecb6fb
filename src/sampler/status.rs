//! The state of the program and of each subject, as data and as text.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use serde_json::{Value, json};

use super::jobs::Jobs;
use super::persist::PersistentState;
use crate::clock;
use crate::control::{CommandRefusal, CommandReply};
use crate::duration::HumanDuration;
use crate::episode_text;
use crate::reading::Subject;
use crate::report::{Assessment, Report};
use crate::version::VERSION;

/// When the process first had a loop; new settings begin another one.
static STARTED: LazyLock<Instant> = LazyLock::new(clock::instant);

/// Begins to count the uptime, if nobody did.
pub(super) fn start() {
    LazyLock::force(&STARTED);
}

/// `version`, `uptime_seconds`, `ready` (whether some subject has a score), `learning`, `jobs` (`waiting`, and the task
/// that is `running` or null), `subjects` (`kind`, `subject`, `ready`), `store` (its directory or null).
pub(super) fn status(durable: &PersistentState, jobs: &Jobs, newest: Option<&Arc<Report>>) -> CommandReply {
    let uptime = STARTED.elapsed().as_secs_f64();
    let learning = durable.engine.is_learning();
    let store = durable.store.directory().map(|it| it.display().to_string());
    let judgements = newest.iter().flat_map(|it| &it.assessments);
    let subjects: Vec<Value> = judgements
        .map(|(subject, it)| json!({"kind": subject.kind().name(), "subject": subject.name(), "ready": it.ready}))
        .collect();
    let ready = newest.is_some_and(|it| it.assessments.values().any(|it| it.ready));
    let count = subjects.len();
    let message = format!(
        "hostnorm {VERSION}, up {}, {}, learning {}, {count} subject{}, {} jobs waiting, {} running, {}",
        HumanDuration::nearest(uptime.round()),
        if ready { "ready" } else { "not ready: warming up" },
        if learning { "on" } else { "off" },
        if count == 1 { "" } else { "s" },
        jobs.waiting(),
        jobs.running().unwrap_or("none"),
        store.as_deref().map_or("no store".into(), |it| format!("store in {it}")),
    );
    let data = json!({
        "version": VERSION, "uptime_seconds": uptime, "ready": ready, "learning": learning,
        "jobs": {"waiting": jobs.waiting(), "running": jobs.running()}, "subjects": subjects, "store": store,
    });
    CommandReply { message, data }
}

/// Under `subjects`, one object for each: see [`subject`]. The sentence has a line for each.
pub(super) fn explain(newest: Option<&Arc<Report>>) -> Result<CommandReply, CommandRefusal> {
    let report = newest.ok_or_else(|| CommandRefusal::Unavailable("no reading yet".into()))?;
    let subjects: Vec<Value> =
        report.assessments.iter().map(|(it, judgement)| subject(it, judgement)).collect();
    let lines: Vec<String> = report.assessments.iter().map(|(it, judgement)| line(it, judgement)).collect();
    let data = json!({"at": report.reading.at.0, "subjects": subjects});
    Ok(CommandReply { message: lines.join("\n"), data })
}

/// The state of one subject. What is not known is null.
fn subject(subject: &Subject, judgement: &Assessment) -> Value {
    let opinion = judgement.details.as_ref();
    let causes = episode_text::causes(judgement).into_iter().map(|cause| {
        let (state, expected) = (cause.state, cause.state.expected);
        json!({
            "signal": state.signal.name, "title": state.signal.title, "value": state.value,
            "expected": expected.map(|it| it.value), "lower": expected.map(|it| it.lower),
            "upper": expected.map(|it| it.upper), "direction": cause.contribution.direction.name(),
            "contribution": cause.contribution.value,
        })
    });
    let absent = judgement.absent.iter().map(
        |it| json!({"signal": it.signal.name, "absence": it.kind.name(), "seconds": it.seconds, "usual_seconds": it.usual}),
    );
    json!({
        "kind": subject.kind().name(), "subject": subject.name(), "ready": judgement.ready,
        "ready_at": judgement.ready_at.0, "score": opinion.map(|it| it.score),
        "momentary_score": opinion.map(|it| it.momentary), "confidence": opinion.and_then(|it| it.confidence),
        "causes": causes.collect::<Vec<_>>(), "absent": absent.collect::<Vec<_>>(),
        "episode": judgement.episode.map(
            |it| json!({"id": episode_text::id(subject, it.since), "since": it.since.0, "peak": it.peak}),
        ),
        "description": judgement.description,
    })
}

fn line(subject: &Subject, judgement: &Assessment) -> String {
    let name = subject.name();
    let score = |it: f64| format!("score {it:.2}, 1 is the threshold");
    match (&judgement.details, &judgement.description) {
        (Some(opinion), Some(description)) => format!("{description}; {}", score(opinion.momentary)),
        (Some(opinion), None) => format!("no anomaly on {name}; {}", score(opinion.momentary)),
        (None, _) if judgement.ready => format!("no score for {name}: readings are missing"),
        (None, _) => {
            format!("no score for {name} before {}", episode_text::instant(judgement.ready_at))
        }
    }
}
