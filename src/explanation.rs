//! Explains what was unusual around an instant, in data and in one sentence: the same for API, command line and page.
//!
//! The facts come in as arguments: episodes, scores and points of one subject. "Nothing was unusual" is an answer too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::culprit::{Culprit, FrozenScene};
use crate::episode_text;
use crate::reading::{Subject, Timestamp};
use crate::report::{Assessment, EpisodeTemplate};
use crate::signal::Signal;

mod cause;
mod episode_id;
mod episode_record;
mod excursions;
mod nearby;
mod similar;

pub use cause::Cause;
pub use episode_id::EpisodeId;
pub use episode_record::EpisodeRecord;
pub use excursions::{DayRangeExcursion, EXCURSIONS_MAX, REFERENCE_POINTS_MIN, SignalValues, excursions};
pub use nearby::{NEARBY_MAX, NEARBY_SECONDS, NearbyEpisode, nearby_episodes, nearby_kinds};
pub use similar::{SIMILAR_MAX, SimilarEpisode, similar_episodes};

/// The data of one subject around an instant.
#[derive(Debug, Clone, Default)]
pub struct SubjectEvidence<'a> {
    /// The episodes that overlap the range, the oldest first.
    pub episodes: Vec<EpisodeRecord>,
    /// The episodes before the range.
    pub earlier: Vec<EpisodeRecord>,
    /// Episodes of other subjects that may belong to the same incident.
    pub others: Vec<EpisodeRecord>,
    /// Time and score of each point in the range, the oldest first; 1 is the threshold.
    pub scores: Vec<(Timestamp, f64)>,
    /// The signals of the points.
    pub signals: Vec<&'static Signal>,
    /// The points in the range, the oldest first.
    pub points: Vec<SignalValues>,
    /// The points of the day before the range that lie outside episodes.
    pub reference: Vec<SignalValues>,
    /// The current state, if the range contains it.
    pub current: Option<&'a Assessment>,
}

/// The answer for one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectExplanation {
    /// Kind of the subject.
    pub kind: String,
    /// Name of the subject.
    pub subject: String,
    /// Whether an episode overlaps the range, or a score in it reached the threshold.
    pub unusual: bool,
    /// The answer in words.
    pub sentence: String,
    /// The highest score in the range; absent without a score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_score: Option<ScoreAt>,
    /// The episodes that overlap the range, the oldest first.
    pub episodes: Vec<EpisodeRecord>,
    /// The signals behind the episode with the highest peak, or behind the current score, the largest contribution first.
    pub causes: Vec<Cause>,
    /// Who uses most of what deviates in that episode, the first one ahead; empty if nobody stands out.
    #[serde(default)]
    pub culprits: Vec<Culprit>,
    /// The host at the start and at the peak of that episode.
    #[serde(default)]
    pub scenes: Vec<FrozenScene>,
    /// The masked kinds of lines that explain that episode, new ones first, at most five; empty for all but logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<EpisodeTemplate>,
    /// For an episode of the host, the logs that became anomalous within two minutes of its start; for one of a log, the
    /// episode of the host. The nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearby: Vec<NearbyEpisode>,
    /// The signals that left their range of the day before, the earliest first.
    pub left_range: Vec<DayRangeExcursion>,
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
    /// Whether anything was unusual.
    pub unusual: bool,
    /// The answer in words: a line for each subject.
    pub message: String,
    /// The subjects, the unusual ones first, then those with the highest scores.
    pub subjects: Vec<SubjectExplanation>,
}

impl Explanation {
    /// The answers for these subjects, at most `subjects_max` of them.
    pub fn new(
        [from, to]: [Timestamp; 2],
        mut subjects: Vec<SubjectExplanation>,
        subjects_max: usize,
    ) -> Self {
        let score = |it: &SubjectExplanation| it.highest_score.map_or(0.0, |it| it.score);
        subjects.sort_by(|one, other| {
            other.unusual.cmp(&one.unusual).then_with(|| score(other).total_cmp(&score(one)))
        });
        subjects.truncate(subjects_max);
        let lines: Vec<&str> = subjects.iter().map(|it| it.sentence.as_str()).collect();
        let message =
            if lines.is_empty() { "Nothing is known of this time".into() } else { lines.join("\n") };
        let unusual = subjects.iter().any(|it| it.unusual);
        Self { from: from.0, to: to.0, unusual, message, subjects }
    }
}

/// A score and its time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreAt {
    /// Unix time in seconds.
    pub at: f64,
    /// The score; 1 is the threshold.
    pub score: f64,
}

