//! Issues on a loopback server that answers as GitHub's API does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::program::{Program, alert, alert_with, notification};
use super::rendered_alerts;
use super::server::{Answer, Request, Server};

/// The issues of a repository, by number.
#[derive(Default)]
struct FakeIssues(BTreeMap<u64, Value>);

impl FakeIssues {
    fn answer(&mut self, request: &Request) -> Answer {
        let (method, target) = request.first.split_once(' ').unwrap();
        let path = target.split('?').next().unwrap().strip_prefix("/repos/acme/hosts/issues").unwrap();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let number = parts.first().map(|it| it.parse::<u64>().unwrap());
        match (method, number, parts.get(1)) {
            ("GET", None, _) => {
                let field = |name: &str| {
                    let it = target.split(['?', '&']).find_map(|it| it.strip_prefix(name));
                    it.map_or(1, |it| it.parse::<usize>().unwrap())
                };
                let (page, size) = (field("page="), field("per_page="));
                // The newest first.
                let open = self.0.values().rev().filter(|it| it["state"] == "open");
                let open: Vec<_> = open.skip((page - 1) * size).take(size).collect();
                Answer::json(200, json!(open).to_string())
            }
            ("POST", None, _) => {
                let number = self.0.len() as u64 + 1;
                let mut issue = request.json();
                issue["number"] = number.into();
                issue["state"] = "open".into();
                issue["texts"] = json!([]);
                self.0.insert(number, issue.clone());
                Answer::json(201, issue.to_string())
            }
            ("GET", Some(number), Some(_)) => {
                let texts = self.0[&number]["texts"].as_array().unwrap();
                let comments: Vec<_> = texts.iter().map(|it| json!({"body": it})).collect();
                Answer::json(200, json!(comments).to_string())
            }
            ("POST", Some(number), Some(_)) => {
                let text = request.json()["body"].clone();
                self.0.get_mut(&number).unwrap()["texts"].as_array_mut().unwrap().push(text);
                Answer::json(201, "{}")
            }
            ("PATCH", Some(number), None) => {
                self.0.get_mut(&number).unwrap()["state"] = request.json()["state"].clone();
                Answer::json(200, "{}")
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(super) struct Github {
    pub(super) server: Server,
    issues: Arc<Mutex<FakeIssues>>,
    folder: tempfile::TempDir,
}

/// Rules for GitHub; `{url}` and `{token}` are replaced.
const RULES: &str = "
retry: {initial: 10ms, max: 10ms}
rules:
- name: tickets
  actions:
  - github_issue:
      repository: acme/hosts
      api_url: {url}
      connection: {token_file: {token}}
      labels: [host alert]
      assignees: [octocat]
      per_minute: 1000
";

impl Github {
    /// A server that is asked `before` for an answer: the number of the request, and the real answer.
    pub(super) fn new(mut before: impl FnMut(usize, &Request, Answer) -> Answer + Send + 'static) -> Self {
        let issues = Arc::<Mutex<FakeIssues>>::default();
        let (own, mut count) = (Arc::clone(&issues), 0);
        let server = Server::scripted(move |request| {
            count += 1;
            let mut issues = own.lock().unwrap();
            // A refusal changes nothing.
            match before(count - 1, request, Answer::Never) {
                Answer::Never => issues.answer(request),
                Answer::Lost => {
                    issues.answer(request);
                    Answer::Lost
                }
                refusal => refusal,
            }
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "ghp-t0ps3cret\n").unwrap();
        Self { server, issues, folder }
    }

    pub(super) fn start(&self) -> Program {
        let token = self.folder.path().join("token").display().to_string();
        let rules = RULES.replace("{url}", &self.server.url).replace("{token}", &token);
        Program::start(self.folder.path(), &rules, &[])
    }

    /// All issues.
    pub(super) fn all(&self) -> Vec<Value> {
        self.issues.lock().unwrap().0.values().cloned().collect()
    }

    fn issue(&self, number: u64) -> Value {
        self.issues.lock().unwrap().0[&number].clone()
    }

    /// Adds open issues of other people.
    fn add_others(&self, count: u64) {
        let mut issues = self.issues.lock().unwrap();
        let first = issues.0.len() as u64 + 1;
        for number in first..first + count {
            let issue = json!({"number": number, "state": "open", "body": "Not by hostnorm", "texts": []});
            issues.0.insert(number, issue);
        }
    }

    /// Ends the program as a crash does, and loses its outbox.
    fn lose_outbox(&self, program: Program) {
        program.kill();
        std::fs::remove_dir_all(self.folder.path().join("outbox")).unwrap();
    }

    fn count(&self) -> usize {
        self.issues.lock().unwrap().0.len()
    }
}

fn sent(program: &Program, count: f64) {
    program.until("all is sent", |it| {
        it.metric("hostnorm_remediate_actions_sent_total{action=\"github_issue\"}") == Some(count)
    });
}

#[test]
fn one_issue_is_opened_commented_and_closed() {
    let github = Github::new(|_, _, answer| answer);
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "firing")]));
    program.post(&notification(&[alert("c0ffee", "firing")]));
    sent(&program, 1.0);
    let issue = github.issue(1);
    assert_eq!(issue["title"], "HostAnomalous: Anomaly on db-1");
    assert_eq!((&issue["labels"], &issue["assignees"]), (&json!(["host alert"]), &json!(["octocat"])));
    let body = issue["body"].as_str().unwrap();
    for part in ["memory used 91 %", "[Dashboard](<https://grafana/d/1>)", "| node | node-1 |"] {
        assert!(body.contains(part), "{body}");
    }
    let first = &github.server.all()[0];
    assert_eq!(first.header("authorization"), "Bearer ghp-t0ps3cret");
    assert_eq!(first.header("x-github-api-version"), "2022-11-28");
    assert!(first.first.ends_with("&labels=host%20alert"), "{}", first.first);
    // Something changed; then it is over; then it fires anew.
    program.post(&notification(&[alert_with("c0ffee", "firing", r#""a":"b""#, "memory used 95 %")]));
    sent(&program, 2.0);
    drop(program);
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "resolved")]));
    sent(&program, 1.0);
    let issue = github.issue(1);
    assert_eq!(issue["state"], "closed");
    let texts = issue["texts"].to_string();
    assert!(texts.contains("Firing since") && texts.contains("memory used 95 %"), "{texts}");
    assert!(texts.contains("Resolved at 2026-01-02T03:14:05Z"), "{texts}");
    let again = alert("c0ffee", "firing").replace("03:04:05.678", "04:04:05.678");
    program.post(&notification(&[again]));
    sent(&program, 2.0);
    assert_eq!(github.count(), 2);
    assert!(!program.stop().contains("t0ps3cret"));
}

#[test]
fn a_lost_response_opens_no_second_issue() {
    let github = Github::new(|idx, _, answer| if idx == 1 { Answer::Lost } else { answer });
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "firing")]));
    sent(&program, 1.0);
    assert_eq!((github.count(), github.issue(1)["texts"].clone()), (1, json!([])));
}

