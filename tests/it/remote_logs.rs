//! Logs on servers: each line counts once, over pages, late lines, failures and restarts.
//!
//! Loki cannot be run here. Its place takes a loopback server that answers after the documentation of its API
//! (<https://grafana.com/docs/loki/latest/reference/loki-http-api/>); tests/live/test_victorialogs.py has a real
//! VictoriaLogs.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hostnorm::duration::HumanDuration;
use hostnorm::log_stream::LogStream;
use hostnorm::logs::{LogPositions, LogReaders, LokiSettings, VictoriaLogsSettings, WatchedLogSettings};
use hostnorm::reading::SubjectValues;
use hostnorm::remote::ServerConnection;
use serde_json::{Value, json};

const SECOND: i64 = 1_000_000_000;
/// Longest wait for something that happens within milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A line on the server: time, stream, text.
type StoredLine = (i64, &'static str, String);

/// What the server has, and what it answers instead for the next requests.
#[derive(Default)]
struct ServerState {
    lines: Vec<StoredLine>,
    faults: VecDeque<String>,
    limit_max: usize,
}

/// A server with lines that answers as Loki and VictoriaLogs do.
struct LogServer {
    port: u16,
    state: Arc<Mutex<ServerState>>,
    /// The requests.
    asked: mpsc::Receiver<ReceivedLogQuery>,
}

#[derive(Clone)]
struct ReceivedLogQuery {
    path: String,
    fields: Vec<(String, String)>,
    headers: String,
}

impl ReceivedLogQuery {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        let mut headers = String::new();
        while reader.read_line(&mut headers).ok()? > 2 {}
        let (path, query) = first.split(' ').nth(1)?.split_once('?')?;
        let decoded = |it: &str| {
            percent_encoding::percent_decode_str(&it.replace('+', " ")).decode_utf8_lossy().into_owned()
        };
        let field = |it: &str| it.split_once('=').map(|(name, value)| (name.to_owned(), decoded(value)));
        Some(Self { path: path.into(), fields: query.split('&').filter_map(field).collect(), headers })
    }

    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

fn response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn json_response(body: &str) -> String {
    response("200 OK", "Content-Type: application/json\r\n", body)
}

/// The lines of `start` (inclusive) to `end` (exclusive), the oldest first, at most `limit`.
fn page<'a>(state: &'a ServerState, request: &ReceivedLogQuery, limit: usize) -> Vec<&'a StoredLine> {
    let number = |name: &str| request.field(name).parse::<i64>().unwrap();
    let range = number("start")..number("end");
    let mut found: Vec<_> = state.lines.iter().filter(|(at, ..)| range.contains(at)).collect();
    found.sort_by_key(|(at, ..)| *at);
    found.truncate(limit);
    found
}

/// As documented for `GET /loki/api/v1/query_range`: streams with their labels, nanoseconds in quotes.
fn loki(state: &ServerState, request: &ReceivedLogQuery) -> String {
    assert_eq!((request.path.as_str(), request.field("direction")), ("/loki/api/v1/query_range", "forward"));
    let limit: usize = request.field("limit").parse().unwrap();
    if limit > state.limit_max {
        let said = format!("max entries limit per query exceeded, limit > max_entries_limit ({limit} > …)");
        return response("400 Bad Request", "", &said);
    }
    let found = page(state, request, limit);
    let result: Vec<Value> = ["a", "b"]
        .iter()
        .map(|stream| {
            let own = found.iter().filter(|(_, it, _)| it == stream);
            // Structured metadata is a third element in newer versions.
            let values: Vec<Value> = own
                .map(|(at, _, text)| match *stream {
                    "a" => json!([at.to_string(), text]),
                    _ => json!([at.to_string(), text, {"detected_level": "error"}]),
                })
                .collect();
            json!({"stream": {"app": "shop", "pod": stream}, "values": values})
        })
        .collect();
    let data = json!({"resultType": "streams", "result": result, "stats": {}});
    json_response(&json!({"status": "success", "data": data}).to_string())
}

/// As documented for `/select/logsql/query`: a line of JSON for each line, all fields as texts.
fn victorialogs(state: &ServerState, request: &ReceivedLogQuery) -> String {
    assert_eq!(request.path, "/select/logsql/query");
    let limit = request.field("query").strip_prefix("app:shop | sort by (_time) limit ").unwrap();
    let found = page(state, request, limit.parse().unwrap());
    let row = |(at, stream, text): &&StoredLine| {
        let time = jiff::Timestamp::from_nanosecond(i128::from(*at)).unwrap();
        format!("{}\n", json!({"_msg": text, "_time": time.to_string(), "_stream": stream}))
    };
    response(
        "200 OK",
        "Content-Type: application/stream+json\r\n",
        &found.iter().map(row).collect::<String>(),
    )
}

