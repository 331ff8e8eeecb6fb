//! Silences as a loopback server in the place of Alertmanager lists them, and the messages where it does not.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use hostnorm::alertmanager::{AlertmanagerSettings, SilenceReader};
use hostnorm::remote::ServerConnection;
use hostnorm::silence::{SILENCES_MAX, SilenceFit};
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
    AlertmanagerSettings { url: url.into(), labels, ..AlertmanagerSettings::default() }
}

#[test]
fn silences_of_this_host_are_read_below_the_prefix() {
    let all = json!([
        silence(&[("alertname", "HostAnomalous"), ("instance", "web-1:9100"), ("job", "hostnorm")]),
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
    let found = SilenceReader::new(&settings).unwrap().read().unwrap();
    let fits: Vec<_> = found.iter().map(|it| it.fit(&settings.target())).collect();
    assert_eq!(fits, [SilenceFit::Matches]);
    let head = asked.recv().unwrap();
    assert!(head.starts_with("GET /alertmanager/api/v2/silences HTTP/1.1\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer secret"), "{head}");
}

#[test]
fn the_number_of_silences_is_bounded() {
    let all: Vec<_> = (0..SILENCES_MAX + 5).map(|_| silence(&[("kind", "host")])).collect();
    let (url, _asked) = server(response("200 OK", "", &json!(all).to_string()));
    assert_eq!(SilenceReader::new(&settings(&url)).unwrap().read().unwrap().len(), SILENCES_MAX);
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let check = |answer: String, expect: &str| {
        let (url, _asked) = server(answer);
        let error = SilenceReader::new(&settings(&url)).unwrap().read().unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(response("401 Unauthorized", "", ""), "set alertmanager.user and password_file, or token_file");
    check(response("404 Not Found", "", "404 page not found"), "check the path of alertmanager.url");
    check(response("302 Found", "Location: /login?x\r\n", ""), "a redirect to /login, which is not followed");
    check(response("503 Service Unavailable", "", "later"), "status 503: later");
    check(response("200 OK", "", "<html>"), "the response is no list of silences");
    check(response("200 OK", "", "{}"), "the response is no list of silences");
    check(String::new(), "response");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = SilenceReader::new(&settings(&format!("http://{gone}"))).unwrap().read().unwrap_err();
    assert!(error.to_string().contains("check that it runs"), "{error}");
    let password_file = "no such file".into();
    let unreadable = AlertmanagerSettings {
        connection: ServerConnection { user: "me".into(), password_file, ..ServerConnection::default() },
        ..settings("http://127.0.0.1:1")
    };
    assert!(SilenceReader::new(&unreadable).unwrap_err().to_string().contains("no such file"));
}
