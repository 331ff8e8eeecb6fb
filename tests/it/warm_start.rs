//! Learned state from stored points: a warmed engine scores like the original.

use crate::simulated_host;

use std::sync::Arc;

use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::reading::{Reading, Subject, SubjectKind, Timestamp};
use hostnorm::report::{Assessment, EpisodeTransition};
use hostnorm::scorer::HistoryPoint;
use hostnorm::simulate::WIDTH;
use hostnorm::training;
use hostnorm::window::Point;
use proptest::prelude::*;

use simulated_host::{SIGNALS, readings};

fn settings(every: f64) -> EngineSettings {
    EngineSettings { interval: every, window: 1, warmup: 3_600.0, ..EngineSettings::default() }
}

/// The stored form of this assessment, for readings that are each a whole point.
fn past(at: Timestamp, assessment: &Assessment, kept: &mut Point) -> HistoryPoint {
    let mut missing = vec![true; WIDTH];
    for state in &assessment.signals {
        let idx = SIGNALS.iter().position(|it| std::ptr::eq(it, state.signal)).unwrap();
        (kept.values[idx], missing[idx]) = (state.value, false);
    }
    let point = Point { at, values: kept.values.clone(), missing };
    let score = assessment.details.as_ref().map(|it| it.score);
    HistoryPoint { point, in_episode: assessment.episode.is_some(), weight: 1.0, score }
}

/// Runs an engine; returns it, its stored points, and an engine warmed with them.
fn lives(every: f64, history: &[Reading]) -> (Engine, Vec<HistoryPoint>, Engine) {
    let mut live = Engine::new(&SIGNALS, &settings(every));
    let (mut points, mut kept) = (Vec::new(), Point::unknown(WIDTH));
    let mut last = None;
    for reading in history {
        let report = live.step(reading.clone());
        let assessment = &report.assessments[&Subject::Host];
        // The first reading has no rates yet, so it is no point.
        if last.is_some() {
            points.push(past(reading.at, assessment, &mut kept));
        }
        if let Some((subject, history)) = live.take_due_seasonal_fit() {
            live.take(&subject, &history.fit());
        }
        last = Some(report.reading);
    }
    let mut warm = Engine::new(&SIGNALS, &settings(every));
    assert_eq!(warm.warm(&Subject::Host, &points), points.len());
    if let Some((subject, history)) = warm.take_due_seasonal_fit() {
        warm.take(&subject, &history.fit());
    }
    warm.resume_from(last.unwrap());
    let model =
        training::train(&live.due(SubjectKind::Host).unwrap(), &training::TrainingSettings::default(), 1)
            .unwrap();
    assert!(warm.due(SubjectKind::Host).is_some(), "it is ready");
    live.install(SubjectKind::Host, &model.eif);
    warm.install(SubjectKind::Host, &model.eif);
    (live, points, warm)
}

/// Checks the mean and the largest difference of the scores.
fn check(every: f64, days: usize, faults: usize, [mean_max, most_max]: [f64; 2]) {
    let day = (86_400.0 / every) as usize;
    let mut history = readings(3, every, (days - 1) * day, 2 * day, faults);
    let rest = history.split_off(days * day);
    let (mut live, _, mut warm) = lives(every, &history);
    let (mut sum, mut most) = (0.0, 0.0_f64);
    for (idx, reading) in rest.iter().enumerate() {
        let [one, other] = [&mut live, &mut warm]
            .map(|it| it.step(reading.clone()).assessments.remove(&Subject::Host).unwrap());
        let (one, other) = (one.details.unwrap().instant_score, other.details.unwrap().instant_score);
        // The smoothed score of the last reading is unknown to the warmed engine.
        if idx >= 10 {
            sum += (one - other).abs();
            most = most.max((one - other).abs());
        }
    }
    let mean = sum / (rest.len() - 10) as f64;
    assert!(mean <= mean_max && most <= most_max, "{days} days: {mean} on average, {most} at most");
}

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn a_warmed_engine_scores_like_the_original() {
    // All points are learned.
    check(60.0, 5, 6, [0.001, 0.02]);
    // Most points are thinned, so the number of excursions differs a little, too.
    check(300.0, 40, 2, [0.05, 0.5]);
}

