//! Responses of a server and the resulting messages, with the URL and what to do, without secrets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use hostnorm::backfill::{
    self, FetchHistoryError, FetchProgress, FetchedHistory, HistorySource, MetricNameMapping,
    RemoteHistoryQuery,
};
use hostnorm::duration::HumanDuration;
use hostnorm::reading::Timestamp;
use hostnorm::remote::ServerConnection;
use hostnorm::signal::Signal;
use hostnorm::sources;

/// End of the requested history.
const UNTIL: f64 = 1_795_255_200.0;
const STEP: i64 = 30;

/// A server that answers each request by calling `answer` with its first line and body; an empty answer closes the
/// connection.
struct LoopbackServer {
    port: u16,
    /// The requests, with the header `authorization` if present.
    asked: mpsc::Receiver<String>,
}

impl LoopbackServer {
    fn new(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                // Requests that are no HTTP are answered as well, as by servers without TLS.
                let question = question(&stream).unwrap_or_default();
                let text = answer(&question);
                if tell.send(question).is_err() {
                    return;
                }
                let _ = stream.write_all(text.as_bytes());
            }
        });
        Self { port, asked }
    }
}

/// Method, path, query, body and authorization of one request.
fn question(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" | "x-scope-orgid" => authorization.push_str(value),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let text = format!("{} {} {authorization}", first.trim_end(), String::from_utf8_lossy(&body));
    let bytes = percent(&text);
    Some(bytes)
}

/// Decodes percent encoding.
fn percent(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn ok(body: &str) -> String {
    status("200 OK", "application/json", body)
}

fn status(line: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {line}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Requests an hour; returns the result and the progress.
fn ask(url: &str, access: &ServerConnection) -> (Result<FetchedHistory, FetchHistoryError>, Vec<String>) {
    let signals: Vec<&'static Signal> = sources::host_signals(|_| true).collect();
    let metrics: Vec<_> = sources::metrics().collect();
    let mapping = MetricNameMapping::shipped(&metrics).unwrap();
    let wanted = RemoteHistoryQuery {
        metrics: &metrics,
        signals: &signals,
        step: HumanDuration::seconds(30),
        until: Timestamp(UNTIL),
        lookback: HumanDuration::minutes(60),
        host: None,
        selector: None,
    };
    let Ok(HistorySource::Server(address)) = url.parse() else { panic!("{url} is a server") };
    let mut progress = Vec::new();
    let past = backfill::read(&address, access, &mapping, &wanted, &mut |note| {
        if let FetchProgress::Wait(why) = note {
            progress.push(why.to_owned());
        }
    });
    (past, progress)
}

/// Checks the message if a server answers every request like this; the port becomes PORT.
fn check(answer: impl Fn(&str) -> String + Send + 'static, expect: &str) {
    let server = LoopbackServer::new(answer);
    let url = format!("prometheus:http://anna:geheim@127.0.0.1:{}/p", server.port);
    let (past, _) = ask(&url, &ServerConnection::default());
    let said = past.unwrap_err().to_string().replace(&server.port.to_string(), "PORT");
    assert!(!said.contains("geheim") && !said.contains("anna"), "{said}");
    assert_eq!(said, format!("http://127.0.0.1:PORT/p: {expect}"));
}

/// A response of the API to any request: instances, times of samples, values.
fn series(question: &str, value: &str) -> String {
    if question.contains("/label/instance/values") {
        return ok(r#"{"status":"success","data":["web1:9100"]}"#);
    }
    let end = UNTIL as i64;
    let times = (0..=120).map(|it| end - (120 - it) * STEP);
    let values: Vec<_> = if question.contains("timestamp(") {
        times.map(|at| format!(r#"[{at},"{at}"]"#)).collect()
    } else {
        times.map(|at| format!(r#"[{at},"{value}"]"#)).collect()
    };
    let values = values.join(",");
    ok(&format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{values}]}}]}}}}"#
    ))
}

