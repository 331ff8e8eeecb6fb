//! Explains what was unusual around an instant, in data and in one sentence: the same for API, command line and page.
//!
//! The facts come in as arguments: episodes, scores and points of one subject. "Nothing was unusual" is an answer too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::culprit::{Culprit, FrozenScene};
use crate::reading::{Subject, Timestamp};
use crate::report::{Assessment, EpisodeTemplate};
use crate::signal::Signal;

mod cause;
mod current_episode;
mod episode_id;
mod episode_record;
mod out_of_range_signals;
mod main_episode;
mod nearby_episode;
mod no_episode_sentence;
mod similar_episode;
mod timed_score;
mod unscored_range;

pub use cause::Cause;
pub use episode_id::EpisodeId;
pub use episode_record::EpisodeRecord;
pub use main_episode::main_episode;
pub use nearby_episode::{NEARBY_MAX, NEARBY_SECONDS, NearbyEpisode, nearby_episodes, nearby_kinds};
pub use no_episode_sentence::MissingScore;
pub use out_of_range_signals::{
    DayRanges, OUT_OF_RANGE_MAX, OutOfRangeSignal, REFERENCE_POINTS_MIN, SignalValues,
    find_out_of_range_signals,
};
pub use similar_episode::{SIMILAR_MAX, SimilarEpisode, similar_episodes};
pub use timed_score::TimedScore;
pub use unscored_range::{ExplainedTime, UnscoredRange};

use no_episode_sentence::{no_episode_sentence, unknown_sentence};
use unscored_range::unscored_ranges;

/// The data of one subject around an instant.
#[derive(Debug, Clone, Default)]
pub struct SubjectEvidence<'a> {
    /// The instant asked about; absent if the whole range is meant.
    pub at: Option<Timestamp>,
    /// The episodes that overlap the range, the oldest first.
    pub episodes: Vec<EpisodeRecord>,
    /// All episodes of the subject up to the end of the range.
    pub earlier: Vec<EpisodeRecord>,
    /// Episodes of other subjects that may belong to the same incident.
    pub others: Vec<EpisodeRecord>,
    /// Time and score of each point in the range, the oldest first; 1 is the threshold.
    pub scores: Vec<(Timestamp, f64)>,
    /// The signals of the points.
    pub signals: Vec<&'static Signal>,
    /// The points in the range, the oldest first.
    pub points: Vec<SignalValues>,
    /// The ranges of the day before the range, by its points outside episodes.
    pub reference: DayRanges,
    /// The current state and the time of its reading, if the range contains it.
    pub current: Option<(Timestamp, &'a Assessment)>,
    /// Why there may be no score.
    pub missing: MissingScore,
    /// The range up to now; absent where it does not matter which part of it has scores.
    pub time: Option<ExplainedTime>,
}

/// The answer for one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectExplanation {
    /// Kind of the subject.
    pub kind: String,
    /// Name of the subject.
    pub subject: String,
    /// Whether an episode overlaps the range, or a score in the range reached the unusual level; absent if nothing is known,
    /// because the range has neither an episode nor a score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusual: Option<bool>,
    /// The answer in words.
    pub sentence: String,
    /// Expected time of the first score, in Unix seconds; only if nothing is known because hostnorm is still learning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_score_at: Option<f64>,
    /// The highest score in the range, the current one included; absent without a score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_score: Option<TimedScore>,
    /// The parts of the range without a score, the earliest first, at most ten; usual short gaps do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unscored: Vec<UnscoredRange>,
    /// The episodes that overlap the range, the oldest first.
    pub episodes: Vec<EpisodeRecord>,
    /// Identifier of the explained episode; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained: Option<String>,
    /// The signals behind the explained episode, or without one behind the current score, the largest contribution first.
    /// The explained episode is the one at the requested time, else an open one, else the one with the highest peak.
    pub causes: Vec<Cause>,
    /// The processes whose use of a deviating resource grew most in the explained episode, largest growth first; empty if
    /// no process stands out.
    #[serde(default)]
    pub culprits: Vec<Culprit>,
    /// The state of the host at the start and at the peak of the explained episode.
    #[serde(default)]
    pub scenes: Vec<FrozenScene>,
    /// The masked templates that explain an episode of a log, new templates first, at most five; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<EpisodeTemplate>,
    /// For an episode of the host: the episodes of logs that started within two minutes of it. For an episode of a log: the
    /// episode of the host that started within two minutes of it. The nearest in time first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearby: Vec<NearbyEpisode>,
    /// The signals that left their range of the day before, the earliest first; those with the same time in the order of how
    /// far they are outside; absent if that range or the points are unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_range: Option<Vec<OutOfRangeSignal>>,
    /// Earlier episodes with the same signals, the most similar first.
    pub similar: Vec<SimilarEpisode>,
}

