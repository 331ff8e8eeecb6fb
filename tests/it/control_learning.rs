//! Control of learning: an anomaly is accepted, a time range forgotten, learning paused, a model runs in shadow mode,
//! a training is requested or due because of drift.

use crate::simulated_host;

use hostnorm::culprit::Resource;
use hostnorm::detect::detector_settings::OnOff;
use hostnorm::duration::HumanDuration;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::episode_pattern::OperatorVerdict;
use hostnorm::impact::{EpisodeSeverity, ImpactFormula};
use hostnorm::maintenance::{MaintenanceCalendar, MaintenanceWindow};
use hostnorm::reading::{MetricLabels, Reading, Subject, SubjectKind, Timestamp};
use hostnorm::report::{Assessment, EpisodeTransition, WithheldReason};
use hostnorm::scorer::HistoryPoint;
use hostnorm::silence::{self, Silence, SilenceCalendar, SilenceMatcher, TargetLabels};
use hostnorm::simulate::COLUMNS;
use hostnorm::training::{self, TrainedModel};
use hostnorm::window::Point;

use simulated_host::{SIGNALS, VALUE, readings};

const EVERY: f64 = 60.0;
/// Index of the signal for used memory.
const MEMORY: usize = 5;

fn settings() -> EngineSettings {
    EngineSettings { interval: EVERY, window: 1, warmup: 3_600.0, ..EngineSettings::default() }
}

/// The reading with this share of memory used.
fn with_memory(reading: &Reading, share: f64) -> Reading {
    let mut changed = Reading::new(reading.at);
    for sample in reading.host_values().unwrap().iter() {
        let is_memory = sample.labels == MetricLabels::new([COLUMNS[MEMORY].name]);
        changed.host().set_by(&VALUE, &sample.labels, if is_memory { share } else { sample.value });
    }
    changed
}

fn step(engine: &mut Engine, reading: Reading) -> Assessment {
    engine.step(reading).assessments.remove(&Subject::Host).unwrap()
}

fn model(engine: &mut Engine, seed: u64) -> TrainedModel {
    let set = engine.requested_training(SubjectKind::Host, None).unwrap();
    training::train(&set, &training::TrainingSettings::default(), seed).unwrap()
}

/// A host with two quiet days of history, and the following readings.
fn known(rest: usize) -> (Engine, Vec<Reading>) {
    let mut history = readings(4, EVERY, 2_880 + rest, 0, 0);
    let rest = history.split_off(2_880);
    let mut engine = Engine::new(&SIGNALS, &settings());
    history.into_iter().for_each(|it| drop(engine.step(it)));
    let model = model(&mut engine, 1);
    engine.install(SubjectKind::Host, &model.eif);
    engine.compare_with(SubjectKind::Host, &model.reference);
    (engine, rest)
}

#[test]
fn an_anomaly_is_accepted_on_request() {
    // Until the next job, which is unusual by itself.
    let (mut engine, rest) = known(240);
    assert!(engine.accept().is_empty(), "there is none");
    let mut accepted = None;
    for (idx, reading) in rest.iter().enumerate() {
        let assessment = step(&mut engine, with_memory(reading, 0.97));
        match assessment.transition {
            Some(EpisodeTransition::Accepted(_)) => accepted = Some(idx),
            Some(EpisodeTransition::Started) => {
                assert_eq!(accepted, None, "at {idx}: what was accepted is no anomaly again");
            }
            _ => {}
        }
        if idx == 30 {
            assert!(assessment.episode.is_some());
            assert_eq!(engine.accept(), [Subject::Host]);
        }
    }
    assert_eq!(accepted, Some(31));
}