#[test]
fn each_status_has_its_error() {
    let says = |line: &'static str, body: &'static str| move |_: &str| status(line, "application/json", body);
    check(says("401 Unauthorized", ""), "wrong user, password or token (401)");
    check(
        says("403 Forbidden", "no org id"),
        "access denied (403): no org id; check the user's permissions, or a missing header such as X-Scope-OrgID (--header)",
    );
    check(
        says("404 Not Found", "404 page not found"),
        "not found (404); if the API has a prefix, add it to the URL, such as http://host/prometheus",
    );
    check(
        says(
            "422 Unprocessable Entity",
            r#"{"status":"error","errorType":"execution","error":"what is this?"}"#,
        ),
        "the server rejects the query (422): what is this?; check --match and --mapping",
    );
    check(
        says("302 Found\r\nLocation: https://login.example.com/?token=x", ""),
        "the server redirects: https://login.example.com/; use that URL",
    );
    check(
        says("429 Too Many Requests\r\nRetry-After: 3600", ""),
        "too many requests (429); try again after 1h",
    );
    check(
        says("200 OK", "<!doctype html><title>Sign in</title>"),
        "the response is a web page: Sign in; check that the URL is that of the API and needs no login",
    );
    check(
        says("200 OK", r#"{"status":"success","da"#),
        "the response is truncated; check the server's and proxies' limits, or shorten --lookback",
    );
}

#[test]
fn control_characters_of_a_server_are_shown_escaped() {
    for (line, kind, body) in [
        ("400 Bad Request", "application/json", r#"{"status":"error","error":"no\u001b[31m\u009b2J\u0007"}"#),
        ("403 Forbidden", "text/plain", "no\u{1b}[31m\u{9b}2J\u{7}"),
        ("200 OK", "text/html", "<!doctype html><title>no\u{1b}[31m\u{9b}2J\u{7}</title>"),
    ] {
        let server = LoopbackServer::new(move |_| status(line, kind, body));
        let url = format!("prometheus:http://127.0.0.1:{}", server.port);
        let said = ask(&url, &ServerConnection::default()).0.unwrap_err().to_string();
        assert!(said.contains("no"), "{said}");
        assert!(!said.contains(char::is_control), "{said:?}");
    }
}

#[test]
fn temporary_failures_are_retried() {
    let (count, tries) = mpsc::channel();
    let server = LoopbackServer::new(move |_| {
        let _ = count.send(());
        status("503 Service Unavailable\r\nRetry-After: 0", "text/plain", "still starting")
    });
    let (past, progress) =
        ask(&format!("prometheus:http://127.0.0.1:{}", server.port), &ServerConnection::default());
    let said = past.unwrap_err().to_string();
    assert!(
        said.ends_with("the server failed (503): still starting; try again later, or check its log"),
        "{said}"
    );
    assert!(progress.iter().all(|it| it.contains("; retrying in 0s")), "{progress:?}");
    assert_eq!((progress.len(), tries.try_iter().count()), (3, 4));
}

#[test]
fn a_refused_connection_is_reported() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let says = |url: &str| ask(url, &ServerConnection::default()).0.unwrap_err().to_string();
    let said = says(&format!("prometheus:http://127.0.0.1:{port}"));
    assert!(said.contains("cannot reach the server: ") && said.contains("check that it runs"), "{said}");
    let said = says("influxdb:http://no-such-host.invalid:8086/telegraf");
    assert!(said.starts_with("http://no-such-host.invalid:8086: unknown host name"), "{said}");
    let server = LoopbackServer::new(|_| ok("{}"));
    let said = says(&format!("prometheus:https://127.0.0.1:{}", server.port));
    assert!(said.contains("TLS failed: ") && said.contains("--ca-file"), "{said}");
}

#[test]
fn a_truncated_response_is_retried_and_then_reported() {
    let server = LoopbackServer::new(|_| {
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nRetry-After: 0\r\nConnection: close\r\n\r\n{\"sta".into()
    });
    let (past, progress) =
        ask(&format!("influxdb:http://127.0.0.1:{}/telegraf", server.port), &ServerConnection::default());
    let said = past.unwrap_err().to_string();
    assert!(said.contains("the response is truncated"), "{said}");
    assert_eq!(progress.len(), 3, "{progress:?}");
}

#[test]
fn an_empty_result_lists_what_exists() {
    check(
        |question| match question.contains("match[]") {
            true => ok(r#"{"status":"success","data":[]}"#),
            false if question.contains("/label/") => ok(r#"{"status":"success","data":["a:1","b:1"]}"#),
            false => ok(r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#),
        },
        "the server has no data for anomaly_signal, node_cpu_seconds_total; in this range it has the instances a:1, b:1; check --host, --match and --lookback, or pass the server's names with --mapping",
    );
    check(
        |question| match question.contains("/label/") {
            true => ok(r#"{"status":"success","data":["a:1","b:1"]}"#),
            false => series(question, "1"),
        },
        "the server has several hosts (a:1, b:1); select one with --host NAME, or --match 'instance=\"NAME\"'",
    );
    // Stale series contain NaN.
    let server = LoopbackServer::new(|question| series(question, "NaN"));
    let said = ask(&format!("prometheus:http://127.0.0.1:{}", server.port), &ServerConnection::default())
        .0
        .unwrap_err();
    assert!(said.to_string().contains("the server has no data for "), "{said}");
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let heard = |kind: &str, access: &ServerConnection| {
        let server = LoopbackServer::new(|_| status("401 Unauthorized", "text/plain", ""));
        let url = format!("{kind}:http://anna:geheim@127.0.0.1:{}/telegraf", server.port);
        assert!(ask(&url, access).0.is_err());
        server.asked.recv().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "abc\n").unwrap();
    let with_token = ServerConnection {
        token_file: token,
        headers: vec!["X-Scope-OrgID: team".into()],
        ..ServerConnection::default()
    };
    let bertha = ServerConnection { user: "bertha:b".into(), ..ServerConnection::default() };
    assert!(heard("prometheus", &ServerConnection::default()).ends_with("Basic YW5uYTpnZWhlaW0="));
    assert!(heard("influxdb", &bertha).ends_with("Basic YmVydGhhOmI="));
    let prometheus = heard("prometheus", &with_token);
    assert!(prometheus.contains("Bearer abc") && prometheus.contains("team"), "{prometheus}");
    assert!(heard("influxdb", &with_token).contains("Token abc"));
}

#[test]
fn wrong_units_are_reported() {
    let server = LoopbackServer::new(|question| match question.contains("anomaly_signal") {
        true if question.contains("/label/") => ok(r#"{"status":"success","data":[]}"#),
        true => ok(r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#),
        false => series(question, if question.contains("MemTotal_bytes") { "4000000" } else { "1" }),
    });
    let said = ask(&format!("prometheus:http://127.0.0.1:{}", server.port), &ServerConnection::default())
        .0
        .unwrap_err();
    let expect =
        "wrong unit: hostnorm_memory_size_bytes (from node_memory_MemTotal_bytes) has values such as ";
    assert!(said.to_string().starts_with(expect) && said.to_string().contains("times: 1024"), "{said}");
}
