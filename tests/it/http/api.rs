//! The API from outside, on a store with an hour of points and one episode.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use hostnorm::control_command::{ControlCommand, ControlReply, ForecastReply, ForecastValue, SignalBaseline};
use hostnorm::detect::PerDetector;
use hostnorm::reading::{Reading, Subject, Timestamp};
use hostnorm::report::{
    Assessment, Contribution, DeviationDirection, Episode, EpisodeTransition, ExpectedValue, LearnedPoint,
    Report, ScoreDetails, SignalState,
};
use hostnorm::signal::Signal;
use hostnorm::window::Point;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::Answer;
use super::server::{Server, Start};
use crate::store::{open, until};

/// First point: 2026-11-21T10:00:00Z.
pub(super) const START: f64 = 1_795_255_200.0;
pub(super) const POINTS: usize = 120;
/// The points inside the episode.
const EPISODE: std::ops::Range<usize> = 100..110;

static SIGNALS: LazyLock<Vec<&'static Signal>> = LazyLock::new(|| {
    let known = |name: &str| hostnorm::sources::signals(|_| true).find(|it| it.name == name).unwrap();
    ["cpu_busy_ratio", "memory_used_ratio"].map(known).to_vec()
});

pub(super) fn at(idx: usize) -> f64 {
    START + 30.0 * idx as f64
}

/// The report of one point: CPU usage 10 %, 90 % in the episode.
pub(super) fn report(idx: usize) -> Report {
    let is_anomaly = EPISODE.contains(&idx);
    let (cpu, score) = if is_anomaly { (0.9, 3.0) } else { (0.1, 0.25) };
    let point = Point { at: Timestamp(at(idx)), values: vec![cpu, 0.5], missing: vec![false, false] };
    let expected = Some(ExpectedValue { value: 0.1, lower: 0.0, upper: 0.2 });
    let by_detector = PerDetector { zscore: Some(0.15), ..PerDetector::default() };
    let state = |signal, value| SignalState {
        signal,
        value,
        expected,
        expected_by_detector: by_detector,
        drift: None,
    };
    let cause = Contribution { signal: SIGNALS[0], direction: DeviationDirection::High, value: 2.5 };
    let since = Timestamp(at(EPISODE.start));
    let details = ScoreDetails {
        score,
        instant_score: score,
        confidence: Some(1.0),
        detectors: PerDetector { zscore: Some(score), ..Default::default() },
        contributions: vec![cause.clone()],
        causes: vec![cause],
        shadow: None,
    };
    let assessment = Assessment {
        ready: true,
        signals: vec![state(SIGNALS[0], cpu), state(SIGNALS[1], 0.5)],
        details: Some(details),
        episode: is_anomaly.then_some(Episode { since, peak: 3.0, lasted: at(idx) - since.0 }),
        description: is_anomaly.then(|| "Anomaly on host: CPU usage 90 %".into()),
        transition: match idx {
            _ if idx == EPISODE.start => Some(EpisodeTransition::Started),
            _ if idx == EPISODE.end => {
                Some(EpisodeTransition::Ended(Episode { since, peak: 3.0, lasted: at(idx) - since.0 }))
            }
            _ => None,
        },
        point: Some(Arc::new(LearnedPoint {
            point,
            signals: SIGNALS.clone(),
            in_episode: is_anomaly,
            weight: 1.0,
        })),
        ..Assessment::default()
    };
    Report {
        reading: Arc::new(Reading::new(Timestamp(at(idx)))),
        assessments: [(Subject::Host, assessment)].into(),
        ..Report::default()
    }
}

pub(super) struct Api {
    pub(super) server: Server,
    _store: TempDir,
}

impl Api {
    /// A server on a store with all points; the newest report is the last one.
    pub(super) fn start() -> Self {
        let store = tempfile::tempdir().unwrap();
        fill(store.path());
        Self::of(store)
    }