#[test]
fn a_training_can_be_requested() {
    let mut engine = Engine::new(&SIGNALS, &settings());
    let refused = engine.requested_training(SubjectKind::Host, None).unwrap_err();
    assert_eq!(refused, "too little data: there is no reading of this kind yet; train after the warm-up");
    let (mut engine, _) = known(0);
    assert!(engine.due(SubjectKind::Host).is_none());
    let set = engine.requested_training(SubjectKind::Host, None).unwrap();
    assert!(engine.due(SubjectKind::Host).is_none(), "once");
    let [from, to] = set.span.unwrap();
    assert!(to.0 - from.0 > 1.9 * 86_400.0 && set.rows.len() > 2_000);
    let set = engine.requested_training(SubjectKind::Host, Some(6.0)).unwrap();
    let [from, to] = set.span.unwrap();
    assert!(to.0 - from.0 <= 6.0 * 3_600.0 && (200..800).contains(&set.rows.len()), "{}", set.rows.len());
}

#[test]
fn paused_learning_changes_nothing() {
    let (mut engine, rest) = known(300);
    engine.set_learning(false);
    let before = step(&mut engine, rest[0].clone()).signals[MEMORY].expected.unwrap();
    for reading in &rest[1..] {
        step(&mut engine, with_memory(reading, 0.97));
    }
    assert_eq!(
        engine.requested_training(SubjectKind::Host, None).unwrap_err(),
        "learning is off; run hostnorm learn on to resume it"
    );
    assert!(engine.due(SubjectKind::Host).is_none());
    let after = step(&mut engine, with_memory(&rest[299], 0.97)).signals[MEMORY].expected.unwrap();
    // The time of day still counts.
    assert!((before.value - after.value).abs() < 0.1, "{before:?} {after:?}");
}

#[test]
fn paused_learning_samples_nothing_for_drift() {
    let (mut engine, rest) = known(1_440);
    // Two signals swap their ranges, which is drift after hours and no anomaly that would keep it from being sampled.
    let drift = |engine: &mut Engine, on: bool| {
        engine.set_learning(on);
        let mut highest = 0.0_f64;
        for reading in &rest {
            let mut moved = reading.clone();
            moved.at = Timestamp(engine.at().0 + EVERY);
            let assessment = step(engine, with_memory(&moved, 0.97));
            engine.accept();
            highest = assessment.signals.iter().filter_map(|it| it.drift).fold(highest, f64::max);
        }
        highest
    };
    let paused = drift(&mut engine, false);
    let learned = drift(&mut engine, true);
    assert!(paused < learned, "{paused} while it is paused, {learned} later");
    assert!(learned >= 1.0, "{learned}");
}

#[test]
fn maintenance_teaches_nothing_and_marks_its_episodes() {
    let (mut engine, rest) = known(400);
    let window = MaintenanceWindow {
        cron: "* * * * *".parse().unwrap(),
        duration: HumanDuration::minutes(60),
        name: "backup".into(),
    };
    let mut calendar = MaintenanceCalendar::new(&[window], Default::default());
    let before = step(&mut engine, rest[0].clone()).signals[MEMORY].expected.unwrap();
    let (mut began, mut withheld) = (None, false);
    for (idx, reading) in rest[1..300].iter().enumerate() {
        let mut reading = with_memory(reading, 0.97);
        calendar.add_to(&mut reading);
        let assessment = step(&mut engine, reading);
        assert!(engine.is_in_maintenance() && assessment.current_circumstances.maintenance);
        assert!(assessment.point.as_ref().is_none_or(|it| it.weight == 0.0));
        let alert = assessment.alert.unwrap();
        assert!(!alert.is_active, "no alert during maintenance");
        withheld |= alert.withheld == Some(WithheldReason::Maintenance);
        if assessment.transition == Some(EpisodeTransition::Started) {
            began = began.or(Some((idx, assessment.details.unwrap().instant_score)));
        }
        if assessment.episode.is_some() {
            assert!(assessment.circumstances.maintenance);
        }
    }
    let (_, score) = began.expect("episodes go on");
    assert!(score >= 2.0, "{score}");
    assert!(withheld, "the reason is said");
    let after = step(&mut engine, with_memory(&rest[300], 0.97));
    assert!(!engine.is_in_maintenance() && !after.current_circumstances.maintenance);
    assert!(after.circumstances.maintenance, "the mark stays with the episode");
    let after = after.signals[MEMORY].expected.unwrap();
    assert!((before.value - after.value).abs() < 0.1, "{before:?} {after:?}");
}

