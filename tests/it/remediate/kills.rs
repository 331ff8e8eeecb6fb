//! `kill -9` between the response to a notification and its actions, whenever it comes: each action is done, and done once
//! where that can be known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::github::Github;
use super::program::{Program, alert, alert_with, notification};
use super::server::{Answer, Request, Server};

const ROUNDS: usize = 4;
const ALERTS: usize = 20;

/// Posts alerts and kills the program in each round, after a few requests more than in the round before; then lets it end
/// what is left.
fn with_kills(
    server: &Server,
    action: &str,
    start: impl Fn() -> Program,
    alert: impl Fn(String) -> String,
) -> Vec<Request> {
    let mut asked = Vec::new();
    for round in 0..ROUNDS {
        let program = start();
        let alerts: Vec<String> = (0..ALERTS).map(|it| alert(format!("r{round}-{it}"))).collect();
        assert_eq!(program.post(&notification(&alerts)), 200);
        asked.extend((0..round * 7).map(|_| server.next()));
        program.kill();
    }
    let program = start();
    let name = |what: &str| format!("hostnorm_remediate_actions_{what}{{action=\"{action}\"}}");
    program.until("all is done", |it| it.metric(&name("waiting")) == Some(0.0));
    assert_eq!(program.metric(&name("dropped_total")), Some(0.0));
    asked.extend(server.all());
    asked
}

fn start(folder: &Path, action: &str, flags: &[&str]) -> Program {
    let rules =
        format!("retry: {{initial: 10ms, max: 10ms}}\nrules:\n- name: all\n  actions:\n  - {action}\n");
    Program::start(folder, &rules, flags)
}

#[test]
fn webhooks_are_sent_with_a_key_each() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(|_| Answer::status(200));
    let action = format!("webhook: {{url: '{}', per_minute: 1000}}", server.url);
    let asked =
        with_kills(&server, "webhook", || start(folder.path(), &action, &[]), |it| alert(&it, "firing"));
    let key = |it: &Request| it.header("idempotency-key").to_owned();
    let sent: BTreeSet<_> = asked.iter().map(|it| (it.json()["fingerprint"].to_string(), key(it))).collect();
    let keys: BTreeSet<_> = asked.iter().map(key).collect();
    // A request that was interrupted by the kill is repeated with its key.
    assert_eq!((sent.len(), keys.len()), (ROUNDS * ALERTS, ROUNDS * ALERTS));
    assert!(asked.len() <= ROUNDS * ALERTS + ROUNDS, "{} requests", asked.len());
}

#[test]
fn each_alert_has_one_issue_without_a_comment() {
    let github = Github::new(|_, _, answer| answer);
    with_kills(&github.server, "github_issue", || github.start(), |it| alert(&it, "firing"));
    let issues = github.all();
    let lanes: BTreeSet<_> =
        issues.iter().map(|it| it["body"].as_str().unwrap().lines().rev().nth(1)).collect();
    assert_eq!((issues.len(), lanes.len()), (ROUNDS * ALERTS, ROUNDS * ALERTS));
    assert!(issues.iter().all(|it| it["texts"] == json!([])));
}

#[test]
fn each_pod_is_deleted_once() {
    let folder = tempfile::tempdir().unwrap();
    // How many pods of a name there were: a controller makes a new one at once.
    let pods = Arc::<Mutex<BTreeMap<String, u32>>>::default();
    let own = Arc::clone(&pods);
    let server = Server::scripted(move |request| {
        let (method, target) = request.first.split_once(' ').unwrap();
        let mut pods = own.lock().unwrap();
        let name = target.rsplit('/').next().unwrap().to_owned();
        let count = pods.entry(name.clone()).or_insert(1);
        let uid = format!("{name}-{count}");
        match method {
            "DELETE" if request.json()["preconditions"]["uid"] != uid.as_str() => Answer::status(409),
            "DELETE" => {
                *count += 1;
                Answer::json(200, "{}")
            }
            "GET" => {
                let metadata = json!({"uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z"});
                Answer::json(200, json!({"metadata": metadata}).to_string())
            }
            _ => Answer::json(201, "{}"),
        }
    });
    let action = format!(
        "kubernetes: {{api_url: '{}', delete_pod: true, dry_run: false, per_hour: 1000}}",
        server.url
    );
    let flags = ["--kubernetes.allow-delete-pod"];
    let of_pod = |it: String| {
        let labels = format!(r#""namespace":"shop","pod":"{it}""#);
        alert_with(&it, "firing", &labels, "memory used 91 %")
    };
    let asked = with_kills(&server, "kubernetes", || start(folder.path(), &action, &flags), of_pod);
    let mut pods = pods.lock().unwrap().clone();
    pods.remove("events");
    assert_eq!(pods.len(), ROUNDS * ALERTS);
    assert!(pods.values().all(|it| *it == 2), "{pods:?}");
    let events: Vec<Value> =
        asked.iter().filter(|it| it.first.contains("events")).map(Request::json).collect();
    let names: BTreeSet<_> = events.iter().map(|it| it["metadata"]["name"].to_string()).collect();
    assert!(names.len() <= events.len() && names.len() + ROUNDS >= ROUNDS * ALERTS, "{} events", names.len());
}
