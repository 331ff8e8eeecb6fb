//! An episode as it is stored and served.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Cause;
use crate::culprit::{Culprit, FrozenScene};
use crate::duration::HumanDuration;
use crate::episode_text;
use crate::reading::{Subject, SubjectKind, Timestamp};
use crate::report::EpisodeTemplate;

/// A recorded anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpisodeRecord {
    /// Identifier of the episode, such as 2026-11-28T19:04:05Z, or 2026-11-28T19:04:05Z/log/nginx.
    pub id: String,
    /// Kind of the subject.
    pub kind: String,
    /// Name of the subject.
    pub subject: String,
    /// Start, in seconds since the epoch.
    pub began: f64,
    /// End, in seconds since the epoch; absent while the episode is open.
    pub ended: Option<f64>,
    /// Time of the last reading inside the episode, in seconds since the epoch.
    pub last_seen: f64,
    /// Length in seconds of readings: neither gaps nor steps of the clock count. Absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasted: Option<f64>,
    /// open, ended, accepted (as normal) or interrupted. An episode is interrupted if hostnorm was not running when it
    /// ended, so its end is unknown.
    pub outcome: String,
    /// Highest score.
    pub peak: f64,
    /// The signals behind the anomaly, largest contribution first.
    pub causes: Vec<Cause>,
    /// Last description of the episode.
    pub description: String,
    /// Severity by its highest impact so far: info, warning or critical; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Circumstances that made the episode expected: maintenance or silenced; usually empty.
    #[serde(default)]
    pub circumstances: Vec<String>,
    /// Verdict of an operator, rejected or confirmed; absent without a verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Time of the verdict, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_at: Option<f64>,
    /// Identifier of the model that scored the episode.
    pub model: Option<String>,
    /// Time of the first reading kept to explain the episode; absent after these readings were deleted.
    pub retained_from: Option<f64>,
    /// Time of the last reading kept to explain the episode.
    pub retained_to: Option<f64>,
    /// The processes whose use of a deviating resource grew most, largest growth first, at most three; empty if no process
    /// stands out.
    #[serde(default)]
    pub culprits: Vec<Culprit>,
    /// The state of the host at the start and at the peak. Lists of episodes leave it out, because it is large.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenes: Vec<FrozenScene>,
    /// The masked templates that explain an episode of a log, new templates first, at most five; else empty.
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

    /// Whether an instant is inside it; one that is open lasts. Its identifier has the second of its start, so it begins
    /// with this second.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.began.floor() <= at.0 && self.ended.is_none_or(|ended| at.0 <= ended)
    }

    /// Its duration until its end, or until its last reading. Without a length by its readings it is told by the clock, and
    /// unknown if that was set back meanwhile.
    pub fn duration(&self) -> Option<HumanDuration> {
        let seconds = self.lasted.unwrap_or_else(|| self.last_instant() - self.began);
        (seconds >= 0.0).then(|| HumanDuration::nearest(seconds.round()))
    }

    /// The duration in words.
    pub fn duration_text(&self) -> String {
        self.duration().map_or_else(|| "unknown".to_owned(), |it| it.to_string())
    }

    /// The episode in words: its description, since when, for how long, and its peak.
    pub fn sentence(&self) -> String {
        let since = episode_text::instant(Timestamp(self.began.floor()));
        let since = since.trim_end_matches(".000Z");
        let (description, duration, peak) = (&self.description, self.duration(), self.peak);
        let duration = duration.map_or_else(|| "an unknown time".to_owned(), |it| it.to_string());
        let verdict = self.verdict.as_ref().map(|it| format!(", {it} by an operator")).unwrap_or_default();
        let circumstance = |it: &String| match it.as_str() {
            "maintenance" => ", in maintenance".to_owned(),
            other => format!(", {other}"),
        };
        let circumstances: String = self.circumstances.iter().map(circumstance).collect();
        match self.ended {
            None => format!(
                "{description}; since {since}Z, for {duration} so far, peak score {peak:.1}{circumstances}{verdict}"
            ),
            Some(_) => {
                format!(
                    "{description}; from {since}Z for {duration}, {}, peak score {peak:.1}{circumstances}{verdict}",
                    self.outcome
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An episode that ended so many seconds after its start, by the clock.
    fn ended_after(by_clock: f64, lasted: Option<f64>) -> EpisodeRecord {
        serde_json::from_value(serde_json::json!({
            "id": "", "kind": "host", "subject": "host", "began": 1e9, "ended": 1e9 + by_clock, "last_seen": 1e9 + by_clock,
            "lasted": lasted, "outcome": "ended", "peak": 2.0, "causes": [], "description": "Anomaly on host: CPU usage 97 %",
            "model": null, "retained_from": null, "retained_to": null,
        }))
        .unwrap()
    }

    #[test]
    fn the_duration_is_that_of_the_readings_whatever_the_clock_says() {
        for (by_clock, lasted, expect) in [
            (95.25, Some(95.2), "1m35s"),
            // The clock was set forward, or back, by an hour.
            (3_695.25, Some(95.2), "1m35s"),
            (-3_504.75, Some(95.2), "1m35s"),
            (95.25, None, "1m35s"),
            (-3_504.75, None, "unknown"),
        ] {
            assert_eq!(ended_after(by_clock, lasted).duration_text(), expect, "{by_clock} {lasted:?}");
        }
    }

    #[test]
    fn an_episode_begins_with_the_second_of_its_identifier() {
        let episode = EpisodeRecord { began: 1e9 + 0.9, ..ended_after(10.0, None) };
        let contains = |at: f64| episode.contains(Timestamp(1e9 + at));
        assert_eq!([-0.1, 0.0, 0.9, 10.0, 10.1].map(contains), [false, true, true, true, false]);
    }

    #[test]
    fn an_unknown_duration_is_said_to_be_unknown() {
        let sentence = ended_after(-3_504.75, None).sentence();
        let says = "Anomaly on host: CPU usage 97 %; from 2001-09-09T01:46:40Z for an unknown time, ended, peak score 2.0";
        assert_eq!(sentence, says);
    }
}
