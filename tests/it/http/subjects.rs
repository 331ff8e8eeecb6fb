//! Which subject a request is about: by name, by kind and name, live or in the store.

use std::sync::Arc;

use hostnorm::reading::{Subject, Timestamp};
use hostnorm::report::Report;
use hostnorm::store::StoreReader;

use super::api::{Api, POINTS, at, report};
use super::server::{Server, Start};
use crate::store::{open, until};

const HTML: &str = "text/html; charset=utf-8";

/// A report with the state of the host for these subjects, too.
fn with(idx: usize, others: &[Subject]) -> Report {
    let mut report = report(idx);
    let host = report.assessments[&Subject::Host].clone();
    report.assessments.extend(others.iter().map(|it| (it.clone(), host.clone())));
    report
}

#[test]
fn a_name_without_a_kind_is_looked_up() {
    let api = Api::start();
    let (service, container) = (Subject::Service("web".into()), Subject::Container("web".into()));
    let live = [Subject::Service("s3.service".into()), service, container];
    api.server.reports.send_replace(Some(Arc::new(with(POINTS - 1, &live))));
    for route in ["explain?", "detect?", "signals?", "scores?", "readings?metric=cpu&", "episodes?"] {
        let ask = |query: &str| format!("/api/v1/{route}{query}");
        let found = api.get(&ask("subject=s3.service"));
        let of = if route == "explain?" { &found["subjects"][0] } else { &found };
        if route != "episodes?" {
            assert_eq!((&of["kind"], &of["subject"]), (&"service".into(), &"s3.service".into()), "{route}");
        }
        api.get(&ask("subject=web&kind=container"));
        api.get(&ask("subject=host"));
        api.check_problem(&ask("subject=web"), 400, "are named \"web\": container, service; add kind");
        api.check_problem(&ask("kind=service"), 400, "kind service needs the name of one as subject");
        api.check_problem(&ask("subject=nosuch"), 404, "no subject is named \"nosuch\"");
        api.check_problem(&ask("subject=web&kind=pod"), 404, "no pod is named \"web\"");
        api.check_problem(&ask("subject=web&kind=host"), 404, "no host is named \"web\"");
    }
    for route in ["/api/v1/baseline?", "/api/v1/predict?metric=cpu&", "/events?"] {
        api.check_problem(&format!("{route}subject=nosuch"), 404, "no subject is named \"nosuch\"");
        api.check_problem(&format!("{route}kind=service"), 400, "needs the name of one");
    }
    let page = api.ask("/?subject=s3.service");
    assert_eq!((page.status, page.header("content-type")), (200, Some(HTML)));
    assert!(page.text().contains("service s3.service"), "{}", page.text());
    api.server.stop();
}

#[test]
fn episodes_are_chosen_by_their_subject_and_time() {
    let directory = tempfile::tempdir().unwrap();
    let service = Subject::Service("web".into());
    let mut store = open(directory.path());
    // The service is there in the second half of the anomaly of the host.
    (95..POINTS).for_each(|idx| {
        let live = if idx < 100 { &[][..] } else { std::slice::from_ref(&service) };
        store.append(&with(idx, live));
    });
    store.close();
    let start = Start {
        now: || Timestamp(at(POINTS - 1)),
        store: Some(directory.path().to_owned()),
        ..Start::default()
    };
    let server = Server::start(start);
    server.reports.send_replace(Some(Arc::new(with(POINTS - 1, std::slice::from_ref(&service)))));
    let listed = |query: &str| -> Vec<String> {
        let answer = server.client().ask("GET", &format!("/api/v1/episodes{query}"), "");
        let found: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer.status, 200, "{query}: {found}");
        let of = |it: &serde_json::Value| it["subject"].as_str().unwrap().to_owned();
        found["episodes"].as_array().unwrap().iter().map(of).collect()
    };
    let mut all = listed("");
    all.sort();
    assert_eq!(all, ["host", "web"]);
    assert_eq!(listed("?subject=web"), ["web"]);
    assert_eq!(listed("?kind=service&subject=web"), ["web"]);
    assert_eq!(listed("?subject=host"), ["host"]);
    assert_eq!(listed("?from=2026-11-21T10:54:00Z").len(), 2);
    assert_eq!(listed("?from=2026-11-21T10:59:00Z"), [""; 0]);
    server.stop();
}

#[test]
fn a_subject_that_is_gone_is_found_in_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let gone = Subject::Service("s3.service".into());
    let mut store = open(directory.path());
    store.append(&with(0, std::slice::from_ref(&gone)));
    let seen = || StoreReader::open(directory.path()).unwrap().newest_point(&gone).unwrap();
    until("a commit", || seen() == Some(Timestamp(at(0))));
    store.close();
    let start =
        Start { now: || Timestamp(at(1)), store: Some(directory.path().to_owned()), ..Start::default() };
    let server = Server::start(start);
    let ask = |path: &str| server.client().ask("GET", path, "");
    // Also before the first reading.
    for is_started in [false, true] {
        let scores = ask("/api/v1/scores?subject=s3.service");
        assert!(scores.text().contains("\"kind\":\"service\"") && scores.text().contains("0.25"));
        assert!(ask("/api/v1/explain?subject=s3.service").text().contains("service s3.service"));
        assert_eq!(ask("/api/v1/scores?subject=nosuch").status, 404);
        // It has no present.
        let status = if is_started { 404 } else { 503 };
        assert_eq!(ask("/api/v1/detect?subject=s3.service").status, status);
        let page = ask("/?subject=s3.service");
        assert_eq!(page.status, 200);
        let expected = match is_started {
            false => "There is no reading of service s3.service yet",
            true => "service s3.service has no current readings; this page shows its past",
        };
        assert!(page.text().contains(expected), "{}", page.text());
        assert_eq!(page.text().contains("score-chart"), is_started, "{}", page.text());
        server.reports.send_replace(Some(Arc::new(report(1))));
    }
    server.stop();
}
