//! Formats an explanation as text or JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::EpisodeExplanation;
use super::line_text::{cause, instant, nearby, out_of_range_signal, template};
use super::process_text;
use super::reproduce::Reproduction;
use crate::duration::HumanDuration;
use crate::episode_text;
use crate::report::Assessment;

/// All that is known, for people.
pub(super) fn text(it: &EpisodeExplanation) -> String {
    let episode = &it.episode;
    let lasted = episode.duration().map_or_else(
        || "for an unknown time, because the clock was set back".to_owned(),
        |it| it.to_string(),
    );
    let mut text = format!(
        "episode {}: {}\n\nbegan     {} UTC\nlasted    {lasted}, {}\npeak      {:.2} (1 is unusual; the alert level is 2 by default)\nmodel     {}\n",
        episode.id,
        episode.description,
        instant(episode.began),
        episode.outcome,
        episode.peak,
        episode.model.as_deref().unwrap_or("none yet"),
    );
    // Writing to a string cannot fail, here and below.
    if let Some(severity) = &episode.severity {
        let _ = writeln!(text, "severity  {severity}, by its impact");
    }
    if !episode.circumstances.is_empty() {
        let _ = writeln!(text, "marked    {}", episode.circumstances.join(", "));
    }
    if let Some(verdict) = &episode.verdict {
        let _ = writeln!(text, "verdict   {verdict}");
    }
    text.push_str(&signals(it));
    if !episode.culprits.is_empty() {
        text.push_str("\nprocesses whose use grew most\n");
        episode.culprits.iter().for_each(|it| text.push_str(&format!("  {}\n", process_text::culprit(it))));
    }
    if !episode.templates.is_empty() {
        text.push_str("\ntemplates of its lines\n");
        episode.templates.iter().for_each(|it| text.push_str(&format!("  {}\n", template(it))));
    }
    if !it.nearby.is_empty() {
        text.push_str("\nat the same time\n");
        it.nearby.iter().for_each(|it| text.push_str(&format!("  {}\n", nearby(it))));
    }
    for scene in &episode.scenes {
        let _ = writeln!(text, "\nthe host, {} UTC, with the usual use in parentheses", instant(scene.at));
        process_text::scene(scene).iter().for_each(|it| text.push_str(&format!("  {it}\n")));
    }
    text.push_str(match it.similar.is_empty() {
        true => "\nno similar episode before\n",
        false => "\nsimilar episodes before\n",
    });
    for other in &it.similar {
        let _ =
            writeln!(text, "  {:<20}  {:>3.0} %  {}", other.id, other.similarity * 100.0, other.description);
    }
    let _ = write!(text, "\nreproduced\n{}", reproduced(it));
    text
}

/// The signals behind it: at its peak if its scores are reproduced, else as stored with its description. Then those that
/// left their range.
fn signals(it: &EpisodeExplanation) -> String {
    let mut text = match &it.reproduction {
        Ok(found @ Reproduction { peak: Some((at, assessment)), .. }) if !found.differs() => {
            format!("\nat its peak, {} UTC\n{}", instant(at.0), causes(assessment))
        }
        _ => section("signals of its description", &it.episode.causes, cause),
    };
    text.push_str(&section("left their range of the day before", &it.out_of_range, out_of_range_signal));
    text
}

/// A title with a line for each row; empty without rows.
fn section<T>(title: &str, rows: &[T], line: impl Fn(&T) -> String) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let lines: String = rows.iter().map(|it| format!("  {}\n", line(it))).collect();
    format!("\n{title}\n{lines}")
}

/// A line for each signal with a contribution, largest first.
fn causes(assessment: &Assessment) -> String {
    let mut text = String::new();
    for gone in &assessment.absent {
        let lasted = HumanDuration::nearest(gone.seconds.round());
        let _ = writeln!(text, "  {:<40} {} for {lasted}", gone.signal.title, gone.kind.name());
    }
    for part in assessment.details.iter().flat_map(|it| &it.causes) {
        let Some(state) = assessment.signals.iter().find(|it| it.signal.name == part.signal.name) else {
            continue;
        };
        let quantity = |value: f64| episode_text::quantity(state.signal.unit, value);
        let expected = state.expected.map(|it| {
            format!("expected {}, range {} to {}", quantity(it.value), quantity(it.lower), quantity(it.upper))
        });
        let _ = writeln!(
            text,
            "  {:<40} {:>10}  {:+.2} of the score  {}",
            part.signal.title,
            quantity(state.value),
            part.value,
            expected.unwrap_or_default()
        );
    }
    text
}

fn reproduced(it: &EpisodeExplanation) -> String {
    let reproduction = match &it.reproduction {
        Ok(reproduction) => reproduction,
        Err(why) => return format!("  not possible: {why}\n"),
    };
    let mut text = String::new();
    for (at, cause) in &reproduction.changes {
        let _ = writeln!(text, "  {} UTC  stored state: {}", instant(at.0), changed(cause));
    }
    if reproduction.skipped > 0 {
        let _ = writeln!(text, "  {} corrupt values or records were skipped", reproduction.skipped);
    }
    let counts = format!("{} points from {} readings", reproduction.points, reproduction.readings);
    let _ = match reproduction.difference {
        None => writeln!(text, "  {counts}: all scores equal the stored ones, bit for bit"),
        Some((at, stored, reproduced)) => writeln!(
            text,
            "  {counts}: scores differ, first at {} UTC: stored {stored}, reproduced {reproduced}; check that the settings are those hostnorm ran with",
            instant(at.0)
        ),
    };
    text
}

/// Describes a cause of a snapshot.
fn changed(cause: &str) -> &str {
    match cause {
        "start" => "hostnorm was started",
        "model" => "the model was replaced",
        "profile" => "times of day were fitted",
        "accepted" => "the anomaly was accepted as normal",
        "learning" => "learning was switched",
        "imported" => "a backfill was learned",
        "forgot" => "a time range was forgotten",
        other => other,
    }
}

/// All that is known, for programs.
pub(super) fn json(it: &EpisodeExplanation) -> String {
    let parts = |assessment: &Assessment| -> Value {
        let part = |part: &crate::report::Contribution| {
            let state = assessment.signals.iter().find(|it| it.signal.name == part.signal.name);
            let expected = state.and_then(|it| it.expected);
            json!({
                "signal": part.signal.name, "direction": part.direction.name(), "contribution": part.value,
                "value": state.map(|it| it.value), "expected": expected.map(|it| it.value),
                "lower": expected.map(|it| it.lower), "upper": expected.map(|it| it.upper),
            })
        };
        assessment.details.iter().flat_map(|it| &it.causes).map(part).collect()
    };
    let reproduction = match &it.reproduction {
        Err(why) => json!({ "error": why }),
        Ok(reproduction) => json!({
            "readings": reproduction.readings, "points": reproduction.points, "equal": !reproduction.differs(),
            "difference": reproduction.difference.map(|(at, stored, reproduced)| json!({"at": at.0, "stored": stored, "reproduced": reproduced})),
            "changes": reproduction.changes.iter().map(|(at, cause)| json!({"at": at.0, "cause": cause})).collect::<Vec<_>>(),
            "skipped": reproduction.skipped,
            "peak": reproduction.peak.as_ref().map(|(at, assessment)| json!({"at": at.0, "contributions": parts(assessment)})),
        }),
    };
    let whole = json!({ "episode": it.episode, "reproduced": reproduction, "out_of_range": it.out_of_range, "similar": it.similar, "nearby": it.nearby });
    serde_json::to_string_pretty(&whole).unwrap_or_default()
}
