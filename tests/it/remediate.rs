//! `hostnorm remediate` as its users see it: notifications go in by HTTP, lines and requests come out.

mod cluster;
mod github;
mod kills;
mod program;
mod server;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Command;

use hostnorm::remediate::{Notification, RemediationRules};

use program::{Program, alert, notification};
use server::{Answer, Server};

const TOKEN: &str = "tok-Zr5kQ1";
const PASSWORD: &str = "pw-8sTqW2";

fn log_rules(folder: &std::path::Path) -> String {
    format!("rules:\n- name: all\n  actions:\n  - log: {{path: {}/log.jsonl}}\n", folder.display())
}

fn lines(folder: &std::path::Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join("log.jsonl")).unwrap_or_default();
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

#[test]
fn an_alert_reaches_log_and_webhook_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(|_| Answer::status(200));
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "key-9fXw\n").unwrap();
    let rules = format!(
        "rules:\n- name: all\n  matchers: ['severity=~\"critical|warning\"']\n  actions:\n  - log: {{path: {0}/log.jsonl}}\n  - webhook:\n      url: {1}/hook\n      secrets: {{key: {2}}}\n      body: {{text: '{{{{ status }}}}: {{{{ sentence }}}}', key: '{{{{ secrets.key }}}}', dedup: '{{{{ dedup_key }}}}'}}\n",
        folder.path().display(),
        server.url,
        secret.display()
    );
    let program = Program::start(folder.path(), &rules, &[]);
    let firing = notification(&[alert("c0ffee", "firing"), alert("beef", "firing")]);
    assert_eq!(program.post(&firing), 200);
    assert_eq!(program.post(&firing), 200);
    let asked = [server.next(), server.next()];
    assert_eq!(asked[0].first, "POST /hook");
    let body = asked[0].json();
    assert_eq!(body["text"], "firing: memory used 91 %");
    assert_eq!(body["key"], "key-9fXw");
    assert_ne!(asked[0].header("idempotency-key"), asked[1].header("idempotency-key"));
    assert_eq!(program.post(&notification(&[alert("c0ffee", "resolved")])), 200);
    let resolved = server.next().json();
    assert_eq!(resolved["text"], "resolved: memory used 91 %");
    assert_eq!(resolved["dedup"], body["dedup"]);
    program.until("all is done", |it| {
        it.metric("hostnorm_remediate_actions_waiting{action=\"log\"}") == Some(0.0)
    });
    let found: Vec<_> =
        lines(folder.path()).iter().map(|it| format!("{} {}", it["fingerprint"], it["status"])).collect();
    assert_eq!(found, ["\"c0ffee\" \"firing\"", "\"beef\" \"firing\"", "\"c0ffee\" \"resolved\""]);
    assert_eq!(program.metric("hostnorm_remediate_notifications_total"), Some(3.0));
    assert_eq!(program.metric("hostnorm_remediate_actions_repeated_total"), Some(4.0));
    let page = program.get("/metrics").1;
    let log = program.stop();
    assert!(!server.has_more());
    for text in [page, log] {
        assert!(!text.contains("key-9fXw"), "{text}");
    }
}

#[test]
fn only_the_owner_of_the_token_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let flag = format!("--web.token-file={}", token.display());
    let program = Program::start(folder.path(), &log_rules(folder.path()), &[&flag]);
    let body = notification(&[alert("c0ffee", "firing")]);
    let ask = |authorization: &str| program.ask("POST", "/api/v1/alerts", authorization, &body);
    let (status, text) = ask("");
    assert!(status == 401 && text.contains("a bearer token is required"), "{status} {text}");
    let (status, text) = ask("Authorization: Bearer wrong\r\n");
    assert!(status == 401 && text.contains("the bearer token is wrong"), "{status} {text}");
    assert_eq!(program.get("/metrics").0, 401);
    assert_eq!(program.get("/-/healthy").0, 200);
    let right = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(ask(&right).0, 200);
    // The token is renewed without a restart.
    std::fs::write(&token, "another\n").unwrap();
    assert_eq!(ask(&right).0, 401);
    assert_eq!(ask("Authorization: Bearer another\r\n").0, 200);
    assert!(!program.stop().contains(TOKEN));
}