impl LogServer {
    fn start(answer: fn(&ServerState, &ReceivedLogQuery) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(ServerState { limit_max: 5_000, ..ServerState::default() }));
        let (tell, asked) = mpsc::channel();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let Some(request) = ReceivedLogQuery::read(&stream) else { continue };
                let text = {
                    let mut state = shared.lock().unwrap();
                    state.faults.pop_front().unwrap_or_else(|| answer(&state, &request))
                };
                let _ = stream.write_all(text.as_bytes());
                drop(stream);
                if tell.send(request).is_err() {
                    return;
                }
            }
        });
        Self { port, state, asked }
    }

    fn add(&self, lines: impl IntoIterator<Item = StoredLine>) {
        self.state.lock().unwrap().lines.extend(lines);
    }

    fn settings(&self) -> LokiSettings {
        LokiSettings {
            url: format!("http://127.0.0.1:{}", self.port),
            query: "{app=\"shop\"}".into(),
            poll: HumanDuration::millis(2),
            ..LokiSettings::default()
        }
    }

    fn watched_victorialogs(&self) -> WatchedLogSettings {
        let settings = VictoriaLogsSettings {
            url: format!("http://127.0.0.1:{}", self.port),
            query: "app:shop".into(),
            poll: HumanDuration::millis(2),
            account_id: 12,
            project_id: 34,
            ..VictoriaLogsSettings::default()
        };
        WatchedLogSettings {
            name: "shop".into(),
            victorialogs: Some(settings),
            ..WatchedLogSettings::default()
        }
    }

    fn request(&self) -> ReceivedLogQuery {
        self.asked.recv_timeout(PATIENCE).expect("the server is asked")
    }
}

fn watched_loki(settings: LokiSettings) -> WatchedLogSettings {
    WatchedLogSettings { name: "shop".into(), loki: Some(settings), ..WatchedLogSettings::default() }
}

/// A running reader of one log.
struct Reading {
    readers: LogReaders,
    stream: Arc<LogStream>,
}

impl Reading {
    fn start(log: WatchedLogSettings, positions: &LogPositions) -> Self {
        positions.set_restored();
        let readers = LogReaders::start(&[log], positions);
        let stream = Arc::clone(&readers.streams()[0]);
        Self { readers, stream }
    }

    fn loki(settings: LokiSettings, positions: &LogPositions) -> Self {
        Self::start(watched_loki(settings), positions)
    }

    fn lines(&self) -> u64 {
        self.stream.totals().lines
    }

    /// Waits for this number of lines; further requests bring no more.
    fn expect(&self, server: &LogServer, lines: u64) {
        while self.lines() < lines {
            server.request();
        }
        // Requests in progress, and a few later ones.
        while server.asked.try_recv().is_ok() {}
        (0..5).for_each(|_| drop(server.request()));
        assert_eq!(self.lines(), lines);
    }

    fn has_failed(&self) -> bool {
        let mut values = SubjectValues::default();
        self.readers.counts().values(&mut values);
        values.iter().any(|it| it.value == 0.0)
    }