    /// A server on this store.
    pub(super) fn of(store: TempDir) -> Self {
        let directory = Some(store.path().to_owned());
        let now = || Timestamp(at(POINTS - 1));
        let server = Server::start(Start { now, store: directory, ..Start::default() });
        server.reports.send_replace(Some(Arc::new(report(POINTS - 1))));
        Self { server, _store: store }
    }

    pub(super) fn ask(&self, path: &str) -> Answer {
        self.server.client().ask("GET", path, "")
    }

    pub(super) fn get(&self, path: &str) -> Value {
        let answer = self.ask(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{path}");
        serde_json::from_slice(&answer.body).unwrap()
    }

    pub(super) fn check_problem(&self, path: &str, status: u16, says: &str) {
        let answer = self.ask(path);
        let problem: Value = serde_json::from_slice(&answer.body).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (status, Some(super::PROBLEM)), "{path}");
        assert!(detail.contains(says), "{path}: {detail}");
    }
}

/// Stores all points.
pub(super) fn fill(directory: &Path) {
    let mut store = open(directory);
    for idx in 0..POINTS {
        store.append(&report(idx));
        if idx % 20 == 19 {
            let seen = || hostnorm::store::StoreReader::open(directory).unwrap().newest_point(&Subject::Host);
            until("a commit", || seen().unwrap() == Some(Timestamp(at(idx))));
        }
    }
    store.close();
}

#[test]
fn detect_reports_a_signal_and_each_detector() {
    let api = Api::start();
    for metric in ["cpu_busy_ratio", "cpu.total_usage"] {
        let found = api.get(&format!("/api/v1/detect?metric={metric}&subject=host"));
        assert_eq!(found["timestamp"], json!(at(POINTS - 1)));
        assert_eq!(
            (&found["value"], &found["is_anomaly"], &found["confidence"]),
            (&json!(0.1), &json!(false), &json!(1.0))
        );
        let zscore = json!(
            {"is_anomaly": false, "score": 0.25, "threshold": 1.0, "votes": true, "expected_value": 0.15}
        );
        assert_eq!(found["methods"], json!({"zscore": zscore}));
        assert_eq!((&found["signals"][0]["in_range"], &found["expected_value"]), (&json!(true), &json!(0.1)));
    }
    let all = api.get("/api/v1/detect");
    assert_eq!((all["signals"].as_array().unwrap().len(), &all["value"]), (2, &Value::Null));
    assert_eq!(all["methods"]["zscore"]["expected_value"], Value::Null);
    let signals = api.get("/api/v1/signals");
    assert_eq!(signals["signals"][1]["metric"], "memory_used_ratio");
    let cpu = &signals["signals"][0];
    assert_eq!((&cpu["unit"], &cpu["value"]), (&json!("ratio"), &json!(0.1)));
    assert_eq!(
        (&cpu["expected_value"], &cpu["lower"], &cpu["upper"]),
        (&json!(0.1), &json!(0.0), &json!(0.2))
    );
    api.check_problem("/api/v1/detect?metric=nonsense", 404, "/api/v1/signals lists them");
    api.check_problem("/api/v1/detect?metric=tasks_blocked", 404, "no value of tasks_blocked");
    api.check_problem("/api/v1/detect?subject=web", 404, "no subject is named \"web\"");
    api.check_problem("/api/v1/detect?kind=disk", 400, "expected host, container, log, pod or service");
    api.server.stop();
}