#[test]
fn only_a_known_user_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("web.yml");
    let hash = bcrypt::hash_with_salt(PASSWORD, 4, [1; 16]).unwrap();
    std::fs::write(&users, format!("basic_auth_users:\n  alertmanager: {hash}\n")).unwrap();
    let flag = format!("--web.config.file={}", users.display());
    let program = Program::start(folder.path(), &log_rules(folder.path()), &[&flag]);
    let body = notification(&[alert("c0ffee", "firing")]);
    let ask = |user: &str| {
        use base64::Engine as _;
        let credentials = base64::engine::general_purpose::STANDARD.encode(user);
        program.ask("POST", "/api/v1/alerts", &format!("Authorization: Basic {credentials}\r\n"), &body)
    };
    assert_eq!(program.ask("POST", "/api/v1/alerts", "", &body).0, 401);
    for wrong in ["alertmanager:wrong", &format!("somebody:{PASSWORD}"), "alertmanager"] {
        assert_eq!(ask(wrong).0, 401, "{wrong}");
    }
    assert!(lines(folder.path()).is_empty());
    assert_eq!(ask(&format!("alertmanager:{PASSWORD}")).0, 200);
    program.until("the alert is logged", |_| lines(folder.path()).len() == 1);
    assert!(!program.stop().contains(PASSWORD));
}

#[test]
fn what_cannot_be_taken_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &log_rules(folder.path()), &[]);
    let check = |method: &str, path: &str, body: &str, status: u16, expect: &str| {
        let (found, text) = program.ask(method, path, "", body);
        assert!(found == status && text.contains(expect), "{method} {path}: {found} {text}");
    };
    check("POST", "/api/v1/alerts", "{", 400, "is not a notification of Alertmanager's webhook");
    check("POST", "/api/v1/alerts", "{\"version\":\"5\",\"alerts\":[]}", 400, "expected \\\"4\\\"");
    check("GET", "/api/v1/alerts", "", 405, "use POST");
    check("POST", "/metrics", "", 405, "use GET, HEAD");
    check("POST", "/", "", 404, "notifications go to /api/v1/alerts");
    check("GET", "/-/ready", "", 200, "Ready");
    let odd = alert("../../etc", "firing");
    check("POST", "/api/v1/alerts", &notification(&[odd]), 400, "malformed fingerprint");
    let many: Vec<String> = (0..20_001).map(|it| alert(&format!("a{it}"), "firing")).collect();
    check("POST", "/api/v1/alerts", &notification(&many), 413, "the maximum is 20000");
    assert_eq!(program.metric("hostnorm_remediate_notifications_refused_total"), Some(4.0));
    assert!(lines(folder.path()).is_empty());
}

#[test]
fn ten_thousand_alerts_are_ten_thousand_lines() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &log_rules(folder.path()), &[]);
    let many: Vec<String> = (0..10_000).map(|it| alert(&format!("a{it}"), "firing")).collect();
    assert_eq!(program.post(&notification(&many)), 200);
    program.until("all is written", |it| {
        it.metric("hostnorm_remediate_actions_sent_total{action=\"log\"}") == Some(10_000.0)
    });
    let found: BTreeSet<String> =
        lines(folder.path()).iter().map(|it| it["fingerprint"].to_string()).collect();
    assert_eq!((found.len(), lines(folder.path()).len()), (10_000, 10_000));
}

