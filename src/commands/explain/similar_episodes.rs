//! Finds similar episodes: those with contributions of the same signals in the same directions.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::store::EpisodeRow;

/// Largest number of similar episodes.
const SIMILAR_MAX: usize = 5;
/// Smallest similarity.
const SIMILARITY_MIN: f64 = 0.5;

/// A similar episode.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct SimilarEpisode {
    /// Its identifier.
    pub(super) id: String,
    /// Start, in seconds since the epoch.
    pub(super) began: f64,
    /// How it ended: open, ended, accepted, interrupted.
    pub(super) outcome: String,
    /// Cosine similarity of the contributions to both scores, between 0 and 1.
    pub(super) similarity: f64,
    /// Its description.
    pub(super) description: String,
}

/// The contribution of each signal by name and direction; absent signals count as one.
fn parts(causes: &Value) -> BTreeMap<(String, String), f64> {
    let part = |it: &Value| {
        let text = |key: &str| it.get(key).and_then(Value::as_str).map(str::to_owned);
        let side = text("direction").or_else(|| text("absence"))?;
        let weight = it.get("contribution").and_then(Value::as_f64).unwrap_or(1.0);
        Some(((text("signal")?, side), weight))
    };
    causes.as_array().into_iter().flatten().filter_map(part).collect()
}

fn cosine(one: &BTreeMap<(String, String), f64>, other: &BTreeMap<(String, String), f64>) -> f64 {
    let length = |it: &BTreeMap<_, f64>| it.values().map(|it| it * it).sum::<f64>().sqrt();
    let dot: f64 = one.iter().filter_map(|(key, value)| Some(value * other.get(key)?)).sum();
    let lengths = length(one) * length(other);
    if lengths > 0.0 { dot / lengths } else { 0.0 }
}

/// The most similar episodes of the same subject, most similar first.
pub(super) fn to(episode: &EpisodeRow, others: Vec<EpisodeRow>) -> Vec<SimilarEpisode> {
    let own = parts(&episode.causes);
    let same = |it: &EpisodeRow| (&it.kind, &it.subject) == (&episode.kind, &episode.subject);
    let others = others.into_iter().filter(|it| it.id != episode.id && it.began < episode.began && same(it));
    let mut similar: Vec<SimilarEpisode> = others
        .map(|it| SimilarEpisode {
            id: it.id,
            began: it.began,
            outcome: it.outcome,
            similarity: cosine(&own, &parts(&it.causes)),
            description: it.description,
        })
        .filter(|it| it.similarity >= SIMILARITY_MIN)
        .collect();
    similar.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(b.began.total_cmp(&a.began)));
    similar.truncate(SIMILAR_MAX);
    similar
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn episode(id: u32, causes: &Value) -> EpisodeRow {
        EpisodeRow {
            id: id.to_string(),
            kind: "host".into(),
            subject: "host".into(),
            began: 1_000.0 * f64::from(id),
            ended: None,
            last_seen: 0.0,
            outcome: "ended".into(),
            peak: 2.0,
            causes: causes.clone(),
            description: String::new(),
            model: None,
            keep_from: None,
            keep_to: None,
        }
    }

    fn check(one: &Value, other: &Value, expect: Option<f64>) {
        let found = to(&episode(2, one), vec![episode(1, other), episode(3, one)]);
        let rounded = found.first().map(|it| (it.similarity * 100.0).round() / 100.0);
        assert_eq!((rounded, found.len()), (expect, usize::from(expect.is_some())), "{one} {other}");
    }

    #[test]
    fn similar_episodes_have_the_same_signals_and_directions() {
        let part = |signal: &str, direction: &str, contribution: f64| json!({"signal": signal, "direction": direction, "contribution": contribution});
        let busy = json!([part("cpu", "high", 2.0), part("tasks", "high", 1.0)]);
        check(&busy, &busy, Some(1.0));
        check(&busy, &json!([part("cpu", "high", 3.0)]), Some(0.89));
        check(&busy, &json!([part("cpu", "low", 3.0)]), None);
        check(&busy, &json!([part("disk", "high", 3.0)]), None);
        check(&busy, &json!([]), None);
        check(&busy, &json!({"not": "a list"}), None);
        let gone = json!([{"signal": "disk", "absence": "vanished"}]);
        check(&gone, &gone, Some(1.0));
    }
}
