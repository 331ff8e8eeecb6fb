//! The HTTP server from outside: real sockets, a small client, no sleeps.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hostnorm::http::{CONNECTIONS_MAX, HEAD_BYTES_MAX};
use hostnorm::reading::Timestamp;

use client::{Answer, Client};
use server::{STARTED, Server, Start};

mod api;
mod certificates;
mod client;
mod client_limits;
#[cfg(unix)]
mod control;
mod explain;
mod http2;
mod log_episodes;
mod malformed_requests;
mod mcp;
mod models;
mod page;
mod server;
mod subjects;
mod web_config;

/// Longest wait for an expected event.
const DEADLINE: Duration = Duration::from_secs(20);

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const PROBLEM: &str = "application/problem+json";

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < DEADLINE, "{what}");
        std::thread::yield_now();
    }
}

fn check<S: Read + Write>(
    client: &mut Client<S>,
    request: (&str, &str, &str),
    status: u16,
    content_type: &str,
) -> Answer {
    let answer = client.ask(request.0, request.1, request.2);
    assert_eq!((answer.status, answer.header("content-type")), (status, Some(content_type)), "{request:?}");
    answer
}

#[test]
fn the_format_is_negotiated() {
    let server = Server::with_page(3);
    let client = &mut server.client();
    let text = check(client, ("GET", "/metrics", ""), 200, TEXT);
    assert!(
        text.text().starts_with("# HELP anomaly_episode_info_omitted ") && !text.text().contains("# EOF"),
        "{}",
        text.text()
    );
    let openmetrics = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let body = check(client, ("GET", "/metrics", openmetrics), 200, OPENMETRICS);
    assert!(body.text().ends_with("\n# EOF\n"), "{}", body.text());
    let newest = "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8\r\n";
    check(client, ("GET", "/metrics?a=b", newest), 200, &format!("{OPENMETRICS}; escaping=allow-utf-8"));
    check(client, ("GET", "/metrics", "Accept: image/png\r\n"), 200, TEXT);
    check(client, ("GET", "/metrics", "Accept: \u{e9};=\",\r\n"), 200, TEXT);
    server.publish(0, 1001.0);
    let page = check(client, ("GET", "/metrics", ""), 200, TEXT);
    assert!(page.text().contains("\nhostnorm_scrapes_total{format=\"openmetrics\"} 2\n"), "{}", page.text());
    assert!(page.text().contains("\nhostnorm_scrapes_total{format=\"text\"} 3\n"), "{}", page.text());
    server.stop();
}

#[test]
fn collectors_are_chosen_by_the_query() {
    let server = Server::with_page(3);
    let client = &mut server.client();
    let whole = check(client, ("GET", "/metrics", ""), 200, TEXT).text().to_owned();
    let part = check(client, ("GET", "/metrics?collect[]=load", ""), 200, TEXT).text().to_owned();
    assert!(part.lines().all(|it| whole.contains(it)) && part.len() <= whole.len());
    let plain = check(client, ("GET", "/metrics?exclude%5B%5D=load", ""), 200, TEXT).body;
    let gzip = check(client, ("GET", "/metrics?exclude[]=load", "Accept-Encoding: gzip\r\n"), 200, TEXT);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&*gzip.body).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    let refused = check(client, ("GET", "/metrics?collect[]=meminfo", ""), 400, PROBLEM);
    assert!(refused.text().contains("expected timing, context, cpu, memory"), "{}", refused.text());
    server.stop();
}

#[test]
fn gzip_holds_the_same_bytes() {
    let server = Server::with_page(100);
    let client = &mut server.client();
    for accept in ["", "Accept: application/openmetrics-text\r\n"] {
        let plain = client.ask("GET", "/metrics", accept);
        let packed = client.ask("GET", "/metrics", &format!("{accept}Accept-Encoding: gzip\r\n"));
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert_eq!(packed.header("content-type"), plain.header("content-type"));
        assert!(packed.body.len() < plain.body.len() / 4);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&*packed.body).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body);
        assert_eq!(plain.header("content-encoding"), None);
    }
    server.stop();
}

