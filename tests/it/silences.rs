//! Silences as a loopback server in the place of Alertmanager lists them, and the messages where it does not.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use hostnorm::alertmanager_silences::{AlertmanagerClient, AlertmanagerSettings};
use hostnorm::remote::ServerConnection;
use hostnorm::silence::{ALERTS, AlertScope, SILENCES_MAX, SilenceApplicability};
use serde_json::json;

/// Answers one request after the other with `response`; returns the URL, and the head of each request.
fn server(response: String) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|it| !it.is_empty()).collect();
            let _ = stream.write_all(response.as_bytes());
            if tell.send(head.join("\n")).is_err() {
                return;
            }
        }
    });
    (url, asked)
}

fn response(status: &str, header: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn silence(matchers: &[(&str, &str)]) -> serde_json::Value {
    let matchers: Vec<_> =
        matchers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({
        "status": {"state": "active"}, "comment": "", "matchers": matchers,
        "startsAt": "2026-11-29T10:00:00Z", "endsAt": "2026-11-29T12:00:00Z",
    })
}

fn settings(url: &str) -> AlertmanagerSettings {
    let labels = vec!["instance=web-1:9100".into()];
    AlertmanagerSettings { url: url.into(), alert_labels: labels, ..AlertmanagerSettings::default() }
}

#[test]
fn silences_of_this_host_are_read_below_the_prefix() {
    let all = json!([
        silence(&[("alertname", "HostAnomalous"), ("instance", "web-1:9100"), ("job", "hostnorm")]),
        silence(&[("alertname", "LogAnomalous"), ("instance", "web-1:9100"), ("subject", "nginx")]),
        silence(&[("alertname", "ContainerAnomalous"), ("instance", "web-1:9100")]),
        silence(&[("instance", "web-2:9100")]),
        silence(&[("cluster", "a")]),
        silence(&[]),
    ]);
    let (url, asked) = server(response("200 OK", "Content-Type: application/json\r\n", &all.to_string()));
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, "secret\n").unwrap();
    let settings = AlertmanagerSettings {
        connection: ServerConnection { token_file, ..ServerConnection::default() },
        ..settings(&format!("{url}/alertmanager/"))
    };
    let found = AlertmanagerClient::new(&settings).unwrap().read().unwrap();
    let fits: Vec<_> = found.iter().map(|it| it.fit(&settings.target())).collect();
    assert_eq!(
        fits,
        [SilenceApplicability::Matches, SilenceApplicability::Matches, SilenceApplicability::Matches]
    );
    let head = asked.recv().unwrap();
    assert!(head.starts_with("GET /alertmanager/api/v2/silences HTTP/1.1\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer secret"), "{head}");
}

/// The shipped alerts whose absence from the list of a silence's alerts is intended: they tell of a fleet, or of a forecast.
const OTHERS: [&str; 2] = ["FleetAnomalous", "HostFilesystemFillsSoon"];

#[test]
fn the_alerts_of_anomalies_are_those_of_the_shipped_rules() {
    let path = crate::project_files::root().join("prometheus/hostnorm-rules.yml");
    let rules: serde_json::Value = yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut groups = rules["groups"].as_array().unwrap().iter();
    let group = groups.find(|it| it["name"] == "hostnorm-anomalies").unwrap();
    let shipped = group["rules"].as_array().unwrap().iter().filter_map(|it| {
        let name = it["alert"].as_str().filter(|it| !OTHERS.contains(it))?;
        let expression = it["expr"].as_str().unwrap();
        let scope = match expression {
            _ if expression.contains(r#"kind!~"host|log""#) => AlertScope::Containers,
            _ if expression.contains(r#"kind="host""#) => AlertScope::Host,
            _ => AlertScope::Log,
        };
        let severity = it["labels"]["severity"].as_str().unwrap();
        let has_subject = expression.contains("(cluster, job, instance, kind, subject)")
            || expression.contains("subject:is_anomaly:start_timestamp_seconds");
        assert_eq!(has_subject, scope != AlertScope::Containers, "labels of {name}");
        Some((name.to_owned(), severity.to_owned(), scope))
    });
    let shipped: BTreeSet<_> = shipped.map(|it| format!("{it:?}")).collect();
    let known = ALERTS.iter().map(|it| (it.name.to_owned(), it.severity.to_owned(), it.scope));
    assert_eq!(known.map(|it| format!("{it:?}")).collect::<BTreeSet<_>>(), shipped);
}

#[test]
fn the_number_of_silences_is_bounded() {
    let all: Vec<_> = (0..SILENCES_MAX + 5).map(|_| silence(&[("kind", "host")])).collect();
    let (url, _asked) = server(response("200 OK", "", &json!(all).to_string()));
    assert_eq!(AlertmanagerClient::new(&settings(&url)).unwrap().read().unwrap().len(), SILENCES_MAX);
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let check = |answer: String, expect: &str| {
        let (url, _asked) = server(answer);
        let error = AlertmanagerClient::new(&settings(&url)).unwrap().read().unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(response("401 Unauthorized", "", ""), "set alertmanager.user and password_file, or token_file");
    check(response("404 Not Found", "", "404 page not found"), "check the path of alertmanager.url");
    check(response("302 Found", "Location: /login?x\r\n", ""), "a redirect to /login, which is not followed");
    check(response("503 Service Unavailable", "", "later"), "status 503: later");
    check(response("200 OK", "", "<html>"), "the response is not a list of silences");
    check(response("200 OK", "", "{}"), "the response is not a list of silences");
    check(String::new(), "response");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = AlertmanagerClient::new(&settings(&format!("http://{gone}"))).unwrap().read().unwrap_err();
    assert!(error.to_string().contains("check that it runs"), "{error}");
    let password_file = "no such file".into();
    let unreadable = AlertmanagerSettings {
        connection: ServerConnection { user: "me".into(), password_file, ..ServerConnection::default() },
        ..settings("http://127.0.0.1:1")
    };
    assert!(AlertmanagerClient::new(&unreadable).unwrap_err().to_string().contains("no such file"));
}
