//! An episode as it is stored and served.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Cause;
use crate::culprit::{Culprit, FrozenScene};
use crate::duration::HumanDuration;
use crate::episode_text;
use crate::reading::{Subject, SubjectKind, Timestamp};
use crate::report::EpisodeTemplate;

/// An episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpisodeRecord {
    /// Its identifier, see [`episode_text::id`].
    pub id: String,
    /// Kind of its subject.
    pub kind: String,
    /// Name of its subject.
    pub subject: String,
    /// Start, in seconds since the epoch.
    pub began: f64,
    /// End; absent while it is open.
    pub ended: Option<f64>,
    /// Last reading inside the episode.
    pub last_seen: f64,
    /// open, ended, accepted or interrupted.
    pub outcome: String,
    /// Highest score.
    pub peak: f64,
    /// The signals that caused it, largest contribution first.
    pub causes: Vec<Cause>,
    /// Its last description.
    pub description: String,
    /// What made it expected, such as maintenance; empty for most.
    #[serde(default)]
    pub marks: Vec<String>,
    /// The verdict of an operator, rejected or confirmed; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// When it was given, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_at: Option<f64>,
    /// The model that scored it.
    pub model: Option<String>,
    /// First reading kept for it; absent after its readings were deleted.
    pub keep_from: Option<f64>,
    /// Last reading kept for it.
    pub keep_to: Option<f64>,
    /// Who uses most of what deviates, the first one ahead, at most three; empty if nobody stands out.
    #[serde(default)]
    pub culprits: Vec<Culprit>,
    /// The host at its start and at its peak; only with a single episode, because they are large.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenes: Vec<FrozenScene>,
    /// The masked kinds of lines that explain it, new ones first, at most five; empty for all but logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<EpisodeTemplate>,
}

impl EpisodeRecord {
    /// Its subject; absent for a kind that this program does not know.
    pub fn subject(&self) -> Option<Subject> {
        Subject::read(SubjectKind::read(&self.kind)?, &self.subject)
    }

    /// Its end, or its last reading while it lasts, in Unix seconds.
    pub fn last_instant(&self) -> f64 {
        self.ended.unwrap_or(self.last_seen)
    }

    /// Whether an instant is inside it; one that is open lasts.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.began <= at.0 && self.ended.is_none_or(|ended| at.0 <= ended)
    }

    /// Its duration until its end, or until its last reading.
    pub fn duration(&self) -> HumanDuration {
        HumanDuration::nearest((self.last_instant() - self.began).round())
    }

    /// The episode in words: its description, since when, for how long, and its peak.
    pub fn sentence(&self) -> String {
        let since = episode_text::instant(Timestamp(self.began.floor()));
        let since = since.trim_end_matches(".000Z");
        let (description, duration, peak) = (&self.description, self.duration(), self.peak);
        let verdict = self.verdict.as_ref().map(|it| format!(", {it} by an operator")).unwrap_or_default();
        let mark = |it: &String| match it.as_str() {
            "maintenance" => ", in maintenance".to_owned(),
            other => format!(", {other}"),
        };
        let marks: String = self.marks.iter().map(mark).collect();
        match self.ended {
            None => format!(
                "{description}; since {since}Z, for {duration} so far, peak score {peak:.1}{marks}{verdict}"
            ),
            Some(_) => {
                format!(
                    "{description}; from {since}Z for {duration}, {}, peak score {peak:.1}{marks}{verdict}",
                    self.outcome
                )
            }
        }
    }
}