#[test]
fn what_was_acknowledged_is_written_once_whenever_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let program = Program::start(folder.path(), &log_rules(folder.path()), &[]);
        let alerts: Vec<String> = (0..50).map(|it| alert(&format!("r{round}-{it}"), "firing")).collect();
        assert_eq!(program.post(&notification(&alerts)), 200);
        program.kill();
    }
    let program = Program::start(folder.path(), &log_rules(folder.path()), &[]);
    program.until("all is written", |it| {
        it.metric("hostnorm_remediate_actions_waiting{action=\"log\"}") == Some(0.0)
    });
    let found: BTreeSet<String> =
        lines(folder.path()).iter().map(|it| it["fingerprint"].to_string()).collect();
    assert_eq!((found.len(), lines(folder.path()).len()), (250, 250));
}

#[test]
fn a_webhook_is_repeated_with_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    // The first one gets no response, the second an error.
    let server = Server::new(|asked| match asked {
        0 => Answer::Never,
        1 => Answer::status(503),
        _ => Answer::status(204),
    });
    let rules = format!(
        "retry: {{initial: 10ms, max: 10ms}}\nrules:\n- name: all\n  actions:\n  - webhook: {{url: '{}'}}\n",
        server.url
    );
    let program = Program::start(folder.path(), &rules, &[]);
    assert_eq!(program.post(&notification(&[alert("c0ffee", "firing")])), 200);
    let first = server.next();
    program.kill();
    let program = Program::start(folder.path(), &rules, &[]);
    let rest = [server.next(), server.next()];
    assert!(rest.iter().all(|it| it.header("idempotency-key") == first.header("idempotency-key")));
    assert_eq!(rest[1].json()["sentence"], "memory used 91 %");
    assert_eq!(rest[1].json()["labels"]["alertname"], "HostAnomalous");
    program.until("it is done", |it| {
        it.metric("hostnorm_remediate_actions_sent_total{action=\"webhook\"}") == Some(1.0)
    });
    assert_eq!(program.metric("hostnorm_remediate_actions_failed_total{action=\"webhook\"}"), Some(1.0));
    assert!(!server.has_more());
}

#[test]
fn what_is_refused_for_good_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(|_| Answer::status(400));
    let rules = format!("rules:\n- name: all\n  actions:\n  - webhook: {{url: '{}'}}\n", server.url);
    let program = Program::start(folder.path(), &rules, &[]);
    assert_eq!(program.post(&notification(&[alert("c0ffee", "firing")])), 200);
    server.next();
    program.until("it is dropped", |it| {
        it.metric("hostnorm_remediate_actions_dropped_total{action=\"webhook\"}") == Some(1.0)
    });
    assert!(program.stop().contains("the webhook was refused: status 400"));
}

#[test]
fn wrong_rules_end_it_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let check = |rules: &str, flags: &[&str], expect: &str| {
        let path = folder.path().join("rules.yaml");
        std::fs::File::create(&path).unwrap().write_all(rules.as_bytes()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
        command.env_clear().arg("remediate").arg("--check").args(flags);
        let output = command.arg(format!("--config.file={}", path.display())).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
        let code = if expect == "is valid" { 0 } else { 64 };
        assert_eq!((output.status.code(), text.contains(expect)), (Some(code), true), "{text}");
    };
    check("rules:\n- name: a\n  actoins: []\n", &[], "rules.yaml:3: ");
    check("rules: []\n", &[], "expected at least one rule");
    check("rules:\n- name: a\n  actions: [{log: {path: /r}}]\n", &[], "is valid");
    let cordon = "rules:\n- name: a\n  actions:\n  - kubernetes: {cordon_node: true, dry_run: false, api_url: 'http://h'}\n";
    check(cordon, &[], "which needs the flag --kubernetes.allow-cordon");
    check(cordon, &["--kubernetes.allow-cordon"], "is valid");
    let github = "rules:\n- name: a\n  actions:\n  - github_issue: {repository: a/b, connection: {token_file: /none}}\n";
    check(github, &[], "action a/0/github_issue: /none cannot be read");
}

