//! Tests of explanations.

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
        let whole = Explanation::new([Timestamp(0.0); 2], vec![it], 0, 1);
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
        let whole = Explanation::new([Timestamp(0.0); 2], subjects, 0, 9);
        (whole.unusual, whole.subjects.iter().map(|it| it.unusual).collect::<Vec<_>>())
    };
    assert_eq!(unusual(&[]), (None, vec![]));
    assert_eq!(unusual(&[&[], &[0.5]]), (Some(false), vec![Some(false), None]));
    assert_eq!(unusual(&[&[], &[0.5], &[1.5]]), (Some(true), vec![Some(true), Some(false), None]));
}

#[test]
fn subjects_that_are_left_out_are_counted() {
    let subject = |score: f64| explain(&Subject::Host, facts(&[score], &[]));
    let new = |scores: &[f64], skipped| {
        let subjects = scores.iter().map(|it| subject(*it)).collect();
        Explanation::new([Timestamp(0.0); 2], subjects, skipped, 1)
    };
    // One that was not unusual is no loss.
    let whole = new(&[0.5, 1.5], 0);
    assert_eq!((whole.skipped, whole.message.lines().count()), (0, 1), "{}", whole.message);
    let whole = new(&[1.5, 0.5, 2.5], 3);
    assert_eq!(whole.skipped, 4);
    let says = "4 more subjects have an anomaly; ask for each by its name";
    assert_eq!(whole.message.lines().last(), Some(says));
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
    let (ended, open) = (episode(1_000.0, Some(1_300.0), 5.0, "cpu"), episode(1_500.0, None, 1.25, "memory"));
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
    assert_eq!(explained(None, vec![ended.clone(), episode(1_500.0, Some(1_600.0), 2.0, "memory")]).0, "cpu");
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
