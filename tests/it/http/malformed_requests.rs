//! Requests that are malformed or rarely seen: each gets a clear answer at once, over each transport, and is counted.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use super::certificates::{Authority, WebFiles};
use super::client::{Answer, Client};
use super::server::{Server, Start};
use super::web_config::{TLS, client_config, connect};
use super::{PROBLEM, until};

/// What a client sends, and what it gets.
struct Exchange {
    request: Vec<u8>,
    status: u16,
    /// The label of the counter of requests.
    handler: &'static str,
    /// Part of the body; empty where hyper answers, without a body.
    says: &'static str,
}

fn exchange(request: impl Into<Vec<u8>>, status: u16, handler: &'static str, says: &'static str) -> Exchange {
    Exchange { request: request.into(), status, handler, says }
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: here\r\n\r\n").into()
}

/// A request with these further headers, which end its head.
fn post(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("POST /mcp HTTP/1.1\r\nHost: here\r\n{headers}\r\n\r\n");
    [head.as_bytes(), body.as_ref()].concat()
}

/// The same with the length of the body.
fn with_length(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    post(&format!("{headers}Content-Length: {}", body.as_ref().len()), body)
}

/// What hyper refuses before a route is known.
fn unreadable() -> Vec<Exchange> {
    let head = |line: &str| format!("GET /-/healthy HTTP/1.1\r\nHost: here\r\n{line}\r\n\r\n");
    let refused = |request: Vec<u8>| exchange(request, 400, "unknown", "");
    let too_long = |request: Vec<u8>| exchange(request, 431, "unknown", "");
    vec![
        refused(b"\0garbage\r\n\r\n".to_vec()),
        refused(vec![0xff; 100]),
        refused(b"GET /-/healthy\r\n\r\n".to_vec()),
        refused(b"GET /-/healthy HTTP/2.0\r\nHost: here\r\n\r\n".to_vec()),
        refused(b"GET /\xff HTTP/1.1\r\nHost: here\r\n\r\n".to_vec()),
        refused(get("/a b")),
        refused(head("no colon").into()),
        refused(head("Space : before the colon").into()),
        refused(head("Folded: a\r\n b").into()),
        refused(head("Nul: \0").into()),
        refused(post("Content-Length: -1", "{")),
        refused(post("Content-Length: 99999999999999999999", "{")),
        refused(post("Content-Length: 1\r\nContent-Length: 2", "{}")),
        refused(post("Transfer-Encoding: unknown", "{")),
        refused(b"POST /mcp HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec()),
        too_long(head(&format!("X: {}", "x".repeat(9_000))).into()),
        too_long(head(&"X: x\r\n".repeat(150)).into()),
        too_long(get(&format!("/{}", "a".repeat(40_000)))),
    ]
}

/// What a route answers, or what stands for all paths without one.
fn readable() -> Vec<Exchange> {
    let ping = r#"{"jsonrpc": "2.0", "id": 1, "method": "ping"}"#;
    let chunked = "Transfer-Encoding: chunked";
    let long_chunks = format!("1000\r\n{}\r\n", " ".repeat(4_096)).repeat(20);
    let malformed = "the body is malformed";
    vec![
        exchange(get("http://other/-/healthy"), 200, "/-/healthy", "hostnorm is Healthy"),
        exchange(get("http://other/nope"), 404, "unknown", "not found"),
        exchange("GET /-/healthy HTTP/1.0\r\n\r\n", 200, "/-/healthy", "hostnorm is Healthy"),
        exchange("GET /-/healthy HTTP/1.1\r\n\r\n", 400, "/-/healthy", "the header Host once"),
        exchange("CONNECT other:443 HTTP/1.1\r\nHost: here\r\n\r\n", 404, "unknown", "not found"),
        exchange("OPTIONS * HTTP/1.1\r\nHost: here\r\n\r\n", 404, "unknown", "not found"),
        exchange("TRACE /metrics HTTP/1.1\r\nHost: here\r\n\r\n", 405, "/metrics", "use GET, HEAD"),
        exchange("get /metrics HTTP/1.1\r\nHost: here\r\n\r\n", 405, "/metrics", "use GET, HEAD"),
        exchange(get("/api/v1/models/%ff"), 404, "unknown", "not found"),
        exchange(get("/api/v1/explain?at=%zz"), 400, "/api/v1/explain", "the parameter at is malformed"),
        exchange(get("/api/v1/explain?at=%ff"), 400, "/api/v1/explain", "the parameter at is malformed"),
        exchange(post("Content-Length: 1000000", ""), 413, "/mcp", "longer than 65536 bytes"),
        exchange(post(chunked, long_chunks), 413, "/mcp", "longer than 65536 bytes"),
        exchange(post(chunked, "zz\r\n{}\r\n"), 400, "/mcp", "cannot be read: Invalid chunk size"),
        exchange(post(chunked, "2\r\n{}{}\r\n"), 400, "/mcp", "cannot be read: Invalid chunk body"),
        // Chunks are what counts beside a length, and a length that is given twice is one.
        exchange(
            post(&format!("Content-Length: 9\r\n{chunked}"), "1\r\n{\r\n0\r\n\r\n"),
            400,
            "/mcp",
            malformed,
        ),
        exchange(post("Content-Length: 1\r\nContent-Length: 1", "{"), 400, "/mcp", malformed),
        exchange(with_length("", [0xff; 9]), 400, "/mcp", malformed),
        exchange(with_length("", "[".repeat(10_000)), 400, "/mcp", "recursion limit exceeded"),
        exchange(with_length("", r#"{"a":"#.repeat(10_000)), 400, "/mcp", "recursion limit exceeded"),
        exchange(with_length("Content-Type: application/xml\r\n", "<a/>"), 400, "/mcp", malformed),
        exchange(with_length("Content-Encoding: gzip\r\n", ping), 415, "/mcp", "without Content-Encoding"),
        exchange(with_length("Content-Encoding: identity\r\n", ping), 200, "/mcp", "result"),
        exchange(with_length("", format!("\u{feff}{ping}")), 200, "/mcp", "result"),
    ]
}

fn check(transport: &str, it: &Exchange, answer: &Answer) {
    let what = format!("{transport}: {}", String::from_utf8_lossy(&it.request[..it.request.len().min(80)]));
    assert_eq!(answer.status, it.status, "{what}: {}", answer.text());
    let content_type = answer.header("content-type");
    match (it.says, it.status) {
        ("", _) => assert!(answer.body.is_empty() && content_type.is_none(), "{what}"),
        (says, status) => {
            assert!(answer.text().contains(says), "{what}: {}", answer.text());
            assert_eq!(content_type == Some(PROBLEM), 400 <= status, "{what}: {content_type:?}");
        }
    }
}

fn run<S: Read + Write>(transport: &str, exchanges: &[Exchange], connect: impl Fn() -> Client<S>) {
    for it in exchanges {
        let mut client = connect();
        client.stream.write_all(&it.request).unwrap();
        let answer = client.answer(true).unwrap_or_else(|| panic!("{transport}: no answer"));
        check(transport, it, &answer);
    }
}

/// Waits until each exchange is counted this often.
fn counted(server: &Server, exchanges: &[Exchange], times: usize, page: impl Fn() -> String) {
    let mut expected = BTreeMap::<String, usize>::new();
    for it in exchanges {
        let series =
            format!("hostnorm_http_requests_total{{code=\"{}\",handler=\"{}\"}}", it.status, it.handler);
        *expected.entry(series).or_default() += times;
    }
    let expected: Vec<String> = expected.iter().map(|(series, count)| format!("{series} {count}")).collect();
    let mut at = 1000.0;
    until("all are counted", || {
        at += 1.0;
        server.publish(1, at);
        let page = page();
        expected.iter().all(|series| page.lines().any(|it| it == series))
    });
}

#[test]
fn each_gets_a_clear_answer_and_is_counted() {
    let exchanges: Vec<_> = unreadable().into_iter().chain(readable()).collect();
    let server = Server::with_page(1);
    run("TCP", &exchanges, || server.client());
    #[cfg(unix)]
    run("socket", &exchanges, || Client::at(&server.socket()));
    let transports = if cfg!(unix) { 2 } else { 1 };
    counted(&server, &exchanges, transports, || server.client().ask("GET", "/metrics", "").text().to_owned());
    // HTTP/2 is spoken over TLS only; its preface is no request of HTTP/1.
    let mut http2 = server.client();
    http2.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(http2.is_closed());
    server.stop();

    let authority = Authority::new("authority");
    let files = WebFiles::new(&authority.server("one"), &authority, TLS);
    let server = Server::start_with(Start::default(), files.access());
    server.publish(1, 1000.0);
    let client = || connect(server.addresses[0], client_config(&authority, None));
    run("TLS", &exchanges, client);
    counted(&server, &exchanges, 1, || client().ask("GET", "/metrics", "").text().to_owned());
    server.stop();
}
