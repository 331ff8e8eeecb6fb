//! The state of the program and of each subject, as data and as text.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use super::jobs::Jobs;
use super::persist::PersistentState;
use crate::clock;
use crate::control_command::{ControlReply, JobCounts, ProgramStatus, SignalBaseline, SubjectStatus};
use crate::cost_limit::{self, OptionalFeature};
use crate::duration::HumanDuration;
use crate::episode_text;
use crate::maintenance;
use crate::reading::{Subject, Timestamp};
use crate::report::Report;
use crate::version::VERSION;

/// Start of the process's first loop; a reload starts another loop.
static STARTED: LazyLock<Instant> = LazyLock::new(clock::instant);

/// Starts the uptime, if not started.
pub(super) fn start() {
    LazyLock::force(&STARTED);
}

/// The state of the program, as [`ProgramStatus`].
pub(super) fn status(
    persistent: &PersistentState,
    jobs: &Jobs,
    newest: Option<&Arc<Report>>,
) -> ControlReply {
    let uptime = STARTED.elapsed().as_secs_f64();
    let learning = persistent.engine.is_learning();
    let store = persistent.store.directory().map(|it| it.display().to_string());
    let assessments = newest.iter().flat_map(|it| &it.assessments);
    let subjects: Vec<SubjectStatus> = assessments
        .map(|(subject, it)| SubjectStatus {
            kind: subject.kind().name().to_owned(),
            subject: subject.name().to_owned(),
            ready: it.ready,
        })
        .collect();
    let ready = newest.is_some_and(|it| it.assessments.values().any(|it| it.ready));
    let count = subjects.len();
    let reading = newest.map(|it| &it.reading);
    let maintenance: Vec<String> = reading.map(|it| maintenance::active_names(it)).unwrap_or_default();
    let silenced_until = reading.and_then(|it| persistent.silences.host_until(it.at));
    let parts = OptionalFeature::ORDER
        .into_iter()
        .filter(|part| reading.is_some_and(|it| !cost_limit::is_active(it, *part)));
    let features_off: Vec<String> = parts.map(|it| it.name().to_owned()).collect();
    let mut message = format!(
        "hostnorm {VERSION}, up {}, {}, learning {}, {count} subject{}, {} jobs waiting, {} running, {}",
        HumanDuration::nearest(uptime.round()),
        if ready { "ready" } else { "not ready: warming up" },
        if learning { "on" } else { "off" },
        if count == 1 { "" } else { "s" },
        jobs.waiting(),
        jobs.running().unwrap_or("none"),
        store.as_deref().map_or("no store".into(), |it| format!("store in {it}")),
    );
    if !maintenance.is_empty() {
        message.push_str(&format!(", in maintenance ({})", maintenance.join(", ")));
    }
    if let Some(until) = silenced_until {
        message.push_str(&format!(", silenced until {}", episode_text::instant(Timestamp(until.0.floor()))));
    }
    if !features_off.is_empty() {
        message.push_str(&format!(", off to limit the cost: {}", features_off.join(", ")));
    }
    let status = ProgramStatus {
        version: VERSION.to_owned(),
        uptime_seconds: uptime,
        ready,
        learning,
        jobs: JobCounts { waiting: jobs.waiting(), running: jobs.running().map(str::to_owned) },
        subjects,
        store,
        maintenance,
        silenced_until: silenced_until.map(|it| it.0),
        features_off,
    };
    ControlReply { message, data: serde_json::to_value(status).unwrap_or_default() }
}

/// The baseline of each signal of a subject, as a list of [`SignalBaseline`]; empty for a subject that is not live.
pub(super) fn baselines(persistent: &PersistentState, subject: &Subject) -> ControlReply {
    let finite = |value: f64| value.is_finite().then_some(value);
    let of_subject = persistent.engine.baselines().filter(|(of, _, _)| *of == subject);
    let baselines: Vec<SignalBaseline> = of_subject
        .map(|(_, signal, it)| SignalBaseline {
            metric: signal.name.to_owned(),
            mean: it.mean,
            stddev: it.stddev,
            min_value: finite(it.min),
            max_value: finite(it.max),
            sample_count: it.points,
            last_updated: it.learned_at.map(|it| it.0),
            percentile_95: it.p95,
            percentile_99: it.p99,
        })
        .collect();
    let message = format!("{} signals have a baseline", baselines.len());
    ControlReply { message, data: serde_json::to_value(baselines).unwrap_or_default() }
}
