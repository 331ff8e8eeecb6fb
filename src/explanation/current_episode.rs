//! The open episode as the newest report has it: the store knows it some seconds later.

use super::{Cause, EpisodeRecord};
use crate::episode_text;
use crate::reading::{Subject, Timestamp};
use crate::report::Assessment;

/// Adds the open episode of this state, or updates the stored one with it.
pub(super) fn add(episodes: &mut Vec<EpisodeRecord>, subject: &Subject, now: Timestamp, state: &Assessment) {
    let Some(open) = state.episode else { return };
    let id = episode_text::id(subject, open.since);
    let description = state.description.as_deref();
    if let Some(stored) = episodes.iter_mut().find(|it| it.id == id) {
        (stored.last_seen, stored.peak) = (stored.last_seen.max(now.0), stored.peak.max(open.peak));
        stored.lasted = Some(open.lasted);
        if let Some(description) = description {
            description.clone_into(&mut stored.description);
        }
        return;
    }
    let scene = state.scene.as_deref();
    episodes.push(EpisodeRecord {
        id,
        kind: subject.kind().name().to_owned(),
        subject: subject.name().to_owned(),
        began: open.since.0,
        ended: None,
        last_seen: now.0,
        lasted: Some(open.lasted),
        outcome: "open".to_owned(),
        peak: open.peak,
        causes: Cause::of(state),
        description: description
            .map_or_else(|| format!("Anomaly on {}", episode_text::name(subject)), str::to_owned),
        severity: state.severity.map(|it| it.name().to_owned()),
        circumstances: state.circumstances.names().map(str::to_owned).collect(),
        verdict: None,
        verdict_at: None,
        model: None,
        retained_from: None,
        retained_to: None,
        culprits: scene.map(|it| it.culprits.clone()).unwrap_or_default(),
        scenes: scene.map(|it| it.scenes.clone()).unwrap_or_default(),
        templates: state.templates.to_vec(),
    });
}
