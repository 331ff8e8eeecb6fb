//! What spans cost a tick: none in the code, those that nobody takes, and those that are sent.
//!
//! The peer of `off` is `bare`, the same work without spans: their ratio is to stay below 1.02.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, reason = "a bench")]

use std::hint::black_box;
use std::io::Read;
use std::net::TcpListener;

use criterion::{Criterion, criterion_group, criterion_main};
use hostnorm::reading::{Reading, Timestamp};
use hostnorm::sources::{Settings, Sources};
use hostnorm::span::Span;
use hostnorm::telemetry::{otlp, traced};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, filter, fmt, registry};

fn bare(sources: &mut Sources) -> Reading {
    sources.read_all(Timestamp(0.0))
}

/// The same within the spans of a tick.
fn within(sources: &mut Sources) -> Reading {
    let span = tracing::info_span!(target: "hostnorm::bench", parent: None, "tick", hostnorm.tick = 1);
    let _within = span.enter();
    let reading = tracing::info_span!(target: "hostnorm::bench", "read").in_scope(|| bare(sources));
    for _ in 0..3 {
        tracing::info_span!(target: "hostnorm::bench", "phase").in_scope(|| black_box(&reading));
    }
    black_box(otlp::trace_of(&span));
    reading
}

/// The log of the program: events alone.
fn log() -> impl tracing::Subscriber + for<'a> registry::LookupSpan<'a> + Send + Sync {
    let events = filter::filter_fn(|it| it.is_event()).with_max_level_hint(filter::LevelFilter::INFO);
    registry().with(fmt::layer().with_writer(std::io::sink).with_filter(events))
}

fn traces(criterion: &mut Criterion) {
    let mut sources = Sources::open(&Settings::default(), |_| true);
    let mut group = criterion.benchmark_group("traces");
    tracing::subscriber::with_default(log(), || {
        group.bench_function("bare", |it| it.iter(|| black_box(bare(&mut sources))));
        group.bench_function("off", |it| it.iter(|| black_box(within(&mut sources))));
    });
    // A collector that reads and never answers, so that nearly all spans are dropped.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        }
    });
    let settings = otlp::Settings { endpoint, timeout: Span::seconds(1), ..otlp::Settings::default() };
    let traces = otlp::start(&settings, || ()).unwrap().unwrap();
    tracing::subscriber::with_default(traced(log(), &traces), || {
        group.bench_function("on", |it| it.iter(|| black_box(within(&mut sources))));
    });
    group.finish();
    traces.end();
}

criterion_group!(benches, traces);
criterion_main!(benches);