#[test]
fn a_lost_comment_is_not_written_twice() {
    let github = Github::new(|_, request, answer| match request.json_or_null()["body"].as_str() {
        Some(text) if text.starts_with("Resolved") => Answer::Lost,
        _ => answer,
    });
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "firing")]));
    program.post(&notification(&[alert("c0ffee", "resolved")]));
    sent(&program, 2.0);
    let issue = github.issue(1);
    assert_eq!((issue["texts"].as_array().unwrap().len(), &issue["state"]), (1, &json!("closed")));
}

#[test]
fn an_issue_is_found_again_without_the_outbox() {
    let github = Github::new(|_, _, answer| answer);
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "firing")]));
    sent(&program, 1.0);
    github.lose_outbox(program);
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "firing"), alert("c0ffee", "resolved")]));
    sent(&program, 2.0);
    assert_eq!((github.count(), github.issue(1)["state"].clone()), (1, json!("closed")));
}

#[test]
fn an_issue_is_found_behind_a_thousand_others() {
    let github = Github::new(|_, _, answer| answer);
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "firing")]));
    sent(&program, 1.0);
    github.lose_outbox(program);
    github.add_others(1_001);
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "firing"), alert("c0ffee", "resolved")]));
    sent(&program, 2.0);
    assert_eq!((github.count(), github.issue(1)["state"].clone()), (1_002, json!("closed")));
}