/// All work waits while the memory is full.
static FULL_MEMORY: ImpactFormula = ImpactFormula {
    kind: SubjectKind::Host,
    resource: Resource::Memory,
    formula: |change| Some(f64::from(u8::from((SIGNALS[MEMORY].formula)(change)? > 0.9))),
};

#[test]
fn critical_impact_is_an_alert_at_any_level() {
    for hurts in [false, true] {
        let mut settings = EngineSettings { threshold: 0.5, alert_level: 1e9, ..settings() };
        // A level extreme and an absence are worth an alert by themselves.
        settings.detectors.switches.level_extreme = OnOff::Off;
        settings.detectors.switches.absence = OnOff::Off;
        let mut engine = Engine::new(&SIGNALS, &settings).with_impact_formulas(hurts.then_some(&FULL_MEMORY));
        let mut history = readings(4, EVERY, 2_940, 0, 0);
        let rest = history.split_off(2_880);
        history.into_iter().for_each(|it| drop(engine.step(it)));
        let found: Vec<_> = rest.iter().map(|it| step(&mut engine, with_memory(it, 0.97))).collect();
        assert!(found.iter().any(|it| it.episode.is_some()));
        assert_eq!(found.iter().any(Assessment::is_alert), hurts);
        let severity = found.iter().filter_map(|it| it.severity).max();
        assert_eq!(severity == Some(EpisodeSeverity::Critical), hurts, "{severity:?}");
    }
}

/// A calendar with a silence of the host for all time.
fn silenced(comment: &str) -> SilenceCalendar {
    let mut calendar = SilenceCalendar::new(TargetLabels::default());
    let silence = Silence {
        matchers: vec![SilenceMatcher::new("alertname", "HostAnomalous", false, true).unwrap()],
        starts: Timestamp(0.0),
        ends: Timestamp(f64::MAX),
        is_expected: silence::says_expected(comment),
    };
    calendar.update(vec![silence], Timestamp(f64::MAX));
    calendar
}

#[test]
fn a_silence_marks_its_episodes_which_teach_nothing_unless_they_are_expected() {
    let mut moved = Vec::new();
    for (comment, expect_weight) in [("disk is replaced", 0.0), ("load test, expected", 1.0)] {
        let (mut engine, rest) = known(400);
        let mut calendar = silenced(comment);
        let before = step(&mut engine, rest[0].clone()).signals[MEMORY].expected.unwrap();
        let (mut began, mut alerts) = (false, 0);
        for reading in &rest[1..120] {
            let mut reading = with_memory(reading, 0.97);
            calendar.add_to(&mut reading);
            let assessment = step(&mut engine, reading);
            assert!(assessment.current_circumstances.silenced && engine.is_host_silenced());
            alerts += usize::from(assessment.alert.is_some_and(|it| it.is_active));
            began |= assessment.transition == Some(EpisodeTransition::Started);
            if assessment.episode.is_some() {
                assert!(assessment.circumstances.silenced && !assessment.circumstances.maintenance);
                assert!(assessment.point.is_none_or(|it| (it.weight - expect_weight).abs() < 1e-9));
            } else if let Some(point) = assessment.point {
                assert!((point.weight - 1.0).abs() < 1e-9, "without an episode, everything is learned");
            }
        }
        assert!(began, "an episode goes on as usual");
        assert!(alerts > 0, "Alertmanager withholds the messages, not hostnorm");
        let after = step(&mut engine, with_memory(&rest[120], 0.97));
        assert!(!engine.is_host_silenced() && !after.current_circumstances.silenced);
        assert!(after.episode.is_none() || after.circumstances.silenced, "the mark stays with the episode");
        moved.push((after.signals[MEMORY].expected.unwrap().value - before.value).abs());
    }
    assert!(moved[0] < 0.5 * moved[1], "{moved:?}");
}

