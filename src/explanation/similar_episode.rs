//! Finds similar episodes: those with contributions of the same signals in the same directions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cause, EpisodeRecord};

/// Largest number of similar episodes.
pub const SIMILAR_MAX: usize = 5;
/// Smallest similarity.
const SIMILARITY_MIN: f64 = 0.5;

/// An earlier episode that is similar to another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SimilarEpisode {
    /// Identifier of the episode.
    pub id: String,
    /// Start, in seconds since the epoch.
    pub began: f64,
    /// open, ended, accepted or interrupted (its end is unknown).
    pub outcome: String,
    /// Cosine of the angle between the contributions of the signals to both scores, 0 to 1.
    pub similarity: f64,
    /// Description of the episode.
    pub description: String,
}

/// The contribution of each signal by name and direction; absent signals count as 1.
fn contributions(causes: &[Cause]) -> BTreeMap<(&str, &str), f64> {
    let contribution = |it: &Cause| it.contribution.unwrap_or(1.0);
    let named = causes.iter().filter_map(|it| {
        let direction = it.direction.as_deref().or(it.absence.as_deref())?;
        Some(((it.signal.as_str(), direction), contribution(it)))
    });
    named.collect()
}

fn cosine(one: &BTreeMap<(&str, &str), f64>, other: &BTreeMap<(&str, &str), f64>) -> f64 {
    let length = |it: &BTreeMap<_, f64>| it.values().map(|it| it * it).sum::<f64>().sqrt();
    let dot: f64 = one.iter().filter_map(|(key, value)| Some(value * other.get(key)?)).sum();
    let lengths = length(one) * length(other);
    if lengths > 0.0 { dot / lengths } else { 0.0 }
}

/// The earlier episodes of the same subject that are most similar, the most similar first, at most [`SIMILAR_MAX`].
pub fn similar_episodes(episode: &EpisodeRecord, others: Vec<EpisodeRecord>) -> Vec<SimilarEpisode> {
    let own = contributions(&episode.causes);
    let same = |it: &EpisodeRecord| (&it.kind, &it.subject) == (&episode.kind, &episode.subject);
    let others = others.into_iter().filter(|it| it.id != episode.id && it.began < episode.began && same(it));
    let mut similar: Vec<SimilarEpisode> = others
        .map(|it| SimilarEpisode {
            similarity: cosine(&own, &contributions(&it.causes)),
            id: it.id,
            began: it.began,
            outcome: it.outcome,
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
    use super::*;

    fn episode(id: u32, causes: &[Cause]) -> EpisodeRecord {
        EpisodeRecord {
            id: id.to_string(),
            kind: "host".into(),
            subject: "host".into(),
            began: 1_000.0 * f64::from(id),
            ended: None,
            last_seen: 0.0,
            lasted: None,
            outcome: "ended".into(),
            peak: 2.0,
            causes: causes.to_vec(),
            description: String::new(),
            severity: None,
            circumstances: Vec::new(),
            verdict: None,
            verdict_at: None,
            model: None,
            retained_from: None,
            retained_to: None,
            culprits: Vec::new(),
            scenes: Vec::new(),
            templates: Vec::new(),
        }
    }

    fn check(one: &[Cause], other: &[Cause], expect: Option<f64>) {
        let found = similar_episodes(&episode(2, one), vec![episode(1, other), episode(3, one)]);
        let rounded = found.first().map(|it| (it.similarity * 100.0).round() / 100.0);
        assert_eq!((rounded, found.len()), (expect, usize::from(expect.is_some())), "{one:?} {other:?}");
    }

    fn cause(signal: &str, direction: &str, contribution: f64) -> Cause {
        Cause {
            signal: signal.into(),
            direction: Some(direction.into()),
            contribution: Some(contribution),
            ..Cause::default()
        }
    }

    #[test]
    fn similar_are_those_with_the_same_signals_on_the_same_sides() {
        let busy = [cause("cpu", "high", 2.0), cause("tasks", "high", 1.0)];
        check(&busy, &busy, Some(1.0));
        check(&busy, &[cause("cpu", "high", 3.0)], Some(0.89));
        check(&busy, &[cause("cpu", "low", 3.0)], None);
        check(&busy, &[cause("disk", "high", 3.0)], None);
        check(&busy, &[], None);
        let gone = [Cause { signal: "disk".into(), absence: Some("vanished".into()), ..Cause::default() }];
        check(&gone, &gone, Some(1.0));
    }
}