#[test]
fn nothing_is_opened_while_more_issues_are_open_than_are_listed() {
    let github = Github::new(|_, _, answer| answer);
    github.add_others(10_000);
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "firing")]));
    program.until_logged("10000 issues or more are open");
    assert!(program.metric("hostnorm_remediate_actions_failed_total{action=\"github_issue\"}") >= Some(1.0));
    assert_eq!(github.count(), 10_000);
    // Somebody closes one.
    github.issues.lock().unwrap().0.get_mut(&1).unwrap()["state"] = "closed".into();
    sent(&program, 1.0);
    assert_eq!(github.count(), 10_001);
}

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn issues_are_listed_once_for_a_notification_of_ten_thousand() {
    // Two responses are lost, after which all are listed again.
    let github = Github::new(|idx, request, answer| match request.first.split(' ').next() {
        Some("POST") if idx % 100 == 50 && idx < 200 => Answer::Lost,
        _ => answer,
    });
    let program = github.start();
    let many: Vec<String> = (0..10_000).map(|it| alert(&format!("a{it}"), "firing")).collect();
    assert_eq!(program.post(&notification(&many)), 200);
    let name = "hostnorm_remediate_actions_sent_total{action=\"github_issue\"}";
    program.until("some hundreds are sent", |it| it.metric(name) >= Some(400.0));
    program.kill();
    let issues = github.issues.lock().unwrap();
    let mut markers: Vec<_> =
        issues.0.values().map(|it| it["body"].as_str().unwrap().lines().rev().nth(1)).collect();
    let opened = markers.len();
    markers.sort();
    markers.dedup();
    assert_eq!(markers.len(), opened, "one issue for each alert");
    let lists = github.server.all().iter().filter(|it| it.first.starts_with("GET")).count();
    assert!(lists <= 1 + 2 * 2, "{lists} pages");
}

#[test]
fn an_alert_in_two_groups_has_one_issue() {
    let github = Github::new(|_, _, answer| answer);
    let program = github.start();
    let of_group = |group: &str| notification(&[alert("c0ffee", "firing")]).replace("{}:{}", group);
    program.post(&of_group(r#"{}/{team=\"a\"}:{alertname=\"HostAnomalous\"}"#));
    program.post(&of_group(r#"{}:{instance=\"db-1\"}"#));
    program.post(&notification(&[alert("c0ffee", "resolved")]));
    sent(&program, 2.0);
    assert_eq!((github.count(), github.issue(1)["texts"].as_array().unwrap().len()), (1, 1));
}

#[test]
fn an_issue_names_causes_and_culprit_of_the_shipped_rules() {
    let check = |name: &str, expect: &[&str]| {
        let github = Github::new(|_, _, answer| answer);
        let program = github.start();
        program.post(&notification(&rendered_alerts("anomalies.yml", name)[..1]));
        sent(&program, 1.0);
        let body = github.issue(1)["body"].as_str().unwrap().replace('\\', "");
        let found: Vec<_> =
            body.lines().filter(|it| it.contains("**Cause") || it.contains("**Culprit")).collect();
        assert_eq!(found, expect, "{name}");
    };
    check(
        "HostAnomalous",
        &[
            "- **Causes:** memory_used_ratio high (1.6), swap_pages_per_second high (0.7), disk_read_bytes_per_second high (0.2)",
            "- **Culprit:** container shop/db, process postgres",
        ],
    );
    check("LogAnomalous", &["- **Causes:** log_errors_per_second high (2.4)"]);
    check(
        "ContainerAnomalous",
        &[
            "- **Causes:** cgroup_memory_working_set_bytes high of container shop/checkout/app (3.5), cgroup_tasks low of pod shop/checkout (1.2)",
            "- **Culprit:** container shop/checkout/app",
        ],
    );
    // Nothing is known.
    check("HostAnomalySevere", &[]);
}

#[test]
fn limits_and_failures_are_waited_out() {
    let secondary = r#"{"message":"You have exceeded a secondary rate limit"}"#;
    let github = Github::new(move |idx, _, answer| match idx {
        0 => Answer::Full(403, "retry-after: 1\r\n".into(), secondary.into()),
        1 => {
            Answer::Full(403, "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1\r\n".into(), secondary.into())
        }
        2 => Answer::status(500),
        3 => Answer::Full(429, "retry-after: 1\r\n".into(), "{}".into()),
        _ => answer,
    });
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "firing")]));
    sent(&program, 1.0);
    assert_eq!(github.count(), 1);
    assert_eq!(program.metric("hostnorm_remediate_actions_failed_total{action=\"github_issue\"}"), Some(4.0));
}

#[test]
fn an_issue_that_is_invalid_is_dropped() {
    let github = Github::new(|_, request, answer| match request.first.as_str() {
        "POST /repos/acme/hosts/issues" => Answer::json(422, r#"{"message":"Validation Failed"}"#),
        _ => answer,
    });
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "firing")]));
    program.until("it is dropped", |it| {
        it.metric("hostnorm_remediate_actions_dropped_total{action=\"github_issue\"}") == Some(1.0)
    });
    assert!(program.stop().contains("Validation Failed"));
}

impl Request {
    fn json_or_null(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}