/// The highest score, the description and the start of the episode of the first 20 of each 60 readings, which use all memory.
fn repeated(engine: &mut Engine, rest: &[Reading]) -> Vec<(f64, String, Timestamp)> {
    let mut found = Vec::new();
    for chunk in rest.chunks_exact(60) {
        let (mut peak, mut text, mut since) = (0.0_f64, String::new(), Timestamp(0.0));
        for (idx, reading) in chunk.iter().enumerate() {
            let reading = if idx < 20 { with_memory(reading, 0.97) } else { reading.clone() };
            let assessment = step(engine, reading);
            if idx < 20 {
                peak = peak.max(assessment.details.as_ref().map_or(0.0, |it| it.instant_score));
            }
            let contributions = assessment.details.iter().flat_map(|it| &it.contributions);
            let sum: f64 = contributions.map(|it| it.value).sum();
            let score = assessment.details.as_ref().map_or(0.0, |it| it.score);
            assert!(score <= 0.0 || (sum - score).abs() < 1e-6, "{sum} {score}");
            if let Some(episode) = assessment.episode.filter(|_| idx < 20) {
                since = episode.since;
                text = assessment.description.unwrap().to_string();
            }
        }
        found.push((peak, text, since));
    }
    found
}

#[test]
fn scores_like_a_rejected_episode_are_discounted_and_stay_unusual() {
    let (mut engine, rest) = known(600);
    let forest = model(&mut engine, 1).eif;
    engine.set_learning(false);
    let before = repeated(&mut engine, &rest[..120]);
    let [(first, _, _), (second, text, since)] = before.as_slice() else { panic!("{before:?}") };
    assert!((first / second - 1.0).abs() < 0.3, "recurrence alone changes nothing: {first} {second}");
    assert!(*second > 1.3 && !text.contains("rejected"), "{second} {text}");
    assert!(!engine.set_verdict(&Subject::Host, Timestamp(1.0), OperatorVerdict::Rejected), "unknown");
    assert!(engine.set_verdict(&Subject::Host, *since, OperatorVerdict::Rejected));
    // The verdict is part of the learned state.
    let mut restarted = Engine::new(&SIGNALS, &settings());
    restarted.restore(&engine.snapshot()).unwrap();
    restarted.install(SubjectKind::Host, &forest);
    let after = repeated(&mut engine, &rest[120..180]);
    let (discounted, text, since) = &after[0];
    assert!(*discounted >= 1.0 && *discounted < 1.0 + (second - 1.0) * 0.4, "{second}, then {discounted}");
    assert!(text.ends_with("; like 1 episode rejected before"), "{text}");
    let (again, ..) = repeated(&mut restarted, &rest[120..180])[0];
    assert!((again - discounted).abs() < 0.3 * discounted, "{again} {discounted}");
    assert!(engine.set_verdict(&Subject::Host, *since, OperatorVerdict::Confirmed));
    let (confirmed, text, _) = &repeated(&mut engine, &rest[180..240])[0];
    assert!(confirmed > &(0.7 * second) && !text.contains("rejected"), "{confirmed} {text}");
}

#[test]
fn a_new_model_runs_in_shadow_mode() {
    let (mut engine, rest) = known(200);
    let new = model(&mut engine, 2);
    engine.start_shadow(SubjectKind::Host, &new.eif);
    for reading in &rest[..50] {
        let details = step(&mut engine, reading.clone()).details.unwrap();
        let shadow = details.shadow.unwrap();
        assert!(
            (shadow.score - details.instant_score).abs() < 0.3,
            "{} {}",
            shadow.score,
            details.instant_score
        );
        assert!((0.3..1.0).contains(&shadow.forest), "{}", shadow.forest);
    }
    let tally = engine.tally(SubjectKind::Host);
    assert_eq!([tally.readings as usize, tally.seconds as usize], [50, 50 * EVERY as usize]);
    // A restart continues the tally, in whichever order model and snapshot arrive.
    let snapshot = engine.snapshot();
    for first in [true, false] {
        let mut restarted = Engine::new(&SIGNALS, &settings());
        if first {
            restarted.start_shadow(SubjectKind::Host, &new.eif);
        }
        restarted.restore(&snapshot).unwrap();
        if !first {
            restarted.start_shadow(SubjectKind::Host, &new.eif);
        }
        restarted.resume_from(rest[49].clone().into());
        let one = step(&mut restarted, rest[50].clone()).details.unwrap();
        assert!(one.shadow.is_some());
        assert!((restarted.tally(SubjectKind::Host).readings - 51.0).abs() < 1e-9);
    }
    // With the same model the shadow score is equal, once the earlier smoothed score has decayed.
    engine.start_shadow(SubjectKind::Host, &new.eif);
    engine.install(SubjectKind::Host, &new.eif);
    let opinions: Vec<_> =
        rest[50..199].iter().map(|it| step(&mut engine, it.clone()).details.unwrap()).collect();
    let last = opinions.last().unwrap();
    assert!((last.shadow.as_ref().unwrap().score - last.instant_score).abs() < 1e-9);
    engine.drop_shadow(SubjectKind::Host);
    assert!(step(&mut engine, with_memory(&rest[199], 0.3)).details.unwrap().shadow.is_none());
}

