//! Verdicts of an operator on episodes: the command, and what the store knows of earlier ones.

use super::persist::PersistentState;
use crate::clock;
use crate::control_command::{CommandRefusal, ControlReply};
use crate::engine::{Engine, PastEpisode};
use crate::episode_pattern::{OperatorVerdict, RECENT_MAX, REJECTED_SECONDS};
use crate::episode_text;
use crate::explanation::{Cause, EpisodeRecord};
use crate::reading::{Subject, SubjectTurnover, Timestamp};
use crate::report::DeviationDirection;
use crate::store::{StoreError, StoreReader, StoreWrite, VerdictRow};

impl PersistentState {
    /// Records a verdict on the episode that started in this second.
    ///
    /// # Errors
    /// If it is not known.
    pub(super) fn set_verdict(
        &mut self,
        subject: &Subject,
        second: Timestamp,
        verdict: OperatorVerdict,
    ) -> Result<ControlReply, CommandRefusal> {
        let id = episode_text::id(subject, second);
        if !self.engine.set_verdict(subject, second, verdict) {
            let name = episode_text::name(subject);
            return Err(CommandRefusal::NotFound(format!(
                "no episode {id} among the newest {RECENT_MAX} of {name}; `hostnorm episodes` lists all"
            )));
        }
        let row = VerdictRow { subject: subject.clone(), second, verdict, at: clock::now() };
        let note = self.store_command(StoreWrite::Verdict(row));
        self.save_snapshot(Some("verdict"));
        tracing::info!(episode = id, verdict = verdict.name(), "verdict recorded");
        let days = REJECTED_SECONDS / 86_400.0;
        Ok(ControlReply::sentence(match verdict {
            OperatorVerdict::Rejected => {
                format!("episode {id} is rejected; scores like it are discounted for {days} days{note}")
            }
            OperatorVerdict::Confirmed => {
                format!("episode {id} is confirmed; scores like it are never discounted{note}")
            }
        }))
    }
}

/// Adds the stored episodes of subjects that stay to an engine.
pub(super) fn recall(reader: &StoreReader, engine: &mut Engine) -> Result<(), StoreError> {
    let live: Vec<Subject> =
        engine.live().filter(|it| it.kind().turnover() == SubjectTurnover::Permanent).cloned().collect();
    for subject in live {
        for record in reader.episodes_with_verdict(&subject, RECENT_MAX)? {
            engine.recall_episode(&subject, &past_episode(&record));
        }
    }
    Ok(())
}

fn past_episode(record: &EpisodeRecord) -> PastEpisode {
    let part = |it: &Cause| {
        let is_high = it.direction.as_deref()? == DeviationDirection::High.name();
        Some((it.signal.clone(), is_high, it.contribution.filter(|it| *it > 0.0)?))
    };
    let verdict = record.verdict.as_deref().and_then(OperatorVerdict::read);
    PastEpisode {
        since: Timestamp(record.began),
        peak: record.peak,
        parts: record.causes.iter().filter_map(part).collect(),
        verdict: verdict.map(|it| (it, Timestamp(record.verdict_at.unwrap_or(record.began)))),
    }
}