/// Explains one subject.
pub fn explain(subject: &Subject, facts: SubjectEvidence<'_>) -> SubjectExplanation {
    let SubjectEvidence { mut episodes, earlier, others, scores, signals, points, reference, current } =
        facts;
    let now = current.and_then(|it| it.details.as_ref()).map(|it| it.score);
    let highest = scores.iter().map(|(at, score)| ScoreAt { at: at.0, score: *score });
    let highest = highest.reduce(|one, other| if other.score > one.score { other } else { one });
    let worst = episodes.iter().reduce(|one, other| if other.peak > one.peak { other } else { one });
    let causes = match (worst, current) {
        (Some(worst), _) => worst.causes.clone(),
        (None, Some(current)) => Cause::of(current),
        (None, None) => Vec::new(),
    };
    let scene = current.and_then(|it| it.scene.as_deref());
    let (culprits, scenes) = match (worst, scene) {
        (Some(worst), _) => (worst.culprits.clone(), worst.scenes.clone()),
        (None, Some(scene)) => (scene.culprits.clone(), scene.scenes.clone()),
        (None, None) => Default::default(),
    };
    let templates = match (worst, current) {
        (Some(worst), _) => worst.templates.clone(),
        (None, Some(current)) => current.templates.to_vec(),
        (None, None) => Vec::new(),
    };
    let nearby = worst.map_or_else(Vec::new, |it| nearby_episodes(it, &others));
    let similar = worst.map_or_else(Vec::new, |it| similar_episodes(it, earlier));
    let reached = |score: f64| score >= 1.0;
    let unusual = worst.is_some() || highest.is_some_and(|it| reached(it.score)) || now.is_some_and(reached);
    let left_range = excursions(&signals, &points, &reference);
    let has_reference = reference.len() >= REFERENCE_POINTS_MIN;
    let highest_score = highest.map(|it| it.score).into_iter().chain(now).reduce(f64::max);
    let sentence = match worst {
        Some(worst) => worst.sentence(),
        None => quiet_sentence(subject, unusual, highest_score, has_reference.then_some(&left_range)),
    };
    // They are large, and part of the answer once.
    episodes.iter_mut().for_each(|it| it.scenes.clear());
    SubjectExplanation {
        kind: subject.kind().name().to_owned(),
        subject: subject.name().to_owned(),
        unusual,
        sentence,
        highest_score: highest,
        causes,
        culprits,
        scenes,
        templates,
        nearby,
        left_range,
        similar,
        episodes,
    }
}

/// The answer without an episode.
fn quiet_sentence(
    subject: &Subject,
    unusual: bool,
    highest: Option<f64>,
    left_range: Option<&Vec<DayRangeExcursion>>,
) -> String {
    let name = episode_text::name(subject);
    let Some(highest) = highest else {
        return format!("Nothing is known of {name} at this time: there is no score");
    };
    let verdict = match unusual {
        true => format!("The score of {name} reached {highest:.2} (unusual from 1) without an episode"),
        false => format!("Nothing was unusual on {name}: highest score {highest:.2} (unusual from 1)"),
    };
    match left_range.map(Vec::as_slice) {
        None => verdict,
        Some([]) => format!("{verdict}, each signal within its range of the day before"),
        Some(left) => {
            let titles: Vec<_> =
                left.iter().take(episode_text::CAUSES_MAX).map(|it| it.title.as_str()).collect();
            let more = left.len().saturating_sub(titles.len());
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("{verdict}; outside the range of the day before: {}{more}", titles.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::SubjectKind;
    use crate::report::ScoreDetails;
    use crate::signal::SignalUnit;

    static CPU: Signal = Signal {
        kind: SubjectKind::Host,
        name: "cpu",
        title: "CPU usage",
        help: "",
        unit: SignalUnit::Ratio,
        floor: 0.01,
        device: None,
        formula: |_| None,
    };

    fn point(at: f64, value: f64) -> SignalValues {
        SignalValues { at: Timestamp(at), values: vec![Some(value)] }
    }

    fn facts(scores: &[f64], values: &[f64]) -> SubjectEvidence<'static> {
        let at = |idx: usize| 1_000.0 + 30.0 * idx as f64;
        SubjectEvidence {
            scores: scores.iter().enumerate().map(|(idx, it)| (Timestamp(at(idx)), *it)).collect(),
            signals: vec![&CPU],
            points: values.iter().enumerate().map(|(idx, it)| point(at(idx), *it)).collect(),
            reference: (0..100).map(|idx| point(f64::from(idx), 0.1 + 0.001 * f64::from(idx))).collect(),
            ..SubjectEvidence::default()
        }
    }

    #[test]
    fn nothing_unusual_is_an_answer() {
        let it = explain(&Subject::Host, facts(&[0.1, 0.3, 0.2], &[0.15, 0.2]));
        assert!(!it.unusual && it.left_range.is_empty());
        assert_eq!(
            it.sentence,
            "Nothing was unusual on host: highest score 0.30 (unusual from 1), each signal within its range of the day before"
        );
        assert_eq!(it.highest_score, Some(ScoreAt { at: 1_030.0, score: 0.3 }));
    }

    #[test]
    fn signals_outside_their_range_are_named_without_an_episode() {
        let it = explain(&Subject::Host, facts(&[0.5], &[0.15, 0.5, 0.6]));
        assert_eq!(
            it.sentence,
            "Nothing was unusual on host: highest score 0.50 (unusual from 1); outside the range of the day before: CPU usage"
        );
        let [left] = it.left_range.as_slice() else { panic!("{:?}", it.left_range) };
        assert_eq!((left.at, left.value, left.signal.as_str()), (1_030.0, 0.5, "cpu"));
    }

    #[test]
    fn without_scores_nothing_is_known() {
        let it = explain(&Subject::Host, SubjectEvidence::default());
        assert_eq!(it.sentence, "Nothing is known of host at this time: there is no score");
        assert!(!it.unusual && it.highest_score.is_none());
    }

    #[test]
    fn the_current_score_counts() {
        let details = Some(ScoreDetails { score: 1.5, ..ScoreDetails::default() });
        let current = Assessment { details, ..Assessment::default() };
        let it = explain(
            &Subject::Host,
            SubjectEvidence { current: Some(&current), ..SubjectEvidence::default() },
        );
        assert!(it.unusual);
        assert_eq!(it.sentence, "The score of host reached 1.50 (unusual from 1) without an episode");
    }
}
