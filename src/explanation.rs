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
        // Of what is known: `Some(true)` is above `Some(false)`, and that above `None`.
        let unusual = subjects.iter().filter_map(|it| it.unusual).max();
        Self { from: from.0, to: to.0, unusual, message, subjects }
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
mod tests {
    use super::*;
    use crate::episode_text;
    use crate::reading::SubjectKind;
    use crate::report::{Episode, ScoreDetails};
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
        let mut reference = DayRanges::default();
        (0..100).for_each(|idx| reference.add([Some(0.1 + 0.001 * f64::from(idx))].into_iter()));
        let at = |idx: usize| 1_000.0 + 30.0 * idx as f64;
        SubjectEvidence {
            scores: scores.iter().enumerate().map(|(idx, it)| (Timestamp(at(idx)), *it)).collect(),
            signals: vec![&CPU],
            points: values.iter().enumerate().map(|(idx, it)| point(at(idx), *it)).collect(),
            reference,
            ..SubjectEvidence::default()
        }
    }

    #[test]
    fn nothing_unusual_is_an_answer() {
        let it = explain(&Subject::Host, facts(&[0.1, 0.3, 0.2], &[0.15, 0.2]));
        assert_eq!((it.unusual, it.out_of_range), (Some(false), Some(Vec::new())));
        assert_eq!(
            it.sentence,
            "Nothing was unusual on host: highest score 0.30 (unusual from 1), each signal within its range of the day before"
        );
        assert_eq!(it.highest_score, Some(TimedScore { at: 1_030.0, score: 0.3 }));
    }

    #[test]
    fn signals_outside_their_range_are_named_without_an_episode() {
        let it = explain(&Subject::Host, facts(&[0.5], &[0.15, 0.5, 0.6]));
        assert_eq!(
            it.sentence,
            "Nothing was unusual on host: highest score 0.50 (unusual from 1); outside the range of the day before: CPU usage"
        );
        let Some([left]) = it.out_of_range.as_deref() else { panic!("{:?}", it.out_of_range) };
        assert_eq!((left.at, left.value, left.signal.as_str()), (1_030.0, 0.5, "cpu"));
    }

    #[test]
    fn without_scores_nothing_is_known() {
        let check = |missing: MissingScore, says: &str, first_score_at: Option<f64>| {
            let it = explain(&Subject::Host, SubjectEvidence { missing, ..SubjectEvidence::default() });
            assert_eq!(it.sentence, format!("Nothing is known of host at this time: {says}"));
            assert_eq!((it.unusual, it.first_score_at), (None, first_score_at));
            let json = serde_json::to_value(&it).unwrap();
            assert!(json.get("unusual").is_none() && json.get("highest_score").is_none(), "{json}");
            let whole = Explanation::new([Timestamp(0.0); 2], vec![it], 1);
            assert_eq!(whole.unusual, None);
        };
        check(MissingScore::Unknown, "there is no score", None);
        check(MissingScore::Future, "it is in the future", None);
        let says =
            "there is no score, because hostnorm is still learning; the first comes at 1970-01-01T00:10:00Z";
        check(MissingScore::Learning(Timestamp(599.5)), says, Some(599.5));
        // A score that is there counts, whatever the state is now.
        let missing = MissingScore::Learning(Timestamp(600.0));
        let it = explain(&Subject::Host, SubjectEvidence { missing, ..facts(&[0.25], &[]) });
        assert_eq!((it.unusual, it.first_score_at), (Some(false), None));
    }

    #[test]
    fn what_is_known_of_one_subject_is_an_answer_for_all() {
        let known = |scores: &[f64]| explain(&Subject::Host, facts(scores, &[]));
        let unusual = |subjects: &[&[f64]]| {
            let subjects = subjects.iter().map(|it| known(it)).collect();
            let whole = Explanation::new([Timestamp(0.0); 2], subjects, 9);
            (whole.unusual, whole.subjects.iter().map(|it| it.unusual).collect::<Vec<_>>())
        };
        assert_eq!(unusual(&[]), (None, vec![]));
        assert_eq!(unusual(&[&[], &[0.5]]), (Some(false), vec![Some(false), None]));
        assert_eq!(unusual(&[&[], &[0.5], &[1.5]]), (Some(true), vec![Some(true), Some(false), None]));
    }

    #[test]
    fn the_current_score_counts() {
        // A higher score that is only held was reached before.
        let details = Some(ScoreDetails { score: 4.0, instant_score: 1.5, ..ScoreDetails::default() });
        let current = Assessment { details, ..Assessment::default() };
        let it = explain(
            &Subject::Host,
            SubjectEvidence { current: Some((Timestamp(5.0), &current)), ..facts(&[0.25], &[0.15]) },
        );
        assert_eq!(it.unusual, Some(true));
        assert_eq!(
            it.sentence,
            "The score of host reached 1.50 (unusual from 1) without an episode, each signal within its range of the day before"
        );
        // The sentence and the number are of the same score.
        assert_eq!(it.highest_score, Some(TimedScore { at: 5.0, score: 1.5 }));
    }

    fn episode(began: f64, ended: Option<f64>, peak: f64, signal: &str) -> EpisodeRecord {
        let causes = serde_json::json!([{"signal": signal, "direction": "high", "contribution": 1.0}]);
        serde_json::from_value(serde_json::json!({
            "id": episode_text::id(&Subject::Host, Timestamp(began)), "kind": "host", "subject": "host", "began": began,
            "ended": ended, "last_seen": ended.unwrap_or(began + 60.0), "peak": peak, "causes": causes,
            "outcome": if ended.is_some() { "ended" } else { "open" }, "description": format!("Anomaly on host: {signal}"),
            "model": null, "retained_from": null, "retained_to": null,
        }))
        .unwrap()
    }

    /// The signal to blame, and the sentence.
    fn explained(at: Option<f64>, episodes: Vec<EpisodeRecord>) -> (String, String) {
        let facts = SubjectEvidence { at: at.map(Timestamp), episodes, ..SubjectEvidence::default() };
        let it = explain(&Subject::Host, facts);
        (it.causes[0].signal.clone(), it.sentence)
    }

    #[test]
    fn the_episode_at_the_instant_is_explained_and_the_others_are_named() {
        let (ended, open) =
            (episode(1_000.0, Some(1_300.0), 5.0, "cpu"), episode(1_500.0, None, 1.25, "memory"));
        let both = || vec![ended.clone(), open.clone()];
        let (signal, sentence) = explained(Some(1_600.0), both());
        assert_eq!(signal, "memory");
        assert_eq!(
            sentence,
            "Anomaly on host: memory; since 1970-01-01T00:25:00Z, for 1m so far, peak score 1.2. Also in this time: \
             Anomaly on host: cpu; from 1970-01-01T00:16:40Z for 5m, ended, peak score 5.0"
        );
        assert_eq!(explained(Some(1_200.0), both()).0, "cpu");
        // At an instant without an episode, the open one is what matters.
        assert_eq!(explained(Some(1_400.0), both()).0, "memory");
        assert_eq!(
            explained(None, vec![ended.clone(), episode(1_500.0, Some(1_600.0), 2.0, "memory")]).0,
            "cpu"
        );
        let many = (0..4).map(|idx| episode(100.0 * f64::from(idx), Some(50.0), f64::from(idx), "cpu"));
        let (_, sentence) = explained(Some(1_600.0), both().into_iter().chain(many).collect());
        assert!(sentence.ends_with("peak score 3.0. And 3 more episodes"), "{sentence}");
    }

    #[test]
    fn an_episode_that_the_store_does_not_know_yet_is_explained() {
        let open = Episode { since: Timestamp(1_500.0), peak: 1.5, lasted: 90.0 };
        let state = Assessment {
            episode: Some(open),
            description: Some("Anomaly on host: memory".into()),
            ..Assessment::default()
        };
        let current = Some((Timestamp(1_590.0), &state));
        let stored = vec![episode(1_000.0, Some(1_300.0), 5.0, "cpu")];
        let facts = SubjectEvidence { episodes: stored, current, ..SubjectEvidence::default() };
        let it = explain(&Subject::Host, facts);
        let says = "Anomaly on host: memory; since 1970-01-01T00:25:00Z, for 1m30s so far, peak score 1.5";
        assert!(it.sentence.starts_with(says), "{}", it.sentence);
        assert_eq!(it.episodes.len(), 2);
        // One that the store knows is as the newest reading has it.
        let stored = vec![episode(1_500.0, None, 1.25, "memory")];
        let facts = SubjectEvidence { episodes: stored, current, ..SubjectEvidence::default() };
        let it = explain(&Subject::Host, facts);
        assert_eq!((it.sentence.as_str(), it.episodes.len()), (says, 1));
    }
}