#[test]
fn the_anomaly_of_one_signal_is_not_that_of_another() {
    let api = Api::start();
    let check = |change: fn(&mut Assessment), metric: &str, expected: [Value; 2]| {
        let mut now = report(EPISODE.start + 1);
        change(now.assessments.get_mut(&Subject::Host).unwrap());
        api.server.reports.send_replace(Some(Arc::new(now)));
        let found = api.get(&format!("/api/v1/detect?metric={metric}"));
        assert_eq!([&found["is_anomaly"], &found["subject_is_anomaly"]], expected.each_ref(), "{found}");
    };
    let memory_in_range = |it: &mut Assessment| it.signals[1].value = 0.15;
    check(memory_in_range, "memory.usage_percent", [json!(false), json!(true)]);
    check(memory_in_range, "cpu.total_usage", [json!(true), json!(true)]);
    // Out of its range beside the signal that the description names.
    check(|_| (), "memory.usage_percent", [json!(true), json!(true)]);
    // Named though within its range, as a signal that stopped changing.
    check(|it| it.signals[0].value = 0.15, "cpu.total_usage", [json!(true), json!(true)]);
    check(|it| it.signals[1].expected = None, "memory.usage_percent", [Value::Null, json!(true)]);
    check(|it| it.episode = None, "memory.usage_percent", [json!(false), json!(false)]);
    check(|it| it.ready = false, "cpu.total_usage", [Value::Null, Value::Null]);
    assert_eq!(api.get("/api/v1/detect")["subject_is_anomaly"], Value::Null);
    api.server.stop();
}

#[test]
fn a_baseline_has_its_statistics_and_thresholds() {
    let api = Api::start();
    let known = SignalBaseline {
        metric: "memory_used_ratio".into(),
        mean: 0.5,
        stddev: 0.0625,
        min_value: Some(0.25),
        max_value: None,
        sample_count: 120.0,
        last_updated: Some(START),
        percentile_95: 0.625,
        percentile_99: 0.75,
    };
    let data = serde_json::to_value([&known]).unwrap();
    *api.server.outcome.lock().unwrap() = Some(Ok(ControlReply { message: String::new(), data }));
    let found = api.get("/api/v1/baseline?metric=memory.usage_percent");
    assert_eq!(
        found["baselines"],
        json!([{
            "metric": "memory_used_ratio", "mean": 0.5, "stddev": 0.0625, "min_value": 0.25, "sample_count": 120.0,
            "last_updated": START, "percentile_95": 0.625, "percentile_99": 0.75,
            "thresholds": {"lower": 0.3125, "upper": 0.6875},
        }])
    );
    api.check_problem("/api/v1/baseline?metric=cpu", 404, "no baseline yet");
    api.server.stop();
}

#[test]
fn a_forecast_has_values_with_intervals() {
    let api = Api::start();
    let value = |timestamp, expected| ForecastValue { timestamp, expected, lower: 0.0, upper: 1.0 };
    let forecast = ForecastReply {
        metric: "memory_used_ratio".into(),
        made_at: START,
        points: vec![value(START + 60.0, 0.5), value(START + 120.0, 0.625)],
        note: None,
        earliest_full_seconds: Some(3_600.0),
        likely_full_seconds: None,
    };
    let data = serde_json::to_value(&forecast).unwrap();
    *api.server.outcome.lock().unwrap() = Some(Ok(ControlReply { message: String::new(), data }));
    let found = api.get("/api/v1/predict?metric=memory.usage_percent&horizon=2m&step=1m");
    assert_eq!((&found["subject"], &found["points"][1]["expected"]), (&json!("host"), &json!(0.625)));
    assert_eq!(
        (&found["earliest_full_seconds"], &found["likely_full_seconds"]),
        (&json!(3_600.0), &Value::Null)
    );
    let asked = api.server.commands.lock().unwrap().pop().unwrap();
    let expected = ControlCommand::Predict {
        subject: Subject::Host,
        signal: "memory_used_ratio".into(),
        horizon_seconds: 120.0,
        step_seconds: 60.0,
    };
    assert_eq!(asked, expected);
    api.get("/api/v1/predict?metric=cpu");
    let asked = api.server.commands.lock().unwrap().pop().unwrap();
    let is_of_an_hour =
        matches!(asked, ControlCommand::Predict { horizon_seconds: 3_600.0, step_seconds: 60.0, .. });
    assert!(is_of_an_hour, "{asked:?}");
    api.check_problem("/api/v1/predict", 400, "metric is missing");
    api.check_problem("/api/v1/predict?metric=cpu&horizon=8d", 400, "the maximum is 7d");
    api.check_problem("/api/v1/predict?metric=cpu&step=1s", 400, "too many values");
    api.check_problem("/api/v1/predict?metric=cpu&horizon=90s&step=1h", 400, "shorten step");
    api.server.stop();
}