/// Unusual behavior in a range of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// Start of the range, in Unix seconds.
    pub from: f64,
    /// End of the range, in Unix seconds.
    pub to: f64,
    /// Whether anything was unusual; absent if nothing is known of any subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusual: Option<bool>,
    /// The answer in words: a line for each subject.
    pub message: String,
    /// The subjects, the unusual ones first, then those with the highest scores.
    pub subjects: Vec<SubjectExplanation>,
    /// Number of further subjects with an anomaly, which are left out; absent without one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Explanation {
    /// The answers for these subjects, at most `subjects_max` of them; `skipped` further ones with an anomaly are left out.
    pub fn new(
        [from, to]: [Timestamp; 2],
        mut subjects: Vec<SubjectExplanation>,
        skipped: usize,
        subjects_max: usize,
    ) -> Self {
        let score = |it: &SubjectExplanation| it.highest_score.map_or(0.0, |it| it.score);
        subjects.sort_by(|one, other| {
            other.unusual.cmp(&one.unusual).then_with(|| score(other).total_cmp(&score(one)))
        });
        let beyond = subjects.iter().skip(subjects_max).filter(|it| it.unusual == Some(true));
        let skipped = skipped + beyond.count();
        subjects.truncate(subjects_max);
        let more = match skipped {
            0 => None,
            count => Some(format!("{count} more subjects have an anomaly; ask for each by its name")),
        };
        let lines: Vec<&str> = subjects.iter().map(|it| &*it.sentence).chain(more.as_deref()).collect();
        let message =
            if lines.is_empty() { "Nothing is known of this time".into() } else { lines.join("\n") };
        // Of what is known: `Some(true)` is above `Some(false)`, and that above `None`.
        let unusual = subjects.iter().filter_map(|it| it.unusual).max();
        Self { from: from.0, to: to.0, unusual, message, subjects, skipped }
    }
}

/// Explains one subject.
pub fn explain(subject: &Subject, facts: SubjectEvidence<'_>) -> SubjectExplanation {
    let SubjectEvidence { at, mut episodes, missing, current, time, .. } = facts;
    let SubjectEvidence { earlier, others, scores, signals, points, reference, .. } = facts;
    if let Some((now, state)) = current {
        current_episode::add(&mut episodes, subject, now, state);
    }
    let now =
        current.and_then(|(at, it)| Some(TimedScore { at: at.0, score: it.details.as_ref()?.instant_score }));
    let highest = scores.iter().map(|(at, score)| TimedScore { at: at.0, score: *score }).chain(now);
    let highest = highest.reduce(|one, other| if other.score > one.score { other } else { one });
    let scored = scores.iter().map(|(at, _)| *at).chain(now.map(|it| Timestamp(it.at)));
    let unscored = unscored_ranges(time.filter(|_| highest.is_some()), scored);
    let main = main_episode(&episodes, at).and_then(|idx| episodes.get(idx));
    let state = current.map(|(_, it)| it);
    let (causes, templates) = match (main, state) {
        (Some(main), _) => (main.causes.clone(), main.templates.clone()),
        (None, Some(state)) => (Cause::of(state), state.templates.to_vec()),
        (None, None) => Default::default(),
    };
    let (culprits, scenes) = match (main, state.and_then(|it| it.scene.as_deref())) {
        (Some(main), _) => (main.culprits.clone(), main.scenes.clone()),
        (None, Some(scene)) => (scene.culprits.clone(), scene.scenes.clone()),
        (None, None) => Default::default(),
    };
    let nearby = main.map_or_else(Vec::new, |it| nearby_episodes(it, &others));
    let similar = main.map_or_else(Vec::new, |it| similar_episodes(it, earlier));
    let unusual = if main.is_some() { Some(true) } else { highest.map(|it| it.score >= 1.0) };
    let is_comparable = reference.are_known() && !points.is_empty();
    let out_of_range = is_comparable.then(|| find_out_of_range_signals(&signals, &points, &reference));
    let sentence = match (main, highest) {
        (Some(main), _) => main_episode::sentence(main, &episodes),
        (None, Some(highest)) => {
            no_episode_sentence(subject, highest.score, out_of_range.as_deref(), &unscored)
        }
        (None, None) => unknown_sentence(subject, missing),
    };
    let first_score_at = match missing {
        MissingScore::Learning(at) if unusual.is_none() => Some(at.0),
        _ => None,
    };
    let explained = main.map(|it| it.id.clone());
    // They are large, and part of the answer once.
    episodes.iter_mut().for_each(|it| it.scenes.clear());
    SubjectExplanation {
        kind: subject.kind().name().to_owned(),
        subject: subject.name().to_owned(),
        unusual,
        sentence,
        first_score_at,
        highest_score: highest,
        unscored,
        explained,
        causes,
        culprits,
        scenes,
        templates,
        nearby,
        out_of_range,
        similar,
        episodes,
    }
}

#[cfg(test)]
mod tests;