/// The examples of rules in a page: indented blocks that begin with `rules:`.
fn examples(page: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut indent = None;
    for line in page.lines() {
        let spaces = line.len() - line.trim_start().len();
        match indent {
            Some(indent) if spaces >= indent && !line.is_empty() => {
                let last = found.last_mut().unwrap();
                last.push_str(&line[indent..]);
                last.push('\n');
            }
            _ if spaces >= 4 && line.trim() == "rules:" => {
                indent = Some(spaces);
                found.push("rules:\n".into());
            }
            _ => indent = None,
        }
    }
    found
}

/// A notification of all shipped alerts and those of the example for pods, with their names and severities.
fn shipped_alerts() -> Notification {
    let files = ["hostnorm-rules.yml", "examples/rules-pods.yml"].map(prometheus_file);
    let groups = files.iter().flat_map(|it| it["groups"].as_array().unwrap());
    let rules = groups.flat_map(|it| it["rules"].as_array().unwrap());
    let alerts = rules.filter_map(|it| {
        let name = it["alert"].as_str()?;
        Some(serde_json::json!({
            "status": "firing", "fingerprint": name, "startsAt": "2026-01-02T03:04:05Z",
            "labels": {"alertname": name, "severity": it["labels"]["severity"]},
        }))
    });
    let notification = serde_json::json!({"version": "4", "alerts": alerts.collect::<Vec<_>>()});
    Notification::parse(notification.to_string().as_bytes()).unwrap()
}

/// A file of the folder `prometheus`.
fn prometheus_file(name: &str) -> serde_json::Value {
    let path = crate::project_files::root().join("prometheus").join(name);
    yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The alerts that `promtool test rules` finds rules to make, with their texts, as a notification has them.
fn rendered_alerts(file: &str, name: &str) -> Vec<String> {
    let tests = prometheus_file(&format!("tests/{file}"));
    let cases =
        tests["tests"].as_array().unwrap().iter().flat_map(|it| it["alert_rule_test"].as_array().unwrap());
    let alerts =
        cases.filter(|it| it["alertname"] == name).flat_map(|it| it["exp_alerts"].as_array().unwrap());
    let alerts = alerts.map(|it| {
        let mut labels = it["exp_labels"].clone();
        labels["alertname"] = name.into();
        serde_json::json!({
            "status": "firing", "labels": labels, "annotations": it["exp_annotations"],
            "startsAt": "2026-01-02T03:04:05Z", "fingerprint": "c0ffee",
        })
    });
    alerts.map(|it| it.to_string()).collect()
}

/// The names of rules that no shipped alert satisfies.
fn idle_rules(text: &str) -> Vec<String> {
    let rules = RemediationRules::parse(text).unwrap();
    let planned = hostnorm::remediate::plan(&rules, &shipped_alerts());
    let followed: BTreeSet<_> = planned.iter().filter_map(|it| it.action.split('/').next()).collect();
    let file: serde_json::Value = yaml_serde::from_str(text).unwrap();
    let names = file["rules"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned());
    names.filter(|it| !followed.contains(it.as_str())).collect()
}

#[test]
fn the_examples_are_valid() {
    let page = std::fs::read_to_string(crate::project_files::root().join("docs/remediate.md")).unwrap();
    let mut rules = examples(&page);
    assert_eq!(rules.len(), 7, "{rules:#?}");
    let shipped =
        std::fs::read_to_string(crate::project_files::root().join("deploy/remediate.yaml")).unwrap();
    // The rules that are commented out, too.
    let all: String = shipped
        .lines()
        .map(|it| if it.starts_with("  # - ") || it.starts_with("  #   ") { it.replacen("# ", "", 1) } else { it.to_owned() } + "\n")
        .collect();
    assert!(all.contains("\n  - name: cordon\n"), "{all}");
    rules.extend([shipped, all]);
    for text in rules {
        if let Err((line, reason)) = RemediationRules::parse(&text) {
            panic!("{line:?}: {reason}\n{text}");
        }
        assert_eq!(idle_rules(&text), [""; 0], "each example matches an alert that exists:\n{text}");
    }
}
