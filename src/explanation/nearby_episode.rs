//! Finds episodes that may belong to the same incident: logs that became anomalous when their host did, and the reverse.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EpisodeRecord;
use crate::reading::SubjectKind;

/// Largest number of nearby episodes.
pub const NEARBY_MAX: usize = 10;
/// Largest time between the starts of two nearby episodes, in seconds.
pub const NEARBY_SECONDS: f64 = 120.0;

/// An episode of another subject that started at about the same time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NearbyEpisode {
    /// Identifier of the episode.
    pub id: String,
    /// Kind of its subject.
    pub kind: String,
    /// Name of its subject.
    pub subject: String,
    /// Start, in seconds since the epoch.
    pub began: f64,
    /// Seconds by which it started later; negative if it started earlier.
    pub seconds_later: f64,
    /// Description of the episode.
    pub description: String,
}

/// The kind of subjects whose episodes may belong to the same incident as one of this kind; none for most.
pub fn nearby_kinds(kind: &str) -> Option<SubjectKind> {
    match SubjectKind::read(kind)? {
        SubjectKind::Host => Some(SubjectKind::Log),
        SubjectKind::Log => Some(SubjectKind::Host),
        SubjectKind::Container | SubjectKind::Pod | SubjectKind::Service => None,
    }
}

/// The episodes of logs that started within [`NEARBY_SECONDS`] of one of the host, or those of the host for one of a log:
/// the nearest first, at most [`NEARBY_MAX`].
pub fn nearby_episodes(episode: &EpisodeRecord, others: &[EpisodeRecord]) -> Vec<NearbyEpisode> {
    let Some(kind) = nearby_kinds(&episode.kind) else { return Vec::new() };
    let is_near = |it: &&EpisodeRecord| (it.began - episode.began).abs() <= NEARBY_SECONDS;
    let others = others.iter().filter(|it| it.kind == kind.name()).filter(is_near);
    let mut nearby: Vec<NearbyEpisode> = others
        .map(|it| NearbyEpisode {
            id: it.id.clone(),
            kind: it.kind.clone(),
            subject: it.subject.clone(),
            began: it.began,
            seconds_later: it.began - episode.began,
            description: it.description.clone(),
        })
        .collect();
    nearby.sort_by(|a, b| {
        a.seconds_later.abs().total_cmp(&b.seconds_later.abs()).then_with(|| a.id.cmp(&b.id))
    });
    nearby.truncate(NEARBY_MAX);
    nearby
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode(kind: &str, subject: &str, began: f64) -> EpisodeRecord {
        let causes = serde_json::json!([]);
        serde_json::from_value(serde_json::json!({
            "id": format!("{kind}/{subject}/{began}"), "kind": kind, "subject": subject, "began": began, "ended": null,
            "last_seen": began, "outcome": "open", "peak": 2.0, "causes": causes, "description": "", "model": null,
            "retained_from": null, "retained_to": null,
        }))
        .unwrap()
    }

    fn check(of: &EpisodeRecord, others: &[EpisodeRecord], expect: &[(&str, f64)]) {
        let found = nearby_episodes(of, others);
        let found: Vec<_> = found.iter().map(|it| (it.subject.as_str(), it.seconds_later)).collect();
        assert_eq!(found, expect, "{}", of.id);
    }

    #[test]
    fn logs_are_near_the_host_and_the_host_is_near_logs() {
        let host = episode("host", "host", 1_000.0);
        let logs = [
            episode("log", "nginx", 1_120.0),
            episode("log", "app", 970.0),
            episode("log", "late", 1_120.5),
            episode("container", "web", 1_000.0),
            host.clone(),
        ];
        check(&host, &logs, &[("app", -30.0), ("nginx", 120.0)]);
        check(&logs[0], &logs, &[("host", -120.0)]);
        check(&logs[2], &logs, &[]);
        check(&logs[3], &logs, &[]);
    }

    #[test]
    fn the_list_is_short() {
        let many: Vec<_> =
            (0..30).map(|idx| episode("log", &idx.to_string(), 1_000.0 + f64::from(idx))).collect();
        let found = nearby_episodes(&episode("host", "host", 1_000.0), &many);
        assert_eq!((found.len(), found[0].subject.as_str()), (NEARBY_MAX, "0"));
    }
}
