//! Formats models as tables or JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::compare::ScoreComparison;
use crate::duration::HumanDuration;
use crate::episode_text;
use crate::model_registry::{ModelVersion, VersionRecord};
use crate::reading::Timestamp;
use crate::training::model_evaluation::ModelEvaluation;

/// Without this, .4 reads like a blind model.
const TYPICAL_RECALL: &str =
    "0.4 to 0.5 is typical, because most injected faults are small and the other detectors are left out";

/// A line for each model, newest last, at the bottom of a terminal.
pub(super) fn all(records: &[VersionRecord], as_json: bool) -> String {
    let evaluation = |it: &VersionRecord| serde_json::from_str::<ModelEvaluation>(&it.evaluation).ok();
    if as_json {
        let row = |it: &VersionRecord| json!({ "id": it.id, "kind": it.kind, "created": it.created, "state": it.state, "evaluation": evaluation(it) });
        return pretty(&records.iter().map(row).collect());
    }
    if records.is_empty() {
        return "no stored models; the first is trained after the warm-up".to_owned();
    }
    let mut text = format!(
        "{:<18}  {:<8}  {:>7}  {:>9}  {:>5}  {:>6}\n",
        "model", "state", "points", "of", "AUC", "recall"
    );
    for it in records {
        let known = evaluation(it).map(|it| {
            let span = HumanDuration::nearest(it.seconds().round());
            format!("{:>7}  {:>9}  {:>5.3}  {:>6.3}", it.rows, span.to_string(), it.auc, it.recall)
        });
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<18}  {:<8}  {}",
            it.id,
            it.state,
            known.unwrap_or_else(|| "its evaluation is corrupt".into())
        );
    }
    let _ =
        writeln!(text, "\nrecall: share of injected faults that the forest finds alone; {TYPICAL_RECALL}");
    text
}

/// Details of one model.
pub(super) fn one(version: &ModelVersion, as_json: bool) -> String {
    if as_json {
        return pretty(&of(version));
    }
    let mut text = String::new();
    for (name, value) in rows(version) {
        let _ = writeln!(text, "{name:<28}  {value}");
    }
    text
}

/// Two models side by side.
pub(super) fn two(pair: &[ModelVersion; 2], scores: Option<&ScoreComparison>, as_json: bool) -> String {
    let [a, b] = pair;
    if as_json {
        return pretty(&json!({ "models": [of(a), of(b)], "on_stored_points": scores }));
    }
    let mut text = String::new();
    for ((name, one), (_, other)) in rows(a).into_iter().zip(rows(b)) {
        let _ = writeln!(text, "{name:<28}  {one:<26}  {other}");
    }
    let Some(it) = scores else {
        return text + "no stored points for both models";
    };
    let _ = writeln!(text, "\non the {} stored points of the last day", it.points);
    for (name, [one, other], digits) in [
        ("mean score", it.mean, 3),
        ("highest score", it.highest, 2),
        ("unusual readings, %", it.above.map(|it| 100.0 * it), 2),
    ] {
        let [one, other] = [one, other].map(|it| format!("{it:.digits$}"));
        let _ = writeln!(text, "{name:<28}  {one:<26}  {other}");
    }
    let _ = writeln!(text, "{:<28}  {:.3}", "mean difference", it.difference);
    text
}

fn rows(version: &ModelVersion) -> Vec<(&'static str, String)> {
    let evaluation = &version.model.evaluation;
    let time = |it: Option<Timestamp>| it.map_or("not known".into(), episode_text::instant);
    let peer = evaluation.auc_reference.map_or("none for these signals".into(), |it| format!("{it:.3}"));
    let quantiles = evaluation.quantiles;
    vec![
        ("model", version.id.to_string()),
        ("state", version.stage.to_string()),
        ("kind", version.kind.name().to_owned()),
        ("trained", episode_text::instant(version.created)),
        ("points", evaluation.rows.to_string()),
        ("first point", time(evaluation.from)),
        ("last point", time(evaluation.to)),
        ("signals and their means", evaluation.width.to_string()),
        ("trees, points of each", format!("{}, {}", evaluation.trees, evaluation.sample_size)),
        ("seed", evaluation.seed.to_string()),
        ("points held out", evaluation.held_out.to_string()),
        (
            "their scores, quantiles 50 to 99.5 %",
            format!("{:.3} {:.3} {:.3} {:.3}", quantiles.p50, quantiles.p95, quantiles.p99, quantiles.p995),
        ),
        ("strange from", format!("{:.3}", version.model.eif.threshold)),
        ("AUC on injected faults", format!("{:.3}", evaluation.auc)),
        ("AUC of a second implementation", peer),
        ("faults that this forest finds alone", format!("{:.3}; {TYPICAL_RECALL}", evaluation.recall)),
        ("share of points above the threshold", format!("{:.3}", evaluation.alarms)),
        ("digest", format!("{:016x}", evaluation.digest)),
    ]
}

fn of(version: &ModelVersion) -> Value {
    json!({
        "id": version.id.as_str(), "kind": version.kind.name(), "created": version.created.0,
        "state": version.stage.name(), "threshold": version.model.eif.threshold, "evaluation": version.model.evaluation,
    })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
