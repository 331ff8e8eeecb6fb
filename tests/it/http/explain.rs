//! Explanations of several episodes, and of one whose scores cannot be reproduced.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;

use hostnorm::detect::PerDetector;
use hostnorm::reading::{Reading, Subject, Timestamp};
use hostnorm::report::{
    Assessment, Contribution, DeviationDirection, Episode, EpisodeTransition, Report, ScoreDetails,
    SignalState,
};
use serde_json::json;

use super::api::{Api, POINTS, START, at, fill, report};
use super::server::{Server, Start};

#[test]
fn an_open_episode_is_explained_before_one_that_ended_with_a_higher_peak() {
    let api = Api::start();
    let mut now = report(POINTS - 1);
    let host = now.assessments.get_mut(&Subject::Host).unwrap();
    host.episode = Some(Episode { since: Timestamp(at(117)), peak: 1.25, lasted: 60.0 });
    host.description = Some("Anomaly on host: memory used 95 %".into());
    if let Some(details) = &mut host.details {
        details.instant_score = 1.25;
        details.causes[0].signal = host.signals[1].signal;
    }
    api.server.reports.send_replace(Some(Arc::new(now)));
    let found = api.get("/api/v1/explain");
    assert_eq!(
        found["message"],
        "Anomaly on host: memory used 95 %; since 2026-11-21T10:58:30Z, for 1m so far, peak score 1.2. Also in this time: \
         Anomaly on host: CPU usage 90 %; from 2026-11-21T10:50:00Z for 5m, ended, peak score 3.0"
    );
    let host = &found["subjects"][0];
    assert_eq!(host["causes"][0]["signal"], "memory_used_ratio");
    assert_eq!(host["episodes"].as_array().unwrap().len(), 2);
    // Asked about the earlier one, the answer is about that.
    let found = api.get(&format!("/api/v1/explain?at={}", at(105)));
    assert!(
        found["message"].as_str().unwrap().starts_with("Anomaly on host: CPU usage 90 %; from"),
        "{found}"
    );
    // The number beside the sentence is of the same scores.
    let found = api.get(&format!("/api/v1/explain?at={}&window=1m", at(POINTS - 1)));
    assert_eq!(
        found["subjects"][0]["highest_score"],
        json!({"at": START + 30.0 * (POINTS - 1) as f64, "score": 1.25})
    );
    api.server.stop();
}