    /// Ends the reader; its thread is gone then.
    fn stop(self) {
        self.readers.stop();
        // The thread has the other reference; one that waits for its server would never give it back.
        while Arc::strong_count(&self.stream) > 1 {
            std::thread::yield_now();
        }
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// Lines of the last minute, ten at each instant, so that pages end within an instant.
fn many(count: i64) -> Vec<StoredLine> {
    let start = now() - 60 * SECOND;
    let line =
        |it: i64| (start + it / 10 * 1_000_000, if it % 3 == 0 { "a" } else { "b" }, format!("line {it}"));
    (0..count).map(line).collect()
}

#[test]
fn lines_at_page_borders_count_once() {
    let server = LogServer::start(loki);
    server.add(many(12_345));
    let positions = LogPositions::default();
    let reading = Reading::loki(server.settings(), &positions);
    reading.expect(&server, 12_345);
    reading.stop();
}

#[test]
fn a_server_with_a_lower_limit_is_read_in_smaller_pages() {
    let server = LogServer::start(loki);
    server.state.lock().unwrap().limit_max = 500;
    server.add(many(2_000));
    let reading = Reading::loki(server.settings(), &LogPositions::default());
    reading.expect(&server, 2_000);
    reading.stop();
}

#[test]
fn late_lines_count_and_equal_lines_of_other_streams_too() {
    let server = LogServer::start(loki);
    let at = now() - 3 * SECOND;
    server.add([(at, "a", "one".into()), (at, "b", "one".into())]);
    let reading = Reading::loki(server.settings(), &LogPositions::default());
    reading.expect(&server, 2);
    // Older than what was read, and at the same instant.
    server.add([
        (at - 5 * SECOND, "a", "late".into()),
        (at, "a", "two".into()),
        (now(), "a", "three".into()),
    ]);
    reading.expect(&server, 5);
    reading.stop();
}

#[test]
fn a_restart_loses_and_doubles_nothing() {
    let server = LogServer::start(loki);
    let positions = LogPositions::default();
    let mut total = 0;
    for round in 0..4 {
        let at = now() - SECOND;
        server.add((0..50).map(|it| (at + it / 7, "a", format!("round {round} line {it}"))));
        let reading = Reading::loki(server.settings(), &positions);
        // Those of earlier rounds are within the overlap and are not counted again.
        reading.expect(&server, 50);
        total += reading.lines();
        reading.stop();
    }
    assert_eq!(total, 200);
    let stored = positions.of("shop");
    assert_eq!(stored.len(), 1);
    assert!(!stored[0].value.contains("line"), "no text is stored: {stored:?}");
}

/// What any server, or a proxy before it, may answer instead of lines.
fn faults() -> Vec<String> {
    vec![
        response("400 Bad Request", "", "parse error at line 1, col 2: syntax error"),
        response("401 Unauthorized", "", "no org id"),
        response("403 Forbidden", "", ""),
        response("404 Not Found", "", "404 page not found"),
        response("413 Payload Too Large", "", "too many lines"),
        response("429 Too Many Requests", "Retry-After: 0\r\n", "too many outstanding requests"),
        response("302 Found", "Location: http://127.0.0.1:9/login\r\n", ""),
        response("500 Internal Server Error", "", "context canceled"),
        response("503 Service Unavailable", "Retry-After: 0\r\n", "starting"),
        response("200 OK", "Content-Type: text/html\r\n", "<title>Sign in</title>"),
        json_response("\u{0}"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"_ti".into(),
        "HTTP/1.1 abc\r\n\r\n".into(),
        String::new(),
    ]
}

/// A whole response of which the connection gives only the beginning.
fn cut(whole: &str) -> String {
    whole[..whole.len() - 5].to_owned()
}

#[test]
fn each_failure_ends_with_the_next_good_answer() {
    type Answering = fn(&ServerState, &ReceivedLogQuery) -> String;
    let check = |answer: Answering, log: fn(&LogServer) -> WatchedLogSettings, malformed: Vec<String>| {
        for fault in faults().into_iter().chain(malformed) {
            let server = LogServer::start(answer);
            server.state.lock().unwrap().faults.extend([fault.clone(), fault.clone()]);
            server.add(many(20));
            let reading = Reading::start(log(&server), &LogPositions::default());
            reading.expect(&server, 20);
            assert!(!reading.has_failed(), "{fault}");
            assert_eq!(reading.stream.totals().dropped, 0, "{fault}");
            reading.stop();
        }
    };
    let result = |kind: &str, result: &str| {
        json_response(&format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"{kind}\",\"result\":[{result}]}}}}"
        ))
    };
    let of_loki = vec![
        cut(&result("streams", "")),
        json_response("{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":[{\"stre"),
        result("matrix", ""),
    ];
    check(loki, |it| watched_loki(it.settings()), of_loki);
    let row = json!({"_msg": "x", "_time": "2026-01-02T03:04:05Z"}).to_string();
    let of_victorialogs = vec![
        // Within a row, and after one.
        cut(&json_response(&row)),
        cut(&json_response(&format!("{row}\nabcd\n"))),
        json_response("{\"_msg\":\"x\",\"_ti"),
        json_response("{\"_msg\":\"x\"}"),
        json_response("{\"_msg\":\"x\",\"_time\":\"yesterday\"}"),
        json_response("[]"),
    ];
    check(victorialogs, |it| it.watched_victorialogs(), of_victorialogs);
}

#[test]
fn a_wait_for_a_server_ends_with_the_program() {
    let server = LogServer::start(loki);
    let busy = response("429 Too Many Requests", "Retry-After: 3600\r\n", "");
    server.state.lock().unwrap().faults.push_back(busy);
    let reading = Reading::loki(server.settings(), &LogPositions::default());
    server.request();
    while !reading.has_failed() {
        std::thread::yield_now();
    }
    reading.stop();
}

#[test]
fn tenant_user_and_headers_are_sent() {
    let server = LogServer::start(loki);
    let connection = ServerConnection {
        user: "anna:geheim".into(),
        headers: vec!["X-Team: shop".into()],
        ..ServerConnection::default()
    };
    let settings = LokiSettings { tenant: "team-a".into(), connection, ..server.settings() };
    let reading = Reading::loki(settings, &LogPositions::default());
    let request = server.request();
    let headers = request.headers.to_lowercase();
    for expect in
        ["x-scope-orgid: team-a\r\n", "authorization: basic yw5uytpnzwhlaw0=\r\n", "x-team: shop\r\n"]
    {
        assert!(headers.contains(expect), "{headers}");
    }
    assert_eq!(request.field("query"), "{app=\"shop\"}");
    reading.stop();
}

#[test]
fn lines_of_victorialogs_count_once() {
    let server = LogServer::start(victorialogs);
    server.add(many(6_000));
    let log = server.watched_victorialogs();
    let positions = LogPositions::default();
    let reading = Reading::start(log.clone(), &positions);
    let headers = server.request().headers.to_lowercase();
    assert!(headers.contains("accountid: 12\r\n") && headers.contains("projectid: 34\r\n"), "{headers}");
    reading.expect(&server, 6_000);
    reading.stop();
    server.add([(now(), "a", "after the restart".into())]);
    let reading = Reading::start(log, &positions);
    reading.expect(&server, 1);
    reading.stop();
}