#[test]
fn the_first_reading_has_a_score() {
    let mut history = readings(5, 60.0, 3 * 1_440, 1_440, 0);
    let rest = history.split_off(3 * 1_440);
    let (_, points, _) = lives(60.0, &history);
    let begun = |gap: usize| {
        let mut engine = Engine::new(&SIGNALS, &EngineSettings { score_hold: 300.0, ..settings(60.0) });
        engine.warm(&Subject::Host, &points);
        if gap == 0 {
            engine.resume_from(Arc::new(history.last().unwrap().clone()));
        }
        let judged = rest[gap..gap + 5].iter().map(|it| engine.step(it.clone()));
        judged.map(|it| it.assessments[&Subject::Host].details.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(begun(0), [true; 5]);
    // After a gap, the last score is exposed for as long as it is held, then a window must be full.
    assert_eq!(begun(2), [true; 5]);
    assert_eq!(begun(20), [false, true, true, true, true]);
}

/// Expected value of used memory after two hours of full memory, marked as an episode or not.
fn expected_after(odd: bool, points: &[HistoryPoint], rest: &[Reading]) -> f64 {
    let mut points = points.to_vec();
    let from = points.len() - 120;
    for past in &mut points[from..] {
        past.point.values[5] = 0.99;
        (past.in_episode, past.weight) = (odd, if odd { 0.2 } else { 1.0 });
    }
    let mut engine = Engine::new(&SIGNALS, &settings(60.0));
    engine.warm(&Subject::Host, &points);
    let judged = rest.iter().map(|it| engine.step(it.clone())).last().unwrap();
    judged.assessments[&Subject::Host].signals[5].expected.unwrap().value
}

#[test]
fn points_inside_an_episode_do_not_become_normal() {
    let mut history = readings(9, 60.0, 4 * 1_440, 10, 0);
    let rest = history.split_off(4 * 1_440);
    let (_, points, _) = lives(60.0, &history);
    let usual = points.iter().map(|it| it.point.values[5]).sum::<f64>() / points.len() as f64;
    let (inside, outside) = (expected_after(true, &points, &rest), expected_after(false, &points, &rest));
    assert!(outside - usual > 2.0 * (inside - usual), "{usual}, then {inside} or {outside}");
}

#[test]
fn points_of_any_kind_do_no_harm() {
    let (number, time) = (prop::num::f64::ANY, prop::num::f64::ANY);
    let point = (
        time,
        prop::collection::vec((number, any::<bool>()), WIDTH - 1..=WIDTH),
        any::<bool>(),
        number,
        number,
    );
    proptest!(ProptestConfig::with_cases(64), |(points in prop::collection::vec(point, 0..60))| {
        let points: Vec<HistoryPoint> = points.into_iter().map(|(at, signals, odd, weight, score)| {
            let (values, missing) = signals.into_iter().unzip();
            HistoryPoint { point: Point { at: Timestamp(at), values, missing }, in_episode: odd, weight, score: Some(score) }
        }).collect();
        let mut engine = Engine::new(&SIGNALS, &EngineSettings { budget: "1 per day".parse().unwrap(), ..settings(60.0) });
        engine.warm(&Subject::Host, &points);
        for reading in readings(1, 60.0, 20, 0, 0) {
            let report = engine.step(reading);
            let assessment = &report.assessments[&Subject::Host];
            prop_assert!(assessment.details.iter().all(|it| it.score.is_finite()));
            prop_assert!(assessment.transition != Some(EpisodeTransition::Changed) || assessment.episode.is_some());
        }
        let _ = engine.snapshot();
    });
}