#[test]
fn an_episode_has_its_signals_and_ranges_without_its_readings() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let explain = |more: &[&str]| {
        let path = format!("--storage.path={}", directory.path().display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
        let args = ["explain", "2026-11-21T10:50:00Z", &path];
        let output = command.env_clear().args(args).args(more).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let text = explain(&[]);
    for part in [
        "not possible: ",
        "(1 is unusual; the alert level is 2 by default)",
        "signals of its description\n  CPU usage ",
        "+2.50 of the score  expected 10 %, range 0 % to 20 %",
        "left their range of the day before\n  2026-11-21 10:50:00 UTC  CPU usage ",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let found: serde_json::Value = serde_json::from_str(&explain(&["--json"])).unwrap();
    assert_eq!(found["out_of_range"][0]["signal"], "cpu_busy_ratio");
    assert_eq!(found["episode"]["causes"][0]["upper"], 0.2);
}

/// The state of the CPUs, and what they contribute to a score.
fn cause() -> (SignalState, Contribution) {
    let signal = hostnorm::sources::signals(|_| true).find(|it| it.name == "cpu_busy_ratio").unwrap();
    let expected_by_detector = PerDetector::default();
    let state = SignalState { signal, value: 0.9, expected: None, expected_by_detector, drift: None };
    (state, Contribution { signal, direction: DeviationDirection::High, value: 1.0 })
}

/// Stores ended episodes of the host, each with its start, end and peak, caused by the CPUs.
fn store_episodes(directory: &Path, episodes: &[(f64, f64, f64)]) {
    let mut store = crate::store::open(directory);
    for (since, end, peak) in episodes {
        let episode = Episode { since: Timestamp(*since), peak: *peak, lasted: end - since };
        let began = (*since, Some(episode), EpisodeTransition::Started);
        let (state, cause) = cause();
        for (at, open, transition) in [began, (*end, None, EpisodeTransition::Ended(episode))] {
            let assessment = Assessment {
                signals: vec![state.clone()],
                details: Some(ScoreDetails {
                    score: *peak,
                    causes: vec![cause.clone()],
                    ..ScoreDetails::default()
                }),
                episode: open,
                transition: Some(transition),
                description: Some(format!("Anomaly on host: the one of {peak}").into()),
                ..Assessment::default()
            };
            let reading = Arc::new(Reading::new(Timestamp(at)));
            let assessments = [(Subject::Host, assessment)].into();
            store.append(&Report { reading, assessments, ..Report::default() });
        }
    }
    store.close();
}

#[test]
fn a_range_is_explained_by_its_highest_peak_and_an_instant_by_the_episode_there() {
    let directory = tempfile::tempdir().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let (low, high) = ((now - 3_720.0, now - 3_480.0, 1.05), (now - 900.0, now - 300.0, 9.0));
    store_episodes(directory.path(), &[low, high]);
    let path = format!("--storage.path={}", directory.path().display());
    let explain = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
        let output = command.env_clear().args(["explain", "--json", &path]).args(args).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let found: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
        found["message"].as_str().map_or(text, str::to_owned)
    };
    // The middle of the range of 2 hours lies within the episode of the lower peak.
    for range in ["--since=110m", "--since=2h", "--since=3h", "--since=2d"] {
        let found = explain(&[range]);
        assert!(found.starts_with("Anomaly on host: the one of 9;"), "{range}: {found}");
        assert!(found.contains("Also in this time: Anomaly on host: the one of 1.05;"), "{range}: {found}");
    }
    let found = explain(&["--at=-1h", "--around=1h"]);
    assert!(found.starts_with("Anomaly on host: the one of 1.05;"), "{found}");
    assert!(explain(&["--since=49h"]).contains("the maximum is 2d"));
}

#[test]
fn a_range_is_explained_in_words() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let path = format!("--storage.path={}", directory.path().display());
    let explain = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
        let output = command.env_clear().args(["explain", &path]).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = explain(&["--at=2026-11-21T10:52:00Z"]);
    for part in [
        " UTC\nAnomaly on host: CPU usage 90 %; from 2026-11-21T10:50:00Z for 5m, ended, peak score 3.0\n",
        "\nhost host\n  highest score 3.00 at 2026-11-21 10:5",
        "\n  episodes\n    2026-11-21T10:50:00Z  Anomaly on host: CPU usage 90 %",
        "\n  causes\n    CPU usage",
        "\n  left their range of the day before\n    2026-11-21 10:50:00 UTC  CPU usage",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let text = explain(&["--at=2026-11-21T10:40:00Z", "--around=2m"]);
    assert!(text.contains(" UTC\nNothing was unusual") && !text.contains("\nhost host"), "{text}");
}

#[test]
fn earlier_episodes_with_the_same_causes_are_named() {
    let store = tempfile::tempdir().unwrap();
    store_episodes(store.path(), &[(at(10), at(20), 1.5), (at(40), at(50), 2.5)]);
    let directory = Some(store.path().to_owned());
    let server = Server::start(Start { now: || Timestamp(at(60)), store: directory, ..Start::default() });
    let text = |path: &str| server.client().ask("GET", path, "").text().to_owned();
    let found: serde_json::Value =
        serde_json::from_str(&text(&format!("/api/v1/explain?at={}&window=2m", at(45)))).unwrap();
    let similar = &found["subjects"][0]["similar"];
    assert_eq!((similar.as_array().unwrap().len(), &similar[0]["id"]), (1, &json!("2026-11-21T10:05:00Z")));
    assert_eq!(similar[0]["similarity"], 1.0);
    let page = text("/episodes/2026-11-21T10:20:00Z");
    assert!(page.contains("Similar episodes before") && page.contains("10:05:00"), "{page}");
    server.stop();
}

#[test]
fn at_the_identifier_of_an_episode_this_episode_is_explained() {
    let store = tempfile::tempdir().unwrap();
    store_episodes(store.path(), &[(at(10) + 0.9, at(20), 1.5), (at(25), at(35), 9.0)]);
    let directory = Some(store.path().to_owned());
    let server = Server::start(Start { now: || Timestamp(at(60)), store: directory, ..Start::default() });
    let answer = server.client().ask("GET", "/api/v1/explain?at=2026-11-21T10:05:00Z&window=20m", "");
    let found: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(found["subjects"][0]["explained"], "2026-11-21T10:05:00Z");
    assert!(found["message"].as_str().unwrap().starts_with("Anomaly on host: the one of 1.5;"), "{found}");
    server.stop();
}

#[test]
fn the_highest_score_of_an_episode_is_not_that_of_its_neighbor() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = crate::store::open(directory.path());
    for idx in 95..115 {
        let mut report = report(idx);
        let details = report.assessments.get_mut(&Subject::Host).and_then(|it| it.details.as_mut());
        if let Some(details) = details.filter(|_| idx == 113) {
            details.score = 5.75;
        }
        store.append(&report);
    }
    store.close();
    let api = Api::of(directory);
    let found = api.get("/api/v1/episodes/2026-11-21T10%3A50%3A00Z");
    assert_eq!(found["explanation"]["highest_score"]["score"], 3.0);
    // Too little of the day before is known.
    assert_eq!(found["explanation"].get("out_of_range"), None);
    api.server.stop();
}

#[test]
fn a_range_and_an_instant_exclude_each_other() {
    let api = Api::start();
    let found = api.get(&format!("/api/v1/explain?from={}&to={}", at(0), at(112)));
    assert_eq!((&found["from"], &found["to"]), (&json!(at(0)), &json!(at(112))));
    assert!(
        found["message"].as_str().unwrap().starts_with("Anomaly on host: CPU usage 90 %; from"),
        "{found}"
    );
    for both in ["from=-1h&at=-1h", "to=now&window=1h"] {
        api.check_problem(&format!("/api/v1/explain?{both}"), 400, "either at and window, or from and to");
    }
    api.check_problem("/api/v1/explain?from=now&to=-1h", 400, "swap them");
    api.check_problem("/api/v1/explain?from=-3d", 400, "the maximum is 2d");
    api.server.stop();
}