#[test]
fn drift_is_exposed_and_starts_a_training() {
    let (mut engine, rest) = known(2_880);
    let ratio = |assessment: &Assessment, idx: usize| assessment.signals[idx].drift;
    let quiet = step(&mut engine, rest[0].clone());
    assert!(ratio(&quiet, MEMORY).unwrap() < 1.0);
    let (mut above, mut due) = (None, None);
    for (idx, reading) in rest.iter().enumerate().skip(1) {
        let usual = quiet.signals[MEMORY].value;
        let assessment = step(&mut engine, with_memory(reading, (usual + 0.3).min(0.95)));
        if assessment.episode.is_some() {
            engine.accept();
        }
        if ratio(&assessment, MEMORY).unwrap() >= 1.0 {
            above = above.or(Some(idx));
        }
        if due.is_none() && engine.due(SubjectKind::Host).is_some() {
            due = Some(idx);
        }
    }
    let (above, due) = (above.unwrap(), due.unwrap());
    assert!(above < 1_440, "within a day, after {above} minutes");
    assert!(above <= due && due < above + 60, "drift after {above} minutes, due after {due}");
}

#[test]
fn a_time_range_can_be_forgotten() {
    let (mut live, mut points) = (Engine::new(&SIGNALS, &settings()), Vec::new());
    let history = readings(6, EVERY, 2 * 1_440, 0, 0);
    let mut assessment = Assessment::default();
    for (idx, reading) in history.into_iter().enumerate() {
        // Learned as normal, because it was not detected.
        let reading = if idx >= 2_400 { with_memory(&reading, 0.9) } else { reading };
        assessment = step(&mut live, reading.clone());
        if idx > 0 {
            let values = assessment.signals.iter().map(|it| it.value).collect();
            let point = Point { at: reading.at, values, missing: vec![false; SIGNALS.len()] };
            points.push(HistoryPoint { point, in_episode: false, weight: 1.0, score: None });
        }
    }
    let [learned, usual] = [points.len() - 1, 1_000].map(|idx| points[idx].point.values[MEMORY]);
    assert!((learned - 0.9).abs() < 1e-9);
    let before = assessment.signals[MEMORY].expected.unwrap().value;
    let mut rebuilt = live.rebuilt();
    rebuilt.warm(&Subject::Host, &points[..2_399]);
    live.take_over(rebuilt);
    let at = points[points.len() - 1].point.at.0 + EVERY;
    let mut next = Reading::new(Timestamp(at));
    for (idx, value) in points[1_000].point.values.iter().enumerate() {
        next.host().set_by(&VALUE, &MetricLabels::new([COLUMNS[idx].name]), *value);
    }
    let after = step(&mut live, next);
    let expected = after.signals[MEMORY].expected.unwrap().value;
    assert!((expected - usual).abs() < 0.5 * (before - usual).abs(), "{usual}: {before}, then {expected}");
    assert!(after.ready && after.details.is_some(), "the score stays");
    assert!(live.due(SubjectKind::Host).is_some(), "the model knows it still");
}