#[test]
fn head_is_get_without_the_body() {
    let server = Server::with_page(3);
    let client = &mut server.client();
    for (path, headers) in [
        ("/metrics", ""),
        ("/metrics", "Accept-Encoding: gzip\r\n"),
        ("/", ""),
        ("/-/healthy", ""),
        ("/-/ready", ""),
        ("/nope", ""),
    ] {
        let (get, head) = (client.ask("GET", path, headers), client.ask("HEAD", path, headers));
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-length"), Some(&*get.body.len().to_string()), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    // The next response is in its place, so no body was sent.
    check(client, ("GET", "/-/healthy", ""), 200, PLAIN);
    server.stop();
}

#[test]
fn what_is_not_there_and_what_is_not_allowed() {
    let server = Server::with_page(1);
    let client = &mut server.client();
    for path in ["/nope", "/metrics/", "/-/", "/-/quit", "//", "*"] {
        check(client, ("GET", path, ""), 404, PROBLEM);
    }
    let html = "text/html; charset=utf-8";
    for (path, kind) in [("/metrics", PROBLEM), ("/", html), ("/-/healthy", PROBLEM), ("/-/ready", PROBLEM)] {
        let refusal = check(client, ("DELETE", path, ""), 405, kind);
        assert_eq!(refusal.header("allow"), Some("GET, HEAD"));
    }
    let mut other = server.client();
    other.send("POST /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000000\r\n\r\nsome of it");
    assert_eq!(other.answer(true).unwrap().status, 405);
    assert!(other.is_closed(), "a body is not waited for");
    server.stop();
}

#[test]
fn healthy_at_once_and_ready_while_readings_are_young() {
    // Seconds that passed, and the wall clock, which somebody sets meanwhile.
    static PASSED: AtomicU64 = AtomicU64::new(0);
    static WALL: AtomicU64 = AtomicU64::new(1000);
    let server = Server::start(Start {
        now: || Timestamp(WALL.load(Ordering::Relaxed) as f64),
        instant: || *STARTED + Duration::from_secs(PASSED.load(Ordering::Relaxed)),
        ..Start::default()
    });
    let client = &mut server.client();
    check(client, ("GET", "/-/healthy", ""), 200, PLAIN);
    let not_yet = check(client, ("GET", "/-/ready", ""), 503, PLAIN);
    assert_eq!(not_yet.text(), "hostnorm is not Ready: no reading yet\n");
    check(client, ("GET", "/metrics", ""), 503, PROBLEM);
    server.publish(1, 1000.0);
    assert_eq!(check(client, ("GET", "/-/ready", ""), 200, PLAIN).text(), "hostnorm is Ready.\n");
    for (passed, wall) in [(2, 1002), (2, 90_000), (2, 3)] {
        PASSED.store(passed, Ordering::Relaxed);
        WALL.store(wall, Ordering::Relaxed);
        check(client, ("GET", "/-/ready", ""), 200, PLAIN);
        check(client, ("GET", "/-/healthy", ""), 200, PLAIN);
    }
    PASSED.store(3, Ordering::Relaxed);
    let stale = check(client, ("GET", "/-/ready", ""), 503, PLAIN);
    assert_eq!(stale.text(), "hostnorm is not Ready: the last reading is 3.0 s old, the maximum is 3.0 s\n");
    check(client, ("GET", "/-/healthy", ""), 200, PLAIN);
    PASSED.store(10, Ordering::Relaxed);
    let stale = check(client, ("GET", "/-/healthy", ""), 503, PLAIN);
    assert_eq!(
        stale.text(),
        "hostnorm is not Healthy: the last reading is 10.0 s old, the maximum is 10.0 s\n"
    );
    server.publish(1, 1010.0);
    check(client, ("GET", "/-/ready", ""), 200, PLAIN);
    check(client, ("GET", "/-/healthy", ""), 200, PLAIN);
    server.stop();
}

#[test]
fn bad_requests_are_refused_and_disturb_nobody() {
    let server = Server::with_page(1);
    let mut other = server.client();
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET /metrics HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET /metrics HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), 400),
        ("POST /mcp HTTP/1.1\r\nHost: here\r\nContent-Length: many\r\n\r\n".to_owned(), 400),
        (format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX)), 431),
        (format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(5 * HEAD_BYTES_MAX)), 431),
    ] {
        let mut client = server.client();
        client.send(&request);
        assert_eq!(client.answer(true).map(|it| it.status), Some(status), "{request:.40}");
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(client.is_closed());
        check(&mut other, ("GET", "/-/healthy", ""), 200, PLAIN);
    }
    for head in ["GET /metrics HTTP/1.1\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"] {
        other.send(head);
        assert_eq!(other.answer(true).map(|it| it.status), Some(400), "{head}");
    }
    // What hyper answers is counted like other answers.
    let mut at = 1000.0;
    until("requests that cannot be read are counted", || {
        at += 1.0;
        server.publish(1, at);
        let page = server.client().ask("GET", "/metrics", "").text().to_owned();
        let has = |series: &str| page.lines().any(|it| it == format!("hostnorm_http_requests_total{series}"));
        has("{code=\"400\",handler=\"unknown\"} 4") && has("{code=\"431\",handler=\"unknown\"} 2")
    });
    let mut largest =
        format!("GET /-/healthy HTTP/1.1\r\nHost: here\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
    let excess = largest.len() - HEAD_BYTES_MAX;
    largest.replace_range(46..46 + excess, "");
    other.send(&largest);
    assert_eq!(other.answer(true).map(|it| it.status), Some(200));
    server.stop();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::with_page(1);
    let mut client = server.client();
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
    client.send(&["/-/healthy", "/nope", "/metrics"].map(request).concat());
    let statuses: Vec<u16> = (0..3).map(|_| client.answer(true).unwrap().status).collect();
    assert_eq!(statuses, [200, 404, 200]);
    client.send("GET /-/healthy HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    assert_eq!(client.answer(true).unwrap().status, 200);
    assert!(client.is_closed());
    let mut old = server.client();
    old.send("GET /-/healthy HTTP/1.0\r\n\r\n");
    assert_eq!(old.answer(true).unwrap().status, 200);
    assert!(old.is_closed());
    server.stop();
}

#[test]
fn the_longest_idle_connection_makes_room_for_a_newcomer() {
    let server = Server::with_page(1);
    let mut open: Vec<Client> = (0..CONNECTIONS_MAX).map(|_| server.client()).collect();
    for client in &mut open {
        check(client, ("GET", "/-/healthy", ""), 200, PLAIN);
    }
    check(&mut open[0], ("GET", "/metrics", ""), 200, TEXT);
    let mut newcomers: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for client in &mut newcomers {
        check(client, ("GET", "/metrics", ""), 200, TEXT);
    }
    assert_eq!(server.dropped(), 3);
    for (index, client) in open.iter_mut().enumerate() {
        if (1..=3).contains(&index) {
            assert!(client.is_closed(), "{index} was idle for longer than the others");
        } else {
            check(client, ("GET", "/-/healthy", ""), 200, PLAIN);
        }
    }
    server.stop();
}

#[test]
fn who_sends_half_of_a_head_keeps_nobody_out() {
    let server = Server::with_page(1);
    let mut open: Vec<Client> = (0..CONNECTIONS_MAX).map(|_| server.client()).collect();
    for client in &mut open {
        client.send("GET /-/healthy HTTP/1.1\r\nHost: here\r\n");
    }
    for _ in 0..2 * CONNECTIONS_MAX {
        check(&mut server.client(), ("GET", "/-/healthy", ""), 200, PLAIN);
    }
    #[cfg(unix)]
    check(&mut Client::at(&server.socket()), ("GET", "/-/healthy", ""), 200, PLAIN);
    assert!(open[0].is_closed());
    drop(open);
    server.stop();
}

#[test]
fn a_page_is_rendered_when_it_is_asked_for_and_once_a_format() {
    let server = Server::with_page(1);
    let client = &mut server.client();
    let openmetrics = "Accept: application/openmetrics-text\r\n";
    let dropped = |answer: &Answer| {
        answer
            .text()
            .lines()
            .find(|it| it.starts_with("hostnorm_http_connections_evicted_total"))
            .unwrap()
            .to_owned()
    };
    // The page shows the counts at the time of rendering.
    for (counted, headers, expect) in [(7, openmetrics, 7), (8, openmetrics, 7), (9, "", 7)] {
        server.counts.dropped.store(counted, Ordering::Relaxed);
        let answer = client.ask("GET", "/metrics", headers);
        assert_eq!(dropped(&answer), format!("hostnorm_http_connections_evicted_total {expect}"));
    }
    let plain = client.ask("GET", "/metrics", "");
    assert_eq!(client.ask("GET", "/metrics", "").body, plain.body);
    server.publish(1, 1001.0);
    assert_eq!(dropped(&client.ask("GET", "/metrics", "")), "hostnorm_http_connections_evicted_total 9");
    server.stop();
}

#[test]
fn a_client_that_reads_slowly_disturbs_nobody() {
    let server = Server::with_page(50_000);
    let mut slow: Vec<Client> = (0..8).map(|_| server.client()).collect();
    for client in &mut slow {
        client.send("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    }
    check(&mut server.client(), ("GET", "/-/healthy", ""), 200, PLAIN);
    drop(slow);
    check(&mut server.client(), ("GET", "/-/healthy", ""), 200, PLAIN);
    server.stop();
}

#[test]
fn who_sends_no_whole_head_in_time_is_cut_off() {
    let server = Server::start(Start { hasty: true, ..Start::default() });
    for sent in ["", "GET /-/heal", "GET /-/healthy HTTP/1.1\r\nHost: here\r\n"] {
        let mut client = server.client();
        // The connection may be closed before anything is sent.
        let _ = client.stream.write_all(sent.as_bytes());
        assert!(client.is_closed(), "{sent:?}");
    }
    server.stop();
}

#[test]
fn the_end_waits_for_answers_under_way_and_for_nothing_else() {
    // More than the system's buffers hold, so that the response is in progress until it is read.
    let server = Server::with_page(120_000);
    let (mut idle, mut fresh, mut reading) = (server.client(), server.client(), server.client());
    check(&mut idle, ("GET", "/-/healthy", ""), 200, PLAIN);
    reading.send("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(reading.fill());
    let address = server.addresses[0];
    drop(server.stop);
    until("no new connection is accepted", || TcpStream::connect(address).is_err());
    assert!(idle.is_closed());
    assert!(fresh.is_closed());
    assert!(!server.thread.is_finished());
    let answer = reading.answer(true).unwrap();
    assert!(answer.text().ends_with("119999\"} 1\n"), "the whole page");
    server.thread.join().unwrap();
}

#[test]
fn ipv6_and_all_interfaces() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("this machine has no IPv6");
        return;
    }
    let server = Server::start(Start { address: "[::1]:0", ..Start::default() });
    check(&mut server.client(), ("GET", "/-/healthy", ""), 200, PLAIN);
    server.stop();
    let server = Server::start(Start { address: ":0", ..Start::default() });
    let port = server.addresses[0].port();
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        check(&mut Client::connect(address.parse().unwrap()), ("GET", "/-/healthy", ""), 200, PLAIN);
    }
    server.stop();
}
