//! The cost of spans in a tick: without spans in the code, with disabled spans, and with exported spans.
//!
//! `off` and `on` are compared with `bare`, the same work without spans. The rest of a machine has larger effects than
//! spans, so they alternate, and medians of ratios are compared: that of `off` must stay below 1.02.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench"
)]

use std::hint::black_box;
use std::io::Read;
use std::net::TcpListener;
use std::time::Instant;

use hostnorm::duration::HumanDuration;
use hostnorm::reading::{Reading, Timestamp};
use hostnorm::sources::{SourceSettings, Sources};
use hostnorm::telemetry::{otlp_traces, traced};
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
    black_box(otlp_traces::trace_of(&span));
    reading
}

/// The log of the program: events only.
fn log() -> impl tracing::Subscriber + for<'a> registry::LookupSpan<'a> + Send + Sync {
    let events = filter::filter_fn(|it| it.is_event()).with_max_level_hint(filter::LevelFilter::INFO);
    registry().with(fmt::layer().with_writer(std::io::sink).with_filter(events))
}

/// Number of readings of each kind for one ratio.
const TURNS: usize = 100;
/// Number of ratios.
const BLOCKS: usize = 60;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints the cost of spans relative to the same work without them.
fn paired(name: &str, sources: &mut Sources) {
    let timed = |work: fn(&mut Sources) -> Reading, sources: &mut Sources| {
        let start = Instant::now();
        black_box(work(sources));
        start.elapsed().as_secs_f64()
    };
    let block = |sources: &mut Sources| {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for turn in 0..TURNS {
            // The second one finds warmer caches.
            if turn % 2 == 0 {
                without.push(timed(bare, sources));
                with.push(timed(within, sources));
            } else {
                with.push(timed(within, sources));
                without.push(timed(bare, sources));
            }
        }
        (median(without), median(with))
    };
    let blocks: Vec<_> = (0..BLOCKS).map(|_| block(sources)).collect();
    let mut ratios: Vec<f64> = blocks.iter().map(|(without, with)| with / without).collect();
    ratios.sort_by(f64::total_cmp);
    let micros = 1e6 * median(blocks.iter().map(|(without, _)| *without).collect());
    println!(
        "{name}: {:.3} of {micros:.0} us without, half of {BLOCKS} ratios from {:.3} to {:.3}",
        ratios[BLOCKS / 2],
        ratios[BLOCKS / 4],
        ratios[BLOCKS * 3 / 4]
    );
}

fn main() {
    let mut sources = Sources::open(&SourceSettings::default(), |_| true);
    tracing::subscriber::with_default(log(), || paired("off", &mut sources));
    // A collector that reads and never answers, so that nearly all spans are dropped.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        }
    });
    let settings = otlp_traces::OtlpSettings {
        endpoint: endpoint.into(),
        timeout: HumanDuration::seconds(1),
        ..otlp_traces::OtlpSettings::default()
    };
    let traces = otlp_traces::start(&settings).unwrap().unwrap();
    // The subscriber is installed even without spans, as in a program with traces.
    tracing::subscriber::with_default(traced(log(), &traces), || paired("on", &mut sources));
    traces.end();
}