#[test]
fn stored_scores_and_readings_come_in_steps() {
    let api = Api::start();
    let scores = api.get("/api/v1/scores?from=-1h&step=10m");
    let scores: Vec<(f64, bool)> = scores["scores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["score"].as_f64().unwrap(), it["is_anomaly"].as_bool().unwrap()))
        .collect();
    assert_eq!(scores.len(), 7);
    assert_eq!(scores.iter().filter(|it| **it == (3.0, true)).count(), 1);
    let cpu = api.get(&format!("/api/v1/readings?metric=cpu&from={}&to={}&step=1m", at(99), at(101)));
    assert_eq!(
        cpu["values"][0],
        json!({"timestamp": at(100), "value": f64::midpoint(f64::from(0.1_f32), f64::from(0.9_f32)), "min": f64::from(0.1_f32), "max": f64::from(0.9_f32), "is_anomaly": true, "points": 2})
    );
    api.check_problem("/api/v1/readings", 400, "metric is missing");
    api.check_problem("/api/v1/scores?from=now&to=-1h", 400, "swap them");
    api.check_problem("/api/v1/scores?step=1ms", 400, "too many values");
    api.check_problem("/api/v1/scores?from=2001-01-01", 400, "the maximum is 400d");
    api.check_problem("/api/v1/readings?metric=cpu&from=2001-01-01", 400, "the maximum is 400d");
    api.check_problem("/api/v1/episodes?from=-1e300", 400, "2000 to 5138");
    api.check_problem("/api/v1/episodes?from=20261201", 400, "write 2026-12-01");
    api.check_problem("/api/v1/explain?at=1795255200000", 400, "divide by 1000");
    api.check_problem("/api/v1/scores?from=2030-01-01", 400, "is in the future, and to is now by default");
    api.check_problem("/api/v1/scores?form=-1h", 400, "unknown parameter \"form\"; expected from, to, step");
    api.server.stop();
}

#[test]
fn episodes_are_listed_and_explained() {
    let api = Api::start();
    let list = api.get("/api/v1/episodes");
    let [episode] = list["episodes"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!((&episode["id"], &episode["outcome"]), (&json!("2026-11-21T10:50:00Z"), &json!("ended")));
    assert_eq!(api.get("/api/v1/episodes?to=2026-11-21T10:00:00Z")["episodes"], json!([]));
    let one = api.get("/api/v1/episodes/2026-11-21T10%3A50%3A00Z");
    assert_eq!(one["episode"], *episode);
    assert_eq!((&one["from"], &one["to"]), (&json!(at(100) - 600.0), &json!(at(119))));
    let left = &one["explanation"]["out_of_range"][0];
    assert_eq!(
        (&left["signal"], &left["at"], &left["direction"]),
        (&json!("cpu_busy_ratio"), &json!(at(100)), &json!("high"))
    );
    api.check_problem("/api/v1/episodes/2026-01-01T00:00:00Z", 404, "/api/v1/episodes lists all");
    api.check_problem("/api/v1/episodes/x", 400, "hostnorm episodes");
    api.server.stop();
}

#[test]
fn each_get_has_a_tag_by_which_a_client_knows_what_did_not_change() {
    let api = Api::start();
    let past = format!("from={}&to={}", at(80), at(110));
    for path in [
        "/api/v1/episodes/2026-11-21T10:50:00Z",
        "/api/v1/episodes",
        "/api/v1/models",
        "/api/v1/openapi.json",
        "/api/v1/detect",
        &format!("/api/v1/scores?{past}"),
        &format!("/api/v1/readings?metric=cpu&{past}"),
        &format!("/api/v1/explain?at={}&window=5m", at(100)),
    ] {
        let first = api.ask(path);
        let tag = first.header("etag").unwrap().to_owned();
        assert_eq!(first.header("content-type"), Some("application/json"), "{path}");
        let known = format!("If-None-Match: \"other\", W/{tag}\r\n");
        let again = api.server.client().ask("GET", path, &known);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        let other = api.server.client().ask("GET", path, "If-None-Match: \"other\"\r\n");
        assert_eq!((other.status, other.body), (200, first.body), "{path}");
    }
    assert_eq!(api.ask("/api/v1/scores?step=1ms").header("etag"), None, "an error has none");
    api.server.stop();
}

#[test]
fn a_page_of_an_allowed_origin_may_send_the_tag_and_read_it() {
    let api = Api::start();
    let origin = "Origin: https://grafana.example\r\n";
    let words = |answer: &Answer, name: &str| {
        let text = answer.header(name).unwrap_or_default().to_lowercase();
        text.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    for path in ["/api/v1/detect", "/metrics", "/mcp"] {
        let asks = format!("{origin}Access-Control-Request-Method: GET\r\n");
        let allowed = words(&api.server.client().ask("OPTIONS", path, &asks), "access-control-allow-headers");
        assert!(allowed.contains(&"if-none-match".to_owned()), "{path}: {allowed:?}");
        let answer = api.server.client().ask("GET", path, origin);
        let exposed = words(&answer, "access-control-expose-headers");
        assert_eq!(exposed, ["etag", "retry-after"], "{path}");
    }
    let other = api.server.client().ask("GET", "/api/v1/detect", "Origin: https://evil.example\r\n");
    assert_eq!(other.header("access-control-expose-headers"), None);
    api.server.stop();
}

#[test]
fn one_call_says_what_was_unusual_or_that_nothing_was() {
    let api = Api::start();
    let found = api.get(&format!("/api/v1/explain?at={}&window=1m", at(105)));
    assert_eq!(found["unusual"], true);
    assert_eq!(
        found["message"],
        "Anomaly on host: CPU usage 90 %; from 2026-11-21T10:50:00Z for 5m, ended, peak score 3.0"
    );
    assert_eq!(found["subjects"][0]["causes"][0]["signal"], "cpu_busy_ratio");
    let quiet = api.get(&format!("/api/v1/explain?at={}&window=2m", at(80)));
    assert_eq!(quiet["unusual"], false);
    assert_eq!(
        quiet["message"],
        "Nothing was unusual on host: highest score 0.25 (unusual from 1), each signal within its range of the day before"
    );
    for (at, why) in [("2020-01-01", "there is no score"), ("2099-01-01", "it is in the future")] {
        let unknown = api.get(&format!("/api/v1/explain?at={at}"));
        assert_eq!(unknown["message"], format!("Nothing is known of host at this time: {why}"));
        assert_eq!((unknown.get("unusual"), unknown["subjects"][0].get("unusual")), (None, None), "{at}");
    }
    api.check_problem("/api/v1/explain?window=2d", 400, "the maximum is 1d");
    api.server.stop();
}

#[test]
fn a_range_without_the_end_of_a_point_has_the_score_of_the_point_that_holds_it() {
    let api = Api::start();
    let nothing = "Nothing was unusual on host: highest score 0.25 (unusual from 1)";
    let within = format!("{nothing}, each signal within its range of the day before");
    let now = at(POINTS - 1);
    for (range, says) in [
        (format!("at={}&window=500ms", at(80) + 15.0), within.as_str()),
        (format!("from={}&to={}", at(80) + 1.0, at(81) - 1.0), within.as_str()),
        // The newest reading is the state until the next one.
        ("from=now&to=now".into(), within.as_str()),
        ("window=100ms".into(), within.as_str()),
        (
            format!("from={}&to={}", now + 1.0, now + 2.0),
            "Nothing is known of host at this time: it is in the future",
        ),
        (format!("at={}&window=500ms", now - 15.0), within.as_str()),
    ] {
        assert_eq!(api.get(&format!("/api/v1/explain?{range}"))["message"], says, "{range}");
    }
    let found = api.get(&format!("/api/v1/explain?at={}&window=500ms", at(99) + 15.0));
    assert_eq!(found["subjects"][0]["highest_score"], json!({"at": at(100), "score": 3.0}));
    api.server.stop();
}

#[test]
fn the_part_of_a_range_without_a_score_is_said() {
    let api = Api::start();
    let found = api.get(&format!("/api/v1/explain?from={}&to={}", at(0) - 1_800.0, at(90)));
    assert_eq!(
        found["message"],
        "Nothing was unusual on host: highest score 0.25 (unusual from 1); no score is stored from 2026-11-21T09:30:00Z to \
         2026-11-21T09:59:30Z"
    );
    let host = &found["subjects"][0];
    assert_eq!(host["unscored"], json!([{"from": at(0) - 1_800.0, "to": at(0) - 30.0}]));
    // The day before is unknown, and so is what left its range.
    assert_eq!(host.get("out_of_range"), None);
    api.server.stop();
}

#[test]
fn while_it_learns_nothing_is_known_until_the_first_score() {
    let api = Api::start();
    let mut learning = report(POINTS - 1);
    let ready_at = Timestamp(at(POINTS + 20));
    learning.assessments.insert(Subject::Host, Assessment { ready_at, ..Assessment::default() });
    api.server.reports.send_replace(Some(Arc::new(learning)));
    let says = "Nothing is known of host at this time: there is no score, because hostnorm is still learning; the first \
                comes at 2026-11-21T11:10:00Z";
    for path in ["/api/v1/explain?at=-1d", "/api/v1/explain?at=-2h&window=1m"] {
        let found = api.get(path);
        let host = &found["subjects"][0];
        assert_eq!(
            (&found["message"], &host["first_score_at"]),
            (&json!(says), &json!(ready_at.0)),
            "{path}"
        );
        assert_eq!((found.get("unusual"), host.get("unusual")), (None, None), "{path}");
    }
    // What is stored of a time counts.
    let known = api.get(&format!("/api/v1/explain?at={}&window=2m", at(80)));
    assert_eq!((&known["unusual"], known["subjects"][0].get("first_score_at")), (&json!(false), None));
    api.server.stop();
}

#[test]
fn score_and_flag_are_metrics() {
    let api = Api::start();
    let page = api.ask("/metrics");
    for series in
        ["anomaly_score{kind=\"host\",subject=\"host\"} 0.25", "is_anomaly{kind=\"host\",subject=\"host\"} 0"]
    {
        assert!(page.text().lines().any(|it| it == series), "{series} is not in {}", page.text());
    }
    api.server.stop();
}

#[test]
fn without_a_store_the_present_is_known() {
    let server = Server::start(Start { now: || Timestamp(at(5)), ..Start::default() });
    let ask = |path: &str| server.client().ask("GET", path, "");
    assert_eq!(ask("/api/v1/signals").status, 503);
    server.reports.send_replace(Some(Arc::new(report(5))));
    let explained: Value = serde_json::from_slice(&ask("/api/v1/explain").body).unwrap();
    assert_eq!(
        explained["message"],
        "Nothing was unusual on host: highest score 0.25 (unusual from 1); \
         no score is stored from 2026-11-21T09:52:30Z to 2026-11-21T10:02:30Z"
    );
    let refused: Value = serde_json::from_slice(&ask("/api/v1/scores").body).unwrap();
    assert_eq!(refused["status"], 409);
    assert!(refused["detail"].as_str().unwrap().contains("storage.path"));
    server.stop();
}

#[test]
fn the_document_describes_each_route() {
    let api = Api::start();
    let document = api.get("/api/v1/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let done = operation["responses"].as_object().unwrap().keys().any(|it| it.starts_with('2'));
            assert!(
                done && operation["summary"].as_str().is_some_and(|it| !it.is_empty()),
                "{method} {path}"
            );
        }
    }
    assert!(
        paths.contains_key("/api/v1/explain")
            && paths["/api/v1/train"]["post"]["responses"]["202"].is_object()
    );
    api.server.stop();
}
