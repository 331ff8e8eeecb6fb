//! Issues on a loopback server that answers as GitHub's API does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::program::{Program, alert, alert_with, notification};
use super::server::{Answer, Request, Server};

/// The issues of a repository, by number.
#[derive(Default)]
struct Issues(BTreeMap<u64, Value>);

impl Issues {
    fn answer(&mut self, request: &Request) -> Answer {
        let (method, target) = request.first.split_once(' ').unwrap();
        let path = target.split('?').next().unwrap().strip_prefix("/repos/acme/hosts/issues").unwrap();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let number = parts.first().map(|it| it.parse::<u64>().unwrap());
        match (method, number, parts.get(1)) {
            ("GET", None, _) => {
                let open: Vec<_> = self.0.values().filter(|it| it["state"] == "open").collect();
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

struct Github {
    server: Server,
    issues: Arc<Mutex<Issues>>,
    folder: tempfile::TempDir,
}

impl Github {
    /// A server that is asked `before` for an answer: the number of the request, and the real answer.
    fn new(mut before: impl FnMut(usize, &Request, Answer) -> Answer + Send + 'static) -> Self {
        let issues = Arc::<Mutex<Issues>>::default();
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

    fn start(&self) -> Program {
        let rules = format!(
            "retry: {{initial: 10ms, max: 10ms}}\nrules:\n- name: tickets\n  actions:\n  - github_issue:\n      repository: acme/hosts\n      api_url: {}\n      connection: {{token_file: {}}}\n      labels: [host alert]\n      assignees: [octocat]\n",
            self.server.url,
            self.folder.path().join("token").display()
        );
        Program::start(self.folder.path(), &rules, &[])
    }

    fn issue(&self, number: u64) -> Value {
        self.issues.lock().unwrap().0[&number].clone()
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
    program.kill();
    std::fs::remove_dir_all(github.folder.path().join("outbox")).unwrap();
    let program = github.start();
    program.post(&notification(&[alert("c0ffee", "firing"), alert("c0ffee", "resolved")]));
    sent(&program, 2.0);
    assert_eq!((github.count(), github.issue(1)["state"].clone()), (1, json!("closed")));
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
