//! Export of traces: 10,000 ticks with endpoints that refuse, hang, answer malformed data or accept everything.
//! `tests/live/test_otlp.py` checks the exported data with a real collector.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hostnorm::duration::HumanDuration;
use hostnorm::telemetry::otlp_traces::{self, OtlpProtocol, OtlpSettings, SpanCounts, TracePipeline};
use hostnorm::telemetry::traced;

/// Spans of one tick: itself, read, step, store, publish.
const SPANS: u64 = 5;
const TICKS: u64 = 10_000;

/// How a collector handles one connection.
type Act = fn(&mut TcpStream);

/// A collector on loopback; its URL.
fn collector(act: Act) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || act(&mut stream));
        }
    });
    url
}

/// Reads one request with its body; `None` at the end of the connection.
fn request(stream: &mut TcpStream) -> Option<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    stream.read_exact(&mut vec![0; length]).ok()
}

fn takes(stream: &mut TcpStream) {
    while request(stream).is_some() {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}

fn hangs(stream: &mut TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

fn garbles(stream: &mut TcpStream) {
    let _ = request(stream);
    let _ = stream.write_all(&[0xff; 1000]);
}

fn refuses(_: &mut TcpStream) {}

fn start(url: String, protocol: OtlpProtocol, timeout: HumanDuration) -> TracePipeline {
    let settings = OtlpSettings {
        endpoint: url.into(),
        protocol,
        queue_size: 1000,
        schedule_delay: HumanDuration::millis(100),
        timeout,
        ..OtlpSettings::default()
    };
    otlp_traces::start(&settings).unwrap().unwrap()
}

/// The spans of a tick, as the sampler creates them.
fn tick(number: u64) -> Option<String> {
    // The target is that of the program's own spans.
    let span = tracing::info_span!(target: "hostnorm::test", parent: None, "tick", number);
    let _within = span.enter();
    for _ in 1..SPANS {
        tracing::info_span!(target: "hostnorm::test", "phase").in_scope(|| ());
    }
    otlp_traces::trace_of(&span).map(|it| it.trace_id)
}

fn seen(outcomes: &SpanCounts) -> u64 {
    outcomes.sent() + outcomes.failed() + outcomes.dropped()
}

/// 10,000 ticks, until every span is counted as sent, failed or dropped.
fn check(act: Act, protocol: OtlpProtocol, arrives: bool) {
    // A collector that works may be slow.
    let timeout = if arrives { HumanDuration::minutes(1) } else { HumanDuration::seconds(1) };
    let traces = start(collector(act), protocol, timeout);
    let outcomes: Arc<SpanCounts> = traces.outcomes();
    tracing::subscriber::with_default(traced(tracing_subscriber::registry(), &traces), || {
        for number in 0..TICKS {
            assert!(tick(number).is_some(), "each tick has a trace");
            // Do not outrun a collector that accepts everything; never wait otherwise.
            while arrives && number * SPANS > seen(&outcomes) + 500 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    // The end waits a second only.
    let begin = Instant::now();
    while arrives && seen(&outcomes) < TICKS * SPANS && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    traces.end();
    let counted = seen(&outcomes);
    assert!(counted <= TICKS * SPANS, "{outcomes:?}");
    if arrives {
        assert_eq!((outcomes.sent(), outcomes.dropped()), (TICKS * SPANS, 0), "{outcomes:?}");
    } else {
        assert_eq!(outcomes.sent(), 0, "{outcomes:?}");
        // Shutdown loses at most a full queue.
        assert!(counted + 1000 >= TICKS * SPANS, "the queue is bounded: {outcomes:?}");
    }
}

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn a_working_collector_gets_every_span() {
    check(takes, OtlpProtocol::Http, true);
}

#[test]
fn a_broken_collector_loses_its_spans_and_nothing_else() {
    for protocol in [OtlpProtocol::Http, OtlpProtocol::Grpc] {
        for act in [refuses, hangs, garbles] {
            check(act, protocol, false);
        }
    }
}

/// The SDK's processor does not expose the number of spans that it drops.
#[test]
fn each_dropped_span_is_counted() {
    for queue in [1, 10, 600] {
        let settings = OtlpSettings {
            endpoint: collector(hangs).into(),
            queue_size: queue,
            schedule_delay: HumanDuration::millis(100),
            timeout: HumanDuration::minutes(1),
            ..OtlpSettings::default()
        };
        let traces = otlp_traces::start(&settings).unwrap().unwrap();
        let outcomes = traces.outcomes();
        tracing::subscriber::with_default(traced(tracing_subscriber::registry(), &traces), || {
            for number in 0..200 {
                tick(number);
            }
        });
        assert_eq!(outcomes.dropped(), 200 * SPANS - queue);
        traces.end();
    }
}

/// The gRPC exporter's timeout covers requests only; a connection attempt takes as long as in the kernel, two minutes
/// on Linux.
#[cfg(target_os = "linux")]
#[test]
fn connecting_counts_towards_the_timeout() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // The kernel ignores connections once unaccepted ones fill its queue.
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        waiting.push(stream);
    }
    let traces = start(format!("http://{address}"), OtlpProtocol::Grpc, HumanDuration::seconds(1));
    let outcomes = traces.outcomes();
    tracing::subscriber::with_default(traced(tracing_subscriber::registry(), &traces), || tick(0));
    let begin = Instant::now();
    while outcomes.failed() < SPANS {
        assert!(begin.elapsed() < Duration::from_secs(60), "no batch fails: {outcomes:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(outcomes.failed(), SPANS);
    traces.end();
}

#[test]
fn without_an_endpoint_nothing_is_started() {
    for settings in [
        OtlpSettings::default(),
        OtlpSettings { endpoint: "http://localhost:4318".into(), enabled: false, ..OtlpSettings::default() },
    ] {
        assert!(otlp_traces::start(&settings).unwrap().is_none());
    }
    assert_eq!(tick(0), None, "no trace without a collector");
}

/// The trace of a span whose request has this `traceparent`; `new` for a new trace.
fn adopted(parent: &str) -> String {
    let traces = start(collector(takes), OtlpProtocol::Http, HumanDuration::minutes(1));
    let mut headers = hyper::HeaderMap::new();
    headers.insert("traceparent", hyper::header::HeaderValue::from_bytes(parent.as_bytes()).unwrap());
    tracing::subscriber::with_default(traced(tracing_subscriber::registry(), &traces), || {
        let span = tracing::info_span!(target: "hostnorm::test", parent: None, "GET");
        otlp_traces::join_trace(&span, &headers);
        let named = |it: hostnorm::report::TraceIds| {
            if parent.contains(&it.trace_id) { it.trace_id } else { "new".into() }
        };
        otlp_traces::trace_of(&span).map_or_else(|| "none".into(), named)
    })
}

#[test]
fn a_request_joins_the_trace_in_its_header() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (parent, expect) in [
        (format!("00-{trace}-00f067aa0ba902b7-01"), trace),
        // The parent is not recorded, so this span is not, either.
        (format!("00-{trace}-00f067aa0ba902b7-00"), "none"),
        // An invalid trace context is ignored.
        (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), "new"),
        (format!("00-{trace}-00f067aa0ba902b7"), "new"),
        (format!("ff-{trace}-00f067aa0ba902b7-01"), "new"),
        (String::new(), "new"),
        ("é-\t".into(), "new"),
        ("-".repeat(5000), "new"),
    ] {
        assert_eq!(adopted(&parent), expect, "{parent}");
    }
}

#[test]
fn an_unsampled_span_has_no_trace() {
    let settings = OtlpSettings {
        endpoint: collector(takes).into(),
        sampler: otlp_traces::TraceSampler::AlwaysOff,
        ..OtlpSettings::default()
    };
    let traces = otlp_traces::start(&settings).unwrap().unwrap();
    let outcomes = traces.outcomes();
    tracing::subscriber::with_default(traced(tracing_subscriber::registry(), &traces), || {
        assert_eq!(tick(0), None);
    });
    traces.end();
    assert_eq!(seen(&outcomes), 0);
}
